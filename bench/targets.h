/*
 * targets.h - what to look up: a file of lines "run snapshot", database ids.
 */
#ifndef TARGETS_H
#define TARGETS_H

#include <stddef.h>

struct target {
    char run[64];
    char snapshot[64];
};

struct targets {
    struct target *list;
    size_t count; /* at least 1 */
    size_t next;
};

/* Reads the file, or ends the program with a message. */
struct targets targets_read(const char *path);
void targets_free(struct targets *targets);

/* The next one; after the last comes the first. */
static inline const struct target *targets_next(struct targets *targets) {
    const struct target *target = &targets->list[targets->next];
    targets->next = targets->next + 1 < targets->count ? targets->next + 1 : 0;
    return target;
}

#endif
