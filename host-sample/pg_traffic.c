/*
 * pg_traffic.c - see pg_traffic.h.
 */
#include "pg_traffic.h"

#include "pg_link.h"
#include "pg_questions.h"
#include "pg_server_links.h"
#include "pg_setup.h"

#include <stdio.h>

enum {
    RESENDS_IN_COMPANY = 1, /* a statement aborted more often gets a sync of its own */
    RESENDS_MOST = 10       /* never reached where a sync ends a batch; a limit all the same */
};

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

static bool send_read(struct pg_link *link, const struct pg_statement *statement) {
    const struct pg_server_options *options = &link->server->options;
    const struct pg_prepared *prepared = &options->prepared[statement->prepared];
    PGconn *conn = link->pipeline.conn;
    int sent = options->use_prepared
                   ? PQsendQueryPrepared(conn, prepared->name, prepared->parameter_count,
                                         statement->values, statement->lengths, NULL, 1)
                   : PQsendQueryParams(conn, prepared->sql, prepared->parameter_count, NULL,
                                       statement->values, statement->lengths, NULL, 1);
    return sent == 1;
}

bool pg_traffic_send(struct pg_link *link, struct pg_statement *statement) {
    struct pg_tally *tally = &link->server->tally;
    /* Errors abort the rest of a batch, and only of a batch: a statement alone between two syncs
     * gets its answer, whatever happens to the others. */
    bool alone = statement->resends > RESENDS_IN_COMPANY;
    bool sent = !alone || !link->pipeline.unsynced || pg_traffic_sync(link);
    bool reads = statement->kind != PG_POSITION;
    bool asks_position = statement->kind != PG_READ;
    struct pg_slot *slot =
        pg_pipeline_append(&link->pipeline, PG_SLOT_STATEMENT, (uint8_t)(asks_position + reads));
    slot->statement = statement;
    slot->position_first = asks_position;
    statement->slot = slot;
    pg_tally_add(&tally->in_flight, 1);
    if (statement->resends == 0) {
        pg_tally_add(&tally->statements, 1);
        pg_tally_add(&tally->reads, reads);
    }
    /* The position first: it qualifies the read only if it was read before the read's snapshot. */
    return sent && (!asks_position || send_position(link)) &&
           (!reads || send_read(link, statement)) && (!alone || pg_traffic_sync(link));
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

static void reply_to(struct pg_link *link, const struct pg_slot *slot) {
    struct pg_reply reply = {.status = PG_REPLY_FAILED};
    if (slot->failed) {
        const char *sqlstate = PQresultErrorField(slot->result, PG_DIAG_SQLSTATE);
        (void)snprintf(reply.sqlstate, sizeof(reply.sqlstate), "%s",
                       sqlstate != NULL ? sqlstate : "");
        reply.result = slot->result;
    } else if (slot->aborted) {
        PQclear(slot->result);
        reply.error = "aborted again and again by the errors of other statements";
    } else if (pg_traffic_is_false_primary(link)) {
        PQclear(slot->result);
        reply.error = PG_FALSE_PRIMARY;
    } else {
        reply.status = PG_REPLY_ROWS;
        reply.result = slot->result;
        reply.position = position_counts(link) ? slot->position : 0;
    }
    pg_server_answer(link->server, slot->statement, &reply);
}

void pg_traffic_answer(struct pg_link *link, struct pg_slot *slot) {
    struct pg_statement *statement = slot->statement;
    pg_tally_subtract(&link->server->tally.in_flight, 1);
    if (statement == NULL) {
        PQclear(slot->result);
    } else if (slot->aborted && !slot->failed && statement->resends < RESENDS_MOST) {
        PQclear(slot->result);
        pg_server_send_again(link->server, statement);
    } else {
        reply_to(link, slot);
    }
}

void pg_traffic_fail_all(struct pg_link *link) {
    for (uint32_t place = 0; place < link->pipeline.in_flight; place++) {
        struct pg_slot *slot = pg_pipeline_slot(&link->pipeline, place);
        if (slot->purpose == PG_SLOT_STATEMENT) {
            pg_tally_subtract(&link->server->tally.in_flight, 1);
        }
        if (slot->statement != NULL) {
            struct pg_reply reply = {.status = PG_REPLY_FAILED, .error = link->error};
            pg_server_answer(link->server, slot->statement, &reply);
        }
    }
}
