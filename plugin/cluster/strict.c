/*
 * strict.c - see strict.h.
 */
#include "strict.h"

#include "position.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* Later than this is called late. */
#define LATE_NS (100 * MS)

/* A turn of a host's loop is not longer, unless its process was stopped in it; that is so once. */
#define TURN_NS (1000 * MS)
#define TURNS   3u

/* Nobody asks a server and is answered in less. */
#define SOON_NS UINT64_C(1000)

/* No read has waited so long before it begins, nor has one so much time. */
#define LONG_AGO_NS (3600000 * MS)
#define FAR_NS      (8760 * LONG_AGO_NS)

/* Of a text that could not be read. */
#define QUOTED_LENGTH 32
#define QUOTED_BYTES  (QUOTED_LENGTH + sizeof "'...'")

void strict_clock(struct rp_cluster *cluster, uint64_t now_ns) {
    if (!is_strict(cluster)) {
        return;
    }
    if (now_ns > cluster->now_ns) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: %" PRIu64 " ns is no time that a monotonic clock tells", now_ns);
    } else {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: the clock went back by %" PRIu64
                    " ns: is it one monotonic clock, and does one thread at a time have the "
                    "cluster, before it reads the clock?",
                    cluster->now_ns - now_ns);
    }
}

/* 0 is of a host that reads its clock once for all that has come. */
void strict_unit(struct rp_cluster *cluster, uint64_t took_ns) {
    if (is_strict(cluster) && took_ns > 0 && took_ns < SOON_NS) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: a question was answered within %" PRIu64
                    " ns: are times in nanoseconds? In another unit no wait and no limit is right",
                    took_ns);
    }
}

/* Of the low half, which chooses the replica, numbers that small have too little. */
static bool is_short(uint64_t entropy) {
    return entropy <= UINT32_MAX;
}

static void check_entropy(struct rp_cluster *cluster, uint64_t entropy) {
    if (entropy == cluster->last_entropy) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: two reads have the same entropy: reads that miss together would come "
                    "back together");
    } else if (is_short(entropy) && is_short(cluster->last_entropy)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: two reads have entropy below 2^32, %" PRIu64
                    " the last one: 64 random "
                    "bits are expected, or some replicas are never read",
                    entropy);
    }
    cluster->last_entropy = entropy;
}

/* Far from now it was meant otherwise; but what no clock tells may be meant for "never". */
static void check_deadline(struct rp_cluster *cluster, uint64_t deadline_ns) {
    const uint64_t now_ns = cluster->now_ns;
    const bool over = deadline_ns < now_ns;
    const uint64_t distance_ns = over ? now_ns - deadline_ns : deadline_ns - now_ns;
    if (deadline_ns != 0 && deadline_ns < INT64_MAX &&
        distance_ns > (over ? LONG_AGO_NS : FAR_NS)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: deadline_ns is %" PRIu64 ", %" PRIu64 " s %s now: it is a time of the "
                    "clock that now_ns is of, not a duration; 0 takes timeout_ms",
                    deadline_ns, distance_ns / (1000 * MS), over ? "before" : "after");
    }
}

/* Only now is it a mistake that next was not called until it returned 0: between two actions a host
 * may pause. One long turn is none either, however many reads begin in it. */
static void check_questions(struct rp_cluster *cluster) {
    const bool was_done = cluster->promised_wake_ns != UINT64_MAX;
    const uint64_t since_ns = cluster->asks_wait_ns;
    if (was_done || cluster->now_ns < since_ns || cluster->now_ns - since_ns < TURN_NS) {
        return;
    }
    cluster->asks_wait_ns = cluster->now_ns;
    cluster->asks_waited++;
    if (cluster->asks_waited % TURNS == 0) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: reads have begun for %" PRIu64
                    " s, and no question was asked, since next is not called until it returns 0: "
                    "where reads end at once, they would fail for good",
                    TURNS * TURN_NS / (1000 * MS));
    }
}

void strict_request(struct rp_cluster *cluster, const struct rp_request *request) {
    check_entropy(cluster, request->entropy);
    check_deadline(cluster, request->deadline_ns);
    check_questions(cluster);
    if (cluster->reads_open < cluster->max_reads) { /* else none begins */
        strict_work(cluster);
    }
}

static void check_lateness(struct rp_cluster *cluster, uint64_t now_ns) {
    const uint64_t promised_ns = cluster->promised_wake_ns;
    if (promised_ns != UINT64_MAX && now_ns > promised_ns && now_ns - promised_ns > LATE_NS) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: next was called %" PRIu64 " ms after wake_ns",
                    (now_ns - promised_ns) / MS);
    }
}

/* They come after what has ended; one that goes out ends the wait of all. */
static void note_questions(struct rp_cluster *cluster, uint64_t now_ns, bool asks_wait) {
    const bool was_done = cluster->promised_wake_ns != UINT64_MAX;
    if (was_done || !asks_wait) {
        cluster->asks_wait_ns = UINT64_MAX;
    } else if (cluster->asks_wait_ns == UINT64_MAX) {
        cluster->asks_wait_ns = now_ns;
        cluster->asks_waited = 0;
    }
}

void strict_next(struct rp_cluster *cluster, uint64_t now_ns, bool asks_wait) {
    check_lateness(cluster, now_ns);
    note_questions(cluster, now_ns, asks_wait);
    cluster->promised_wake_ns = UINT64_MAX;
}

void strict_size(struct rp_cluster *cluster, uint32_t struct_size) {
    if (is_strict(cluster)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: next was called with an action of struct_size %" PRIu32
                    ": at least %zu is expected",
                    struct_size, sizeof(struct rp_action));
    }
}

void strict_outcome(struct rp_cluster *cluster, int32_t outcome, const char *kind) {
    if (is_strict(cluster)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: outcome %" PRId32 " is none that such an action can have, %s", outcome,
                    kind);
    }
}

void strict_stranger(struct rp_cluster *cluster, uint64_t id) {
    if (is_strict(cluster)) {
        notices_add(&cluster->notices, RP_LOG_WARN, NO_SERVER,
                    "strict: an answer to %" PRIu64 ", the id of no action that this cluster has "
                    "given out: is it another cluster's, a read_id, or was it kept in less than 64 "
                    "bits?",
                    id);
    }
}

/* Between quotes, as far as a line of a log may have it. */
static const char *quoted(const char *text, char buffer[QUOTED_BYTES]) {
    if (text == NULL) {
        return "NULL";
    }
    (void)snprintf(buffer, QUOTED_BYTES, "'%.*s%s'", QUOTED_LENGTH, text,
                   memchr(text, '\0', QUOTED_LENGTH + 1) == NULL ? "..." : "");
    for (char *c = buffer; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
    return buffer;
}

void strict_question(struct rp_cluster *cluster, uint32_t index, const char *answer) {
    char text[QUOTED_BYTES];
    if (is_strict(cluster)) {
        notices_add(&cluster->notices, RP_LOG_WARN, index,
                    "strict: %s: `before` is %s, no answer to its question: hand in the one column "
                    "of the one row, as text",
                    cluster->servers[index].name, quoted(answer, text));
    }
}

static void check_after(struct rp_cluster *cluster, uint32_t index, const char *after) {
    char text[QUOTED_BYTES];
    uint64_t position;
    if (after != NULL && position_parse(after, &position) != RP_OK) {
        notices_add(&cluster->notices, RP_LOG_WARN, index,
                    "strict: %s: `after` is %s, no WAL position: RP_AFTER_COLUMN as text is "
                    "expected, such as 16/B374D848, or NULL",
                    cluster->servers[index].name, quoted(after, text));
    }
}

/* Positions of one server only grow while it answers, and it does not return to recovery. (One that
 * recovers from a crash of its own processes keeps its start time and may go back.) So what is
 * below the answer that had arrived before this question went out was said before it. */
void strict_facts(struct rp_cluster *cluster, uint32_t index, const struct facts *facts,
                  uint64_t sent_event) {
    const struct server *server = &cluster->servers[index];
    if (!is_strict(cluster) || server->said.instance != facts->instance ||
        server->said_event >= sent_event || server->health.failures > 0) {
        return;
    }
    const bool back_in_recovery = facts->in_recovery && !server->said.in_recovery;
    if (back_in_recovery || (facts->position != 0 && facts->position < server->said.position)) {
        notices_add(&cluster->notices, RP_LOG_WARN, index,
                    "strict: %s was asked, and the answer is older than the question: a question "
                    "is asked when its action comes, and no answer is kept for a later one",
                    server->name);
    }
}

/* Of a server that was read as a replica and has said what it is. In a rehearsal, too: one that
 * stands in for its own replica shows no row by the guard. */
static void check_guard(struct rp_cluster *cluster, const struct read *read, int32_t outcome,
                        const char *after, bool in_recovery) {
    const char *name = cluster->servers[read->server].name;
    if (!in_recovery) {
        notices_add(&cluster->notices, RP_LOG_WARN, read->server,
                    "strict: %s was read as a replica and said that it is none: %s, or the "
                    "question went to another server",
                    name,
                    outcome == RP_MISSING
                        ? "report RP_ROLE_CHANGED where the guard did not hold, of an empty "
                          "answer, too; or there is no guard"
                        : "the read lacks AND (SELECT pg_is_in_recovery())");
    }
    if (outcome == RP_MISSING && after == NULL) {
        notices_add(&cluster->notices, RP_LOG_WARN, read->server,
                    "strict: %s: missing without `after`: a statement that has no row then cannot "
                    "tell whether its guard held: let it have one always",
                    name);
    }
}

void strict_answer(struct rp_cluster *cluster, const struct read *read, int32_t outcome,
                   const char *before, const char *after, const struct facts *facts,
                   bool out_of_order) {
    const char *name = cluster->servers[read->server].name;
    if (read->asks_question && facts->instance == 0) {
        strict_question(cluster, read->server, before);
    }
    check_after(cluster, read->server, after);
    if (out_of_order) {
        notices_add(&cluster->notices, RP_LOG_WARN, read->server,
                    "strict: %s: `before` tells of a later position than `after`: the question is "
                    "asked before the read, on its connection, in its transaction",
                    name);
    }
    if (facts->instance != 0 && read->step->target == RP_TARGET_REPLICA) {
        check_guard(cluster, read, outcome, after, facts->in_recovery);
    }
}
