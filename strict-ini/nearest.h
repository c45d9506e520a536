/*
 * nearest.h - the search behind ini_nearest, for candidates that come one by one.
 */
#ifndef STRICT_INI_NEAREST_H
#define STRICT_INI_NEAREST_H

struct ini_nearest_search {
    const char *word;
    const char *best;       /* NULL until a candidate is near enough */
    unsigned best_distance; /* of `best` */
};

/* Keeps the candidate as `best` if it is near enough to `word` and nearer than all before it. Start
 * with `word` set and the rest zero; `best` points to the candidate, which must live as long. */
void ini_nearest_offer(struct ini_nearest_search *search, const char *candidate);

#endif
