/*
 * new_file.h - a file that takes its name when it is whole, so that an earlier one is never lost.
 */
#ifndef NEW_FILE_H
#define NEW_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct new_file {
    FILE *out;
    const char *path;
    char part[PATH_MAX]; /* where it is until then: path and ".part" */
};

/* Refuses if the part is there already: somebody else's, or what an interruption left. And if
 * something else than a file has the name, a folder or a device. All return false with one line in
 * err. */
bool new_file_open(struct new_file *file, const char *path, char *err, size_t err_length);

/* Takes the name; where that fails, the part stays, or does not. */
bool new_file_keep(struct new_file *file, bool leave_part, char *err, size_t err_length);

/* Closes it; the part stays, or does not. */
void new_file_give_up(struct new_file *file, bool leave_part);

#endif
