/*
 * report.c - one list of figures, two ways to print it.
 *
 * All numbers are printed from integers, so that the same run gives the same text everywhere.
 */
#include "report.h"

#include "tools/policy-sim/model/quantity.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

enum form {
    COUNT,   /* a number */
    LOOKUPS, /* a number of lookups, with its share of all */
    TIME,    /* nanoseconds */
    RATE     /* a number, shown per second */
};

/* One figure of a run. */
struct row {
    const char *csv_name;
    const char *label;
    uint64_t (*value)(const struct figures *figures, unsigned argument); /* NULL: a heading */
    unsigned argument;
    enum form form;
};

#define AT(member) ((unsigned)offsetof(struct figures, member))

/* The offset is of a member that is a uint64_t. */
static uint64_t number(const struct figures *figures, unsigned offset) {
    uint64_t value;
    memcpy(&value, (const char *)figures + offset, sizeof value);
    return value;
}

static uint64_t percentile(const struct latency_histogram *histogram, unsigned percent) {
    return percent == 100 ? histogram->longest_ns
                          : latency_histogram_percentile(histogram, percent);
}

static uint64_t added(const struct figures *figures, unsigned percent) {
    return percentile(&figures->added, percent);
}

static uint64_t added_missed(const struct figures *figures, unsigned percent) {
    return percentile(&figures->added_missed, percent);
}

static uint64_t peak_primary_reads(const struct figures *figures, unsigned unused) {
    (void)unused;
    return figures_peak_primary_reads(figures);
}

static uint64_t span_s(const struct figures *figures, unsigned unused) {
    (void)unused;
    return figures->span_ns / NS_PER_S;
}

static uint64_t bursts(const struct figures *figures, unsigned unused) {
    (void)unused;
    return figures_bursts(figures);
}

static uint64_t lag(const struct figures *figures, unsigned percent) {
    return percentile(&figures->lag, percent);
}

static const struct row rows[] = {
    {"lookups", "lookups", number, AT(lookups), COUNT},
    {NULL, "found by", NULL, 0, COUNT},
    {"replica", "  the replica", number, AT(ends[FOUND_REPLICA]), LOOKUPS},
    {"replica_retry", "  a retry there", number, AT(ends[FOUND_REPLICA_RETRY]), LOOKUPS},
    {"primary", "  the primary", number, AT(ends[FOUND_PRIMARY]), LOOKUPS},
    {NULL, "not found", NULL, 0, COUNT},
    {"absent_primary", "  on the primary", number, AT(ends[NOT_FOUND_PRIMARY]), LOOKUPS},
    {"absent_replica", "  on the replica", number, AT(ends[NOT_FOUND_REPLICA]), LOOKUPS},
    {"absent_wrong", "  though it was there", number, AT(wrong), LOOKUPS},
    {NULL, "not answered", NULL, 0, COUNT},
    {"failed", "  failed", number, AT(ends[ENDED_FAILED]), LOOKUPS},
    {"shed", "  shed", number, AT(ends[ENDED_SHED]), LOOKUPS},
    {"refused", "  refused", number, AT(ends[ENDED_REFUSED]), LOOKUPS},
    {NULL, "added latency, ms", NULL, 0, COUNT},
    {"added_p50_us", "  p50", added, 50, TIME},
    {"added_p90_us", "  p90", added, 90, TIME},
    {"added_p99_us", "  p99", added, 99, TIME},
    {"added_max_us", "  max", added, 100, TIME},
    {"missed", "missed by a replica", number, AT(missed), LOOKUPS},
    {NULL, "added to those, ms", NULL, 0, COUNT},
    {"missed_p50_us", "  p50", added_missed, 50, TIME},
    {"missed_p90_us", "  p90", added_missed, 90, TIME},
    {"missed_p99_us", "  p99", added_missed, 99, TIME},
    {"missed_max_us", "  max", added_missed, 100, TIME},
    {NULL, "a second", NULL, 0, COUNT},
    {"replica_reads_per_s", "  replica reads", number, AT(replica_reads), RATE},
    {"primary_reads_per_s", "  primary reads", number, AT(primary_reads), RATE},
    {"primary_reads_peak", "  primary reads, peak", peak_primary_reads, 0, COUNT},
    {"locates_per_s", "  primary located", number, AT(locates), RATE},
    {"polls_per_s", "  replica positions", number, AT(watches), RATE},
    {"server_polls_per_s", "  servers polled", number, AT(polls), RATE},
    {NULL, "clients", NULL, 0, COUNT},
    {"repeats", "  repeated lookups", number, AT(repeats), COUNT},
    {"given_up", "  gave up", number, AT(given_up), COUNT},
    {NULL, "the run", NULL, 0, COUNT},
    {"span_s", "  seconds", span_s, 0, COUNT},
    {"bursts", "  bursts of lag", bursts, 0, COUNT},
    {"lag_p50_us", "  lag in ms, p50", lag, 50, TIME},
    {"lag_p99_us", "  lag in ms, p99", lag, 99, TIME},
    {"lag_max_us", "  lag in ms, max", lag, 100, TIME},
};
#define ROWS (sizeof rows / sizeof rows[0])

#define CELL_BYTES 64u

/* value * scale / whole, rounded half up. */
static uint64_t part(uint64_t value, uint64_t scale, uint64_t whole) {
    return whole == 0 ? 0 : (uint64_t)(((uint128)value * scale + whole / 2) / whole);
}

static void print_hundredths(char *cell, uint64_t hundredths) {
    (void)snprintf(cell, CELL_BYTES, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
}

static void print_thousandths(char *cell, uint64_t thousandths) {
    (void)snprintf(cell, CELL_BYTES, "%" PRIu64 ".%03" PRIu64, thousandths / 1000,
                   thousandths % 1000);
}

static uint64_t per_second_hundredths(const struct figures *figures, uint64_t value) {
    return part(value, 100 * NS_PER_S, figures->span_ns);
}

/* ---- table ----------------------------------------------------------------------------------- */

static void table_cell(char *cell, const struct row *row, const struct figures *figures) {
    uint64_t value = row->value(figures, row->argument);
    uint64_t share = part(value, 100000, figures->lookups);
    switch (row->form) {
    case COUNT:
        (void)snprintf(cell, CELL_BYTES, "%" PRIu64, value);
        break;
    case LOOKUPS:
        (void)snprintf(cell, CELL_BYTES, "%" PRIu64 " %3" PRIu64 ".%03" PRIu64 "%%", value,
                       share / 1000, share % 1000);
        break;
    case TIME:
        print_thousandths(cell, part(value, 1, 1000));
        break;
    case RATE:
        print_hundredths(cell, per_second_hundredths(figures, value));
        break;
    }
}

static int column_width(const struct section_figures *section) {
    size_t width = strlen(section->section);
    for (size_t i = 0; i < ROWS; i++) {
        char cell[CELL_BYTES] = "";
        if (rows[i].value != NULL) {
            table_cell(cell, &rows[i], section->figures);
        }
        width = strlen(cell) > width ? strlen(cell) : width;
    }
    return (int)width;
}

static int label_width(void) {
    size_t width = 0;
    for (size_t i = 0; i < ROWS; i++) {
        width = strlen(rows[i].label) > width ? strlen(rows[i].label) : width;
    }
    return (int)width;
}

/* A heading has no values; no line ends in spaces. */
void report_table(FILE *out, const struct section_figures *sections, size_t count) {
    (void)fprintf(out, "%-*s", label_width(), "");
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(out, "  %*s", column_width(&sections[i]), sections[i].section);
    }
    (void)fputc('\n', out);
    for (size_t row = 0; row < ROWS; row++) {
        bool heading = rows[row].value == NULL;
        (void)fprintf(out, "%-*s", heading ? 0 : label_width(), rows[row].label);
        for (size_t i = 0; i < count && !heading; i++) {
            char cell[CELL_BYTES];
            table_cell(cell, &rows[row], sections[i].figures);
            (void)fprintf(out, "  %*s", column_width(&sections[i]), cell);
        }
        (void)fputc('\n', out);
    }
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void csv_cell(char *cell, const struct row *row, const struct figures *figures) {
    uint64_t value = row->value(figures, row->argument);
    switch (row->form) {
    case TIME:
        (void)snprintf(cell, CELL_BYTES, "%" PRIu64, part(value, 1, 1000));
        break;
    case RATE:
        print_hundredths(cell, per_second_hundredths(figures, value));
        break;
    default:
        (void)snprintf(cell, CELL_BYTES, "%" PRIu64, value);
        break;
    }
}

/* RFC 4180: quoted, and each quote in it doubled. */
static void print_quoted(FILE *out, const char *text) {
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            (void)fputc('"', out);
        }
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

void report_csv(FILE *out, const struct section_figures *sections, size_t count) {
    (void)fputs("section", out);
    for (size_t row = 0; row < ROWS; row++) {
        if (rows[row].value != NULL) {
            (void)fprintf(out, ",%s", rows[row].csv_name);
        }
    }
    (void)fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        print_quoted(out, sections[i].section);
        for (size_t row = 0; row < ROWS; row++) {
            char cell[CELL_BYTES];
            if (rows[row].value != NULL) {
                csv_cell(cell, &rows[row], sections[i].figures);
                (void)fprintf(out, ",%s", cell);
            }
        }
        (void)fputc('\n', out);
    }
}
