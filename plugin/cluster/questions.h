/*
 * questions.h - what servers are asked, and what their answers say.
 *
 * Every question is one statement with one column and one row of words, so that any driver can ask
 * it. There are four:
 *   - the probe: the server's version and sizes, and what this role may see;
 *   - the short one, asked before a read and for a position: who answers, in which role, where it
 *     is, and in which database;
 *   - the full one, asked now and then: the short one with what costs a look into a file, the
 *     system's identifier, the lower bound of a standby's timeline, and how the database is sorted;
 *   - the wait, for a standby to have replayed a position. It brings no fact: that may be another
 *     timeline's, and behind a pooler another server's. Whoever has waited asks all the same.
 * The order of evaluation within one statement is forced, not hoped for: a standby's lower bound of
 * the timeline, then its replay position, then the upper bound. So the position is of a timeline
 * between the two.
 */
#ifndef CLUSTER_QUESTIONS_H
#define CLUSTER_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What a server can tell this role, from the probe. */
struct abilities {
    uint32_t version; /* server_version_num */
    uint32_t block;   /* wal_block_size, bytes */
    uint32_t segment; /* wal_segment_size, bytes */
    bool positions;   /* the short question can be asked */
    bool system;      /* pg_control_system() */
    bool control;     /* pg_control_recovery() */
    bool receiver;    /* the WAL receiver's timeline, or in its place pg_stat_recovery */
    bool recovery;    /* pg_stat_recovery (PostgreSQL 19): the replayed timeline itself */
    bool collation;   /* the version of the database's collation (PostgreSQL 15) */
    bool waits;       /* for a position, without being asked again (PostgreSQL 19) */
};

/* What a server said of itself. */
struct facts {
    uint64_t instance;      /* its start time, microseconds since 2000-01-01; never 0 */
    uint64_t position;      /* replayed, or inserted as it is printed; 0: unknown */
    uint64_t flushed;       /* of a primary; 0: unknown */
    uint64_t system;        /* 0: unknown */
    uint64_t database;      /* that the connection is to, a number for its place; 0: unknown */
    uint64_t database_name; /* a number for its name there, in full only; 0: unknown */
    uint64_t collation;     /* a number for its version there; 0: unknown, or always the same */
    uint64_t replay_age_ms; /* since the commit that was replayed last; 0: unknown */
    uint32_t lower; /* bounds of the position's timeline; of a primary the same. 0: unknown */
    uint32_t upper;
    bool full; /* the answer to the full question */
    bool in_recovery;
    bool read_committed; /* the isolation of the transaction that the question was asked in */
};

/* The texts are constants: the same question is the same pointer. */
extern const char question_probe[];
const char *question_short(const struct abilities *can); /* NULL: it cannot be asked */
const char *question_full(const struct abilities *can);  /* likewise */

/* Room for the text of a wait. */
#define QUESTION_WAIT_BYTES 80u

/* The server answers when it has replayed the position, is out of recovery, or so much time has
 * passed. */
void question_print_wait(uint64_t position, uint32_t timeout_ms, char text[QUESTION_WAIT_BYTES]);

/* Whether its time has run out. */
bool question_wait_ran_out(const char *answer);

/* Whether that is the answer of a server that has replayed it. Others are "timeout" and "not in
 * recovery". */
bool question_wait_has_reached(const char *answer);

/* False: not an answer to that question; what is filled in then is not to be used. */
bool question_read_probe(const char *answer, struct abilities *can);
bool question_read_facts(const char *answer, struct facts *facts);

/* What the role lacks for proofs, as a sentence that names the cure; "" if nothing. */
const char *question_missing_grants(const struct abilities *can);

#endif
