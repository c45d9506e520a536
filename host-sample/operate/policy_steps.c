/*
 * policy_steps.c - see policy_steps.h.
 */
#include "policy_steps.h"

#include <stdio.h>
#include <string.h>

/* What is between the quotes after label=; its line feeds become blanks. */
static void read_label(const char *line, size_t length, char label[STEPS_LABEL_BYTES]) {
    static const char start[] = "label=\"";
    const char *at = memmem(line, length, start, sizeof start - 1);
    size_t used = 0;
    label[0] = '\0';
    if (at == NULL) {
        return;
    }
    const char *end = line + length;
    for (at += sizeof start - 1; at < end && *at != '"' && used + 1 < STEPS_LABEL_BYTES; at++) {
        const bool escaped = *at == '\\' && at + 1 < end;
        at += escaped ? 1 : 0;
        const bool is_newline = escaped && *at == 'n';
        label[used] = *at;
        if (is_newline) {
            label[used] = ' ';
        }
        used++;
    }
    label[used] = '\0';
}

static bool is_in(const char *line, size_t length, const char *word) {
    return memmem(line, length, word, strlen(word)) != NULL;
}

static enum status_tone tone_of(const char *line, size_t length) {
    if (is_in(line, length, "palegreen")) {
        return TONE_GOOD;
    }
    if (is_in(line, length, "khaki")) {
        return TONE_WARN;
    }
    return is_in(line, length, "salmon") ? TONE_BAD : TONE_PLAIN;
}

static void read_line(struct policy_steps *steps, const char *line, size_t length) {
    char from[STEPS_ID_BYTES], to[STEPS_ID_BYTES];
    char copy[64];
    (void)snprintf(copy, sizeof copy, "%.*s",
                   (int)(length < sizeof copy ? length : sizeof copy - 1), line);
    if (sscanf(copy, " %7[a-z0-9] -> %7[a-z0-9] [", from, to) == 2) {
        if (steps->edge_count < STEPS_MAX_EDGES) {
            (void)strlcpy(steps->edges[steps->edge_count].from, from, STEPS_ID_BYTES);
            (void)strlcpy(steps->edges[steps->edge_count].to, to, STEPS_ID_BYTES);
            read_label(line, length, steps->edges[steps->edge_count++].label);
        }
    } else if (sscanf(copy, " %1[se]%6[0-9] [", from, to) == 2 &&
               steps->node_count < STEPS_MAX_NODES) {
        const uint32_t node = steps->node_count++;
        (void)snprintf(steps->nodes[node].id, STEPS_ID_BYTES, "%.1s%.6s", from, to);
        steps->nodes[node].is_end = from[0] == 'e';
        steps->nodes[node].tone = tone_of(line, length);
        read_label(line, length, steps->nodes[node].label);
    }
}

void policy_steps_read(struct policy_steps *steps, const char *dot) {
    steps->node_count = 0;
    steps->edge_count = 0;
    while (*dot != '\0') {
        const size_t length = strcspn(dot, "\n");
        read_line(steps, dot, length);
        dot += length + (dot[length] == '\n');
    }
}
