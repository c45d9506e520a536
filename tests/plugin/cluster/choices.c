/*
 * choices.c - see choices.h.
 */
#include "choices.h"

#include "plugin/read_policy.h"

int choose(struct choices *choices, int of) {
    if (of <= 1) {
        return 0;
    }
    if (choices->random) {
        return (int)(rp_random(&choices->seed) % (uint64_t)of);
    }
    if (choices->count == MAX_CHOICES) {
        return 0;
    }
    int at = choices->count++;
    choices->of[at] = (uint8_t)of;
    if (at >= choices->given) {
        choices->taken[at] = 0;
    }
    return choices->taken[at];
}

int choose_rarely(struct choices *choices, int of) {
    if (of > 1 && choices->random && rp_random(&choices->seed) % choices->rareness != 0) {
        return 0;
    }
    return choices->random && of > 1 ? 1 + choose(choices, of - 1) : choose(choices, of);
}

void choices_at_random(struct choices *choices, uint64_t seed) {
    *choices = (struct choices){.random = true, .seed = seed};
    choices->rareness = UINT32_C(2) << rp_random(&choices->seed) % 6;
}

void choices_begin(struct choices *choices) {
    choices->count = 0;
}

bool choices_advance(struct choices *choices) {
    int at = choices->count - 1;
    while (at >= 0 && choices->taken[at] + 1 >= choices->of[at]) {
        at--;
    }
    if (at < 0) {
        return false;
    }
    choices->taken[at]++;
    choices->given = at + 1;
    return true;
}
