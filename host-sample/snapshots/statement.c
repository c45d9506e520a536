/*
 * statement.c - the SQL of the lookup.
 *
 * Each row begins with a head, a text: who answered, where it stands, and which question this is
 * the answer to (head.h). From the lean statement the row goes on with a newer snapshot, or NULL if
 * there is none. From the full one the head stands alone in a row of its own, and then come a row
 * for each newer snapshot and one for each link of the latest of them to a waitpoint.
 *
 * For a replica there are texts that read nothing once the server is out of recovery: until
 * somebody notices that a standby was promoted, the reads that were meant for it cost the new
 * primary nothing. The texts for a primary do not look.
 *
 * Why it is written as it is (server CPU, measured in pipelined batches):
 * - The head is one text: a result's description costs the server for each column, every time, and
 *   a composite value costs more than texts that are joined. Where there may be many rows it is
 *   said once.
 * - The server's recovery is asked in a subquery of its own: its one answer guards the others, and
 *   stands in the head. As a condition of its own, (SELECT pg_is_in_recovery()), beside a column
 *   for it, it costs more and could give two answers.
 * - One composite column where most answers are empty, columns where there are rows: of many, each
 *   composite value costs more.
 * - A row for each waitpoint, not one array of them: record_send keeps a kilobyte for each field of
 *   each element until the array is sent, and all of it has to be in memory at once.
 * - No sort of the rows and no window: the index gives them by "createdAt", and the reader puts
 *   ties in order. WITH TIES keeps those that the limit would cut through. Only the ids of rows
 *   that tie for the latest are sorted, so that no more than one row's waitpoints are sent.
 * - The bound by 'infinity' excludes nothing, but with a bound on either side the planner expects a
 *   single row (DEFAULT_RANGE_INEQ_SEL) and reads the index in its order. Expecting more, it sorts
 *   the rows of a bitmap, all of them, however many.
 * - OFFSET 0 in a subquery makes the planner leave it as it is: it is then run for each outer row,
 *   through an index, and not at all if a condition on the outer row alone fails. Otherwise a hash
 *   of a whole table is among the plans, and a generic plan made while that table was small would
 *   keep it.
 * - Each comes in a form for a group of lookups (postgres/group.h), whose OFFSET 0 has each of them
 *   run by itself, in the order of their numbers: the plan of one lookup, begun once for all.
 * - The lean statement does without two tables. It stops at one row more than it may answer,
 *   because each row asks the join table whether it has links.
 *
 * Ties are ordered by id as the runners compare ids, by code unit. COLLATE "C" compares bytes of
 * UTF-8, as the reader does, which is the same but for characters beyond U+FFFF, and no id has
 * those.
 *
 * The join table of snapshots and waitpoints has two forms, and in the course of a migration a
 * database may have both: a link then counts in whichever it stands.
 */
#include "read.h"
#include "rows.h"

#include <stddef.h>

#define TEXT_OF(macro)    TEXT_OF_IT(macro)
#define TEXT_OF_IT(value) #value
#define FULL_LIMIT        50
#define LEAN_LIMIT        4

_Static_assert(FULL_LIMIT == SNAPSHOT_MAX_ROWS, "one limit");
_Static_assert(LEAN_LIMIT == SNAPSHOT_MAX_LEAN_ROWS + 1, "one too many tells of more");

/* The statement's text in a row's list of fields. */
#define FIRST_COLUMN(name, column, type, null) column
#define NEXT_COLUMN(name, column, type, null)  ", " column
#define FIRST_NULL(name, column, type, null)   "NULL"
#define NEXT_NULL(name, column, type, null)    ", NULL"

/* The waitpoints that the snapshot n is linked to, by schema. */
#define LINKS_IMPLICIT "SELECT l.\"B\" FROM \"_completedWaitpoints\" l WHERE l.\"A\" = n.id"
#define LINKS_EXPLICIT                                                                             \
    "SELECT l.\"waitpointId\" FROM \"CompletedWaitpoint\" l WHERE l.\"snapshotId\" = n.id"
#define LINKS_OF_BOTH LINKS_IMPLICIT " UNION " LINKS_EXPLICIT

#define EXISTS_IMPLICIT "EXISTS (" LINKS_IMPLICIT " OFFSET 0)"
#define EXISTS_EXPLICIT "EXISTS (" LINKS_EXPLICIT " OFFSET 0)"
#define EXISTS_OF_BOTH  EXISTS_IMPLICIT " OR " EXISTS_EXPLICIT

/* The parameters: of one lookup, or of the lookup q of a group. */
#define OF_ONE_SNAPSHOT     "$1"
#define OF_ONE_RUN          "$2"
#define OF_ONE_ENVIRONMENT  "$3"
#define OF_EACH_SNAPSHOT    "q.snapshot"
#define OF_EACH_RUN         "q.run"
#define OF_EACH_ENVIRONMENT "q.environment"
#define ASKED(of, what)     of##_##what

/* If an environment is given, every row must be of it. */
#define ANY_ENVIRONMENT(of, row) ""
#define ONE_ENVIRONMENT(of, row) " AND " row ".\"environmentId\" = " ASKED(of, ENVIRONMENT)

/* The SQL keeps its own line breaks. */
/* clang-format off */

#define SERVER "(SELECT pg_catalog.pg_is_in_recovery() AS recovering OFFSET 0) server"

/* Whether the server is read at all. */
#define GUARD_OF_REPLICA "server.recovering AND "
#define GUARD_OF_PRIMARY ""

/* The position after the statement's snapshot. */
#define AFTER_OF_REPLICA "pg_catalog.pg_last_wal_replay_lsn()"
#define AFTER_OF_PRIMARY                                                                           \
    "CASE WHEN server.recovering THEN pg_catalog.pg_last_wal_replay_lsn()"                         \
    " ELSE pg_catalog.pg_current_wal_insert_lsn() END"

/* The question, each of its ids on a line, and then what there is to say: see head.h. */
#define ECHO_ANY_ENVIRONMENT(of) ASKED(of, SNAPSHOT) " || E'\\n' || " ASKED(of, RUN)
#define ECHO_ONE_ENVIRONMENT(of)                                                                   \
    ECHO_ANY_ENVIRONMENT(of) " || E'\\n' || " ASKED(of, ENVIRONMENT)

#define HEAD(of, environment, role, since)                                                         \
    ECHO_##environment(of)                                                                         \
    " || CASE WHEN server.recovering"                                                              \
    " THEN CASE WHEN " since " IS NULL THEN E'\\nrm' ELSE E'\\nrf' END"                            \
    " ELSE CASE WHEN " since " IS NULL THEN E'\\npm' ELSE E'\\npf' END END"                        \
    " || COALESCE((" AFTER_##role ")::text, '')"

/* The since row s. */
#define SINCE(of, environment, role, columns, joined)                                              \
    "SELECT " columns " FROM \"TaskRunExecutionSnapshot\" s" joined                                \
    " WHERE " GUARD_##role "s.id = " ASKED(of, SNAPSHOT)                                           \
    " AND s.\"runId\" = " ASKED(of, RUN) environment(of, "s") " OFFSET 0"

/* The newer rows, newest first, on a condition. */
#define NEWER(of, environment, columns, condition)                                                 \
    "SELECT " columns " FROM \"TaskRunExecutionSnapshot\" n"                                       \
    " WHERE " condition "n.\"runId\" = " ASKED(of, RUN) " AND n.\"isValid\""                       \
    " AND n.\"createdAt\" > s.\"createdAt\""                                                       \
    " AND n.\"createdAt\" <= 'infinity'" environment(of, "n")                                      \
    " ORDER BY n.\"createdAt\" DESC"

#define ALWAYS     ""
#define IF_THERE_IS "s.id IS NOT NULL AND "

#define FIRST_ROWS_WITH_TIES(count) " FETCH FIRST " count " ROWS WITH TIES"

#define LEAN_ROW(schema)                                                                           \
    "ROW(" SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) LEAN_FIELDS(NEXT_COLUMN)                     \
    ", " EXISTS_##schema ") AS r"

#define LEAN(of, environment, role, schema)                                                        \
    "SELECT " HEAD(of, environment, role, "a.since") ", a.r"                                       \
    " FROM " SERVER " LEFT JOIN LATERAL ("                                                         \
    SINCE(of, environment, role, "s.id AS since, r.r",                                             \
          " LEFT JOIN LATERAL ("                                                                   \
          NEWER(of, environment, LEAN_ROW(schema), ALWAYS) " LIMIT " TEXT_OF(LEAN_LIMIT)           \
          ") r ON true")                                                                           \
    ") a ON true"

#define CHECKPOINT                                                                                 \
    "CASE WHEN n.\"checkpointId\" IS NOT NULL THEN"                                                \
    " (SELECT ROW(" CHECKPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                               \
    " FROM \"TaskRunCheckpoint\" c WHERE c.id = n.\"checkpointId\") END"

#define HEAD_ROW(of, environment, role)                                                            \
    "SELECT " HEAD(of, environment, role, "s.id")                                                  \
    SNAPSHOT_FIELDS(NEXT_NULL, NEXT_NULL) ", NULL, NULL::record"

#define SNAPSHOT_ROWS(of, environment)                                                             \
    "(" NEWER(of, environment,                                                                     \
              "NULL" SNAPSHOT_FIELDS(NEXT_COLUMN, NEXT_COLUMN) ", " CHECKPOINT ", NULL",           \
              IF_THERE_IS)                                                                         \
    FIRST_ROWS_WITH_TIES(TEXT_OF(FULL_LIMIT)) ")"

#define WAITPOINT_ROWS(of, environment, schema)                                                    \
    "(SELECT NULL" SNAPSHOT_FIELDS(NEXT_NULL, NEXT_NULL) ", NULL,"                                 \
    " ROW(" WAITPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                                        \
    " FROM (SELECT t.id FROM ("                                                                    \
    NEWER(of, environment, "n.id", IF_THERE_IS) FIRST_ROWS_WITH_TIES("1") ") t"                    \
    " ORDER BY t.id COLLATE \"C\" DESC LIMIT 1) n"                                                 \
    " CROSS JOIN LATERAL (" LINKS_##schema " OFFSET 0) l (waitpoint)"                              \
    " LEFT JOIN LATERAL (SELECT * FROM \"Waitpoint\" w"                                            \
    " WHERE w.id = l.waitpoint OFFSET 0) w ON true)"

#define FULL(of, environment, role, schema)                                                        \
    "SELECT a.* FROM " SERVER " LEFT JOIN LATERAL ("                                               \
    SINCE(of, environment, role, "s.id, s.\"createdAt\"", "") ") s ON true"                        \
    " CROSS JOIN LATERAL (" HEAD_ROW(of, environment, role)                                        \
    " UNION ALL " SNAPSHOT_ROWS(of, environment)                                                   \
    " UNION ALL " WAITPOINT_ROWS(of, environment, schema) ") a"

#define GROUP(arrays, names, one)                                                                  \
    "SELECT q.n, a.* FROM unnest(" arrays ") WITH ORDINALITY AS q (" names ", n)"                  \
    " CROSS JOIN LATERAL (" one " OFFSET 0) a"

#define GROUP_OF_TWO(one)                                                                          \
    GROUP("$1::text[], $2::text[]", "snapshot, run", one)

#define GROUP_OF_THREE(one)                                                                        \
    GROUP("$1::text[], $2::text[], $3::text[]", "snapshot, run, environment", one)

/* clang-format on */

#define STATEMENT(statement_name, text, environment, role, schema, count, group)                   \
    {.name = (statement_name),                                                                     \
     .sql = text(OF_ONE, environment, role, schema),                                               \
     .parameter_count = (count),                                                                   \
     .group_name = "group_" statement_name,                                                        \
     .group_sql = group(text(OF_EACH, environment, role, schema))}

/* clang-format off */
#define STATEMENTS(schema)                                                                         \
    {                                                                                              \
        [SNAPSHOT_FULL] = STATEMENT(                                                               \
            "snapshots_since", FULL, ANY_ENVIRONMENT, OF_REPLICA, schema, 2, GROUP_OF_TWO),        \
        [SNAPSHOT_FULL_IN_ENVIRONMENT] = STATEMENT(                                                \
            "snapshots_since_in_environment", FULL, ONE_ENVIRONMENT, OF_REPLICA, schema, 3,        \
            GROUP_OF_THREE),                                                                       \
        [SNAPSHOT_LEAN] = STATEMENT(                                                               \
            "lean_snapshots_since", LEAN, ANY_ENVIRONMENT, OF_REPLICA, schema, 2, GROUP_OF_TWO),   \
        [SNAPSHOT_LEAN_IN_ENVIRONMENT] = STATEMENT(                                                \
            "lean_snapshots_since_in_environment", LEAN, ONE_ENVIRONMENT, OF_REPLICA, schema, 3,   \
            GROUP_OF_THREE),                                                                       \
        [SNAPSHOT_PRIMARY] = STATEMENT(                                                            \
            "primary_snapshots_since", FULL, ANY_ENVIRONMENT, OF_PRIMARY, schema, 2,               \
            GROUP_OF_TWO),                                                                         \
        [SNAPSHOT_PRIMARY_IN_ENVIRONMENT] = STATEMENT(                                             \
            "primary_snapshots_since_in_environment", FULL, ONE_ENVIRONMENT, OF_PRIMARY, schema,   \
            3, GROUP_OF_THREE),                                                                    \
    }
/* clang-format on */

const struct pg_prepared snapshot_statements[SNAPSHOT_SCHEMA_COUNT][SNAPSHOT_STATEMENT_COUNT] = {
    [SNAPSHOT_SCHEMA_IMPLICIT] = STATEMENTS(IMPLICIT),
    [SNAPSHOT_SCHEMA_EXPLICIT] = STATEMENTS(EXPLICIT),
    [SNAPSHOT_SCHEMA_BOTH] = STATEMENTS(OF_BOTH),
};

const char *const snapshot_settings[SNAPSHOT_SETTING_COUNT] = {
    /* The newest rows of a run are read in the index's order and end at a limit; a bitmap would
     * fetch and sort all of them. */
    "SET enable_bitmapscan = off",
    /* The statements are point reads: planning them again gains nothing. */
    "SET plan_cache_mode = force_generic_plan",
};

_Static_assert(SNAPSHOT_SCHEMA_IMPLICIT == 0 && SNAPSHOT_SCHEMA_EXPLICIT == 1 &&
                   SNAPSHOT_SCHEMA_BOTH == 2,
               "as the question has them");

const char snapshot_schema_sql[] =
    "SELECT CASE WHEN l.implicit AND l.explicit THEN 2 WHEN l.explicit THEN 1"
    " WHEN l.implicit THEN 0 END FROM (SELECT"
    " pg_catalog.to_regclass('\"_completedWaitpoints\"') IS NOT NULL AS implicit,"
    " pg_catalog.to_regclass('\"CompletedWaitpoint\"') IS NOT NULL AS explicit) l";
