/*
 * report.c - what a status says to people, in the order in which they need it.
 */
#include "report.h"

#include "host-sample/base/utc_date.h"
#include "host-sample/lookups/record.h"

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void cell(struct report_table *table, enum status_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void cell(struct report_table *table, enum status_tone tone, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const size_t kept = length < 0                     ? 0
                        : (size_t)length < sizeof text ? (size_t)length
                                                       : sizeof text - 1;
    if (table->cell_count < REPORT_MAX_CELLS) {
        table->cells[table->cell_count].offset = table->text.length;
        table->cells[table->cell_count].length = kept;
        table->cells[table->cell_count++].tone = tone;
        byte_buffer_append(&table->text, text, kept);
    }
}

static void end_table(struct byte_buffer *out, const struct report_format *format,
                      struct report_table *table) {
    if (table->text.failed) {
        out->failed = true;
    } else {
        format->table(out, table);
    }
    byte_buffer_free(&table->text);
}

/* ---- servers --------------------------------------------------------------------------------- */

static void put_lag(struct report_table *table, const struct status_server *server) {
    const struct rp_server_info *info = &server->info;
    const bool known = info->lag_ns != RP_UNKNOWN;
    const uint64_t ns = known ? info->lag_ns : info->lag_at_least_ns;
    if (info->role != RP_ROLE_REPLICA) {
        cell(table, TONE_PLAIN, "-");
    } else if (server->level) {
        cell(table, TONE_WARN, "unknown (level %.0f s ago)", (double)server->unknown_ns / 1e9);
    } else if (!known && (ns == 0 || ns == RP_UNKNOWN)) {
        cell(table, TONE_WARN, "unknown");
    } else {
        cell(table, ns >= STATUS_LAG_NS ? TONE_WARN : TONE_PLAIN, "%s%.*f s",
             known ? "" : "at least ", ns < UINT64_C(10000000000) ? 1 : 0, (double)ns / 1e9);
    }
}

/* Why it is out, what its links' last error was, what it lacks. */
static void put_note(struct report_table *table, const struct status_server *server) {
    static const char *const states[] = {"state = off", "", "state = drain"};
    const struct rp_server_info *info = &server->info;
    const char *parts[] = {info->why, server->error, info->grants, states[info->state % 3]};
    char text[480] = "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i][0] != '\0') {
            (void)strlcat(text, text[0] != '\0' ? "; " : "", sizeof text);
            (void)strlcat(text, parts[i], sizeof text);
        }
    }
    cell(table, info->why[0] != '\0' || server->error[0] != '\0' ? TONE_BAD : TONE_WARN, "%s",
         text);
}

static enum status_tone tone_of_role(const struct status_server *server) {
    const int32_t role = server->info.role;
    if (server->info.answers == 0 || role == RP_ROLE_OUT) {
        return TONE_BAD;
    }
    return role == RP_ROLE_UNKNOWN ? TONE_WARN : TONE_GOOD;
}

static void put_server(struct report_table *table, const struct status *status,
                       const struct status_server *server) {
    const struct rp_server_info *info = &server->info;
    const bool all_up = server->links_up >= server->links;
    char position[RP_POSITION_BYTES] = "?";
    char timeline[16] = "?";
    if (info->position != 0) {
        status->calls->position_print(info->position, position);
    }
    if (info->timeline != 0) {
        (void)snprintf(timeline, sizeof timeline, "%u", info->timeline);
    }
    cell(table, TONE_PLAIN, "%s", server->name);
    cell(table, tone_of_role(server), "%s%s", status_role_name(info->role),
         info->answers != 0      ? ""
         : server->links_up == 0 ? ", no link"
                                 : ", silent");
    cell(table, TONE_PLAIN, "%s", timeline);
    cell(table, TONE_PLAIN, "%s", position);
    put_lag(table, server);
    cell(table, all_up ? TONE_PLAIN : TONE_BAD, "%llu of %llu",
         (unsigned long long)server->links_up, (unsigned long long)server->links);
    cell(table, TONE_PLAIN, "%llu", (unsigned long long)server->in_flight);
    if (server->reads_per_s < 0) {
        cell(table, TONE_PLAIN, "-");
    } else {
        cell(table, TONE_PLAIN, "%.1f", server->reads_per_s);
    }
    if (info->version == 0) {
        cell(table, TONE_PLAIN, "?");
    } else {
        cell(table, TONE_PLAIN, "%u.%u", info->version / 10000, info->version % 10000);
    }
    put_note(table, server);
}

static void put_servers(struct byte_buffer *out, const struct report_format *format,
                        const struct status *status) {
    static const char *const columns[] = {"Server", "Role",      "Timeline", "Position",   "Lag",
                                          "Links",  "In flight", "Reads/s",  "PostgreSQL", "Note"};
    struct report_table table = {.columns = columns,
                                 .column_count = sizeof columns / sizeof columns[0]};
    format->heading(out, "Servers");
    for (uint32_t i = 0; i < status->server_count; i++) {
        put_server(&table, status, &status->servers[i]);
    }
    end_table(out, format, &table);
}

/* ---- lookups --------------------------------------------------------------------------------- */

static void put_count(struct report_table *table, enum status_tone tone, const char *name,
                      uint64_t total, double per_s) {
    const enum status_tone shown = per_s > 0 ? tone : TONE_PLAIN;
    cell(table, TONE_PLAIN, "%s", name);
    if (per_s < 0) {
        cell(table, TONE_PLAIN, "-");
    } else {
        cell(table, shown, "%.1f", per_s);
    }
    cell(table, TONE_PLAIN, "%llu", (unsigned long long)total);
}

static void put_budget(struct byte_buffer *out, const struct report_format *format,
                       const struct rp_budget_info *budget) {
    char text[128];
    if (budget->per_s == 0) {
        format->line(out, TONE_PLAIN, "No budget bounds reads of the primary.");
        return;
    }
    (void)snprintf(text, sizeof text, "The primary's budget: %u of %u left, with %u more a second.",
                   budget->left, budget->burst, budget->per_s);
    format->line(out, budget->left == 0 ? TONE_BAD : TONE_PLAIN, text);
}

/* As people say them; programs get status_verdict_names. */
static const char *const verdict_words[STATUS_VERDICTS] = {"refused", "found", "not found",
                                                           "failed", "shed"};

static void put_lookups(struct byte_buffer *out, const struct report_format *format,
                        const struct status *status) {
    static const char *const columns[] = {"Outcome", "A second", "In all"};
    static const struct {
        int32_t verdict;
        const char *name;
        enum status_tone tone;
    } rows[] = {{RP_VERDICT_FOUND, "found", TONE_GOOD},
                {RP_VERDICT_NOT_FOUND, "not found", TONE_WARN},
                {RP_VERDICT_FAILED, "failed", TONE_BAD},
                {RP_VERDICT_SHED, "shed: over the primary's budget", TONE_BAD},
                {RP_VERDICT_NONE, "refused: over max_lookups", TONE_BAD}};
    static const char *const served[] = {"", "by the replica", "by the replica, at a retry",
                                         "by the primary"};
    struct report_table table = {.columns = columns, .column_count = 3};
    char text[160];
    format->heading(out, "Lookups");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_count(&table, rows[i].tone, rows[i].name, status->verdicts[rows[i].verdict],
                  status->verdicts_per_s[rows[i].verdict]);
    }
    for (uint32_t i = RP_SERVED_BY_REPLICA; i <= RP_SERVED_BY_PRIMARY; i++) {
        put_count(&table, TONE_PLAIN, served[i], status->served_by[i], status->served_by_per_s[i]);
    }
    end_table(out, format, &table);
    (void)snprintf(text, sizeof text,
                   "%llu under way, of at most %u; %llu connection%s, of at most %u. Rates are of "
                   "the last 10 s.",
                   (unsigned long long)status->under_way, status->config->limits.max_lookups,
                   (unsigned long long)status->connections, status->connections == 1 ? "" : "s",
                   status->config->limits.max_connections);
    format->line(out, TONE_PLAIN, text);
    put_budget(out, format, &status->budget);
}

/* "2026-11-23 18:01:37" */
static void print_date(char *text, size_t length, int64_t unix_ms) {
    char date[UTC_DATE_LENGTH] = "";
    if (unix_ms <= 0 || !utc_date_is_printable(unix_ms)) {
        (void)strlcpy(text, "?", length);
        return;
    }
    utc_date_print(unix_ms, date);
    (void)snprintf(text, length, "%.10s %.8s", date, date + 11);
}

static void put_misses(struct byte_buffer *out, const struct report_format *format,
                       const struct status *status) {
    static const char *const columns[] = {"Time (UTC)", "Verdict", "Run", "Snapshot", "Why"};
    struct report_table table = {.columns = columns, .column_count = 5};
    char time[32];
    format->heading(out, "Last lookups that were not plain hits");
    for (uint32_t i = 0; i < status->miss_count; i++) {
        const struct miss *miss = &status->misses[i];
        const bool found = miss->verdict == RP_VERDICT_FOUND;
        print_date(time, sizeof time, miss->unix_ms);
        cell(&table, TONE_PLAIN, "%s", time);
        cell(&table, found ? TONE_PLAIN : TONE_WARN, "%s", verdict_words[miss->verdict]);
        cell(&table, TONE_PLAIN, "%s", miss->run);
        cell(&table, TONE_PLAIN, "%s", miss->snapshot);
        cell(&table, TONE_PLAIN, "%s%s%s%s", miss->text, miss->failed_during[0] != '\0' ? " (" : "",
             miss->failed_during, miss->failed_during[0] != '\0' ? ")" : "");
    }
    if (status->miss_count == 0) {
        format->line(out, TONE_PLAIN, "None since the start.");
        byte_buffer_free(&table.text);
    } else {
        end_table(out, format, &table);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void put_problems(struct byte_buffer *out, const struct report_format *format,
                         const struct status *status) {
    for (uint32_t i = 0; i < status->problem_count; i++) {
        format->line(out, status->problems[i].tone, status->problems[i].text);
    }
    if (status->problem_count == 0) {
        format->line(out, TONE_GOOD, "Nothing is wrong.");
    }
}

static void put_policy(struct byte_buffer *out, const struct report_format *format,
                       const struct status *status) {
    format->heading(out, "What a read does");
    format->line(out, TONE_PLAIN, status->policy);
    if (format->steps != NULL && status->diagram[0] != '\0') {
        format->steps(out, status->diagram);
    }
}

static void put_host(struct byte_buffer *out, const struct report_format *format,
                     const struct status *status) {
    const struct host *host = status->host;
    const struct rp_plugin *plugin = host->service.plugin;
    char text[256];
    char time[32];
    format->heading(out, "This process");
    print_date(time, sizeof time, host->started_unix_ms);
    (void)snprintf(text, sizeof text, "Started %s UTC, %u thread%s, configuration %.120s.", time,
                   host->worker_count, host->worker_count == 1 ? "" : "s", host->config_path);
    format->line(out, TONE_PLAIN, text);
    print_date(time, sizeof time, (int64_t)counter_value(&host->loaded_unix_ms));
    const bool good = counter_value(&host->reload_ok) != 0;
    (void)snprintf(text, sizeof text, "Policy in force since %s UTC; %llu reloads, %llu refused%s.",
                   time, (unsigned long long)counter_value(&host->reloads),
                   (unsigned long long)counter_value(&host->reload_failures),
                   good ? "" : ", the last one too");
    format->line(out, good ? TONE_PLAIN : TONE_BAD, text);
    (void)snprintf(text, sizeof text, "snapshot-host %s, %s %s (ABI %u.%u), libpq %d.%d.",
                   READ_POLICY_VERSION, plugin->name, plugin->version, plugin->abi_major,
                   plugin->abi_minor, PQlibVersion() / 10000, PQlibVersion() % 10000);
    format->line(out, TONE_PLAIN, text);
    print_date(time, sizeof time, status->now_unix_ms);
    (void)snprintf(text, sizeof text, "This was taken at %s UTC.", time);
    format->line(out, TONE_PLAIN, text);
}

void report_write(struct byte_buffer *out, const struct report_format *format,
                  const struct status *status) {
    const uint32_t count = status->problem_count;
    char title[64] = "snapshot-host: all is well";
    if (count > 0) {
        (void)snprintf(title, sizeof title, "snapshot-host: %u problem%s", count,
                       count == 1 ? "" : "s");
    }
    format->begin(out, count == 0 ? TONE_GOOD : status->problems[0].tone, title);
    put_problems(out, format, status);
    put_servers(out, format, status);
    put_lookups(out, format, status);
    put_misses(out, format, status);
    put_policy(out, format, status);
    put_host(out, format, status);
    format->end(out);
}
