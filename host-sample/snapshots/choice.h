/*
 * choice.h - whether a first read asks the lean statement or the full one.
 *
 * The lean statement costs the server about two thirds of the full one, and is enough for the most
 * common answers; where it is not enough, its cost is wasted. Which is better depends on the
 * current questions, so the choice follows how often lean statements have been enough lately, and a
 * few are sent in any case to keep learning.
 *
 * [one thread]: of the worker's event loop.
 */
#ifndef STATEMENT_CHOICE_H
#define STATEMENT_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

struct statement_choice {
    uint32_t needed_full; /* how often lean was not enough: 0 never to STATEMENT_CHOICE_ALWAYS */
    uint32_t turns;
};
#define STATEMENT_CHOICE_ALWAYS 1024u

bool statement_choice_is_lean(struct statement_choice *choice);

/* Reports whether a lean statement was enough. */
void statement_choice_learn(struct statement_choice *choice, bool needed_full);

#endif
