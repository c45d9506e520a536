/*
 * answers.c - see answers.h.
 */
#include "answers.h"

#include "awaits.h"
#include "beside.h"
#include "gather.h"
#include "pick.h"
#include "plugin/hot.h"
#include "plugin/machine.h"
#include "polls.h"
#include "position.h"
#include "proofs.h"
#include "reports.h"
#include "roles.h"
#include "steps.h"
#include "strict.h"

#include <string.h>

/* Other servers that are tried for one step: after a lost connection, a change of role, or an
 * answer below the floor. */
#define MAX_DETOURS 2u

/* ---- what was said with an answer ------------------------------------------------------------ */

/* The server's position after the answer's snapshot. */
static inline void note_position(const struct rp_cluster *cluster, struct read *read,
                                 const char *after) {
    read->position = 0;
    if (after == NULL) {
        return;
    }
    const struct position_text said = position_read(after);
    if (said.end != NULL && *said.end == '\0') {
        read->position = is_primary_step(read->step)
                             ? reachable_position(cluster, read->server, said.position)
                             : said.position;
    }
}

/* The question was asked after the read, or of another server: it says nothing about the answer. */
static bool is_out_of_order(const struct rp_cluster *cluster, const struct read *read,
                            const struct facts *facts) {
    const uint64_t position = is_primary_step(read->step)
                                  ? reachable_position(cluster, read->server, facts->position)
                                  : facts->position;
    return read->position != 0 && position > read->position;
}

/* Nothing that could be read: instance 0. */
static const struct facts nothing_said;

/* What the server said before the answer, until the next answer is read. Reads that went together
 * bring the same words, which are read once. */
static const struct facts *facts_of(struct rp_cluster *cluster, const struct read *read,
                                    const char *before) {
    struct heard *heard = &cluster->heard;
    if (!read->asks_question || before == NULL) {
        return &nothing_said;
    }
    if (heard->words[0] != '\0' && strcmp(before, heard->words) == 0) {
        return &heard->facts;
    }
    const size_t length = strlen(before);
    heard->words[0] = '\0';
    if (!question_read_facts(before, &heard->facts)) {
        return &nothing_said;
    }
    if (length < sizeof heard->words) {
        memcpy(heard->words, before, length + 1);
    }
    return &heard->facts;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void missed_on_primary(struct rp_cluster *cluster, struct read *read,
                              const struct facts *facts) {
    const char *why = why_primary_is_not_sure(cluster, read->server, facts);
    if (why != NULL) {
        cluster->counters.uncounted_misses++;
        steps_tell_outcome(cluster, read, RP_FAILED, 0, why);
    } else {
        steps_tell_outcome(cluster, read, RP_MISSING, 0, NULL);
    }
}

/* Why what the primary has found does not count; NULL: it does. A partial answer says that nobody
 * has more, and a current one that it holds all of before the read, which one that says not to be
 * the primary cannot know: a name may lead to a standby by turns with the primary. What is found in
 * a split counts. One that says nothing is the primary by what is expected of it. */
static const char *why_found_does_not_count(const struct rp_cluster *cluster,
                                            const struct read *read, int32_t outcome,
                                            const struct facts *facts) {
    if (read->floor != 0) {
        return why_primary_is_not_sure(cluster, read->server, facts);
    }
    const bool said = facts->instance != 0;
    const bool claims =
        outcome == RP_PARTIAL || (facts->in_recovery && machine_is_current(&read->machine));
    return said && claims ? why_leader_does_not_count(cluster, read->server, facts) : NULL;
}

static void found_on_primary(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                             const struct facts *facts) {
    const char *why = why_found_does_not_count(cluster, read, outcome, facts);
    steps_tell_outcome(cluster, read, why != NULL ? RP_FAILED : outcome, 0, why);
}

/* The step under way goes on at another server. */
static void go_to(struct rp_cluster *cluster, struct read *read, uint32_t server) {
    read_leave(cluster, read);
    read->detours++;
    read->server = server;
    read_enlist(cluster, read, READ_TO_SEND);
    read_set_timer(cluster, read, read->deadline_ns);
}

/* Of an answer that is below the floor: another replica, which is there already. The policy hears
 * nothing of it: what is behind has missed nothing, whatever it says. */
static uint32_t other_at_floor(const struct rp_cluster *cluster, const struct read *read,
                               const struct facts *facts) {
    if (read->floor == 0 || read->detours >= MAX_DETOURS || read->rehearsed ||
        floor_position(cluster, read->server, facts) >= read->floor) {
        return NO_SERVER;
    }
    return pick_at_floor(cluster, read, read->server);
}

static void answered_by_replica(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                                const struct facts *facts) {
    uint64_t position;
    outcome = steps_judge(cluster, read, outcome, facts, &position);
    const uint32_t other = other_at_floor(cluster, read, facts);
    if (other != NO_SERVER) {
        go_to(cluster, read, other);
        return;
    }
    steps_tell_outcome(cluster, read, outcome, position, NULL);
}

static void answered(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                     const struct facts *facts) {
    server_answered(cluster, read->server);
    if (!is_primary_step(read->step)) {
        answered_by_replica(cluster, read, outcome, facts);
    } else if (outcome == RP_MISSING) {
        missed_on_primary(cluster, read, facts);
    } else {
        found_on_primary(cluster, read, outcome, facts);
    }
}

/* The policy has not heard of it. Where the position had been reached, it is the answer to the read
 * that follows; otherwise it says nothing. */
__attribute__((noinline)) static void answered_early(struct rp_cluster *cluster, struct read *read,
                                                     int32_t outcome, const struct facts *facts) {
    const bool reached = facts->position >= read->early;
    beside_note(cluster, read, reached);
    server_answered(cluster, read->server);
    if (!reached) {
        steps_await_after_all(cluster, read);
        return;
    }
    const struct rp_report report = {.struct_size = sizeof report,
                                     .outcome = RP_REACHED,
                                     .now_ns = cluster->now_ns,
                                     .position = facts->position};
    const struct rp_step *step = machine_next(&read->machine, &report);
    if (step->kind == RP_STEP_READ && !is_primary_step(step)) {
        read->step = step;
        answered_by_replica(cluster, read, outcome, facts);
    } else {
        read_leave(cluster, read);
        steps_follow(cluster, read, step);
    }
}

/* What an answer that is none says of the server. */
static void blame(struct rp_cluster *cluster, const struct read *read, int32_t outcome) {
    if (outcome == RP_SERVER_GONE || outcome == RP_NOT_SENT) {
        server_failed(cluster, read->server, false);
        polls_prompt(cluster, read->server);
    } else if (outcome == RP_ROLE_CHANGED && !pick_stands_in(cluster, read, read->server)) {
        roles_uncertain(cluster, read->server);
    }
}

/* ---- none ------------------------------------------------------------------------------------ */

void answers_detour(struct rp_cluster *cluster, struct read *read, const char *reason) {
    if (read->early != 0) {
        steps_await_after_all(cluster, read);
        return;
    }
    uint32_t lost = read->server;
    uint64_t others = pick_well(cluster, read->offered & cluster->replicas & ~server_bit(lost));
    if (is_primary_step(read->step) || others == 0 || read->detours >= MAX_DETOURS) {
        steps_tell_outcome(cluster, read, RP_FAILED, 0, reason);
        return;
    }
    cluster->counters.detours++;
    go_to(cluster, read, (uint32_t)__builtin_ctzll(others));
}

__attribute__((noinline)) static void failed(struct rp_cluster *cluster, struct read *read,
                                             int32_t outcome) {
    blame(cluster, read, outcome);
    if (read->early != 0) {
        steps_await_after_all(cluster, read);
        return;
    }
    switch (outcome) {
    case RP_SERVER_GONE:
    case RP_NOT_SENT:
        answers_detour(cluster, read, "the connection to the server was lost, or there is none");
        break;
    case RP_ROLE_CHANGED:
        if (pick_stands_in(cluster, read, read->server)) {
            steps_tell_outcome(cluster, read, RP_MISSING, 0, NULL);
            break;
        }
        answers_detour(cluster, read, "the server that was read as a replica is not in recovery");
        break;
    case RP_CONFLICT:
        if (!read->conflicted) {
            read->conflicted = true;
            cluster->counters.conflicts++;
            steps_send_again(cluster, read);
            break;
        }
        steps_tell_outcome(cluster, read, RP_FAILED, 0,
                           "a conflict cancelled it, or its session was void, twice");
        break;
    default:
        steps_tell_outcome(cluster, read, RP_FAILED, 0, NULL);
        break;
    }
}

/* What it should have reached is not known yet: the answer is kept, unless it is none. */
static void answered_beside(struct rp_cluster *cluster, struct read *read, int32_t outcome,
                            bool has_answer, const struct facts *facts) {
    gather_read_back(cluster, read);
    if (!has_answer) {
        read->beside = BESIDE_NONE;
        blame(cluster, read, outcome);
        return;
    }
    server_answered(cluster, read->server);
    read->beside = BESIDE_KEPT;
    read->kept_outcome = outcome;
    read->kept = *facts;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Most reads: found, and nothing was asked beside it, so that there is nothing to judge. */
static bool is_plain_hit(const struct rp_cluster *cluster, const struct read *read,
                         int32_t outcome) {
    return outcome == RP_FOUND && read->phase == READ_OUT && !read->asks_question &&
           (read->floor | read->early | read->round) == 0 &&
           (cluster->flags & (RP_CLUSTER_FIRST_MISSES | RP_CLUSTER_STRICT)) == 0;
}

/* What `answered` comes to then, on a straight way. */
static void hit(struct rp_cluster *cluster, struct read *read, const char *after) {
    note_position(cluster, read, after);
    server_answered(cluster, read->server);
    heap_remove(&cluster->timers, &read->timer);
    const struct rp_step *step = machine_found(&read->machine, cluster->now_ns);
    if (step->kind == RP_STEP_DONE) {
        read->step = step;
        read_enlist(cluster, read, READ_DONE);
    } else {
        steps_follow(cluster, read, step);
    }
}

/* All others. */
__attribute__((noinline)) static void take_answer(struct rp_cluster *cluster, struct read *read,
                                                  int32_t outcome, const char *before,
                                                  const char *after) {
    strict_work(cluster);
    if (outcome == RP_ROLE_CHANGED && is_primary_step(read->step)) {
        strict_outcome(cluster, outcome, "a READ of the primary");
        outcome = RP_FAILED;
    }
    bool has_answer = outcome == RP_FOUND || outcome == RP_PARTIAL || outcome == RP_MISSING;
    const struct facts *facts = facts_of(cluster, read, before);
    if (has_answer) {
        note_position(cluster, read, after);
        const bool out_of_order = is_out_of_order(cluster, read, facts);
        if (is_strict(cluster)) {
            strict_answer(cluster, read, outcome, before, after, facts, out_of_order);
        }
        if (out_of_order) {
            facts = &nothing_said;
        }
    }
    if (facts->instance != 0) {
        roles_heard(cluster, read->server, facts, read->sent_event, read->sent_ns);
        awaits_wake(cluster, read->server);
    }
    if (read->beside == BESIDE_OUT) {
        answered_beside(cluster, read, outcome, has_answer, facts);
    } else if (!has_answer) {
        failed(cluster, read, outcome);
    } else if (read->early != 0) {
        answered_early(cluster, read, outcome, facts);
    } else {
        answered(cluster, read, outcome, facts);
    }
}

HOT void answers_take(struct rp_cluster *cluster, uint64_t id, int32_t outcome, const char *before,
                      const char *after) {
    struct read *read = read_of(cluster, id);
    if (read == NULL || read->action_id != id ||
        (read->phase != READ_OUT && read->beside != BESIDE_OUT)) {
        answer_is_foreign(cluster, id);
    } else if (is_plain_hit(cluster, read, outcome)) {
        hit(cluster, read, after);
    } else {
        take_answer(cluster, read, outcome, before, after);
    }
}
