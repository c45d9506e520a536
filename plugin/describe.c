/*
 * describe.c - a section's policy in plain words, effective values included.
 *
 * The sentences are those of the keys that the policy's kind says it uses; keys that are set but
 * not used by it are not mentioned here (notes.c).
 */
#include "describe.h"

#include "slot.h"
#include "text.h"

uint32_t describe_policy(const struct rp_policy *policy, char *buf, uint32_t len) {
    if (policy == NULL || (buf == NULL && len != 0)) {
        return 0;
    }
    struct text text = {.buf = buf, .len = len};
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    text_add(&text, "[%s]", policy->name);
    options_say(&text, &plan->options, plan->kind);
    return text.needed;
}
