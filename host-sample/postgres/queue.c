/*
 * queue.c - see queue.h.
 */
#include "queue.h"

#include "group.h"
#include "host-sample/base/one_line.h"
#include "result.h"

#include <assert.h>
#include <string.h>

enum {
    GROUP_LOOKS = 64, /* at statements that may not fit the group, before it is sent as it is */
    SIZE_WEIGHT = 8   /* of the past against the newest is one less */
};

void pg_queue_init(struct pg_queue *queue, const struct pg_prepared *prepared,
                   struct pg_tally *tally) {
    *queue = (struct pg_queue){.prepared = prepared, .tally = tally};
    TAILQ_INIT(&queue->resent);
    TAILQ_INIT(&queue->pending);
    TAILQ_INIT(&queue->answered);
}

/* ---- waiting ---- */

static struct pg_statement_list *waiting_list(struct pg_statement *statement) {
    struct pg_queue *queue = statement->queue;
    return statement->resends > 0 ? &queue->resent : &queue->pending;
}

static void begin_waiting(struct pg_statement *statement) {
    TAILQ_INSERT_TAIL(waiting_list(statement), statement, entry);
    statement->queue->waiting++;
}

static void end_waiting(struct pg_statement *statement) {
    TAILQ_REMOVE(waiting_list(statement), statement, entry);
    statement->queue->waiting--;
}

/* Statements that were sent before come first, in the order in which they were sent. */
static struct pg_statement *first_waiting(struct pg_queue *queue) {
    struct pg_statement *first = TAILQ_FIRST(&queue->resent);
    return first != NULL ? first : TAILQ_FIRST(&queue->pending);
}

static void leave_link(struct pg_statement *statement) {
    statement->group = NULL;
    statement->next_in_group = NULL;
}

void pg_queue_submit(struct pg_queue *queue, struct pg_statement *statement) {
    assert(statement->queue == NULL && statement->done != NULL);
    statement->queue = queue;
    leave_link(statement);
    statement->resends = 0;
    statement->renewals = 0;
    statement->alone = false;
    statement->answered = false;
    begin_waiting(statement);
}

bool pg_queue_asks(struct pg_queue *queue) {
    const struct pg_statement *first = first_waiting(queue);
    return first != NULL && first->kind == PG_READ && first->question != NULL;
}

bool pg_queue_begins_with_ask(struct pg_queue *queue) {
    const struct pg_statement *first = first_waiting(queue);
    return first != NULL && first->kind == PG_ASK;
}

struct pg_statement *pg_queue_take_group(struct pg_queue *queue, uint32_t max, uint32_t *count) {
    struct pg_statement *first = first_waiting(queue);
    struct pg_statement *last = first;
    end_waiting(first);
    first->number = 1;
    *count = 1;
    if (first->kind == PG_ASK || first->resends > 0 || /* a neighbour aborted it before */
        queue->prepared[first->prepared].group_sql == NULL) {
        return first;
    }
    const uint32_t limit = pg_group_limit(queue->bytes_each[first->prepared]);
    max = max < limit ? max : limit;
    struct pg_statement *next, *one = TAILQ_FIRST(&queue->pending);
    for (int strangers = 0; one != NULL && *count < max && strangers < GROUP_LOOKS; one = next) {
        next = TAILQ_NEXT(one, entry);
        if (one->kind == first->kind && one->prepared == first->prepared &&
            one->question == first->question) {
            end_waiting(one);
            pg_group_append(last, one);
            last = one;
            (*count)++;
        } else {
            strangers++;
        }
    }
    return first;
}

void pg_queue_send_again(struct pg_queue *queue, struct pg_statement *statement) {
    leave_link(statement);
    statement->resends++;
    counter_add(&queue->tally->resends, 1);
    begin_waiting(statement);
}

/* ---- answered ---- */

void pg_queue_answer(struct pg_queue *queue, struct pg_statement *statement,
                     const struct pg_reply *reply) {
    leave_link(statement);
    statement->reply = *reply;
    statement->answered = true;
    TAILQ_INSERT_TAIL(&queue->answered, statement, entry);
    counter_add(&queue->tally->failures, reply->status == PG_REPLY_FAILED);
}

void pg_queue_fail_waiting(struct pg_queue *queue, const char *error) {
    const struct pg_reply reply = {
        .status = PG_REPLY_FAILED, .failure = PG_NOT_SENT, .error = error};
    while (queue->waiting > 0) {
        struct pg_statement *statement = first_waiting(queue);
        end_waiting(statement);
        pg_queue_answer(queue, statement, &reply);
    }
}

void pg_queue_note_size(struct pg_queue *queue, int prepared, uint32_t reads, size_t bytes) {
    uint32_t *mean = &queue->bytes_each[prepared];
    *mean = (uint32_t)((*mean * (uint64_t)(SIZE_WEIGHT - 1) + bytes / reads) / SIZE_WEIGHT);
}

static void replace(PGresult **in_use, PGresult *result) {
    if (result != *in_use) {
        PQclear(*in_use);
        *in_use = result;
    }
}

/* The results that callbacks get from now on; the previous ones are freed. */
static void use_results(struct pg_queue *queue, PGresult *result, PGresult *question) {
    replace(&queue->in_use, result);
    replace(&queue->question_in_use, question);
}

bool pg_queue_call_back(struct pg_queue *queue) {
    char text[256];
    struct pg_statement *statement = TAILQ_FIRST(&queue->answered);
    if (statement == NULL) {
        return false;
    }
    TAILQ_REMOVE(&queue->answered, statement, entry);
    use_results(queue, statement->reply.rows.result, statement->reply.question);
    struct pg_reply reply = statement->reply; /* the callback may submit the statement again */
    statement->answered = false;
    statement->queue = NULL;
    if (reply.status == PG_REPLY_FAILED && reply.error == NULL) {
        one_line(text, sizeof(text), pg_result_error(reply.rows.result));
        reply.error = text;
    }
    statement->done(statement, &reply);
    return true;
}

void pg_queue_let_go(struct pg_queue *queue) {
    use_results(queue, NULL, NULL);
}

/* ---- forgotten ---- */

static bool has_results(const struct pg_statement *statement, const PGresult *result,
                        const PGresult *question) {
    return statement != NULL && statement->reply.rows.result == result &&
           statement->reply.question == question;
}

/* Statements that share their results are adjacent. */
static void forget_answer(struct pg_statement *statement) {
    struct pg_queue *queue = statement->queue;
    PGresult *result = statement->reply.rows.result;
    PGresult *question = statement->reply.question;
    const bool shared =
        has_results(statement, queue->in_use, queue->question_in_use) ||
        has_results(TAILQ_PREV(statement, pg_statement_list, entry), result, question) ||
        has_results(TAILQ_NEXT(statement, entry), result, question);
    TAILQ_REMOVE(&queue->answered, statement, entry);
    statement->answered = false;
    if (!shared) {
        PQclear(result);
        PQclear(question);
    }
}

void pg_statement_forget(struct pg_statement *statement) {
    if (statement->queue == NULL) {
        return;
    }
    if (statement->group != NULL) {
        pg_group_remove(statement->group, statement);
        statement->group = NULL;
    } else if (statement->answered) {
        forget_answer(statement);
    } else {
        end_waiting(statement);
    }
    statement->queue = NULL;
}

static void forget_all(struct pg_statement_list *list) {
    struct pg_statement *statement;
    while ((statement = TAILQ_FIRST(list)) != NULL) {
        pg_statement_forget(statement);
    }
}

void pg_queue_free(struct pg_queue *queue) {
    forget_all(&queue->answered);
    pg_queue_let_go(queue);
    forget_all(&queue->resent);
    forget_all(&queue->pending);
}
