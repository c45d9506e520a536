/*
 * lag_sampler.c - one round per second: first the primary and then, when it has answered, the
 * replicas. So a replica is measured against a position that the primary had earlier.
 */
#include "lag_sampler.h"

#include "host-sample/base/container_of.h"
#include "host-sample/base/counter.h"
#include "host-sample/base/monotonic.h"

#include <event2/event.h>

#define ROUND_S 1

static void remember(struct lag_sampler *sampler, uint64_t position) {
    uint32_t newest = sampler->rounds++ % LAG_HISTORY;
    sampler->history[newest].at_ns = monotonic_ns();
    sampler->history[newest].position = position;
}

/* The age of the newest remembered position that the replica has reached; LAG_UNKNOWN if it is
 * behind all of them. */
static uint64_t age_ms(const struct lag_sampler *sampler, uint64_t position) {
    uint64_t newest_reached = 0;
    for (uint32_t i = 0; i < LAG_HISTORY; i++) {
        if (sampler->history[i].position != 0 && sampler->history[i].position <= position &&
            sampler->history[i].at_ns > newest_reached) {
            newest_reached = sampler->history[i].at_ns;
        }
    }
    return newest_reached == 0 ? LAG_UNKNOWN : (monotonic_ns() - newest_reached) / 1000000;
}

static void replica_answered(struct pg_statement *statement, struct pg_reply *reply) {
    struct lag_sample *sample = container_of(statement, struct lag_sample, statement);
    uint64_t position = reply->status == PG_REPLY_ROWS ? reply->position : 0;
    uint64_t primary = counter_value(&sample->sampler->primary.position);
    counter_set(&sample->position, position);
    if (position == 0 || primary == 0) {
        counter_set(&sample->lag_bytes, LAG_UNKNOWN);
        counter_set(&sample->lag_ms, LAG_UNKNOWN);
    } else if (position >= primary) {
        counter_set(&sample->lag_bytes, 0);
        counter_set(&sample->lag_ms, 0);
    } else {
        counter_set(&sample->lag_bytes, primary - position);
        counter_set(&sample->lag_ms, age_ms(sample->sampler, position));
    }
}

static void primary_answered(struct pg_statement *statement, struct pg_reply *reply) {
    struct lag_sample *sample = container_of(statement, struct lag_sample, statement);
    struct lag_sampler *sampler = sample->sampler;
    uint64_t position = reply->status == PG_REPLY_ROWS ? reply->position : 0;
    counter_set(&sample->position, position);
    if (position != 0) {
        remember(sampler, position);
    }
    for (uint32_t i = 0; i < sampler->replica_count; i++) {
        /* A replica that has not answered the last round yet has an unknown position. */
        if (pg_statement_is_submitted(&sampler->replicas[i].statement)) {
            counter_set(&sampler->replicas[i].position, 0);
            counter_set(&sampler->replicas[i].lag_bytes, LAG_UNKNOWN);
            counter_set(&sampler->replicas[i].lag_ms, LAG_UNKNOWN);
        } else {
            pg_server_submit(sampler->replicas[i].server, &sampler->replicas[i].statement);
        }
    }
}

static void next_round(evutil_socket_t fd, short events, void *context) {
    struct lag_sampler *sampler = context;
    (void)fd;
    (void)events;
    if (!pg_statement_is_submitted(&sampler->primary.statement)) {
        pg_server_submit(sampler->primary.server, &sampler->primary.statement);
    } else {
        counter_set(&sampler->primary.position, 0);
    }
}

static void init_sample(struct lag_sampler *sampler, struct lag_sample *sample,
                        struct pg_server *server,
                        void (*done)(struct pg_statement *, struct pg_reply *)) {
    sample->sampler = sampler;
    sample->server = server;
    sample->statement.kind = PG_POSITION;
    sample->statement.done = done;
    counter_set(&sample->lag_bytes, LAG_UNKNOWN);
    counter_set(&sample->lag_ms, LAG_UNKNOWN);
}

void lag_sampler_start(struct lag_sampler *sampler, struct event_base *base,
                       struct pg_server *primary, struct pg_server *const *replicas,
                       uint32_t replica_count) {
    const struct timeval round = {.tv_sec = ROUND_S};
    sampler->base = base;
    sampler->replica_count = replica_count;
    init_sample(sampler, &sampler->primary, primary, primary_answered);
    for (uint32_t i = 0; i < replica_count; i++) {
        init_sample(sampler, &sampler->replicas[i], replicas[i], replica_answered);
    }
    (void)event_assign(&sampler->timer, base, -1, EV_PERSIST, next_round, sampler);
    (void)event_add(&sampler->timer, &round);
    next_round(-1, 0, sampler);
}

void lag_sampler_stop(struct lag_sampler *sampler) {
    if (sampler->base == NULL) {
        return;
    }
    (void)event_del(&sampler->timer);
    pg_statement_forget(&sampler->primary.statement);
    for (uint32_t i = 0; i < sampler->replica_count; i++) {
        pg_statement_forget(&sampler->replicas[i].statement);
    }
}
