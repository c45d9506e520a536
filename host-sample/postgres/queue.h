/*
 * queue.h - the statements of a server that wait for a link, and those that are answered and wait
 * for their callback.
 *
 * [one thread]: of the server's event base.
 */
#ifndef PG_QUEUE_H
#define PG_QUEUE_H

#include "prepared.h"
#include "statement.h"
#include "tally.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

TAILQ_HEAD(pg_statement_list, pg_statement);

struct pg_queue {
    const struct pg_prepared *prepared;
    struct pg_tally *tally;
    struct pg_statement_list resent;   /* aborted by another's error: sent before the others */
    struct pg_statement_list pending;  /* submitted and never sent */
    struct pg_statement_list answered; /* their callbacks are to be made */
    uint32_t waiting;                  /* resent and pending */
    PGresult *in_use;                  /* by the callback that is being made */
    PGresult *question_in_use;
    uint32_t bytes_each[PG_PREPARED_MAX]; /* what a read adds to a result, a running mean */
};

void pg_queue_init(struct pg_queue *queue, const struct pg_prepared *prepared,
                   struct pg_tally *tally);

/* Forgets all statements that are not on a link. */
void pg_queue_free(struct pg_queue *queue);

void pg_queue_submit(struct pg_queue *queue, struct pg_statement *statement);

/* Whether the first waiting statement is a read with a question before it, or a question itself. */
bool pg_queue_asks(struct pg_queue *queue);
bool pg_queue_begins_with_ask(struct pg_queue *queue);

/* Takes out the first waiting statement and others that may go with it in a group of at most `max`;
 * sets their count. Something must be waiting. */
struct pg_statement *pg_queue_take_group(struct pg_queue *queue, uint32_t max, uint32_t *count);

/* Collects a reply. What it points to must stay valid until the callbacks are made; the queue takes
 * over its results, which statements that are answered one right after the other share. error =
 * NULL: the text of the reply's result. The statement is on no link any more. */
void pg_queue_answer(struct pg_queue *queue, struct pg_statement *statement,
                     const struct pg_reply *reply);

/* Collects a failure for all that wait. `error` must stay until the callbacks are made. */
void pg_queue_fail_waiting(struct pg_queue *queue, const char *error);

/* Another statement's error aborted this one: it is sent again before all others. */
void pg_queue_send_again(struct pg_queue *queue, struct pg_statement *statement);

/* Learns how many bytes a result of that many reads by a prepared statement took. */
void pg_queue_note_size(struct pg_queue *queue, int prepared, uint32_t reads, size_t bytes);

/* Makes the next callback; false if there is none. The results are kept between two calls, because
 * the next callback may share them: call pg_queue_let_go afterwards. */
bool pg_queue_call_back(struct pg_queue *queue);
void pg_queue_let_go(struct pg_queue *queue);

#endif
