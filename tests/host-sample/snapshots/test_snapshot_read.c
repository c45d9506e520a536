/*
 * test_snapshot_read.c - the lookup's statements and its JSON on a real PostgreSQL: every row of
 * the answer's field table, in exact text.
 *
 * Every expectation is put to all statements of each schema, alone and in a group: the full ones
 * must meet it, the lean ones must meet it too or ask for the full one. The database sorts text by
 * a language's rules and prints dates in an odd style and zone, which no answer may depend on. Each
 * test works in a transaction that is rolled back, which no standby can do: here the statements for
 * a replica are prepared with the server's recovery taken for granted. test_snapshot_roles has them
 * as they are.
 */
#include "host-sample/base/json_string.h"
#include "host-sample/postgres/group.h"
#include "host-sample/snapshots/read.h"
#include "tests/lib/checked_sql.h"
#include "tests/lib/suite.h"
#include "tests/lib/throwaway_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

enum { SCHEMA_BYTES = 65536 };

/* 2026-11-23T18:01:37.042Z */
#define NOW_MS INT64_C(1795456897042)
#define NOW    "2026-11-23T18:01:37.042Z"

static struct throwaway_server server;
static PGconn *link_to_server;

/* ---- rows ---- */

#define sql(...) checked_sql(link_to_server, __VA_ARGS__)

/* A valid snapshot of run r1 in environment e1, created at that time of 2026-01-01. */
static void put_snapshot(const char *id, const char *time) {
    sql("INSERT INTO \"TaskRunExecutionSnapshot\" (id, \"executionStatus\", description, \"runId\","
        " \"runStatus\", \"attemptNumber\", \"environmentId\", \"createdAt\") VALUES ('%s',"
        " 'EXECUTING', 'd', 'r1', 'EXECUTING', 1, 'e1', timestamp '2026-01-01 %s')",
        id, time);
}

static void change_snapshot(const char *id, const char *columns) {
    sql("UPDATE \"TaskRunExecutionSnapshot\" SET %s WHERE id = '%s'", columns, id);
}

static void put_checkpoint(const char *id) {
    sql("INSERT INTO \"TaskRunCheckpoint\" (id, \"friendlyId\", type, location) VALUES ('%s',"
        " 'checkpoint_%s', 'DOCKER', 'here')",
        id, id);
}

static void put_waitpoint(const char *id) {
    sql("INSERT INTO \"Waitpoint\" (id, \"friendlyId\", type, \"completedAt\", \"idempotencyKey\","
        " \"userProvidedIdempotencyKey\") VALUES ('%s', 'waitpoint_%s', 'RUN',"
        " timestamp '2026-01-02', 'key', false)",
        id, id);
}

static void change_waitpoint(const char *id, const char *columns) {
    sql("UPDATE \"Waitpoint\" SET %s WHERE id = '%s'", columns, id);
}

static void put_link(const char *snapshot, const char *waitpoint) {
    sql("INSERT INTO \"_completedWaitpoints\" VALUES ('%s', '%s')", snapshot, waitpoint);
    sql("INSERT INTO \"CompletedWaitpoint\" VALUES ('%s', '%s')", snapshot, waitpoint);
}

static void unlink_snapshot(const char *snapshot) {
    sql("DELETE FROM \"_completedWaitpoints\" WHERE \"A\" = '%s'", snapshot);
    sql("DELETE FROM \"CompletedWaitpoint\" WHERE \"snapshotId\" = '%s'", snapshot);
}

/* ---- what is expected ---- */

#define ANSWER(snapshots) "{\"snapshots\":[" snapshots "]}"
#define NOTHING_NEW       ANSWER("")

/* The pieces of a snapshot's JSON, as put_snapshot makes it. */
#define HEAD(id, date)                                                                             \
    "{\"version\":\"1\",\"snapshot\":{\"id\":\"" id "\",\"friendlyId\":\"snapshot_" id             \
    "\",\"executionStatus\":\"EXECUTING\",\"description\":\"d\",\"createdAt\":\"" date "\"}"
#define AT(time) "2026-01-01T" time "Z"
#define RUN                                                                                        \
    ",\"run\":{\"id\":\"r1\",\"friendlyId\":\"run_r1\",\"status\":\"EXECUTING\","                  \
    "\"attemptNumber\":1}"
#define TAIL(waitpoints)                    ",\"completedWaitpoints\":[" waitpoints "]}"
#define SNAPSHOT(id, time)                  HEAD(id, AT(time)) RUN TAIL("")
#define SNAPSHOT_WITH(id, time, waitpoints) HEAD(id, AT(time)) RUN TAIL(waitpoints)

/* A waitpoint's JSON, as put_waitpoint makes it; more: what comes after "completedAt". */
#define WAITPOINT(id, more)                                                                        \
    "{\"id\":\"" id "\",\"friendlyId\":\"waitpoint_" id "\",\"type\":\"RUN\",\"outputType\":"      \
    "\"application/"                                                                               \
    "json\",\"outputIsError\":false,\"completedAt\":\"2026-01-02T00:00:00.000Z\"" more "}"
#define INDEXED(id, index) WAITPOINT(id, ",\"index\":" index)

/* A statement under a name of this program's, since all are prepared on one connection. */
struct named {
    char name[100];
    char group_name[100];
};

/* Their texts, by the search_path, and for a schema that is named: one for each set of tables, with
 * views of them. */
static struct snapshot_sql *texts_by_path;
static struct snapshot_sql *texts_named[SNAPSHOT_LINKS_COUNT];
static const char *const schemas[] = {[SNAPSHOT_LINKS_IMPLICIT] = "with_implicit",
                                      [SNAPSHOT_LINKS_EXPLICIT] = "with_explicit",
                                      [SNAPSHOT_LINKS_BOTH] = "with_both"};

/* A loop's number, and other things that go through all of them, says which texts, which join table
 * and which statement. */
enum {
    STATEMENTS_OF_TEXTS = (int)SNAPSHOT_LINKS_COUNT * (int)SNAPSHOT_STATEMENT_COUNT,
    ALL_STATEMENTS = 2 * STATEMENTS_OF_TEXTS
};

static struct pg_prepared prepared_of(int number, struct named *named) {
    const int set = number / SNAPSHOT_STATEMENT_COUNT;
    const int links = set % SNAPSHOT_LINKS_COUNT;
    const struct snapshot_sql *texts =
        number < STATEMENTS_OF_TEXTS ? texts_by_path : texts_named[links];
    struct pg_prepared prepared = texts->statements[links][number % SNAPSHOT_STATEMENT_COUNT];
    (void)snprintf(named->name, sizeof(named->name), "%d_%s", set, prepared.name);
    (void)snprintf(named->group_name, sizeof(named->group_name), "%d_%s", set, prepared.group_name);
    prepared.name = named->name;
    prepared.group_name = named->group_name;
    return prepared;
}

/* Statements of one form of the join table fail where the other one is there as well. */
static void see_tables_of(enum snapshot_links schema) {
    static const char *const paths[] = {[SNAPSHOT_LINKS_IMPLICIT] = "public, implicit",
                                        [SNAPSHOT_LINKS_EXPLICIT] = "public, explicit",
                                        [SNAPSHOT_LINKS_BOTH] = "public, implicit, explicit"};
    sql("SET LOCAL search_path = %s", paths[schema]);
}

static void see_tables_for(int which) {
    const int set = which / SNAPSHOT_STATEMENT_COUNT;
    see_tables_of((enum snapshot_links)(set % SNAPSHOT_LINKS_COUNT));
}

static PGresult *run_statement(int which, const char *since, const char *run,
                               const char *environment) {
    struct named named;
    const struct pg_prepared prepared = prepared_of(which, &named);
    const char *const values[] = {since, run, environment};
    see_tables_for(which);
    PGresult *result = PQexecPrepared(link_to_server, prepared.name, prepared.parameter_count,
                                      values, NULL, NULL, 1);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQresultErrorMessage(result));
    see_tables_of(SNAPSHOT_LINKS_BOTH);
    return result;
}

#define OTHER_SNAPSHOT "no such snapshot"

/* The same lookup as the second and the fourth of a group; the others find nothing. */
static PGresult *run_group(int which, const char *since, const char *run, const char *environment) {
    struct named named;
    const struct pg_prepared prepared = prepared_of(which, &named);
    const char *const values[] = {since, run, environment};
    const char *const others[] = {OTHER_SNAPSHOT, run, environment};
    struct pg_statement group[5] = {{.number = 1, .values = others}};
    struct byte_buffer scratch = BYTE_BUFFER_EMPTY;
    for (int i = 1; i < 5; i++) {
        group[i].values = i % 2 == 0 ? others : values;
        pg_group_append(&group[i - 1], &group[i]);
    }
    see_tables_for(which);
    ck_assert(pg_group_send(link_to_server, &prepared, true, &group[0], &scratch));
    PGresult *result = PQgetResult(link_to_server);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQresultErrorMessage(result));
    ck_assert(pg_group_is_result(result, 5));
    ck_assert_ptr_null(PQgetResult(link_to_server));
    see_tables_of(SNAPSHOT_LINKS_BOTH);
    byte_buffer_free(&scratch);
    return result;
}

/* Shows where they part: Check does not take long messages. */
static void check_text(const char *name, const struct byte_buffer *out, const char *json) {
    const size_t length = strlen(json);
    size_t same = 0;
    while (same < length && same < out->length && out->data[same] == json[same]) {
        same++;
    }
    const size_t from = same > 40 ? same - 40 : 0;
    ck_assert_msg(same == length && same == out->length, "%s, byte %zu:\n%.*s\nis not\n%.300s",
                  name, same, (int)(out->length - from < 300 ? out->length - from : 300),
                  out->data + from, json + from);
}

static void check_answer(const char *name, const struct snapshot_result *read, const char *json) {
    struct byte_buffer out = BYTE_BUFFER_EMPTY;
    const bool good = snapshot_answer_write(&out, read, NOW_MS);
    ck_assert_msg(good == (json != NULL), "%s: answered: %d", name, good);
    if (good) {
        check_text(name, &out, json);
    }
    byte_buffer_free(&out);
}

static bool is_lean(int which) {
    return which % SNAPSHOT_STATEMENT_COUNT == SNAPSHOT_LEAN ||
           which % SNAPSHOT_STATEMENT_COUNT == SNAPSHOT_LEAN_IN_ENVIRONMENT;
}

static bool is_of_replica(int which) {
    return which % SNAPSHOT_STATEMENT_COUNT < SNAPSHOT_PRIMARY;
}

static bool names_environment(int which) {
    return texts_by_path->statements[0][which % SNAPSHOT_STATEMENT_COUNT].parameter_count == 3;
}

static struct text text_of(const char *text) {
    return (struct text){text, text != NULL ? strlen(text) : 0};
}

/* What is lacking where the outcome is partial. */
static int expected_lacking = 1;

/* Returns whether a lean statement asked for the full one. json: NULL for no answer. */
static bool expect_rows(int which, struct result_rows rows, const struct snapshot_question *asked,
                        enum snapshot_outcome outcome, const char *json) {
    const char *name = texts_by_path->statements[0][which % SNAPSHOT_STATEMENT_COUNT].name;
    struct snapshot_result read;
    struct snapshot_head head;
    const enum snapshot_outcome got = snapshot_read(&read, rows, asked);
    const bool needs_full = is_lean(which) && got == SNAPSHOT_NEEDS_FULL;
    ck_assert_msg(needs_full || got == outcome, "%s, set %d: outcome %d, not %d", name,
                  which / SNAPSHOT_STATEMENT_COUNT, (int)got, (int)outcome);
    ck_assert(snapshot_read_head(&head, &rows, asked));
    ck_assert(read.head.recovering == is_of_replica(which));
    ck_assert(read.head.after[0] != '\0' || is_of_replica(which));
    if (got == SNAPSHOT_PARTIAL) {
        ck_assert_int_eq(read.lacking, expected_lacking);
    }
    check_answer(name, &read, needs_full ? NULL : json);
    return needs_full;
}

/* In a group the answer is the same, wherever the lookup stands. */
static bool expect_of(int which, const char *since, const char *run, const char *environment,
                      enum snapshot_outcome outcome, const char *json) {
    struct snapshot_question asked = {text_of(since), text_of(run), text_of(environment),
                                      is_of_replica(which)};
    struct snapshot_question other = asked;
    struct snapshot_head head;
    other.snapshot = text_of(OTHER_SNAPSHOT);
    PGresult *result = run_statement(which, since, run, environment);
    struct result_rows rows = result_rows_all(result);
    const bool needs_full = expect_rows(which, rows, &asked, outcome, json);
    ck_assert(!snapshot_read_head(&head, &rows, &other));
    PQclear(result);
    result = run_group(which, since, run, environment);
    int at = 0;
    for (uint32_t number = 1; number <= 5; number++) {
        rows = pg_group_rows(result, number, &at);
        if (number % 2 == 0) {
            ck_assert(expect_rows(which, rows, &asked, outcome, json) == needs_full);
        } else {
            (void)expect_rows(which, rows, &other, SNAPSHOT_MISSING, NULL);
        }
    }
    ck_assert_int_eq(at, PQntuples(result));
    PQclear(result);
    return needs_full;
}

/* By all statements that name an environment, or by all that do not. */
static bool expect_by_all(const char *environment, const char *since, const char *run,
                          enum snapshot_outcome outcome, const char *json) {
    bool needs_full = false;
    for (int which = 0; which < ALL_STATEMENTS; which++) {
        if (names_environment(which) == (environment != NULL)) {
            const bool needs = expect_of(which, since, run, environment, outcome, json);
            ck_assert(which <= SNAPSHOT_LEAN_IN_ENVIRONMENT || !is_lean(which) ||
                      needs == needs_full);
            needs_full = is_lean(which) ? needs : needs_full;
        }
    }
    return needs_full;
}

static bool expect_in(const char *environment, const char *since, const char *run,
                      enum snapshot_outcome outcome, const char *json) {
    return expect_by_all(environment, since, run, outcome, json);
}

/* Of run r1, whose rows are all in environment e1, unless a test says otherwise. */
static bool expect(const char *since, enum snapshot_outcome outcome, const char *json) {
    const bool needs_full = expect_by_all(NULL, since, "r1", outcome, json);
    ck_assert(expect_in("e1", since, "r1", outcome, json) == needs_full);
    return needs_full;
}

static void expect_found(const char *since, const char *json) {
    (void)expect(since, SNAPSHOT_FOUND, json);
}

/* ---- the since row ---- */

START_TEST(nothing_new) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    ck_assert(!expect("s2", SNAPSHOT_FOUND, NOTHING_NEW));
}
END_TEST

START_TEST(no_since_row) {
    put_snapshot("s1", "00:00:01");
    ck_assert(!expect("s0", SNAPSHOT_MISSING, NULL));
    (void)expect("", SNAPSHOT_MISSING, NULL);
    (void)expect("S1", SNAPSHOT_MISSING, NULL);
    (void)expect("s1 ", SNAPSHOT_MISSING, NULL);
    (void)expect("s1' OR true --", SNAPSHOT_MISSING, NULL);
}
END_TEST

START_TEST(a_snapshot_of_another_run_is_no_anchor) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    change_snapshot("s1", "\"runId\" = 'r2'");
    (void)expect("s1", SNAPSHOT_MISSING, NULL);
    (void)expect_in("e1", "s1", "r2", SNAPSHOT_FOUND, NOTHING_NEW);
}
END_TEST

START_TEST(a_snapshot_of_another_environment_is_no_anchor) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    (void)expect_in("e2", "s1", "r1", SNAPSHOT_MISSING, NULL);
    (void)expect_in("", "s1", "r1", SNAPSHOT_MISSING, NULL);
    change_snapshot("s1", "\"environmentId\" = 'e2'");
    (void)expect_in("e1", "s1", "r1", SNAPSHOT_MISSING, NULL);
}
END_TEST

START_TEST(newer_snapshots_of_another_environment_or_run) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_snapshot("s3", "00:00:03");
    put_snapshot("s4", "00:00:04");
    change_snapshot("s3", "\"environmentId\" = 'e2'");
    change_snapshot("s4", "\"runId\" = 'r2'");
    (void)expect_in("e1", "s1", "r1", SNAPSHOT_FOUND, ANSWER(SNAPSHOT("s2", "00:00:02.000")));
    (void)expect_by_all(NULL, "s1", "r1", SNAPSHOT_FOUND,
                        ANSWER(SNAPSHOT("s2", "00:00:02.000") "," SNAPSHOT("s3", "00:00:03.000")));
}
END_TEST

/* A table may have lost its NOT NULL. */
START_TEST(a_since_row_without_a_time) {
    sql("ALTER TABLE \"TaskRunExecutionSnapshot\" ALTER \"createdAt\" DROP NOT NULL");
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    change_snapshot("s1", "\"createdAt\" = NULL");
    expect_found("s1", NOTHING_NEW);
}
END_TEST

START_TEST(invalid_snapshots_are_not_answered_but_are_anchors) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_snapshot("s3", "00:00:03");
    change_snapshot("s1", "\"isValid\" = false");
    change_snapshot("s2", "\"isValid\" = false");
    expect_found("s1", ANSWER(SNAPSHOT("s3", "00:00:03.000")));
    expect_found("s2", ANSWER(SNAPSHOT("s3", "00:00:03.000")));
}
END_TEST

/* ---- the newer rows ---- */

START_TEST(oldest_first) {
    put_snapshot("s9", "00:00:03.999");
    put_snapshot("s5", "00:00:02.001");
    put_snapshot("s7", "00:00:04");
    put_snapshot("s1", "00:00:01");
    ck_assert(!expect("s1", SNAPSHOT_FOUND,
                      ANSWER(SNAPSHOT("s5", "00:00:02.001") "," SNAPSHOT(
                          "s9", "00:00:03.999") "," SNAPSHOT("s7", "00:00:04.000"))));
}
END_TEST

START_TEST(those_tied_with_the_since_row_are_not_newer) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:01");
    put_snapshot("s3", "00:00:01.001");
    expect_found("s1", ANSWER(SNAPSHOT("s3", "00:00:01.001")));
    expect_found("s2", ANSWER(SNAPSHOT("s3", "00:00:01.001")));
    expect_found("s3", NOTHING_NEW);
}
END_TEST

/* By code unit, not as a language sorts: there "a" comes before "B". */
START_TEST(ties_are_ordered_by_id) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("a", "00:00:02");
    put_snapshot("B", "00:00:02");
    put_snapshot("a1", "00:00:02");
    ck_assert(!expect("s1", SNAPSHOT_FOUND,
                      ANSWER(SNAPSHOT("B", "00:00:02.000") "," SNAPSHOT(
                          "a", "00:00:02.000") "," SNAPSHOT("a1", "00:00:02.000"))));
}
END_TEST

/* In whichever order the rows were written. */
START_TEST(the_latest_of_a_tie_has_the_waitpoints) {
    put_snapshot("s1", "00:00:01");
    put_snapshot(_i == 0 ? "a" : "B", "00:00:02");
    put_snapshot(_i == 0 ? "B" : "a", "00:00:02");
    put_waitpoint("w1");
    put_waitpoint("w2");
    put_link("a", "w1");
    put_link("B", "w2");
    expect_found("s1", ANSWER(SNAPSHOT("B", "00:00:02.000") "," SNAPSHOT_WITH(
                           "a", "00:00:02.000", WAITPOINT("w1", ""))));
    unlink_snapshot("B");
    ck_assert_msg(expect("s1", SNAPSHOT_FOUND,
                         ANSWER(SNAPSHOT("B", "00:00:02.000") "," SNAPSHOT_WITH(
                             "a", "00:00:02.000", WAITPOINT("w1", "")))),
                  "the lean statement cannot tell");
    sql("UPDATE \"_completedWaitpoints\" SET \"A\" = 'B'");
    sql("UPDATE \"CompletedWaitpoint\" SET \"snapshotId\" = 'B'");
    ck_assert_msg(!expect("s1", SNAPSHOT_FOUND,
                          ANSWER(SNAPSHOT("B", "00:00:02.000") "," SNAPSHOT("a", "00:00:02.000"))),
                  "another row's links are nothing to it");
}
END_TEST

/* The text of `count` snapshots from number `first` on, as put_many makes them. */
static char *many(int first, int count) {
    struct byte_buffer text = BYTE_BUFFER_EMPTY;
    BYTE_BUFFER_LITERAL(&text, "{\"snapshots\":[");
    for (int i = first; i < first + count; i++) {
        byte_buffer_append_format(
            &text,
            "%s{\"version\":\"1\",\"snapshot\":{\"id\":\"n%03d\",\"friendlyId\":"
            "\"snapshot_n%03d\",\"executionStatus\":\"EXECUTING\",\"description\":\"d\","
            "\"createdAt\":\"2026-01-01T00:00:10.%03dZ\"}",
            i == first ? "" : ",", i, i, i);
        BYTE_BUFFER_LITERAL(&text, RUN TAIL(""));
    }
    BYTE_BUFFER_LITERAL(&text, "]}");
    byte_buffer_append(&text, "", 1);
    ck_assert(!text.failed);
    return text.data;
}

/* s1, and after it n001 to n{count}, a millisecond apart. */
static void put_many(int count) {
    put_snapshot("s1", "00:00:01");
    for (int i = 1; i <= count; i++) {
        char id[16], time[32];
        (void)snprintf(id, sizeof(id), "n%03d", i);
        (void)snprintf(time, sizeof(time), "00:00:10.%03d", i);
        put_snapshot(id, time);
    }
}

static const struct {
    int rows, first, answered;
} lots[] = {{3, 1, 3},   {4, 1, 4},   {5, 1, 5},   {49, 1, 49},
            {50, 1, 50}, {51, 2, 50}, {52, 3, 50}, {120, 71, 50}};

START_TEST(at_most_the_newest_fifty) {
    put_many(lots[_i].rows);
    char *json = many(lots[_i].first, lots[_i].answered);
    ck_assert(expect("s1", SNAPSHOT_FOUND, json) == (lots[_i].rows > SNAPSHOT_MAX_LEAN_ROWS));
    free(json);
}
END_TEST

/* n001 to n003 are tied, and there is space for one of them: the one with the greatest id, in
 * whichever order they were written. */
START_TEST(the_limit_cuts_through_a_tie) {
    static const char *const orders[][3] = {{"n001", "n002", "n003"}, {"n003", "n002", "n001"}};
    put_many(52);
    for (int i = 0; i < 3; i++) {
        change_snapshot(orders[_i][i], "\"createdAt\" = timestamp '2026-01-01 00:00:10.003'");
    }
    char *json = many(3, 50);
    expect_found("s1", json);
    free(json);
}
END_TEST

/* n001 and n002 are tied, but there is room for neither. */
START_TEST(a_tie_beyond_the_limit) {
    put_many(53);
    change_snapshot("n001", "\"createdAt\" = timestamp '2026-01-01 00:00:10.002'");
    char *json = many(4, 50);
    expect_found("s1", json);
    free(json);
}
END_TEST

/* ---- the fields of a snapshot ---- */

#define SNAPSHOT_S2(run_and_batch)                                                                 \
    ANSWER(HEAD("s2", AT("00:00:02.000")) ",\"run\":{\"id\":\"r1\",\"friendlyId\":\"run_r1\","     \
                                          "\"status\":\"EXECUTING\"" run_and_batch TAIL(""))

static const struct {
    const char *columns, *json;
} snapshot_fields[] = {
    {"\"attemptNumber\" = NULL", SNAPSHOT_S2("}")},
    {"\"attemptNumber\" = 0", SNAPSHOT_S2(",\"attemptNumber\":0}")},
    {"\"attemptNumber\" = -1", SNAPSHOT_S2(",\"attemptNumber\":-1}")},
    {"\"attemptNumber\" = 2147483647", SNAPSHOT_S2(",\"attemptNumber\":2147483647}")},
    {"\"attemptNumber\" = -2147483648", SNAPSHOT_S2(",\"attemptNumber\":-2147483648}")},
    {"\"batchId\" = NULL", SNAPSHOT_S2(",\"attemptNumber\":1}")},
    {"\"batchId\" = ''", SNAPSHOT_S2(",\"attemptNumber\":1}")},
    {"\"batchId\" = 'b1'",
     SNAPSHOT_S2(",\"attemptNumber\":1},\"batch\":{\"id\":\"b1\",\"friendlyId\":\"batch_b1\"}")},
    {"\"batchId\" = 'batch_b1'",
     SNAPSHOT_S2(
         ",\"attemptNumber\":1},\"batch\":{\"id\":\"batch_b1\",\"friendlyId\":\"batch_b1\"}")},
    {"\"batchId\" = 'batch'",
     SNAPSHOT_S2(
         ",\"attemptNumber\":1},\"batch\":{\"id\":\"batch\",\"friendlyId\":\"batch_batch\"}")},
    {"\"batchId\" = 'b\"\\1'",
     SNAPSHOT_S2(",\"attemptNumber\":1},\"batch\":{\"id\":\"b\\\"\\\\1\",\"friendlyId\":"
                 "\"batch_b\\\"\\\\1\"}")},
    {"\"completedWaitpointOrder\" = '{}'", SNAPSHOT_S2(",\"attemptNumber\":1}")},
    {"\"completedWaitpointOrder\" = '{NULL}'", SNAPSHOT_S2(",\"attemptNumber\":1}")},
};

START_TEST(a_field_of_a_snapshot) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    change_snapshot("s2", snapshot_fields[_i].columns);
    ck_assert(!expect("s1", SNAPSHOT_FOUND, snapshot_fields[_i].json));
}
END_TEST

START_TEST(ids_that_have_their_prefix) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("snapshot_2", "00:00:02");
    sql("UPDATE \"TaskRunExecutionSnapshot\" SET \"runId\" = 'run_1'");
    (void)expect_in(
        "e1", "s1", "run_1", SNAPSHOT_FOUND,
        ANSWER(
            "{\"version\":\"1\",\"snapshot\":{\"id\":\"snapshot_2\",\"friendlyId\":\"snapshot_2\""
            ",\"executionStatus\":\"EXECUTING\",\"description\":\"d\",\"createdAt\":"
            "\"2026-01-01T00:00:02.000Z\"},\"run\":{\"id\":\"run_1\",\"friendlyId\":\"run_1\","
            "\"status\":\"EXECUTING\",\"attemptNumber\":1}" TAIL("")));
}
END_TEST

static const char *const execution_statuses[] = {"RUN_CREATED",      "QUEUED",
                                                 "QUEUED_EXECUTING", "PENDING_EXECUTING",
                                                 "EXECUTING",        "SUSPENDED",
                                                 "FINISHED",         "PENDING_CANCEL",
                                                 "DELAYED",          "EXECUTING_WITH_WAITPOINTS"};
static const char *const run_statuses[] = {
    "DELAYED",   "PENDING",    "PENDING_VERSION",        "WAITING_FOR_DEPLOY",     "DEQUEUED",
    "EXECUTING", "TIMED_OUT",  "WAITING_TO_RESUME",      "RETRYING_AFTER_FAILURE", "PAUSED",
    "CANCELED",  "CRASHED",    "COMPLETED_SUCCESSFULLY", "COMPLETED_WITH_ERRORS",  "SYSTEM_FAILURE",
    "EXPIRED",   "INTERRUPTED"};

START_TEST(every_status) {
    const char *run_status = run_statuses[_i];
    const char *execution_status =
        execution_statuses[_i % (int)(sizeof(execution_statuses) / sizeof(char *))];
    char columns[160], json[400];
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    (void)snprintf(columns, sizeof(columns), "\"runStatus\" = '%s', \"executionStatus\" = '%s'",
                   run_status, execution_status);
    change_snapshot("s2", columns);
    (void)snprintf(
        json, sizeof(json),
        ANSWER("{\"version\":\"1\",\"snapshot\":{\"id\":\"s2\",\"friendlyId\":"
               "\"snapshot_s2\",\"executionStatus\":\"%s\",\"description\":\"d\","
               "\"createdAt\":\"2026-01-01T00:00:02.000Z\"},\"run\":{\"id\":\"r1\","
               "\"friendlyId\":\"run_r1\",\"status\":\"%s\",\"attemptNumber\":1}" TAIL("")),
        execution_status, run_status);
    expect_found("s1", json);
}
END_TEST

/* ---- text ---- */

#define DESCRIBED(text)                                                                            \
    ANSWER("{\"version\":\"1\",\"snapshot\":{\"id\":\"s2\",\"friendlyId\":\"snapshot_s2\","        \
           "\"executionStatus\":\"EXECUTING\",\"description\":\"" text                             \
           "\",\"createdAt\":\"2026-01-01T00:00:02.000Z\"}" RUN TAIL(""))

static const struct {
    const char *literal, *json;
} descriptions[] = {
    {"''", DESCRIBED("")},
    {"'say \"hi\" \\ o''clock'", DESCRIBED("say \\\"hi\\\" \\\\ o'clock")},
    {"E'line\\nfeed\\r\\ttab\\b\\f'", DESCRIBED("line\\nfeed\\r\\ttab\\b\\f")},
    {"E'\\x01\\x1f\\x7f'", DESCRIBED("\\u0001\\u001f\x7f")},
    {"U&'\\00e9 \\20ac \\2028 \\+01f600'",
     DESCRIBED("\xc3\xa9 \xe2\x82\xac \xe2\x80\xa8 \xf0\x9f\x98\x80")},
    {"'</script>'", DESCRIBED("</script>")},
};

START_TEST(a_description) {
    char columns[200];
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    (void)snprintf(columns, sizeof(columns), "description = %s", descriptions[_i].literal);
    change_snapshot("s2", columns);
    expect_found("s1", descriptions[_i].json);
}
END_TEST

/* ---- dates ---- */

static const struct {
    const char *literal, *date; /* NULL: malformed */
} dates[] = {
    {"2026-01-01 00:00:02.007", "2026-01-01T00:00:02.007Z"},
    {"2026-12-31 23:59:59.999", "2026-12-31T23:59:59.999Z"},
    {"2028-02-29 12:34:56.780", "2028-02-29T12:34:56.780Z"},
    {"2100-03-01 00:00:00", "2100-03-01T00:00:00.000Z"},
    {"2000-01-01 00:00:00", "2000-01-01T00:00:00.000Z"},
    {"1999-12-31 23:59:59.999", "1999-12-31T23:59:59.999Z"},
    {"1970-01-01 00:00:00", "1970-01-01T00:00:00.000Z"},
    {"1969-12-31 23:59:59.999", "1969-12-31T23:59:59.999Z"},
    {"1969-12-31 23:59:59.001", "1969-12-31T23:59:59.001Z"},
    {"1900-02-28 23:00:00.5", "1900-02-28T23:00:00.500Z"},
    {"1600-02-29 00:00:00", "1600-02-29T00:00:00.000Z"},
    {"0999-01-02 03:04:05.006", "0999-01-02T03:04:05.006Z"},
    {"0004-02-29 00:00:00", "0004-02-29T00:00:00.000Z"},
    {"0001-01-01 00:00:00", "0001-01-01T00:00:00.000Z"},
    {"9999-12-31 23:59:59.999", "9999-12-31T23:59:59.999Z"},
    {"0001-12-31 23:59:59.999 BC", NULL},
    {"10000-01-01 00:00:00", NULL},
    {"4713-01-01 00:00:00 BC", NULL},
    {"294276-12-31 23:59:59.999", NULL},
    {"infinity", NULL},
    {"-infinity", NULL},
};

/* In every column that holds one; but nothing is newer than a since row at -infinity if it is there
 * too. */
START_TEST(a_date) {
    char columns[300], json[1200];
    const char *literal = dates[_i].literal;
    const char *date = dates[_i].date == NULL ? "" : dates[_i].date;
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    put_link("s2", "w1");
    change_snapshot("s1", "\"createdAt\" = '-infinity'");
    if (strcmp(literal, "-infinity") != 0) {
        (void)snprintf(columns, sizeof(columns), "\"createdAt\" = timestamp '%s'", literal);
        change_snapshot("s2", columns);
    }
    (void)snprintf(columns, sizeof(columns),
                   "\"completedAt\" = timestamp '%s', \"completedAfter\" = timestamp '%s'", literal,
                   literal);
    change_waitpoint("w1", columns);
    (void)snprintf(json, sizeof(json),
                   ANSWER(HEAD("s2", "%s") RUN TAIL(
                       "{\"id\":\"w1\",\"friendlyId\":\"waitpoint_w1\",\"type\":\"RUN\","
                       "\"outputType\":\"application/json\",\"outputIsError\":false,"
                       "\"completedAt\":\"%s\",\"completedAfter\":\"%s\"}")),
                   date, date, date);
    (void)expect("s1", date[0] != '\0' ? SNAPSHOT_FOUND : SNAPSHOT_MALFORMED,
                 date[0] != '\0' ? json : NULL);
}
END_TEST

/* ---- checkpoints ---- */

#define CHECKPOINT(more)                                                                           \
    ANSWER(HEAD("s2", AT("00:00:02.000")) RUN                                                      \
           ",\"checkpoint\":{\"id\":\"c1\",\"friendlyId\":\"checkpoint_c1\"" more "}" TAIL(""))

static const struct {
    const char *columns, *json;
} checkpoint_fields[] = {
    {"reason = NULL", CHECKPOINT(",\"type\":\"DOCKER\",\"location\":\"here\",\"imageRef\":null")},
    {"\"imageRef\" = '', reason = ''",
     CHECKPOINT(",\"type\":\"DOCKER\",\"location\":\"here\",\"imageRef\":\"\",\"reason\":\"\"")},
    {"\"imageRef\" = 'img', reason = 'WAIT_FOR_BATCH', type = 'KUBERNETES', location = ''",
     CHECKPOINT(",\"type\":\"KUBERNETES\",\"location\":\"\",\"imageRef\":\"img\",\"reason\":"
                "\"WAIT_FOR_BATCH\"")},
    {"type = 'COMPUTE', \"imageRef\" = '\"', reason = E'\\n'",
     CHECKPOINT(",\"type\":\"COMPUTE\",\"location\":\"here\",\"imageRef\":\"\\\"\",\"reason\":"
                "\"\\n\"")},
};

START_TEST(a_checkpoint) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_checkpoint("c1");
    change_snapshot("s2", "\"checkpointId\" = 'c1'");
    sql("UPDATE \"TaskRunCheckpoint\" SET %s", checkpoint_fields[_i].columns);
    ck_assert(expect("s1", SNAPSHOT_FOUND, checkpoint_fields[_i].json));
}
END_TEST

START_TEST(its_friendly_id_is_its_own) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_checkpoint("c1");
    change_snapshot("s2", "\"checkpointId\" = 'c1'");
    sql("UPDATE \"TaskRunCheckpoint\" SET \"friendlyId\" = 'other'");
    expect_found("s1", ANSWER(HEAD("s2", AT("00:00:02.000")) RUN
                              ",\"checkpoint\":{\"id\":\"c1\",\"friendlyId\":\"other\",\"type\":"
                              "\"DOCKER\",\"location\":\"here\",\"imageRef\":null}" TAIL("")));
}
END_TEST

START_TEST(a_checkpoint_that_is_not_there) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    change_snapshot("s2", "\"checkpointId\" = 'c1'");
    expect_found("s1", ANSWER(SNAPSHOT("s2", "00:00:02.000")));
}
END_TEST

/* Each row has its own, in the midst of others; and the batch comes before it. */
START_TEST(checkpoints_of_several_rows) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_snapshot("s3", "00:00:03");
    put_snapshot("s4", "00:00:04");
    put_checkpoint("c1");
    put_checkpoint("c2");
    change_snapshot("s2", "\"checkpointId\" = 'c2', \"batchId\" = 'b'");
    change_snapshot("s4", "\"checkpointId\" = 'c1'");
    expect_found(
        "s1", ANSWER(HEAD("s2", AT("00:00:02.000")) RUN
                     ",\"batch\":{\"id\":\"b\",\"friendlyId\":\"batch_b\"}"
                     ",\"checkpoint\":{\"id\":\"c2\",\"friendlyId\":\"checkpoint_c2\","
                     "\"type\":\"DOCKER\",\"location\":\"here\",\"imageRef\":null}" TAIL(
                         "") "," SNAPSHOT("s3", "00:00:03.000") "," HEAD("s4", AT("00:00:04.000"))
                         RUN ",\"checkpoint\":{\"id\":\"c1\",\"friendlyId\":"
                             "\"checkpoint_c1\",\"type\":\"DOCKER\",\"location\":\"here\","
                             "\"imageRef\":null}" TAIL("")));
}
END_TEST

/* ---- waitpoints ---- */

#define ONE_WAITPOINT(json) ANSWER(SNAPSHOT_WITH("s2", "00:00:02.000", json))

#define TYPED(type, more)                                                                          \
    ONE_WAITPOINT("{\"id\":\"w1\",\"friendlyId\":\"waitpoint_w1\",\"type\":\"" type                \
                  "\",\"outputType\":\"application/json\",\"outputIsError\":false,"                \
                  "\"completedAt\":\"2026-01-02T00:00:00.000Z\"" more "}")

static const struct {
    const char *columns, *json;
} waitpoint_fields[] = {
    {"type = 'RUN'", TYPED("RUN", "")},
    {"type = 'DATETIME', \"completedAfter\" = timestamp '2026-01-03 04:05:06.789'",
     TYPED("DATETIME", ",\"completedAfter\":\"2026-01-03T04:05:06.789Z\"")},
    {"type = 'MANUAL', \"userProvidedIdempotencyKey\" = true",
     TYPED("MANUAL", ",\"idempotencyKey\":\"key\"")},
    {"type = 'BATCH', \"completedByBatchId\" = 'b9'",
     TYPED("BATCH", ",\"completedByBatch\":{\"id\":\"b9\",\"friendlyId\":\"batch_b9\"}")},
    {"\"completedByBatchId\" = ''", TYPED("RUN", "")},
    {"\"completedByBatchId\" = 'batch_9'",
     TYPED("RUN", ",\"completedByBatch\":{\"id\":\"batch_9\",\"friendlyId\":\"batch_9\"}")},
    {"\"completedByTaskRunId\" = 'r9'",
     TYPED("RUN", ",\"completedByTaskRun\":{\"id\":\"r9\",\"friendlyId\":\"run_r9\"}")},
    {"\"completedByTaskRunId\" = 'run_9'",
     TYPED("RUN", ",\"completedByTaskRun\":{\"id\":\"run_9\",\"friendlyId\":\"run_9\"}")},
    {"\"completedByTaskRunId\" = ''", TYPED("RUN", "")},
    {"\"userProvidedIdempotencyKey\" = true, \"inactiveIdempotencyKey\" = ''",
     TYPED("RUN", ",\"idempotencyKey\":\"key\"")},
    {"\"userProvidedIdempotencyKey\" = true, \"inactiveIdempotencyKey\" = 'old'", TYPED("RUN", "")},
    {"\"userProvidedIdempotencyKey\" = false, \"inactiveIdempotencyKey\" = 'old'",
     TYPED("RUN", "")},
    {"\"userProvidedIdempotencyKey\" = true, \"idempotencyKey\" = ''",
     TYPED("RUN", ",\"idempotencyKey\":\"\"")},
    {"output = ''", TYPED("RUN", ",\"output\":\"\"")},
    {"output = '{\"a\":[1,\"\\n\"]}'",
     TYPED("RUN", ",\"output\":\"{\\\"a\\\":[1,\\\"\\\\n\\\"]}\"")},
    {"output = U&'\\2028\\00e9' || chr(10)",
     TYPED("RUN", ",\"output\":\"\xe2\x80\xa8\xc3\xa9\\n\"")},
    {"\"outputType\" = '', \"outputIsError\" = true",
     ONE_WAITPOINT("{\"id\":\"w1\",\"friendlyId\":\"waitpoint_w1\",\"type\":\"RUN\",\"outputType\":"
                   "\"\",\"outputIsError\":true,\"completedAt\":\"2026-01-02T00:00:00.000Z\"}")},
    {"\"friendlyId\" = 'as it stands', \"completedAt\" = NULL",
     ONE_WAITPOINT("{\"id\":\"w1\",\"friendlyId\":\"as it stands\",\"type\":\"RUN\",\"outputType\":"
                   "\"application/json\",\"outputIsError\":false,\"completedAt\":\"" NOW "\"}")},
    {"type = 'BATCH', \"userProvidedIdempotencyKey\" = true, \"completedByTaskRunId\" = 'r9',"
     " \"completedAfter\" = timestamp '2026-01-03', \"completedByBatchId\" = 'b9', output = 'o'",
     TYPED("BATCH", ",\"idempotencyKey\":\"key\",\"completedByTaskRun\":{\"id\":\"r9\","
                    "\"friendlyId\":\"run_r9\"},\"completedAfter\":\"2026-01-03T00:00:00.000Z\","
                    "\"completedByBatch\":{\"id\":\"b9\",\"friendlyId\":\"batch_b9\"},"
                    "\"output\":\"o\"")},
};

START_TEST(a_field_of_a_waitpoint) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    put_link("s2", "w1");
    change_waitpoint("w1", waitpoint_fields[_i].columns);
    ck_assert(expect("s1", SNAPSHOT_FOUND, waitpoint_fields[_i].json));
}
END_TEST

/* The batch of a waitpoint's run is the snapshot's. */
START_TEST(a_run_in_the_batch_of_the_snapshot) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    put_link("s2", "w1");
    change_waitpoint("w1", "\"completedByTaskRunId\" = 'r9', \"completedByBatchId\" = 'b9'");
    change_snapshot("s2", "\"batchId\" = 'b1'");
    expect_found(
        "s1",
        ANSWER(HEAD("s2", AT("00:00:02.000")) RUN
               ",\"batch\":{\"id\":\"b1\",\"friendlyId\":\"batch_b1\"}" TAIL(WAITPOINT(
                   "w1", ",\"completedByTaskRun\":{\"id\":\"r9\",\"friendlyId\":\"run_r9\","
                         "\"batch\":{\"id\":\"b1\",\"friendlyId\":\"batch_b1\"}}"
                         ",\"completedByBatch\":{\"id\":\"b9\",\"friendlyId\":\"batch_b9\"}"))));
    change_snapshot("s2", "\"batchId\" = ''");
    expect_found(
        "s1", ONE_WAITPOINT(WAITPOINT("w1", ",\"completedByTaskRun\":{\"id\":\"r9\",\"friendlyId\":"
                                            "\"run_r9\"},\"completedByBatch\":{\"id\":\"b9\","
                                            "\"friendlyId\":\"batch_b9\"}")));
}
END_TEST

START_TEST(only_the_latest_has_waitpoints) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_snapshot("s3", "00:00:03");
    put_waitpoint("w1");
    put_waitpoint("w2");
    put_link("s1", "w1");
    put_link("s2", "w1");
    put_link("s3", "w2");
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w1}'");
    expect_found("s1", ANSWER(SNAPSHOT("s2", "00:00:02.000") "," SNAPSHOT_WITH(
                           "s3", "00:00:03.000", WAITPOINT("w2", ""))));
    expect_found("s2", ANSWER(SNAPSHOT_WITH("s3", "00:00:03.000", WAITPOINT("w2", ""))));
    expect_found("s3", NOTHING_NEW);
    unlink_snapshot("s3");
    ck_assert_msg(
        !expect("s1", SNAPSHOT_FOUND,
                ANSWER(SNAPSHOT("s2", "00:00:02.000") "," SNAPSHOT("s3", "00:00:03.000"))),
        "an older row's links are nothing to the lean statement");
}
END_TEST

/* ---- the order of completion ---- */

/* w1, w2 and w3 are there; w1 and w2 are linked, and at first a w4, which is not there. */
static const struct {
    const char *order;
    int distinct; /* ids in the order */
    const char *waitpoints;
} orders[] = {
    {"NULL", 0, WAITPOINT("w1", "") "," WAITPOINT("w2", "")},
    {"'{}'", 0, WAITPOINT("w1", "") "," WAITPOINT("w2", "")},
    {"'{w2,w1}'", 2, INDEXED("w1", "1") "," INDEXED("w2", "0")},
    {"'{w2}'", 1, WAITPOINT("w1", "") "," INDEXED("w2", "0")},
    {"'{w2,w1,w2,w2,w1}'", 2,
     INDEXED("w1", "1") "," INDEXED("w1", "4") "," INDEXED("w2", "0") "," INDEXED(
         "w2", "2") "," INDEXED("w2", "3")},
    {"'{NULL,w2,NULL,w1}'", 2, INDEXED("w1", "3") "," INDEXED("w2", "1")},
    {"'{NULL,NULL,NULL,NULL,NULL}'", 0, WAITPOINT("w1", "") "," WAITPOINT("w2", "")},
    {"'[5:6]={w2,w1}'", 2, INDEXED("w1", "1") "," INDEXED("w2", "0")},
    /* Not linked, or not there: no entry, but a place. */
    {"'{w3,w1}'", 2, INDEXED("w1", "1") "," WAITPOINT("w2", "")},
    {"'{w3,w4,w1}'", 3, INDEXED("w1", "2") "," WAITPOINT("w2", "")},
    {"'{w3,w4,w1,w1,w1}'", 3,
     INDEXED("w1", "2") "," INDEXED("w1", "3") "," INDEXED("w1", "4") "," WAITPOINT("w2", "")},
    {"'{w,W1,w10,w1}'", 4, INDEXED("w1", "3") "," WAITPOINT("w2", "")},
    {"'{\"\",w2,w1}'", 3, INDEXED("w1", "2") "," INDEXED("w2", "1")},
    {"'{w1,w2,w3,w4}'", 4, INDEXED("w1", "0") "," INDEXED("w2", "1")},
    {"'{w1,w2,w5,w4,w1,w5}'", 4, INDEXED("w1", "0") "," INDEXED("w1", "4") "," INDEXED("w2", "1")},
};

START_TEST(an_order) {
    char columns[100], *json = NULL;
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w3");
    put_waitpoint("w2");
    put_waitpoint("w1");
    put_link("s2", "w2");
    put_link("s2", "w4");
    put_link("s2", "w1");
    (void)snprintf(columns, sizeof(columns), "\"completedWaitpointOrder\" = %s", orders[_i].order);
    change_snapshot("s2", columns);
    ck_assert_int_gt(asprintf(&json, ANSWER(HEAD("s2", AT("00:00:02.000")) RUN TAIL("%s")),
                              orders[_i].waitpoints),
                     0);
    expected_lacking = orders[_i].distinct > 3 ? orders[_i].distinct - 2 : 1;
    ck_assert(expect("s1", SNAPSHOT_PARTIAL, json));
    sql("DELETE FROM \"_completedWaitpoints\" WHERE \"B\" = 'w4'");
    sql("DELETE FROM \"CompletedWaitpoint\" WHERE \"waitpointId\" = 'w4'");
    expected_lacking = orders[_i].distinct - 2;
    ck_assert(expect("s1", expected_lacking > 0 ? SNAPSHOT_PARTIAL : SNAPSHOT_FOUND, json));
    expected_lacking = 1;
    free(json);
}
END_TEST

START_TEST(an_order_of_two_dimensions_is_malformed) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{{w1},{w2}}'");
    (void)expect("s1", SNAPSHOT_MALFORMED, NULL);
}
END_TEST

START_TEST(an_order_without_any_link_is_partial) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w1}'");
    ck_assert_msg(!expect("s1", SNAPSHOT_PARTIAL, ANSWER(SNAPSHOT("s2", "00:00:02.000"))),
                  "the lean statement can tell");
    put_link("s2", "w1");
    expect_found("s1", ONE_WAITPOINT(INDEXED("w1", "0")));
}
END_TEST

START_TEST(only_the_latest_order_counts) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_snapshot("s3", "00:00:03");
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w1}'");
    expect_found("s1", ANSWER(SNAPSHOT("s2", "00:00:02.000") "," SNAPSHOT("s3", "00:00:03.000")));
}
END_TEST

START_TEST(a_link_to_nothing_is_partial) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_link("s2", "w1");
    (void)expect("s1", SNAPSHOT_PARTIAL, ANSWER(SNAPSHOT("s2", "00:00:02.000")));
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w1}'");
    (void)expect("s1", SNAPSHOT_PARTIAL, ANSWER(SNAPSHOT("s2", "00:00:02.000")));
    put_waitpoint("w2");
    put_link("s2", "w2");
    (void)expect("s1", SNAPSHOT_PARTIAL, ONE_WAITPOINT(WAITPOINT("w2", "")));
    put_snapshot("s3", "00:00:03");
    expect_found("s1", ANSWER(SNAPSHOT("s2", "00:00:02.000") "," SNAPSHOT("s3", "00:00:03.000")));
}
END_TEST

/* The tables may have lost their unique indexes, and then have a link or a waitpoint twice: it
 * counts once, and makes up for no other that is lacking. */
START_TEST(what_is_there_twice_counts_once) {
    sql("DROP INDEX \"_completedWaitpoints_AB_unique\"");
    sql("ALTER TABLE \"CompletedWaitpoint\" DROP CONSTRAINT \"CompletedWaitpoint_pkey\"");
    sql("ALTER TABLE \"Waitpoint\" DROP CONSTRAINT \"Waitpoint_pkey\"");
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    put_waitpoint("w2");
    put_link("s2", "w2");
    put_link("s2", "w1");
    if (_i == 0) {
        put_link("s2", "w2");
        put_link("s2", "w2");
    } else {
        put_waitpoint("w2");
        put_waitpoint("w2");
    }
    expect_found("s1", ONE_WAITPOINT(WAITPOINT("w1", "") "," WAITPOINT("w2", "")));
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w2,w1,w2}'");
    expect_found("s1",
                 ONE_WAITPOINT(INDEXED("w1", "1") "," INDEXED("w2", "0") "," INDEXED("w2", "2")));
    change_snapshot("s2", "\"completedWaitpointOrder\" = '{w3,w2,w1}'");
    (void)expect("s1", SNAPSHOT_PARTIAL, ONE_WAITPOINT(INDEXED("w1", "2") "," INDEXED("w2", "1")));
}
END_TEST

/* In a database that has both tables a link counts once, wherever it stands. */
START_TEST(links_of_both_tables) {
    static const int first = (int)SNAPSHOT_LINKS_BOTH * (int)SNAPSHOT_STATEMENT_COUNT;
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    put_waitpoint("w1");
    put_waitpoint("w2");
    put_waitpoint("w3");
    put_link("s2", "w1");
    sql("INSERT INTO \"_completedWaitpoints\" VALUES ('s2', 'w2')");
    sql("INSERT INTO \"CompletedWaitpoint\" VALUES ('s2', 'w3')");
    (void)expect_of(
        first + SNAPSHOT_FULL, "s1", "r1", NULL, SNAPSHOT_FOUND,
        ONE_WAITPOINT(WAITPOINT("w1", "") "," WAITPOINT("w2", "") "," WAITPOINT("w3", "")));
    unlink_snapshot("s2");
    sql(_i == 0 ? "INSERT INTO \"_completedWaitpoints\" VALUES ('s2', 'w2')"
                : "INSERT INTO \"CompletedWaitpoint\" VALUES ('s2', 'w2')");
    ck_assert(expect_of(first + SNAPSHOT_LEAN, "s1", "r1", NULL, SNAPSHOT_FOUND, NULL));
    (void)expect_of(first + SNAPSHOT_FULL, "s1", "r1", NULL, SNAPSHOT_FOUND,
                    ONE_WAITPOINT(WAITPOINT("w2", "")));
}
END_TEST

static PGresult *run_beside_both_tables(int which, const char *since) {
    struct named named;
    const struct pg_prepared prepared = prepared_of(which, &named);
    const char *const values[] = {since, "r1"};
    see_tables_of(SNAPSHOT_LINKS_BOTH);
    return PQexecPrepared(link_to_server, prepared.name, prepared.parameter_count, values, NULL,
                          NULL, 1);
}

/* A statement for one of the tables does not know whether a row has links, once the other one is
 * there; the full one fails then. Where there is no row nobody asks. */
START_TEST(the_other_table_has_come) {
    static const struct {
        const char *since;
        enum snapshot_outcome outcome;
    } lookups[] = {{"s1", SNAPSHOT_NEEDS_FULL}, {"s2", SNAPSHOT_FOUND}};
    const int first = _i * (int)SNAPSHOT_STATEMENT_COUNT;
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    for (size_t i = 0; i < 2; i++) {
        const struct snapshot_question asked = {text_of(lookups[i].since), text_of("r1"),
                                                text_of(NULL), true};
        struct snapshot_result read;
        PGresult *result = run_beside_both_tables(first + SNAPSHOT_LEAN, lookups[i].since);
        ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), lookups[i].outcome);
        PQclear(result);
    }
    PGresult *result = run_beside_both_tables(first + SNAPSHOT_FULL, "s1");
    ck_assert_int_eq(PQresultStatus(result), PGRES_FATAL_ERROR);
    ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42P01"); /* undefined_table */
    PQclear(result);
}
END_TEST

static const char *tables_that_are_there(const struct snapshot_sql *of) {
    static char number[8];
    PGresult *result = PQexec(link_to_server, of->links_sql);
    ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
    (void)snprintf(number, sizeof(number), "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return number;
}

/* By the search_path, and in the schema that is named. */
static void expect_tables(const char *by_path, const char *named) {
    ck_assert_str_eq(tables_that_are_there(texts_by_path), by_path);
    ck_assert_str_eq(tables_that_are_there(texts_named[SNAPSHOT_LINKS_BOTH]), named);
}

START_TEST(which_join_table_is_there) {
    expect_tables("2", "2");
    ck_assert_str_eq(tables_that_are_there(texts_named[SNAPSHOT_LINKS_IMPLICIT]), "0");
    ck_assert_str_eq(tables_that_are_there(texts_named[SNAPSHOT_LINKS_EXPLICIT]), "1");
    sql("DROP TABLE \"_completedWaitpoints\" CASCADE");
    expect_tables("1", "1");
    sql("CREATE SCHEMA elsewhere");
    sql("CREATE TABLE elsewhere.\"_completedWaitpoints\" ()");
    expect_tables("1", "1");
    sql("SET LOCAL search_path = elsewhere");
    expect_tables("0", "1");
    sql("SET LOCAL search_path = nowhere");
    expect_tables("", "1");
    sql("DROP TABLE explicit.\"CompletedWaitpoint\" CASCADE");
    expect_tables("", "");
}
END_TEST

/* By bytes, whatever the language of the database. */
START_TEST(waitpoints_are_ordered_by_id) {
    static const char *const ids[] = {"b", "A", "aa", "B", "a", "\xc3\xa9"};
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        put_waitpoint(ids[i]);
        put_link("s2", ids[i]);
    }
    expect_found(
        "s1",
        ONE_WAITPOINT(WAITPOINT("A", "") "," WAITPOINT("B", "") "," WAITPOINT(
            "a", "") "," WAITPOINT("aa", "") "," WAITPOINT("b", "") "," WAITPOINT("\xc3\xa9", "")));
}
END_TEST

/* ---- large answers ---- */

/* A thousand waitpoints, each in the order once, from the last to the first. */
START_TEST(a_thousand_waitpoints) {
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    sql("INSERT INTO \"Waitpoint\" (id, \"friendlyId\", type, \"completedAt\", \"idempotencyKey\","
        " \"userProvidedIdempotencyKey\") SELECT 'w' || i, 'waitpoint_w' || i, 'RUN',"
        " timestamp '2026-01-02', 'key', false FROM generate_series(1000, 1999) i");
    sql("INSERT INTO \"_completedWaitpoints\" SELECT 's2', 'w' || i FROM generate_series(1000, "
        "1999)"
        " i");
    sql("INSERT INTO \"CompletedWaitpoint\" SELECT * FROM \"_completedWaitpoints\"");
    change_snapshot("s2", "\"completedWaitpointOrder\" = ARRAY(SELECT 'w' || i FROM"
                          " generate_series(1999, 1000, -1) i)");
    struct byte_buffer json = BYTE_BUFFER_EMPTY;
    byte_buffer_append_text(&json, "{\"snapshots\":[" HEAD("s2", AT("00:00:02.000")) RUN
                            ",\"completedWaitpoints\":[");
    for (int i = 1000; i < 2000; i++) {
        byte_buffer_append_format(
            &json,
            "%s{\"id\":\"w%d\",\"friendlyId\":\"waitpoint_w%d\",\"type\":"
            "\"RUN\",\"outputType\":\"application/json\",\"outputIsError\":"
            "false,\"completedAt\":\"2026-01-02T00:00:00.000Z\",\"index\":%d}",
            i > 1000 ? "," : "", i, i, 1999 - i);
    }
    byte_buffer_append(&json, "]}]}", sizeof("]}]}"));
    ck_assert(!json.failed);
    expect_found("s1", json.data);
    byte_buffer_free(&json);
}
END_TEST

/* 440 kB, most of it in outputs that the table keeps out of line. */
START_TEST(large_outputs) {
    enum { OUTPUT = 110000, WAITPOINTS = 4 };
    put_snapshot("s1", "00:00:01");
    put_snapshot("s2", "00:00:02");
    struct byte_buffer json = BYTE_BUFFER_EMPTY;
    byte_buffer_append_text(&json, "{\"snapshots\":[" HEAD("s2", AT("00:00:02.000")) RUN
                            ",\"completedWaitpoints\":[");
    for (int i = 0; i < WAITPOINTS; i++) {
        char id[16], columns[200];
        (void)snprintf(id, sizeof(id), "w%d", i);
        put_waitpoint(id);
        put_link("s2", id);
        /* 32 hexadecimal digits that do not compress, and a quote. */
        (void)snprintf(columns, sizeof(columns),
                       "output = (SELECT string_agg(md5((i * %d)::text), '\"') FROM"
                       " generate_series(1, %d) i)",
                       i + 1, OUTPUT / 33);
        change_waitpoint(id, columns);
        PGresult *output =
            PQexec(link_to_server, "SELECT output FROM \"Waitpoint\" ORDER BY id DESC");
        byte_buffer_append_format(&json,
                                  "%s{\"id\":\"w%d\",\"friendlyId\":\"waitpoint_w%d\",\"type\":"
                                  "\"RUN\",\"outputType\":\"application/json\",\"outputIsError\":"
                                  "false,\"completedAt\":\"2026-01-02T00:00:00.000Z\",\"output\":",
                                  i > 0 ? "," : "", i, i);
        json_string_append(&json, PQgetvalue(output, 0, 0), (size_t)PQgetlength(output, 0, 0));
        BYTE_BUFFER_LITERAL(&json, "}");
        PQclear(output);
    }
    byte_buffer_append(&json, "]}]}", sizeof("]}]}"));
    ck_assert(!json.failed);
    ck_assert_uint_gt(json.length, 440000);
    expect_found("s1", json.data);
    byte_buffer_free(&json);
}
END_TEST

/* ---- the statements ---- */

/* A loop's number says which statement, and in which form. */
START_TEST(a_statement_has_its_parameters_and_columns) {
    struct named named;
    const bool group = _i % 2 != 0;
    const struct pg_prepared prepared = prepared_of(_i / 2, &named);
    PGresult *result =
        PQdescribePrepared(link_to_server, group ? prepared.group_name : prepared.name);
    ck_assert_int_eq(PQresultStatus(result), PGRES_COMMAND_OK);
    ck_assert_int_eq(PQnparams(result), prepared.parameter_count);
    for (int i = 0; i < PQnparams(result); i++) {
        ck_assert_uint_eq(PQparamtype(result, i), group ? 1009 : 25); /* text[], text */
    }
    const int full = FULL_COLUMN_COUNT + (prepared.parameter_count == 3); /* the environment */
    ck_assert_int_eq(PQnfields(result), (is_lean(_i / 2) ? LEAN_COLUMN_COUNT : full) +
                                            group); /* the number of the lookup */
    PQclear(result);
}
END_TEST

/* What would read more of a table than an answer needs. Only ids that tie may be sorted, and links
 * of one snapshot. */
static bool is_costly(const char *plan_line) {
    static const char *const costs[] = {"Seq Scan", "Hash", "Materialize", "Bitmap"};
    bool costly = strstr(plan_line, "Sort Key") != NULL && strstr(plan_line, "t.id") == NULL &&
                  strstr(plan_line, ".\"B\"") == NULL;
    for (int i = 0; i < COUNT(costs); i++) {
        costly = costly || strstr(plan_line, costs[i]) != NULL;
    }
    return costly;
}

static void check_plan(int which, bool group) {
    char explain[200];
    struct named named;
    const struct pg_prepared prepared = prepared_of(which, &named);
    const char *name = group ? prepared.group_name : prepared.name;
    (void)snprintf(explain, sizeof(explain),
                   group ? "EXPLAIN (ANALYZE, TIMING OFF) EXECUTE \"%s\"('{s1}', '{r1}'%s)"
                         : "EXPLAIN (ANALYZE, TIMING OFF) EXECUTE \"%s\"('s1', 'r1'%s)",
                   name,
                   prepared.parameter_count < 3 ? ""
                   : group                      ? ", '{e1}'"
                                                : ", 'e1'");
    see_tables_for(which);
    PGresult *plan = PQexec(link_to_server, explain);
    see_tables_of(SNAPSHOT_LINKS_BOTH);
    ck_assert_msg(PQresultStatus(plan) == PGRES_TUPLES_OK, "%s", PQresultErrorMessage(plan));
    bool generic = false;
    for (int i = 0; i < PQntuples(plan); i++) {
        const char *line = PQgetvalue(plan, i, 0);
        ck_assert_msg(!is_costly(line), "%s: %s", name, line);
        generic = generic || strstr(line, group ? "q.snapshot" : "$1") != NULL;
    }
    ck_assert(generic);
    PQclear(plan);
}

/* Through indexes alone, with large tables, by a plan made for any parameters. */
START_TEST(no_statement_reads_a_whole_table) {
    sql("INSERT INTO \"TaskRunExecutionSnapshot\" (id, \"executionStatus\", description, \"runId\","
        " \"runStatus\", \"environmentId\", \"createdAt\") SELECT 's' || i, 'EXECUTING', 'd',"
        " 'r' || i %% 1000, 'EXECUTING', 'e' || i %% 10, timestamp '2026-01-01' + i * interval '1 "
        "s'"
        " FROM generate_series(1, 20000) i");
    sql("INSERT INTO \"TaskRunCheckpoint\" SELECT 'c' || i, 'checkpoint_c' || i, 'DOCKER', 'here'"
        " FROM generate_series(1, 5000) i");
    sql("INSERT INTO \"Waitpoint\" (id, \"friendlyId\", type, \"idempotencyKey\","
        " \"userProvidedIdempotencyKey\") SELECT 'w' || i, 'waitpoint_w' || i, 'RUN', 'key', false"
        " FROM generate_series(1, 5000) i");
    sql("INSERT INTO \"_completedWaitpoints\" SELECT 's' || i, 'w' || i %% 5000"
        " FROM generate_series(1, 10000) i");
    sql("INSERT INTO \"CompletedWaitpoint\" SELECT * FROM \"_completedWaitpoints\"");
    sql("ANALYZE");
    for (int which = 0; which < ALL_STATEMENTS; which++) {
        check_plan(which, false);
        check_plan(which, true);
    }
}
END_TEST

/* ---- set-up ---- */

/* As on a server that is in recovery. */
static void prepare(const char *name, const char *text, bool in_recovery) {
    static const char question[] = "pg_catalog.pg_is_in_recovery()";
    char *taken = strdup(text);
    char *at = strstr(taken, question);
    ck_assert_ptr_nonnull(at);
    for (; in_recovery && at != NULL; at = strstr(at, question)) {
        memset(at, ' ', strlen(question));
        memcpy(at, "true", 4);
    }
    PGresult *result = PQprepare(link_to_server, name, taken, 0, NULL);
    free(taken);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", name,
                  PQresultErrorMessage(result));
    PQclear(result);
}

static void begin(void) {
    char conninfo[160];
    throwaway_conninfo(&server, conninfo, sizeof(conninfo), "dbname=lookups client_encoding=UTF8");
    link_to_server = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(link_to_server) == CONNECTION_OK, "%s", PQerrorMessage(link_to_server));
    sql("SET plan_cache_mode = force_generic_plan");
    for (int i = 0; i < ALL_STATEMENTS; i++) {
        struct named named;
        const struct pg_prepared prepared = prepared_of(i, &named);
        prepare(prepared.name, prepared.sql, is_of_replica(i));
        prepare(prepared.group_name, prepared.group_sql, is_of_replica(i));
    }
    sql("BEGIN");
}

static void end(void) {
    sql("ROLLBACK");
    PQfinish(link_to_server);
}

/* Before the tests, where Check's assertions do not work. */
static void run(PGconn *connection, const char *text) {
    PGresult *result = PQexec(connection, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fprintf(stderr, "%.60s: %s", text, PQresultErrorMessage(result));
        exit(EXIT_FAILURE);
    }
    PQclear(result);
}

static void load_schema(PGconn *connection, const char *path) {
    char *text = malloc(SCHEMA_BYTES);
    FILE *file = fopen(path, "r");
    const size_t length = text == NULL || file == NULL ? 0 : fread(text, 1, SCHEMA_BYTES - 1, file);
    if (length == 0 || fclose(file) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    text[length] = '\0';
    run(connection, text);
    free(text);
}

#define VIEW(schema, table) "CREATE VIEW \"" table "\" AS TABLE " schema ".\"" table "\";"

/* The schemas that are named, each with views of the tables that it shows. */
static void create_schemas(PGconn *connection) {
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "CREATE SCHEMA %s; SET search_path = %s", schemas[links],
                       schemas[links]);
        run(connection, text);
        run(connection, VIEW("public", "TaskRunExecutionSnapshot")
                            VIEW("public", "TaskRunCheckpoint") VIEW("public", "Waitpoint"));
        if (links != SNAPSHOT_LINKS_EXPLICIT) {
            run(connection, VIEW("implicit", "_completedWaitpoints"));
        }
        if (links != SNAPSHOT_LINKS_IMPLICIT) {
            run(connection, VIEW("explicit", "CompletedWaitpoint"));
        }
    }
}

/* A database that sorts as English does, where the server can (from PostgreSQL 15 on). */
static void create_database(void) {
    throwaway_create(&server, "lookups", "timezone = 'Asia/Kolkata'\ndatestyle = 'German'\n", "");
    throwaway_start(&server);
    const bool sorts = throwaway_major(&server) >= 15;
    throwaway_execute(&server, sorts ? "CREATE DATABASE lookups TEMPLATE template0 ENCODING 'UTF8'"
                                       " LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
                                     : "CREATE DATABASE lookups");
    char conninfo[160];
    throwaway_conninfo(&server, conninfo, sizeof(conninfo), "dbname=lookups");
    PGconn *connection = PQconnectdb(conninfo);
    load_schema(connection, "tests/schema.sql");
    run(connection, "CREATE SCHEMA implicit; CREATE SCHEMA explicit;"
                    " ALTER TABLE \"_completedWaitpoints\" SET SCHEMA implicit;"
                    " CREATE TABLE explicit.\"CompletedWaitpoint\""
                    " (\"snapshotId\" text NOT NULL, \"waitpointId\" text NOT NULL,"
                    " PRIMARY KEY (\"snapshotId\", \"waitpointId\"));"
                    " ALTER DATABASE lookups SET search_path = public, implicit, explicit");
    create_schemas(connection);
    PQfinish(connection);
}

static TCase *add_case(Suite *suite, const char *name) {
    return suite_case(suite, name, begin, end, 60);
}

static void add_row_cases(Suite *suite) {
    TCase *since = add_case(suite, "since");
    tcase_add_test(since, nothing_new);
    tcase_add_test(since, no_since_row);
    tcase_add_test(since, a_snapshot_of_another_run_is_no_anchor);
    tcase_add_test(since, a_snapshot_of_another_environment_is_no_anchor);
    tcase_add_test(since, newer_snapshots_of_another_environment_or_run);
    tcase_add_test(since, a_since_row_without_a_time);
    tcase_add_test(since, invalid_snapshots_are_not_answered_but_are_anchors);

    TCase *newer = add_case(suite, "newer");
    tcase_add_test(newer, oldest_first);
    tcase_add_test(newer, those_tied_with_the_since_row_are_not_newer);
    tcase_add_test(newer, ties_are_ordered_by_id);
    tcase_add_loop_test(newer, the_latest_of_a_tie_has_the_waitpoints, 0, 2);
    tcase_add_loop_test(newer, at_most_the_newest_fifty, 0, COUNT(lots));
    tcase_add_loop_test(newer, the_limit_cuts_through_a_tie, 0, 2);
    tcase_add_test(newer, a_tie_beyond_the_limit);
}

static void add_field_cases(Suite *suite) {
    TCase *fields = add_case(suite, "fields");
    tcase_add_loop_test(fields, a_field_of_a_snapshot, 0, COUNT(snapshot_fields));
    tcase_add_test(fields, ids_that_have_their_prefix);
    tcase_add_loop_test(fields, every_status, 0, COUNT(run_statuses));
    tcase_add_loop_test(fields, a_description, 0, COUNT(descriptions));
    tcase_add_loop_test(fields, a_date, 0, COUNT(dates));

    TCase *checkpoints = add_case(suite, "checkpoints");
    tcase_add_loop_test(checkpoints, a_checkpoint, 0, COUNT(checkpoint_fields));
    tcase_add_test(checkpoints, its_friendly_id_is_its_own);
    tcase_add_test(checkpoints, a_checkpoint_that_is_not_there);
    tcase_add_test(checkpoints, checkpoints_of_several_rows);
}

static void add_waitpoint_cases(Suite *suite) {
    TCase *waitpoints = add_case(suite, "waitpoints");
    tcase_add_loop_test(waitpoints, a_field_of_a_waitpoint, 0, COUNT(waitpoint_fields));
    tcase_add_test(waitpoints, a_run_in_the_batch_of_the_snapshot);
    tcase_add_test(waitpoints, only_the_latest_has_waitpoints);
    tcase_add_loop_test(waitpoints, an_order, 0, COUNT(orders));
    tcase_add_test(waitpoints, an_order_of_two_dimensions_is_malformed);
    tcase_add_test(waitpoints, an_order_without_any_link_is_partial);
    tcase_add_test(waitpoints, only_the_latest_order_counts);
    tcase_add_test(waitpoints, a_link_to_nothing_is_partial);
    tcase_add_loop_test(waitpoints, what_is_there_twice_counts_once, 0, 2);
    tcase_add_loop_test(waitpoints, links_of_both_tables, 0, 2);
    tcase_add_loop_test(waitpoints, the_other_table_has_come, 0, 2);
    tcase_add_test(waitpoints, which_join_table_is_there);
    tcase_add_test(waitpoints, waitpoints_are_ordered_by_id);
    tcase_add_test(waitpoints, a_thousand_waitpoints);
    tcase_add_test(waitpoints, large_outputs);
}

int main(void) {
    Suite *suite = suite_create("snapshot_read");
    add_row_cases(suite);
    add_field_cases(suite);
    add_waitpoint_cases(suite);
    TCase *statements = add_case(suite, "statements");
    const int forms = 2 * ALL_STATEMENTS; /* alone and in a group */
    tcase_add_loop_test(statements, a_statement_has_its_parameters_and_columns, 0, forms);
    tcase_add_test(statements, no_statement_reads_a_whole_table);
    texts_by_path = snapshot_sql_new("");
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        texts_named[links] = snapshot_sql_new(schemas[links]);
    }
    if (suite_is_wanted()) {
        create_database();
    }
    const int status = suite_run(suite);
    snapshot_sql_release(texts_by_path);
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        snapshot_sql_release(texts_named[links]);
    }
    throwaway_remove_all((struct throwaway_server *const[]){&server, NULL});
    return status;
}
