/*
 * nearest.c - which of the known words a mistyped word was probably meant to be.
 *
 * The measure is the Damerau-Levenshtein distance (optimal string alignment): the number of
 * characters inserted, left out, replaced, or exchanged with their neighbour. Upper and lower case
 * count as the same.
 */
#include "nearest.h"

#include "strict_ini.h"

#include <ctype.h>
#include <string.h>
#include <sys/param.h>

#define LONGEST_WORD 64 /* a longer word has no neighbours, which bounds stack and time */

static bool is_same(char one, char other) {
    return tolower((unsigned char)one) == tolower((unsigned char)other);
}

/* The distance of two words of at most LONGEST_WORD bytes, by the usual table, of which only the
 * last three rows are kept. */
static unsigned distance_between(const char *word, size_t word_length, const char *candidate,
                                 size_t candidate_length) {
    unsigned rows[3][LONGEST_WORD + 1];
    for (size_t column = 0; column <= candidate_length; column++) {
        rows[0][column] = (unsigned)column;
    }
    for (size_t row = 1; row <= word_length; row++) {
        unsigned *current = rows[row % 3];
        const unsigned *above = rows[(row + 2) % 3];
        const unsigned *two_above = rows[(row + 1) % 3];
        current[0] = (unsigned)row;
        for (size_t column = 1; column <= candidate_length; column++) {
            const bool same = is_same(word[row - 1], candidate[column - 1]);
            unsigned least = above[column - 1] + (same ? 0 : 1);
            least = MIN(least, above[column] + 1);
            least = MIN(least, current[column - 1] + 1);
            if (row > 1 && column > 1 && is_same(word[row - 1], candidate[column - 2]) &&
                is_same(word[row - 2], candidate[column - 1])) {
                least = MIN(least, two_above[column - 2] + 1);
            }
            current[column] = least;
        }
    }
    return rows[word_length % 3][candidate_length];
}

void ini_nearest_offer(struct ini_nearest_search *search, const char *candidate) {
    const size_t word_length = strlen(search->word);
    const size_t candidate_length = strlen(candidate);
    const size_t shorter = MIN(word_length, candidate_length);
    const size_t longer = MAX(word_length, candidate_length);
    /* One mistake for every three characters, and some of the word must remain. */
    const size_t allowed = MAX(longer / 3, 1);
    if (longer > LONGEST_WORD || longer - shorter > allowed) {
        return;
    }
    const unsigned distance =
        distance_between(search->word, word_length, candidate, candidate_length);
    if (distance > allowed || distance >= shorter) {
        return;
    }
    if (search->best == NULL || distance < search->best_distance) {
        search->best = candidate;
        search->best_distance = distance;
    }
}

const char *ini_nearest(const char *word, const char *const *candidates) {
    struct ini_nearest_search search = {.word = word};
    for (; *candidates != NULL; candidates++) {
        ini_nearest_offer(&search, *candidates);
    }
    return search.best;
}
