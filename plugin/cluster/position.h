/*
 * position.h - WAL positions as text, and what an idle primary's position means.
 */
#ifndef CLUSTER_POSITION_H
#define CLUSTER_POSITION_H

#include <stdint.h>

/* A position in a text, and where it ends there; NULL: there is none. 0/0, which is not a position,
 * is 0. */
struct position_text {
    uint64_t position;
    const char *end;
};

/* The one that a text begins with, as in "16/B374D848". */
struct position_text position_read(const char *text);

/* The functions of struct rp_cluster_calls. */
int32_t position_parse(const char *text, uint64_t *position);
void position_print(uint64_t position, char *text);

/*
 * The position that a standby must have replayed to have all of a primary whose insert position is
 * `inserted`. An idle primary can be just past the header of a page that has no record yet: a
 * header alone is never replayed, so the standby stays before it. block: bytes of a WAL page
 * (wal_block_size); segment: bytes of a WAL file (wal_segment_size); powers of two.
 */
uint64_t position_without_page_header(uint64_t inserted, uint64_t block, uint64_t segment);

#endif
