/*
 * questions.c - see questions.h.
 */
#include "questions.h"

#include "result.h"

const char *pg_position_sql(enum pg_server_role role, bool insert_position) {
    if (role == PG_REPLICA) {
        /* A promoted server still has a last replay position, which says nothing about its own new
         * rows. So the same statement must see that the server is in recovery. */
        return "SELECT CASE WHEN pg_catalog.pg_is_in_recovery()"
               " THEN pg_catalog.pg_last_wal_replay_lsn() END";
    }
    return insert_position ? "SELECT pg_catalog.pg_current_wal_insert_lsn()"
                           : "SELECT pg_catalog.pg_current_wal_flush_lsn()";
}

const char pg_recovery_sql[] = "SELECT pg_catalog.pg_is_in_recovery()";

const char pg_system_sql[] = "SELECT system_identifier FROM pg_catalog.pg_control_system()";

/* A primary's timeline is in the name of the WAL file that it writes (the control file's is that of
 * the last checkpoint, which comes some time after a promotion). A standby has no such function,
 * but three traces of the timeline that it follows: the WAL receiver's, which is up to date but
 * absent without streaming and NULL for a role that may not see it; that of the minimum recovery
 * ending point, and that of the last restartpoint, both written to the control file now and then. A
 * server's timeline only ever grows while it runs, so the greatest of them is the best known. While
 * it is behind, positions are unknown rather than wrong: the server is off the primary's timeline
 * for longer than it really was. */
const char pg_timeline_sql[] =
    "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN"
    " (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline, w.received_tli)"
    " FROM pg_catalog.pg_control_checkpoint() AS c, pg_catalog.pg_control_recovery() AS r"
    " LEFT JOIN pg_catalog.pg_stat_wal_receiver AS w ON true)"
    " ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))"
    "::bit(32)::integer END";

uint64_t pg_position_of(const PGresult *result) {
    uint64_t position;
    return pg_single_value(result, &position) && PQgetlength(result, 0, 0) == 8 ? position : 0;
}
