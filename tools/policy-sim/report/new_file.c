/*
 * new_file.c - see new_file.h.
 */
#include "new_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool new_file_open(struct new_file *file, const char *path, char *err, size_t err_length) {
    struct stat there;
    *file = (struct new_file){.path = path};
    if (path[0] == '\0') {
        (void)snprintf(err, err_length, "the name of the file to write is empty");
        return false;
    }
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        (void)snprintf(err, err_length, "%s: %s; expected a file, or a name that is free", path,
                       S_ISDIR(there.st_mode) ? "is a directory" : "is not a regular file");
        return false;
    }
    int length = snprintf(file->part, sizeof file->part, "%s.part", path);
    if (length < 0 || (size_t)length >= sizeof file->part) {
        (void)snprintf(err, err_length, "%.100s...: the name is too long", path);
        return false;
    }
    file->out = fopen(file->part, "wxe");
    if (file->out == NULL) {
        (void)snprintf(err, err_length, "%s: %s%s", file->part, strerror(errno),
                       errno == EEXIST
                           ? ": it is being written; or, left by an interruption, has to be "
                             "renamed or removed"
                           : "");
    }
    return file->out != NULL;
}

bool new_file_keep(struct new_file *file, bool leave_part, char *err, size_t err_length) {
    errno = 0; /* a write that failed before tells no reason */
    bool good = fflush(file->out) == 0 && ferror(file->out) == 0 && fsync(fileno(file->out)) == 0;
    good = good && rename(file->part, file->path) == 0;
    if (!good) {
        (void)snprintf(err, err_length, "%s: %s", file->path,
                       errno != 0 ? strerror(errno) : "cannot be written");
    }
    new_file_give_up(file, good || leave_part);
    return good;
}

void new_file_give_up(struct new_file *file, bool leave_part) {
    (void)fclose(file->out);
    file->out = NULL;
    if (!leave_part) {
        (void)unlink(file->part);
    }
}
