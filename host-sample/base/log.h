/*
 * log.h - structured log lines: one JSON object per line, written by the log's own thread.
 *
 * Logging never waits for a reader: a line goes into a bounded queue, and if that is full it
 * is dropped and counted. When lines can be written again, one of them says how many were lost.
 * Lines that clients can cause are limited by kind: a burst of LOG_BURST, then LOG_PER_S a second;
 * once a second a line says how many more there were.
 *
 * Where the descriptor is the journal's (JOURNAL_STREAM names it), each line begins with its
 * priority in the form that the journal strips, so that `journalctl -p err` finds errors.
 */
#ifndef LOG_H
#define LOG_H

#include "log_entry.h"

#include <stdint.h>

#define LOG_QUEUE_BYTES (512u << 10) /* twice: one part fills while the other is written */

/* How long a reader of the log that is stuck may keep the process from its end. */
#define LOG_END_MS 1000u

struct log;

/* Starts the thread, which writes to this descriptor and handles no signal. NULL if there is no
 * memory or no thread; errno says which. The descriptor stays the caller's, with its flags
 * unchanged. */
struct log *log_start(int fd);

/* Writes what is queued, for at most that long, and frees the log. If a reader is stuck the log is
 * left to the end of the process, which must be near then. No other call may be under way or
 * follow. */
void log_stop(struct log *log, uint32_t limit_ms);

/* [thread-safe] Does nothing if log is NULL. Queues {"time":...,"level":...,"message":...} and the
 * fields, which end with LOG_END; fields may be NULL for none. What does not fit into a line of 8
 * KiB is cut off at the end of a field. */
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields);

/* [thread-safe] The same, within the limit of its kind. */
void log_write_limited(struct log *log, enum log_kind kind, enum log_level level,
                       const char *message, const struct log_field *fields);

/* [thread-safe] How many lines were lost, because they were not read in time or could not be
 * written. */
uint64_t log_dropped(const struct log *log);

/* "info", "warn" or "error" to a level; anything else is an error's. */
enum log_level log_level_of(const char *name);

#endif
