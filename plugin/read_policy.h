/*
 * read_policy.h - the plugin interface of read-policy, and its manual.
 *
 * A host engine reads rows that its client already knows to exist. It would like to read them from
 * a PostgreSQL replica, but a replica lags. read-policy decides for every such read where it goes
 * next: replica, wait, replica again, primary, give up. THE PLUGIN DECIDES, THE HOST DOES: the
 * plugin opens no socket, reads no clock, draws no random number, starts no thread, takes no lock,
 * allocates nothing per read and calls nothing back. Time, randomness and what the database
 * answered come in as arguments; the next step goes out as a value.
 *
 * This is the only file that a host needs. It compiles as C11 to C23 and as C++11 to C++20, and
 * binds from other languages as it is: fixed-width integers, pointers and NUL-terminated strings
 * only. Parsers of C that have no preprocessor (LuaJIT's and PHP's FFI, Python's cffi) take what cc
 * -E -P prints of it if RP_DECLARATIONS_ONLY is defined: every declaration, without includes and
 * code.
 *
 * LOADING. Open the shared object by absolute path with RTLD_NOW | RTLD_LOCAL, look up
 * RP_ENTRY_SYMBOL, call it, and check what it returns in this order: not NULL; magic; abi_major
 * equal to RP_ABI_MAJOR; struct_size at least RP_PLUGIN_MIN_SIZE. Members past that are there only
 * if RP_HAS says so. The table is constant and lives as long as the shared object is loaded.
 *
 * ONE READ. The host owns the memory of a read, on its stack or in its request object:
 *
 *     struct rp_read read = {.struct_size = sizeof read};
 *     struct rp_request request = {.struct_size = sizeof request, .replicas = 1,
 *                                  .now_ns = clock(), .entropy = rp_random(&state)};
 *     struct rp_report report = {.struct_size = sizeof report};
 *     const struct rp_step *step = plugin->begin(policy, &request, &read);
 *     while (step->kind != RP_STEP_DONE) {
 *         do_what_it_says(step, &report);        // read, sleep, ... then fill in the report
 *         step = plugin->next(&read, &report);
 *     }
 *     // step->verdict, step->served_by, step->failed_during, step->log_level, step->message
 *
 * rp_run at the end of this file is that loop, ready made, for hosts that may block; rp_random
 * draws the entropy of all reads from one seed.
 *
 * THREADS. Each function carries one of these tags:
 *   - [control]: one thread at a time for one set; it may run beside any other function but close.
 *   - [thread-safe]: any thread, any time between open and close.
 *   - [one thread per read]: any thread, but only one at a time for the same struct rp_read.
 *   - [one thread]: one at a time for one cluster.
 *
 * TIME is in nanoseconds of one monotonic clock of the host's choosing (CLOCK_MONOTONIC). It must
 * not be 0, and the same clock must be used for all reads of a set, since the primary's budget is
 * shared; and by all processes that share its state.
 *
 * COMPATIBILITY. Structures grow at their end only, and every structure that the host hands in
 * begins with its struct_size, so that old hosts work with new plugins and the other way round. A
 * plugin ignores flags that it does not know. What would be unsafe to ignore comes with a new
 * RP_ABI_MAJOR, and then with a new entry symbol.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef READ_POLICY_H
#define READ_POLICY_H

#ifndef RP_DECLARATIONS_ONLY
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define RP_ABI_MAJOR 1u
#define RP_ABI_MINOR 1u

/* "RdPl" in ASCII, most significant byte first. */
#define RP_PLUGIN_MAGIC 0x5264506Cu

#define RP_ENTRY_SYMBOL "read_policy_plugin_v1"

/* A buffer of this many bytes holds the errors of a badly broken file; a smaller one gets as many
 * whole lines as fit, and a last line that says how many more there are. */
#define RP_ERROR_BYTES 8192u

/* What functions return that can fail. Any other value is an error of a newer plugin. */
enum rp_status {
    RP_OK = 0,
    RP_E_ARGUMENT = 1,   /* NULL, or a struct_size too small */
    RP_E_CONFIG = 2,     /* the INI cannot be read or has errors; err lists them, one per line */
    RP_E_CAPABILITY = 3, /* a policy needs more than the host declared; err names both */
    RP_E_MEMORY = 4,     /* out of memory; nothing has changed */
    RP_E_LIMIT = 5,      /* too many reloads; nothing has changed */
    RP_E_END = 6,        /* metrics, key, kind, server: there is none with that index */
    RP_E_BUSY = 7        /* the agreed maximum is under way */
};

/* What a host can do beyond reading and waiting; `capabilities` of open, a set of bits. */
enum rp_capability {
    /* Reports carry a server's position (WAL position, LSN), RP_STEP_READ steps with
     * RP_STEP_WITH_POSITION are followed, and RP_STEP_LOCATE is understood. */
    RP_CAN_REPORT_POSITIONS = 1,
    /* RP_STEP_AWAIT is understood. */
    RP_CAN_AWAIT_POSITION = 2
};

struct rp_set;    /* one INI file, loaded */
struct rp_policy; /* one section of it: the policy of one read path of the host */

/* ---- a read goes in -------------------------------------------------------------------------- */

enum rp_request_flag {
    /* The read is part of a transaction that must see its own writes: it goes to the primary, with
     * no retry and no fallback. */
    RP_IN_TRANSACTION = 1,
    /* There are replicas, but none that may be asked now (replicas is 0): the read begins as if a
     * replica had failed, and on_replica_failure decides. Without the flag, 0 replicas means that
     * there is none, and the read goes to the primary quietly. */
    RP_REPLICAS_OUT = 2
};

struct rp_request {
    uint32_t struct_size;
    uint32_t flags;       /* enum rp_request_flag; unknown bits are ignored */
    uint32_t replicas;    /* distinct replicas that the host offers for this read; 0: none */
    uint32_t reserved;    /* 0 */
    uint64_t now_ns;      /* the time now */
    uint64_t deadline_ns; /* no wait goes beyond it; 0: none */
    uint64_t entropy; /* 64 random bits, fresh for each read; need not be cryptographic. They choose
                         the replica and the jitter */
    uint64_t position; /* WAL position that the read must not be behind (a floor), or 0. Found
                          counts only from a replica known to have reached it, or from the
                          primary; it never proves that a row is absent */
};

/* What became of a step. */
enum rp_outcome {
    RP_FOUND = 0,   /* read: the known row is there, with all that must come with it */
    RP_PARTIAL = 1, /* read: the known row is there, but not yet all that must come with it */
    RP_MISSING = 2, /* read: the known row is not on this server (a miss). Never for an error */
    RP_FAILED = 3,  /* read, locate, await: anything else that went wrong: connection, timeout, SQL
                       error, a query cancelled by recovery, a primary found in recovery */
    RP_WAITED = 4,  /* wait: the time has come */
    RP_LOCATED = 5, /* locate: position is the primary's */
    RP_REACHED = 6, /* await: the replica has replayed up to the position; report its position */
    RP_NOT_REACHED = 7 /* await: not by the given time */
};

struct rp_report {
    uint32_t struct_size;
    int32_t outcome;   /* enum rp_outcome */
    uint64_t now_ns;   /* the time now, not before that of an earlier call for this read */
    uint64_t position; /* WAL position that the server was at, 0 = unknown. For a read of a replica
                          it must have been taken BEFORE the snapshot of the statement that gave the
                          outcome, and only while the server was in recovery: it qualifies found
                          where there is a floor or the answer is to be current (when = always),
                          and an absence is proven by it. Located: the
                          inserted position, without the page header that an idle primary is at */
    uint64_t flushed;  /* located: the flushed position, at most `position`; 0 = unknown */
};

/* ---- a step comes out ------------------------------------------------------------------------ */

enum rp_step_kind {
    RP_STEP_READ = 0,   /* read from `target` (replica number `replica`, or the primary) */
    RP_STEP_WAIT = 1,   /* do nothing until `until_ns`; holds no connection */
    RP_STEP_LOCATE = 2, /* ask the primary for its WAL position, touching no table. One answer may
                           be shared by all reads that were waiting before the question was sent,
                           and by none that came later */
    RP_STEP_AWAIT =
        3,           /* until `until_ns`, wait for replica number `replica` to replay `position` */
    RP_STEP_DONE = 4 /* the read is over; see verdict and what follows it */
};

enum rp_target { RP_TARGET_REPLICA = 0, RP_TARGET_PRIMARY = 1 };

enum rp_step_flag {
    /* RP_STEP_READ of a replica: report its replay position, taken by an earlier statement. All of
     * them have it if the request brought a position. Without the flag a position is not needed (0
     * may be reported). */
    RP_STEP_WITH_POSITION = 1,
    /* RP_STEP_READ of a replica but for a first one, RP_STEP_LOCATE, RP_STEP_AWAIT: replica_pick =
     * freshest. A host that knows the replicas' positions may take another of those offered than
     * `replica` says: one that has reached the position, else the one that is furthest. */
    RP_STEP_FRESHEST = 2
};

enum rp_verdict {
    RP_VERDICT_NONE = 0,  /* not done yet */
    RP_VERDICT_FOUND = 1, /* give the last answer; a partial one only where no server has more */
    RP_VERDICT_NOT_FOUND = 2, /* missing on the primary too, or proven absent */
    RP_VERDICT_FAILED = 3,    /* an error; the row may or may not exist */
    RP_VERDICT_SHED = 4       /* the primary's budget is empty: ask again in a second */
};

/* Which read gave a verdict of found or not found. */
enum rp_served_by {
    RP_SERVED_BY_NONE = 0,
    RP_SERVED_BY_REPLICA = 1,       /* the first read of a replica */
    RP_SERVED_BY_REPLICA_RETRY = 2, /* a later read of a replica */
    RP_SERVED_BY_PRIMARY = 3
};

/* Which counter of the section a verdict moved. */
enum rp_counted {
    RP_COUNTED_NONE = 0,
    RP_COUNTED_REPLICA_RETRY = 1, /* replica_miss, outcome replica_retry */
    RP_COUNTED_PRIMARY = 2,       /* replica_miss, outcome primary */
    RP_COUNTED_PROVEN_ABSENT = 3,
    RP_COUNTED_PRIMARY_SHED = 4
};

/* How the host should log the verdict, with its own labels. Shed verdicts come in floods: write at
 * most one line per second, with their number. */
enum rp_log_level { RP_LOG_NONE = 0, RP_LOG_WARN = 1, RP_LOG_ERROR = 2 };

/*
 * A step is the plugin's memory or part of the struct rp_read: read it until the next call for the
 * same read; a step of kind RP_STEP_DONE until close.
 */
struct rp_step {
    uint32_t struct_size; /* of the plugin's structure */
    int32_t kind;         /* enum rp_step_kind */
    int32_t target;       /* RP_STEP_READ: enum rp_target */
    uint32_t replica;     /* READ of a replica, AWAIT, and LOCATE, of the await that follows:
                             0 to replicas - 1 */
    uint32_t flags;       /* enum rp_step_flag */
    int32_t verdict;      /* DONE: enum rp_verdict */
    int32_t served_by;    /* DONE: enum rp_served_by */
    int32_t log_level;    /* DONE: enum rp_log_level */
    uint64_t until_ns;    /* WAIT, AWAIT: never beyond the request's deadline. An AWAIT may end now:
                             then only a position that is known already can have reached it */
    uint64_t position;    /* AWAIT: WAL position */
    const char
        *failed_during;  /* DONE: NULL, "replica_retry", "primary_fallback", "primary_budget" */
    const char *message; /* DONE: one sentence; never NULL then */
    int32_t counted;     /* DONE: enum rp_counted: the counter that has grown by one */
    uint32_t reserved;
};

/*
 * A read under way, in the host's memory: on a stack or in a request object, never moved or copied
 * while under way. The host sets struct_size before begin and touches nothing else. The plugin
 * keeps no pointer to it; a host that no longer needs the read simply forgets it.
 */
#define RP_READ_BYTES 192u
struct rp_read {
    uint32_t struct_size; /* sizeof(struct rp_read) */
    uint32_t reserved;
    uint64_t opaque[(RP_READ_BYTES - 8u) / 8u];
};

/* ---- counters -------------------------------------------------------------------------------- */

struct rp_metric {
    uint32_t struct_size; /* set by the host */
    uint32_t reserved;
    const char *name; /* "run_engine.snapshots_since.replica_miss"; several metrics may share it */
    const char *help; /* one sentence */
    const char *section;         /* the section's name */
    const char *attribute;       /* name of the one attribute, or NULL */
    const char *attribute_value; /* its value, or NULL */
    uint64_t value;              /* a counter: it only grows, and survives reloads */
};

/* ---- the primary's budget -------------------------------------------------------------------- */

/* How many reads of the primary a section may still make: of all processes that share its state. */
struct rp_budget_info {
    uint32_t struct_size; /* set by the host */
    uint32_t per_s;       /* primary_budget_per_s; 0: no limit, or a policy that has none */
    uint32_t burst;       /* primary_budget_burst, as it counts; 0 without a limit */
    uint32_t left;        /* that would be admitted at once now, at most burst; 0 without a limit */
};

/* ---- keys ------------------------------------------------------------------------------------ */

enum rp_key_type { RP_KEY_NUMBER = 0, RP_KEY_CHOICE = 1, RP_KEY_TEXT = 2 };

/* One key of a section of the INI file: bounds, default and documentation are the parser's own. */
struct rp_key {
    uint32_t struct_size; /* set by the host */
    int32_t type;         /* enum rp_key_type */
    uint32_t min;         /* NUMBER: inclusive bounds; TEXT: bounds of its length in bytes */
    uint32_t max;
    const char *name;
    const char *few_choices[8]; /* CHOICE: the first seven of choices, ended by NULL: all that hosts
                                   of ABI 1.0 have room for */
    const char *default_value;  /* NULL: the key is required */
    const char *unit;           /* "ms", "reads", ... or "" */
    const char *help;           /* one sentence */
    const char *const *choices; /* CHOICE: what is accepted, ended by NULL; else NULL. A plugin of
                                   ABI 1.0 leaves it as it was */
};

/* ---- kinds of policies ----------------------------------------------------------------------- */

enum rp_kind_flag {
    /* The first read may be the primary's though there is a replica to ask. Without the flag the
     * primary is read only after a miss, after a failure if on_replica_failure = primary, or for a
     * position (the request's, or with when = always the located one) that no replica is known to
     * have reached. */
    RP_KIND_PRIMARY_FIRST = 1
};

/* One policy that a section may choose, and what it promises under every setting of its keys. */
struct rp_kind {
    uint32_t struct_size;    /* set by the host */
    uint32_t flags;          /* enum rp_kind_flag */
    uint32_t needs;          /* enum rp_capability: what the host must be able to do */
    uint32_t most_steps;     /* of the longest possible read, not counting the done step */
    const char *name;        /* as in the INI file */
    const char *summary;     /* one sentence */
    const char *const *keys; /* those that it uses besides `policy`, ended by NULL */
};

/* ---- the cluster ----------------------------------------------------------------------------- */

/*
 * Deciding is half of the work; the other half is knowing: who is the primary, where each server
 * is, what an answer proves. A cluster does that half, again without any I/O: it says what to ask
 * of which server, the host asks it and hands the answer back. Hosts on a cluster call neither
 * begin nor next, and do no arithmetic on WAL positions. A whole host, with any driver:
 *
 *     calls->open(set, &options, &cluster, err, sizeof err);
 *     calls->server_set(cluster, 0, "a", RP_EXPECT_ANY, RP_SERVER_ON, now());
 *     calls->server_set(cluster, 1, "b", RP_EXPECT_ANY, RP_SERVER_ON, now());
 *
 *     // a request comes in:
 *     calls->start(cluster, policy, &request, tag, &read_id);
 *
 *     // after every event, and at wake_ns at the latest, until it returns 0:
 *     while (calls->next(cluster, now(), &action, &wake_ns)) {
 *         switch (action.kind) {
 *         case RP_ACTION_ASK:  // one statement, one row, one column, as text; where a server has
 *                              // several connections by turns, and over a new one first
 *             send(action.server, action.text, action.id);
 *             break;
 *         case RP_ACTION_READ: // the question, if any, and then the host's own statement for
 *                              // action.tag: one transaction, one connection, in this order
 *             send_read(action.server, action.text, action.tag, action.id);
 *             break;
 *         case RP_ACTION_DROP: // not wanted any more: cancel it, or ignore its answer
 *             break;
 *         case RP_ACTION_DONE: // answer the request of action.tag
 *             break;
 *         case RP_ACTION_REDIAL: // close the server's connections, and look its name up again
 *             break;
 *         }
 *     }
 *
 *     // an answer comes in:
 *     calls->answer(cluster, id, outcome, before, after, now());
 *
 * THE HOST'S STATEMENTS. Connections use READ COMMITTED (SET default_transaction_isolation once;
 * the question checks it). For a read of a replica (action.target) add AND (SELECT
 * pg_catalog.pg_is_in_recovery()) to the condition, and see in every answer, an empty one too,
 * whether it held: where it did not, report RP_ROLE_CHANGED, not RP_MISSING. A statement that has
 * no row for a missing one cannot tell, so let it have one: SELECT ..., pg_is_in_recovery(), and
 * RP_AFTER_COLUMN, FROM (SELECT) AS one LEFT JOIN t ON t.id = $1 AND the guard. Never for a read of
 * the primary: by that condition it has no row, and every row is "not found". `after` is a column
 * of the read's own statement (RP_AFTER_COLUMN), so it is taken after the statement's snapshot.
 * `before` is the question's answer, and belongs to its transaction: if a read is asked again, in
 * another transaction, so is the question.
 *
 * THE FIRST READ. Until `settled` of rp_cluster_info nothing is proven and nobody is known to be
 * the primary: a read that begins before may end as failed, though all servers are well. Wait for
 * it, within the read's own time.
 *
 * THREADS. One thread at a time for one cluster [one thread]; each event loop has its own cluster,
 * all of them on one set. Opened after any fork. All memory is taken when it is opened.
 *
 * TIME. One monotonic clock, as above; an earlier `now`, or one of 2^63 ns and more, counts as the
 * latest seen. Limits hold if the host calls next by wake_ns.
 *
 * WHAT COUNTS. Found, from any server that may serve the read. Missing only with proof: on the
 * primary, by a question in the same transaction that names it as the primary; on a replica, by a
 * replay position, on the primary's timeline, that reaches what the primary had inserted after the
 * read began. What a server or a role does not reveal is unknown, and proves nothing.
 */
struct rp_cluster;

/* A column for the host's own statements: the position after the statement's snapshot. Its type is
 * pg_lsn; a driver that takes values in binary needs it cast to text. */
#define RP_AFTER_COLUMN                                                                            \
    "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"            \
    " ELSE pg_catalog.pg_current_wal_insert_lsn() END"

enum rp_cluster_flag {
    RP_CLUSTER_STRICT = 1,       /* the host's mistakes become notices, "strict: ..." */
    RP_CLUSTER_FIRST_MISSES = 2, /* a rehearsal: the first read of a replica counts as missing; with
                                    one server alone, that server stands in for its own replica */
    RP_CLUSTER_CAN_BLOCK = 4,    /* asks with RP_ACTION_BLOCKS are understood */
    RP_CLUSTER_KEEPS_ANSWERS = 8 /* a read's last answer is kept until its DONE, which may come
                                    after other news: a read may then go to a replica while the
                                    primary is being located for it */
};

#define RP_CLUSTER_MAX_SERVERS 64u

struct rp_cluster_options {
    uint32_t struct_size;
    uint32_t flags;       /* enum rp_cluster_flag */
    uint32_t max_servers; /* 1 to RP_CLUSTER_MAX_SERVERS; indexes run from 0 */
    uint32_t max_reads;   /* at once; 1 to 1000000. About 500 bytes each */
    uint32_t poll_ms;     /* how often every server is asked; 100 to 5000, 0: 1000. While no primary
                             answers, it is 250 at most */
    uint32_t timeout_ms;  /* of a read whose request has no deadline; 0 to 3600000, 0: 5000 */
    uint64_t now_ns;
    uint64_t seed; /* 64 random bits, others for each cluster: for the jitter of back-off, and so
                      that an answer which is given to another cluster than asked is none there */
};

/* What the operator says of a server's role; roles are observed all the same. But a server that can
 * tell nothing of itself is what is said here: it is read, and proves nothing. */
enum rp_expect { RP_EXPECT_ANY = 0, RP_EXPECT_PRIMARY = 1, RP_EXPECT_REPLICA = 2 };

enum rp_server_state {
    RP_SERVER_OFF = 0,  /* not there */
    RP_SERVER_ON = 1,   /* asked and read */
    RP_SERVER_DRAIN = 2 /* asked; no read begins there any more, those that did go on */
};

enum rp_action_kind {
    RP_ACTION_NONE = 0,
    RP_ACTION_READ = 1,
    RP_ACTION_ASK = 2,
    RP_ACTION_DROP = 3,
    RP_ACTION_DONE = 4,
    RP_ACTION_REDIAL = 5
};

enum rp_action_flag {
    /* ASK: keeps its connection busy until it is answered, at limit_ns at the latest: give it one
     * of its own, with a statement_timeout of 1 s or more. Its text is another one each time. A
     * host that has no such connection now answers RP_NOT_SENT, and is asked to poll for a while.
     */
    RP_ACTION_BLOCKS = 1,
    RP_ACTION_WANTS_POSITION = 2 /* READ: hand in `after` */
};

/* What the host is to do. Strings are constants, but text, which is valid until the action is
 * answered or dropped; the same question is always the same pointer, so it can name a prepared
 * statement (but for RP_ACTION_BLOCKS), while the shared object stays loaded: another version of it
 * may have another question there. */
struct rp_action {
    uint32_t struct_size; /* set by the host */
    int32_t kind;         /* enum rp_action_kind */
    uint64_t id;  /* READ, ASK: to be answered, once. DROP: not wanted; an answer changes nothing.
                     All 64 bits count, so no double can hold it */
    uint64_t tag; /* READ, DONE, DROP of a read: as given to start */
    uint64_t read_id;  /* READ, DONE, DROP of a read */
    uint32_t server;   /* READ, ASK, DROP, REDIAL: index */
    uint32_t flags;    /* enum rp_action_flag */
    int32_t target;    /* READ: enum rp_target, as which the server is read */
    int32_t verdict;   /* DONE, and what follows: as in struct rp_step */
    uint64_t limit_ns; /* READ, ASK: no answer counts after it, and DROP comes then */
    const char *text;  /* ASK: the statement. READ: the question, or NULL: none */
    int32_t served_by;
    int32_t log_level;
    int32_t counted;
    uint32_t reserved;
    const char *failed_during;
    const char *message;
    const char *reason; /* DONE, failed: what the cluster knows of why; or NULL */
    uint64_t position;  /* DONE: where the server that answered was, at least as far as all that its
                           answer shows; 0: unknown */
};

/* Outcomes of answer beyond enum rp_outcome's found, partial, missing and failed. RP_FAILED: this
 * statement failed here, which says nothing about the next one. */
enum rp_answer_outcome {
    RP_ANSWERED = 16,     /* ASK: `before` is the answer */
    RP_SERVER_GONE = 17,  /* the connection was lost, or the server refuses to work */
    RP_ROLE_CHANGED = 18, /* READ of a replica: it is not in recovery */
    RP_NOT_SENT = 19,     /* no connection to the server now */
    RP_CONFLICT = 20 /* READ: cancelled by recovery, serialization or a deadlock (40001, 40P01), or
                        its session was void: asked again, once */
};

/* A server, as the cluster sees it. */
enum rp_server_role {
    RP_ROLE_UNKNOWN = 0, /* has not answered yet */
    RP_ROLE_PRIMARY = 1, /* the one that is asked as the primary */
    RP_ROLE_REPLICA = 2,
    RP_ROLE_OUT = 3 /* asked questions only; `why` says why */
};

#define RP_UNKNOWN UINT64_MAX

/* What follows is filled in up to struct_size: a host of an older header has less room, and needs
 * it as far as position, system and text, respectively. */
struct rp_server_info {
    uint32_t struct_size;     /* set by the host */
    int32_t role;             /* enum rp_server_role */
    int32_t expect;           /* enum rp_expect */
    int32_t state;            /* enum rp_server_state */
    uint32_t answers;         /* 1: it answered the last question */
    uint32_t in_recovery;     /* 0, 1, or 2: unknown */
    uint32_t timeline;        /* the upper bound of a standby's; 0: unknown */
    uint32_t version;         /* server_version_num; 0: unknown */
    uint64_t instance;        /* its start time, microseconds since 2000-01-01 UTC; 0: unknown */
    uint64_t system;          /* system identifier; 0: unknown */
    uint64_t position;        /* replayed; a primary's, as a standby can reach it; 0: unknown */
    uint64_t lag_bytes;       /* of a replica behind the primary; RP_UNKNOWN */
    uint64_t lag_ns;          /* RP_UNKNOWN; grows while a replica stands still */
    uint64_t lag_at_least_ns; /* how old the newest position of the primary is that it has reached:
                                 a lower bound of its lag if `position` is before the primary's,
                                 and nothing is known beyond it if not. Kept while lag_ns is
                                 unknown; 0: none */
    uint64_t backing_off_ns;  /* how long no read is sent there, since it failed; 0: none */
    const char *why;          /* OUT, or an expectation that does not hold: a constant; else "" */
    const char *grants;       /* what the role lacks for proofs: a constant sentence; else "" */
};

struct rp_cluster_info {
    uint32_t struct_size;     /* set by the host */
    uint32_t settled;         /* 1: every server that is on has answered, or failed, once, or once
                                 more since next was called more than 2 s late; but for one that was
                                 added while a primary was known */
    uint32_t split;           /* 1: two servers, or lineages, claim to be the primary */
    uint32_t primary;         /* index; UINT32_MAX: none */
    uint32_t primary_answers; /* 1: it answered the last question */
    uint32_t timeline;        /* the highest that a primary was seen at; 0: none */
    uint32_t reads;           /* under way */
    uint32_t replicas;        /* that reads are offered to */
    uint64_t system;          /* 0: unknown */
    /* 1: there are replicas, and none that may be asked: on_replica_failure decides of reads */
    uint32_t replicas_out;
    uint32_t forgetting; /* 1: after forget_history, until all have been asked anew */
};

struct rp_notice {
    uint32_t struct_size; /* set by the host */
    int32_t level;        /* enum rp_log_level; RP_LOG_NONE: for information */
    uint32_t server;      /* index; UINT32_MAX: none in particular */
    uint32_t dropped;     /* notices lost before this one, since there was no room */
    char text[256];       /* one line, without a secret */
};

/* The functions of a cluster. [one thread], but for those that say otherwise; the table grows at
 * its end only. Where a pointer is NULL that must not be, or a struct_size is too small, nothing
 * happens, and those that return a status return RP_E_ARGUMENT. */
struct rp_cluster_calls {
    uint32_t struct_size; /* of the plugin's table */
    uint32_t reserved;

    /* Takes all memory that the cluster will ever use. The set must outlive it, and must have been
     * opened with RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION (a cluster does both). Returns
     * RP_OK, RP_E_ARGUMENT (err says which) or RP_E_MEMORY. */
    int32_t (*open)(struct rp_set *set, const struct rp_cluster_options *options,
                    struct rp_cluster **cluster, char *err, uint32_t errlen);

    /* Forgets what is under way. Returns the number of reads that were not done. NULL: 0. */
    uint32_t (*close)(struct rp_cluster *cluster);

    /* Adds, changes or (RP_SERVER_OFF) takes out a server, at any time. name: up to 63 bytes, for
     * notices, copied. Reads under way on one that is taken out go elsewhere. Another address
     * behind the same index is another server: take it out first. RP_OK, or RP_E_ARGUMENT: an index
     * past max_servers, a name that is longer, no such expectation or state. */
    int32_t (*server_set)(struct rp_cluster *cluster, uint32_t index, const char *name,
                          int32_t expect, int32_t state, uint64_t now_ns);

    /* What is known of a server, RP_OK, or RP_E_END past max_servers; and of all of them, RP_OK. */
    int32_t (*server)(struct rp_cluster *cluster, uint32_t index, struct rp_server_info *info);
    int32_t (*info)(struct rp_cluster *cluster, struct rp_cluster_info *info);

    /* Something may have changed about a server (a connection came up or was lost, its greeting
     * tells of another role): it is asked as soon as may be. No server of that index: nothing. */
    void (*prompt)(struct rp_cluster *cluster, uint32_t index, uint64_t now_ns);

    /* The operator reloads: system and timeline that are remembered are forgotten once every server
     * has been asked anew, and one has answered that leads, or that is of another system; a notice
     * says what was. */
    void (*forget_history)(struct rp_cluster *cluster, uint64_t now_ns);

    /* Begins a read. request->replicas and its flag RP_REPLICAS_OUT are the cluster's own to fill
     * in: what the host puts there is ignored. Returns RP_OK, RP_E_ARGUMENT, or RP_E_BUSY:
     * max_reads are under way. Each start ends in exactly one RP_ACTION_DONE, unless it is
     * forgotten, and nothing comes with its tag after that. */
    int32_t (*start)(struct rp_cluster *cluster, const struct rp_policy *policy,
                     const struct rp_request *request, uint64_t tag, uint64_t *read_id);

    /* The host lost interest: no DONE will come, a DROP may, until next has returned 0: what the
     * tag stands for has to be there until then. Unknown ids change nothing. */
    void (*forget)(struct rp_cluster *cluster, uint64_t read_id);

    /* What to do now, to be called until it returns 0: what ends comes first, and where reads end
     * at once, who stops at each DONE never comes to the questions by which they would go on again.
     * Returns 1 with an action, 0 if there is nothing before *wake_ns, which is later than now_ns
     * (UINT64_MAX: nothing until something else is called; so, too, if an argument is NULL or
     * action->struct_size is too small). A DROP may be of an action that was answered a moment ago:
     * then there is nothing to drop. */
    int32_t (*next)(struct rp_cluster *cluster, uint64_t now_ns, struct rp_action *action,
                    uint64_t *wake_ns);

    /* What became of a READ or an ASK. outcome: found, partial, missing, failed of enum rp_outcome,
     * or enum rp_answer_outcome. before: the question's answer as the server printed it. after: the
     * position column of the read's own answer, as text. Both may be NULL, which is unknown; they
     * are not kept. Late and unknown answers change nothing. */
    void (*answer)(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *before,
                   const char *after, uint64_t now_ns);

    /* The next notice, oldest first. Returns 1, or 0: none. */
    int32_t (*notice)(struct rp_cluster *cluster, struct rp_notice *notice);

    /* The cluster's own counters, as metrics of the set; section is "", strings are constants.
     * RP_OK, or RP_E_END past the last one. */
    int32_t (*metrics)(const struct rp_cluster *cluster, uint32_t index, struct rp_metric *metric);

    /* WAL positions as PostgreSQL prints them, "16/B374D848". [thread-safe] parse returns RP_OK, or
     * RP_E_ARGUMENT: none; print fills text, not NULL and at least RP_POSITION_BYTES long. */
    int32_t (*position_parse)(const char *text, uint64_t *position);
    void (*position_print)(uint64_t position, char *text);

    /* For a host that has several clusters of the same servers, one in each thread say: what
     * another of them has found out, the system (0, too) and the timeline of its `info`, while
     * primary_answers is 1 and forgetting is 0 there. It is remembered here as if it had been heard
     * here, so that a primary which was deposed is out, though this cluster has no connection to
     * the new one. Another system, or an older timeline, changes nothing, and what is told while
     * this cluster does not know its system yet, or is forgetting, is not kept: tell it again once
     * it does. Where history is to be forgotten, tell all clusters, and pass on nothing from one
     * that was not told yet. */
    void (*heard_of)(struct rp_cluster *cluster, uint64_t system, uint32_t timeline,
                     uint64_t now_ns);
};

#define RP_POSITION_BYTES 18u

/* ---- the plugin ------------------------------------------------------------------------------ */

struct rp_plugin {
    /* The frozen prefix: the same in every version, past and future. */
    uint32_t magic;       /* RP_PLUGIN_MAGIC */
    uint32_t struct_size; /* of the plugin's table, in bytes */
    uint32_t abi_major;   /* incompatible if not equal to RP_ABI_MAJOR */
    uint32_t abi_minor;   /* grows when members are added */
    const char *name;     /* "read-policy" */
    const char *version;  /* "1.1.0": for people; decide nothing by it */

    /*
     * Reads an INI file and prepares its sections, all of it or nothing. [control] ini_path: not
     * NULL. capabilities: bits of enum rp_capability; a policy that needs more is refused. set:
     * receives the new set, to be released with close; NULL on any error. err, errlen: receive the
     * errors, one per line, NUL-terminated; may be NULL and 0. Returns RP_OK, RP_E_ARGUMENT,
     * RP_E_CONFIG, RP_E_CAPABILITY or RP_E_MEMORY.
     */
    int32_t (*open)(const char *ini_path, uint32_t capabilities, struct rp_set **set, char *err,
                    uint32_t errlen);

    /*
     * Reads the file again. [control] All or nothing: on any error the old configuration stays in
     * force. Reads under way finish as they began, except that the primary's budget is the
     * section's: a new rate holds at once, for all of them. Reads that begin later follow the new
     * configuration. Handles, counters and the budget's state stay. A section of the set that the
     * file no longer has is an error; a new section is added. An unchanged file changes nothing and
     * costs nothing. Each changed configuration is kept until close; after 1024 of them a reload is
     * refused (RP_E_LIMIT). Returns as open does, or RP_E_LIMIT.
     */
    int32_t (*reload)(struct rp_set *set, char *err, uint32_t errlen);

    /*
     * The handle of one section, or NULL if there is none of that name. [control]
     * It is valid until close, across reloads. Neither argument may be NULL (NULL gives NULL).
     */
    const struct rp_policy *(*policy)(struct rp_set *set, const char *section);

    /*
     * Begins a read and returns its first step, never NULL. [one thread per read]
     * None of the arguments may be NULL, and each struct_size must be at least that of ABI 1.0; a
     * call that breaks this gets a done step of verdict failed that says so. Takes no lock,
     * allocates nothing, makes no system call.
     */
    const struct rp_step *(*begin)(const struct rp_policy *policy, const struct rp_request *request,
                                   struct rp_read *read);

    /*
     * Takes the report on the step under way and returns the next one, never NULL. [one thread per
     * read] A report that the step under way cannot have (found while waiting, an unknown outcome)
     * ends the read as failed. After a done step, every further call returns that same step and
     * changes nothing. A read ends within the most_steps of its policy (struct rp_kind).
     */
    const struct rp_step *(*next)(struct rp_read *read, const struct rp_report *report);

    /*
     * Fills in the metric of that index; indexes run from 0 without gaps. [thread-safe]
     * metric->struct_size is set by the caller. The strings are valid until close.
     * Returns RP_OK, RP_E_END past the last one, or RP_E_ARGUMENT.
     */
    int32_t (*metrics)(const struct rp_set *set, uint32_t index, struct rp_metric *metric);

    /*
     * Writes a readable paragraph: what this section does with a read, effective values included.
     * [thread-safe] buf may be NULL if len is 0; else it is NUL-terminated, cut if need be.
     * Returns the number of bytes of the whole text, without its NUL, as snprintf does; 0 on NULL.
     */
    uint32_t (*describe)(const struct rp_policy *policy, char *buf, uint32_t len);

    /*
     * Releases the set. [control], and no other function may be running or called afterwards with
     * the set, its policies, its reads, steps or strings. NULL is allowed.
     */
    void (*close)(struct rp_set *set);

    /*
     * The name of the section of that index, from 0 without gaps, in the order of the file
     * (sections that a reload added come last); NULL past the last one. [control] Valid until
     * close.
     */
    const char *(*section)(struct rp_set *set, uint32_t index);

    /*
     * Fills in the key of that index; indexes run from 0 without gaps. [thread-safe]
     * key->struct_size is set by the caller. The strings are constants of the plugin.
     * Returns RP_OK, RP_E_END past the last one, or RP_E_ARGUMENT.
     */
    int32_t (*key)(uint32_t index, struct rp_key *key);

    /*
     * Writes the section's policy, as it is configured, as a state diagram in Graphviz's DOT
     * language. [thread-safe] Arguments and result as of describe.
     */
    uint32_t (*diagram)(const struct rp_policy *policy, char *buf, uint32_t len);

    /*
     * How many bytes of memory `share` needs for that many sections, 1 to RP_SHARED_SECTIONS_MAX;
     * 0 for any other number. [thread-safe] Each name of a section that was ever shared there keeps
     * its place: leave room for those to come.
     */
    uint64_t (*shared_bytes)(uint32_t sections);

    /*
     * Keeps the counters and the budgets' state of the set in the host's memory, so that several
     * processes count together and 40 reads a second are 40 for all of them. [control], before the
     * first read of the set: what was counted until then stays behind.
     *
     * memory: aligned to 8 bytes, of the same size in every process, mapped shared by all of them
     * (each may map it elsewhere), all zero when the first of them comes: mmap with MAP_SHARED |
     * MAP_ANONYMOUS before a fork, or a file below /dev/shm. It must not outlive the clock of
     * now_ns (a reboot), which all of them share. The host keeps it mapped until close. Any number
     * of sets may be attached to it, at any time and at once; a section is known by its name,
     * wherever its file is. So a host that opens a new set with each change of its configuration,
     * and lets older processes finish with the old one, loses no count; the rate of a budget is the
     * one that was loaded last. A reload that adds a section for which there is no space is refused
     * (RP_E_LIMIT).
     *
     * Returns RP_OK; RP_E_ARGUMENT if the memory is too small, not aligned, holds something else
     * (what another version of this layout left there, too) or was shared in another size;
     * RP_E_LIMIT if it has no space for all sections. err says which; then the set has not changed.
     * Afterwards begin and next take no lock either: they change 8-byte words atomically.
     */
    int32_t (*share)(struct rp_set *set, void *memory, uint64_t bytes, char *err, uint32_t errlen);

    /*
     * Fills in the policy of that index, in the order of the choices of the key `policy`; indexes
     * run from 0 without gaps. [thread-safe] kind->struct_size is set by the caller. The strings
     * are constants of the plugin. Returns RP_OK, RP_E_END past the last one, or RP_E_ARGUMENT.
     */
    int32_t (*kind)(uint32_t index, struct rp_kind *kind);

    /*
     * Writes notes on the configuration that was loaded last, one per line: keys that their
     * section's policy does not use, and values with effects that are easily missed. [control] For
     * the log, after open and reload: a note is not an error. The text is empty if there is none,
     * as after a NULL set. Arguments and result as of describe.
     */
    uint32_t (*notes)(struct rp_set *set, char *buf, uint32_t len);

    /*
     * As open, of text in memory in place of a file. [control] text: `length` bytes, read during
     * the call only. name: not NULL, the file's name in errors and notes.
     */
    int32_t (*open_text)(const char *text, uint32_t length, const char *name, uint32_t capabilities,
                         struct rp_set **set, char *err, uint32_t errlen);

    /*
     * As reload, of another text. [control] For sets of open_text only, as reload is for sets of
     * open only: the other one is refused with RP_E_ARGUMENT.
     */
    int32_t (*reload_text)(struct rp_set *set, const char *text, uint32_t length, char *err,
                           uint32_t errlen);

    /* The functions of a cluster. */
    const struct rp_cluster_calls *cluster;

    /*
     * Fills in the primary's budget of a section and what is left of it at now_ns, of the clock
     * that reads have; nothing is charged. [thread-safe] info->struct_size is set by the caller.
     * For metrics and status pages: what is left may be gone by the time that a read asks for it.
     * Returns RP_OK or RP_E_ARGUMENT.
     */
    int32_t (*budget)(const struct rp_policy *policy, uint64_t now_ns, struct rp_budget_info *info);
};

/* The most sections that shared memory can hold. */
#define RP_SHARED_SECTIONS_MAX 1024u

/* The table up to and including close: what every plugin of this major version has. */
#define RP_PLUGIN_MIN_SIZE (offsetof(struct rp_plugin, close) + sizeof(void (*)(struct rp_set *)))

/* Whether a plugin's table has a member: asked before any member that is not in RP_PLUGIN_MIN_SIZE.
 */
#define RP_HAS(plugin, member)                                                                     \
    (offsetof(struct rp_plugin, member) + sizeof(void *) <= (plugin)->struct_size &&               \
     (plugin)->member != NULL)

/* The type of the entry symbol, and the symbol itself for those who link the plugin in. */
typedef const struct rp_plugin *(*rp_entry_function)(void);
const struct rp_plugin *read_policy_plugin_v1(void);

#ifndef RP_DECLARATIONS_ONLY

/* ---- random numbers -------------------------------------------------------------------------- */

/* What rp_random adds to its state. */
#define RP_RANDOM_STEP UINT64_C(0x9E3779B97F4A7C15)

/*
 * Number n, from 1, of those that a seed gives, for `entropy` and `seed`. [thread-safe] Threads
 * that share a seed need only count their reads with an atomic variable. n = 0 mixes the seed
 * alone.
 *
 * This is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * 2014): not for secrets. The seed is 64 bits from the kernel, drawn by each process for itself,
 * after any fork: processes with the same numbers would wait for the same time and ask the same
 * replica.
 */
static inline uint64_t rp_random_at(uint64_t seed, uint64_t n) {
    uint64_t z = seed + n * RP_RANDOM_STEP;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/*
 * The next number of a generator whose state was the seed at first: numbers 1, 2, ... of
 * rp_random_at. One thread at a time for one state.
 */
static inline uint64_t rp_random(uint64_t *state) {
    const uint64_t number = rp_random_at(*state, 1);
    *state += RP_RANDOM_STEP;
    return number;
}

/* ---- the loop of a blocking host ------------------------------------------------------------- */

/*
 * Runs one read to its end. [one thread per read] `perform` does what the step says (a read, a
 * wait, a locate, an await), fills in report->outcome and, where it has them, the positions, and
 * sets report->now_ns to the time when it was done; `context` is passed through. `read` and
 * `request` are prepared as above. Returns the done step.
 */
static inline const struct rp_step *
rp_run(const struct rp_plugin *plugin, const struct rp_policy *policy,
       const struct rp_request *request, struct rp_read *read,
       void (*perform)(void *context, const struct rp_step *step, struct rp_report *report),
       void *context) {
    const struct rp_step *step = plugin->begin(policy, request, read);
    while (step->kind != RP_STEP_DONE) {
        struct rp_report report;
        report.struct_size = sizeof report;
        report.outcome = RP_FAILED;
        report.now_ns = request->now_ns;
        report.position = 0;
        report.flushed = 0;
        perform(context, step, &report);
        step = plugin->next(read, &report);
    }
    return step;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
