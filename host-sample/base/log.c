/*
 * log.c - the queue of lines, and the thread that writes them.
 *
 * What must hold: only the thread writes to the descriptor, and the lock is not held while
 * something is written. So a stuck reader stops only the thread. (The descriptor is not made
 * non-blocking: that would affect every process that shares it.)
 */
#include "log.h"

#include "counter.h"
#include "log_limits.h"
#include "log_line.h"
#include "monotonic.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

/* A pipe takes this much in one piece, even if others write to it. */
#define PIECE_BYTES 4096u

/* Whole lines. */
struct part {
    char bytes[LOG_QUEUE_BYTES];
    size_t length;
};

struct log {
    int fd;
    bool journal;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;   /* there are lines, lines were left out, or the end has come */
    pthread_cond_t at_end; /* the thread has finished writing */
    struct part *filling;  /* under the lock */
    struct part *writing;  /* the thread's */
    struct log_limits limits;
    bool stopping;
    bool ended;
    bool left_alone; /* the thread frees the log */
    _Atomic uint64_t dropped;
    /* The thread's: */
    uint64_t dropped_told;
    int write_error; /* of the last line that could not be written, since it was told; 0: none */
    bool torn;       /* what was written last ends in the middle of a line */
};

enum log_level log_level_of(const char *name) {
    if (strcmp(name, "info") == 0) {
        return LOG_LEVEL_INFO;
    }
    return strcmp(name, "warn") == 0 ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR;
}

uint64_t log_dropped(const struct log *log) {
    return counter_value(&log->dropped);
}

static void count_dropped(struct log *log, uint64_t lines) {
    (void)counter_add_shared(&log->dropped, lines);
}

/* ---- lines come in --------------------------------------------------------------------------- */

/* Under the lock. */
static void enqueue(struct log *log, const struct log_line *line) {
    struct part *part = log->filling;
    if (line->length > sizeof part->bytes - part->length) {
        count_dropped(log, 1);
        return;
    }
    memcpy(part->bytes + part->length, line->text, line->length);
    part->length += line->length;
    (void)pthread_cond_signal(&log->work);
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields) {
    struct log_line line;
    if (log == NULL) {
        return;
    }
    log_line_make(&line, log->journal, level, message, fields);
    (void)pthread_mutex_lock(&log->lock);
    enqueue(log, &line);
    (void)pthread_mutex_unlock(&log->lock);
}

void log_write_limited(struct log *log, enum log_kind kind, enum log_level level,
                       const char *message, const struct log_field *fields) {
    if (log == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&log->lock);
    const bool untold = log->limits.summary_ns != 0;
    const bool admitted = log_limits_admit(&log->limits, kind, level, monotonic_ns());
    if (!admitted && !untold) {
        (void)pthread_cond_signal(&log->work);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (admitted) {
        log_write(log, level, message, fields);
    }
}

/* ---- lines go out ---------------------------------------------------------------------------- */

static uint64_t count_lines(const char *bytes, size_t length) {
    uint64_t lines = 0;
    for (size_t i = 0; i < length; i++) {
        lines += bytes[i] == '\n';
    }
    return lines;
}

/* Waits for the reader, however long it takes. Returns how much was written: all, or there was an
 * error. */
static size_t write_bytes(struct log *log, const char *bytes, size_t length) {
    size_t done = 0;
    while (done < length) {
        const ssize_t written = write(log->fd, bytes + done, length - done);
        if (written > 0) {
            done += (size_t)written;
            log->torn = bytes[done - 1] != '\n';
        } else if (written < 0 && errno == EAGAIN) {
            /* Another process that shares the descriptor made it non-blocking. */
            (void)poll(&(struct pollfd){.fd = log->fd, .events = POLLOUT}, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            log->write_error = errno;
            break;
        }
    }
    return done;
}

/* Of whole lines. One that was cut off, by a full disk for instance, spoils no other. */
static size_t write_lines_of(struct log *log, const char *bytes, size_t length) {
    const bool apart = !log->torn || write_bytes(log, "\n", 1) == 1;
    return apart ? write_bytes(log, bytes, length) : 0;
}

/* As many whole lines as a pipe takes in one piece; at least one. */
static size_t next_piece(const char *bytes, size_t length) {
    if (length <= PIECE_BYTES) {
        return length;
    }
    const char *end = memrchr(bytes, '\n', PIECE_BYTES);
    if (end == NULL) {
        end = memchr(bytes, '\n', length);
    }
    return (size_t)(end - bytes) + 1;
}

static void tell_dropped(struct log *log) {
    const uint64_t dropped = log_dropped(log);
    if (dropped == log->dropped_told) {
        return;
    }
    const int error = log->write_error;
    char number[24];
    (void)snprintf(number, sizeof number, "%" PRIu64, dropped - log->dropped_told);
    const struct log_field fields[] = {LOG_NUMBER("dropped", number),
                                       LOG_TEXT("error", error != 0 ? strerror(error) : NULL),
                                       LOG_END};
    struct log_line line;
    log_line_make(&line, log->journal, LOG_LEVEL_WARN,
                  error != 0 ? "log lines were lost because they could not be written"
                             : "log lines were lost because they were not read in time",
                  fields);
    if (write_lines_of(log, line.text, line.length) == line.length) {
        log->dropped_told = dropped;
        log->write_error = 0;
    }
}

static void write_part(struct log *log) {
    const struct part *part = log->writing;
    size_t done = 0;
    while (done < part->length) {
        const size_t piece = next_piece(part->bytes + done, part->length - done);
        const size_t written = write_lines_of(log, part->bytes + done, piece);
        count_dropped(log, count_lines(part->bytes + done + written, piece - written));
        done += piece;
    }
    tell_dropped(log);
}

/* Under the lock. */
static void enqueue_summaries(struct log *log) {
    for (enum log_kind kind = 0; kind < LOG_KINDS; kind++) {
        const uint64_t left_out = log_limits_take(&log->limits, kind);
        if (left_out > 0) {
            char number[24];
            (void)snprintf(number, sizeof number, "%" PRIu64, left_out);
            const struct log_field fields[] = {LOG_TEXT("kind", log_limits_name(kind)),
                                               LOG_NUMBER("left_out", number), LOG_END};
            struct log_line line;
            log_line_make(&line, log->journal, log->limits.kinds[kind].level,
                          "more lines of this kind were left out", fields);
            enqueue(log, &line);
        }
    }
    log->limits.summary_ns = 0;
}

/* Under the lock. Returns false once there is nothing more to write, ever. */
static bool wait_for_work(struct log *log) {
    for (;;) {
        const uint64_t summary_ns = log->limits.summary_ns;
        if (summary_ns != 0 && (log->stopping || monotonic_ns() >= summary_ns)) {
            enqueue_summaries(log);
        }
        if (log->filling->length > 0 || log->stopping) {
            return log->filling->length > 0;
        }
        if (summary_ns == 0) {
            (void)pthread_cond_wait(&log->work, &log->lock);
        } else {
            const struct timespec until = {.tv_sec = (time_t)(summary_ns / SECOND_NS),
                                           .tv_nsec = (long)(summary_ns % SECOND_NS)};
            (void)pthread_cond_timedwait(&log->work, &log->lock, &until);
        }
    }
}

static void free_log(struct log *log) {
    free(log->filling);
    free(log->writing);
    free(log);
}

static void destroy(struct log *log) {
    (void)pthread_cond_destroy(&log->work);
    (void)pthread_cond_destroy(&log->at_end);
    (void)pthread_mutex_destroy(&log->lock);
    free_log(log);
}

static void *write_lines(void *context) {
    struct log *log = context;
    (void)pthread_mutex_lock(&log->lock);
    while (wait_for_work(log)) {
        struct part *full = log->filling;
        log->filling = log->writing;
        log->writing = full;
        (void)pthread_mutex_unlock(&log->lock);
        write_part(log);
        log->writing->length = 0;
        (void)pthread_mutex_lock(&log->lock);
    }
    log->ended = true;
    const bool left_alone = log->left_alone;
    (void)pthread_cond_signal(&log->at_end);
    (void)pthread_mutex_unlock(&log->lock);
    if (left_alone) {
        destroy(log);
    }
    return NULL;
}

/* ---- start and end --------------------------------------------------------------------------- */

/* Whether the descriptor is the stream that systemd connected to the journal. */
static bool is_journal(int fd) {
    const char *named = getenv("JOURNAL_STREAM");
    struct stat status;
    char text[64];
    if (named == NULL || fstat(fd, &status) != 0) {
        return false;
    }
    (void)snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(named, text) == 0;
}

static bool init_conditions(struct log *log) {
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    bool good = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                pthread_mutex_init(&log->lock, NULL) == 0 &&
                pthread_cond_init(&log->work, &monotonic) == 0 &&
                pthread_cond_init(&log->at_end, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return good;
}

static bool start_thread(struct log *log) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    const int error = pthread_create(&log->thread, NULL, write_lines, log);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error == 0;
}

struct log *log_start(int fd) {
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return NULL;
    }
    log->fd = fd;
    log->journal = is_journal(fd);
    log->filling = malloc(sizeof *log->filling);
    log->writing = malloc(sizeof *log->writing);
    if (log->filling != NULL && log->writing != NULL) {
        log->filling->length = 0;
        log->writing->length = 0;
        if (init_conditions(log) && start_thread(log)) {
            return log;
        }
    }
    free_log(log);
    return NULL;
}

void log_stop(struct log *log, uint32_t limit_ms) {
    const uint64_t limit_ns = monotonic_ns() + limit_ms * UINT64_C(1000000);
    const struct timespec until = {.tv_sec = (time_t)(limit_ns / SECOND_NS),
                                   .tv_nsec = (long)(limit_ns % SECOND_NS)};
    (void)pthread_mutex_lock(&log->lock);
    log->stopping = true;
    (void)pthread_cond_signal(&log->work);
    int status = 0;
    while (!log->ended && status == 0) {
        status = pthread_cond_timedwait(&log->at_end, &log->lock, &until);
    }
    const bool ended = log->ended;
    const pthread_t thread = log->thread;
    log->left_alone = !ended;
    (void)pthread_mutex_unlock(&log->lock);
    if (ended) {
        (void)pthread_join(thread, NULL);
        destroy(log);
    } else {
        (void)pthread_detach(thread);
    }
}
