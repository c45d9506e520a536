/*
 * load_day.c - see load_day.h.
 */
#include "load_day.h"

#include "json_line.h"
#include "tools/policy-sim/model/quantity.h"
#include "tools/policy-sim/model/text_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* NULL, or what is wrong. */
static const char *append(struct day *day, const struct day_lookup *lookup) {
    if (day->count == DAY_MAX_LOOKUPS) {
        return "too many lookups";
    }
    if (day->count == day->capacity) {
        size_t larger = day->capacity == 0 ? 4096 : day->capacity * 2;
        struct day_lookup *lookups = realloc(day->lookups, larger * sizeof *lookups);
        if (lookups == NULL) {
            return "out of memory";
        }
        day->lookups = lookups;
        day->capacity = larger;
    }
    day->lookups[day->count++] = *lookup;
    return NULL;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static const char *take_csv(struct day *day, const char *line) {
    static const char wrong[] =
        "expected a time, an age or nothing, and 1 or 0, such as 12.5,0.003,1";
    struct day_lookup lookup = {.row = DAY_ROW_OLD};
    const char *at;
    if (!quantity_moment(line, &lookup.at_ns, &at) || *at != ',') {
        return wrong;
    }
    at++;
    if (*at != ',') {
        if (!quantity_seconds(at, &lookup.age_ns, &at) || *at != ',') {
            return wrong;
        }
        lookup.row = DAY_ROW_AGED;
    }
    if ((at[1] != '0' && at[1] != '1') || at[2] != '\0') {
        return wrong;
    }
    lookup.row = at[1] == '0' ? DAY_ROW_ABSENT : lookup.row;
    return append(day, &lookup);
}

/* ---- access log ------------------------------------------------------------------------------ */

enum { TIME, MESSAGE, RUN, SNAPSHOT, STATUS, MILLISECONDS, SERVED_BY, FIELDS };

/* "2026-11-25T23:35:00.123Z" */
static bool read_time(const char *text, uint64_t *ns) {
    struct tm moment = {.tm_isdst = 0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &moment);
    if (at == NULL || at[0] != '.' || strspn(at + 1, "0123456789") != 3 ||
        strcmp(at + 4, "Z") != 0) {
        return false;
    }
    const time_t seconds = timegm(&moment);
    *ns = (uint64_t)seconds * NS_PER_S + strtoull(at + 1, NULL, 10) * NS_PER_MS;
    return seconds >= 0 && (uint64_t)seconds <= QUANTITY_MAX_MOMENT_S;
}

/* "12.345" */
static bool read_milliseconds(const char *text, uint64_t *ns) {
    char with_unit[JSON_FIELD_BYTES + 2];
    (void)snprintf(with_unit, sizeof with_unit, "%sms", text);
    return quantity_duration(with_unit, ns);
}

/* FNV-1a (Fowler, Noll and Vo). */
static uint64_t hash(uint64_t seed, const char *text) {
    for (; *text != '\0'; text++) {
        seed = (seed ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    }
    return seed;
}

/* What the answer tells of the row; false: nothing (the request was malformed, or is no lookup). */
static bool classify(struct day_lookup *lookup, uint64_t status, const char *served_by) {
    switch (status) {
    case 200:
        lookup->end = strcmp(served_by, "replica") == 0   ? DAY_END_REPLICA
                      : strcmp(served_by, "primary") == 0 ? DAY_END_PRIMARY
                                                          : DAY_END_RETRY;
        lookup->row = lookup->end == DAY_END_REPLICA   ? DAY_ROW_OLD
                      : lookup->end == DAY_END_PRIMARY ? DAY_ROW_MISSED
                                                       : DAY_ROW_LATE;
        return true;
    case 404:
        lookup->end = DAY_END_ABSENT;
        lookup->row = DAY_ROW_ABSENT;
        return true;
    case 429:
        lookup->end = DAY_END_SHED;
        lookup->row = DAY_ROW_UNTOLD;
        return true;
    case 503:
        lookup->end = DAY_END_FAILED;
        lookup->row = DAY_ROW_OLD;
        return true;
    default:
        return false;
    }
}

/* Lines that are no lookup of an access log are other lines of the same log. */
static const char *take_log_line(struct day *day, const char *line) {
    struct json_field fields[FIELDS] = {
        [TIME] = {.name = "time"},          [MESSAGE] = {.name = "message"},
        [RUN] = {.name = "request_run_id"}, [SNAPSHOT] = {.name = "request_snapshot_id"},
        [STATUS] = {.name = "status"},      [MILLISECONDS] = {.name = "milliseconds"},
        [SERVED_BY] = {.name = "served_by"}};
    struct day_lookup lookup = {0};
    uint64_t status;
    uint64_t ended_ns;
    if (!json_line_read(line, fields, FIELDS) || strcmp(fields[MESSAGE].value, "access") != 0 ||
        fields[RUN].value[0] == '\0' || !quantity_count(fields[STATUS].value, 100, 599, &status) ||
        !read_time(fields[TIME].value, &ended_ns) ||
        !read_milliseconds(fields[MILLISECONDS].value, &lookup.took_ns)) {
        return NULL;
    }
    lookup.at_ns = ended_ns > lookup.took_ns ? ended_ns - lookup.took_ns : 0;
    lookup.client =
        hash(hash(UINT64_C(0xCBF29CE484222325), fields[RUN].value) ^ '/', fields[SNAPSHOT].value);
    return classify(&lookup, status, fields[SERVED_BY].value) ? append(day, &lookup) : NULL;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static const char *take_line(void *context, const char *line, unsigned long number) {
    struct day *day = context;
    if (number == 1) {
        day->from_log = strcmp(line, DAY_HEADER) != 0;
        if (!day->from_log) {
            return NULL;
        }
    }
    return day->from_log ? take_log_line(day, line) : take_csv(day, line);
}

/* A log is read past what a crash or another program left in it. */
static const char *take_odd_line(void *context, const char *wrong, unsigned long number) {
    struct day *day = context;
    day->from_log = day->from_log || number == 1;
    return day->from_log ? NULL : wrong;
}

static const char *after_lines(void *context) {
    const struct day *day = context;
    return day->count > 0 ? NULL
                          : "no lookup: expected the header \"" DAY_HEADER
                            "\" and lines, or an access log of snapshot-host ([log] access = "
                            "yes), as plain text";
}

static bool read_lines(struct day *day, const char *path, char *err, size_t err_length) {
    const struct text_lines lines = {.max_bytes = TEXT_LINES_MAX_BYTES,
                                     .take = take_line,
                                     .take_odd = take_odd_line,
                                     .end = after_lines,
                                     .context = day};
    bool input = strcmp(path, "-") == 0;
    FILE *file = input ? stdin : fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(err, err_length, "%s: %s", path, strerror(errno));
        return false;
    }
    bool good = text_lines_read(&lines, file, path, err, err_length);
    if (!input) {
        (void)fclose(file);
    }
    return good;
}

/* Equal moments stay in the order of the file, so that each run is the same. */
static int compare(const void *one, const void *other) {
    const struct day_lookup *a = one;
    const struct day_lookup *b = other;
    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns ? -1 : 1;
    }
    return (a->client > b->client) - (a->client < b->client);
}

bool day_load(struct day *day, const char *path, char *err, size_t err_length) {
    *day = (struct day){0};
    if (!read_lines(day, path, err, err_length)) {
        day_free(day);
        return false;
    }
    qsort(day->lookups, day->count, sizeof *day->lookups, compare);
    return true;
}
