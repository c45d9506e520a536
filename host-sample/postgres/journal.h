/*
 * journal.h - what is reported about a server's links: lines for the log, and the last error.
 *
 * text is always one line. [one thread]: of the server's event base, but for copying the last
 * error.
 */
#ifndef PG_JOURNAL_H
#define PG_JOURNAL_H

#include "options.h"
#include "tally.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_journal {
    const struct pg_server_options *options; /* log, context, name */
    struct pg_tally *tally;
    pthread_mutex_t lock; /* held to write, or to copy: */
    char last_error[256];
    char logged_error[256]; /* the last one of those that are not logged every time, and when */
    char logged_warning[256];
    uint64_t logged_ms;
    uint64_t unlogged; /* how often it has recurred since then */
};

/* quietly: it was closed by the host, which has said so. */
void pg_journal_link_came_up(struct pg_journal *journal, const char *text, bool quietly);
void pg_journal_link_was_lost(struct pg_journal *journal, const char *text);
/* Given up by the link itself, because of the server that it leads to; it will try the address
 * again. */
void pg_journal_link_was_given_up(struct pg_journal *journal, const char *text);
/* By the host. */
void pg_journal_link_was_closed(struct pg_journal *journal);
void pg_journal_attempt_failed(struct pg_journal *journal, const char *text);
/* [any thread] */
void pg_journal_copy_error(struct pg_journal *journal, char *text, size_t length);
/* As it was connected to; "": of nothing. Written once, unless it changes. */
void pg_journal_server_warned(struct pg_journal *journal, const char *text);

#endif
