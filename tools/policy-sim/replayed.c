/*
 * replayed.c - see replayed.h.
 */
#include "replayed.h"

#include "tools/policy-sim/day/load_day.h"
#include "tools/policy-sim/model/quantity.h"
#include "tools/policy-sim/report/new_file.h"

#include <inttypes.h>
#include <stdlib.h>

/* Later than this, in seconds, is Unix time and no time since a beginning: the year 2001. */
#define UNIX_TIME_NS (UINT64_C(1000000000) * NS_PER_S)

/* ---- laying the day over the lag ------------------------------------------------------------- */

/* From when to when all of the traces that have Unix time were recorded; false: there is none. */
static bool span_of_traces(const struct scenario *scenario, uint64_t *begin_ns, uint64_t *end_ns) {
    *begin_ns = 0;
    *end_ns = UINT64_MAX;
    for (uint32_t i = 0; i < scenario->replica_count; i++) {
        const struct lag_trace *trace = &scenario->replicas[i].trace;
        if (scenario->replicas[i].kind == LAG_TRACE && trace->begins_ns >= UNIX_TIME_NS) {
            const uint64_t end = trace->begins_ns + trace->span_ns;
            *begin_ns = trace->begins_ns > *begin_ns ? trace->begins_ns : *begin_ns;
            *end_ns = end < *end_ns ? end : *end_ns;
        }
    }
    return *begin_ns > 0;
}

static void begin_traces_at(struct scenario *scenario, uint64_t begin_ns) {
    for (uint32_t i = 0; i < scenario->replica_count; i++) {
        struct lag_model *model = &scenario->replicas[i];
        if (model->kind == LAG_TRACE && model->trace.begins_ns >= UNIX_TIME_NS) {
            model->ahead_ns = begin_ns - model->trace.begins_ns;
        }
    }
}

/* Where the scenario begins, of the day's clock; false if that is not in the traces. */
static bool lay(struct day *day, struct scenario *scenario, uint64_t *begin_ns, char *err,
                size_t err_length) {
    uint64_t first_ns;
    uint64_t last_ns;
    *begin_ns = day->lookups[0].at_ns;
    if (*begin_ns >= UNIX_TIME_NS && span_of_traces(scenario, &first_ns, &last_ns)) {
        day_cut(day, first_ns, last_ns);
        if (day->count == 0) {
            (void)snprintf(err, err_length,
                           "no lookup of --day was made while the lag was recorded (Unix time "
                           "%" PRIu64 " to %" PRIu64 ")",
                           first_ns / NS_PER_S, last_ns / NS_PER_S);
            return false;
        }
        *begin_ns = day->lookups[0].at_ns;
        begin_traces_at(scenario, *begin_ns);
    }
    last_ns = day->lookups[day->count - 1].at_ns;
    if (last_ns - *begin_ns > QUANTITY_MAX_NS) {
        (void)snprintf(err, err_length,
                       "--day is longer than 31 days: its first lookup is of %" PRIu64
                       " s, its last one of %" PRIu64 " s",
                       *begin_ns / NS_PER_S, last_ns / NS_PER_S);
        return false;
    }
    return true;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool save(const struct day *day, const char *path, char *err, size_t err_length) {
    struct new_file file;
    if (!new_file_open(&file, path, err, err_length)) {
        return false;
    }
    day_write(day, file.out);
    return new_file_keep(&file, false, err, err_length);
}

/* The lag that the rows' ages are judged by is the first replica's, from where its trace is then.
 */
static bool resolve(struct day *day, const struct scenario *scenario, uint64_t begin_ns, char *err,
                    size_t err_length) {
    static const struct lag_model none = {.kind = LAG_CONSTANT};
    const struct lag_model *lag = scenario->replica_count > 0 ? &scenario->replicas[0] : &none;
    if (day_resolve(day, lag, begin_ns - lag->ahead_ns, &scenario->age, scenario->seed)) {
        return true;
    }
    (void)snprintf(err, err_length,
                   "an access log tells which rows were missed, and how old they were follows only "
                   "from a lag that is known: the first --replica must be trace:FILE or "
                   "constant:TIME");
    return false;
}

bool replayed_load(struct replayed *replayed, struct sim_options *options, char *err,
                   size_t err_length) {
    struct scenario *scenario = &options->scenario;
    struct day *day = &replayed->day;
    uint64_t begin_ns;
    if (!day_load(day, options->day, err, err_length)) {
        return false;
    }
    if (scenario->repeats > 0 && !day_leave_out_repeats(day)) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    if (!lay(day, scenario, &begin_ns, err, err_length) ||
        !resolve(day, scenario, begin_ns, err, err_length) ||
        (options->save_day != NULL && !save(day, options->save_day, err, err_length))) {
        return false;
    }
    replayed->recorded = day_recorded(day, begin_ns);
    if (replayed->recorded == NULL) {
        (void)snprintf(err, err_length, "out of memory");
        return false;
    }
    scenario->recorded = replayed->recorded;
    scenario->lookups = (uint32_t)day->count;
    return true;
}

void replayed_free(struct replayed *replayed) {
    free(replayed->recorded);
    day_free(&replayed->day);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void tell_log(const struct day *day, FILE *out) {
    static const char *const names[DAY_ENDS] = {[DAY_END_REPLICA] = "found by the replica",
                                                [DAY_END_RETRY] = "by a retry there",
                                                [DAY_END_PRIMARY] = "by the primary",
                                                [DAY_END_ABSENT] = "not found",
                                                [DAY_END_SHED] = "shed",
                                                [DAY_END_FAILED] = "failed"};
    uint64_t counts[DAY_ENDS] = {0};
    for (size_t i = 0; i < day->count; i++) {
        counts[day->lookups[i].end]++;
    }
    (void)fputs("as logged: ", out);
    for (int end = DAY_END_REPLICA; end < DAY_ENDS; end++) {
        (void)fprintf(out, "%s%s %" PRIu64, end > DAY_END_REPLICA ? ", " : "", names[end],
                      counts[end]);
    }
    (void)fputc('\n', out);
}

void replayed_tell(const struct replayed *replayed, FILE *out) {
    const struct day *day = &replayed->day;
    (void)fprintf(out, "%zu lookups in %" PRIu64 " s", day->count,
                  (day->lookups[day->count - 1].at_ns - day->lookups[0].at_ns) / NS_PER_S);
    if (day->outside > 0) {
        (void)fprintf(out, "; %" PRIu64 " outside the recorded lag are left out", day->outside);
    }
    if (day->repeats > 0) {
        (void)fprintf(out, "; %" PRIu64 " that a client repeated are left out", day->repeats);
    }
    (void)fputc('\n', out);
    if (day->from_log) {
        tell_log(day, out);
    }
    (void)fputc('\n', out);
}
