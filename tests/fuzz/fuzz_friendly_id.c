/*
 * fuzz_friendly_id.c - libFuzzer target: any bytes as a request target, an id and a secret, and
 * what must hold of the outcome.
 *
 * The first byte chooses; the rest is the input.
 */
#undef NDEBUG /* the assertions are the test */
#include "host-sample/base/secret.h"
#include "host-sample/lookups/friendly_id.h"
#include "host-sample/lookups/routes.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const char *target, size_t length, const char *segment,
                          size_t segment_length) {
    assert(segment >= target && segment + segment_length <= target + length);
    assert(segment_length == 0 || memchr(segment, '/', segment_length) == NULL);
    assert(segment_length == 0 || memchr(segment, '?', segment_length) == NULL);
}

static void fuzz_target(const char *target, size_t length) {
    const struct route_match match = route_of_target(target, length);
    const bool ids =
        match.route == ROUTE_WORKER_SNAPSHOTS || match.route == ROUTE_WORKLOAD_SNAPSHOTS;
    assert((match.run != NULL) == ids && (match.snapshot != NULL) == ids);
    if (ids) {
        check_segment(target, length, match.run, match.run_length);
        check_segment(target, length, match.snapshot, match.snapshot_length);
        assert(match.run + match.run_length < match.snapshot);
    } else {
        assert(match.run_length == 0 && match.snapshot_length == 0);
    }
}

/* What reaches a server: short, no NUL, no control character, no second underscore if it was one of
 * two parts; and an id that was accepted is accepted again as it is. */
static void check_id(const struct database_id *id) {
    struct database_id again;
    const char *why = NULL;
    assert(id->length >= 1 && id->length <= FRIENDLY_ID_MAX_BYTES);
    assert(strlen(id->text) == id->length);
    for (size_t i = 0; i < id->length; i++) {
        const unsigned char byte = (unsigned char)id->text[i];
        assert(byte >= 0x20 && byte != 0x7f && byte != 0xc0 && byte != 0xc1 && byte < 0xf5);
    }
    assert(plain_id_check(id->text, id->length, &again, &why));
    assert(again.length == id->length && memcmp(again.text, id->text, id->length + 1) == 0);
}

/* An id with every byte escaped means the same. */
static void check_escaped(const struct database_id *id) {
    char segment[2 + 3 * FRIENDLY_ID_MAX_BYTES + 1] = "x_";
    struct database_id again;
    const char *why = NULL;
    for (size_t i = 0; i < id->length; i++) {
        (void)snprintf(segment + 2 + 3 * i, 4, "%%%02x", (unsigned char)id->text[i]);
    }
    const bool good = friendly_id_decode(segment, 2 + 3 * id->length, &again, &why);
    assert(good == (id->length + 2 <= FRIENDLY_ID_MAX_BYTES));
    assert(!good || memcmp(again.text, id->text, id->length + 1) == 0);
}

static void fuzz_friendly_id(const char *segment, size_t length) {
    struct database_id id;
    const char *why = NULL;
    if (friendly_id_decode(segment, length, &id, &why)) {
        assert(memchr(id.text, '_', id.length) == NULL);
        check_id(&id);
        check_escaped(&id);
    } else {
        assert(why != NULL);
    }
}

static void fuzz_plain_id(const char *bytes, size_t length) {
    struct database_id id;
    const char *why = NULL;
    if (plain_id_check(bytes, length, &id, &why)) {
        assert(id.length == length);
        check_id(&id);
    } else {
        assert(why != NULL);
    }
}

/* The input in two parts: what is expected and what is given. */
static void fuzz_secret(const char *bytes, size_t length) {
    for (size_t cut = 0; cut <= length && cut <= 64; cut++) {
        const size_t rest = length - cut;
        const bool equal = cut == rest && cut > 0 && memcmp(bytes, bytes + cut, cut) == 0;
        assert(secret_equal(bytes, cut, bytes + cut, rest) == equal);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const targets[])(const char *, size_t) = {fuzz_target, fuzz_friendly_id,
                                                            fuzz_plain_id, fuzz_secret};
    if (size > 0) {
        targets[data[0] % (sizeof(targets) / sizeof(targets[0]))]((const char *)data + 1, size - 1);
    }
    return 0;
}
