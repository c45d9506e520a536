/*
 * statement.h - what a server can be asked, and what comes back.
 */
#ifndef PG_STATEMENT_H
#define PG_STATEMENT_H

#include "result_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct pg_queue;

/* What may be sent. */
enum pg_statement_kind {
    /* One prepared statement; before it, if there is a question, that, as an earlier statement of
     * the same transaction: under READ COMMITTED what it says was so before the read's snapshot. */
    PG_READ,
    /* The question alone. */
    PG_ASK
};

enum pg_reply_status {
    PG_REPLY_ROWS,  /* what was asked for is there */
    PG_REPLY_FAILED /* error and failure say why */
};

/* What a failure says of the server. */
enum pg_failure {
    PG_FAILED_HERE,  /* of this statement alone: it says nothing about the next one */
    PG_CONFLICT,     /* cancelled by recovery, serialization or a deadlock: worth asking again */
    PG_NO_SUCH_TEXT, /* a parameter cannot be in this database, whose encoding lacks a character */
    PG_SERVER_GONE,  /* the link was lost over it, or the server is shutting down */
    PG_NOT_SENT      /* there is no link */
};

struct pg_reply {
    enum pg_reply_status status;
    enum pg_failure failure; /* PG_REPLY_FAILED */
    struct result_rows rows; /* of a result that is the server's; valid until the callback
                                returns. Its result may be NULL */
    PGresult *question;      /* the question's, likewise */
    const char *before;      /* its answer, which lies in it, also if only the read failed; NULL:
                                there is none, or it was a NULL */
    const char *error;       /* PG_REPLY_FAILED: one line; valid until the callback returns */
    char sqlstate[6];        /* "" if there is none (lost link, no link, timeout) */
};

/* The caller's memory, all zero before it is first submitted; it may be submitted again from within
 * its callback. */
struct pg_statement {
    /* set by the caller */
    enum pg_statement_kind kind;
    int prepared; /* index into pg_server_options.prepared */
    /* Text parameters, none of them NULL; they and what they point to must stay valid until the
     * callback or pg_statement_forget. lengths may be NULL: they end at their NUL then. */
    const char *const *values;
    const int *lengths;
    /* PG_READ, PG_ASK: a statement of one row with one column, without parameters, or NULL: none. A
     * constant: the same text is the same pointer, and each link prepares it but once. */
    const char *question;
    /* PG_READ: whether rows are an answer to this statement at all. If not, the link gives answers
     * that belong to other questions: it is closed, and what was under way on it is asked again.
     * May keep what it has read until the callback. Must not call anything here. NULL: no check. */
    bool (*is_answer)(struct pg_statement *statement, const struct result_rows *rows);
    void (*done)(struct pg_statement *statement, struct pg_reply *reply); /* never within submit */
    /* the server's */
    struct pg_queue *queue;             /* non-NULL exactly while submitted */
    struct pg_statement **group;        /* while on a link: where its group begins, see group.h */
    struct pg_statement *next_in_group; /* while on a link */
    uint32_t number;                    /* in its group, from 1 */
    uint32_t resends;
    uint32_t renewals;     /* links that were closed because of what they said to it */
    bool alone;            /* when sent again: between two syncs of its own */
    bool answered;         /* the reply is there, the callback is still to be made */
    struct pg_reply reply; /* only while answered; its rows before, to be checked */
    TAILQ_ENTRY(pg_statement) entry;
};

/* Submitted, neither called back nor forgotten yet. */
static inline bool pg_statement_is_submitted(const struct pg_statement *statement) {
    return statement->queue != NULL;
}

/* The caller is no longer interested: `done` will not be called. The memory may be reused at once.
 * If the statement is already on a link its answer is discarded. Harmless if it is not submitted.
 */
void pg_statement_forget(struct pg_statement *statement);

#endif
