/*
 * play.h - a host on a cluster in a modelled world, and what must hold of it.
 *
 * Whatever takes time is cut into its moments: a question is answered, the read behind it sees its
 * snapshot, the answer arrives. Between any two of them anything else may happen. So an answer can
 * be old when it arrives, and overtaken by others.
 */
#ifndef PLAY_H
#define PLAY_H

#include "choices.h"
#include "plugin/read_policy.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

enum { MAX_PLAY_READS = 16, MAX_PLAY_ACTIONS = 32, MAX_VIOLATION = 400 };

struct play_action {
    uint64_t id;
    int32_t kind; /* of enum rp_action_kind */
    int server;   /* the world's, behind the cluster's index */
    uint32_t index;
    uint64_t sent_ns;
    uint64_t tag;
    int32_t target;
    int moments; /* that have passed: the question, the read */
    bool asks;
    bool probes;
    bool full;
    bool held;  /* it makes no step */
    bool waits; /* for a position, until a time; cancelled: it failed before that */
    bool cancelled;
    int followed; /* its answer was a standby's that follows whoever counted then; -1: no */
    uint64_t position;
    uint64_t until_ns;
    bool lost; /* the server was down at one of the moments, or is not the same any more */
    bool role_changed;
    bool showed; /* under REPEATABLE READ: at its first statement */
    uint64_t instance;
    char before[160];
    char after[32];
    int32_t outcome;
    int lineage;      /* that it was answered from */
    bool keeps_floor; /* what it showed includes the floor's place */
    bool is_current;  /* ... and the primary's when the read began */
};

struct play_read {
    bool open;
    uint64_t id;
    int row;           /* -1: a row that does not exist */
    bool acknowledged; /* its commit was, before the read began */
    int floor_lineage;
    uint64_t floor;
    uint64_t deadline_ns;
    bool heard_truth;   /* whoever counts has been heard to lead, before it began or since */
    bool heard_floor;   /* when it began, whoever wrote the floor had been heard to */
    int lineage;        /* of the last answer */
    bool keeps_floor;   /* of the last answer */
    bool to_be_current; /* it was, being of a replica that had reached what was located */
    bool is_current;    /* of the last answer */
    bool as_primary;    /* to be current, and of a standby that was asked as the primary */
    int begun_lineage;  /* where the server that counts was when it began */
    uint64_t begun_at;
};

struct play {
    const struct rp_plugin *plugin;
    const struct rp_cluster_calls *calls;
    struct rp_cluster *cluster;
    const struct rp_policy *policy;
    struct choices *choices;
    struct world world;
    int behind[MAX_WORLD_SERVERS][2]; /* by index: the world's servers that its address leads to */
    int turn[MAX_WORLD_SERVERS];
    int servers; /* of the cluster */
    int32_t expect[MAX_WORLD_SERVERS];
    unsigned drained;     /* bit i: server i is */
    bool misjudged;       /* what is expected of a server was changed */
    uint64_t reloaded_ns; /* by a whim, the last time; 0: never */
    uint64_t woke_ns;     /* and whoever counts now was not heard since; 0: it was */
    bool exchanged;       /* a server was added again: what was heard of it is not known any more */
    uint64_t now_ns;
    uint64_t wake_ns;
    uint64_t entropy;
    struct play_action actions[MAX_PLAY_ACTIONS];
    int action_count;
    struct play_read reads[MAX_PLAY_READS];
    int read_count;
    int deviations; /* that are left */
    bool truth_heard;
    uint32_t heard_lineages; /* bit i: somebody was heard to write lineage i */
    uint32_t heard_index;    /* by which whoever counted was heard last */
    uint32_t heard_itself;   /* which server, and not only by who follows it; UINT32_MAX: none */
    bool glimpsed; /* that time not: by a follower, a failed read, or without its system */
    uint64_t replaced_ns[MAX_WORLD_SERVERS]; /* by index: when another one answered there last */
    uint64_t another_ns;             /* when another one was heard to lead there; 0: never */
    bool has_rival;                  /* and is of another system, or of the same timeline */
    uint64_t both_ns;                /* when whoever counts was heard to lead after that */
    int led_last[MAX_WORLD_SERVERS]; /* by index: who has said last that it leads; -1: nobody has */
    uint64_t led_ns[MAX_WORLD_SERVERS]; /* and when it was first heard to, after another one */
    int heard_lineage;                  /* of whoever counted then; -1: none */
    uint64_t dropped;     /* an action that was dropped, whose answer comes late; 0: none */
    int32_t spoilt;       /* what becomes of the next answer instead; 0: nothing */
    bool blind_to_floors; /* a floor's number may be reached in another history, unnoticed */
    bool
        always; /* when = always: found by a replica that had reached what was located is current */
    bool unguarded; /* the host does not see whether a replica is one when it is read */
    int ends[RP_VERDICT_SHED + 1];
    uint64_t steps;
    char violation[MAX_VIOLATION]; /* "": none. Begins with the name of what does not hold */
};

struct play_setting {
    int servers; /* of the cluster; world server i behind index i, unless set otherwise after
                    play_begin */
    int32_t expect[MAX_WORLD_SERVERS];
    bool blind_to_floors; /* a floor's number may be reached in another history, unnoticed */
    bool always;          /* the policy's `when` */
    uint32_t flags;       /* enum rp_cluster_flag */
    uint64_t timeout_ns;
};

/* The world is to be set up before. False: the cluster could not be opened. */
bool play_begin(struct play *play, const struct play_setting *setting, struct rp_set *set);
void play_end(struct play *play);

/* The cluster gets a server, which is on, drained or off; what an index leads to is in behind. */
void play_set_server(struct play *play, int index, int32_t state);

/* Whether any of the cluster's names leads to whoever counts. */
bool play_reaches_truth(const struct play *play);

/* Somebody else counts from now on, or may: whom the cluster has heard to lead tells it nothing. */
void play_forget_truth(struct play *play);

/* The host calls nothing for so long. Whoever counts by now counts for what is begun afterwards. */
void play_sleep(struct play *play, uint64_t duration_ns);

/* Begins a read of that row. floor_row: the read must not be behind that row's commit; -1: none. */
void play_start(struct play *play, int row, int floor_row);

/* The host does what it may at any time: asks for a question, forgets a read, reloads, drains a
 * server or takes it out and adds it again; or the next answer is an error. */
void play_whim(struct play *play);

/* All servers are on. */
void play_end_whims(struct play *play);

/* One moment of something, as chosen. False: nothing is under way but what is held. */
bool play_step(struct play *play);

/* The oldest action that is not held makes no step until it is released, or chosen before: a slow
 * connection. */
bool play_may_hold(const struct play *play);
void play_hold(struct play *play);

/* False: nothing was held. */
bool play_release(struct play *play);

/* Every question that is under way is answered, but of who is silent; reads, and questions that
 * follow, are not. */
void play_answer_questions(struct play *play);

/* So much time passes in which no answer arrives. */
void play_jump(struct play *play, uint64_t by_ns);

/* Time goes on to when the cluster wants to be called, or by this much if that is sooner. */
void play_wait(struct play *play, uint64_t most_ns);

/* Without any choice: everything arrives at once, standbys replay all, for this long. */
void play_calm(struct play *play, uint64_t duration_ns);

/* Whether all reads have ended. */
bool play_is_done(const struct play *play);

#endif
