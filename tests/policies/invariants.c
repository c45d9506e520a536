/*
 * invariants.c - one function for each invariant.
 *
 * They know the policies' words in docs/DESIGN.md and the read's history, and nothing of the
 * plugin's tables: what they allow and demand is worked out here from what was reported.
 */
#include "invariants.h"

#include <string.h>

#define MS_NS INT64_C(1000000)
#define S_NS  INT64_C(1000000000)

/* ---- what the transition is ---- */

static bool is_done(const struct transition *t) {
    return t->step->kind == RP_STEP_DONE;
}

static bool ends_as(const struct transition *t, int32_t verdict) {
    return is_done(t) && t->step->verdict == verdict;
}

static bool gives(const struct transition *t, int32_t kind) {
    return t->step->kind == kind;
}

static bool gives_read_of(const struct transition *t, int32_t target) {
    return t->step->kind == RP_STEP_READ && t->step->target == target;
}

/* The primary's turn after a replica was asked: read it, or shed. */
static bool gives_fallback(const struct transition *t) {
    return gives_read_of(t, RP_TARGET_PRIMARY) || ends_as(t, RP_VERDICT_SHED);
}

static bool reports_on(const struct transition *t, int32_t kind) {
    return t->told->steps > 0 && t->told->step.kind == kind;
}

static bool reports_replica_read(const struct transition *t) {
    return t->told->steps > 0 && history_is_replica_read(t->told);
}

static bool reports_primary_read(const struct transition *t) {
    return t->told->steps > 0 && history_is_primary_read(t->told);
}

static bool tells(const struct transition *t, int32_t outcome) {
    return t->report != NULL && t->report->outcome == outcome;
}

static uint64_t floor_of(const struct transition *t) {
    return t->setting->asked.position;
}

/* A replica has the row, but is not known to have reached the caller's position. */
static bool tells_behind(const struct transition *t) {
    return reports_replica_read(t) && (tells(t, RP_FOUND) || tells(t, RP_PARTIAL)) &&
           t->report->position < floor_of(t);
}

static bool tells_miss(const struct transition *t) {
    return reports_replica_read(t) && (tells(t, RP_MISSING) || tells(t, RP_PARTIAL)) &&
           !tells_behind(t);
}

/* when = always: the answer of a replica is found as it was before the position that was reached.
 */
static bool tells_stale(const struct transition *t) {
    return reports_replica_read(t) && tells(t, RP_FOUND) && !tells_behind(t) &&
           t->setting->configured.always && t->told->is_current &&
           t->report->position < t->told->located;
}

/* In each case the replica has not what is wanted, yet. */
static bool tells_not_here(const struct transition *t) {
    return tells_miss(t) || tells_behind(t) || tells_stale(t);
}

/* The caller's position lies beyond all that the primary had inserted. */
static bool tells_beyond(const struct transition *t) {
    return t->told->steps > 0 && t->told->step.kind == RP_STEP_LOCATE && t->told->located != 0 &&
           t->told->located < floor_of(t);
}

/* A partial answer that is given because no server has more is not a miss. */
static uint32_t earlier_misses(const struct transition *t) {
    return t->told->misses - tells_miss(t);
}

/* The report is on a replica that had reached the position located in this read: nobody has more.
 */
static bool is_current(const struct transition *t) {
    return reports_replica_read(t) && t->told->is_current && t->told->located != 0 &&
           t->report->position >= t->told->located;
}

static bool is_policy(const struct transition *t, enum explored_policy policy) {
    return t->setting->configured.policy == policy;
}

static int64_t min_ns(int64_t one, int64_t other) {
    return one < other ? one : other;
}

static int64_t deadline_ns(const struct transition *t) {
    return t->setting->asked.has_deadline ? t->setting->asked.deadline_ns : INT64_MAX;
}

/* ---- I1 to I4: which steps there are ---- */

static const char *ends_within_its_steps(const struct transition *t) {
    return t->after->steps <= step_limit(t->setting) ? NULL : "one step too many";
}

static const char *one_primary_read(const struct transition *t) {
    if (t->after->primary_reads > 1) {
        return "a second read of the primary";
    }
    return reports_primary_read(t) && !is_done(t) ? "the primary's answer was not the last" : NULL;
}

static const char *no_primary_read_before_a_miss(const struct transition *t) {
    if (!gives_read_of(t, RP_TARGET_PRIMARY) || is_direct(t->setting)) {
        return NULL;
    }
    if (has_no_primary(t->setting)) {
        return "a policy without the primary came to it";
    }
    const bool failed_over = t->setting->configured.failover &&
                             (t->told->replica_failures > 0 || begins_out(t->setting));
    const bool unreachable = cannot_judge(t->setting) || tells_beyond(t);
    return t->told->not_here || failed_over || unreachable ? NULL
                                                           : "the primary was read without a miss";
}

static const char *no_replica_read_where_none_may_be(const struct transition *t) {
    if (begins_out(t->setting)) {
        return gives(t, RP_STEP_READ) && !gives_read_of(t, RP_TARGET_PRIMARY)
                   ? "no replica may be asked, and one was"
                   : NULL;
    }
    if (cannot_judge(t->setting)) {
        return t->told->steps == 0 && !gives_fallback(t) && !has_no_primary(t->setting)
                   ? "no replica can be judged, and it was not the primary's"
                   : NULL;
    }
    if (!is_direct(t->setting)) {
        return t->told->steps == 0 && gives_read_of(t, RP_TARGET_PRIMARY)
                   ? "a replica may be read, and was not"
                   : NULL;
    }
    return t->told->steps == 0 && !gives_read_of(t, RP_TARGET_PRIMARY)
               ? "there is no replica, or a transaction, and the primary was not read first"
               : NULL;
}

static const char *one_retry_for_one_miss(const struct transition *t) {
    const struct configured *configured = &t->setting->configured;
    if (!gives_read_of(t, RP_TARGET_REPLICA) || t->told->replica_reads == 0) {
        return NULL;
    }
    if (t->told->answered) {
        return "a replica was read again that had not missed";
    }
    switch (configured->policy) {
    case THEN_PRIMARY:
        return t->told->replica_reads == 1 && configured->retry_max_ms > 0
                   ? NULL
                   : "more retries than one, or one where there should be none";
    case BACKOFF:
        return t->told->replica_reads <= poll_limit(configured) ? NULL : "more polls than fit";
    case READ_INDEX:
        if (t->told->floor_awaits > 1 || t->told->located_awaits > 1 ||
            t->told->unproven_awaits > 1 || t->told->again_awaits > 1) {
            return "more retries than one for each position";
        }
        if (t->after->looks > MAX_LOOKS || t->told->onward_awaits > t->told->looks) {
            return "more looks on the way than there may be";
        }
        return t->told->replica_reads <= t->told->floor_awaits + t->told->located_awaits +
                                             t->told->onward_awaits + t->told->unproven_awaits +
                                             t->told->again_awaits
                   ? NULL
                   : "a retry without a position awaited for it";
    default:
        return "a retry by a policy that has none";
    }
}

/* ---- I5: waits ---- */

/* The bounds of the wait that a miss may lead to now. False: there must be none. */
static bool wait_bounds(const struct transition *t, int64_t *earliest, int64_t *latest) {
    const struct configured *configured = &t->setting->configured;
    const struct read_history *told = t->told;
    if (is_policy(t, THEN_PRIMARY)) {
        *earliest = told->now_ns + configured->retry_min_ms * MS_NS;
        *latest = told->now_ns + configured->retry_max_ms * MS_NS;
        return configured->retry_max_ms > 0 && told->waits == 0;
    }
    if (is_policy(t, BACKOFF)) {
        const int64_t give_up = told->first_miss_ns + configured->max_wait_ms * MS_NS;
        const int64_t longest = configured->first_ms * MS_NS * (INT64_C(1) << told->waits);
        *earliest = min_ns(told->now_ns + longest / 2, give_up);
        *latest = min_ns(told->now_ns + longest, give_up);
        return told->waits < poll_limit(configured) && told->now_ns < give_up;
    }
    return false;
}

static const char *waits_lie_within_their_bounds(const struct transition *t) {
    int64_t earliest;
    int64_t latest;
    if (!gives(t, RP_STEP_WAIT)) {
        return NULL;
    }
    if (!tells_not_here(t) || !wait_bounds(t, &earliest, &latest)) {
        return "a wait where there should be none";
    }
    const int64_t until = t->after->step.until_ns;
    if (until > deadline_ns(t)) {
        return "a wait beyond the deadline";
    }
    return until >= earliest && until <= latest ? NULL : "a wait out of its bounds";
}

/* The retry is what keeps load off the primary: it is left out only where the deadline says so. */
static const char *a_retry_that_fits_is_made(const struct transition *t) {
    int64_t earliest;
    int64_t latest;
    if (reports_on(t, RP_STEP_WAIT)) {
        return gives_read_of(t, RP_TARGET_REPLICA) ? NULL : "a wait without a retry after it";
    }
    if (!tells_not_here(t) || gives(t, RP_STEP_WAIT) || !wait_bounds(t, &earliest, &latest)) {
        return NULL;
    }
    return latest <= deadline_ns(t) ? "a retry that fits was skipped" : NULL;
}

/* max_wait_ms is for all awaits that follow a locate, and for the floor's alone. */
static int64_t await_limit(const struct transition *t) {
    const bool floor =
        t->told->locates_after_a_read == 0 && !reports_on(t, RP_STEP_LOCATE) && !tells_stale(t);
    const int64_t from = floor ? t->told->now_ns : t->told->located_ns;
    return min_ns(from + t->setting->configured.max_wait_ms * MS_NS, deadline_ns(t));
}

/* Until the next look, if one is left: the first at once, then after waits that double. */
static int64_t await_end(const struct transition *t) {
    if (reports_on(t, RP_STEP_LOCATE) && t->told->replica_reads > 0) {
        return t->told->now_ns;
    }
    if (t->after->awaited == AWAITED_ONWARD && t->told->looks < MAX_LOOKS) {
        return min_ns(t->told->now_ns + (MS_NS << (t->told->looks - 1)), await_limit(t));
    }
    return await_limit(t);
}

static const char *awaits_end_by_limit_and_deadline(const struct transition *t) {
    if (!gives(t, RP_STEP_AWAIT)) {
        return NULL;
    }
    if (await_limit(t) <= t->told->now_ns) {
        return "an await for which there is no time";
    }
    return t->after->step.until_ns == await_end(t) ? NULL : "an await of the wrong length";
}

/* ---- I6 to I9: what is counted, logged and told ---- */

static const char *found_misses_are_counted_by_their_finder(const struct transition *t) {
    if (!is_done(t)) {
        return NULL;
    }
    const bool found = ends_as(t, RP_VERDICT_FOUND) && earlier_misses(t) > 0;
    if (t->counted.value[COUNT_RETRY] != (found && reports_replica_read(t))) {
        return "outcome replica_retry miscounted";
    }
    if (t->counted.value[COUNT_PRIMARY] != (found && reports_primary_read(t))) {
        return "outcome primary miscounted";
    }
    return NULL;
}

static const char *genuine_misses_and_failures_are_not(const struct transition *t) {
    if (!is_done(t)) {
        return NULL;
    }
    if (!ends_as(t, RP_VERDICT_FOUND) &&
        t->counted.value[COUNT_RETRY] + t->counted.value[COUNT_PRIMARY] != 0) {
        return "counted without being found";
    }
    const bool absent = ends_as(t, RP_VERDICT_NOT_FOUND) && is_current(t);
    if (t->counted.value[COUNT_ABSENT] != absent) {
        return "proven_absent miscounted";
    }
    return t->counted.value[COUNT_SHED] == ends_as(t, RP_VERDICT_SHED) ? NULL
                                                                       : "primary_shed miscounted";
}

/* So that a host can say of its own reads what the counters say of all. */
static const char *the_end_names_its_counter(const struct transition *t) {
#define NUMBER(name, number, ...) [name] = number,
    static const int32_t names[COUNT_COUNT] = {SECTION_COUNTERS(NUMBER)};
    if (t->step->kind != RP_STEP_DONE) {
        return NULL;
    }
    int32_t name = RP_COUNTED_NONE;
    for (int i = 0; i < COUNT_COUNT; i++) {
        name = t->counted.value[i] != 0 ? names[i] : name;
    }
    return t->step->counted == name ? NULL : "another counter grew than the end names";
}

static const char *warns_when_the_primary_served_a_miss(const struct transition *t) {
    if (!is_done(t)) {
        return NULL;
    }
    int32_t level = RP_LOG_ERROR;
    if (ends_as(t, RP_VERDICT_FOUND)) {
        level = reports_primary_read(t) && t->told->misses > 0 ? RP_LOG_WARN : RP_LOG_NONE;
    }
    return t->step->log_level == level ? NULL : "the wrong log level";
}

/* Whether the answer just reported may be given as found. */
static bool is_good_answer(const struct transition *t) {
    if (tells_behind(t) || tells_stale(t)) {
        return false;
    }
    if (tells(t, RP_FOUND)) {
        return reports_replica_read(t) || reports_primary_read(t);
    }
    return tells(t, RP_PARTIAL) &&
           (reports_primary_read(t) || has_no_primary(t->setting) || is_current(t));
}

/* Without the primary there is nobody else to ask. */
static bool fails_at_the_floor(const struct transition *t) {
    if (!has_no_primary(t->setting) || floor_of(t) == 0 || is_direct(t->setting)) {
        return false;
    }
    const bool unknown = reports_replica_read(t) && t->report->position < floor_of(t);
    return (t->told->steps == 0 && cannot_judge(t->setting)) || (unknown && !tells(t, RP_FAILED));
}

static const char *a_floor_is_kept(const struct transition *t) {
    if (floor_of(t) == 0 || is_direct(t->setting)) {
        return NULL;
    }
    if (gives_read_of(t, RP_TARGET_REPLICA) && (t->step->flags & RP_STEP_WITH_POSITION) == 0) {
        return "a replica is read without its position";
    }
    if (fails_at_the_floor(t) && !ends_as(t, RP_VERDICT_FAILED)) {
        return "a policy without the primary answers from where the floor is not reached";
    }
    return ends_as(t, RP_VERDICT_FOUND) && reports_replica_read(t) &&
                   t->report->position < floor_of(t)
               ? "found where the floor is not reached"
               : NULL;
}

static const char *verdicts_are_what_some_server_said(const struct transition *t) {
    if (ends_as(t, RP_VERDICT_FOUND)) {
        return is_good_answer(t) ? NULL : "found, and no server said so";
    }
    if (ends_as(t, RP_VERDICT_NOT_FOUND)) {
        return tells(t, RP_MISSING) ? NULL : "not found, and no server said so";
    }
    if (ends_as(t, RP_VERDICT_FAILED)) {
        const bool out = t->told->steps == 0 && begins_out(t->setting);
        return out || fails_at_the_floor(t) ||
                       (tells(t, RP_FAILED) && t->told->step.kind == RP_STEP_READ)
                   ? NULL
                   : "failed, and no read did";
    }
    return is_done(t) && !ends_as(t, RP_VERDICT_SHED) ? "a verdict that there is not" : NULL;
}

static const char *a_current_answer_has_reached_what_was_located(const struct transition *t) {
    return tells_stale(t) && is_done(t) && !ends_as(t, RP_VERDICT_SHED)
               ? "found where the located position is not reached"
               : NULL;
}

static const char *a_good_answer_ends_the_read(const struct transition *t) {
    return is_good_answer(t) && !ends_as(t, RP_VERDICT_FOUND) ? "a good answer was not given"
                                                              : NULL;
}

static const char *the_server_that_answered_is_named(const struct transition *t) {
    if (!is_done(t)) {
        return NULL;
    }
    int32_t server = RP_SERVED_BY_NONE;
    if (ends_as(t, RP_VERDICT_FOUND) || ends_as(t, RP_VERDICT_NOT_FOUND)) {
        server = t->told->replica_reads == 1 ? RP_SERVED_BY_REPLICA : RP_SERVED_BY_REPLICA_RETRY;
        server = reports_primary_read(t) ? RP_SERVED_BY_PRIMARY : server;
    }
    return t->step->served_by == server ? NULL : "the wrong server is named";
}

static bool same_text(const char *one, const char *other) {
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static const char *what_failed_is_named(const struct transition *t) {
    if (!is_done(t)) {
        return NULL;
    }
    const char *during = NULL;
    if (ends_as(t, RP_VERDICT_SHED)) {
        during = "primary_budget";
    } else if (!ends_as(t, RP_VERDICT_FOUND) && reports_primary_read(t)) {
        during = is_direct(t->setting) ? NULL : "primary_fallback";
    } else if (!ends_as(t, RP_VERDICT_FOUND)) {
        during = t->told->replica_reads > 1 ? "replica_retry" : NULL;
    }
    return same_text(t->step->failed_during, during) ? NULL : "the wrong failed_during";
}

/* ---- failures are no misses ---- */

static const char *a_failure_is_no_miss(const struct transition *t) {
    const bool out = t->told->steps == 0 && begins_out(t->setting);
    if (!out && (!reports_replica_read(t) || !tells(t, RP_FAILED))) {
        return NULL;
    }
    const bool fails_over = t->setting->configured.failover && !has_no_primary(t->setting);
    if (fails_over) {
        return gives_fallback(t) ? NULL : "a failure was not the primary's to answer";
    }
    return ends_as(t, RP_VERDICT_FAILED) ? NULL : "a replica's failure did not end the read";
}

/* ---- positions ---- */

static const char *absence_is_proven_by_a_located_position(const struct transition *t) {
    const bool claimed =
        ends_as(t, RP_VERDICT_NOT_FOUND) && reports_replica_read(t) && !has_no_primary(t->setting);
    if (claimed && !is_current(t)) {
        return "absence claimed by a replica that had not reached a position located in this read";
    }
    const bool proven = is_current(t) && tells(t, RP_MISSING);
    return proven && !ends_as(t, RP_VERDICT_NOT_FOUND) ? "a proven absence was not reported" : NULL;
}

static const char *locates_only_where_they_belong(const struct transition *t) {
    if (!gives(t, RP_STEP_LOCATE)) {
        return NULL;
    }
    if (!is_policy(t, READ_INDEX) || is_direct(t->setting)) {
        return "a locate by a policy without positions";
    }
    if (t->told->replica_reads == 0 && !t->setting->configured.always) {
        return "a locate before a miss";
    }
    if (t->after->locates_before_a_read > 1 || t->after->locates_after_a_read > 1) {
        return "a second locate";
    }
    return NULL;
}

/* What is awaited after a locate: all of it before a first read, and after a miss what was flushed,
 * but no less than the floor. */
static uint64_t first_awaited(const struct transition *t) {
    const struct read_history *told = t->told;
    if (told->replica_reads == 0 || told->flushed == 0) {
        return told->located;
    }
    return told->flushed < floor_of(t) ? floor_of(t) : told->flushed;
}

/* Which position an await may name: what was located just now, or the inserted position after the
 * flushed one, or the caller's, once and before a locate. */
static const char *awaits_name_a_position_to_reach(const struct transition *t) {
    if (!gives(t, RP_STEP_AWAIT)) {
        return NULL;
    }
    if (!is_policy(t, READ_INDEX)) {
        return "an await by a policy without positions";
    }
    if (reports_on(t, RP_STEP_LOCATE)) {
        return t->told->located != 0 && t->step->position == first_awaited(t)
                   ? NULL
                   : "an await of another position than the one located";
    }
    if (!tells_not_here(t)) {
        return "an await before a miss";
    }
    const bool short_of_it =
        t->told->is_current == CURRENT_LOOK && t->report->position < t->told->awaited_position;
    if (short_of_it) {
        return t->after->awaited == AWAITED_ONWARD
                   ? NULL
                   : "an await of another position than a look was on the way to";
    }
    if (t->told->locates_after_a_read > 0) {
        return t->step->position == t->told->located && t->after->unproven_awaits == 1 &&
                       t->told->awaited_position < t->told->located && t->report->position != 0
                   ? NULL
                   : "an await of what was reached, or is not known to prove";
    }
    if (tells_stale(t)) {
        return t->step->position == t->told->located && t->report->position != 0 &&
                       t->after->again_awaits == 1
                   ? NULL
                   : "an await of another position than the one that was reached before";
    }
    if (t->after->floor_awaits > 1) {
        return "the caller's position was awaited twice";
    }
    return t->step->position != 0 && t->step->position == floor_of(t) &&
                   t->report->position < floor_of(t)
               ? NULL
               : "an await of a position that nobody named, or that is reached";
}

static bool has_time_to_await(const struct transition *t) {
    return await_limit(t) > t->told->now_ns;
}

/* What comes after a locate: the await, or what is left without one. */
static const char *a_located_position_is_awaited(const struct transition *t) {
    if (!reports_on(t, RP_STEP_LOCATE)) {
        return NULL;
    }
    if (tells_beyond(t)) {
        return gives_fallback(t) ? NULL : "a floor beyond what is inserted was not the primary's";
    }
    if (t->told->located != 0 && has_time_to_await(t)) {
        return gives(t, RP_STEP_AWAIT) ? NULL : "a located position was not awaited";
    }
    if (t->told->replica_reads == 0) {
        return gives_read_of(t, RP_TARGET_REPLICA) ? NULL : "no first read without a position";
    }
    return gives_fallback(t) ? NULL : "a miss without a position was not the primary's";
}

/* The position is not reached, there is time, and the replica was not looked at too often. */
static bool is_to_be_looked_at(const struct transition *t) {
    const struct read_history *told = t->told;
    return tells(t, RP_NOT_REACHED) && told->replica_reads > 0 && told->looks < MAX_LOOKS &&
           (told->awaited == AWAITED_LOCATED || told->awaited == AWAITED_ONWARD) &&
           has_time_to_await(t);
}

/* What comes after an await. */
static const char *a_reached_position_is_read_at(const struct transition *t) {
    if (!reports_on(t, RP_STEP_AWAIT)) {
        return NULL;
    }
    const struct read_history *told = t->told;
    const bool floor = told->awaited == AWAITED_FLOOR;
    if (is_to_be_looked_at(t)) {
        return gives_read_of(t, RP_TARGET_REPLICA) && t->step->replica == told->step.replica &&
                       (t->step->flags & RP_STEP_WITH_POSITION) != 0
                   ? NULL
                   : "the replica was not looked at on its way to the position";
    }
    const uint32_t flags = floor_of(t) != 0 || told->is_reached ? RP_STEP_WITH_POSITION : 0;
    const bool flagged = (t->step->flags & RP_STEP_WITH_POSITION) == flags;
    if (told->is_reached) {
        return gives_read_of(t, RP_TARGET_REPLICA) && t->step->replica == told->step.replica &&
                       flagged
                   ? NULL
                   : "the replica that reached the position was not read, or not with it";
    }
    if (floor && t->told->now_ns < told->step.until_ns) {
        return gives(t, RP_STEP_LOCATE) ? NULL : "no locate after the caller's position";
    }
    if (floor) {
        return gives_fallback(t) ? NULL : "a floor that took all its time was not the primary's";
    }
    if (told->replica_reads == 0) {
        return gives_read_of(t, RP_TARGET_REPLICA) && flagged
                   ? NULL
                   : "no plain first read without the position reached";
    }
    return gives_fallback(t) ? NULL : "a miss without the position reached was not the primary's";
}

/* The primary's tables are read only after the cheap question failed to help. */
static const char *read_index_locates_before_it_falls_back(const struct transition *t) {
    const struct read_history *told = t->told;
    const bool settled = is_current(t) && !tells_behind(t);
    if (!is_policy(t, READ_INDEX) || !tells_not_here(t) || settled) {
        return NULL;
    }
    if (told->locates_after_a_read == 0 && (tells_stale(t) || told->again_awaits > 0)) {
        const bool again =
            told->again_awaits == 0 && t->report->position != 0 && has_time_to_await(t);
        return again ? (gives(t, RP_STEP_AWAIT) ? NULL : "a stale answer was not awaited again")
                     : (gives_fallback(t) ? NULL : "a stale answer was not the primary's");
    }
    if (told->locates_after_a_read == 0) {
        const bool floor = floor_of(t) != 0 && t->report->position < floor_of(t) &&
                           told->floor_awaits == 0 && !told->is_current && has_time_to_await(t);
        return gives(t, floor ? RP_STEP_AWAIT : RP_STEP_LOCATE)
                   ? NULL
                   : "a miss that neither located nor awaited";
    }
    const bool on_its_way =
        told->is_current == CURRENT_LOOK && t->report->position < told->awaited_position;
    const bool unproven = t->report->position != 0 && told->awaited_position < told->located &&
                          told->unproven_awaits == 0;
    if (on_its_way && has_time_to_await(t)) {
        return gives(t, RP_STEP_AWAIT) && t->after->awaited == AWAITED_ONWARD
                   ? NULL
                   : "after a look its position was not awaited any more";
    }
    if (unproven && has_time_to_await(t)) {
        return gives(t, RP_STEP_AWAIT) ? NULL : "the inserted position was not awaited";
    }
    return gives_fallback(t) ? NULL : "an unproven miss was not the primary's";
}

/* ---- replicas ---- */

/* An await, and a locate: it names the replica that is awaited then. */
static bool names_replica(const struct transition *t) {
    return gives(t, RP_STEP_AWAIT) || gives(t, RP_STEP_LOCATE);
}

static const char *replicas_are_picked_as_configured(const struct transition *t) {
    const uint32_t replicas = t->setting->asked.replicas;
    if (!gives_read_of(t, RP_TARGET_REPLICA) && !names_replica(t)) {
        return NULL;
    }
    if (t->step->replica >= replicas) {
        return "a replica that there is not";
    }
    if (reports_on(t, RP_STEP_AWAIT) || t->told->replica_reads == 0) {
        return NULL; /* a first read; or a_reached_position_is_read_at */
    }
    const uint32_t next = t->told->last_replica == replicas - 1 ? 0 : t->told->last_replica + 1;
    const bool moves_on = t->setting->configured.pick == NEXT;
    const uint32_t expected = moves_on ? next : t->told->last_replica;
    return t->step->replica == expected ? NULL : "the retry is on the wrong replica";
}

/* Whether the host may take a replica that is further: never for a plain first read. */
static bool may_be_freshest(const struct transition *t) {
    const bool follows =
        t->told->replica_reads > 0 || (t->step->flags & RP_STEP_WITH_POSITION) != 0;
    const bool on_replica = names_replica(t) || (follows && gives_read_of(t, RP_TARGET_REPLICA));
    return on_replica && t->setting->configured.pick == FRESHEST;
}

static const char *the_freshest_may_be_taken(const struct transition *t) {
    const bool flagged = (t->step->flags & RP_STEP_FRESHEST) != 0;
    return flagged == may_be_freshest(t) ? NULL : "the wrong steps may go to the freshest replica";
}

/* ---- the budget ---- */

/* Whether the bucket holds a token: kept here as credit in ns, from the beginning of the read on;
 * a read takes one at most, and then it has no further say. */
static bool has_token(const struct transition *t) {
    const struct configured *configured = &t->setting->configured;
    if (configured->budget_per_s == 0) {
        return true;
    }
    const int64_t interval = S_NS / configured->budget_per_s;
    const int64_t credit = t->setting->asked.tokens * interval + t->told->now_ns;
    return min_ns(credit, configured->budget_burst * interval) >= interval;
}

static const char *the_budget_admits_and_sheds_exactly(const struct transition *t) {
    if (ends_as(t, RP_VERDICT_SHED)) {
        return !is_direct(t->setting) && !has_token(t) ? NULL : "shed with a token left";
    }
    if (gives_read_of(t, RP_TARGET_PRIMARY) && !is_direct(t->setting)) {
        return has_token(t) ? NULL : "admitted without a token";
    }
    return NULL;
}

/* ---- the form of steps, and breaches of the contract ---- */

static const char *steps_are_well_formed(const struct transition *t) {
    const struct rp_step *step = t->step;
    if (step->struct_size != sizeof *step || step->kind < RP_STEP_READ ||
        step->kind > RP_STEP_DONE) {
        return "no step";
    }
    if (is_done(t)) {
        return step->message != NULL && step->message[0] != '\0' ? NULL : "no message";
    }
    if (step->verdict != RP_VERDICT_NONE || step->served_by != RP_SERVED_BY_NONE ||
        step->log_level != RP_LOG_NONE || step->failed_during != NULL || step->message != NULL) {
        return "a verdict before the end";
    }
    const bool timed = step->kind == RP_STEP_WAIT || step->kind == RP_STEP_AWAIT;
    if (!timed && step->until_ns != 0) {
        return "a time that nothing is waited for";
    }
    uint32_t meant = gives_read_of(t, RP_TARGET_REPLICA) ? RP_STEP_WITH_POSITION : 0;
    meant |= may_be_freshest(t) ? (uint32_t)RP_STEP_FRESHEST : 0;
    return (step->flags & ~meant) == 0 ? NULL : "flags that mean nothing";
}

static const char *a_breach_ends_the_read_as_failed(const struct transition *t) {
    if (!ends_as(t, RP_VERDICT_FAILED)) {
        return "a report out of contract did not end the read as failed";
    }
    if (t->step->log_level != RP_LOG_ERROR || t->step->served_by != RP_SERVED_BY_NONE) {
        return "a breach that is not logged as an error, or is served";
    }
    for (int i = 0; i < COUNT_COUNT; i++) {
        if (t->counted.value[i] != 0) {
            return "a breach was counted";
        }
    }
    return NULL;
}

#define KEPT(check, statement) {#check, statement, false, check}

const struct invariant invariants[] = {
    KEPT(ends_within_its_steps, "I1: a read ends within a fixed number of steps"),
    KEPT(one_primary_read, "I2: at most one primary read"),
    KEPT(no_primary_read_before_a_miss,
         "I3: no primary read before a replica miss unless there is no replica, the read is in a "
         "transaction, on_replica_failure = primary, or no replica is known to be at the caller's "
         "floor or, with when = always, at what was located"),
    KEPT(no_replica_read_where_none_may_be,
         "I3: no replica, or a transaction: the primary at once; else a replica first"),
    KEPT(one_retry_for_one_miss,
         "I4: at most one retry of the replica for one miss, or for each position that is awaited, "
         "and so many looks on the way"),
    KEPT(waits_lie_within_their_bounds,
         "I5: a wait lies within its bounds and never beyond the deadline"),
    KEPT(a_retry_that_fits_is_made, "I5: a retry is skipped only if the deadline forbids it"),
    KEPT(awaits_end_by_limit_and_deadline, "I5: an await ends by max_wait_ms and the deadline"),
    KEPT(found_misses_are_counted_by_their_finder,
         "I6: the counter grows by one exactly when a missed row was then found, by the outcome "
         "that found it"),
    KEPT(
        genuine_misses_and_failures_are_not,
        "I7: never counted: a genuine miss, a failure; absences and sheds have their own counters"),
    KEPT(the_end_names_its_counter, "I6: counted names the counter that grew, if one did"),
    KEPT(warns_when_the_primary_served_a_miss,
         "I8: WARN exactly when the primary served a replica's miss; ERROR for all that is not "
         "found"),
    KEPT(verdicts_are_what_some_server_said,
         "I9: found and not found are never reported unless some server said so, failed unless a "
         "read failed"),
    KEPT(a_good_answer_ends_the_read, "I9: found by a server is found"),
    KEPT(a_current_answer_has_reached_what_was_located,
         "I23: with when = always, where a located position was reached, no answer of a replica "
         "counts that is not known to have reached the inserted one"),
    KEPT(a_floor_is_kept, "I22: no answer of a replica counts that is not known to have reached "
                          "the caller's position"),
    KEPT(the_server_that_answered_is_named, "I9: served_by names who answered"),
    KEPT(what_failed_is_named, "I9: failed_during names what failed"),
    {"a_breach_ends_the_read_as_failed",
     "I13: an out-of-contract report ends the read as failed, uncounted", true,
     a_breach_ends_the_read_as_failed},
    KEPT(a_failure_is_no_miss, "I14: a failure of a replica is never treated as a miss"),
    KEPT(absence_is_proven_by_a_located_position,
         "I15: absence is reported without a primary read exactly if the answering replica had "
         "reached, before its snapshot, a position located in this read"),
    KEPT(locates_only_where_they_belong,
         "I16: the primary is located after the read began, once before the first read "
         "(when = always) and once after it"),
    KEPT(awaits_name_a_position_to_reach, "I16: awaited is what was located: flushed, then "
                                          "inserted; or before it the caller's position"),
    KEPT(a_located_position_is_awaited, "I16: a located position is awaited if there is time"),
    KEPT(a_reached_position_is_read_at,
         "I16: a replica that reached the position is read, and one that has not while looks are "
         "left; both report where they stand"),
    KEPT(read_index_locates_before_it_falls_back,
         "I16: the primary's tables are read only where a position did not help"),
    KEPT(replicas_are_picked_as_configured, "I17: the retry follows replica_pick"),
    KEPT(the_freshest_may_be_taken, "I17: replica_pick = freshest holds for locates and awaits, "
                                    "and for reads but a plain first "
                                    "one"),
    KEPT(the_budget_admits_and_sheds_exactly,
         "I18: sheds and admissions never exceed what the bucket allows"),
    KEPT(steps_are_well_formed, "I19: a step says what its kind needs and nothing else"),
};
const unsigned invariant_count = sizeof invariants / sizeof invariants[0];
