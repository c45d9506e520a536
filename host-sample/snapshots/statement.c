/*
 * statement.c - the SQL of the lookup.
 *
 * A head is a text: who answered, where it stands, and which question this is the answer to
 * (head.h). From the lean statement each row has one, and goes on with a newer snapshot, or NULL if
 * there is none. From the full one it stands alone, in the first column of the first row, and then
 * come a row for each newer snapshot and one for each link of the latest of them to a waitpoint.
 *
 * For a replica there are texts that read nothing once the server is out of recovery: until
 * somebody notices that a standby was promoted, the reads that were meant for it cost the new
 * primary nothing. The texts for a primary do not look.
 *
 * Why it is written as it is (server CPU, measured in pipelined batches):
 * - The head is one text: a result's description costs the server for each column, every time, and
 *   a composite value costs more than texts that are joined. Where there may be many rows it is
 *   said once, in a column that they have anyway.
 * - Each function costs every execution, also where it is not called: its rights are looked up. So
 *   the lean statement has few.
 * - The since row's time is a subquery's value, and the recovery that guards it a call beside it:
 *   fewer nodes of a plan than if they were joined, each of which costs every execution. The head
 *   asks for the recovery again, after the since row, and because a server never goes back into
 *   recovery, one that is in recovery then was in it before: the guard held.
 * - A since row without a time, which only a table that has lost its NOT NULL has, is there all the
 *   same: nothing is newer.
 * - Without a since row the limit is 0, and what is below it is not begun. A condition that says so
 *   would be one more node.
 * - The environment comes with the rows only if one is asked for: a column costs each row.
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
 *   through an index. Otherwise a hash of a whole table is among the plans, and a generic plan made
 *   while that table was small would keep it.
 * - Each comes in a form for a group of lookups (postgres/group.h), which runs each of them by
 *   itself, in the order of their numbers: the plan of one lookup, begun once for all.
 * - The lean statement does without two tables. It stops at one row more than it may answer,
 *   because each row asks the join table whether it has links.
 *
 * Ties are ordered by id as the runners compare ids, by code unit. COLLATE "C" compares bytes of
 * UTF-8, as the reader does, which is the same but for characters beyond U+FFFF, and no id has
 * those.
 *
 * The join table of snapshots and waitpoints has two forms, and in the course of a migration a
 * database may have both: a link then counts in whichever it stands. That one has gone is an error
 * of the statement; that the other one has come nobody would notice, so it is looked for, where a
 * row is asked for its links: the commonest answer has no row.
 *
 * What a search_path could lead elsewhere has a mark (marks.h). The rest names itself: bigint
 * is a word of the grammar, as are COALESCE and an unnest of several arrays, which a schema before
 * it would turn into a function that there is not; how rows are sorted and made unique follows from
 * their columns' types.
 */
#include "statement.h"

#include "marks.h"
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
#define NO_COLUMN(name, column, type, null)

/* The waitpoints that the snapshot n is linked to, by where the links stand. */
#define LINKS_IMPLICIT                                                                             \
    "SELECT l.\"B\" FROM " TABLE("_completedWaitpoints") " l WHERE l.\"A\"" OP("=") "n.id"
#define LINKS_EXPLICIT                                                                             \
    "SELECT l.\"waitpointId\" FROM " TABLE("CompletedWaitpoint") " l"                              \
                                                                 " WHERE l.\"snapshotId\"" OP(     \
                                                                     "=") "n.id"
#define LINKS_OF_BOTH LINKS_IMPLICIT " UNION " LINKS_EXPLICIT

#define IS_AWAY(table) "pg_catalog.to_regclass(" TABLE_IN_LITERAL(table) ") IS NULL"

/* Where the other table has come beside the one that is read, the lean statement knows nothing of
 * links, and the full one, which is asked then, says that there is no such relation: an error that
 * has the session made anew, with the statements for both. */
#define IF_AWAY(other, value) "CASE WHEN " IS_AWAY(other) " THEN " value " END"
#define ONE_IF_AWAY(other)                                                                         \
    "CASE WHEN " IS_AWAY(                                                                          \
        other) " THEN 1 WHEN"                                                                      \
               " '\"another table of waitpoints, which has just appeared\"'::" CATALOG             \
               "text::pg_catalog.regclass IS NOT NULL THEN 1 END"

#define EXISTS_ANY(links) "EXISTS (" links " OFFSET 0)"
#define EXISTS_IMPLICIT   IF_AWAY("CompletedWaitpoint", EXISTS_ANY(LINKS_IMPLICIT))
#define EXISTS_EXPLICIT   IF_AWAY("_completedWaitpoints", EXISTS_ANY(LINKS_EXPLICIT))
#define EXISTS_OF_BOTH    EXISTS_ANY(LINKS_IMPLICIT) " OR " EXISTS_ANY(LINKS_EXPLICIT)

/* The latest snapshot, whose links are read. */
#define ONE_IMPLICIT ONE_IF_AWAY("CompletedWaitpoint")
#define ONE_EXPLICIT ONE_IF_AWAY("_completedWaitpoints")
#define ONE_OF_BOTH  "1"

/* The parameters: of one lookup, or of a lookup of a group. */
#define OF_ONE_SNAPSHOT     "$1"
#define OF_ONE_RUN          "$2"
#define OF_ONE_ENVIRONMENT  "$3"
#define OF_EACH_SNAPSHOT    "q.snapshot"
#define OF_EACH_RUN         "q.run"
#define OF_EACH_ENVIRONMENT "q.environment"
#define ASKED(of, what)     of##_##what

/* If an environment is given, every row must be of it, and says of which it is. */
#define ANY_ENVIRONMENT(of, row) ""
#define ONE_ENVIRONMENT(of, row) " AND " row ".\"environmentId\"" OP("=") ASKED(of, ENVIRONMENT)
#define COLUMN_ANY_ENVIRONMENT   ""
#define COLUMN_ONE_ENVIRONMENT   ", n.\"environmentId\""
#define NULL_ANY_ENVIRONMENT     ""
#define NULL_ONE_ENVIRONMENT     ", NULL"

/* Where the lookups are: the first columns of each row, and what q has beside the since row. */
#define NUMBER_OF_ONE               ""
#define NUMBER_OF_EACH              "q.n, "
#define LOOKUPS_OF_ONE(environment) ""
#define LOOKUPS_OF_EACH(environment)                                                               \
    " FROM unnest(" ARRAYS_##environment ") WITH ORDINALITY AS q (" NAMES_##environment ", n)"
#define FIELDS_OF_ONE          ""
#define FIELDS_OF_EACH         "q.*, "
#define ARRAYS_ANY_ENVIRONMENT "$1::" CATALOG "text[], $2::" CATALOG "text[]"
#define ARRAYS_ONE_ENVIRONMENT ARRAYS_ANY_ENVIRONMENT ", $3::" CATALOG "text[]"
#define NAMES_ANY_ENVIRONMENT  "snapshot, run"
#define NAMES_ONE_ENVIRONMENT  NAMES_ANY_ENVIRONMENT ", environment"

/* The SQL keeps its own line breaks. */
/* clang-format off */

#define RECOVERING "pg_catalog.pg_is_in_recovery()"

/* The since row, on a server that is to be read at all. */
#define GUARDED_OF_REPLICA(row) "CASE WHEN " RECOVERING " THEN " row " END"
#define GUARDED_OF_PRIMARY(row) row

/* The question, each of its ids on a line, and then what there is to say: see head.h. */
#define ECHO_ANY_ENVIRONMENT(of) ASKED(of, SNAPSHOT) OP("||") "E'\\n'" OP("||") ASKED(of, RUN)
#define ECHO_ONE_ENVIRONMENT(of)                                                                   \
    ECHO_ANY_ENVIRONMENT(of) OP("||") "E'\\n'" OP("||") ASKED(of, ENVIRONMENT)

/* Whether what is missing is missing in the table that is meant. A prepared statement goes on with
 * its table when the search_path leads to one by now that has come to be before it; the name alone,
 * a constant, was looked up when that table was. And a session in another encoding has looked for
 * other ids, if they were not ASCII: it was in UTF-8 when the link came up, but a pooler may lead
 * to another one. The lean statement is asked for ASCII alone. */
#define KNOWS_BY_LEAN                                                                              \
    "pg_catalog.to_regclass(" TABLE_IN_LITERAL("TaskRunExecutionSnapshot") ")" OP("=")             \
    TABLE_IN_LITERAL("TaskRunExecutionSnapshot") "::pg_catalog.regclass"
#define KNOWS_BY_FULL                                                                              \
    KNOWS_BY_LEAN " AND pg_catalog.current_setting('client_encoding')" OP("=") "'UTF8'"

/* Found or missing, in recovery or out of it. */
#define STATE(recovery, statement)                                                                 \
    "CASE WHEN q.since IS NOT NULL THEN E'\\n" recovery "f' WHEN " KNOWS_##statement               \
    " THEN E'\\n" recovery "m' ELSE E'\\n" recovery "?' END"

#define REPLAYED "COALESCE(pg_catalog.pg_last_wal_replay_lsn()::" CATALOG "text, '')"
#define INSERTED "pg_catalog.pg_current_wal_insert_lsn()::" CATALOG "text"

/* The state, and the position after the statement's snapshot. Of a primary that was asked as a
 * replica it does not matter what it has. */
#define REST_OF_REPLICA(statement)                                                                 \
    "CASE WHEN " RECOVERING " THEN " STATE("r", statement) " ELSE E'\\npm' END" OP("||") REPLAYED
#define REST_OF_PRIMARY(statement)                                                                 \
    "CASE WHEN " RECOVERING " THEN " STATE("r", statement) OP("||") REPLAYED                       \
    " ELSE " STATE("p", statement) OP("||") INSERTED " END"

#define HEAD(of, environment, role, statement)                                                     \
    ECHO_##environment(of) OP("||") REST_##role(statement)

/* One row q, or of a group one for each lookup: the since row's time, NULL if there is none. */
#define SINCE(of, environment, role)                                                               \
    "(SELECT " FIELDS_##of GUARDED_##role(                                                         \
        "(SELECT COALESCE(s.\"createdAt\", 'infinity') FROM "                                      \
        TABLE("TaskRunExecutionSnapshot") " s"                                                     \
        " WHERE s.id" OP("=") ASKED(of, SNAPSHOT) " AND s.\"runId\"" OP("=") ASKED(of, RUN)        \
        environment(of, "s") ")") " AS since" LOOKUPS_##of(environment) " OFFSET 0) q"

/* The newer rows, newest first. */
#define NEWER(of, environment, columns)                                                            \
    "SELECT " columns " FROM " TABLE("TaskRunExecutionSnapshot") " n"                              \
    " WHERE n.\"runId\"" OP("=") ASKED(of, RUN) " AND n.\"isValid\""                               \
    " AND n.\"createdAt\"" OP(">") "q.since"                                                       \
    " AND n.\"createdAt\"" OP("<=") "'infinity'" environment(of, "n")                              \
    " ORDER BY n.\"createdAt\" DESC"

#define LIMIT(count) "(CASE WHEN q.since IS NULL THEN 0::bigint ELSE " count "::bigint END)"

#define FIRST_ROWS_WITH_TIES(count) " FETCH FIRST " LIMIT(count) " ROWS WITH TIES"

#define LEAN_ROW(environment, links)                                                               \
    "ROW(" SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) LEAN_FIELDS(NEXT_COLUMN)                     \
    ", " EXISTS_##links COLUMN_##environment ") AS r"

#define LEAN(of, environment, role, links)                                                         \
    "SELECT " NUMBER_##of HEAD(of, environment, role, BY_LEAN) ", r.r"                             \
    " FROM " SINCE(of, environment, role) " LEFT JOIN LATERAL ("                                   \
    NEWER(of, environment, LEAN_ROW(environment, links)) " LIMIT " LIMIT(TEXT_OF(LEAN_LIMIT))      \
    ") r ON true"

#define CHECKPOINT                                                                                 \
    "CASE WHEN n.\"checkpointId\" IS NOT NULL THEN"                                                \
    " (SELECT ROW(" CHECKPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")"                               \
    " FROM " TABLE("TaskRunCheckpoint") " c WHERE c.id" OP("=") "n.\"checkpointId\") END"

/* All columns but the first are NULL. */
#define HEAD_ROW(of, environment, role)                                                            \
    "SELECT " HEAD(of, environment, role, BY_FULL)                                                 \
    SNAPSHOT_FIELDS(NO_COLUMN, NEXT_NULL) ", NULL, NULL::" CATALOG "record" NULL_##environment

#define SNAPSHOT_ROWS(of, environment)                                                             \
    "(" NEWER(of, environment,                                                                     \
              SNAPSHOT_FIELDS(FIRST_COLUMN, NEXT_COLUMN)                                           \
              ", " CHECKPOINT ", NULL" COLUMN_##environment)                                       \
    FIRST_ROWS_WITH_TIES(TEXT_OF(FULL_LIMIT)) ")"

#define WAITPOINT_ROWS(of, environment, links)                                                     \
    "(SELECT " SNAPSHOT_FIELDS(FIRST_NULL, NEXT_NULL) ", NULL,"                                    \
    " ROW(" WAITPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN) ")" NULL_##environment                     \
    " FROM (SELECT t.id FROM ("                                                                    \
    NEWER(of, environment, "n.id") FIRST_ROWS_WITH_TIES(ONE_##links) ") t"                         \
    " ORDER BY t.id COLLATE " CATALOG "\"C\" DESC LIMIT 1) n"                                      \
    " CROSS JOIN LATERAL (" LINKS_##links " OFFSET 0) l (waitpoint)"                               \
    " LEFT JOIN LATERAL (SELECT " WAITPOINT_FIELDS(FIRST_COLUMN, NEXT_COLUMN)                      \
    " FROM " TABLE("Waitpoint") " w WHERE w.id" OP("=") "l.waitpoint OFFSET 0) w ON true)"

#define FULL(of, environment, role, links)                                                         \
    "SELECT " NUMBER_##of "a.* FROM " SINCE(of, environment, role)                                 \
    " CROSS JOIN LATERAL (" HEAD_ROW(of, environment, role)                                        \
    " UNION ALL " SNAPSHOT_ROWS(of, environment)                                                   \
    " UNION ALL " WAITPOINT_ROWS(of, environment, links) ") a"

/* clang-format on */

#define STATEMENT(statement_name, text, environment, role, links, count)                           \
    {.name = (statement_name),                                                                     \
     .sql = text(OF_ONE, environment, role, links),                                                \
     .parameter_count = (count),                                                                   \
     .group_name = "group_" statement_name,                                                        \
     .group_sql = text(OF_EACH, environment, role, links)}

/* clang-format off */
#define STATEMENTS(links)                                                                          \
    {                                                                                              \
        [SNAPSHOT_FULL] = STATEMENT(                                                               \
            "snapshots_since", FULL, ANY_ENVIRONMENT, OF_REPLICA, links, 2),                       \
        [SNAPSHOT_FULL_IN_ENVIRONMENT] = STATEMENT(                                                \
            "snapshots_since_in_environment", FULL, ONE_ENVIRONMENT, OF_REPLICA, links, 3),        \
        [SNAPSHOT_LEAN] = STATEMENT(                                                               \
            "lean_snapshots_since", LEAN, ANY_ENVIRONMENT, OF_REPLICA, links, 2),                  \
        [SNAPSHOT_LEAN_IN_ENVIRONMENT] = STATEMENT(                                                \
            "lean_snapshots_since_in_environment", LEAN, ONE_ENVIRONMENT, OF_REPLICA, links, 3),   \
        [SNAPSHOT_PRIMARY] = STATEMENT(                                                            \
            "primary_snapshots_since", FULL, ANY_ENVIRONMENT, OF_PRIMARY, links, 2),               \
        [SNAPSHOT_PRIMARY_IN_ENVIRONMENT] = STATEMENT(                                             \
            "primary_snapshots_since_in_environment", FULL, ONE_ENVIRONMENT, OF_PRIMARY, links,    \
            3),                                                                                    \
    }
/* clang-format on */

const struct pg_prepared snapshot_texts[SNAPSHOT_LINKS_COUNT][SNAPSHOT_STATEMENT_COUNT] = {
    [SNAPSHOT_LINKS_IMPLICIT] = STATEMENTS(IMPLICIT),
    [SNAPSHOT_LINKS_EXPLICIT] = STATEMENTS(EXPLICIT),
    [SNAPSHOT_LINKS_BOTH] = STATEMENTS(OF_BOTH),
};

const char *const snapshot_settings[SNAPSHOT_SETTING_COUNT] = {
    /* The newest rows of a run are read in the index's order and end at a limit; a bitmap would
     * fetch and sort all of them. */
    "SET enable_bitmapscan = off",
    /* The statements are point reads: planning them again gains nothing. */
    "SET plan_cache_mode = force_generic_plan",
    /* To compile one takes longer than a lookup may, and each execution would. What makes it likely
     * need not be the host's: a method of the planner that is off costs 1e10 before version 18. */
    "SET jit = off",
};

_Static_assert(SNAPSHOT_LINKS_IMPLICIT == 0 && SNAPSHOT_LINKS_EXPLICIT == 1 &&
                   SNAPSHOT_LINKS_BOTH == 2,
               "as the question has them");

#define IS_THERE(table) "pg_catalog.to_regclass(" TABLE_IN_LITERAL(table) ") IS NOT NULL"

/* clang-format off */
const char snapshot_links_text[] =
    "SELECT CASE WHEN l.implicit AND l.explicit THEN 2 WHEN l.explicit THEN 1"
    " WHEN l.implicit THEN 0 END FROM (SELECT"
    " " IS_THERE("_completedWaitpoints") " AS implicit,"
    " " IS_THERE("CompletedWaitpoint") " AS explicit) l";
/* clang-format on */
