/*
 * new_file.c - see new_file.h.
 */
#include "new_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool new_file_open(struct new_file *file, const char *path, char *err, size_t err_length) {
    *file = (struct new_file){.path = path};
    int length = snprintf(file->part, sizeof file->part, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof file->part) {
        (void)snprintf(err, err_length, "%.100s...: the name is too long", path);
        return false;
    }
    file->out = fopen(file->part, "wxe");
    if (file->out == NULL) {
        (void)snprintf(err, err_length, "%s: %s%s", file->part, strerror(errno),
                       errno == EEXIST ? ": it is being written, or was interrupted" : "");
    }
    return file->out != NULL;
}

bool new_file_keep(struct new_file *file, char *err, size_t err_length) {
    bool good = fflush(file->out) == 0 && ferror(file->out) == 0 && fsync(fileno(file->out)) == 0;
    good = (fclose(file->out) == 0 && good) && rename(file->part, file->path) == 0;
    file->out = NULL;
    if (!good) {
        (void)snprintf(err, err_length, "%s: %s", file->path, strerror(errno));
    }
    return good;
}

void new_file_give_up(struct new_file *file, bool leave_part) {
    (void)fclose(file->out);
    file->out = NULL;
    if (!leave_part) {
        (void)unlink(file->part);
    }
}
