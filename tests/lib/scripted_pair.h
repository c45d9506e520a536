/*
 * scripted_pair.h - a host on a cluster of a primary and a standby, in the test's own hands.
 *
 * Polls are answered as they come, with what the test has the two servers say; so are locates, but
 * for a test that holds them. What goes to the standby beside polls waits for the test's answer.
 */
#ifndef SCRIPTED_PAIR_H
#define SCRIPTED_PAIR_H

#include "plugin_fixture.h"

#define PAIR_MS UINT64_C(1000000)

/* A test may add a third: the primary's second name, or another standby. */
enum { PAIR_PRIMARY, PAIR_STANDBY, PAIR_ALIAS, PAIR_MAX_SERVERS, PAIR_MAX_READS = 64 };

/* What both are of, unless a test says otherwise. */
enum { PAIR_SYSTEM = 7001 };

struct scripted_pair {
    struct opened_section section;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    uint64_t now_ns;
    uint64_t wake_ns; /* what the cluster said last */
    uint32_t poll_ms; /* 0: as by default */

    /* What the primary and the standby say. */
    uint32_t version;
    uint32_t leader;     /* the instance that is the primary */
    uint32_t rival;      /* takes turns with it at each answer, on the timeline before; 0: none */
    uint32_t follower;   /* and the standby */
    uint32_t systems[2]; /* of primary and standby */
    uint32_t inserted;
    uint32_t flushed;
    uint32_t replayed;
    uint32_t block; /* of their WAL's pages, and of its segments */
    uint32_t segment;
    uint32_t timeline;      /* the primary's */
    uint32_t streamed;      /* the standby's timelines; 0: it does not stream */
    uint32_t restart_point; /* of the last one */
    uint32_t databases[2];  /* of primary and standby; 0: not told */
    uint32_t collations[2];
    uint32_t names[2];      /* of the databases */
    uint32_t replay_age_ms; /* the standby's; 0: not told */

    /* What is under way; id 0: nothing. Reads are numbered by their tags. */
    struct rp_action wait_out;
    struct rp_action watch_out;
    struct rp_action locate_out;
    struct rp_action reads_out[PAIR_MAX_READS];
    int32_t verdicts[PAIR_MAX_READS];
    const char *during[PAIR_MAX_READS]; /* failed_during */
    int32_t counted[PAIR_MAX_READS];
    int waits_seen;
    int watches_seen;
    int locates_seen;
    int dropped;
    int redialled;
    uint32_t redialled_last; /* the server */

    bool holds_locates;
    bool primary_is_silent;  /* its polls come to nothing */
    bool alias_is_silent;    /* the same */
    bool primary_is_gone;    /* its polls fail with their connections */
    bool standby_is_gone;    /* the same */
    bool system_is_unknown;  /* the role may not see it */
    bool questions_fail;     /* though the probe passes: both may call the functions, in vain */
    bool tells_replayed;     /* as from 19 on: that timeline, in place of a restart point's */
    bool standby_is_blind;   /* it may tell nothing about itself: the questions fail */
    bool primary_is_blind;   /* the same */
    bool standby_leads;      /* it was promoted, to the timeline after the primary's */
    bool primary_is_standby; /* its polls are led to the standby, whose name is another one */
    uint32_t alias_replayed; /* by the other standby, if the alias is one; 0: it is not */
    uint32_t alias_system;   /* of the other primary, if the alias is one; 0: it is not */
    /* Forgotten when another read is done; 0: none. */
    uint64_t forgotten;
    void (*looks)(void); /* before each action; or NULL */
};

/* With the keys of a section, and then the cluster itself. */
void pair_open(struct scripted_pair *pair, const char *keys);
void pair_open_cluster(struct scripted_pair *pair, uint32_t flags);

/* The same, of servers that are expected to be so, and nobody has been asked yet. */
void pair_add_cluster(struct scripted_pair *pair, uint32_t flags, int32_t primary, int32_t standby);
/* Both, of a standby of PostgreSQL 15 that has replayed all. */
void pair_open_level(struct scripted_pair *pair, const char *keys, uint32_t flags);
void pair_close(struct scripted_pair *pair);

/* Does what the cluster wants done now; after steps of a millisecond, as a host with timers does.
 */
void pair_run(struct scripted_pair *pair);
void pair_time_passes(struct scripted_pair *pair, uint64_t ms);

/* The server is to be asked now, and this is the question; the test answers it. */
struct rp_action pair_next_poll(struct scripted_pair *pair, uint32_t server);

/* Answers what is out, and runs. */
void pair_answer(struct scripted_pair *pair, struct rp_action *out, int32_t outcome,
                 const char *before);

/* The same for a watch of the standby: it says where it is. */
void pair_answer_watch(struct scripted_pair *pair);

/* What a server says to the short question; until the next call. */
const char *pair_says(const struct scripted_pair *pair, uint32_t server);

/* The cluster's counter of that name. */
uint64_t pair_counter(const struct scripted_pair *pair, const char *name);

/* Returns the read's id. floor 0: none. */
uint64_t pair_start(struct scripted_pair *pair, uint64_t tag, uint64_t floor);

/* Begins one that misses wherever it goes, to its end on the primary. */
int32_t pair_verdict_on_a_miss(struct scripted_pair *pair, uint64_t tag);

/* The same with a deadline so soon, and no floor. */
uint64_t pair_start_within(struct scripted_pair *pair, uint64_t tag, uint64_t ms);

/* The same with both. */
uint64_t pair_start_at_within(struct scripted_pair *pair, uint64_t tag, uint64_t floor,
                              uint64_t ms);

int32_t pair_standbys_role(const struct scripted_pair *pair);

#endif
