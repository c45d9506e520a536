/*
 * file_text.c - reading a regular file whole.
 */
#include "file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTED_FILE "accepted: a readable regular file"

static void report_errno(const char *path, int error_number, struct ini_errors *errors) {
    /* Not strerror_r, of which there are two; glibc and musl keep this one apart for each thread.
     */
    ini_errors_add(errors, "%s: %s; " ACCEPTED_FILE, path, strerror(error_number));
}

static bool is_regular_file(int descriptor, const char *path, struct ini_errors *errors) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        report_errno(path, errno, errors);
        return false;
    }
    if (S_ISREG(status.st_mode)) {
        return true;
    }
    if (S_ISDIR(status.st_mode)) {
        report_errno(path, EISDIR, errors);
    } else {
        ini_errors_add(errors, "%s: Not a regular file; " ACCEPTED_FILE, path);
    }
    return false;
}

/* Reads up to the file's end or the capacity, whichever comes first. */
static bool read_bytes(int descriptor, const char *path, char *text, size_t *length,
                       struct ini_errors *errors) {
    while (*length < INI_FILE_CAPACITY) {
        const ssize_t got = read(descriptor, text + *length, INI_FILE_CAPACITY - *length);
        if (got == 0) {
            return true;
        }
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            report_errno(path, errno, errors);
            return false;
        }
        *length += (size_t)got;
    }
    return true;
}

bool ini_read_file(const char *path, char *text, size_t *length, struct ini_errors *errors) {
    *length = 0;
    /* O_NONBLOCK: opening a FIFO would wait for its writer. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        report_errno(path, errno, errors);
        return false;
    }
    const bool complete = is_regular_file(descriptor, path, errors) &&
                          read_bytes(descriptor, path, text, length, errors);
    close(descriptor);
    return complete;
}
