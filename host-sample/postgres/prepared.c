/*
 * prepared.c - see prepared.h.
 */
#include "prepared.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

/* FNV-1a, of 64 bits. */
static uint64_t digest_of(const char *text) {
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        digest = (digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return digest;
}

void pg_prepared_name(char name[PG_NAME_SIZE], const char *what, const char *sql) {
    (void)snprintf(name, PG_NAME_SIZE, "%.*s_%016" PRIx64, PG_WHAT_MAX, what, digest_of(sql));
}
