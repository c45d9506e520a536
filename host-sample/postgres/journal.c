/*
 * journal.c - see journal.h.
 */
#include "journal.h"

#include "host-sample/base/monotonic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOG_PERIOD_MS = 10000 /* an error that repeats is logged at most this often */ };

static void write_log(struct pg_journal *journal, const char *level, const char *message) {
    if (journal->options->log != NULL) {
        journal->options->log(journal->options->context, level, journal->options->name, message);
    }
}

/* Written at once if the error is a new one, else now and then. */
static void write_log_now_and_then(struct pg_journal *journal, const char *what, const char *text) {
    const uint64_t now_ms = monotonic_ms();
    const bool again = strcmp(journal->logged_error, text) == 0;
    if (again && now_ms - journal->logged_ms < LOG_PERIOD_MS) {
        journal->unlogged++;
        return;
    }
    char message[384];
    int length = snprintf(message, sizeof(message), "%s: %s", what, text);
    if (again && journal->unlogged > 0) {
        (void)snprintf(message + length, sizeof(message) - (size_t)length,
                       " (and %" PRIu64 " times before)", journal->unlogged);
    }
    (void)snprintf(journal->logged_error, sizeof(journal->logged_error), "%s", text);
    journal->logged_ms = now_ms;
    journal->unlogged = 0;
    write_log(journal, "warn", message);
}

void pg_journal_link_came_up(struct pg_journal *journal, const char *text, bool quietly) {
    counter_add(&journal->tally->connects, 1);
    counter_add(&journal->tally->links_up, 1);
    journal->logged_error[0] = '\0';
    journal->unlogged = 0;
    if (!quietly) {
        write_log(journal, "info", text);
    }
}

static void note_error(struct pg_journal *journal, const char *text) {
    (void)pthread_mutex_lock(&journal->lock);
    (void)snprintf(journal->last_error, sizeof(journal->last_error), "%s", text);
    (void)pthread_mutex_unlock(&journal->lock);
}

void pg_journal_copy_error(struct pg_journal *journal, char *text, size_t length) {
    (void)pthread_mutex_lock(&journal->lock);
    (void)snprintf(text, length, "%s", journal->last_error);
    (void)pthread_mutex_unlock(&journal->lock);
}

void pg_journal_link_was_lost(struct pg_journal *journal, const char *text) {
    counter_subtract(&journal->tally->links_up, 1);
    note_error(journal, text);
    char message[300];
    (void)snprintf(message, sizeof(message), "link lost: %s", text);
    write_log(journal, "warn", message);
}

void pg_journal_link_was_given_up(struct pg_journal *journal, const char *text) {
    counter_subtract(&journal->tally->links_up, 1);
    note_error(journal, text);
    write_log_now_and_then(journal, "link given up", text);
}

void pg_journal_attempt_failed(struct pg_journal *journal, const char *text) {
    counter_add(&journal->tally->connect_failures, 1);
    note_error(journal, text);
    write_log_now_and_then(journal, "no link", text);
}

void pg_journal_server_warned(struct pg_journal *journal, const char *text) {
    if (text[0] == '\0' || strcmp(journal->logged_warning, text) == 0) {
        return;
    }
    char message[300];
    (void)snprintf(message, sizeof(message), "the server warns: %s", text);
    (void)snprintf(journal->logged_warning, sizeof(journal->logged_warning), "%s", text);
    write_log(journal, "warn", message);
}

void pg_journal_link_was_closed(struct pg_journal *journal) {
    counter_subtract(&journal->tally->links_up, 1);
    write_log(journal, "info", "link closed, to be dialled anew");
}
