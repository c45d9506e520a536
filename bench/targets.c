/*
 * targets.c - a file of ids, read into memory.
 */
#include "targets.h"

#include "loaded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct targets targets_read(const char *path) {
    struct targets targets = {0};
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        give_up("%s: %s", path, strerror(errno));
    }
    struct target target;
    while (fscanf(file, "%63s %63s", target.run, target.snapshot) == 2) {
        if (targets.count == room) {
            room = room == 0 ? 256 : room * 2;
            targets.list = realloc(targets.list, room * sizeof *targets.list);
            if (targets.list == NULL) {
                give_up("out of memory");
            }
        }
        targets.list[targets.count++] = target;
    }
    (void)fclose(file);
    if (targets.count == 0) {
        give_up("%s: expected lines of a run and a snapshot", path);
    }
    return targets;
}

void targets_free(struct targets *targets) {
    free(targets->list);
    *targets = (struct targets){0};
}
