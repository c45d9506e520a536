/*
 * snapshot_statement.c - the SQL of the lookup.
 *
 * No row: no since row. One row that is NULL: nothing new. Otherwise one row for each newer
 * snapshot and, from the full statement, one for each link of the latest of them to a waitpoint.
 *
 * Why it is written as it is (server CPU, measured on the answer that has nothing new):
 * - One composite column: a result's description costs the server for each column, every time.
 * - Rows, not one array of composites: record_send keeps a kilobyte for each field of each element
 *   until the array is sent, and all of it has to be in memory at once.
 * - The lean statement does without a sort: the index gives the rows by "createdAt", and the reader
 *   puts ties in order. It asks for one row more than an answer may have, to see whether the limit
 *   cuts through a tie; the full statement, which sorts, then decides.
 * - Its bound by 'infinity' excludes nothing, but with a bound on either side the planner expects a
 *   single row (DEFAULT_RANGE_INEQ_SEL) and reads the index in its order. Expecting more, it sorts
 *   the rows of a bitmap, all of them, however many.
 * - OFFSET 0 in a subquery makes the planner leave it as it is: it is then run for each outer row,
 *   through an index. Otherwise a hash of a whole table is among the plans, and a generic plan made
 *   while that table was small would keep it.
 *
 * Ties are ordered by id as the runners compare ids, by code unit. COLLATE "C" compares bytes of
 * UTF-8, which is the same but for characters beyond U+FFFF, and no id has those.
 */
#include "snapshot_read.h"
#include "snapshot_rows.h"

#include <stddef.h>

#define TEXT_OF(macro)    TEXT_OF_IT(macro)
#define TEXT_OF_IT(value) #value
#define ONE_TOO_MANY      51

_Static_assert(ONE_TOO_MANY == SNAPSHOT_MOST_ROWS + 1, "the limits belong together");

/* The statement's text in a row's list of fields. */
#define FIRST_COLUMN(name, column, type, null) column
#define NEXT_COLUMN(name, column, type, null)  ", " column

#define SNAPSHOT_SQL_HAS_LINK                                                                      \
    "EXISTS (SELECT 1 FROM \"_completedWaitpoints\" l WHERE l.\"A\" = n.id OFFSET 0)"

/* The environment, if one is asked for, is asked of every row. */
#define ANY_ENVIRONMENT(row) ""
#define ONE_ENVIRONMENT(row) " AND " row ".\"environmentId\" = $3"

/* The SQL keeps lines of its own. */
/* clang-format off */

/* What the since row s is joined with, and s itself. */
#define SINCE(environment, joined)                                                                 \
    "SELECT r.r FROM \"TaskRunExecutionSnapshot\" s LEFT JOIN LATERAL (" joined ") r ON true"      \
    " WHERE s.id = $1 AND s.\"runId\" = $2" environment("s")

#define NEWER(environment)                                                                         \
    " FROM \"TaskRunExecutionSnapshot\" n"                                                         \
    " WHERE n.\"runId\" = $2 AND n.\"isValid\" AND n.\"createdAt\" > s.\"createdAt\""              \
    environment("n")

#define NEWEST_FIRST   " ORDER BY n.\"createdAt\" DESC"
#define TIES_BY_ID     ", n.id COLLATE \"C\" DESC"
#define IN_INDEX_ORDER " AND n.\"createdAt\" <= 'infinity'"

#define LEAN(environment)                                                                          \
    SINCE(environment,                                                                             \
          "SELECT ROW(" SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) LEAN_FIELDS(NEXT_COLUMN) ")"    \
          " AS r" NEWER(environment) IN_INDEX_ORDER NEWEST_FIRST " LIMIT " TEXT_OF(ONE_TOO_MANY))

#define NEWEST(environment, columns, limit)                                                        \
    "(SELECT " columns NEWER(environment) NEWEST_FIRST TIES_BY_ID " LIMIT " limit ") n"

#define SNAPSHOT_ROWS(environment)                                                                 \
    "(SELECT ROW(" SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN)                                      \
    CHECKPOINT_FIELDS(NEXT_COLUMN, NEXT_COLUMN) ") AS r"                                           \
    " FROM " NEWEST(environment, "n.*", TEXT_OF(SNAPSHOT_MOST_ROWS))                               \
    " LEFT JOIN LATERAL (SELECT * FROM \"TaskRunCheckpoint\" c"                                    \
    " WHERE c.id = n.\"checkpointId\" OFFSET 0) c ON true)"

#define WAITPOINT_ROWS(environment)                                                                \
    "(SELECT ROW(" WAITPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                                 \
    " FROM " NEWEST(environment, "n.id", "1")                                                      \
    " CROSS JOIN LATERAL (SELECT l.\"B\" FROM \"_completedWaitpoints\" l"                          \
    " WHERE l.\"A\" = n.id OFFSET 0) l"                                                            \
    " LEFT JOIN LATERAL (SELECT * FROM \"Waitpoint\" w"                                            \
    " WHERE w.id = l.\"B\" OFFSET 0) w ON true)"

#define FULL(environment)                                                                          \
    SINCE(environment, SNAPSHOT_ROWS(environment) " UNION ALL " WAITPOINT_ROWS(environment))

/* clang-format on */

const struct snapshot_statement_text *snapshot_statement(enum snapshot_statement which) {
    static const struct snapshot_statement_text statements[SNAPSHOT_STATEMENT_COUNT] = {
        [SNAPSHOT_STATEMENT_ANY_ENVIRONMENT] = {"snapshots_since", FULL(ANY_ENVIRONMENT), 2},
        [SNAPSHOT_STATEMENT_ONE_ENVIRONMENT] = {"snapshots_since_in_environment",
                                                FULL(ONE_ENVIRONMENT), 3},
        [SNAPSHOT_STATEMENT_LEAN_ANY_ENVIRONMENT] = {"lean_snapshots_since", LEAN(ANY_ENVIRONMENT),
                                                     2},
        [SNAPSHOT_STATEMENT_LEAN_ONE_ENVIRONMENT] = {"lean_snapshots_since_in_environment",
                                                     LEAN(ONE_ENVIRONMENT), 3},
    };
    return &statements[which];
}
