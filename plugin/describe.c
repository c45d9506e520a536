/*
 * describe.c - a section's policy in plain words, effective values included.
 *
 * Each key that the policy uses has its sentence; keys that are set but not used are not mentioned
 * here (see notes.c).
 */
#include "describe.h"

#include "policy.h"
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
