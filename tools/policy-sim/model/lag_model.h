/*
 * lag_model.h - how far a replica is behind, at any moment of virtual time.
 *
 * Positions are commit times: the row that was committed at time t has position t + 1 (0 means
 * unknown), and a replica with lag L is at t - L + 1 at time t. A position never goes back: while a
 * replica's lag grows faster than time passes, its position stays.
 *
 *   constant     always so far behind
 *   exponential  the replica catches up at random moments and stands still between them, so that
 *                its lag at any moment is exponentially distributed, and so is the time until a
 *                row that it lacks arrives
 *   bursts       so far behind, but at random moments it stands still until it is further behind,
 *                follows at that distance, and catches up at once when the burst is over
 *   trace        as recorded, straight lines between the samples, from the beginning again at its
 *                end
 */
#ifndef LAG_MODEL_H
#define LAG_MODEL_H

#include "lag_trace.h"
#include "random.h"

/* A course takes a step for each time it catches up and for each burst: their mean distance is at
 * least this.
 */
#define LAG_MIN_MEAN_NS UINT64_C(10000)

enum lag_kind { LAG_CONSTANT, LAG_EXPONENTIAL, LAG_BURSTS, LAG_TRACE };

struct lag_model {
    enum lag_kind kind;
    uint64_t min_ns;  /* outside bursts */
    uint64_t mean_ns; /* EXPONENTIAL: of what is added to min_ns; BURSTS: between two */
    uint64_t peak_ns; /* BURSTS: lag in a burst */
    uint64_t length_ns;
    struct lag_trace trace;
    uint64_t ahead_ns; /* TRACE: so long before the course's start it began */
};

/* "5ms", "constant:5ms", "exponential:MEAN[,MIN]", "bursts:MIN,PEAK,EVERY,LENGTH",
 * "trace:FILE". False with one line in err. */
bool lag_model_parse(const char *text, struct lag_model *model, char *err, size_t err_length);

void lag_model_free(struct lag_model *model);

/* One replica's course through virtual time. The same stream gives the same course, whenever it is
 * asked.
 */
struct lag_course {
    const struct lag_model *model;
    struct random_stream random;
    uint32_t bursts;   /* BURSTS: that have begun */
    uint64_t begun_ns; /* EXPONENTIAL: when it last caught up; BURSTS: the current or last burst */
    uint64_t next_ns;  /* EXPONENTIAL: the next one; BURSTS: the next burst */
    size_t sample;     /* TRACE: the next sample, its time and position, and those before it */
    uint64_t cycle_ns;
    uint64_t before_ns, after_ns;
    uint64_t before_position, after_position;
};

/* `start_ns` must be above QUANTITY_MAX_NS, so that no position falls below 1. */
void lag_course_begin(struct lag_course *course, const struct lag_model *model,
                      struct random_stream random, uint64_t start_ns);

/* The replica's position. `now_ns` must not be before that of an earlier call. */
uint64_t lag_course_position(struct lag_course *course, uint64_t now_ns);

#endif
