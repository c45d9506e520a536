/*
 * secret.c - see secret.h.
 */
#include "secret.h"

bool secret_equal(const char *expected, size_t expected_length, const char *given,
                  size_t given_length) {
    if (expected_length == 0 || given_length == 0) {
        return false;
    }
    /* Volatile, so that the compiler cannot leave the loop at the first difference. */
    volatile unsigned char difference = expected_length != given_length;
    for (size_t i = 0; i < given_length; i++) {
        const size_t at = i < expected_length ? i : 0;
        difference = (unsigned char)(difference | (given[i] ^ expected[at]));
    }
    return difference == 0;
}
