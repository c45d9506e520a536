/*
 * test_pg_healing.c - questions before reads, and links whose sessions are void: what was asked on
 * them is asked again, and nobody sees it.
 */
#include "host-sample/postgres/server.h"
#include "tests/lib/pg_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct throwaway_server primary;

/* ---- statements ---- */

enum {
    ECHO,     /* $1, also for a group */
    READ,     /* the only row of table r */
    FORGET,   /* DISCARD ALL's worst: the session's prepared statements are gone */
    DIVIDE,   /* 100 / $1 */
    CONFLICT, /* fails as a read does that recovery has cancelled */
    WHO,      /* transaction, server process, and the snapshot's time */
    SLOW,     /* $1 seconds */
    HALF,     /* a row at once that the server does not hold back, and one after $1 seconds */
    STATEMENTS
};

#define HALF_AT_ONCE                                                                               \
    "SELECT CASE n WHEN 1 THEN repeat('x', 20000) ELSE pg_sleep($1::float8)::text END"             \
    " FROM generate_series(1, 2) n"

static const struct pg_prepared prepared[] = {
    [ECHO] = {.name = "echo",
              .sql = "SELECT $1::text",
              .parameter_count = 1,
              .group_name = "group_echo",
              .group_sql = "SELECT q.n, q.t FROM unnest($1::text[]) WITH ORDINALITY q (t, n)"},
    [READ] = {.name = "read", .sql = "SELECT v FROM r"},
    [FORGET] = {.name = "forget", .sql = "SELECT forget()::text"},
    [DIVIDE] = {.name = "divide", .sql = "SELECT (100 / $1::int4)::text", .parameter_count = 1},
    [CONFLICT] = {.name = "conflict", .sql = "SELECT conflict()::text"},
    [WHO] = {.name = "who", .sql = "SELECT pg_current_xact_id()::text"},
    [SLOW] = {.name = "slow", .sql = "SELECT pg_sleep($1::float8)::text", .parameter_count = 1},
    [HALF] = {.name = "half", .sql = HALF_AT_ONCE, .parameter_count = 1},
    /* The second set of statements: which one a link has is asked of the server. */
    [STATEMENTS + ECHO] = {.name = "echo",
                           .sql = "SELECT 'second ' || $1::text",
                           .parameter_count = 1,
                           .group_name = "group_echo",
                           .group_sql = "SELECT q.n, 'second ' || q.t FROM unnest($1::text[])"
                                        " WITH ORDINALITY q (t, n)"},
    [STATEMENTS + READ] = {.name = "read", .sql = "SELECT v FROM r"},
    [STATEMENTS + FORGET] = {.name = "forget", .sql = "SELECT forget()::text"},
    [STATEMENTS +
        DIVIDE] = {.name = "divide", .sql = "SELECT (100 / $1::int4)::text", .parameter_count = 1},
    [STATEMENTS + CONFLICT] = {.name = "conflict", .sql = "SELECT conflict()::text"},
    [STATEMENTS + WHO] = {.name = "who", .sql = "SELECT pg_current_xact_id()::text"},
    [STATEMENTS +
        SLOW] = {.name = "slow", .sql = "SELECT pg_sleep($1::float8)::text", .parameter_count = 1},
    [STATEMENTS + HALF] = {.name = "half", .sql = HALF_AT_ONCE, .parameter_count = 1},
};

static const char transaction[] = "SELECT pg_current_xact_id()";
static const char nothing[] = "SELECT NULL::text";
static const char not_allowed[] = "SELECT 1 / 0";
static const char of_two_columns[] = "SELECT 1, 2";

static void begin(void) {
    rig_begin(prepared, STATEMENTS, (struct throwaway_server *const[]){&primary, NULL});
}

static void submit(struct pg_server *server, struct rig_call *call, const char *question, int which,
                   const char *parameter) {
    call->statement.question = question;
    rig_submit(server, call, which, parameter);
}

static void ask(struct pg_server *server, struct rig_call *call, const char *question) {
    call->statement.question = question;
    rig_ask(server, call, PG_ASK, 0, "");
}

static void until_answered(struct rig_call *calls, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        RIG_UNTIL(calls[i].answers == 1);
    }
}

/* ---- questions ---- */

START_TEST(a_question_has_the_transaction_of_its_read) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    for (int i = 0; i < 3; i++) {
        submit(server, &calls[0], transaction, WHO, "");
        until_answered(calls, 1);
        rig_assert_rows(&calls[0], calls[0].before);
        ask(server, &calls[1], transaction); /* alone, in another one */
        ck_assert_int_eq(calls[1].status, PG_REPLY_ROWS);
        ck_assert(calls[1].has_before && strcmp(calls[1].before, calls[0].before) != 0);
    }
    /* Each link prepares it but once. */
    ck_assert_str_eq(throwaway_execute(&primary, "SELECT 1"), "1");
    submit(server, &calls[0], "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'ques%'",
           ECHO, "");
    until_answered(calls, 1);
    ck_assert_str_eq(calls[0].before, "2");
}
END_TEST

START_TEST(a_question_without_prepared_statements) {
    struct pg_server *server = rig_add_unprepared(&primary);
    static struct rig_call calls[2];
    submit(server, &calls[0], transaction, WHO, "");
    ask(server, &calls[1], transaction);
    rig_assert_rows(&calls[0], calls[0].before);
    ck_assert(calls[1].has_before);
}
END_TEST

/* One for all of them; reads with other questions are of other groups. */
START_TEST(a_question_for_a_group) {
    struct pg_server *server = rig_up(&primary, 1);
    enum { GROUPS = 3, READS = 4 };
    static struct rig_call calls[GROUPS * READS];
    const char *const questions[GROUPS] = {transaction, nothing, NULL};
    for (unsigned i = 0; i < GROUPS * READS; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%u", i);
        submit(server, &calls[i], questions[i % GROUPS], ECHO, text);
    }
    rig_flush();
    until_answered(calls, GROUPS * READS);
    for (unsigned i = 0; i < GROUPS * READS; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%u", i);
        rig_assert_rows(&calls[i], text);
        ck_assert(calls[i].has_before == (i % GROUPS == 0));
        ck_assert_str_eq(calls[i].before, i % GROUPS == 0 ? calls[0].before : "");
    }
    ck_assert_uint_eq(rig_counters(server).executions, GROUPS + 2);
}
END_TEST

/* A question's error is its statement's; the neighbours are asked again, question and all. */
START_TEST(a_question_that_fails) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[5];
    submit(server, &calls[0], transaction, WHO, "");
    submit(server, &calls[1], not_allowed, ECHO, "x");
    submit(server, &calls[2], transaction, WHO, "");
    submit(server, &calls[3], transaction, DIVIDE, "0");
    calls[4].statement.question = not_allowed;
    rig_submit_kind(server, &calls[4], PG_ASK, 0, "");
    rig_flush();
    until_answered(calls, 5);
    rig_assert_rows(&calls[0], calls[0].before);
    rig_assert_failed(&calls[1], "22012", "division by zero");
    ck_assert(!calls[1].has_before);
    rig_assert_rows(&calls[2], calls[2].before);
    rig_assert_failed(&calls[3], "22012", "division by zero");
    ck_assert_int_eq(calls[3].failure, PG_FAILED_HERE);
    ck_assert(calls[3].has_before); /* it was answered before the read failed */
    rig_assert_failed(&calls[4], "22012", "division by zero");
    ck_assert_uint_eq(rig_counters(server).links_up, 1);
    ck_assert_uint_eq(rig_counters(server).connects, 1);
}
END_TEST

START_TEST(more_questions_than_are_prepared) {
    struct pg_server *server = rig_up(&primary, 1);
    enum { QUESTIONS = 40 };
    static char texts[QUESTIONS][32];
    static struct rig_call calls[QUESTIONS];
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < QUESTIONS; i++) {
            snprintf(texts[i], sizeof(texts[i]), "SELECT %u", i);
            calls[i].statement.question = texts[i];
            rig_submit_kind(server, &calls[i], PG_ASK, 0, "");
        }
        until_answered(calls, QUESTIONS);
        for (unsigned i = 0; i < QUESTIONS; i++) {
            ck_assert_int_eq(atoi(calls[i].before), (int)i);
        }
    }
}
END_TEST

/* ---- failures ---- */

START_TEST(what_a_failure_says) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    rig_ask(server, &calls[0], PG_READ, CONFLICT, "");
    rig_assert_failed(&calls[0], "40001", "conflict");
    ck_assert_int_eq(calls[0].failure, PG_CONFLICT);
    rig_ask(server, &calls[0], PG_READ, DIVIDE, "0");
    ck_assert_int_eq(calls[0].failure, PG_FAILED_HERE);
    rig_submit(server, &calls[0], SLOW, "60");
    rig_submit(server, &calls[1], SLOW, "60");
    rig_run_for(50);
    throwaway_execute(&primary, rig_terminate_all);
    until_answered(calls, 2);
    ck_assert_int_eq(calls[0].failure, PG_SERVER_GONE);
    struct pg_server_options options = rig_options("host=127.0.0.1 port=1");
    struct pg_server *nowhere = rig_add(&options);
    rig_ask(nowhere, &calls[1], PG_READ, ECHO, "");
    ck_assert_int_eq(calls[1].failure, PG_NOT_SENT);
}
END_TEST

/* In databases of other encodings. */
enum { TEXT, STRANGE, ENCODED_STATEMENTS };

static const struct pg_prepared encoded[ENCODED_STATEMENTS] = {
    [TEXT] = {.name = "text",
              .sql = "SELECT $1::text",
              .parameter_count = 1,
              .group_name = "group_text",
              .group_sql = "SELECT q.n, q.t FROM unnest($1::text[]) WITH ORDINALITY q (t, n)"},
    /* In SQL_ASCII a text that is no UTF-8. */
    [STRANGE] = {.name = "strange",
                 .sql = "SELECT convert_from('\\xe9'::bytea, 'SQL_ASCII') || $1",
                 .parameter_count = 1},
};

/* An error of a statement tells its parameters. */
#define TELLING "options='-c log_parameter_max_length_on_error=-1'"

static void begin_encoded(void) {
    rig_begin(encoded, ENCODED_STATEMENTS, (struct throwaway_server *const[]){&primary, NULL});
}

static struct pg_server *up_to_database(const char *name) {
    char conninfo[200];
    throwaway_conninfo(&primary, conninfo, sizeof(conninfo), name);
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add_up(&options);
    return server;
}

/* An id that the database's encoding lacks is in none of its rows. Before 14 the server does not
 * say that the text is a parameter's, and it might as well be a row's. */
START_TEST(text_that_a_database_cannot_hold) {
    const enum pg_failure expected =
        throwaway_major(&primary) >= 14 ? PG_NO_SUCH_TEXT : PG_FAILED_HERE;
    struct pg_server *server = up_to_database(_i == 0 ? "dbname=latin" : "dbname=latin " TELLING);
    static struct rig_call calls[8];
    for (unsigned i = 0; i < 8; i++) { /* in a group */
        rig_submit(server, &calls[i], TEXT, i % 4 == 0 ? "s\xf0\x9f\x98\x80" : "caf\xc3\xa9");
    }
    rig_flush();
    until_answered(calls, 8);
    for (unsigned i = 0; i < 8; i++) {
        if (i % 4 == 0) {
            rig_assert_failed(&calls[i], "22P05", "has no equivalent");
            ck_assert_int_eq(calls[i].failure, expected);
        } else {
            rig_assert_rows(&calls[i], "caf\xc3\xa9");
        }
    }
    ck_assert_uint_eq(rig_counters(server).connects, 1);
}
END_TEST

/* A row's text that the client cannot be told is another matter: the row may be there. */
START_TEST(text_that_a_client_cannot_be_told) {
    struct pg_server *server = up_to_database(_i == 0 ? "dbname=ascii" : "dbname=ascii " TELLING);
    static struct rig_call call;
    rig_ask(server, &call, PG_READ, TEXT, "caf\xc3\xa9");
    rig_assert_rows(&call, "caf\xc3\xa9");
    rig_ask(server, &call, PG_READ, STRANGE, "\xc3\xa9");
    rig_assert_failed(&call, "22021", "invalid byte sequence");
    ck_assert_int_eq(call.failure, PG_FAILED_HERE);
}
END_TEST

/* ---- void sessions ---- */

START_TEST(prepared_statements_are_gone) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call calls[40];
    for (unsigned round = 1; round <= 2; round++) {
        rig_submit(server, &calls[0], FORGET, "");
        rig_submit(server, &calls[1], FORGET, "");
        rig_flush();
        until_answered(calls, 2);
        for (unsigned i = 0; i < 40; i++) {
            submit(server, &calls[i], i % 2 == 0 ? transaction : NULL, i % 2 == 0 ? WHO : ECHO,
                   "here");
        }
        until_answered(calls, 40);
        for (unsigned i = 0; i < 40; i++) {
            rig_assert_rows(&calls[i], i % 2 == 0 ? calls[i].before : "here");
        }
    }
    ck_assert_uint_ge(rig_counters(server).connects, 3);
    ck_assert_uint_ge(rig_logged("link given up: prepared statement"), 1);
    ck_assert_uint_eq(rig_counters(server).failures, 0);
}
END_TEST

static const char *const changes[] = {
    "ALTER TABLE r ALTER v TYPE varchar(40)",
    "ALTER TABLE r ALTER v TYPE text",
    "BEGIN; ALTER TABLE r RENAME TO old; CREATE TABLE r AS SELECT * FROM old; DROP TABLE old;"
    "COMMIT",
    "BEGIN; ALTER TABLE r DROP v; ALTER TABLE r ADD v text DEFAULT 'value'; COMMIT",
    "BEGIN; CREATE TYPE e AS ENUM ('value'); ALTER TABLE r ALTER v DROP DEFAULT;"
    "ALTER TABLE r ALTER v TYPE e USING v::e; COMMIT",
    "BEGIN; CREATE TYPE f AS ENUM ('value', 'other'); ALTER TABLE r ALTER v TYPE f USING"
    " v::text::f; DROP TYPE e; ALTER TYPE f RENAME TO e; COMMIT",
    "BEGIN; ALTER TABLE r ALTER v TYPE text; DROP TYPE e; COMMIT",
};

/* By a migration, under the reads of many: none of them sees it. */
START_TEST(tables_change_under_prepared_statements) {
    struct pg_server *server = rig_up(&primary, 3);
    static struct rig_call calls[24];
    for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned c = 0; c < 24; c++) {
                submit(server, &calls[c], transaction, c % 3 == 0 ? ECHO : READ, "value");
            }
            rig_flush();
            if (round == 0) {
                throwaway_execute(&primary, changes[i]);
            }
            until_answered(calls, 24);
            for (unsigned c = 0; c < 24; c++) {
                rig_assert_rows(&calls[c], "value");
            }
        }
    }
    ck_assert_uint_eq(rig_counters(server).failures, 0);
    ck_assert_uint_ge(rig_counters(server).connects, 6);
}
END_TEST

/* It is not tried for ever. */
START_TEST(a_table_that_goes_for_good) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call calls[3];
    rig_ask(server, &calls[0], PG_READ, READ, "");
    rig_assert_rows(&calls[0], "value");
    throwaway_execute(&primary, "ALTER TABLE r RENAME TO gone");
    rig_ask(server, &calls[0], PG_READ, READ, "");
    ck_assert_int_eq(calls[0].status, PG_REPLY_FAILED);
    ck_assert_int_eq(calls[0].failure, PG_NOT_SENT);
    ck_assert_msg(strstr(calls[0].error, "relation \"r\" does not exist") != NULL, "%s",
                  calls[0].error);
    throwaway_execute(&primary, "ALTER TABLE gone RENAME TO r");
    RIG_UNTIL(rig_counters(server).links_up == 2);
    rig_ask(server, &calls[0], PG_READ, READ, "");
    rig_assert_rows(&calls[0], "value");
}
END_TEST

/* ---- answers of others ---- */

static unsigned foreign; /* so many answers are not taken */

static bool is_answer(struct pg_statement *statement, const struct result_rows *rows) {
    const char *value = statement->values[0];
    if (foreign > 0) {
        foreign--;
        return false;
    }
    return rows->count == 1 &&
           strcmp(PQgetvalue(rows->result, rows->first, rows->column), value) == 0;
}

START_TEST(the_answer_to_another_question) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[20];
    for (int round = 0; round < 2; round++) {
        foreign = 2;
        for (unsigned i = 0; i < 20; i++) {
            char text[8];
            snprintf(text, sizeof(text), "%u", i);
            calls[i].statement.is_answer = is_answer;
            submit(server, &calls[i], round == 0 ? NULL : transaction, ECHO, text);
        }
        until_answered(calls, 20);
        for (unsigned i = 0; i < 20; i++) {
            rig_assert_rows(&calls[i], calls[i].parameter);
        }
    }
    ck_assert_uint_eq(rig_counters(server).failures, 0);
    ck_assert_uint_ge(rig_logged("the answer to another question came"), 1);
    foreign = 1000;
    rig_ask(server, &calls[0], PG_READ, ECHO, "x");
    rig_assert_failed(&calls[0], "", "the answer to another question came");
    foreign = 0;
    RIG_UNTIL(pg_server_is_up(server));
    ask(server, &calls[0], of_two_columns);
    rig_assert_failed(&calls[0], "", "the answer to another question came");
}
END_TEST

/* ---- redial ---- */

static unsigned hints;

static void on_changed(void *context, struct pg_server *server) {
    (void)context;
    (void)server;
    hints++;
}

START_TEST(dialled_anew_under_statements) {
    hints = 0;
    struct pg_server_options options = rig_options_to(&primary);
    options.links = 2;
    options.changed = on_changed;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(rig_counters(server).links_up == 2);
    ck_assert_uint_ge(hints, 1);
    static struct rig_call calls[12];
    for (unsigned i = 0; i < 12; i++) {
        submit(server, &calls[i], transaction, SLOW, "0.05");
    }
    rig_flush();
    ck_assert_uint_eq(rig_counters(server).in_flight, 12);
    pg_server_redial(server);
    ck_assert_uint_eq(rig_counters(server).in_flight, 0);
    ck_assert_uint_eq(rig_counters(server).links_up, 0);
    pg_server_redial(server); /* while it connects */
    until_answered(calls, 12);
    for (unsigned i = 0; i < 12; i++) {
        rig_assert_rows(&calls[i], "");
    }
    RIG_UNTIL(rig_counters(server).links_up == 2);
    ck_assert_uint_eq(rig_counters(server).connects, 4);
    ck_assert_uint_eq(rig_counters(server).failures, 0);
}
END_TEST

/* The server tells of a question no earlier than it has a buffer full to send: with the answer to
 * what was asked before it, and the beginning of the read's. */
START_TEST(dialled_anew_between_a_question_and_its_read) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    submit(server, &calls[0], nothing, ECHO, "first");
    submit(server, &calls[1], "SELECT 'an answer'", HALF, "0.2");
    rig_flush();
    RIG_UNTIL(calls[0].answers == 1);
    ck_assert_uint_eq(calls[1].answers, 0);
    pg_server_redial(server);
    until_answered(calls, 2);
    ck_assert_int_eq(calls[1].status, PG_REPLY_ROWS);
    ck_assert_int_eq(calls[1].rows, 2);
    ck_assert_str_eq(calls[1].before, "an answer");
}
END_TEST

START_TEST(dialled_anew_in_vain) {
    struct pg_server_options options = rig_options("host=127.0.0.1 port=1");
    struct pg_server *server = rig_add(&options);
    static struct rig_call call;
    RIG_UNTIL(rig.tried == 1);
    pg_server_redial(server);
    rig_ask(server, &call, PG_READ, ECHO, "");
    rig_assert_failed(&call, "", "no link to replica");
    ck_assert_int_eq(call.failure, PG_NOT_SENT);
}
END_TEST

/* ---- set-up ---- */

START_TEST(a_default_that_forbids_everything) {
    throwaway_execute(&primary, "ALTER ROLE postgres SET default_transaction_isolation ="
                                " 'serializable'");
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call call;
    ask(server, &call, "SELECT current_setting('transaction_isolation')");
    throwaway_execute(&primary, "ALTER ROLE postgres RESET default_transaction_isolation");
    ck_assert_str_eq(call.before, "read committed");
}
END_TEST

START_TEST(a_set_of_statements_for_each_schema) {
    static const char *const questions[] = {"SELECT 0", "SELECT 1::int2", "SELECT 2",
                                            "SELECT NULL::int4", "SELECT nonsense"};
    for (int i = 0; i < 5; i++) {
        struct pg_server_options options = rig_options_to(&primary);
        static struct rig_call call;
        options.variant_sql = questions[i];
        options.variant_count = 2;
        options.no_variant = "no such schema here";
        struct pg_server *server = rig_add(&options);
        rig.server_count = 1;
        rig_ask(server, &call, PG_READ, ECHO, "one");
        if (i < 2) {
            rig_assert_rows(&call, i == 0 ? "one" : "second one");
        } else {
            rig_assert_failed(&call, "", i < 4 ? "no such schema here" : "nonsense");
        }
        pg_server_free(server);
        rig.server_count = 0;
    }
}
END_TEST

static void create_servers(void) {
    throwaway_create(&primary, "primary", "", "");
    throwaway_start(&primary);
    throwaway_execute(&primary, "CREATE TABLE r (v text); INSERT INTO r VALUES ('value');"
                                "CREATE FUNCTION forget() RETURNS int LANGUAGE plpgsql AS"
                                " 'BEGIN EXECUTE ''DEALLOCATE ALL''; RETURN 1; END';"
                                "CREATE FUNCTION conflict() RETURNS int LANGUAGE plpgsql AS"
                                " 'BEGIN RAISE ''a conflict'' USING ERRCODE = ''40001''; END'");
    throwaway_execute(&primary,
                      "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    throwaway_execute(&primary,
                      "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
}

int main(void) {
    Suite *suite = suite_create("pg_healing");
    TCase *questions = rig_case(suite, "questions", begin);
    tcase_add_test(questions, a_question_has_the_transaction_of_its_read);
    tcase_add_test(questions, a_question_without_prepared_statements);
    tcase_add_test(questions, a_question_for_a_group);
    tcase_add_test(questions, a_question_that_fails);
    tcase_add_test(questions, more_questions_than_are_prepared);

    TCase *failures = rig_case(suite, "failures", begin);
    tcase_add_test(failures, what_a_failure_says);

    TCase *encodings = rig_case(suite, "encodings", begin_encoded);
    tcase_add_loop_test(encodings, text_that_a_database_cannot_hold, 0, 2);
    tcase_add_loop_test(encodings, text_that_a_client_cannot_be_told, 0, 2);

    TCase *voids = rig_case(suite, "void", begin);
    tcase_add_test(voids, prepared_statements_are_gone);
    tcase_add_test(voids, tables_change_under_prepared_statements);
    tcase_add_test(voids, a_table_that_goes_for_good);
    tcase_add_test(voids, the_answer_to_another_question);

    TCase *dialling = rig_case(suite, "dialling", begin);
    tcase_add_test(dialling, dialled_anew_under_statements);
    tcase_add_test(dialling, dialled_anew_between_a_question_and_its_read);
    tcase_add_test(dialling, dialled_anew_in_vain);
    tcase_add_test(dialling, a_default_that_forbids_everything);
    tcase_add_test(dialling, a_set_of_statements_for_each_schema);
    if (suite_is_wanted()) {
        create_servers();
    }
    const int status = rig_run(suite);
    throwaway_remove_all((struct throwaway_server *const[]){&primary, NULL});
    return status;
}
