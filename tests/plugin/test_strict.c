/*
 * test_strict.c - a host with two servers that makes every mistake which a strict cluster names,
 * one at a time: the notice comes, nothing is proven by it, and a host without mistakes hears
 * nothing.
 *
 * The servers are texts: what PostgreSQL would print at a position.
 */
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS     UINT64_C(1000000)
#define SYSTEM UINT64_C(7000000000000000001)
#define UP_NS  (100 * 3600 * 1000 * MS) /* the clock when a host begins */

enum { PRIMARY, REPLICA, SERVERS, MAX_READS = 4 };

/* What the host does wrong. */
enum mistake {
    NONE,
    CLOCK_BACK,
    CALLED_LATE,
    SAME_ENTROPY,
    WRONG_OUTCOME,
    QUESTION_AFTER_READ, /* before: where the replica is once the read is over */
    QUESTION_ELSEWHERE,  /* before: what the primary says */
    NO_GUARD,            /* a server that was promoted is read as a replica */
    NO_ROW,              /* by the guard, on one that was promoted: missing */
    NO_AFTER,            /* of a read that has no row */
    OLD_ANSWER,          /* a question's answer is kept for the next one */
    SHORT_ENTROPY,       /* of 31 bits, as rand() gives */
    A_DURATION,          /* for a deadline */
    THE_WALL_CLOCK,      /* for a deadline */
    NEVER,               /* for a deadline; this one is no mistake */
    NO_STRUCT_SIZE,      /* in an action */
    READ_ID,             /* in place of the action's */
    ROUNDED_ID,          /* to a double */
    ROLE_OF_PRIMARY,     /* it is told to have changed: the guard is in every statement */
    NO_BEFORE,           /* of a read */
    OTHER_BEFORE,        /* of a read: another column */
    NO_ANSWER,           /* to a question */
    DECIMAL_AFTER
};

static struct opened_plugin plugin;
static const struct rp_cluster_calls *calls;
static struct rp_set *set;
static struct ini_memory_file file;

struct host {
    struct rp_cluster *cluster;
    enum mistake mistake;
    uint64_t now_ns;
    uint64_t position[SERVERS];
    uint64_t replica_gains; /* while it is read */
    bool alone;             /* there is no replica */
    bool promoted;          /* the replica */
    bool has_row[SERVERS];
    char kept[128]; /* the replica's answer to its first question with a position */
    uint64_t entropy;
    uint64_t seed;
    unsigned replica_reads, primary_reads, locates;
};

/* ---- servers --------------------------------------------------------------------------------- */

static void say(const struct host *host, int server, uint64_t position, bool full, char text[128]) {
    char at[RP_POSITION_BYTES], more[48] = "";
    calls->position_print(position, at);
    if (full) {
        (void)snprintf(more, sizeof more, " %" PRIu64 " -", SYSTEM);
    }
    if (server == PRIMARY || host->promoted) {
        (void)snprintf(text, 128, "rp1 %x c p %s %s 0000000%d%s", 0xA0 + server, at, at,
                       server == PRIMARY ? 1 : 2, more);
    } else {
        (void)snprintf(text, 128, "rp1 %x c r %s - %s 1%s", 0xA0 + server, at, full ? "1" : "-",
                       more);
    }
}

/* As for a role that may see everything: the texts differ in what they ask for. */
static void do_ask(struct host *host, const struct rp_action *action) {
    char text[128] = "rp1 150000 8192 16777216 t t t t f";
    const int server = (int)action->server;
    if (strstr(action->text, "server_version_num") == NULL) {
        const bool full = strstr(action->text, "pg_control_system") != NULL;
        say(host, server, host->position[server], full, text);
        host->locates += server == PRIMARY && !full;
    }
    if (server == REPLICA && strstr(text, " r ") != NULL) {
        if (host->kept[0] == '\0') {
            (void)snprintf(host->kept, sizeof host->kept, "%s", text);
        } else if (host->mistake == OLD_ANSWER) {
            (void)snprintf(text, sizeof text, "%s", host->kept);
        }
    }
    int32_t outcome = RP_ANSWERED;
    if (host->mistake == WRONG_OUTCOME) {
        outcome = RP_FOUND;
    }
    calls->answer(host->cluster, action->id, outcome, host->mistake == NO_ANSWER ? NULL : text,
                  NULL, host->now_ns);
}

static uint64_t id_by(const struct host *host, const struct rp_action *action) {
    return host->mistake == READ_ID      ? action->read_id
           : host->mistake == ROUNDED_ID ? (uint64_t)(double)action->id
                                         : action->id;
}

static void do_read(struct host *host, const struct rp_action *action) {
    char before[128], after[RP_POSITION_BYTES];
    const int server = (int)action->server;
    const bool as_replica = action->target == RP_TARGET_REPLICA;
    const bool leads = server == PRIMARY || host->promoted;
    host->replica_reads += as_replica;
    host->primary_reads += !as_replica;
    say(host, server, host->position[server], false, before);
    calls->position_print(host->position[server], after);
    if (as_replica && host->mistake == QUESTION_AFTER_READ) {
        host->position[server] += host->replica_gains;
        say(host, server, host->position[server], false, before);
    } else if (as_replica && host->mistake == QUESTION_ELSEWHERE) {
        say(host, PRIMARY, host->position[server], false, before);
    }
    int32_t outcome = host->has_row[server] ? RP_FOUND : RP_MISSING;
    if (leads && as_replica && host->mistake == NO_ROW) {
        outcome = RP_MISSING;
    } else if (leads && host->mistake != NO_GUARD &&
               (as_replica || host->mistake == ROLE_OF_PRIMARY)) {
        outcome = RP_ROLE_CHANGED;
    }
    if (host->mistake == OTHER_BEFORE) {
        (void)snprintf(before, sizeof before, "%s",
                       "a\nvalue that is longer than a line may have it");
    } else if (host->mistake == DECIMAL_AFTER) {
        (void)snprintf(after, sizeof after, "%" PRIu64, host->position[server]);
    }
    const bool tells = action->text != NULL && host->mistake != NO_BEFORE;
    const bool is_empty = host->mistake == NO_AFTER && outcome == RP_MISSING;
    calls->answer(host->cluster, id_by(host, action), outcome, tells ? before : NULL,
                  is_empty ? NULL : after, host->now_ns);
}

/* ---- the host -------------------------------------------------------------------------------- */

/* Does what the cluster says, for that long or until a read is done. */
static struct rp_action run(struct host *host, uint64_t until_ns) {
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns = 0;
    for (;;) {
        host->now_ns += MS / 100;
        if (calls->next(host->cluster, host->now_ns, &action, &wake_ns) == 0) {
            if (wake_ns > until_ns) {
                return (struct rp_action){.kind = RP_ACTION_NONE};
            }
            host->now_ns = wake_ns > host->now_ns ? wake_ns : host->now_ns;
        } else if (action.kind == RP_ACTION_ASK) {
            do_ask(host, &action);
        } else if (action.kind == RP_ACTION_READ) {
            do_read(host, &action);
        } else if (action.kind == RP_ACTION_DONE) {
            return action;
        }
    }
}

static void start(struct host *host) {
    struct rp_request request = {.struct_size = sizeof request,
                                 .now_ns = host->now_ns,
                                 .entropy = rp_random(&host->entropy)};
    uint64_t read_id;
    if (host->mistake == SAME_ENTROPY) {
        request.entropy = rp_random_at(7, 1);
    } else if (host->mistake == SHORT_ENTROPY) {
        request.entropy >>= 33;
    } else if (host->mistake == A_DURATION) {
        request.deadline_ns = 5000 * MS;
    } else if (host->mistake == THE_WALL_CLOCK) {
        request.deadline_ns = UINT64_C(1764259200) * 1000 * MS;
    } else if (host->mistake == NEVER) {
        request.deadline_ns = UINT64_MAX;
    }
    ck_assert_int_eq(
        calls->start(host->cluster, plugin.table->policy(set, "index"), &request, 1, &read_id),
        RP_OK);
}

static struct rp_action look_up(struct host *host) {
    start(host);
    return run(host, UINT64_MAX);
}

static void open_host_unheard(struct host *host, uint32_t flags) {
    char err[256] = "";
    const struct rp_cluster_options options = {.struct_size = sizeof options,
                                               .flags = flags,
                                               .max_servers = SERVERS,
                                               .max_reads = MAX_READS,
                                               .now_ns = UP_NS,
                                               .seed = host->seed};
    host->now_ns = options.now_ns;
    host->position[PRIMARY] = host->position[REPLICA] = 0x3000100;
    ck_assert_int_eq(calls->open(set, &options, &host->cluster, err, sizeof err), RP_OK);
    for (uint32_t i = 0; i < SERVERS && !(host->alone && i == REPLICA); i++) {
        ck_assert_int_eq(calls->server_set(host->cluster, i, i == PRIMARY ? "p" : "r",
                                           RP_EXPECT_ANY, RP_SERVER_ON, host->now_ns),
                         RP_OK);
    }
}

static void open_host(struct host *host, uint32_t flags) {
    open_host_unheard(host, flags);
    (void)run(host, host->now_ns + 2500 * MS);
}

/* The first mistake that was named; "" if none was. */
static const char *named(struct host *host) {
    static struct rp_notice notice;
    notice.struct_size = sizeof notice;
    while (calls->notice(host->cluster, &notice)) {
        if (strncmp(notice.text, "strict: ", 8) == 0) {
            return notice.text;
        }
    }
    return "";
}

static void close_host(struct host *host) {
    ck_assert_uint_eq(calls->close(host->cluster), 0);
}

/* "": nothing is. */
static void expect_named(struct host *host, const char *words) {
    const char *text = named(host);
    ck_assert_msg(words[0] == '\0' ? text[0] == '\0' : strstr(text, words) != NULL,
                  "'%s' was expected to say '%s'", text, words);
    close_host(host);
}

/* ---- tests ----------------------------------------------------------------------------------- */

START_TEST(a_host_without_mistakes) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    ck_assert_int_eq(look_up(&host).verdict, RP_VERDICT_FOUND);
    host.has_row[REPLICA] = false;
    host.position[PRIMARY] += 0x100;
    ck_assert_int_eq(look_up(&host).served_by, RP_SERVED_BY_PRIMARY); /* it was not reached */
    host.position[REPLICA] = host.position[PRIMARY];
    host.has_row[PRIMARY] = false;
    ck_assert_int_eq(look_up(&host).counted, RP_COUNTED_PROVEN_ABSENT);
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

START_TEST(the_clock_goes_back) {
    struct host host = {0};
    open_host(&host, RP_CLUSTER_STRICT);
    host.now_ns -= 5 * MS;
    (void)run(&host, host.now_ns);
    expect_named(&host, "the clock went back by 4990000 ns");
}
END_TEST

static void answer_first_question_after(uint64_t took_ns, const char *named) {
    struct host host = {0};
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    open_host_unheard(&host, RP_CLUSTER_STRICT);
    ck_assert_int_eq(calls->next(host.cluster, host.now_ns, &action, &wake_ns), 1);
    host.now_ns += took_ns;
    do_ask(&host, &action);
    expect_named(&host, named);
}

START_TEST(times_are_in_another_unit) {
    answer_first_question_after(1, "answered within 1 ns: are times in nanoseconds?");
    answer_first_question_after(999, "answered within 999 ns");
    answer_first_question_after(1000, "");
    answer_first_question_after(0, "");
}
END_TEST

START_TEST(next_is_called_late) {
    struct host host = {0};
    open_host(&host, RP_CLUSTER_STRICT);
    host.now_ns += 3000 * MS;
    (void)run(&host, host.now_ns);
    expect_named(&host, "ms after wake_ns");
}
END_TEST

START_TEST(entropy_repeats) {
    struct host host = {.mistake = SAME_ENTROPY, .has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    (void)look_up(&host);
    (void)look_up(&host);
    expect_named(&host, "the same entropy");
}
END_TEST

START_TEST(an_outcome_that_a_question_cannot_have) {
    struct host host = {.mistake = WRONG_OUTCOME};
    open_host(&host, RP_CLUSTER_STRICT);
    expect_named(&host, "outcome 0 is none");
}
END_TEST

/* The replica catches up while it is read, and the row is committed: an answer that is qualified by
 * the later position would prove the absence of a row that is there. */
static void absent_by_a_later_position(uint32_t flags) {
    struct host host = {.has_row = {true, false}};
    open_host(&host, flags);
    host.mistake = QUESTION_AFTER_READ;
    host.position[PRIMARY] += 0x100;
    host.replica_gains = 0x100;
    const struct rp_action done = look_up(&host);
    ck_assert_int_eq(done.verdict, RP_VERDICT_FOUND);
    ck_assert_int_eq(done.served_by, RP_SERVED_BY_PRIMARY);
    if ((flags & RP_CLUSTER_STRICT) != 0) {
        expect_named(&host, "later position than `after`");
    } else {
        close_host(&host);
    }
}

START_TEST(the_question_comes_after_the_read) {
    absent_by_a_later_position(RP_CLUSTER_STRICT);
}
END_TEST

START_TEST(nothing_is_proven_by_a_question_that_came_after_the_read) {
    absent_by_a_later_position(0);
}
END_TEST

START_TEST(the_question_goes_to_another_server) {
    struct host host = {.has_row = {true, false}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.mistake = QUESTION_ELSEWHERE;
    ck_assert_int_eq(look_up(&host).served_by, RP_SERVED_BY_PRIMARY);
    expect_named(&host, "said that it is none");
}
END_TEST

START_TEST(a_server_that_was_promoted_is_read_as_a_replica) {
    struct host host = {.has_row = {true, false}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.mistake = NO_GUARD;
    host.promoted = true;
    ck_assert_int_ne(look_up(&host).verdict, RP_VERDICT_NOT_FOUND);
    expect_named(&host, "said that it is none");
}
END_TEST

START_TEST(the_guard_of_one_that_was_promoted_leaves_no_row) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.mistake = NO_ROW;
    host.promoted = true;
    ck_assert_int_ne(look_up(&host).verdict, RP_VERDICT_NOT_FOUND);
    expect_named(&host, "report RP_ROLE_CHANGED");
}
END_TEST

START_TEST(a_missing_row_leaves_no_row) {
    struct host host = {.has_row = {true, false}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.mistake = NO_AFTER;
    (void)look_up(&host);
    expect_named(&host, "missing without `after`");
}
END_TEST

/* Its row is of no use to one who sees whether the guard held. */
START_TEST(the_primary_may_be_without_a_row) {
    struct host host = {.has_row = {false, false}, .mistake = NO_AFTER, .alone = true};
    open_host(&host, RP_CLUSTER_STRICT);
    ck_assert_int_eq(look_up(&host).served_by, RP_SERVED_BY_PRIMARY);
    expect_named(&host, "");
}
END_TEST

START_TEST(an_answer_is_kept_for_the_next_question) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.position[PRIMARY] = host.position[REPLICA] += 0x100;
    (void)run(&host, host.now_ns + 2500 * MS);
    ck_assert_str_eq(named(&host), "");
    host.mistake = OLD_ANSWER;
    (void)run(&host, host.now_ns + 2500 * MS);
    expect_named(&host, "older than the question");
}
END_TEST

/* What is named when a host that has been well until now looks a row up. */
static void expect_named_of(struct host *host, enum mistake mistake, const char *words) {
    open_host(host, RP_CLUSTER_STRICT);
    host->mistake = mistake;
    (void)look_up(host);
    host->mistake = NONE;
    expect_named(host, words);
}

START_TEST(entropy_is_short) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.mistake = SHORT_ENTROPY;
    (void)look_up(&host);
    ck_assert_str_eq(named(&host), ""); /* one may be */
    (void)look_up(&host);
    expect_named(&host, "64 random bits are expected");
}
END_TEST

START_TEST(a_deadline_is_a_duration) {
    struct host host = {.has_row = {true, true}};
    expect_named_of(&host, A_DURATION, "deadline_ns is 5000000000, 359997 s before now");
}
END_TEST

START_TEST(a_deadline_is_of_another_clock) {
    struct host host = {.has_row = {true, true}};
    expect_named_of(&host, THE_WALL_CLOCK, "s after now: it is a time of the clock that now_ns");
}
END_TEST

START_TEST(a_deadline_may_be_never) {
    struct host host = {.mistake = NEVER, .has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    ck_assert_int_eq(look_up(&host).verdict, RP_VERDICT_FOUND);
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

START_TEST(an_action_has_no_struct_size) {
    struct host host = {.has_row = {true, true}};
    struct rp_action action = {0};
    uint64_t wake_ns = 0;
    open_host(&host, RP_CLUSTER_STRICT);
    start(&host);
    ck_assert_int_eq(calls->next(host.cluster, host.now_ns, &action, &wake_ns), 0);
    ck_assert_uint_eq(wake_ns, UINT64_MAX);
    (void)run(&host, UINT64_MAX);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "struct_size 0: at least %zu is expected",
                   sizeof action);
    expect_named(&host, expected);
}
END_TEST

START_TEST(a_read_id_is_answered) {
    struct host host = {.has_row = {true, true}};
    expect_named_of(&host, READ_ID, "a read_id");
}
END_TEST

/* The second of two, whose number is odd. */
START_TEST(an_id_is_kept_as_a_double) {
    struct host host = {.seed = 3, .has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    start(&host);
    host.mistake = ROUNDED_ID;
    (void)look_up(&host);
    (void)run(&host, host.now_ns + MS);
    host.mistake = NONE;
    (void)run(&host, UINT64_MAX);
    expect_named(&host, "less than 64 bits");
}
END_TEST

START_TEST(next_is_not_called_for_a_read_that_begins) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT);
    start(&host);
    host.now_ns += 150 * MS; /* before what next said */
    (void)run(&host, UINT64_MAX);
    expect_named(&host, "next was called 150 ms after wake_ns");
}
END_TEST

/* Nobody has been heard yet, so reads fail at once; and nobody ever is. */
START_TEST(next_is_called_until_a_read_is_done) {
    struct host host = {0};
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    open_host_unheard(&host, RP_CLUSTER_STRICT);
    for (int i = 0; i < 7; i++) {
        ck_assert_str_eq(named(&host), "");
        host.now_ns += 500 * MS;
        start(&host);
        ck_assert_int_eq(calls->next(host.cluster, host.now_ns, &action, &wake_ns), 1);
        ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    }
    expect_named(&host, "reads have begun for 3 s, and no question was asked");
}
END_TEST

/* As when its process is stopped for a while, or after a DONE that takes its time. */
START_TEST(a_host_pauses_before_the_questions) {
    struct host host = {0};
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    open_host_unheard(&host, RP_CLUSTER_STRICT);
    start(&host);
    ck_assert_int_eq(calls->next(host.cluster, host.now_ns, &action, &wake_ns), 1);
    ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    host.now_ns += 150 * MS;
    (void)run(&host, host.now_ns);
    (void)look_up(&host);
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

/* Who was told that there is no room for its read has nothing new to call next for. */
START_TEST(no_read_begins) {
    struct host host = {.has_row = {true, true}};
    struct rp_action out[MAX_READS];
    struct rp_action action = {.struct_size = sizeof action};
    struct rp_request one_more = {.struct_size = sizeof one_more, .entropy = UINT64_MAX - 1};
    uint64_t wake_ns, read_id;
    int count = 0;
    open_host(&host, RP_CLUSTER_STRICT);
    for (int i = 0; i < MAX_READS; i++) {
        start(&host);
    }
    while (calls->next(host.cluster, host.now_ns, &action, &wake_ns)) {
        ck_assert_int_eq(action.kind, RP_ACTION_READ);
        out[count++] = action;
    }
    ck_assert_int_eq(count, MAX_READS);
    ck_assert_uint_gt(wake_ns, host.now_ns + 150 * MS);
    one_more.now_ns = host.now_ns;
    ck_assert_int_eq(
        calls->start(host.cluster, plugin.table->policy(set, "index"), &one_more, 1, &read_id),
        RP_E_BUSY);
    host.now_ns += 150 * MS;
    (void)run(&host, host.now_ns);
    for (int i = 0; i < MAX_READS; i++) {
        do_read(&host, &out[i]);
        ck_assert_int_eq(run(&host, UINT64_MAX).kind, RP_ACTION_DONE);
    }
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

/* Its process is stopped while it takes the requests that have come together. */
START_TEST(a_host_pauses_between_reads_that_begin) {
    struct host host = {0};
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    open_host_unheard(&host, RP_CLUSTER_STRICT);
    for (int i = 0; i < 20; i++) {
        host.now_ns += i == 10 ? 60000 * MS : MS;
        start(&host);
        ck_assert_int_eq(calls->next(host.cluster, host.now_ns, &action, &wake_ns), 1);
        ck_assert_int_eq(action.kind, RP_ACTION_DONE);
    }
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

START_TEST(the_role_of_the_primary_has_changed) {
    struct host host = {.has_row = {true, false}};
    open_host(&host, RP_CLUSTER_STRICT);
    host.position[PRIMARY] += 0x100;
    host.mistake = ROLE_OF_PRIMARY;
    ck_assert_int_eq(look_up(&host).verdict, RP_VERDICT_FAILED);
    expect_named(&host, "outcome 18 is none that such an action can have, a READ of the primary");
}
END_TEST

START_TEST(a_read_without_its_questions_answer) {
    struct host host = {.has_row = {true, false}};
    expect_named_of(&host, NO_BEFORE, "`before` is NULL");
}
END_TEST

START_TEST(a_read_with_another_answer_than_its_questions) {
    struct host host = {.has_row = {true, false}};
    expect_named_of(&host, OTHER_BEFORE, "`before` is 'a?value that is longer than a li...', no");
}
END_TEST

START_TEST(a_question_without_its_answer) {
    struct host host = {.mistake = NO_ANSWER};
    open_host(&host, RP_CLUSTER_STRICT);
    expect_named(&host, "p: `before` is NULL, no answer to its question");
}
END_TEST

START_TEST(a_position_in_decimal) {
    struct host host = {.has_row = {true, true}};
    expect_named_of(&host, DECIMAL_AFTER, "r: `after` is '50331904', no WAL position");
}
END_TEST

/* A read begins, and is out. */
static struct rp_action send_read(struct host *host) {
    struct rp_action action = {.struct_size = sizeof action};
    uint64_t wake_ns;
    start(host);
    while (action.kind != RP_ACTION_READ) {
        ck_assert_int_eq(calls->next(host->cluster, host->now_ns, &action, &wake_ns), 1);
    }
    return action;
}

/* The first read and the first questions of two clusters, of two databases say, are the same in all
 * but the seed; and so are those of a cluster and of the one that takes its place. */
START_TEST(an_answer_is_given_to_another_cluster) {
    struct host host = {.seed = 1, .has_row = {true, true}};
    struct host other = {.seed = 2, .has_row = {true, true}};
    open_host(&host, 0);
    open_host(&other, 0);
    const struct rp_action read = send_read(&host);
    const struct rp_action others = send_read(&other);
    calls->answer(host.cluster, others.id, RP_FOUND, NULL, NULL, host.now_ns);
    ck_assert_int_eq(run(&host, host.now_ns).kind, RP_ACTION_NONE);
    calls->forget(host.cluster, others.read_id);
    calls->answer(host.cluster, read.id, RP_FOUND, NULL, NULL, host.now_ns);
    const struct rp_action done = run(&host, UINT64_MAX);
    ck_assert_uint_eq(done.read_id, read.read_id);
    calls->forget(other.cluster, others.read_id);
    close_host(&host);
    close_host(&other);
}
END_TEST

START_TEST(a_rehearsal_with_a_replica) {
    struct host host = {.has_row = {true, true}};
    open_host(&host, RP_CLUSTER_STRICT | RP_CLUSTER_FIRST_MISSES);
    host.locates = 0;
    const struct rp_action done = look_up(&host);
    ck_assert_int_eq(done.served_by, RP_SERVED_BY_REPLICA_RETRY);
    ck_assert_uint_ge(host.locates, 1);
    ck_assert_uint_eq(host.replica_reads, 2);
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

/* It is read as its own replica, is located, and is read as the primary in the end. */
START_TEST(a_rehearsal_with_one_server_alone) {
    struct host host = {.has_row = {true, true}, .alone = true};
    open_host(&host, RP_CLUSTER_STRICT | RP_CLUSTER_FIRST_MISSES);
    host.locates = 0;
    const struct rp_action done = look_up(&host);
    ck_assert_int_eq(done.verdict, RP_VERDICT_FOUND);
    ck_assert_int_eq(done.served_by, RP_SERVED_BY_PRIMARY);
    ck_assert_uint_ge(host.locates, 1);
    ck_assert_uint_eq(host.replica_reads, 2);
    ck_assert_uint_eq(host.primary_reads, 1);
    ck_assert_str_eq(named(&host), "");
    close_host(&host);
}
END_TEST

/* Without any promotion it shows what a host does with its guard. */
static void rehearse_alone(enum mistake mistake, const char *words) {
    struct host host = {.has_row = {true, true}, .alone = true, .mistake = mistake};
    open_host(&host, RP_CLUSTER_STRICT | RP_CLUSTER_FIRST_MISSES);
    (void)look_up(&host);
    expect_named(&host, words);
}

START_TEST(a_rehearsal_shows_that_there_is_no_guard) {
    rehearse_alone(NO_GUARD, "lacks AND");
}
END_TEST

START_TEST(a_rehearsal_shows_that_the_guard_is_not_looked_at) {
    rehearse_alone(NO_ROW, "report RP_ROLE_CHANGED");
}
END_TEST

static void set_up(void) {
    plugin_open(&plugin);
    calls = plugin.table->cluster;
    ini_file_create(&file, "[index]\npolicy = read_index\n");
    set = set_must_open(plugin.table, file.path);
}

static void tear_down(void) {
    plugin.table->close(set);
    ini_file_close(&file);
    plugin_close(&plugin);
}

int main(void) {
    Suite *suite = suite_create("strict");
    TCase *tests = tcase_create("strict");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_host_without_mistakes);
    tcase_add_test(tests, the_clock_goes_back);
    tcase_add_test(tests, times_are_in_another_unit);
    tcase_add_test(tests, next_is_called_late);
    tcase_add_test(tests, entropy_repeats);
    tcase_add_test(tests, an_outcome_that_a_question_cannot_have);
    tcase_add_test(tests, the_question_comes_after_the_read);
    tcase_add_test(tests, nothing_is_proven_by_a_question_that_came_after_the_read);
    tcase_add_test(tests, the_question_goes_to_another_server);
    tcase_add_test(tests, a_server_that_was_promoted_is_read_as_a_replica);
    tcase_add_test(tests, the_guard_of_one_that_was_promoted_leaves_no_row);
    tcase_add_test(tests, a_missing_row_leaves_no_row);
    tcase_add_test(tests, the_primary_may_be_without_a_row);
    tcase_add_test(tests, an_answer_is_kept_for_the_next_question);
    tcase_add_test(tests, an_answer_is_given_to_another_cluster);
    tcase_add_test(tests, entropy_is_short);
    tcase_add_test(tests, a_deadline_is_a_duration);
    tcase_add_test(tests, a_deadline_is_of_another_clock);
    tcase_add_test(tests, a_deadline_may_be_never);
    tcase_add_test(tests, an_action_has_no_struct_size);
    tcase_add_test(tests, a_read_id_is_answered);
    tcase_add_test(tests, an_id_is_kept_as_a_double);
    tcase_add_test(tests, next_is_not_called_for_a_read_that_begins);
    tcase_add_test(tests, next_is_called_until_a_read_is_done);
    tcase_add_test(tests, a_host_pauses_before_the_questions);
    tcase_add_test(tests, no_read_begins);
    tcase_add_test(tests, a_host_pauses_between_reads_that_begin);
    tcase_add_test(tests, the_role_of_the_primary_has_changed);
    tcase_add_test(tests, a_read_without_its_questions_answer);
    tcase_add_test(tests, a_read_with_another_answer_than_its_questions);
    tcase_add_test(tests, a_question_without_its_answer);
    tcase_add_test(tests, a_position_in_decimal);
    tcase_add_test(tests, a_rehearsal_with_a_replica);
    tcase_add_test(tests, a_rehearsal_with_one_server_alone);
    tcase_add_test(tests, a_rehearsal_shows_that_there_is_no_guard);
    tcase_add_test(tests, a_rehearsal_shows_that_the_guard_is_not_looked_at);
    return suite_run(suite);
}
