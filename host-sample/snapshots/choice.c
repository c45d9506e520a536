/*
 * choice.c - an exponentially weighted mean and a threshold.
 */
#include "choice.h"

/* Asking the lean one first costs lean + p * full, where p is the share of reads that need the full
 * one: more than full alone if p is above 1 - lean / full, about a third. */
#define THRESHOLD (STATEMENT_CHOICE_ALWAYS / 3)

#define SAMPLE_EVERY 64u /* sent lean regardless of the mean */
#define WEIGHT       32u /* of the past against the newest */

bool statement_choice_is_lean(struct statement_choice *choice) {
    return choice->needed_full < THRESHOLD || choice->turns++ % SAMPLE_EVERY == 0;
}

void statement_choice_learn(struct statement_choice *choice, bool needed_full) {
    uint32_t newest = needed_full ? STATEMENT_CHOICE_ALWAYS : 0;
    choice->needed_full = (choice->needed_full * (WEIGHT - 1) + newest) / WEIGHT;
}
