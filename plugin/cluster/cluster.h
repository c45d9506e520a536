/*
 * cluster.h - what a cluster remembers, as all of its parts see it.
 *
 * The parts, from the ground up; each knows those before it and nothing of those after it:
 *   heap, position, questions, health, lag, notices, patience   know nothing of a cluster
 *   strict     the host's mistakes, as notices
 *   said       what servers have said of themselves, in short questions
 *   lineage    what instances have told that later words do not take back
 *   systems    which system and database count
 *   leaders    who is the primary
 *   splits     two primaries, or the evidence of one that nobody here knows
 *   ahead      standbys that have replayed more than their primary has written
 *   standing   what each server is by all that: its role, and why it is out
 *   forgetting what goes when everybody has been asked anew
 *   proofs     what an answer proves, by what is known of who gave it
 *   roles      an answer's words become all of that: system, primary, replicas, splits
 *   gather     when reads that are to be located have waited for company long enough
 *   reports    reads that an answer has woken
 *   polls      when a server is asked, and what has its turn
 *   awaits     reads that await a position: watches, waits
 *   asks       questions of all kinds go out, and their answers come in
 *   pick       which servers a read may go to
 *   beside     reads that go out before it is known what they have to reach
 *   steps      the policy's steps: what each begins, and what the policy hears of it
 *   answers    what an answer to a read's action proves, and where the read goes then
 *   reads      one read, from its start to its end: its actions, its timer, its verdict
 *   opening    a cluster begins and ends
 *   info       what a host is told when it looks
 *   api        the functions of the header
 * A read that an answer has woken is put on the list `reported`; reads.c takes it from there. So
 * nothing calls upwards.
 *
 * "Asked after an answer had arrived" is decided by a count of events, `event`, which grows with
 * every action that goes out and every answer that comes in: two of them at the same nanosecond
 * still have an order.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "health.h"
#include "heap.h"
#include "lag.h"
#include "notices.h"
#include "patience.h"
#include "plugin/hot.h"
#include "plugin/read_policy.h"
#include "questions.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define NAME_BYTES 64u

/* Instances that one address may lead to in turn (a balancer); the one that answered longest ago is
 * forgotten first. */
#define MAX_INSTANCES 4u

/* What a timer is of: the kind of its heap node. */
enum timer_kind { TIMER_READ, TIMER_POLL, TIMER_WATCH, TIMER_ASK, TIMER_GATHER };

enum ask_kind { ASK_POLL, ASK_LOCATE, ASK_WATCH, ASK_WAIT, ASK_KINDS };
enum ask_state { ASK_IDLE, ASK_QUEUED, ASK_OUT };

/* A question to one server; one of each kind is under way at most. */
struct ask {
    struct heap_node limit; /* while it is out */
    uint8_t state;          /* enum ask_state */
    uint8_t kind;           /* enum ask_kind */
    bool probes;            /* it is the probe */
    bool again;             /* to be asked once more when it is answered */
    uint32_t server;
    uint32_t generation;
    uint64_t sent_event;
    uint64_t sent_ns;
};

/* A position to be compared with a primary that is asked after `event`; 0: none. */
struct noted_position {
    uint64_t position;
    uint64_t event;
};

/* Rule 5: the primary instance that an instance's position was compared with, and the result. One
 * that was ahead of an earlier primary counts again once it has come to where this one was; 0:
 * never. */
struct comparison {
    uint64_t with;
    uint64_t counts_from;
    bool ahead;
};

/* When an instance was heard to lead. */
struct led {
    uint64_t event;       /* the last time; 0: never */
    uint64_t early_event; /* of a time that may have been before the last one; 0 */
    uint64_t took_event;  /* the first time after another one, or nobody */
    uint32_t timeline;
};

/* Of a standby: the newest timeline that it has streamed or replayed, 0: unknown; when it was heard
 * to first and last, and whether in two answers. */
struct followed {
    uint32_t timeline;
    bool surely;
    uint64_t event;
    uint64_t still_event;
};

/* What is known of one instance, a server from its start to its end. */
struct instance {
    uint64_t start;     /* facts.instance; 0: none */
    uint64_t system;    /* 0: not heard in full, or it may not be seen */
    uint64_t collation; /* as in facts */
    uint32_t lower; /* the greatest lower bound of its timeline that it reported; it only grows */
    bool heard_in_full;
    uint64_t used_event;
    struct comparison compared;
    struct noted_position noted;
    struct led led;
    uint64_t turned_with; /* the instance that has led here by turns with it; 0: none */
    struct followed followed;
};

/* Why a server is out, or not as expected. */
enum why {
    WHY_FINE,
    WHY_FOREIGN,   /* of another system */
    WHY_ELSEWHERE, /* connected to another database than the primary */
    WHY_DEPOSED,   /* out of recovery on an older timeline */
    WHY_PROMOTED,  /* expect = replica, and out of recovery */
    WHY_SECOND,    /* out of recovery beside the primary */
    WHY_SAME,      /* the primary, under another name */
    WHY_STANDBY,   /* expect = primary, and in recovery: serves as a replica */
    WHY_DIVERGED,  /* streams a timeline above the primary's */
    WHY_AHEAD,     /* replayed more than its primary has written */
    WHY_UNCERTAIN, /* said something different than before, and is being asked */
    WHY_COUNT
};

/* A timeline that a leader claims, above the one that is remembered. */
struct claim {
    uint32_t timeline;
    uint64_t event; /* of the answer that claimed it first */
};

/* What notices have told of its role. */
struct noted_standing {
    int32_t role;
    uint8_t why;
};

/* That it can prove nothing: no_proof.c. */
struct no_proof_notice {
    uint8_t told;
    uint32_t polls;
    uint64_t last_ns; /* when it could not */
};

/* A position that a replica itself waits for. */
struct wait {
    uint64_t position;       /* of the one that is out, or was the last one */
    uint64_t none_before_ns; /* one has failed: the position is asked for until then */
    bool check;              /* one ran out: the position is asked for once, before the next */
    char text[QUESTION_WAIT_BYTES];
};

struct redial {
    uint64_t not_before_ns; /* 0: none is needed */
    uint64_t instance;      /* for which it is */
    uint64_t last_ns;       /* 0: none yet */
};

struct server {
    char name[NAME_BYTES];
    int32_t state;  /* enum rp_server_state */
    int32_t expect; /* enum rp_expect */

    /* What it said last, and when. */
    struct facts said; /* said.instance 0: nothing yet */
    struct claim claim;
    uint64_t said_sent_event;
    uint64_t said_event;
    uint64_t heard_event;     /* its last answer, or error, whenever that was asked for; 0: none */
    uint64_t leading_event;   /* of who leads: when it first said so, this instance, without a
                                 break */
    uint64_t lost_event;      /* a question that failed with its connection; 0: none yet */
    uint64_t unheard_event;   /* a question that brought nothing, that or a silence; 0: none yet */
    uint64_t uncertain_event; /* a read of it as a replica has seen it out of recovery, and no
                                 question that was sent since has been answered; 0: none */
    uint64_t switched_event;  /* another instance leads here than before, and no question that was
                                 sent since has been answered; 0: none */
    uint64_t two_lead_ns;     /* two instances were last heard to lead here by turns; 0: never */
    uint64_t asked_ns;        /* when a question was last answered, or failed */
    bool tried;               /* it answered or failed since it was added, or the host woke */
    bool answers;             /* the last question was answered */
    bool blind;               /* it answers, but can tell nothing about itself */
    bool barred;              /* and was out by its last words */
    uint64_t database;        /* that it told of last; 0: unknown */
    uint64_t database_name;   /* of that one; 0: not told */
    uint64_t moved_event;     /* when that was another one than before; 0: never */
    struct instance instances[MAX_INSTANCES];
    struct instance *instance; /* of said; NULL: none */
    struct instance *led_last; /* that led when the questions began to fail, until one tells what
                                  has become of it; NULL: none */

    /* What it can be asked. */
    struct abilities can;
    bool probed;
    uint32_t failed_polls; /* in a row, by an error of the statement */
    uint32_t polls_since_probe;
    uint32_t prompts; /* by judgements, since its timer had it polled */

    /* What follows from that: roles.c. */
    int32_t role; /* enum rp_server_role */
    uint8_t why;  /* enum why */
    struct noted_standing noted;
    struct no_proof_notice no_proof;

    struct health health;
    uint64_t lag_known_ns; /* when its lag was last known */
    uint64_t reached_ns;   /* newest time at which the primary was where this one has come; 0 */

    struct ask asks[ASK_KINDS];
    struct heap_node poll;  /* timer, of polls and of questions between them */
    uint64_t poll_due_ns;   /* the next poll */
    struct heap_node watch; /* timer, between two questions of a watch */
    struct heap waiters;    /* reads that await a position, by it */
    uint32_t watches;       /* questions in a row that left reads waiting */
    struct wait wait;
    struct patience beside; /* with sending reads beside their locate */
    struct patience early;  /* with sending them before their position is known to be reached */
    struct redial redial;
};

enum read_phase {
    READ_FREE,
    READ_REPORTED, /* on list `reported`: the policy is to hear of `outcome` */
    READ_TO_SEND,  /* on list `to_send` */
    READ_OUT,      /* with the host */
    READ_WAITING,  /* for a time */
    READ_LOCATING, /* on list `locating` or `located` */
    READ_AWAITING, /* a position, in its server's `waiters` */
    READ_DONE      /* on list `done` */
};

TAILQ_HEAD(read_list, read);

/* A read may go to a replica beside its locate, so that both take one round trip. Until the locate
 * is answered this is in addition to its phase, READ_LOCATING. */
enum beside {
    BESIDE_NONE,
    BESIDE_TO_SEND, /* on list `beside`, if it may */
    BESIDE_OUT,     /* with the host */
    BESIDE_KEPT     /* answered: `kept` until it is known what was located */
};

struct read {
    /* What every read needs, from its start to its end, stands together, on four cache lines. */
    _Alignas(CACHE_LINE_BYTES) struct heap_node timer;
    TAILQ_ENTRY(read) entry;    /* of the list that its phase names, or of the free ones */
    const struct rp_step *step; /* under way */
    uint64_t tag;
    uint64_t deadline_ns;
    uint64_t limit_ns; /* of its action */
    uint64_t offered;  /* bit i: server i is one of the replicas offered to the policy */
    uint64_t sent_ns;
    uint64_t sent_event;
    uint64_t floor; /* 0: none */
    uint64_t early; /* what it should have reached when it was sent; 0: nothing */
    uint64_t round; /* of gather, while it is with a replica for it; 0: none */
    uint64_t id;
    uint64_t action_id;  /* of the last one */
    uint32_t server;     /* asked or awaited */
    uint8_t phase;       /* enum read_phase */
    bool asks_question;  /* its action brought a question */
    bool went_beside;    /* when it was sent first */
    bool located_listed; /* READ_LOCATING: on `located`, not `locating` */
    uint64_t position;   /* from the last answer, for DONE; 0: unknown */
    uint64_t located_instance;
    const char *reason; /* of the last failure, or NULL */
    uint32_t located_timeline;
    uint8_t beside; /* enum beside */
    bool rehearsed; /* its first hit was called a miss */
    bool missed;
    bool answered;   /* the policy has heard what became of a first read of a replica */
    uint8_t detours; /* other servers tried for the step under way */
    bool conflicted; /* asked again for a conflict, once for each step */
    int32_t outcome; /* READ_REPORTED: and with it what follows */
    struct rp_read machine;

    uint64_t reported_position;
    uint64_t reported_flushed;
    TAILQ_ENTRY(read) beside_entry; /* BESIDE_TO_SEND */
    struct heap_node waiter;
    uint32_t beside_server; /* BESIDE_OUT, BESIDE_KEPT */
    int32_t kept_outcome;   /* BESIDE_KEPT: the answer's */
    struct facts kept;      /* and what the server said before it */
};

/* When those that are to be located stop to gather: gather.c. */
struct gather {
    struct heap_node timer;
    uint64_t until_ns; /* at the latest */
    uint64_t round;    /* the number of locates */
    uint32_t gathered; /* the length of the cluster's list `locating` */
    uint32_t size;     /* reads of the round */
    uint32_t out;      /* of them, with their replicas */
    uint32_t expected; /* so many gather for the next one, if they come in time; 0: nobody knows */
    bool expects;      /* that number is still to be learnt from this round */
    struct patience patience;
};

struct drop {
    uint64_t id;
    uint64_t tag;
    uint64_t read_id;
    uint32_t server;
};

struct drops {
    struct drop *ring;
    uint32_t first;
    uint32_t count;
    uint32_t most;
};

/* forget_history: once all have answered again that was asked for then. */
struct forget {
    bool under_way;
    uint64_t event;
    uint64_t ns;
};

/* When the host was seen to have slept, the last time; 0: never. */
struct woke {
    uint64_t event;
    uint64_t ns;
};

/* The words that a read brought last, and what they say; "": longer ones, which are not kept. */
struct heard {
    char words[128];
    struct facts facts;
};

struct cluster_counters {
    uint64_t polls;
    uint64_t locates;
    uint64_t watches;
    uint64_t waits;
    uint64_t role_changes;
    uint64_t detours;
    uint64_t conflicts;
    uint64_t unproven; /* misses on a replica that was asked for a proof and could not give one */
    uint64_t uncounted_misses; /* misses on a primary that did not count */
    uint64_t behind;           /* answers below their read's floor */
    uint64_t foreign_answers;  /* out of contract, or late */
};

struct rp_cluster {
    struct rp_set *set;
    uint32_t flags;
    uint32_t max_servers;
    uint32_t server_count; /* one more than the highest index that was ever on */
    uint32_t max_reads;
    uint64_t poll_ns;
    uint64_t timeout_ns;
    uint64_t now_ns; /* the latest seen */
    uint64_t event;
    uint64_t random; /* see rp_random */
    struct heap timers;

    /* Who is who: roles.c. */
    uint64_t system;   /* 0: unknown */
    uint32_t timeline; /* the highest that a primary was seen at; 0: none */
    uint32_t primary;  /* index; NO_SERVER: none */
    bool primary_answers;
    bool settled;
    bool split;
    bool claim_pending; /* a timeline was claimed once, and not confirmed yet */
    bool claim_awaited; /* and who claims it is being asked, and answers */
    bool suspected;     /* a server may be a second primary, and is being asked */
    uint32_t followed;  /* the newest timeline that a standby has followed; 0: none */
    bool outrun;        /* a standby has followed a newer timeline than the primary's: this one may
                           be dead, and what it has said before that counts for nothing */
    bool two_systems;   /* out of recovery, and no `expect` says which one counts */
    bool two_databases; /* servers are connected to different ones */
    uint32_t split_servers[2];
    uint64_t replicas; /* bit i: reads may be offered to server i */
    uint64_t readable; /* bit i: a read that was offered server i may go on there */
    bool has_strays;   /* reads on `to_send` may be for a server that has another role by now */
    uint64_t others;   /* bit i: it is on, and is not the primary: a replica that can perhaps not be
                          had now */
    uint64_t on;       /* bit i: not off */
    uint64_t ailing;   /* bit i: its health knows of a failure */
    struct forget forget;

    uint64_t ask_queue[ASK_KINDS]; /* bit i: of server i */
    uint64_t redial_queue;
    uint64_t judge_again; /* servers to be asked at once */
    struct read_list free_reads;
    struct read_list reported;
    struct read_list to_send;
    struct read_list locating; /* wait for a locate to be asked */
    struct read_list located;  /* it is asked, of this server: */
    uint32_t located_by;
    struct read_list beside; /* of those, to be sent beside it; by beside_entry */
    struct gather gather;    /* `locating` */
    uint64_t locate_took_ns; /* the last one */
    struct read_list done;
    uint32_t reads_open;
    uint32_t read_count; /* that have been used at all */
    struct drops drops;
    uint64_t last_entropy;
    uint64_t promised_wake_ns; /* what next said last */
    struct server *servers;
    struct read *reads;
    void *reads_memory; /* what they are in */

    /* What a hit does not look at. */
    uint64_t seed;
    struct woke woke;
    uint64_t asks_wait_ns; /* strict: questions have waited since then, while next gave other
                              actions and was not called until it returned 0; UINT64_MAX */
    uint32_t asks_waited;  /* strict: so many times for as long as a turn may take */
    struct cluster_counters counters;
    struct heard heard;
    struct lag_history lag;
    struct notices notices;
};

static inline uint64_t cluster_event(struct rp_cluster *cluster) {
    return ++cluster->event;
}

static inline uint64_t cluster_random(struct rp_cluster *cluster) {
    return rp_random(&cluster->random);
}

static inline uint64_t server_bit(uint32_t index) {
    return UINT64_C(1) << index;
}

static inline uint32_t index_of(const struct rp_cluster *cluster, const struct server *server) {
    return (uint32_t)(server - cluster->servers);
}

static inline void server_answered(struct rp_cluster *cluster, uint32_t index) {
    health_answered(&cluster->servers[index].health, cluster->now_ns);
    cluster->ailing &= ~server_bit(index);
}

/* silent: it did not answer in time. */
static inline void server_failed(struct rp_cluster *cluster, uint32_t index, bool silent) {
    health_failed(&cluster->servers[index].health, silent, cluster->now_ns,
                  cluster_random(cluster));
    cluster->ailing |= server_bit(index);
}

/* Whether a miss may mean that a row is absent, anywhere. */
static inline bool misses_count(const struct rp_cluster *cluster) {
    return cluster->settled && !cluster->split && !cluster->suspected && !cluster->two_systems &&
           !cluster->two_databases;
}

#endif
