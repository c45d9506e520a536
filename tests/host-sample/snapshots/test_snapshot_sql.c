/*
 * test_snapshot_sql.c - the texts for a schema that is named: whatever its name, and wherever a
 * search_path leads, it is that schema's rows that they give. And that nothing is left in the texts
 * that are for no schema in particular.
 */
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

static struct throwaway_server server;
static PGconn *link_to_server;

#define sql(...) checked_sql(link_to_server, __VA_ARGS__)

/* ---- what lookups give ----------------------------------------------------------------------- */

static struct text text_of(const char *text) {
    return (struct text){text, text != NULL ? strlen(text) : 0};
}

/* The description of the newer snapshot, and the friendly ids of checkpoint and waitpoint. */
static void check_rows(const struct snapshot_result *read, const char *description) {
    const struct row *row = &read->rows[read->newest_first[0].row];
    const struct text *found = &row->fields[SNAPSHOT_DESCRIPTION];
    ck_assert_int_eq(read->count, 1);
    ck_assert_int_eq(read->links, 1);
    ck_assert_int_eq((int)found->length, (int)strlen(description));
    ck_assert_int_eq(memcmp(found->bytes, description, found->length), 0);
    ck_assert_ptr_nonnull(row->fields[CHECKPOINT_ID].bytes);
}

/* The statements for one join table fail where the other one is there as well. */
static void leave_tables_of(const struct snapshot_sql *of, int links) {
    char *schema = PQescapeIdentifier(link_to_server, of->schema, strlen(of->schema));
    ck_assert_ptr_nonnull(schema);
    sql("SAVEPOINT all_tables");
    if (links != SNAPSHOT_LINKS_BOTH) {
        sql("DROP TABLE %s.\"%s\"", schema,
            links == SNAPSHOT_LINKS_IMPLICIT ? "CompletedWaitpoint" : "_completedWaitpoints");
    }
    PQfreemem(schema);
}

/* Every statement finds what put_rows has put there. It is asked as on a primary: there those for a
 * replica read nothing, but they must be understood. */
static void expect_rows(const struct snapshot_sql *of, int links, const char *description) {
    leave_tables_of(of, links);
    for (int i = 0; i < 2 * SNAPSHOT_STATEMENT_COUNT; i++) {
        const struct pg_prepared *prepared = &of->statements[links][i / 2];
        const bool group = i % 2 != 0, as_replica = i / 2 < SNAPSHOT_PRIMARY;
        const bool three = prepared->parameter_count == 3;
        const char *const one[] = {"s1", "r1", "e1"}, *const several[] = {"{s1}", "{r1}", "{e1}"};
        const struct snapshot_question asked = {text_of("s1"), text_of("r1"),
                                                text_of(three ? "e1" : NULL), as_replica};
        struct snapshot_result read;
        PGresult *result =
            PQexecParams(link_to_server, group ? prepared->group_sql : prepared->sql,
                         prepared->parameter_count, NULL, group ? several : one, NULL, NULL, 1);
        ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", prepared->name,
                      PQresultErrorMessage(result));
        struct result_rows rows = result_rows_all(result);
        rows.column = group;
        const enum snapshot_outcome outcome = snapshot_read(&read, rows, &asked);
        ck_assert_msg(outcome == (as_replica ? SNAPSHOT_ROLE_CHANGED : SNAPSHOT_FOUND), "%s: %d",
                      prepared->name, (int)outcome);
        if (!as_replica) {
            check_rows(&read, description);
        }
        PQclear(result);
    }
    sql("ROLLBACK TO all_tables");
}

static void expect_links(const struct snapshot_sql *of, const char *wanted) {
    PGresult *result = PQexec(link_to_server, of->links_sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQresultErrorMessage(result));
    ck_assert_str_eq(PQgetvalue(result, 0, 0), wanted);
    PQclear(result);
}

/* ---- schemas --------------------------------------------------------------------------------- */

static void load_schema(void) {
    static char text[SCHEMA_BYTES];
    FILE *file = fopen("tests/schema.sql", "r");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    PGresult *result = PQexec(link_to_server, text);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQresultErrorMessage(result));
    PQclear(result);
    sql("CREATE TABLE \"CompletedWaitpoint\" (\"snapshotId\" text NOT NULL, \"waitpointId\" text"
        " NOT NULL, PRIMARY KEY (\"snapshotId\", \"waitpointId\"))");
}

/* Two snapshots of run r1 by the search_path; the later one has a checkpoint and a waitpoint. */
static void put_rows(const char *description) {
    for (int i = 1; i <= 2; i++) {
        sql("INSERT INTO \"TaskRunExecutionSnapshot\" (id, \"executionStatus\", description,"
            " \"runId\", \"runStatus\", \"environmentId\", \"createdAt\", \"checkpointId\") VALUES"
            " ('s%d', 'EXECUTING', '%s', 'r1', 'EXECUTING', 'e1', '2026-01-01 00:00:0%d', %s)",
            i, description, i, i == 2 ? "'c1'" : "NULL");
    }
    sql("INSERT INTO \"TaskRunCheckpoint\" (id, \"friendlyId\", type, location) VALUES ('c1',"
        " 'checkpoint_c1', 'DOCKER', 'here')");
    sql("INSERT INTO \"Waitpoint\" (id, \"friendlyId\", type, \"completedAt\", \"idempotencyKey\","
        " \"userProvidedIdempotencyKey\") VALUES ('w1', 'waitpoint_w1', 'RUN', '2026-01-02',"
        " 'key', false)");
    sql("INSERT INTO \"_completedWaitpoints\" VALUES ('s2', 'w1')");
    sql("INSERT INTO \"CompletedWaitpoint\" VALUES ('s2', 'w1')");
}

/* A schema of that name, which the search_path leads to, with the tables and rows in it. */
static void create_schema(const char *name, const char *description) {
    char *quoted = PQescapeIdentifier(link_to_server, name, strlen(name));
    ck_assert_ptr_nonnull(quoted);
    sql("CREATE SCHEMA %s", quoted);
    sql("SET search_path = %s", quoted);
    PQfreemem(quoted);
    load_schema();
    put_rows(description);
}

#define LONGEST "a_schema_with_a_name_that_is_as_long_as_they_can_be_63_bytes_in"
_Static_assert(sizeof LONGEST - 1 == 63, "as long as a name may be");

static const char *const names[] = {
    "trigger",
    "Trigger",
    "a schema",
    "a.b",
    "\"",
    "\"quoted\"",
    "say \"x\".\"y\"",
    "'",
    "it's",
    "back\\slash",
    "\\'",
    "\\",
    "); DROP TABLE \"Waitpoint\"; --",
    "$1",
    "%s%n",
    "select",
    "\x01\x02\x03\x06",
    "sch\xc3\xa9ma \xe2\x82\xac \xf0\x9f\x90\x98",
    LONGEST,
};

/* With backslashes that are taken by their word in any literal, or only in those that say so. */
static void any_name(const char *name, const char *conforming) {
    struct snapshot_sql *of = snapshot_sql_new(name);
    sql("SET standard_conforming_strings = %s", conforming);
    expect_links(of, "");
    sql("BEGIN");
    create_schema(name, "right");
    sql("SET search_path = pg_catalog");
    expect_links(of, "2");
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        expect_rows(of, links, "right");
    }
    sql("ROLLBACK");
    ck_assert_str_eq(of->schema, name);
    ck_assert_ptr_nonnull(strstr(of->no_links, name));
    snapshot_sql_release(of);
}

START_TEST(a_name) {
    any_name(names[_i], "on");
    if (throwaway_major(&server) < 19) { /* from then on there is no other setting */
        any_name(names[_i], "off");
    }
}
END_TEST

/* ---- other tables, types and operators of the same names ------------------------------------- */

/* Each gives another answer than the one of pg_catalog, wherever it is taken for it. */
static const char *const decoys[] = {
    "CREATE FUNCTION astray.joined(text, text) RETURNS text IMMUTABLE LANGUAGE sql AS"
    " $$SELECT 'astray'::text$$",
    "CREATE OPERATOR astray.|| (FUNCTION = astray.joined, LEFTARG = text, RIGHTARG = text)",
    "CREATE FUNCTION astray.never(text, text) RETURNS bool IMMUTABLE LANGUAGE sql AS"
    " 'SELECT false'",
    "CREATE OPERATOR astray.= (FUNCTION = astray.never, LEFTARG = text, RIGHTARG = text)",
    "CREATE FUNCTION astray.never(timestamp, timestamp) RETURNS bool IMMUTABLE LANGUAGE sql AS"
    " 'SELECT false'",
    "CREATE OPERATOR astray.> (FUNCTION = astray.never, LEFTARG = timestamp, RIGHTARG = timestamp)",
    "CREATE OPERATOR astray.<= (FUNCTION = astray.never, LEFTARG = timestamp, RIGHTARG ="
    " timestamp)",
    "CREATE FUNCTION astray.unnest(anyarray) RETURNS SETOF text LANGUAGE sql AS"
    " $$SELECT 'astray'::text$$",
    "CREATE FUNCTION astray.to_regclass(text) RETURNS regclass LANGUAGE sql AS"
    " 'SELECT NULL::regclass'",
    "CREATE DOMAIN astray.text AS int",
    "CREATE DOMAIN astray.record AS int",
    "CREATE DOMAIN astray.int8 AS pg_catalog.text",
    "CREATE DOMAIN astray.bool AS int",
};

static void create_decoys(void) {
    create_schema("astray", "wrong");
    for (int i = 0; i < COUNT(decoys); i++) {
        sql("%s", decoys[i]);
    }
}

/* The decoys are good: without the schema's name the same statements are led to them. */
START_TEST(other_names_before_those_of_the_catalog) {
    struct snapshot_sql *by_path = snapshot_sql_new(""), *named = snapshot_sql_new("right");
    sql("BEGIN");
    create_schema("right", "right");
    create_decoys();
    sql("SET search_path = astray");
    expect_rows(by_path, SNAPSHOT_LINKS_BOTH, "wrong");
    sql("SET search_path = astray, pg_catalog");
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        expect_rows(named, links, "right");
    }
    expect_links(named, "2");
    ck_assert_ptr_nonnull(
        strstr(named->statements[0][SNAPSHOT_PRIMARY].sql, " COLLATE pg_catalog.\"C\" DESC"));
    PGresult *result = PQexec(link_to_server, by_path->statements[0][SNAPSHOT_PRIMARY].sql);
    ck_assert_int_eq(PQresultStatus(result), PGRES_FATAL_ERROR);
    PQclear(result);
    sql("ROLLBACK");
    snapshot_sql_release(by_path);
    snapshot_sql_release(named);
}
END_TEST

/* They are found before all others, in whatever schema the path has first. */
START_TEST(temporary_tables) {
    struct snapshot_sql *by_path = snapshot_sql_new(""), *named = snapshot_sql_new("right");
    sql("BEGIN");
    create_schema("right", "right");
    sql("CREATE TEMP TABLE text (n int)");
    sql("CREATE TEMP TABLE record (n int)");
    sql("CREATE TEMP TABLE \"TaskRunExecutionSnapshot\" AS SELECT * FROM"
        " \"right\".\"TaskRunExecutionSnapshot\"");
    sql("UPDATE pg_temp.\"TaskRunExecutionSnapshot\" SET description = 'wrong'");
    for (int links = 0; links < SNAPSHOT_LINKS_COUNT; links++) {
        expect_rows(named, links, "right");
    }
    sql("DROP TABLE pg_temp.text, pg_temp.record");
    expect_rows(by_path, SNAPSHOT_LINKS_BOTH, "wrong");
    sql("ROLLBACK");
    snapshot_sql_release(by_path);
    snapshot_sql_release(named);
}
END_TEST

/* ---- the texts ------------------------------------------------------------------------------- */

static void check_plain(const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        ck_assert_msg((unsigned char)*at >= ' ', "%.60s", at);
    }
    ck_assert_msg(strstr(text, "OPERATOR") == NULL, "%s", text);
    ck_assert_msg(strstr(text, "pg_catalog.text") == NULL, "%s", text);
    ck_assert_msg(strstr(text, ".\"TaskRun") == NULL, "%s", text);
}

START_TEST(no_schema) {
    struct snapshot_sql *of = snapshot_sql_new("");
    for (int i = 0; i < (int)SNAPSHOT_LINKS_COUNT * (int)SNAPSHOT_STATEMENT_COUNT; i++) {
        const struct pg_prepared *prepared =
            &of->statements[i / SNAPSHOT_STATEMENT_COUNT][i % SNAPSHOT_STATEMENT_COUNT];
        check_plain(prepared->sql);
        check_plain(prepared->group_sql);
    }
    check_plain(of->links_sql);
    ck_assert_ptr_nonnull(strstr(of->links_sql, "to_regclass('\"_completedWaitpoints\"')"));
    ck_assert_ptr_nonnull(strstr(of->statements[0][SNAPSHOT_FULL].sql,
                                 " FROM \"TaskRunExecutionSnapshot\" s WHERE s.id = $1 AND "));
    snapshot_sql_release(of);
}
END_TEST

enum { TEXTS = 2 * (int)SNAPSHOT_LINKS_COUNT * (int)SNAPSHOT_STATEMENT_COUNT };

/* Another pg_prepared for each form, so that both are compared alike. */
static void list_texts(const struct snapshot_sql *of, struct pg_prepared *list) {
    for (int i = 0; i < TEXTS; i++) {
        list[i] =
            of->statements[i / 2 / SNAPSHOT_STATEMENT_COUNT][i / 2 % SNAPSHOT_STATEMENT_COUNT];
        if (i % 2 != 0) {
            list[i].name = list[i].group_name;
            list[i].sql = list[i].group_sql;
        }
    }
}

/* Connections may be lent to hosts that read another schema, or that find the links elsewhere. */
START_TEST(a_name_stands_for_one_text) {
    struct snapshot_sql *const of[] = {snapshot_sql_new(""), snapshot_sql_new("a"),
                                       snapshot_sql_new("b"), snapshot_sql_new("a")};
    static struct pg_prepared texts[COUNT(of) * TEXTS];
    for (int i = 0; i < COUNT(of); i++) {
        list_texts(of[i], texts + i * TEXTS);
    }
    for (int i = 0; i < COUNT(texts); i++) {
        ck_assert_uint_lt(strlen(texts[i].name), PG_NAME_SIZE);
        for (int j = 0; j < i; j++) {
            ck_assert_msg((strcmp(texts[i].name, texts[j].name) == 0) ==
                              (strcmp(texts[i].sql, texts[j].sql) == 0),
                          "%s, %s", texts[i].name, texts[j].name);
        }
    }
    for (int i = 0; i < COUNT(of); i++) {
        snapshot_sql_release(of[i]);
    }
}
END_TEST

START_TEST(it_is_there_as_long_as_somebody_holds_it) {
    struct snapshot_sql *of = snapshot_sql_new("a");
    ck_assert_ptr_eq(snapshot_sql_hold(of), of);
    snapshot_sql_release(of);
    ck_assert_str_eq(of->schema, "a");
    snapshot_sql_release(of);
    snapshot_sql_release(NULL);
}
END_TEST

/* ---- set-up ---------------------------------------------------------------------------------- */

static void begin(void) {
    char conninfo[160];
    throwaway_conninfo(&server, conninfo, sizeof(conninfo), "client_encoding=UTF8");
    link_to_server = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(link_to_server) == CONNECTION_OK, "%s", PQerrorMessage(link_to_server));
    sql("SET client_min_messages = error");
}

static void end(void) {
    PQfinish(link_to_server);
}

int main(void) {
    Suite *suite = suite_create("snapshot_sql");
    TCase *texts = suite_case(suite, "texts", NULL, NULL, 60);
    tcase_add_test(texts, no_schema);
    tcase_add_test(texts, a_name_stands_for_one_text);
    tcase_add_test(texts, it_is_there_as_long_as_somebody_holds_it);
    TCase *schemas = suite_case(suite, "schemas", begin, end, 60);
    tcase_add_loop_test(schemas, a_name, 0, COUNT(names));
    tcase_add_test(schemas, other_names_before_those_of_the_catalog);
    tcase_add_test(schemas, temporary_tables);
    if (suite_is_wanted()) {
        throwaway_create(&server, "schemas", "", "");
        throwaway_start(&server);
    }
    const int status = suite_run(suite);
    throwaway_remove_all((struct throwaway_server *const[]){&server, NULL});
    return status;
}
