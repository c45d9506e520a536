/*
 * pg_traffic.c - see pg_traffic.h.
 */
#include "traffic.h"

#include "group.h"
#include "host-sample/base/monotonic.h"
#include "link.h"
#include "questions.h"
#include "server_links.h"
#include "setup.h"

#include <stdio.h>
#include <string.h>

enum {
    RESENDS_IN_COMPANY = 1, /* of a statement that a neighbour's error has aborted */
    RESENDS_MOST = 10,      /* never reached where a sync ends a batch; a limit all the same */
    SIZE_WEIGHT = 8         /* of the past against the newest is one less */
};

/* By statement_timeout, the host's or one that a pooler or a role sets; or by an operator. */
static const char QUERY_CANCELED[] = "57014";

/* ---- out ---- */

static bool send_position(struct pg_link *link) {
    const struct pg_server_options *options = &link->server->options;
    PGconn *conn = link->pipeline.conn;
    int sent =
        options->use_prepared
            ? PQsendQueryPrepared(conn, pg_position_name, 0, NULL, NULL, NULL, 1)
            : PQsendQueryParams(conn, pg_position_sql(options->role, options->insert_position), 0,
                                NULL, NULL, NULL, NULL, 1);
    return sent == 1;
}

static bool send_read(struct pg_link *link, const struct pg_statement *first) {
    const struct pg_server_options *options = &link->server->options;
    const struct pg_prepared *prepared = &options->prepared[first->prepared];
    PGconn *conn = link->pipeline.conn;
    if (first->next_in_group != NULL) {
        return pg_group_send(conn, prepared, options->use_prepared, first, &link->server->scratch);
    }
    int sent = options->use_prepared
                   ? PQsendQueryPrepared(conn, prepared->name, prepared->parameter_count,
                                         first->values, first->lengths, NULL, 1)
                   : PQsendQueryParams(conn, prepared->sql, prepared->parameter_count, NULL,
                                       first->values, first->lengths, NULL, 1);
    return sent == 1;
}

/* The statements have the slot from now on. */
static void settle_in(struct pg_link *link, struct pg_slot *slot, struct pg_statement *first) {
    struct pg_tally *tally = &link->server->tally;
    slot->statement = first;
    slot->position_first = first->kind != PG_READ;
    for (struct pg_statement *one = first; one != NULL; one = one->next_in_group) {
        one->slot = slot;
        slot->statements++;
    }
    if (slot->statements > 1) {
        slot->sent_ms = monotonic_ms();
    }
    link->statements += slot->statements;
    pg_tally_add(&tally->in_flight, slot->statements);
    pg_tally_add(&tally->executions, slot->queries);
    if (first->resends == 0) {
        pg_tally_add(&tally->statements, slot->statements);
        pg_tally_add(&tally->reads, first->kind != PG_POSITION ? slot->statements : 0);
    }
}

bool pg_traffic_send(struct pg_link *link, struct pg_statement *first) {
    /* Errors abort the rest of a batch, and only of a batch: a statement alone between two syncs
     * gets its answer, whatever happens to the others. */
    const bool alone = first->alone;
    bool sent = !alone || !link->pipeline.unsynced || pg_traffic_sync(link);
    bool reads = first->kind != PG_POSITION;
    bool asks_position = first->kind != PG_READ;
    settle_in(
        link,
        pg_pipeline_append(&link->pipeline, PG_SLOT_STATEMENT, (uint8_t)(asks_position + reads)),
        first);
    /* The position first: it qualifies the read only if it was read before the read's snapshot. */
    return sent && (!asks_position || send_position(link)) && (!reads || send_read(link, first)) &&
           (!alone || pg_traffic_sync(link));
}

bool pg_traffic_sync(struct pg_link *link) {
    pg_tally_add(&link->server->tally.batches, 1);
    return pg_pipeline_sync(&link->pipeline);
}

/* ---- in ---- */

bool pg_traffic_is_false_primary(const struct pg_link *link) {
    return link->server->options.role == PG_PRIMARY &&
           (link->in_hot_standby || link->identity.in_recovery);
}

/* Positions of another system or another timeline mean nothing here, however great they are. The
 * primary's own links are held against what the primary said last, on whichever link. */
static bool position_counts(const struct pg_link *link) {
    const struct pg_server *server = link->server;
    const struct pg_server *reference = server->reference != NULL ? server->reference : server;
    return pg_identity_agrees(&link->identity, &reference->identity);
}

/* Cancelled after a good part of the time that one statement may have: whatever the reads wait for,
 * a lock perhaps, each of them would wait for it again, one behind the other. */
static bool has_had_its_time(const struct pg_link *link, const struct pg_slot *slot) {
    const char *sqlstate = PQresultErrorField(slot->result, PG_DIAG_SQLSTATE);
    return sqlstate != NULL && strcmp(sqlstate, QUERY_CANCELED) == 0 &&
           monotonic_ms() - slot->sent_ms >= link->server->options.statement_timeout_ms / 2;
}

/* A group has failed as one, for what may be one read's fault, or in giving rows that nobody can
 * be sure of: each of its reads is to be asked alone. */
static bool is_groups_failure(const struct pg_link *link, const struct pg_slot *slot) {
    if (slot->statements < 2) {
        return false;
    }
    return slot->failed
               ? !has_had_its_time(link, slot)
               : slot->result != NULL && !pg_group_is_result(slot->result, slot->statements);
}

/* A neighbour's error has kept them from being run. */
static bool is_neighbours_failure(const struct pg_slot *slot) {
    return !slot->failed && slot->aborted && slot->statement->resends < RESENDS_MOST;
}

static struct pg_reply reply_of(const struct pg_link *link, const struct pg_slot *slot) {
    struct pg_reply reply = {.status = PG_REPLY_FAILED, .rows.result = slot->result};
    if (slot->failed) {
        const char *sqlstate = PQresultErrorField(slot->result, PG_DIAG_SQLSTATE);
        (void)snprintf(reply.sqlstate, sizeof(reply.sqlstate), "%s",
                       sqlstate != NULL ? sqlstate : "");
    } else if (slot->aborted) {
        reply.error = "aborted again and again by the errors of other statements";
    } else if (pg_traffic_is_false_primary(link)) {
        reply.error = PG_FALSE_PRIMARY;
    } else {
        reply.status = PG_REPLY_ROWS;
        reply.rows = result_rows_all(slot->result);
        reply.position = position_counts(link) ? slot->position : 0;
    }
    return reply;
}

/* A running mean of what one read adds to a result. */
static void note_size(struct pg_server *server, const struct pg_slot *slot) {
    uint32_t *mean = &server->bytes_each[slot->statement->prepared];
    *mean = (uint32_t)((*mean * (uint64_t)(SIZE_WEIGHT - 1) +
                        PQresultMemorySize(slot->result) / slot->statements) /
                       SIZE_WEIGHT);
}

/* The statements share the result from now on. */
static void reply_to(struct pg_link *link, const struct pg_slot *slot) {
    struct pg_reply reply = reply_of(link, slot);
    struct pg_statement *next;
    int at = 0;
    if (reply.status == PG_REPLY_ROWS && slot->result != NULL) {
        note_size(link->server, slot);
    }
    for (struct pg_statement *one = slot->statement; one != NULL; one = next) {
        next = one->next_in_group;
        if (reply.status == PG_REPLY_ROWS && slot->statements > 1) {
            reply.rows = pg_group_rows(slot->result, one->number, &at);
        }
        pg_server_answer(link->server, one, &reply);
    }
}

static void send_again(struct pg_link *link, const struct pg_slot *slot, bool alone) {
    struct pg_statement *next;
    for (struct pg_statement *one = slot->statement; one != NULL; one = next) {
        next = one->next_in_group;
        one->alone = alone || one->resends >= RESENDS_IN_COMPANY;
        pg_server_send_again(link->server, one);
    }
    PQclear(slot->result);
}

void pg_traffic_answer(struct pg_link *link, struct pg_slot *slot) {
    link->statements -= slot->statements;
    pg_tally_subtract(&link->server->tally.in_flight, slot->statements);
    if (slot->statement == NULL) {
        PQclear(slot->result);
    } else if (is_neighbours_failure(slot)) {
        send_again(link, slot, false);
    } else if (is_groups_failure(link, slot)) {
        send_again(link, slot, true);
    } else {
        reply_to(link, slot);
    }
}

void pg_traffic_fail_all(struct pg_link *link) {
    for (uint32_t place = 0; place < link->pipeline.in_flight; place++) {
        struct pg_slot *slot = pg_pipeline_slot(&link->pipeline, place);
        struct pg_statement *next;
        for (struct pg_statement *one = slot->statement; one != NULL; one = next) {
            const struct pg_reply reply = {.status = PG_REPLY_FAILED, .error = link->error};
            next = one->next_in_group;
            pg_server_answer(link->server, one, &reply);
        }
    }
    pg_tally_subtract(&link->server->tally.in_flight, link->statements);
    link->statements = 0;
}
