/*
 * reads.c - see reads.h.
 */
#include "reads.h"

#include "answers.h"
#include "beside.h"
#include "gather.h"
#include "pick.h"
#include "plugin/hot.h"
#include "plugin/machine.h"
#include "plugin/plan.h"
#include "plugin/policy.h"
#include "reports.h"
#include "said.h"
#include "standing.h"
#include "steps.h"

/* ---- beginning and ending -------------------------------------------------------------------- */

static struct read *take(struct rp_cluster *cluster) {
    struct read *read = TAILQ_FIRST(&cluster->free_reads);
    if (read != NULL) {
        TAILQ_REMOVE(&cluster->free_reads, read, entry);
    } else if (cluster->read_count < cluster->max_reads) {
        /* Unused memory is not touched before it is needed. */
        const uint32_t number = cluster->read_count++;
        read = &cluster->reads[number];
        read->id = id_of(ID_READ, number, id_before_first(cluster, ID_READ, number));
        read->action_id = id_of(ID_ACTION, number, id_before_first(cluster, ID_ACTION, number));
        read->timer.kind = TIMER_READ;
        read->machine.struct_size = sizeof read->machine;
    }
    return read;
}

/* It must have left its place. */
static void give_back(struct rp_cluster *cluster, struct read *read) {
    read->phase = READ_FREE;
    read->id = id_next(read->id);
    cluster->reads_open--;
    TAILQ_INSERT_HEAD(&cluster->free_reads, read, entry);
}

/* The action that is out, if one is, is not wanted any more. */
static void drop(struct rp_cluster *cluster, struct read *read) {
    if (read->phase == READ_OUT) {
        drop_action(cluster, read->action_id, read->server, read->tag, read->id);
    }
    beside_end(cluster, read);
}

void reads_forget(struct rp_cluster *cluster, uint64_t id) {
    struct read *read = read_of(cluster, id);
    if (read != NULL && read->id == id) {
        drop(cluster, read);
        read_leave(cluster, read);
        give_back(cluster, read);
    }
}

/* Most reads begin at a replica that nothing is the matter with. What `steps_follow` comes to then,
 * on a straight way; false: it is not one of those. */
static bool goes_plainly(struct rp_cluster *cluster, struct read *read,
                         const struct rp_step *step) {
    if (step->kind != RP_STEP_READ || step->target != RP_TARGET_REPLICA) {
        return false;
    }
    read->server = pick_replica(cluster, read, step);
    if (read->server == NO_SERVER || (cluster->ailing & server_bit(read->server)) != 0) {
        return false;
    }
    step_begins(read, step);
    read_enlist(cluster, read, READ_TO_SEND);
    return true;
}

HOT struct read *reads_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                             const struct rp_request *request, uint64_t tag) {
    struct read *read = take(cluster);
    if (read == NULL) {
        return NULL;
    }
    const struct rp_plan *plan = atomic_load_explicit(&policy->current, memory_order_acquire);
    uint32_t flags = request->flags & ~(uint32_t)RP_REPLICAS_OUT;
    read->offered = pick_offer(cluster, plan);
    if (read->offered == 0 && cluster->others != 0) {
        flags |= RP_REPLICAS_OUT;
    }
    read->tag = tag;
    read->deadline_ns =
        request->deadline_ns != 0 ? request->deadline_ns : cluster->now_ns + cluster->timeout_ns;
    read->floor = request->position;
    read->sent_event = 0;
    read->position = 0;
    read->located_instance = 0;
    read->reason = NULL;
    read->located_timeline = 0;
    read->beside = BESIDE_NONE;
    read->rehearsed = false;
    read->missed = false;
    read->answered = false;
    cluster->reads_open++;
    const struct rp_step *step =
        machine_begin_known(plan, request, cluster->now_ns, read->deadline_ns,
                            pick_count(read->offered), flags, &read->machine);
    if (!goes_plainly(cluster, read, step)) {
        steps_follow(cluster, read, step);
    }
    return read;
}

void reads_take_reports(struct rp_cluster *cluster) {
    struct read *read;
    while ((read = TAILQ_FIRST(&cluster->reported)) != NULL) {
        TAILQ_REMOVE(&cluster->reported, read, entry);
        read->phase = READ_FREE;
        if (steps_await_further(cluster, read)) {
            continue;
        }
        const struct rp_report report = {.struct_size = sizeof report,
                                         .outcome = read->outcome,
                                         .now_ns = cluster->now_ns,
                                         .position = read->reported_position,
                                         .flushed = read->reported_flushed};
        steps_tell(cluster, read, &report);
    }
}

/* ---- out ------------------------------------------------------------------------------------- */

/* Where the answer counts only with what the server says of itself in the same transaction. What
 * cannot change is asked of who is polled; an instance that only reads are led to, behind a
 * balancer, has to tell them. */
static const char *question_of(const struct rp_cluster *cluster, const struct read *read) {
    const struct server *server = &cluster->servers[read->server];
    bool wanted = is_primary_step(read->step) || read->floor != 0 ||
                  read->step->kind != RP_STEP_READ ||
                  (read->step->flags & RP_STEP_WITH_POSITION) != 0;
    if (!wanted || !server->probed || server->blind) {
        return NULL;
    }
    return system_is_due(server) ? question_full(&server->can) : question_short(&server->can);
}

static void send(struct rp_cluster *cluster, struct read *read, struct rp_action *action) {
    read->action_id = id_next(read->action_id);
    read->sent_ns = cluster->now_ns;
    read->sent_event = cluster_event(cluster);
    action_begin(action, RP_ACTION_READ);
    action->id = read->action_id;
    action->tag = read->tag;
    action->read_id = read->id;
    action->server = read->server;
    action->flags = RP_ACTION_WANTS_POSITION;
    action->target = read->step->target;
    action->text = question_of(cluster, read);
    action->limit_ns = read->limit_ns = read_limit(cluster, read);
    read->asks_question = action->text != NULL;
}

static struct read *next_to_send(struct rp_cluster *cluster) {
    struct read *read = TAILQ_FIRST(&cluster->to_send);
    if (read == NULL) {
        return beside_next(cluster);
    }
    TAILQ_REMOVE(&cluster->to_send, read, entry);
    read->phase = READ_OUT;
    if (read->located_instance != 0 && !read->missed && !is_primary_step(read->step)) {
        gather_read_out(cluster, read);
    }
    return read;
}

HOT bool reads_send_one(struct rp_cluster *cluster, struct rp_action *action) {
    struct read *read = next_to_send(cluster);
    if (read == NULL) {
        return false;
    }
    send(cluster, read, action);
    heap_remove(&cluster->timers, &read->timer);
    heap_append(&cluster->timers, &read->timer, action->limit_ns);
    return true;
}

HOT void reads_end_one(struct rp_cluster *cluster, struct rp_action *action) {
    struct read *read = TAILQ_FIRST(&cluster->done);
    const struct rp_step *step = read->step;
    TAILQ_REMOVE(&cluster->done, read, entry);
    action_begin(action, RP_ACTION_DONE);
    action->tag = read->tag;
    action->read_id = read->id;
    action->verdict = step->verdict;
    action->served_by = step->served_by;
    action->log_level = step->log_level;
    action->counted = step->counted;
    action->failed_during = step->failed_during;
    action->message = step->message;
    action->reason = step->verdict == RP_VERDICT_FAILED ? read->reason : NULL;
    bool answered = step->verdict == RP_VERDICT_FOUND || step->verdict == RP_VERDICT_NOT_FOUND;
    action->position = answered ? read->position : 0;
    give_back(cluster, read);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* The current part of the read in the policy's words. */
static const struct rp_step *overdue_step(const struct read *read) {
    static const char message[] = "not answered within its deadline";
#define OVERDUE(during)                                                                            \
    {.struct_size = sizeof(struct rp_step),                                                        \
     .kind = RP_STEP_DONE,                                                                         \
     .verdict = RP_VERDICT_FAILED,                                                                 \
     .log_level = RP_LOG_ERROR,                                                                    \
     .failed_during = (during),                                                                    \
     .message = message}
    static const struct rp_step steps[] = {OVERDUE(NULL), OVERDUE("replica_retry"),
                                           OVERDUE("primary_fallback")};
    if (is_primary_step(read->step)) {
        return &steps[read->step == &rp_states[ST_DIRECT].step ? 0 : 2];
    }
    return &steps[read->answered ? 1 : 0];
}

static void end_overdue(struct rp_cluster *cluster, struct read *read) {
    drop(cluster, read);
    read->step = overdue_step(read);
    read_leave(cluster, read);
    read_enlist(cluster, read, READ_DONE);
}

/* A read that gave its server less time than this tells nothing of it: who is in a hurry takes no
 * replica from all the others. */
#define LEAST_SILENCE_NS UINT64_C(100000000)

/* It is silent if it has answered nothing since this was sent. After less time than that it is
 * asked at once, and its answer decides. */
static void note_silence(struct rp_cluster *cluster, const struct read *read) {
    if (cluster->servers[read->server].health.answered_ns > read->sent_ns) {
        return;
    }
    if (cluster->now_ns - read->sent_ns < LEAST_SILENCE_NS) {
        cluster->judge_again |= server_bit(read->server);
        return;
    }
    server_failed(cluster, read->server, true);
}

/* A replica has not answered in time: the policy may know another server. */
static void give_up_answer(struct rp_cluster *cluster, struct read *read) {
    static const char reason[] =
        "the replica did not answer within three quarters of the read's time";
    const bool early = read->early != 0;
    if (early && cluster->now_ns >= read->step->until_ns) {
        drop(cluster, read);
        steps_tell_outcome(cluster, read, RP_NOT_REACHED, 0, NULL);
        return;
    }
    note_silence(cluster, read);
    drop(cluster, read);
    if (early) {
        steps_fail_unread(cluster, read, reason);
    } else {
        read_report(cluster, read, RP_FAILED, reason);
    }
}

void reads_timer(struct rp_cluster *cluster, struct read *read) {
    if (cluster->now_ns >= read->deadline_ns) {
        end_overdue(cluster, read);
        return;
    }
    switch (read->phase) {
    case READ_OUT:
        give_up_answer(cluster, read);
        break;
    case READ_WAITING:
        steps_tell_outcome(cluster, read, RP_WAITED, 0, NULL);
        break;
    case READ_AWAITING:
        steps_tell_outcome(cluster, read, RP_NOT_REACHED, 0, NULL);
        break;
    case READ_LOCATING:
        if (read->beside == BESIDE_OUT) {
            note_silence(cluster, read);
            beside_end(cluster, read);
        }
        read_set_timer(cluster, read, read->deadline_ns);
        break;
    default:
        break;
    }
}

/* ---- a server goes --------------------------------------------------------------------------- */

/* None of them has left yet. One that is sent elsewhere goes to the end of the list. */
void reads_catch_strays(struct rp_cluster *cluster) {
    struct read *read, *next;
    cluster->has_strays = false;
    for (read = TAILQ_FIRST(&cluster->to_send); read != NULL; read = next) {
        next = TAILQ_NEXT(read, entry);
        if (is_primary_step(read->step) && read->server != standing_primary(cluster)) {
            steps_send_again(cluster, read);
        } else if (!is_primary_step(read->step) && !pick_may_read(cluster, read, read->server)) {
            answers_detour(cluster, read, "the server that was to be read is no replica any more");
        }
    }
}

void reads_leave_server(struct rp_cluster *cluster, uint32_t server) {
    for (uint32_t i = 0; i < cluster->read_count; i++) {
        struct read *read = &cluster->reads[i];
        if (read->server != server) {
            continue;
        }
        beside_end(cluster, read);
        if (read->phase == READ_OUT) {
            drop(cluster, read);
            answers_detour(cluster, read, "the server was taken out");
        } else if (read->phase == READ_TO_SEND) {
            answers_detour(cluster, read, "the server was taken out");
        }
    }
}
