/*
 * status_json.c - see status_json.h.
 */
#include "status_json.h"

#include "host-sample/base/json_string.h"
#include "host-sample/base/utc_date.h"
#include "host-sample/lookups/record.h"

#include <string.h>

/* A comma, unless it is the first of an object or of a list; then the key. */
static void put_key(struct byte_buffer *out, const char *key) {
    const char *last = out->length > 0 ? &out->data[out->length - 1] : "{";
    if (*last != '{' && *last != '[') {
        BYTE_BUFFER_LITERAL(out, ",");
    }
    if (key != NULL) {
        byte_buffer_append_format(out, "\"%s\":", key);
    }
}

static void put_text(struct byte_buffer *out, const char *key, const char *text) {
    put_key(out, key);
    if (text == NULL || text[0] == '\0') {
        BYTE_BUFFER_LITERAL(out, "null");
    } else {
        json_string_append_any(out, text);
    }
}

static void put_number(struct byte_buffer *out, const char *key, uint64_t value) {
    put_key(out, key);
    byte_buffer_append_unsigned(out, value);
}

/* null in place of the value that means that nothing is known. */
static void put_known(struct byte_buffer *out, const char *key, uint64_t value, uint64_t unknown) {
    put_key(out, key);
    if (value == unknown) {
        BYTE_BUFFER_LITERAL(out, "null");
    } else {
        byte_buffer_append_unsigned(out, value);
    }
}

static void put_real(struct byte_buffer *out, const char *key, bool known, double value) {
    put_key(out, key);
    if (known) {
        byte_buffer_append_format(out, "%.3f", value);
    } else {
        BYTE_BUFFER_LITERAL(out, "null");
    }
}

static void put_flag(struct byte_buffer *out, const char *key, bool value) {
    put_key(out, key);
    byte_buffer_append_text(out, value ? "true" : "false");
}

static void put_date(struct byte_buffer *out, const char *key, int64_t unix_ms) {
    char text[UTC_DATE_LENGTH + 1] = "";
    if (unix_ms > 0 && utc_date_is_printable(unix_ms)) {
        utc_date_print(unix_ms, text);
        text[UTC_DATE_LENGTH] = '\0';
    }
    put_text(out, key, text);
}

static void open_in(struct byte_buffer *out, const char *key, const char *bracket) {
    put_key(out, key);
    byte_buffer_append_text(out, bracket);
}

static void put_server(struct byte_buffer *out, const struct status *status,
                       const struct status_server *server) {
    const struct rp_server_info *info = &server->info;
    char position[RP_POSITION_BYTES] = "";
    static const char *const expectations[] = {"any", "primary", "replica"};
    static const char *const states[] = {"off", "on", "drain"};
    if (info->position != 0) {
        status->calls->position_print(info->position, position);
    }
    open_in(out, NULL, "{");
    put_text(out, "name", server->name);
    put_text(out, "role", status_role_name(info->role));
    put_text(out, "expect", expectations[info->expect % 3]);
    put_text(out, "state", states[info->state % 3]);
    put_flag(out, "answers", info->answers != 0);
    put_text(out, "why", info->why);
    put_text(out, "missing_grants", info->grants);
    put_text(out, "last_error", server->error);
    put_known(out, "timeline", info->timeline, 0);
    put_text(out, "position", position);
    put_known(out, "lag_bytes", info->lag_bytes, RP_UNKNOWN);
    put_real(out, "lag_seconds", info->lag_ns != RP_UNKNOWN, (double)info->lag_ns / 1e9);
    put_real(out, "lag_at_least_seconds", true, (double)info->lag_at_least_ns / 1e9);
    put_number(out, "links_up", server->links_up);
    put_number(out, "links", server->links);
    put_number(out, "in_flight", server->in_flight);
    put_number(out, "reads", server->reads);
    put_real(out, "reads_per_second", server->reads_per_s >= 0, server->reads_per_s);
    put_known(out, "version", info->version, 0);
    put_key(out, "system"); /* more than a JSON reader's number may hold */
    byte_buffer_append_format(out, info->system == 0 ? "null" : "\"%llu\"",
                              (unsigned long long)info->system);
    BYTE_BUFFER_LITERAL(out, "}");
}

static void put_counted(struct byte_buffer *out, const char *name, uint64_t total, double per_s) {
    open_in(out, NULL, "{");
    put_text(out, "name", name);
    put_number(out, "total", total);
    put_real(out, "per_second", per_s >= 0, per_s);
    BYTE_BUFFER_LITERAL(out, "}");
}

static void put_lookups(struct byte_buffer *out, const struct status *status) {
    open_in(out, "lookups", "{");
    put_number(out, "under_way", status->under_way);
    put_number(out, "max_lookups", status->config->limits.max_lookups);
    open_in(out, "verdicts", "[");
    for (uint32_t i = 0; i < STATUS_VERDICTS; i++) {
        put_counted(out, status_verdict_names[i], status->verdicts[i], status->verdicts_per_s[i]);
    }
    BYTE_BUFFER_LITERAL(out, "]");
    open_in(out, "served_by", "[");
    for (uint32_t i = RP_SERVED_BY_REPLICA; i <= RP_SERVED_BY_PRIMARY; i++) {
        put_counted(out, lookup_served_by((int32_t)i), status->served_by[i],
                    status->served_by_per_s[i]);
    }
    BYTE_BUFFER_LITERAL(out, "]}");
}

/* null without a limit. */
static void put_budget(struct byte_buffer *out, const struct rp_budget_info *budget) {
    if (budget->per_s == 0) {
        put_text(out, "primary_budget", NULL);
        return;
    }
    open_in(out, "primary_budget", "{");
    put_number(out, "per_second", budget->per_s);
    put_number(out, "burst", budget->burst);
    put_number(out, "left", budget->left);
    BYTE_BUFFER_LITERAL(out, "}");
}

static void put_misses(struct byte_buffer *out, const struct status *status) {
    open_in(out, "last_misses", "[");
    for (uint32_t i = 0; i < status->miss_count; i++) {
        const struct miss *miss = &status->misses[i];
        open_in(out, NULL, "{");
        put_date(out, "time", miss->unix_ms);
        put_text(out, "run_id", miss->run);
        put_text(out, "snapshot_id", miss->snapshot);
        put_text(out, "verdict", status_verdict_names[miss->verdict]);
        put_text(out, "served_by", lookup_served_by(miss->served_by));
        put_text(out, "failed_during", miss->failed_during);
        put_text(out, "message", miss->text);
        BYTE_BUFFER_LITERAL(out, "}");
    }
    BYTE_BUFFER_LITERAL(out, "]");
}

static void put_problems(struct byte_buffer *out, const struct status *status) {
    open_in(out, "problems", "[");
    for (uint32_t i = 0; i < status->problem_count; i++) {
        open_in(out, NULL, "{");
        put_text(out, "level", status->problems[i].tone == TONE_BAD ? "error" : "warn");
        put_text(out, "text", status->problems[i].text);
        BYTE_BUFFER_LITERAL(out, "}");
    }
    BYTE_BUFFER_LITERAL(out, "]");
}

static void put_host(struct byte_buffer *out, const struct host *host) {
    const struct lookup_service *service = &host->service;
    put_text(out, "version", READ_POLICY_VERSION);
    put_text(out, "plugin", service->plugin->name);
    put_text(out, "plugin_version", service->plugin->version);
    put_date(out, "started", host->started_unix_ms);
    open_in(out, "reload", "{");
    put_date(out, "loaded", (int64_t)counter_value(&host->loaded_unix_ms));
    put_number(out, "reloads", counter_value(&host->reloads));
    put_number(out, "failures", counter_value(&host->reload_failures));
    put_flag(out, "last_was_good", counter_value(&host->reload_ok) != 0);
    BYTE_BUFFER_LITERAL(out, "}");
}

void status_write_json(struct byte_buffer *out, const struct status *status) {
    BYTE_BUFFER_LITERAL(out, "{");
    put_problems(out, status);
    put_flag(out, "ready", status->ready);
    put_text(out, "not_ready", status->not_ready);
    put_flag(out, "draining", counter_value(&status->host->leaving) != 0);
    put_flag(out, "split", status->cluster.split != 0);
    put_flag(out, "primary_answers", status->cluster.primary_answers != 0);
    put_known(out, "timeline", status->cluster.timeline, 0);
    put_date(out, "time", status->now_unix_ms);
    open_in(out, "servers", "[");
    for (uint32_t i = 0; i < status->server_count; i++) {
        put_server(out, status, &status->servers[i]);
    }
    BYTE_BUFFER_LITERAL(out, "]");
    put_lookups(out, status);
    put_budget(out, &status->budget);
    open_in(out, "connections", "{");
    put_number(out, "open", status->connections);
    put_number(out, "max_connections", status->config->limits.max_connections);
    BYTE_BUFFER_LITERAL(out, "}");
    put_misses(out, status);
    open_in(out, "policy", "{");
    put_text(out, "section", status->config->plugin.section);
    put_text(out, "words", status->policy);
    put_text(out, "dot", status->diagram);
    BYTE_BUFFER_LITERAL(out, "}");
    put_number(out, "log_lines_dropped", status->log_dropped);
    put_host(out, status->host);
    BYTE_BUFFER_LITERAL(out, "}");
}
