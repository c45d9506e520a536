/*
 * test_pg_group.c - reads that wait together are sent as one execution, and the answers do not show
 * it; on a real server.
 */
#include "host-sample/postgres/group.h"
#include "tests/lib/pg_rig.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct throwaway_server primary;

/* Calls of send in this program, libpq's among them, in any thread. */
static atomic_uint sends;

ssize_t send(int fd, const void *data, size_t size, int flags) {
    sends++;
    return sendto(fd, data, size, flags, NULL, 0);
}

enum {
    ECHO,     /* $1 */
    PAIR,     /* $1 and $2 */
    DIVISION, /* 100 / $1 */
    ROWS,     /* 1 to $1, a row each */
    SLEEP,    /* $1 seconds */
    NO_FORM,  /* ECHO, never in a group */
    NO_NUMBERS,
    DESCENDING,
    TOO_GREAT,
    TOO_NARROW,
    STATEMENTS
};

#define EACH(what, joined)                                                                         \
    "SELECT n, " what " FROM unnest($1::text[]) WITH ORDINALITY AS q (value, n)" joined

static const struct pg_prepared prepared[STATEMENTS] = {
    [ECHO] = {"echo", "SELECT $1::text", 1, "echoes", EACH("value", "")},
    [PAIR] = {"pair", "SELECT $1 || ' and ' || $2", 2, "pairs",
              "SELECT n, one || ' and ' || other"
              " FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS q (one, other, n)"},
    [DIVISION] = {"division", "SELECT (100 / $1::int4)::text", 1, "divisions",
                  EACH("(100 / value::int4)::text", "")},
    [ROWS] = {"rows", "SELECT i::text FROM generate_series(1, $1::int4) i", 1, "rows_of_each",
              EACH("i::text", " CROSS JOIN LATERAL generate_series(1, value::int4) i")},
    [SLEEP] = {"sleep", "SELECT pg_sleep($1::float8)::text", 1, "sleeps",
               EACH("pg_sleep(value::float8)::text", "")},
    [NO_FORM] = {"no_form", "SELECT $1::text", 1, NULL, NULL},
    [NO_NUMBERS] = {"no_numbers", "SELECT $1::text", 1, "without_numbers",
                    "SELECT NULL::bigint, value FROM unnest($1::text[]) AS q (value)"},
    [DESCENDING] = {"descending", "SELECT $1::text", 1, "all_descending",
                    EACH("value", " ORDER BY n DESC")},
    [TOO_GREAT] = {"too_great", "SELECT $1::text", 1, "all_too_great",
                   "SELECT n + 1, value FROM unnest($1::text[]) WITH ORDINALITY AS q (value, n)"},
    [TOO_NARROW] = {"too_narrow", "SELECT $1::text", 1, "all_too_narrow",
                    "SELECT n::integer, value"
                    " FROM unnest($1::text[]) WITH ORDINALITY AS q (value, n)"},
};

static void begin(void) {
    rig_begin(prepared, STATEMENTS, (struct throwaway_server *const[]){&primary, NULL});
}

static uint64_t executions(void) {
    return rig_counters(rig.servers[0]).executions;
}

enum { MANY = 64 };

/* ---- what is sent ---- */

START_TEST(reads_that_wait_together_are_one_execution) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[10];
    rig_submit_numbers(rig.servers[0], calls, 10, PG_READ, ECHO);
    rig_flush();
    ck_assert_uint_eq(executions(), 1);
    ck_assert_uint_eq(rig_counters(server).statements, 10);
    ck_assert_uint_eq(rig_counters(server).reads, 10);
    ck_assert_uint_eq(rig_counters(server).in_flight, 10);
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    rig_assert_numbers(calls, 10);
    rig_ask(server, &calls[0], PG_READ, ECHO, "alone");
    rig_assert_rows(&calls[0], "alone");
    ck_assert_uint_eq(executions(), 2);
}
END_TEST

START_TEST(no_more_than_a_group_may_have) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[MANY];
    const unsigned count = 2 * PG_GROUP_MAX + 1;
    rig_submit_numbers(rig.servers[0], calls, count, PG_READ, ECHO);
    rig_flush();
    ck_assert_uint_eq(executions(), 3);
    ck_assert_uint_eq(rig_counters(server).batches, 1);
    RIG_UNTIL(calls[count - 1].answers == 1);
    rig_assert_numbers(calls, count);
}
END_TEST

START_TEST(each_link_has_its_share) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call calls[20];
    rig_submit_numbers(rig.servers[0], calls, 20, PG_READ, ECHO);
    rig_flush();
    ck_assert_uint_eq(executions(), 2);
    ck_assert_uint_eq(rig_counters(server).batches, 2);
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    rig_assert_numbers(calls, 20);
}
END_TEST

START_TEST(only_reads_of_one_kind) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call reads[3], qualified[3], others[3], plain[2], question;
    for (unsigned i = 0; i < 3; i++) {
        rig_submit_kind(server, &reads[i], PG_READ, ECHO, "a read");
        qualified[i].statement.question = "SELECT 'an answer'";
        rig_submit_kind(server, &qualified[i], PG_READ, ECHO, "a qualified one");
        rig_submit_kind(server, &others[i], PG_READ, ROWS, "1");
    }
    rig_submit(server, &plain[0], NO_FORM, "plain");
    rig_submit(server, &plain[1], NO_FORM, "plain");
    question.statement.question = "SELECT 'another'";
    rig_submit_kind(server, &question, PG_ASK, 0, "");
    rig_flush();
    /* the reads, the question and the reads after it, the others, the plain ones, the question */
    ck_assert_uint_eq(executions(), 1 + 2 + 1 + 2 + 1);
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_assert_rows(&reads[i], "a read");
        ck_assert(!reads[i].has_before);
        rig_assert_rows(&qualified[i], "a qualified one");
        ck_assert_str_eq(qualified[i].before, "an answer");
        rig_assert_rows(&others[i], "1");
    }
    rig_assert_rows(&plain[1], "plain");
    ck_assert_str_eq(question.before, "another");
}
END_TEST

START_TEST(without_prepared_statements) {
    struct pg_server *server = rig_add_unprepared(&primary);
    RIG_UNTIL(pg_server_is_up(server));
    static struct rig_call calls[5];
    rig_submit_numbers(rig.servers[0], calls, 5, PG_READ, ECHO);
    RIG_UNTIL(calls[4].answers == 1);
    rig_assert_numbers(calls, 5);
    ck_assert_uint_eq(executions(), 1);
}
END_TEST

/* ---- what comes back ---- */

START_TEST(each_read_has_its_own_rows) {
    rig_up(&primary, 1);
    static struct rig_call calls[7];
    static const char *const counts[7] = {"0", "2", "1", "0", "0", "300", "0"};
    for (unsigned i = 0; i < 7; i++) {
        rig_submit(rig.servers[0], &calls[i], ROWS, counts[i]);
    }
    RIG_UNTIL(calls[6].answers == 1);
    ck_assert_uint_eq(executions(), 1);
    for (unsigned i = 0; i < 7; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_ROWS);
        ck_assert_int_eq(calls[i].rows, atoi(counts[i]));
        ck_assert_str_eq(calls[i].value, calls[i].rows > 0 ? "1" : "");
    }
}
END_TEST

START_TEST(parameters_of_any_length) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[4];
    static const char *const values[4][2] = {
        {"", ""}, {"{a,\"b\"}", "NULL"}, {"\\", "cut short here"}, {"é", " "}};
    static const int lengths[2] = {1, 3};
    for (unsigned i = 0; i < 4; i++) {
        rig_submit(server, &calls[i], PAIR, "");
        calls[i].statement.values = values[i];
        calls[i].statement.lengths = i == 2 ? lengths : NULL;
    }
    RIG_UNTIL(calls[3].answers == 1);
    ck_assert_uint_eq(executions(), 1);
    rig_assert_rows(&calls[0], " and ");
    rig_assert_rows(&calls[1], "{a,\"b\"} and NULL");
    rig_assert_rows(&calls[2], "\\ and cut");
    rig_assert_rows(&calls[3], "é and  ");
}
END_TEST

/* A group of large answers would keep the first of them back until the last is there. */
START_TEST(large_answers_go_in_small_groups) {
    rig_up(&primary, 1);
    static struct rig_call calls[8];
    uint64_t before = 0, last = 0;
    static char large[PG_GROUP_RESULT_BYTES / 2];
    memset(large, 'x', sizeof(large) - 1);
    static const char *const values[] = {large};
    for (unsigned round = 0; round < 40; round++) {
        before = executions();
        for (unsigned i = 0; i < 8; i++) {
            rig_submit(rig.servers[0], &calls[i], ECHO, "1");
            if (round < 20) {
                calls[i].statement.values = values;
            }
        }
        RIG_UNTIL(calls[7].answers == 1);
        last = executions() - before;
        if (round == 0) {
            ck_assert_uint_eq(last, 1); /* not known yet */
        } else if (round == 19) {
            ck_assert_uint_eq(last, 8);
        }
    }
    ck_assert_uint_eq(last, 1); /* small ones again */
}
END_TEST

START_TEST(a_result_that_is_no_groups) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[4];
    static const int which[4] = {NO_NUMBERS, DESCENDING, TOO_GREAT, TOO_NARROW};
    rig_submit_numbers(rig.servers[0], calls, 4, PG_READ, which[_i]);
    RIG_UNTIL(calls[3].answers == 1);
    rig_assert_numbers(calls, 4);
    ck_assert_uint_eq(executions(), 5);
    ck_assert_uint_eq(rig_counters(server).resends, 4);
    ck_assert_uint_eq(rig_counters(server).failures, 0);
}
END_TEST

START_TEST(statements_that_cannot_be) {
    static const struct {
        struct pg_prepared prepared;
        const char *error;
    } cases[] = {
        {{"one", "SELECT 1", PG_PARAMETERS_MAX + 1, NULL, NULL},
         "prepared statement one: 9 parameters, not 0 to 8"},
        {{"one", "SELECT 1", -1, NULL, NULL}, "prepared statement one: -1 parameters, not 0 to 8"},
        {{"one", "SELECT $1", 1, NULL, "SELECT 1"}, "its form for a group needs a name"},
        {{"one", "SELECT 1", 0, "ones", "SELECT 1"}, "its form for a group needs a parameter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pg_server_options options = rig_options("");
        options.prepared = &cases[i].prepared;
        options.prepared_count = 1;
        char err[256] = "";
        ck_assert_ptr_null(pg_server_new(rig.base, &rig.wake_ups, &options, err, sizeof(err)));
        ck_assert_msg(strstr(err, cases[i].error) != NULL, "%s", err);
    }
}
END_TEST

/* ---- errors ---- */

START_TEST(an_error_is_only_its_own_reads) {
    struct pg_server *server = rig_up(&primary, 1);
    rig_divide_nine_times(server, DIVISION);
    ck_assert_uint_eq(rig_counters(server).failures, 1);
    ck_assert_uint_eq(rig_counters(server).statements, 9);
}
END_TEST

/* Each in a batch of its own, and yet sent together where libpq can. */
START_TEST(reads_asked_again_are_sent_at_once) {
    struct pg_server *server = rig_up(&primary, 1);
    sends = 0;
    rig_divide_nine_times(server, DIVISION);
    ck_assert_uint_eq(rig_counters(server).batches, 1 + 9);
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    ck_assert_uint_eq(sends, 1 + 1);
#else
    ck_assert_uint_eq(sends, 1 + 9);
#endif
}
END_TEST

/* A read that a neighbour's error aborted, or whose error aborted others, is never grouped again.
 */
START_TEST(an_error_is_not_met_twice) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[5];
    rig_submit(server, &calls[0], DIVISION, "0");
    rig_submit(server, &calls[1], DIVISION, "5");
    rig_flush();
    for (unsigned i = 2; i < 5; i++) { /* sent behind the others, or with those sent again */
        rig_submit(server, &calls[i], DIVISION, "5");
    }
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[0].answers + calls[4].answers == 2);
    rig_assert_failed(&calls[0], "22012", "division by zero");
    rig_assert_rows(&calls[1], "20");
    rig_assert_rows(&calls[2], "20");
    ck_assert_uint_eq(rig_counters(server).resends, 2);
    ck_assert_uint_eq(rig_counters(server).failures, 1);
}
END_TEST

START_TEST(an_error_of_another_aborts_nobody_for_good) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call bad, calls[5];
    rig_submit(server, &bad, DIVISION, "0");
    rig_submit_numbers(rig.servers[0], calls, 5, PG_READ, ECHO);
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[4].answers == 1);
    rig_assert_failed(&bad, "22012", "division by zero");
    rig_assert_numbers(calls, 5);
    ck_assert_uint_eq(rig_counters(server).resends, 5);
}
END_TEST

START_TEST(the_statement_timeout_is_every_reads) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    for (unsigned i = 0; i < 3; i++) {
        rig_submit(server, &calls[i], SLEEP, i == 1 ? "60" : "0");
    }
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[2].answers == 1);
    rig_assert_all_failed(calls, 3, "57014", "statement timeout");
    ck_assert_uint_eq(executions(), 1);
    ck_assert_uint_eq(rig_counters(server).failures, 3);
}
END_TEST

/* Not by the timeout that the host has set, so it says nothing of what a read alone would take. */
START_TEST(a_cancelled_groups_reads_are_asked_again) {
    struct pg_server_options options = rig_options_to(&primary);
    options.statement_timeout_ms = 10 * RIG_STATEMENT_TIMEOUT_MS;
    struct pg_server *server = rig_add_up(&options);
    static struct rig_call calls[3];
    for (unsigned i = 0; i < 3; i++) {
        rig_submit(server, &calls[i], SLEEP, i == 1 ? "2" : "0");
    }
    rig_flush();
    throwaway_execute(&primary,
                      "DO $$ BEGIN LOOP PERFORM pg_cancel_backend(pid) FROM pg_stat_activity"
                      " WHERE application_name = 'snapshot-host' AND wait_event = 'PgSleep';"
                      " EXIT WHEN FOUND OR clock_timestamp() > now() + interval '5 s';"
                      " PERFORM pg_stat_clear_snapshot(); END LOOP; END $$");
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[2].answers == 1);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_ROWS);
        ck_assert_int_eq(calls[i].rows, 1);
    }
    ck_assert_uint_eq(executions(), 4);
    ck_assert_uint_eq(rig_counters(server).resends, 3);
    ck_assert_uint_eq(rig_counters(server).failures, 0);
}
END_TEST

START_TEST(lost_with_a_group_in_flight) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    for (int times = 0; times < 2; times++) {
        RIG_UNTIL(pg_server_is_up(server));
        for (unsigned i = 0; i < 3; i++) {
            rig_submit(server, &calls[i], SLEEP, "1");
        }
        rig_flush();
        throwaway_execute(&primary, rig_terminate_all);
        RIG_UNTIL(calls[2].answers == 1);
        rig_assert_all_failed(calls, 3, "", "terminating connection");
        ck_assert_uint_eq(rig_counters(server).in_flight, 0);
    }
    RIG_UNTIL(pg_server_is_up(server));
    rig_submit_numbers(rig.servers[0], calls, 3, PG_READ, ECHO);
    RIG_UNTIL(calls[2].answers == 1);
    rig_assert_numbers(calls, 3);
}
END_TEST

/* ---- forgetting, callbacks ---- */

/* Their question's answer is as much the group's as their rows are. */
static void with_question(struct rig_call *calls, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        calls[i].statement.question = "SELECT 'an answer'";
    }
}

/* The first, a middle one, the last; and all. */
START_TEST(forgotten_in_flight) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[5];
    static const unsigned gone[4] = {0x01, 0x0c, 0x10, 0x1f};
    with_question(calls, 5);
    rig_submit_numbers(rig.servers[0], calls, 5, PG_READ, ECHO);
    rig_flush();
    for (unsigned i = 0; i < 5; i++) {
        if ((gone[_i] >> i & 1) != 0) {
            pg_statement_forget(&calls[i].statement);
        }
    }
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    for (unsigned i = 0; i < 5; i++) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%u", i);
        if ((gone[_i] >> i & 1) != 0) {
            ck_assert_uint_eq(calls[i].answers, 0);
        } else {
            rig_assert_rows(&calls[i], number);
            ck_assert_str_eq(calls[i].before, "an answer");
        }
    }
}
END_TEST

START_TEST(forgotten_in_flight_before_an_error) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    rig_submit(server, &calls[0], DIVISION, "0");
    rig_submit(server, &calls[1], DIVISION, "5");
    rig_flush();
    pg_statement_forget(&calls[0].statement);
    RIG_UNTIL(calls[1].answers == 1);
    rig_assert_rows(&calls[1], "20");
    ck_assert_uint_eq(rig_counters(server).failures, 0);
}
END_TEST

/* A callback forgets others whose answers are there: the results must stay for it and for those
 * that are left, and go with the last of them. */
START_TEST(forgotten_by_a_neighbours_callback) {
    rig_up(&primary, 1);
    static struct rig_call calls[4];
    static struct rig_call *const next[] = {&calls[1], NULL}, *const last[] = {&calls[3], NULL},
                                  *const all[] = {&calls[3], &calls[1], &calls[2], NULL};
    static struct rig_call *const *const forgotten[3] = {next, last, all};
    calls[0].then = rig_forget_listed;
    calls[0].context = (void *)(uintptr_t)forgotten[_i];
    with_question(calls, 4);
    rig_submit_numbers(rig.servers[0], calls, 4, PG_READ, ECHO);
    RIG_UNTIL(calls[0].answers == 1 && rig_counters(rig.servers[0]).in_flight == 0);
    rig_assert_rows(&calls[0], "0");
    for (struct rig_call *const *one = forgotten[_i]; *one != NULL; one++) {
        ck_assert_uint_eq((*one)->answers, 0);
        ck_assert(!pg_statement_is_submitted(&(*one)->statement));
    }
    ck_assert_uint_eq(calls[2].answers, _i < 2);
    if (_i < 2) {
        ck_assert_str_eq(calls[2].before, "an answer");
    }
}
END_TEST

/* Of another group, which has its answer already or gets it later. */
START_TEST(forgotten_by_another_groups_callback) {
    rig_up(&primary, 1);
    static struct rig_call calls[3], others[3];
    static struct rig_call *const forgotten[3][4] = {
        {&others[0], NULL}, {&others[2], NULL}, {&others[0], &others[1], &others[2], NULL}};
    calls[0].then = rig_forget_listed;
    calls[0].context = (void *)(uintptr_t)forgotten[_i];
    with_question(calls, 3);
    with_question(others, 3);
    rig_submit_numbers(rig.servers[0], calls, 3, PG_READ, ECHO);
    for (unsigned i = 0; i < 3; i++) {
        rig_submit(rig.servers[0], &others[i], ROWS, "1");
    }
    RIG_UNTIL(calls[2].answers == 1 && rig_counters(rig.servers[0]).in_flight == 0);
    rig_assert_numbers(calls, 3);
    ck_assert_uint_eq(others[0].answers, _i == 1);
    ck_assert_uint_eq(others[1].answers, _i < 2);
    ck_assert_uint_eq(others[2].answers, _i == 0);
    if (_i < 2) {
        rig_assert_rows(&others[1], "1");
        ck_assert_str_eq(others[1].before, "an answer");
    }
    ck_assert_uint_eq(executions(), 4);
    memset(others, 0, sizeof(others)); /* what was not freed is lost: LeakSanitizer tells */
}
END_TEST

static void submit_again(struct rig_call *call) {
    call->then = NULL;
    rig_submit(rig.servers[0], call, ECHO, "again");
}

START_TEST(submitted_again_by_its_callback) {
    rig_up(&primary, 1);
    static struct rig_call calls[3];
    calls[0].then = submit_again;
    calls[2].then = submit_again;
    rig_submit_numbers(rig.servers[0], calls, 3, PG_READ, ECHO);
    RIG_UNTIL(calls[2].answers == 1 && strcmp(calls[2].value, "again") == 0);
    rig_assert_rows(&calls[0], "again");
    rig_assert_rows(&calls[1], "1");
    ck_assert_uint_eq(executions(), 2);
}
END_TEST

START_TEST(freed_by_a_callback) {
    rig_up(&primary, 1);
    static struct rig_call calls[8];
    calls[1].then = rig_free_first_server;
    rig_submit_numbers(rig.servers[0], calls, 5, PG_READ, ECHO);
    rig_submit_numbers(rig.servers[0], calls + 5, 3, PG_READ, PAIR);
    for (unsigned i = 5; i < 8; i++) {
        static const char *const pair[] = {"one", "other"};
        calls[i].statement.values = pair;
    }
    RIG_UNTIL(rig.servers[0] == NULL);
    rig_assert_gone(calls, 2, 8);
}
END_TEST

START_TEST(freed_with_a_group_in_flight) {
    rig_up(&primary, 1);
    static struct rig_call calls[3];
    rig_submit_numbers(rig.servers[0], calls, 3, PG_READ, ECHO);
    rig_flush();
    rig_free_first_server(NULL);
    rig_assert_gone(calls, 0, 3);
}
END_TEST

static Suite *group_suite(void) {
    Suite *suite = suite_create("pg_group");
    TCase *sent = rig_case(suite, "sent", begin);
    tcase_add_test(sent, reads_that_wait_together_are_one_execution);
    tcase_add_test(sent, no_more_than_a_group_may_have);
    tcase_add_test(sent, each_link_has_its_share);
    tcase_add_test(sent, only_reads_of_one_kind);
    tcase_add_test(sent, without_prepared_statements);

    TCase *answers = rig_case(suite, "answers", begin);
    tcase_add_test(answers, each_read_has_its_own_rows);
    tcase_add_test(answers, parameters_of_any_length);
    tcase_add_test(answers, large_answers_go_in_small_groups);
    tcase_add_loop_test(answers, a_result_that_is_no_groups, 0, 4);

    tcase_add_test(answers, statements_that_cannot_be);

    TCase *errors = rig_case(suite, "errors", begin);
    tcase_add_test(errors, an_error_is_only_its_own_reads);
    tcase_add_test(errors, reads_asked_again_are_sent_at_once);
    tcase_add_test(errors, an_error_is_not_met_twice);
    tcase_add_test(errors, an_error_of_another_aborts_nobody_for_good);
    tcase_add_test(errors, the_statement_timeout_is_every_reads);
    tcase_add_test(errors, a_cancelled_groups_reads_are_asked_again);
    tcase_add_test(errors, lost_with_a_group_in_flight);

    TCase *callbacks = rig_case(suite, "callbacks", begin);
    tcase_add_loop_test(callbacks, forgotten_in_flight, 0, 4);
    tcase_add_test(callbacks, forgotten_in_flight_before_an_error);
    tcase_add_loop_test(callbacks, forgotten_by_a_neighbours_callback, 0, 3);
    tcase_add_loop_test(callbacks, forgotten_by_another_groups_callback, 0, 3);
    tcase_add_test(callbacks, submitted_again_by_its_callback);
    tcase_add_test(callbacks, freed_by_a_callback);
    tcase_add_test(callbacks, freed_with_a_group_in_flight);
    return suite;
}

int main(void) {
    Suite *suite = group_suite();
    if (suite_is_wanted()) {
        throwaway_create(&primary, "primary", "", "");
        throwaway_start(&primary);
        throwaway_execute(&primary, "SELECT 1"); /* and stay connected */
    }
    const int status = rig_run(suite);
    throwaway_remove_all((struct throwaway_server *const[]){&primary, NULL});
    return status;
}
