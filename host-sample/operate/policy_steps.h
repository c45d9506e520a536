/*
 * policy_steps.h - the steps of a policy, read from the plugin's diagram. Pure.
 */
#ifndef POLICY_STEPS_H
#define POLICY_STEPS_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STEPS_MAX_NODES = 64, STEPS_MAX_EDGES = 192, STEPS_ID_BYTES = 8, STEPS_LABEL_BYTES = 160 };

struct policy_steps {
    struct {
        char id[STEPS_ID_BYTES];
        char label[STEPS_LABEL_BYTES];
        enum status_tone tone; /* of an end */
        bool is_end;
    } nodes[STEPS_MAX_NODES];
    uint32_t node_count;
    struct {
        char from[STEPS_ID_BYTES];
        char to[STEPS_ID_BYTES];
        char label[STEPS_LABEL_BYTES];
    } edges[STEPS_MAX_EDGES];
    uint32_t edge_count;
};

/* Reads the lines `ID [label="..."` and `ID -> ID [label="..."` of DOT as the plugin writes it;
 * others are skipped. */
void policy_steps_read(struct policy_steps *steps, const char *dot);

#endif
