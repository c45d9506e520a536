/*
 * test_snapshot_roles.c - who answers: what the heads of answers say, from a primary and from a
 * standby that is promoted under the statements, and that the statements for a replica then read
 * nothing.
 */
#include "host-sample/snapshots/read.h"
#include "tests/lib/suite.h"
#include "tests/lib/throwaway_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct throwaway_server primary, standby;
static PGconn *link_to_server;
static struct snapshot_sql *sql;

static void connect_to(const struct throwaway_server *server) {
    char conninfo[160];
    throwaway_conninfo(server, conninfo, sizeof(conninfo), "");
    link_to_server = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(link_to_server) == CONNECTION_OK, "%s", PQerrorMessage(link_to_server));
}

static void check_position(const char *position) {
    unsigned high, low;
    ck_assert_msg(sscanf(position, "%X/%X", &high, &low) == 2, "%s", position);
    ck_assert(high > 0 || low > 0);
}

static PGresult *look_up(const struct pg_prepared *prepared, bool group, const char *snapshot) {
    char array[40];
    (void)snprintf(array, sizeof(array), "{%s}", snapshot);
    const char *const one[] = {snapshot, "r1", "e1"}, *const several[] = {array, "{r1}", "{e1}"};
    PGresult *result =
        PQexecParams(link_to_server, group ? prepared->group_sql : prepared->sql,
                     prepared->parameter_count, NULL, group ? several : one, NULL, NULL, 1);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQresultErrorMessage(result));
    return result;
}

/* By every statement for that role. */
static void expect(bool as_replica, bool recovering, const char *snapshot,
                   enum snapshot_outcome outcome) {
    for (int i = 0; i < 2 * SNAPSHOT_STATEMENT_COUNT; i++) {
        const int which = i / 2;
        const bool group = i % 2 != 0;
        const struct pg_prepared *prepared = &sql->statements[0][which];
        if ((which < SNAPSHOT_PRIMARY) != as_replica) {
            continue;
        }
        struct snapshot_question asked = {
            {snapshot, strlen(snapshot)}, {"r1", 2}, {NULL, 0}, as_replica};
        if (prepared->parameter_count == 3) {
            asked.environment = (struct text){"e1", 2};
        }
        struct snapshot_result read;
        PGresult *result = look_up(prepared, group, snapshot);
        struct result_rows rows = result_rows_all(result);
        rows.column = group;
        ck_assert_msg(snapshot_read(&read, rows, &asked) == outcome, "%s: %d", prepared->name,
                      (int)read.outcome);
        ck_assert(read.head.recovering == recovering);
        if (outcome != SNAPSHOT_ROLE_CHANGED) {
            check_position(read.head.after);
        }
        PQclear(result);
    }
}

/* The position is taken after the snapshot: it is not before what the answer shows. */
START_TEST(a_primary_says_where_it_is) {
    connect_to(&primary);
    throwaway_execute(&primary, "CREATE TABLE IF NOT EXISTS t (n int)");
    for (int i = 0; i < 50; i++) {
        char before[40], compare[200];
        throwaway_execute(&primary, "INSERT INTO t VALUES (1)");
        (void)snprintf(before, sizeof(before), "%s",
                       throwaway_execute(&primary, "SELECT pg_current_wal_flush_lsn()"));
        const struct snapshot_question asked = {{"s1", 2}, {"r1", 2}, {NULL, 0}, false};
        struct snapshot_result read;
        PGresult *result = look_up(&sql->statements[0][SNAPSHOT_PRIMARY], false, "s1");
        ck_assert_int_eq(snapshot_read(&read, result_rows_all(result), &asked), SNAPSHOT_FOUND);
        (void)snprintf(compare, sizeof(compare), "SELECT '%s'::pg_lsn >= '%s'::pg_lsn",
                       read.head.after, before);
        ck_assert_str_eq(throwaway_execute(&primary, compare), "t");
        PQclear(result);
    }
    expect(false, false, "s1", SNAPSHOT_FOUND);
    expect(false, false, "s0", SNAPSHOT_MISSING);
    expect(true, false, "s1", SNAPSHOT_ROLE_CHANGED);
    PQfinish(link_to_server);
}
END_TEST

static int scans(void) {
    return atoi(throwaway_execute(
        &standby, "SELECT sum(seq_scan + idx_scan) FROM pg_stat_user_tables WHERE relname IN"
                  " ('TaskRunExecutionSnapshot', '_completedWaitpoints', 'Waitpoint',"
                  " 'TaskRunCheckpoint')"));
}

/* So the answers of one that is promoted are never taken for a replica's, and cost it nothing. */
START_TEST(a_standby_is_promoted) {
    throwaway_catch_up(&primary, &standby);
    connect_to(&standby);
    expect(true, true, "s1", SNAPSHOT_FOUND);
    expect(true, true, "s0", SNAPSHOT_MISSING);
    expect(false, true, "s1", SNAPSHOT_FOUND);
    throwaway_execute(&standby, "SELECT pg_promote()");
    throwaway_await(&standby, "SELECT pg_is_in_recovery()", "f");
    /* A server process hands its statistics in when it ends, at the latest. */
    PQfinish(link_to_server);
    throwaway_await(&standby,
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type ="
                    " 'client backend'",
                    "1");
    connect_to(&standby);
    const int before = scans();
    expect(true, false, "s1", SNAPSHOT_ROLE_CHANGED);
    expect(true, false, "s0", SNAPSHOT_ROLE_CHANGED);
    PQfinish(link_to_server);
    throwaway_await(&standby,
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type ="
                    " 'client backend'",
                    "1");
    ck_assert_int_eq(scans(), before);
    connect_to(&standby);
    expect(false, false, "s1", SNAPSHOT_FOUND);
    PQfinish(link_to_server);
}
END_TEST

static void create_servers(void) {
    throwaway_create(&primary, "primary", "", "");
    throwaway_start(&primary);
    FILE *file = fopen("tests/schema.sql", "r");
    static char schema[65536];
    if (file == NULL || fread(schema, 1, sizeof(schema) - 1, file) == 0) {
        fprintf(stderr, "cannot read tests/schema.sql\n");
        exit(EXIT_FAILURE);
    }
    (void)fclose(file);
    throwaway_execute(&primary, schema);
    throwaway_execute(&primary, "INSERT INTO \"TaskRunExecutionSnapshot\" (id, \"executionStatus\","
                                " description, \"runId\", \"runStatus\", \"environmentId\")"
                                " VALUES ('s1', 'EXECUTING', 'd', 'r1', 'EXECUTING', 'e1')");
    throwaway_create_standby(&standby, "standby", &primary);
    throwaway_start(&standby);
}

int main(void) {
    Suite *suite = suite_create("snapshot_roles");
    TCase *roles = suite_case(suite, "roles", NULL, NULL, 60);
    tcase_add_test(roles, a_primary_says_where_it_is);
    tcase_add_test(roles, a_standby_is_promoted);
    if (suite_is_wanted()) {
        create_servers();
    }
    sql = snapshot_sql_new("");
    const int status = suite_run(suite);
    snapshot_sql_release(sql);
    throwaway_remove_all((struct throwaway_server *const[]){&standby, &primary, NULL});
    return status;
}
