/*
 * statement.c - the SQL of the lookup.
 *
 * No row: no since row. One row of NULLs: nothing new. Otherwise one row for each newer snapshot
 * and, from the full statement, one for each link of the latest of them to a waitpoint.
 *
 * Why it is written as it is (server CPU, measured in pipelined batches):
 * - One composite column where most answers are empty: a result's description costs the server for
 *   each column, every time. Columns where there are rows: of many, each composite value costs
 * more.
 * - A row for each waitpoint, not one array of them: record_send keeps a kilobyte for each field of
 *   each element until the array is sent, and all of it has to be in memory at once.
 * - No sort of the rows and no window: the index gives them by "createdAt", and the reader puts
 *   ties in order. WITH TIES keeps those that the limit would cut through. Only the ids of rows
 *   that tie for the latest are sorted, so that no more than one row's waitpoints are sent.
 * - The bound by 'infinity' excludes nothing, but with a bound on either side the planner expects a
 *   single row (DEFAULT_RANGE_INEQ_SEL) and reads the index in its order. Expecting more, it sorts
 *   the rows of a bitmap, all of them, however many.
 * - OFFSET 0 in a subquery makes the planner leave it as it is: it is then run for each outer row,
 *   through an index. Otherwise a hash of a whole table is among the plans, and a generic plan made
 *   while that table was small would keep it.
 * - Each comes in a form for a group of lookups (postgres/group.h), whose OFFSET 0 has each of them
 * run by itself, in the order of their numbers: the plan of one lookup, begun once for all.
 * - The lean statement does without two tables. It stops at one row more than it may answer,
 *   because each row asks the join table whether it has links.
 *
 * Ties are ordered by id as the runners compare ids, by code unit. COLLATE "C" compares bytes of
 * UTF-8, as the reader does, which is the same but for characters beyond U+FFFF, and no id has
 * those.
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

#define SNAPSHOT_SQL_HAS_LINK                                                                      \
    "EXISTS (SELECT 1 FROM \"_completedWaitpoints\" l WHERE l.\"A\" = n.id OFFSET 0)"

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

/* What the since row s is joined with, and s itself. */
#define SINCE(of, environment, joined)                                                             \
    "SELECT r.* FROM \"TaskRunExecutionSnapshot\" s LEFT JOIN LATERAL (" joined ") r ON true"      \
    " WHERE s.id = " ASKED(of, SNAPSHOT) " AND s.\"runId\" = " ASKED(of, RUN) environment(of, "s")

/* The newer rows, newest first. */
#define NEWER(of, environment, columns)                                                            \
    "SELECT " columns " FROM \"TaskRunExecutionSnapshot\" n"                                       \
    " WHERE n.\"runId\" = " ASKED(of, RUN) " AND n.\"isValid\""                                    \
    " AND n.\"createdAt\" > s.\"createdAt\""                                                       \
    " AND n.\"createdAt\" <= 'infinity'" environment(of, "n")                                      \
    " ORDER BY n.\"createdAt\" DESC"

#define FIRST_ROWS_WITH_TIES(count) " FETCH FIRST " count " ROWS WITH TIES"

#define LEAN(of, environment)                                                                      \
    SINCE(of, environment,                                                                         \
          NEWER(of, environment,                                                                   \
                "ROW(" SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) LEAN_FIELDS(NEXT_COLUMN) ") AS r") \
          " LIMIT " TEXT_OF(LEAN_LIMIT))

#define CHECKPOINT                                                                                 \
    "CASE WHEN n.\"checkpointId\" IS NOT NULL THEN"                                                \
    " (SELECT ROW(" CHECKPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                               \
    " FROM \"TaskRunCheckpoint\" c WHERE c.id = n.\"checkpointId\") END"

#define SNAPSHOT_ROWS(of, environment)                                                             \
    "(" NEWER(of, environment,                                                                     \
              SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ", " CHECKPOINT ", NULL::record")         \
    FIRST_ROWS_WITH_TIES(TEXT_OF(FULL_LIMIT)) ")"

#define WAITPOINT_ROWS(of, environment)                                                            \
    "(SELECT " SNAPSHOT_FIELDS(FIRST_NULL, NEXT_NULL) ", NULL,"                                    \
    " ROW(" WAITPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                                        \
    " FROM (SELECT t.id FROM (" NEWER(of, environment, "n.id") FIRST_ROWS_WITH_TIES("1") ") t"     \
    " ORDER BY t.id COLLATE \"C\" DESC LIMIT 1) n"                                                 \
    " CROSS JOIN LATERAL (SELECT l.\"B\" FROM \"_completedWaitpoints\" l"                          \
    " WHERE l.\"A\" = n.id OFFSET 0) l"                                                            \
    " LEFT JOIN LATERAL (SELECT * FROM \"Waitpoint\" w"                                            \
    " WHERE w.id = l.\"B\" OFFSET 0) w ON true)"

#define FULL(of, environment)                                                                      \
    SINCE(of, environment,                                                                         \
          SNAPSHOT_ROWS(of, environment) " UNION ALL " WAITPOINT_ROWS(of, environment))

#define GROUP(arrays, names, one)                                                                  \
    "SELECT q.n, a.* FROM unnest(" arrays ") WITH ORDINALITY AS q (" names ", n)"                  \
    " CROSS JOIN LATERAL (" one " OFFSET 0) a"

#define GROUP_OF_TWO(one)                                                                          \
    GROUP("$1::text[], $2::text[]", "snapshot, run", one)

#define GROUP_OF_THREE(one)                                                                        \
    GROUP("$1::text[], $2::text[], $3::text[]", "snapshot, run, environment", one)

/* clang-format on */

#define STATEMENT(statement_name, text, environment, count, group)                                 \
    {                                                                                              \
        .name = (statement_name), .sql = text(OF_ONE, environment), .parameter_count = (count),    \
        .group_name = "group_" statement_name, .group_sql = group(text(OF_EACH, environment))      \
    }

const struct pg_prepared snapshot_statements[SNAPSHOT_STATEMENT_COUNT] = {
    [SNAPSHOT_STATEMENT_ANY_ENVIRONMENT] =
        STATEMENT("snapshots_since", FULL, ANY_ENVIRONMENT, 2, GROUP_OF_TWO),
    [SNAPSHOT_STATEMENT_ONE_ENVIRONMENT] =
        STATEMENT("snapshots_since_in_environment", FULL, ONE_ENVIRONMENT, 3, GROUP_OF_THREE),
    [SNAPSHOT_STATEMENT_LEAN_ANY_ENVIRONMENT] =
        STATEMENT("lean_snapshots_since", LEAN, ANY_ENVIRONMENT, 2, GROUP_OF_TWO),
    [SNAPSHOT_STATEMENT_LEAN_ONE_ENVIRONMENT] =
        STATEMENT("lean_snapshots_since_in_environment", LEAN, ONE_ENVIRONMENT, 3, GROUP_OF_THREE),
};

const char *const snapshot_settings[SNAPSHOT_SETTING_COUNT] = {
    /* The newest rows of a run are read in the index's order and end at a limit; a bitmap would
     * fetch and sort all of them. */
    "SET enable_bitmapscan = off",
    /* The statements are point reads: planning them again gains nothing. */
    "SET plan_cache_mode = force_generic_plan",
};
