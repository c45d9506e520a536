/*
 * metrics.c - the Prometheus text exposition format, version 0.0.4.
 *
 * A metric's HELP and TYPE come once, before all of its series; every series exists from the start.
 */
#include "metrics.h"

#include "exposition.h"
#include "host-sample/host.h"
#include "host-sample/http/front.h"
#include "host-sample/lookups/record.h"
#include "host-sample/servers/directory.h"
#include "process_metrics.h"
#include "status.h"
#include "sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plugin's counters ------------------------------------------------------------------- */

struct exposed_name {
    char text[320]; /* the plugin's names are far shorter; a longer one is cut */
};

/* "run_engine.snapshots_since.replica_miss" to "run_engine_snapshots_since_replica_miss_total". */
static struct exposed_name exposed_name_of(const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";
    static const char suffix[] = "_total";
    struct exposed_name exposed;
    size_t length = 0;
    for (; *name != '\0' && length < sizeof exposed.text - sizeof suffix; name++) {
        exposed.text[length++] = '_';
        if (strchr(allowed, *name) != NULL) {
            exposed.text[length - 1] = *name;
        }
    }
    memcpy(exposed.text + length, suffix, sizeof suffix);
    return exposed;
}

static void put_plugin_series(struct byte_buffer *out, const char *name,
                              const struct rp_metric *metric) {
    byte_buffer_append_text(out, name);
    put_label(out, "{", "section", metric->section);
    if (metric->attribute != NULL && metric->attribute_value != NULL) {
        put_label(out, ",", metric->attribute, metric->attribute_value);
    }
    byte_buffer_append_format(out, "} %llu\n", (unsigned long long)metric->value);
}

/* Metrics of one name need not be adjacent in the plugin's list; the format wants them to be.
 */
static void put_plugin_group(struct byte_buffer *out, const struct rp_metric *metrics,
                             uint32_t count, uint32_t first, bool *done) {
    struct exposed_name name = exposed_name_of(metrics[first].name);
    put_header(out, name.text, "counter", metrics[first].help);
    for (uint32_t i = first; i < count; i++) {
        if (!done[i] && strcmp(exposed_name_of(metrics[i].name).text, name.text) == 0) {
            put_plugin_series(out, name.text, &metrics[i]);
            done[i] = true;
        }
    }
}

static void put_plugin_metrics(const struct host *host, struct byte_buffer *out) {
    uint32_t count = 0;
    struct rp_metric probe = {.struct_size = sizeof probe};
    while (host->service.plugin->metrics(host->set, count, &probe) == RP_OK) {
        count++;
    }
    struct rp_metric *metrics = calloc(count + 1u, sizeof *metrics);
    bool *done = calloc(count + 1u, sizeof *done);
    if (metrics == NULL || done == NULL) {
        out->failed = true;
    } else {
        for (uint32_t i = 0; i < count; i++) {
            metrics[i].struct_size = sizeof metrics[i];
            (void)host->service.plugin->metrics(host->set, i, &metrics[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!done[i]) {
                put_plugin_group(out, metrics, count, i, done);
            }
        }
    }
    free(metrics);
    free(done);
}

/* ---- lookups --------------------------------------------------------------------------------- */

#define SUM(host, member) host_sum_lookups((host), offsetof(struct lookup_counters, member))
#define SUM_ITEM(host, member, i)                                                                  \
    host_sum_lookups((host), offsetof(struct lookup_counters, member) + (i) * sizeof(uint64_t))

static void put_lookups(const struct host *host, struct byte_buffer *out) {
    const char *name = "snapshot_host_lookups_total";
    put_header(out, name, "counter", "Lookups that ended, by verdict; refused: over max_lookups.");
    for (size_t i = 0; i < STATUS_VERDICTS; i++) {
        put_labelled(out, name, "verdict", status_verdict_names[i], SUM_ITEM(host, verdicts, i));
    }
    name = "snapshot_host_lookups_served_total";
    put_header(out, name, "counter", "Lookups found or not found, by who gave the answer.");
    for (size_t i = RP_SERVED_BY_REPLICA; i <= RP_SERVED_BY_PRIMARY; i++) {
        put_labelled(out, name, "served_by", lookup_served_by((int32_t)i),
                     SUM_ITEM(host, served_by, i));
    }
    put_single(out, "snapshot_host_lookup_timeouts_total", "counter",
               "Lookups that lookup_timeout_ms ended.", SUM(host, timeouts));
    put_single(out, "snapshot_host_lookups_abandoned_total", "counter",
               "Lookups whose client left before the answer.", SUM(host, gone));
    put_single(out, "snapshot_host_lookups_in_flight", "gauge", "Lookups under way.",
               counter_value(&host->service.under_way));
    name = "snapshot_host_busy_polls_total";
    put_header(out, name, "counter",
               "Turns of a loop in which an awaited answer came, by whether polling saw it, see "
               "busy_poll_us.");
    put_labelled(out, name, "outcome", "seen", SUM_ITEM(host, busy_polls, BUSY_POLL_SEEN));
    put_labelled(out, name, "outcome", "in_vain", SUM_ITEM(host, busy_polls, BUSY_POLL_LATE));
}

static void put_latency(const struct host *host, struct byte_buffer *out) {
    const char *name = "snapshot_host_lookup_duration_seconds";
    put_header(out, name, "histogram", "Time from request to verdict.");
    uint64_t total = 0;
    for (size_t i = 0; i < LOOKUP_LATENCY_BUCKETS; i++) {
        total += SUM_ITEM(host, latency, i);
        byte_buffer_append_format(out, "%s_bucket{le=\"%g\"} %llu\n", name,
                                  lookup_latency_bounds_us[i] / 1e6, (unsigned long long)total);
    }
    total += SUM_ITEM(host, latency, LOOKUP_LATENCY_BUCKETS);
    byte_buffer_append_format(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n",
                              name, (unsigned long long)total, name,
                              (double)SUM(host, latency_sum_us) / 1e6, name,
                              (unsigned long long)total);
}

/* ---- servers --------------------------------------------------------------------------------- */

/* What is exposed of each server: pg_server_counters, by offset. */
static const struct {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
} server_rows[] = {
    {"snapshot_host_reads_total", "counter",
     "Snapshot statements sent to each server; a read whose lean one is not enough sends two.",
     offsetof(struct pg_server_counters, reads)},
    {"snapshot_host_statements_total", "counter",
     "Statements sent to each server, those for positions included.",
     offsetof(struct pg_server_counters, statements)},
    {"snapshot_host_executions_total", "counter",
     "Executions on each server; reads that wait at the same time share one.",
     offsetof(struct pg_server_counters, executions)},
    {"snapshot_host_statement_failures_total", "counter", "Statements that failed.",
     offsetof(struct pg_server_counters, failures)},
    {"snapshot_host_resends_total", "counter",
     "Statements sent again because their group, or a neighbour in their batch, failed.",
     offsetof(struct pg_server_counters, resends)},
    {"snapshot_host_batches_total", "counter", "Pipeline batches sent.",
     offsetof(struct pg_server_counters, batches)},
    {"snapshot_host_connects_total", "counter", "Links that came up.",
     offsetof(struct pg_server_counters, connects)},
    {"snapshot_host_connect_failures_total", "counter", "Attempts to bring a link up that failed.",
     offsetof(struct pg_server_counters, connect_failures)},
    {"snapshot_host_links_up", "gauge", "Links that are up.",
     offsetof(struct pg_server_counters, links_up)},
    {"snapshot_host_statements_in_flight", "gauge", "Statements sent and not answered yet.",
     offsetof(struct pg_server_counters, in_flight)},
};

static struct servers *servers_of(const struct host *host) {
    return &host->workers[0].servers;
}

/* The servers that a page shows. */
struct shown {
    struct server_label labels[SERVERS_MAX];
    uint32_t count;
};

/* Whether it is the replica or the primary that is slow, and whether questions are slow too. */
static void put_took(struct byte_buffer *out, const char *server,
                     const struct pg_server_counters *counters) {
    static const char *const kinds[PG_TOOK_KINDS] = {"read", "question"};
    const char *name = "snapshot_host_statement_duration_seconds";
    for (int kind = 0; kind < PG_TOOK_KINDS; kind++) {
        uint64_t total = 0;
        for (int i = 0; i <= PG_TOOK_BUCKETS; i++) {
            char bound[24] = "+Inf";
            total += counters->took[kind][i];
            if (i < PG_TOOK_BUCKETS) {
                (void)snprintf(bound, sizeof bound, "%g", pg_took_bounds_us[i] / 1e6);
            }
            byte_buffer_append_format(out, "%s_bucket", name);
            put_label(out, "{", "server", server);
            put_label(out, ",", "kind", kinds[kind]);
            put_label(out, ",", "le", bound);
            byte_buffer_append_format(out, "} %llu\n", (unsigned long long)total);
        }
        byte_buffer_append_format(out, "%s_sum", name);
        put_label(out, "{", "server", server);
        put_label(out, ",", "kind", kinds[kind]);
        byte_buffer_append_format(out, "} %.6f\n%s_count", (double)counters->took_us[kind] / 1e6,
                                  name);
        put_label(out, "{", "server", server);
        put_label(out, ",", "kind", kinds[kind]);
        byte_buffer_append_format(out, "} %llu\n", (unsigned long long)total);
    }
}

static void put_servers(const struct host *host, const struct shown *shown,
                        struct byte_buffer *out) {
    struct pg_server_counters sums[SERVERS_MAX] = {{0}};
    for (uint32_t i = 0; i < shown->count; i++) {
        host_add_counters(host, shown->labels[i].name, true, &sums[i]);
    }
    for (size_t row = 0; row < sizeof server_rows / sizeof server_rows[0]; row++) {
        put_header(out, server_rows[row].name, server_rows[row].type, server_rows[row].help);
        for (uint32_t i = 0; i < shown->count; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&sums[i] + server_rows[row].offset, sizeof value);
            put_labelled(out, server_rows[row].name, "server", shown->labels[i].name, value);
        }
    }
    put_header(out, "snapshot_host_statement_duration_seconds", "histogram",
               "Time from handing in a statement to its answer, by server and kind.");
    for (uint32_t i = 0; i < shown->count; i++) {
        put_took(out, shown->labels[i].name, &sums[i]);
    }
}

/* ---- positions and lag ----------------------------------------------------------------------- */

static void put_gauge(struct byte_buffer *out, const char *name, const char *server, bool known,
                      double value) {
    byte_buffer_append_text(out, name);
    put_label(out, "{", "server", server);
    if (known) {
        byte_buffer_append_format(out, "} %.17g\n", value);
    } else {
        BYTE_BUFFER_LITERAL(out, "} NaN\n");
    }
}

/* One gauge a server, of its view; RP_UNKNOWN, and 0 for a position, is NaN. */
static void put_view(const struct host *host, const struct shown *shown, struct byte_buffer *out,
                     const char *name, const char *help, size_t offset, double scale,
                     uint64_t unknown) {
    put_header(out, name, "gauge", help);
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct server_view *view = &servers_of(host)->servers[shown->labels[i].index].view;
        const char *at = (const char *)view + offset;
        const uint64_t value = counter_value((const _Atomic uint64_t *)(const void *)at);
        put_gauge(out, name, shown->labels[i].name, value != unknown, (double)value * scale);
    }
}

/* The same of all but an expected primary; a primary is 0 behind itself. */
static void put_lag_view(const struct host *host, const struct shown *shown,
                         struct byte_buffer *out, const char *name, const char *help, size_t offset,
                         double scale) {
    put_header(out, name, "gauge", help);
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct server *server = &servers_of(host)->servers[shown->labels[i].index];
        const char *at = (const char *)&server->view + offset;
        uint64_t value = counter_value((const _Atomic uint64_t *)(const void *)at);
        if (counter_value(&server->view.role) == RP_ROLE_PRIMARY) {
            value = 0;
        }
        if (shown->labels[i].expect != HOST_EXPECT_PRIMARY) {
            put_gauge(out, name, shown->labels[i].name, value != RP_UNKNOWN, (double)value * scale);
        }
    }
}
#define VIEW(member) offsetof(struct server_view, member)

static void put_lag(const struct host *host, const struct shown *shown, struct byte_buffer *out) {
    put_view(host, shown, out, "snapshot_host_wal_position_bytes",
             "WAL position of each server: inserted, or replayed.", VIEW(position), 1, 0);
    put_lag_view(host, shown, out, "snapshot_host_replica_lag_bytes",
                 "WAL that a replica has not replayed yet; NaN: unknown.", VIEW(lag_bytes), 1);
    put_lag_view(
        host, shown, out, "snapshot_host_replica_lag_seconds",
        "Age of the newest position of the primary that a replica has reached; NaN: unknown.",
        VIEW(lag_ns), 1e-9);
    put_lag_view(host, shown, out, "snapshot_host_replica_lag_at_least_seconds",
                 "The same where it was last known, and still grows while it is unknown; 0: none.",
                 VIEW(lag_at_least_ns), 1e-9);
    put_header(out, "snapshot_host_server_answers", "gauge",
               "1 if the server answered the last question about itself, of each thread.");
    for (uint32_t i = 0; i < shown->count; i++) {
        const char *name = shown->labels[i].name;
        put_gauge(out, "snapshot_host_server_answers", name, true,
                  host_threads_without(host, name) == 0);
    }
    put_view(host, shown, out, "snapshot_host_server_timeline",
             "Timeline of each server; NaN: unknown.", VIEW(timeline), 1, 0);
}

/* A reason is a constant of the plugin's: there are few. */
static void put_reasons(const struct host *host, const struct shown *shown,
                        struct byte_buffer *out) {
    const char *name = "snapshot_host_server_out";
    put_header(out, name, "gauge", "1 for each server that is out; why says why.");
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct server_view *view = &servers_of(host)->servers[shown->labels[i].index].view;
        if (counter_value(&view->role) == RP_ROLE_OUT) {
            byte_buffer_append_text(out, name);
            put_label(out, "{", "server", shown->labels[i].name);
            put_label(out, ",", "why", atomic_load_explicit(&view->why, memory_order_relaxed));
            BYTE_BUFFER_LITERAL(out, "} 1\n");
        }
    }
}

static void put_roles(const struct host *host, const struct shown *shown, struct byte_buffer *out) {
    const char *name = "snapshot_host_server_role";
    put_header(out, name, "gauge", "1 for the role that each server has, as observed.");
    for (uint32_t i = 0; i < shown->count; i++) {
        const struct server_view *view = &servers_of(host)->servers[shown->labels[i].index].view;
        const uint64_t role = counter_value(&view->role);
        for (int32_t k = RP_ROLE_UNKNOWN; k <= RP_ROLE_OUT; k++) {
            byte_buffer_append_text(out, name);
            put_label(out, "{", "server", shown->labels[i].name);
            put_label(out, ",", "role", status_role_name(k));
            byte_buffer_append_format(out, "} %d\n", role == (uint64_t)k);
        }
    }
    put_reasons(host, shown, out);
    put_single(out, "snapshot_host_split", "gauge",
               "1 while two servers, or lineages, claim to be the primary.", host_is_split(host));
    put_single(out, "snapshot_host_primary_answers", "gauge",
               "1 while a primary answers, in each thread.",
               host_threads_without_primary(host) == 0);
}

static uint64_t cluster_sum(const struct host *host, uint32_t counter) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        sum += counter_value(&host->workers[i].servers.counters[counter]);
    }
    return sum;
}

/* The cluster's own, by their names; two of them have had others before. */
static void put_cluster(const struct host *host, struct byte_buffer *out) {
    static const char *const older[][2] = {
        {"cluster.locates", "snapshot_host_locates_total"},
        {"cluster.watches", "snapshot_host_position_polls_total"}};
    const struct servers *servers = servers_of(host);
    for (uint32_t i = 0; i < servers->counter_count; i++) {
        const struct rp_metric *metric = &servers->counter_names[i];
        const char *dot = strchr(metric->name, '.');
        char name[96];
        (void)snprintf(name, sizeof name, "snapshot_host_cluster_%s_total",
                       dot != NULL ? dot + 1 : metric->name);
        for (size_t k = 0; k < sizeof older / sizeof older[0]; k++) {
            if (strcmp(metric->name, older[k][0]) == 0) {
                (void)snprintf(name, sizeof name, "%s", older[k][1]);
            }
        }
        put_single(out, name, "counter", metric->help, cluster_sum(host, i));
    }
}

/* ---- HTTP, reloads --------------------------------------------------------------------------- */

static uint64_t answers_of_class(const struct host *host, size_t first_digit) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        sum += counter_value(&host->workers[i].lookups.answers.by_class[first_digit]);
    }
    return sum;
}

static void put_http(const struct host *host, struct byte_buffer *out) {
    struct http_front_counters sum = {0};
    for (uint32_t i = 0; i < host->worker_count; i++) {
        struct http_front_counters one;
        http_front_read_counters(host->workers[i].front, &one);
        sum.connections_accepted += one.connections_accepted;
        sum.connections_open += one.connections_open;
        sum.connections_refused += one.connections_refused;
        sum.connections_waiting += one.connections_waiting;
        sum.timeouts += one.timeouts;
        sum.bad_requests += one.bad_requests;
        sum.unsent_bytes += one.unsent_bytes;
    }
    put_single(out, "snapshot_host_http_connections_accepted_total", "counter",
               "Connections accepted.", sum.connections_accepted);
    put_single(out, "snapshot_host_http_connections_open", "gauge", "Connections open.",
               sum.connections_open);
    put_single(out, "snapshot_host_http_connections_refused_total", "counter",
               "Connections over max_connections.", sum.connections_refused);
    put_single(out, "snapshot_host_http_connections_waiting", "gauge",
               "Threads that cannot accept connections now, for want of descriptors or memory.",
               sum.connections_waiting);
    put_single(out, "snapshot_host_http_timeouts_total", "counter",
               "Connections closed as idle or slow.", sum.timeouts);
    put_single(out, "snapshot_host_http_bad_requests_total", "counter",
               "Requests that were not well-formed HTTP, too large or too slow.", sum.bad_requests);
    put_single(out, "snapshot_host_http_unsent_bytes", "gauge", "Bytes of answers not sent yet.",
               sum.unsent_bytes);
    const char *name = "snapshot_host_http_requests_total";
    put_header(out, name, "counter", "Requests answered, by class of status.");
    static const char *const classes[] = {"2xx", "3xx", "4xx", "5xx"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        put_labelled(out, name, "status", classes[i], answers_of_class(host, i + 2));
    }
}

/* Those that there are, the front's own too; each is there from the start. */
static void put_codes(const struct host *host, struct byte_buffer *out) {
    static const uint32_t codes[] = {200, 400, 401, 404, 405, 408, 413,
                                     414, 429, 431, 500, 503, 505};
    const char *name = "snapshot_host_http_responses_total";
    put_header(out, name, "counter", "Answers on the public listener, by status.");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char code[8];
        uint64_t sum = 0;
        for (uint32_t k = 0; k < host->worker_count; k++) {
            sum += http_front_answers(host->workers[k].front, codes[i]);
        }
        (void)snprintf(code, sizeof code, "%u", codes[i]);
        put_labelled(out, name, "code", code, sum);
    }
}

static void put_reloads(const struct host *host, struct byte_buffer *out) {
    put_single(out, "snapshot_host_reloads_total", "counter",
               "Reloads of both files that were asked for.", counter_value(&host->reloads));
    put_single(out, "snapshot_host_reload_failures_total", "counter",
               "Reloads that failed: the older configuration stayed in force.",
               counter_value(&host->reload_failures));
    put_single(out, "snapshot_host_last_reload_successful", "gauge",
               "1 if both files were good when they were last read.",
               counter_value(&host->reload_ok));
}

static void put_log(const struct host *host, struct byte_buffer *out) {
    put_single(
        out, "snapshot_host_log_dropped_total", "counter",
        "Log lines that were lost, for nobody took them in time or they could not be written.",
        log_dropped(host->service.log));
}

void host_metrics_write(const struct worker *worker, struct byte_buffer *out) {
    struct host *host = worker->host;
    struct shown shown;
    shown.count = servers_list(servers_of(host), shown.labels);
    put_plugin_metrics(host, out);
    put_lookups(host, out);
    put_latency(host, out);
    put_servers(host, &shown, out);
    put_lag(host, &shown, out);
    put_roles(host, &shown, out);
    put_cluster(host, out);
    put_http(host, out);
    put_codes(host, out);
    put_reloads(host, out);
    put_log(host, out);
    process_metrics_write(host, worker->lookups.config, out);
}
