/*
 * problems.c - see problems.h.
 */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Less is ordinary. */
#define NOT_FOUND_PER_S 5.0

static void add(struct status *status, enum status_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(struct status *status, enum status_tone tone, const char *format, ...) {
    if (status->problem_count < STATUS_MAX_PROBLEMS) {
        struct status_problem *problem = &status->problems[status->problem_count++];
        va_list arguments;
        va_start(arguments, format);
        problem->tone = tone;
        (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
        va_end(arguments);
    }
}

/* "server.a (timeline 1), server.b (timeline 2)": those that say that they are no standbys. */
static void list_primaries(const struct status *status, char *text, size_t length) {
    text[0] = '\0';
    for (uint32_t i = 0; i < status->server_count; i++) {
        const struct rp_server_info *info = &status->servers[i].info;
        if (info->in_recovery == 0) {
            char one[96];
            (void)snprintf(one, sizeof one, "%s%s (timeline %u)", text[0] != '\0' ? ", " : "",
                           status->servers[i].name, info->timeline);
            (void)strlcat(text, one, length);
        }
    }
}

/* Of one whose lag is unknown and which lacks nothing, how long it has been so is what counts. */
static bool is_too_far(const struct status *status, const struct status_server *server) {
    return policy_needs_closer(&status->needs, RP_UNKNOWN, server->unknown_ns) ||
           policy_needs_closer(&status->needs, server->info.lag_ns, server->info.lag_at_least_ns);
}

/* A silent replica is still offered, but reads of it fail. */
static bool any_replica_serves(const struct status *status) {
    for (uint32_t i = 0; i < status->server_count; i++) {
        const struct rp_server_info *info = &status->servers[i].info;
        if (info->role == RP_ROLE_REPLICA && info->state == RP_SERVER_ON && info->answers != 0 &&
            !is_too_far(status, &status->servers[i])) {
            return true;
        }
    }
    return false;
}

/* Where a replica may come back the primary stands in for it, within its budget. One that was taken
 * away is none any more: then all reads are the primary's in the first place. */
static void check_replicas(struct status *status) {
    uint32_t drained = 0;
    if (!status->ready || !status->needs.replica_serves || status->threads_without_primary > 0 ||
        status->server_count < 2 || any_replica_serves(status)) {
        return;
    }
    if (status->cluster.replicas_out != 0 || status->cluster.replicas != 0) {
        add(status, TONE_BAD, "No replica can be asked: reads go to the primary%s.",
            status->budget.per_s != 0 ? ", as many as its budget admits"
                                      : ", and no budget bounds them");
        return;
    }
    while (drained < status->server_count &&
           (status->servers[drained].info.state != RP_SERVER_DRAIN ||
            status->servers[drained].info.role != RP_ROLE_REPLICA)) {
        drained++;
    }
    const bool any = drained < status->server_count;
    add(status, TONE_BAD,
        "There is no replica to ask%s%s%s: all reads are the primary's, and no budget bounds them.",
        any ? ", since " : "", any ? status->servers[drained].name : "",
        any ? " has state = drain" : "");
}

static void check_cluster(struct status *status) {
    if (status->cluster.split != 0) {
        char primaries[200];
        list_primaries(status, primaries, sizeof primaries);
        add(status, TONE_BAD,
            "Split: two servers, or two lineages, claim to be the primary. Out of recovery: %s. "
            "What is not found fails until one of them is a standby, state = off, or stopped and "
            "this host reloaded.",
            primaries);
    }
    if (!status->ready) {
        add(status, TONE_BAD, "Not ready: %s", status->not_ready);
    } else if (status->threads_without_primary == status->host->worker_count) {
        add(status, TONE_BAD, "No primary answers: what replicas lack fails.");
    } else if (status->threads_without_primary > 0) {
        add(status, TONE_BAD,
            "No primary answers %u of %u threads: what replicas lack fails there.",
            status->threads_without_primary, status->host->worker_count);
    }
}

/* A standby that lacks nothing yet, beside a quiet primary, and will not get what comes next. Of
 * one that tells nothing of itself, or whose role may not see it, this is not known. */
static bool is_cut_off(const struct status *status, const struct rp_server_info *info) {
    return info->answers != 0 && info->timeline == 0 && info->position != 0 &&
           info->grants[0] == '\0' && status->threads_without_primary == 0;
}

static void check_lag(struct status *status, const struct status_server *server) {
    const struct rp_server_info *info = &server->info;
    const bool known = info->lag_ns != RP_UNKNOWN;
    const uint64_t lag_ns = known ? info->lag_ns : info->lag_at_least_ns;
    if (info->role != RP_ROLE_REPLICA) {
        return;
    }
    if (policy_needs_closer(&status->needs, RP_UNKNOWN, server->unknown_ns)) {
        add(status, TONE_BAD,
            "%s has been of unknown lag for %.1f s: with max_lag_ms = %llu no read goes there.",
            server->name, (double)server->unknown_ns / 1e9,
            (unsigned long long)status->needs.max_lag_ms);
    } else if (policy_needs_closer(&status->needs, info->lag_ns, info->lag_at_least_ns)) {
        add(status, TONE_BAD,
            "%s is %s%.1f s behind the primary: with max_lag_ms = %llu no read goes there.",
            server->name, known ? "" : "at least ", (double)lag_ns / 1e9,
            (unsigned long long)status->needs.max_lag_ms);
    } else if (lag_ns >= STATUS_LAG_NS && lag_ns != RP_UNKNOWN) {
        /* The timeline of a standby is known while it streams. */
        const char *why = info->answers == 0 || info->grants[0] != '\0' ? ""
                          : info->timeline == 0
                              ? ", and does not stream from it: see pg_stat_wal_receiver there"
                              : ", though it streams: replay there is paused "
                                "(pg_is_wal_replay_paused()), delayed, held up by a query, or slow";
        add(status, TONE_WARN, "%s is %s%llu s behind the primary%s.", server->name,
            known ? "" : "at least ", (unsigned long long)(lag_ns / 1000000000), why);
    } else if (is_cut_off(status, info)) {
        add(status, TONE_WARN,
            "%s does not stream, so its timeline is not known and it proves nothing: see "
            "pg_stat_wal_receiver there.",
            server->name);
    }
}

/* What refuses a link does answer: a wrong password, a table that is not there. */
static void add_silent(struct status *status, const struct status_server *server) {
    const char *error = server->error;
    if (error[0] == '\0' && server->in_flight > 0) {
        add(status, TONE_BAD,
            "%s does not answer, and %llu statements wait for it: on a lock, or it hangs. See "
            "pg_stat_activity there.",
            server->name, (unsigned long long)server->in_flight);
    } else {
        const bool refused = server->links_up == 0 && error[0] != '\0';
        add(status, TONE_BAD, refused ? "No link to %s%s%s" : "%s does not answer%s%s",
            server->name, error[0] != '\0' ? ": " : ".", error);
    }
}

static void check_server(struct status *status, const struct status_server *server) {
    const struct rp_server_info *info = &server->info;
    if (info->answers == 0 && info->state != RP_SERVER_OFF) {
        add_silent(status, server);
    } else if (info->why[0] != '\0') {
        add(status, info->role == RP_ROLE_OUT ? TONE_BAD : TONE_WARN, "%s%s: %s", server->name,
            info->role == RP_ROLE_OUT ? " is out" : "", info->why);
    } else if (server->links_up < server->links) {
        add(status, TONE_WARN, "%s: only %llu of %llu links are up%s%s", server->name,
            (unsigned long long)server->links_up, (unsigned long long)server->links,
            server->error[0] != '\0' ? ": " : ".", server->error);
    }
    if (info->grants[0] != '\0') {
        add(status, TONE_WARN, "%s: %s", server->name, info->grants);
    }
    check_lag(status, server);
}

/* Of the newest lookup that ended so; "" if none is kept. */
static const char *last_text(const struct status *status, int32_t verdict) {
    for (uint32_t i = 0; i < status->miss_count; i++) {
        if (status->misses[i].verdict == verdict) {
            return status->misses[i].text;
        }
    }
    return "";
}

static void check_lookups(struct status *status) {
    const double *rates = status->verdicts_per_s;
    const uint32_t max_lookups = status->config->limits.max_lookups;
    if (rates[RP_VERDICT_FAILED] > 0) {
        const char *why = last_text(status, RP_VERDICT_FAILED);
        add(status, TONE_BAD, "Lookups fail: %.1f a second%s%s.", rates[RP_VERDICT_FAILED],
            why[0] != '\0' ? "; the last one: " : "", why);
    }
    if (rates[RP_VERDICT_SHED] > 0) {
        add(status, TONE_BAD,
            "Lookups are shed, since the primary's budget is used up: %.1f a second.",
            rates[RP_VERDICT_SHED]);
    }
    if (rates[RP_VERDICT_NONE] > 0) {
        add(status, TONE_BAD,
            "Lookups are refused, since max_lookups = %u are under way: %.1f a second.",
            max_lookups, rates[RP_VERDICT_NONE]);
    }
    if (status->connections >= status->config->limits.max_connections) {
        add(status, TONE_BAD, "max_connections = %u are open: further ones are closed at once.",
            status->config->limits.max_connections);
    }
    if (status->clients_wait) {
        add(status, TONE_BAD,
            "Clients wait to be let in: there are no descriptors left for them, or no memory.");
    }
    /* Where some are shed, most of what the budget went to may have been in vain. */
    const bool in_vain =
        rates[RP_VERDICT_SHED] > 0 &&
        rates[RP_VERDICT_NOT_FOUND] > status->served_by_per_s[RP_SERVED_BY_PRIMARY] / 2;
    if (rates[RP_VERDICT_NOT_FOUND] >= NOT_FOUND_PER_S || in_vain) {
        add(status, TONE_WARN,
            "%.1f lookups a second are for snapshots that nobody has: made-up ids, or rows that "
            "were deleted%s.",
            rates[RP_VERDICT_NOT_FOUND], in_vain ? "; so may those be that are shed" : "");
    }
}

static void check_host(struct status *status) {
    const struct host *host = status->host;
    if (counter_value(&host->reload_ok) == 0) {
        add(status, TONE_BAD,
            "The configuration had an error when it was last read: the previous one stays in "
            "force. The log says what, and so does snapshot-host -t -c %s.",
            host->config_path);
    }
    if (status->log_dropped_per_s > 0) {
        add(status, TONE_WARN,
            "Log lines are lost, for nobody takes them in time or there is no room: %.1f a second.",
            status->log_dropped_per_s);
    }
    if (status->config->auth.token[0] == '\0' && status->config->auth.other_token[0] == '\0') {
        add(status, TONE_WARN, "Nobody is let in on the worker route: there is no token.");
    }
}

/* The worst first, else as they were found. */
static void sort(struct status *status) {
    struct status_problem sorted[STATUS_MAX_PROBLEMS] = {0};
    uint32_t count = 0;
    for (int tone = TONE_BAD; tone >= TONE_WARN; tone--) {
        for (uint32_t i = 0; i < status->problem_count; i++) {
            if ((int)status->problems[i].tone == tone) {
                sorted[count++] = status->problems[i];
            }
        }
    }
    memcpy(status->problems, sorted, count * sizeof sorted[0]);
}

void status_find_problems(struct status *status) {
    status->problem_count = 0;
    check_cluster(status);
    for (uint32_t i = 0; i < status->server_count; i++) {
        check_server(status, &status->servers[i]);
    }
    check_replicas(status); /* what comes of it stands behind its cause */
    check_lookups(status);
    check_host(status);
    sort(status);
}
