/*
 * friendly_id.c - see friendly_id.h.
 *
 * An id is decoded first and split afterwards, as the clients' own servers do: "%5F" separates.
 */
#include "friendly_id.h"

#include "host-sample/base/utf8.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define LITERAL_LENGTH(literal) (sizeof(literal) - 1)

/* ---- routes ---- */

static const char between_ids[] = "/snapshots/since/";

static const struct {
    enum route route;
    const char *path;
} plain_routes[] = {
    {ROUTE_HEALTH, "/healthz"},
    {ROUTE_METRICS, "/metrics"},
};

static const struct {
    enum route route;
    const char *before_ids;
} id_routes[] = {
    {ROUTE_WORKER_SNAPSHOTS, "/engine/v1/worker-actions/runs/"},
    {ROUTE_WORKLOAD_SNAPSHOTS, "/api/v1/workload-actions/runs/"},
};

static bool starts_with(const char *text, size_t length, const char *start, size_t start_length) {
    return length >= start_length && memcmp(text, start, start_length) == 0;
}

/* The length of "http://host" in front of an absolute target's path; 0 if there is no such thing.
 */
static size_t origin_length(const char *target, size_t length) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const size_t scheme_length = strlen(schemes[i]);
        if (length > scheme_length && strncasecmp(target, schemes[i], scheme_length) == 0) {
            size_t end = scheme_length;
            while (end < length && target[end] != '/' && target[end] != '?') {
                end++;
            }
            return end == scheme_length ? 0 : end;
        }
    }
    return 0;
}

/* The two ids in what follows the route's prefix. */
static bool match_ids(const char *ids, size_t length, struct route_match *match) {
    const char *run_end = memchr(ids, '/', length);
    if (run_end == NULL) {
        return false;
    }
    match->run = ids;
    match->run_length = (size_t)(run_end - ids);
    const size_t rest = length - match->run_length;
    if (!starts_with(run_end, rest, between_ids, LITERAL_LENGTH(between_ids))) {
        return false;
    }
    match->snapshot = run_end + LITERAL_LENGTH(between_ids);
    match->snapshot_length = rest - LITERAL_LENGTH(between_ids);
    return memchr(match->snapshot, '/', match->snapshot_length) == NULL;
}

static struct route_match route_of_path(const char *path, size_t length) {
    const struct route_match unknown = {.route = ROUTE_UNKNOWN};
    for (size_t i = 0; i < sizeof(plain_routes) / sizeof(plain_routes[0]); i++) {
        if (length == strlen(plain_routes[i].path) &&
            memcmp(path, plain_routes[i].path, length) == 0) {
            return (struct route_match){.route = plain_routes[i].route};
        }
    }
    for (size_t i = 0; i < sizeof(id_routes) / sizeof(id_routes[0]); i++) {
        const size_t before = strlen(id_routes[i].before_ids);
        if (starts_with(path, length, id_routes[i].before_ids, before)) {
            struct route_match match = {.route = id_routes[i].route};
            return match_ids(path + before, length - before, &match) ? match : unknown;
        }
    }
    return unknown;
}

struct route_match route_of_target(const char *target, size_t length) {
    if (length == 0) {
        return (struct route_match){.route = ROUTE_UNKNOWN};
    }
    const char *path = target + origin_length(target, length);
    size_t path_length = length - (size_t)(path - target);
    const char *query = memchr(path, '?', path_length);
    if (query != NULL) {
        path_length = (size_t)(query - path);
    }
    return route_of_path(path, path_length);
}

/* ---- text ---- */

static_assert(FRIENDLY_ID_MAX_BYTES == 128, "the sentence says so");
static const char too_long[] = "it is longer than 128 bytes";

/* -1 if it is not a hexadecimal digit. Not isxdigit(), which depends on the locale. */
static int hexadecimal_digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char lower = (char)(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_control(uint32_t code_point) {
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

static bool check_text(const char *bytes, size_t length, const char **why) {
    const unsigned char *text = (const unsigned char *)bytes;
    for (size_t at = 0; at < length;) {
        uint32_t code_point;
        const size_t step = utf8_code_point(text + at, length - at, &code_point);
        if (step == 0) {
            *why = "it is not valid UTF-8";
            return false;
        }
        if (is_control(code_point)) {
            *why = "it holds a control character";
            return false;
        }
        at += step;
    }
    return true;
}

/* ---- ids ---- */

/* Decodes into id->text, which is not NUL-terminated yet. */
static bool percent_decode(const char *segment, size_t length, struct database_id *id,
                           const char **why) {
    id->length = 0;
    for (size_t at = 0; at < length; at++) {
        char character = segment[at];
        if (character == '%') {
            const int high = length - at > 2 ? hexadecimal_digit(segment[at + 1]) : -1;
            const int low = length - at > 2 ? hexadecimal_digit(segment[at + 2]) : -1;
            if (high < 0 || low < 0) {
                *why = "it holds a percent sign that two hexadecimal digits do not follow";
                return false;
            }
            character = (char)(high << 4 | low);
            at += 2;
        }
        if (id->length == FRIENDLY_ID_MAX_BYTES) {
            *why = too_long;
            return false;
        }
        id->text[id->length++] = character;
    }
    return true;
}

bool friendly_id_decode(const char *segment, size_t length, struct database_id *id,
                        const char **why) {
    if (!percent_decode(segment, length, id, why) || !check_text(id->text, id->length, why)) {
        return false;
    }
    const char *separator = memchr(id->text, '_', id->length);
    const size_t prefix = separator == NULL ? 0 : (size_t)(separator - id->text);
    const size_t rest = separator == NULL ? 0 : id->length - prefix - 1;
    if (prefix == 0 || rest == 0 || memchr(separator + 1, '_', rest) != NULL) {
        *why = "expected two non-empty parts with one underscore between them";
        return false;
    }
    memmove(id->text, separator + 1, rest);
    id->text[rest] = '\0';
    id->length = rest;
    return true;
}

bool plain_id_check(const char *bytes, size_t length, struct database_id *id, const char **why) {
    if (length == 0) {
        *why = "it is empty";
        return false;
    }
    if (length > FRIENDLY_ID_MAX_BYTES) {
        *why = too_long;
        return false;
    }
    if (!check_text(bytes, length, why)) {
        return false;
    }
    memcpy(id->text, bytes, length);
    id->text[length] = '\0';
    id->length = length;
    return true;
}

/* ---- positions and secrets ---- */

/* One to eight hexadecimal digits, nothing else. */
static bool parse_half(const char *text, size_t length, uint32_t *value) {
    if (length < 1 || length > 8) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        const int digit = hexadecimal_digit(text[i]);
        if (digit < 0) {
            return false;
        }
        *value = *value << 4 | (uint32_t)digit;
    }
    return true;
}

bool wal_position_parse(const char *text, size_t length, uint64_t *position) {
    const char *slash = length == 0 ? NULL : memchr(text, '/', length);
    uint32_t high, low;
    if (slash == NULL || !parse_half(text, (size_t)(slash - text), &high) ||
        !parse_half(slash + 1, length - (size_t)(slash - text) - 1, &low)) {
        return false;
    }
    *position = (uint64_t)high << 32 | low;
    return true;
}

bool secret_equal(const char *expected, size_t expected_length, const char *given,
                  size_t given_length) {
    if (expected_length == 0 || given_length == 0) {
        return false;
    }
    /* Volatile, so that the compiler cannot leave the loop at the first difference. */
    volatile unsigned char difference = expected_length != given_length;
    for (size_t i = 0; i < given_length; i++) {
        const size_t at = i < expected_length ? i : 0;
        difference = (unsigned char)(difference | (given[i] ^ expected[at]));
    }
    return difference == 0;
}
