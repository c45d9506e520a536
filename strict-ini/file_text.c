/*
 * file_text.c - reading a regular file whole.
 */
#include "file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void report(const char *path, int error_number, struct ini_errors *errors) {
    /* Not strerror_r, of which there are two; glibc and musl keep this one apart for each thread.
     */
    ini_errors_add(errors, "%s: %s; accepted: a readable regular file", path,
                   error_number != 0 ? strerror(error_number) : "Not a regular file");
}

int ini_open_regular(const char *path) {
    struct stat status;
    /* O_NONBLOCK: opening a FIFO would wait for its writer. */
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0) {
        return -1;
    }
    int error = 0;
    if (fstat(descriptor, &status) != 0) {
        error = errno;
    } else if (S_ISREG(status.st_mode)) {
        return descriptor;
    } else if (S_ISDIR(status.st_mode)) {
        error = EISDIR;
    }
    close(descriptor);
    errno = error;
    return -1;
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
            report(path, errno, errors);
            return false;
        }
        *length += (size_t)got;
    }
    return true;
}

bool ini_read_file(const char *path, char *text, size_t *length, struct ini_errors *errors) {
    *length = 0;
    const int descriptor = ini_open_regular(path);
    if (descriptor < 0) {
        report(path, errno, errors);
        return false;
    }
    const bool complete = read_bytes(descriptor, path, text, length, errors);
    close(descriptor);
    return complete;
}
