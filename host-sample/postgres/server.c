/*
 * pg_server.c - see pg_server.h.
 */
#include "server.h"

#include "connect.h"
#include "group.h"
#include "host-sample/base/monotonic.h"
#include "host-sample/base/one_line.h"
#include "link.h"
#include "server_links.h"
#include "setup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINKS_MOST = 64,
    STATEMENT_TIMEOUT_MOST_MS = 3600000,
    CONNECT_TIMEOUT_MOST_S = 600,
    BATCH_LEAST = 8,       /* a batch is not split over several links for less than this each */
    FREE_WAIT_MS = 500,    /* for the threads of all attempts together */
    LOG_PERIOD_MS = 10000, /* what goes wrong again and again is logged so often */
    GROUP_LOOKS = 64       /* at statements that may not fit the group, before it goes as it is */
};

/* ---- statements ---- */

static struct pg_statement_list *waiting_list(struct pg_statement *statement) {
    struct pg_server *server = statement->server;
    return statement->resends > 0 ? &server->resent : &server->pending;
}

static void begin_waiting(struct pg_statement *statement) {
    TAILQ_INSERT_TAIL(waiting_list(statement), statement, entry);
    statement->server->waiting++;
}

static void end_waiting(struct pg_statement *statement) {
    TAILQ_REMOVE(waiting_list(statement), statement, entry);
    statement->server->waiting--;
}

/* Those that were sent before come first, in the order in which they were sent. */
static struct pg_statement *first_waiting(struct pg_server *server) {
    struct pg_statement *first = TAILQ_FIRST(&server->resent);
    return first != NULL ? first : TAILQ_FIRST(&server->pending);
}

void pg_server_submit(struct pg_server *server, struct pg_statement *statement) {
    assert(statement->server == NULL && statement->done != NULL);
    assert(
        statement->kind == PG_POSITION ||
        (statement->prepared >= 0 && (size_t)statement->prepared < server->options.prepared_count));
    statement->server = server;
    statement->slot = NULL;
    statement->next_in_group = NULL;
    statement->resends = 0;
    statement->alone = false;
    statement->answered = false;
    begin_waiting(statement);
}

/* Those that share a result stand side by side. */
static void forget_answer(struct pg_statement *statement) {
    struct pg_server *server = statement->server;
    PGresult *result = statement->reply.rows.result;
    const struct pg_statement *before = TAILQ_PREV(statement, pg_statement_list, entry);
    const struct pg_statement *after = TAILQ_NEXT(statement, entry);
    bool shared = result == server->in_use ||
                  (before != NULL && before->reply.rows.result == result) ||
                  (after != NULL && after->reply.rows.result == result);
    TAILQ_REMOVE(&server->answered, statement, entry);
    statement->answered = false;
    if (!shared) {
        PQclear(result);
    }
}

void pg_statement_forget(struct pg_statement *statement) {
    if (statement->server == NULL) {
        return;
    }
    if (statement->slot != NULL) {
        pg_group_remove(&statement->slot->statement, statement);
        statement->slot = NULL;
    } else if (statement->answered) {
        forget_answer(statement);
    } else {
        end_waiting(statement);
    }
    statement->server = NULL;
}

void pg_server_answer(struct pg_server *server, struct pg_statement *statement,
                      const struct pg_reply *reply) {
    statement->slot = NULL;
    statement->next_in_group = NULL;
    statement->reply = *reply;
    statement->answered = true;
    TAILQ_INSERT_TAIL(&server->answered, statement, entry);
    pg_tally_add(&server->tally.failures, reply->status == PG_REPLY_FAILED);
}

void pg_server_send_again(struct pg_server *server, struct pg_statement *statement) {
    statement->slot = NULL;
    statement->next_in_group = NULL;
    statement->resends++;
    pg_tally_add(&server->tally.resends, 1);
    begin_waiting(statement);
}

/* ---- callbacks ---- */

static void forget_all(struct pg_statement_list *list) {
    struct pg_statement *statement;
    while ((statement = TAILQ_FIRST(list)) != NULL) {
        pg_statement_forget(statement);
    }
}

static void destroy(struct pg_server *server) {
    forget_all(&server->answered);
    PQclear(server->in_use);
    forget_all(&server->resent);
    forget_all(&server->pending);
    for (uint32_t i = 0; i < server->options.links; i++) {
        pg_link_cancel(&server->links[i]);
    }
    uint64_t deadline_ms = monotonic_ms() + FREE_WAIT_MS;
    for (uint32_t i = 0; i < server->options.links; i++) {
        uint64_t now_ms = monotonic_ms();
        pg_link_free(&server->links[i], deadline_ms > now_ms ? (int)(deadline_ms - now_ms) : 0);
    }
    byte_buffer_free(&server->scratch);
    free(server->links);
    free(server->name);
    free(server->conninfo);
    free(server);
}

static void call_back(struct pg_statement *statement) {
    char text[256];
    struct pg_reply reply = statement->reply; /* the callback may submit the statement again */
    statement->answered = false;
    statement->server = NULL;
    if (reply.status == PG_REPLY_FAILED && reply.error == NULL) {
        one_line(text, sizeof(text), pg_result_error(reply.rows.result));
        reply.error = text[0] != '\0' ? text : "the statement gave no rows";
    }
    statement->done(statement, &reply);
}

/* The result that callbacks are made with from now on; the one before it is done with. */
static void use_result(struct pg_server *server, PGresult *result) {
    if (result != server->in_use) {
        PQclear(server->in_use);
        server->in_use = result;
    }
}

bool pg_server_make_callbacks(struct pg_server *server) {
    if (server->calling) {
        return false;
    }
    server->calling = true;
    bool made = false;
    struct pg_statement *statement;
    while (!server->freed && (statement = TAILQ_FIRST(&server->answered)) != NULL) {
        TAILQ_REMOVE(&server->answered, statement, entry);
        use_result(server, statement->reply.rows.result);
        call_back(statement);
        made = true;
    }
    if (!server->freed && server->unsettled == 0 && !server->settled_told) {
        server->settled_told = true;
        if (server->options.settled != NULL) {
            server->options.settled(server->options.context, server);
            made = true;
        }
    }
    server->calling = false;
    if (server->freed) {
        destroy(server);
    } else {
        use_result(server, NULL);
    }
    return made;
}

/* ---- the end of a turn ---- */

static uint32_t ready_links(const struct pg_server *server) {
    uint32_t ready = 0;
    for (uint32_t i = 0; i < server->options.links; i++) {
        ready += pg_link_is_ready(&server->links[i]);
    }
    return ready;
}

/* Of those with room. */
static struct pg_link *idlest_link(struct pg_server *server) {
    struct pg_link *idlest = NULL;
    for (uint32_t i = 0; i < server->options.links; i++) {
        struct pg_link *link = &server->links[i];
        if (pg_link_room(link) > 0 && (idlest == NULL || link->statements < idlest->statements)) {
            idlest = link;
        }
    }
    return idlest;
}

/* The first waiting statement and others that may go with it, `most` of them. Sets their count. */
static struct pg_statement *take_group(struct pg_server *server, uint32_t most, uint32_t *count) {
    struct pg_statement *first = first_waiting(server);
    struct pg_statement *last = first;
    end_waiting(first);
    first->number = 1;
    *count = 1;
    if (first->kind == PG_POSITION || first->resends > 0 || /* it was hurt by company before */
        server->options.prepared[first->prepared].group_sql == NULL) {
        return first;
    }
    const uint32_t limit = pg_group_limit(server->bytes_each[first->prepared]);
    most = most < limit ? most : limit;
    struct pg_statement *next, *one = TAILQ_FIRST(&server->pending);
    for (int strangers = 0; one != NULL && *count < most && strangers < GROUP_LOOKS; one = next) {
        next = TAILQ_NEXT(one, entry);
        if (one->kind == first->kind && one->prepared == first->prepared) {
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

/* Hands the waiting statements to the links, the idlest first, in shares that stay together: a
 * server process wakes once for a batch, so eight statements on one link beat one on each of eight.
 */
static void hand_out(struct pg_server *server) {
    uint32_t ready = ready_links(server);
    if (ready == 0) {
        return;
    }
    uint32_t even = (server->waiting + ready - 1) / ready;
    const uint32_t share = even > BATCH_LEAST ? even : BATCH_LEAST;
    struct pg_link *link;
    while (server->waiting > 0 && (link = idlest_link(server)) != NULL) {
        bool sent = true;
        uint32_t count;
        for (uint32_t left = share;
             sent && left > 0 && server->waiting > 0 && pg_link_room(link) > 0; left -= count) {
            sent = pg_link_send(link, take_group(server, left, &count));
        }
    }
    for (uint32_t i = 0; i < server->options.links; i++) {
        pg_link_end_batch(&server->links[i]);
    }
}

/* Whether a link is up, or it is too early to say that none is. */
static bool has_prospect(const struct pg_server *server) {
    for (uint32_t i = 0; i < server->options.links; i++) {
        if (pg_link_is_ready(&server->links[i]) || pg_link_may_come_up(&server->links[i])) {
            return true;
        }
    }
    return false;
}

static void fail_waiting(struct pg_server *server) {
    (void)snprintf(server->no_link, sizeof(server->no_link), "no link to %.40s (last error: %s)",
                   server->name, server->last_error);
    while (server->waiting > 0) {
        struct pg_statement *statement = first_waiting(server);
        struct pg_reply reply = {.status = PG_REPLY_FAILED, .error = server->no_link};
        end_waiting(statement);
        pg_server_answer(server, statement, &reply);
    }
}

bool pg_server_flush(struct pg_server *server) {
    if (server->calling) {
        return false;
    }
    if (server->waiting > 0) {
        hand_out(server);
    }
    if (server->waiting > 0 && !has_prospect(server)) {
        fail_waiting(server);
    }
    return pg_server_make_callbacks(server);
}

/* ---- what happens to links ---- */

static void write_log(struct pg_server *server, const char *level, const char *message) {
    if (server->options.log != NULL) {
        server->options.log(server->options.context, level, server->name, message);
    }
}

/* Written when the error is a new one, and otherwise now and then. */
static void write_log_now_and_then(struct pg_server *server, const char *what, const char *text) {
    const uint64_t now_ms = monotonic_ms();
    const bool again = strcmp(server->logged_error, text) == 0;
    if (again && now_ms - server->logged_ms < LOG_PERIOD_MS) {
        server->unlogged++;
        return;
    }
    char message[384];
    int length = snprintf(message, sizeof(message), "%s: %s", what, text);
    if (again && server->unlogged > 0) {
        (void)snprintf(message + length, sizeof(message) - (size_t)length,
                       " (and %" PRIu64 " times before)", server->unlogged);
    }
    (void)snprintf(server->logged_error, sizeof(server->logged_error), "%s", text);
    server->logged_ms = now_ms;
    server->unlogged = 0;
    write_log(server, "warn", message);
}

void pg_server_link_came_up(struct pg_server *server, const char *text) {
    pg_tally_add(&server->tally.connects, 1);
    pg_tally_add(&server->tally.links_up, 1);
    if (text != NULL) {
        server->logged_error[0] = '\0';
        server->unlogged = 0;
        write_log(server, "info", text);
    }
}

static void note_error(struct pg_server *server, const char *text) {
    (void)snprintf(server->last_error, sizeof(server->last_error), "%s", text);
}

void pg_server_link_was_lost(struct pg_server *server, const char *text) {
    pg_tally_subtract(&server->tally.links_up, 1);
    note_error(server, text);
    char message[300];
    (void)snprintf(message, sizeof(message), "link lost: %s", text);
    write_log(server, "warn", message);
}

void pg_server_link_was_given_up(struct pg_server *server, const char *text) {
    pg_tally_subtract(&server->tally.links_up, 1);
    note_error(server, text);
    write_log_now_and_then(server, "link given up", text);
}

void pg_server_attempt_failed(struct pg_server *server, const char *text) {
    pg_tally_add(&server->tally.connect_failures, 1);
    note_error(server, text);
    write_log_now_and_then(server, "no link", text);
}

void pg_server_link_settled(struct pg_server *server) {
    server->unsettled--;
}

uint32_t pg_server_jitter(struct pg_server *server, uint32_t ms) {
    /* splitmix64 (public domain, Sebastiano Vigna) */
    uint64_t z = server->random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return ms - (uint32_t)(z % (ms / 2 + 1));
}

/* ---- the server ---- */

static bool check_prepared(const struct pg_server_options *options, char *err, size_t err_length) {
    for (size_t i = 0; i < options->prepared_count; i++) {
        const struct pg_prepared *prepared = &options->prepared[i];
        if (prepared->parameter_count < 0 || prepared->parameter_count > PG_PARAMETERS_MOST) {
            (void)snprintf(err, err_length, "prepared statement %s: %d parameters, not 0 to %d",
                           prepared->name, prepared->parameter_count, PG_PARAMETERS_MOST);
            return false;
        }
        if (prepared->group_sql != NULL &&
            (prepared->group_name == NULL || prepared->parameter_count == 0)) {
            (void)snprintf(err, err_length,
                           "prepared statement %s: its form for a group needs a %s", prepared->name,
                           prepared->group_name == NULL ? "name" : "parameter");
            return false;
        }
    }
    return true;
}

static bool check_options(const struct pg_server_options *options, char *err, size_t err_length) {
    if (options->links < 1 || options->links > LINKS_MOST) {
        (void)snprintf(err, err_length, "links: 1 to %d", LINKS_MOST);
    } else if (options->statement_timeout_ms < 1 ||
               options->statement_timeout_ms > STATEMENT_TIMEOUT_MOST_MS) {
        (void)snprintf(err, err_length, "statement_timeout_ms: 1 to %d", STATEMENT_TIMEOUT_MOST_MS);
    } else if (options->connect_timeout_s < 1 ||
               options->connect_timeout_s > CONNECT_TIMEOUT_MOST_S) {
        (void)snprintf(err, err_length, "connect_timeout_s: 1 to %d", CONNECT_TIMEOUT_MOST_S);
    } else if (options->prepared_count > PG_PREPARED_MOST) {
        (void)snprintf(err, err_length, "more than %d prepared statements", PG_PREPARED_MOST);
    } else {
        return check_prepared(options, err, err_length) &&
               pg_conninfo_is_valid(options->conninfo, err, err_length);
    }
    return false;
}

struct pg_server *pg_server_new(struct event_base *base, const struct pg_server_options *options,
                                char *err, size_t err_length) {
    if (!check_options(options, err, err_length)) {
        return NULL;
    }
    struct pg_server *server = calloc(1, sizeof(*server));
    struct pg_link *links = calloc(options->links, sizeof(*links));
    char *name = strdup(options->name);
    char *conninfo = strdup(options->conninfo);
    if (server == NULL || links == NULL || name == NULL || conninfo == NULL) {
        free(server);
        free(links);
        free(name);
        free(conninfo);
        (void)snprintf(err, err_length, "out of memory");
        return NULL;
    }
    server->base = base;
    server->options = *options;
    server->options.name = server->name = name;
    server->options.conninfo = server->conninfo = conninfo;
    server->links = links;
    server->unsettled = options->links;
    server->random_state = options->jitter_seed;
    TAILQ_INIT(&server->resent);
    TAILQ_INIT(&server->pending);
    TAILQ_INIT(&server->answered);
    for (uint32_t i = 0; i < options->links; i++) {
        pg_link_start(&links[i], server);
    }
    return server;
}

void pg_server_free(struct pg_server *server) {
    if (server == NULL) {
        return;
    }
    if (server->calling) {
        server->freed = true;
    } else {
        destroy(server);
    }
}

bool pg_server_identity(const struct pg_server *server, struct pg_identity *identity) {
    *identity = server->identity;
    return identity->known;
}

void pg_server_set_reference(struct pg_server *server, const struct pg_server *primary) {
    server->reference = primary;
}

bool pg_server_is_up(const struct pg_server *server) {
    return ready_links(server) > 0;
}

const char *pg_server_name(const struct pg_server *server) {
    return server->name;
}

const char *pg_server_last_error(const struct pg_server *server) {
    return server->last_error;
}

void pg_server_read_counters(const struct pg_server *server, struct pg_server_counters *counters) {
    const struct pg_tally *tally = &server->tally;
    const memory_order relaxed = memory_order_relaxed;
    counters->statements = atomic_load_explicit(&tally->statements, relaxed);
    counters->reads = atomic_load_explicit(&tally->reads, relaxed);
    counters->executions = atomic_load_explicit(&tally->executions, relaxed);
    counters->failures = atomic_load_explicit(&tally->failures, relaxed);
    counters->resends = atomic_load_explicit(&tally->resends, relaxed);
    counters->batches = atomic_load_explicit(&tally->batches, relaxed);
    counters->connects = atomic_load_explicit(&tally->connects, relaxed);
    counters->connect_failures = atomic_load_explicit(&tally->connect_failures, relaxed);
    counters->links_up = atomic_load_explicit(&tally->links_up, relaxed);
    counters->in_flight = atomic_load_explicit(&tally->in_flight, relaxed);
}
