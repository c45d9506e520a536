/*
 * recorded.h - lookups that were recorded, in place of those that are drawn.
 */
#ifndef RECORDED_H
#define RECORDED_H

#include <stddef.h>
#include <stdint.h>

enum recorded_row { RECORDED_OLD, RECORDED_AGED, RECORDED_ABSENT };

struct recorded_lookup {
    uint64_t after_ns; /* it arrives so long after the scenario's start */
    uint64_t age_ns;   /* AGED: of its row then */
    uint8_t row;       /* enum recorded_row: on every server, so old, nowhere */
};

#endif
