/*
 * questions.c - the questions' SQL, for PostgreSQL 13 and later.
 *
 * Every name has its schema, of operators and types too, because the search path is the host's.
 * What has none is of the grammar: bigint, coalesce, greatest, extract, CASE with conditions.
 */
#include "questions.h"

#include "plugin/read_policy.h"
#include "position.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */

#define FUNCTION(name) "pg_catalog.to_regprocedure('pg_catalog." name "')"

/* Whether the role may call it; false if it does not exist. */
#define MAY(name)                                                                                  \
    "coalesce(pg_catalog.has_function_privilege(" FUNCTION(name) ", 'execute'), false)"

const char question_probe[] =
    "SELECT pg_catalog.concat_ws(' ', 'rp1',"
    " pg_catalog.current_setting('server_version_num'),"
    " pg_catalog.current_setting('wal_block_size'),"
    " pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')),"
    " " MAY("pg_postmaster_start_time()")
    " AND " MAY("pg_is_in_recovery()")
    " AND " MAY("pg_last_wal_replay_lsn()")
    " AND " MAY("pg_current_wal_insert_lsn()")
    " AND " MAY("pg_current_wal_flush_lsn()")
    " AND " MAY("pg_walfile_name(pg_lsn)")
    " AND " MAY("pg_stat_get_wal_receiver()")
    " AND " MAY("pg_last_xact_replay_timestamp()")
    " AND " MAY("pg_relation_filepath(regclass)")
    " AND " MAY("pg_relation_is_updatable(regclass,boolean)") ","
    " " MAY("pg_control_system()") ","
    " " MAY("pg_control_recovery()") ","
    " pg_catalog.pg_has_role('pg_read_all_stats', 'usage'),"
    " coalesce(pg_catalog.has_table_privilege("
    "pg_catalog.to_regclass('pg_catalog.pg_stat_recovery'), 'select'), false),"
    " " MAY("pg_database_collation_actual_version(oid)")
    " AND pg_catalog.has_table_privilege('pg_catalog.pg_database', 'select'))";

/* WAIT FOR LSN, which needs no privilege. Everything else that a version brings is seen by asking for
 * it. */
#ifndef WAITS_FROM
#define WAITS_FROM 190000u
#endif

/* Who answers: hexadecimal, and cheap (no arithmetic on numeric). */
#define INSTANCE                                                                                   \
    "pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.pg_postmaster_start_time()), 'hex')"

/* Joins texts: cheaper than a function of any number of arguments, which looks up the type of each
 * of them whenever it is started. */
#define AND " OPERATOR(pg_catalog.||) "

#define IS   " OPERATOR(pg_catalog.=) "
#define TEXT "::pg_catalog.text"

/* Only where each statement takes a snapshot of its own is the read's later than the position. */
#define ISOLATION                                                                                  \
    "CASE WHEN pg_catalog.current_setting('transaction_isolation')" IS "'read committed'"          \
    " THEN ' c ' ELSE ' x ' END"

/* From PostgreSQL 19 on the replayed timeline comes with its position, in one row. What is streamed
 * may be newer, and is the upper bound all the same: it tells whom the standby follows. Where nothing
 * is streamed, what it replays from its own files or an archive may be a history that its primary has
 * lost, of the same number, so there is no upper bound. */
#define STANDBY_BY_RECOVERY                                                                        \
    "coalesce((SELECT 'r '" AND "coalesce(r.last_replayed_end_lsn" TEXT ", '-')" AND "' - '"       \
    AND "coalesce(r.last_replayed_tli" TEXT ", '-')" AND "' '"                                     \
    AND "coalesce(CASE WHEN (r.w).status" IS "'streaming'"                                         \
    " THEN greatest(r.last_replayed_tli, (r.w).received_tli) END" TEXT ", '-')"                    \
    " FROM (SELECT v.last_replayed_end_lsn, v.last_replayed_tli,"                                  \
    " pg_catalog.pg_stat_get_wal_receiver() AS w"                                                  \
    " FROM (SELECT * FROM pg_catalog.pg_stat_recovery OFFSET 0) v OFFSET 0) r), 'r - - - -')"

/* A standby: replayed, -, lower, upper. */
#define STANDBY(lower, upper)                                                                      \
    "'r '" AND "coalesce(o.p" TEXT ", '-')" AND "' - '" AND lower AND "' '" AND upper

/* A primary: inserted, flushed, and its timeline in hexadecimal. The timeline is in the name of the
 * file that it writes; the control file's is that of the last checkpoint, which comes some time
 * after a promotion. These functions fail in recovery, so they are under a CASE. */
#define PRIMARY                                                                                    \
    "'p '" AND "pg_catalog.pg_current_wal_insert_lsn()" TEXT AND "' '"                             \
    AND "pg_catalog.pg_current_wal_flush_lsn()" TEXT AND "' '"                                     \
    AND "pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8)"

#define QUESTION(standby, more, from)                                                              \
    "SELECT 'rp1 '" AND INSTANCE AND ISOLATION AND "CASE WHEN o.r THEN " standby " ELSE " PRIMARY  \
    " END" more " FROM " from " o"

/* Where the role and the position come from. Subqueries are not inlined (OFFSET 0), so the inner
 * one is read first: the lower bound, then the position, then what is streamed. */
#define LEVEL(what, from) "(SELECT " what " FROM " from " OFFSET 0)"
#define IN_RECOVERY       "pg_catalog.pg_is_in_recovery() AS r"
#define REPLAYED          "pg_catalog.pg_last_wal_replay_lsn()"

#define JUST_ROLE     "(SELECT " IN_RECOVERY " OFFSET 0)"
#define JUST_POSITION "(SELECT " IN_RECOVERY ", " REPLAYED " AS p, '-' AS t OFFSET 0)"
#define AFTER_CONTROL_FILE                                                                         \
    LEVEL("l.t" TEXT " AS t, " IN_RECOVERY                                                         \
          ", CASE WHEN l.t IS NOT NULL THEN " REPLAYED " END AS p",                                \
          LEVEL("c.min_recovery_end_timeline AS t", "pg_catalog.pg_control_recovery() c") " l")
#define BEFORE_RECEIVER(from)                                                                      \
    LEVEL("a.r, a.p, a.t, pg_catalog.pg_stat_get_wal_receiver() AS w", from " a")

#define RECEIVED_TIMELINE                                                                          \
    "CASE WHEN (o.w).status" IS "'streaming' THEN coalesce((o.w).received_tli" TEXT ", '-')"       \
    " ELSE '-' END"

#define SYSTEM                                                                                     \
    "(SELECT s.system_identifier" TEXT " FROM pg_catalog.pg_control_system() s)"

#define REPLAY_AGE                                                                                 \
    "coalesce(CASE WHEN o.r THEN greatest(0, 1000 OPERATOR(pg_catalog.*) extract(epoch FROM"       \
    " pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"                                         \
    " pg_catalog.pg_last_xact_replay_timestamp()))::bigint END" TEXT ", '-')"

#define BY_RECEIVER(more) QUESTION(STANDBY("o.t", RECEIVED_TIMELINE), more, BEFORE_RECEIVER(JUST_POSITION))
#define BY_BOTH(more) QUESTION(STANDBY("o.t", RECEIVED_TIMELINE), more, BEFORE_RECEIVER(AFTER_CONTROL_FILE))
#define BY_CONTROL(more)  QUESTION(STANDBY("o.t", "'-'"), more, AFTER_CONTROL_FILE)
#define BY_NONE(more)     QUESTION(STANDBY("o.t", "'-'"), more, JUST_POSITION)
#define BY_RECOVERY(more) QUESTION(STANDBY_BY_RECOVERY, more, JUST_ROLE)

/* By its directory (pg_class is never elsewhere), whose last part standbys have as their primary has,
 * whatever tablespace it lies in. Not by its name: that of a session's database may change, and the
 * session stays in it.
 *
 * pg_relation_is_updatable takes a lock and gives it back, and whoever takes a lock hears which of the
 * catalogs that a session remembers have changed. Later than the position, so that no read that follows
 * uses what they were before it: one that has other reads before it in its transaction has all its locks,
 * and would not hear of a partition that was attached meanwhile, for which nobody needs the whole table. */
#define DATABASE                                                                                   \
    "' d'" AND "coalesce(CASE WHEN pg_catalog.pg_relation_is_updatable(1259, false) IS NOT NULL"   \
    " THEN pg_catalog.pg_relation_filepath(1259) END, '-')"

/* Of the database's collation, as the server's own libraries sort; of C there is none. A number, since
 * a version may have any characters. */
#define COLLATION                                                                                  \
    "coalesce((SELECT pg_catalog.hashtextextended("                                                \
    "pg_catalog.pg_database_collation_actual_version(d.oid), 0)"                                   \
    " OPERATOR(pg_catalog.&) 9223372036854775807"                                                  \
    " FROM pg_catalog.pg_database d"                                                               \
    " WHERE d.datname" IS "pg_catalog.current_database())" TEXT ", '-')"

/* As the server knows it, which may still have to replay that it has moved to another one. */
#define NAME                                                                                       \
    "(pg_catalog.hashtextextended(pg_catalog.current_database()" TEXT ", 0)"                       \
    " OPERATOR(pg_catalog.&) 9223372036854775807)" TEXT

#define MORE(system, collation)                                                                    \
    AND DATABASE AND "' '" AND system AND "' '" AND REPLAY_AGE AND "' '" AND collation AND "' '"   \
    AND NAME

/* By whether the system may be seen, and the version of the collation. */
#define FULLS(by)                                                                                  \
    {                                                                                              \
        {by(MORE("'-'", "'-'")), by(MORE("'-'", COLLATION))}, {                                    \
            by(MORE(SYSTEM, "'-'")), by(MORE(SYSTEM, COLLATION))                                   \
        }                                                                                          \
    }

/* clang-format on */

static const char *const shorts[2] = {BY_RECEIVER(AND DATABASE), BY_RECOVERY(AND DATABASE)};

/* By what bounds a standby's timeline. */
static const char *const fulls[4][2][2] = {FULLS(BY_NONE), FULLS(BY_RECEIVER), FULLS(BY_CONTROL),
                                           FULLS(BY_BOTH)};
static const char *const fulls_by_recovery[2][2] = FULLS(BY_RECOVERY);

static bool told_by_recovery(const struct abilities *can) {
    return can->recovery && can->receiver;
}

const char *question_short(const struct abilities *can) {
    return can->positions ? shorts[told_by_recovery(can)] : NULL;
}

const char *question_full(const struct abilities *can) {
    if (!can->positions) {
        return NULL;
    }
    if (told_by_recovery(can)) {
        return fulls_by_recovery[can->system][can->collation];
    }
    return fulls[can->control * 2 + can->receiver][can->system][can->collation];
}

/* ---- answers ---- */

/* A number in words: digits of that base, up to a blank or the end. "-" is 0, unknown. */
static bool read_number(const char **at, uint32_t base, uint64_t most, uint64_t *value) {
    const char *c = *at;
    *value = 0;
    if (*c == '-') {
        c++;
    } else {
        const char *first = c;
        for (;; c++) {
            uint32_t digit = (uint32_t)(*c >= 'a'   ? *c - 'a' + 10
                                        : *c >= 'A' ? *c - 'A' + 10
                                                    : *c - '0');
            if (*c < '0' || (*c > '9' && *c < 'A') || digit >= base) {
                break;
            }
            if (*value > (most - digit) / base) {
                return false;
            }
            *value = *value * base + digit;
        }
        if (c == first) {
            return false;
        }
    }
    if (*c != ' ' && *c != '\0') {
        return false;
    }
    *at = *c == ' ' ? c + 1 : c;
    return true;
}

/* The last directory of a path as a number (FNV-1a, 64 bits); where there is none, what stands in
 * its place. "-" is 0, unknown. */
static bool read_place(const char **at, uint64_t *place) {
    const uint64_t basis = UINT64_C(0xCBF29CE484222325);
    const char *const first = *at;
    const char *c = first;
    uint64_t hash = basis;
    uint64_t directory = 0;
    for (; *c != ' ' && *c != '\0'; c++) {
        if (*c == '/') {
            directory = hash;
            hash = basis;
        } else {
            hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
        }
    }
    const bool unknown = *first == '-' && c - first == 1;
    *place = unknown ? 0 : directory != 0 ? directory : hash;
    *at = *c == ' ' ? c + 1 : c;
    return c != first;
}

static bool read_u32(const char **at, uint32_t base, uint32_t *value) {
    uint64_t wide;
    bool good = read_number(at, base, UINT32_MAX, &wide);
    *value = (uint32_t)wide;
    return good;
}

static bool read_flag(const char **at, bool *flag) {
    if ((**at != 't' && **at != 'f') || ((*at)[1] != ' ' && (*at)[1] != '\0')) {
        return false;
    }
    *flag = **at == 't';
    *at += (*at)[1] == ' ' ? 2 : 1;
    return true;
}

/* One of the words, a letter each, and the blank behind it. */
static bool read_letter(const char **at, char yes, char no, bool *is) {
    if ((**at != yes && **at != no) || (*at)[1] != ' ') {
        return false;
    }
    *is = **at == yes;
    *at += 2;
    return true;
}

static bool read_position(const char **at, uint64_t *position) {
    *position = 0;
    if (**at == '-') {
        (*at)++;
    } else {
        const struct position_text read = position_read(*at);
        if (read.end == NULL) {
            return false;
        }
        *position = read.position;
        *at = read.end;
    }
    if (**at != ' ') {
        return false;
    }
    (*at)++;
    return true;
}

/* A standby's two bounds, or a primary's only timeline. */
static bool read_timelines(const char **at, struct facts *facts) {
    if (facts->in_recovery) {
        return read_u32(at, 10, &facts->lower) && read_u32(at, 10, &facts->upper);
    }
    bool good = read_u32(at, 16, &facts->upper);
    facts->lower = facts->upper;
    return good;
}

static bool read_tag(const char **at) {
    static const char tag[] = "rp1 ";
    if (*at == NULL || strncmp(*at, tag, sizeof tag - 1) != 0) {
        return false;
    }
    *at += sizeof tag - 1;
    return true;
}

static bool is_power_of_two(uint32_t number) {
    return number != 0 && (number & (number - 1)) == 0;
}

bool question_read_probe(const char *answer, struct abilities *can) {
    const char *at = answer;
    *can = (struct abilities){0};
    bool good = read_tag(&at) && read_u32(&at, 10, &can->version) &&
                read_u32(&at, 10, &can->block) && read_u32(&at, 10, &can->segment) &&
                read_flag(&at, &can->positions) && read_flag(&at, &can->system) &&
                read_flag(&at, &can->control) && read_flag(&at, &can->receiver) &&
                read_flag(&at, &can->recovery) &&
                (*at == '\0' || read_flag(&at, &can->collation)) && *at == '\0' &&
                is_power_of_two(can->block) && is_power_of_two(can->segment);
    can->waits = can->version >= WAITS_FROM;
    return good;
}

void question_print_wait(uint64_t position, uint32_t timeout_ms, char text[QUESTION_WAIT_BYTES]) {
    char printed[RP_POSITION_BYTES];
    position_print(position, printed);
    (void)snprintf(text, QUESTION_WAIT_BYTES, "WAIT FOR LSN '%s' WITH (TIMEOUT %u, NO_THROW)",
                   printed, timeout_ms);
}

bool question_wait_has_reached(const char *answer) {
    return answer != NULL && strcmp(answer, "success") == 0;
}

bool question_wait_ran_out(const char *answer) {
    return answer != NULL && strcmp(answer, "timeout") == 0;
}

bool question_read_facts(const char *answer, struct facts *facts) {
    const char *at = answer;
    *facts = (struct facts){0};
    bool good = read_tag(&at) && read_number(&at, 16, UINT64_MAX, &facts->instance) &&
                read_letter(&at, 'c', 'x', &facts->read_committed) &&
                read_letter(&at, 'r', 'p', &facts->in_recovery) &&
                read_position(&at, &facts->position) && read_position(&at, &facts->flushed) &&
                read_timelines(&at, facts);
    if (good && *at == 'd') {
        at++;
        good = read_place(&at, &facts->database);
    }
    facts->full = good && *at != '\0';
    if (facts->full) {
        good = read_number(&at, 10, UINT64_MAX, &facts->system) &&
               read_number(&at, 10, UINT64_MAX, &facts->replay_age_ms) &&
               (*at == '\0' || read_number(&at, 10, UINT64_MAX, &facts->collation)) &&
               (*at == '\0' || read_number(&at, 10, UINT64_MAX, &facts->database_name)) &&
               *at == '\0';
    }
    return good && facts->instance != 0;
}

const char *question_missing_grants(const struct abilities *can) {
    if (!can->positions) {
        /* A notice has 255 bytes, with the server's name. */
        return "role needs EXECUTE on pg_is_in_recovery, pg_postmaster_start_time, "
               "pg_last_wal_replay_lsn, pg_last_xact_replay_timestamp, pg_current_wal_insert_lsn, "
               "_flush_lsn, pg_walfile_name, pg_relation_filepath, _is_updatable, "
               "pg_stat_get_wal_receiver";
    }
    bool functions = can->system && (can->control || told_by_recovery(can));
    if (!can->receiver) {
        return functions
                   ? "the role may not see the WAL receiver's timeline, so nothing is proven "
                     "here: GRANT pg_monitor TO the role"
                   : "the role may not see timelines and the system identifier, so nothing is "
                     "proven here: GRANT pg_monitor TO the role, and GRANT EXECUTE ON "
                     "FUNCTION pg_control_system(), pg_control_recovery()";
    }
    return functions ? ""
                     : "the role may not see the control file, so nothing is proven here: GRANT "
                       "EXECUTE ON FUNCTION pg_control_system(), pg_control_recovery() TO the role";
}
