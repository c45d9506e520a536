/*
 * secret.h - comparing what must not leak.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the two are equal and not empty. Constant time in `given`: every byte of it is looked at.
 */
bool secret_equal(const char *expected, size_t expected_length, const char *given,
                  size_t given_length);

#endif
