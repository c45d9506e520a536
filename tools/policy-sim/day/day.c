/*
 * day.c - cuts, resolves and writes a day.
 */
#include "day.h"

#include "tools/policy-sim/model/quantity.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A client that was turned away asks again within this time. */
#define REPEAT_WITHIN_NS (10 * NS_PER_S)

#define AGES_STREAM 5000000u

void day_free(struct day *day) {
    free(day->lookups);
    *day = (struct day){0};
}

/* ---- leaving out ----------------------------------------------------------------------------- */

struct turned_away {
    uint64_t client;
    uint64_t at_ns;
};

/* The last time that each client was turned away, in a table of which each place belongs to the
 * last one that hashes there: a repeat that it forgets is kept, as one lookup more. */
bool day_leave_out_repeats(struct day *day) {
    const size_t places = (size_t)1 << 16;
    struct turned_away *table = calloc(places, sizeof *table);
    size_t kept = 0;
    if (table == NULL) {
        return false;
    }
    for (size_t i = 0; i < day->count; i++) {
        const struct day_lookup lookup = day->lookups[i];
        struct turned_away *place = &table[lookup.client % places];
        bool again = lookup.client != 0 && place->client == lookup.client &&
                     lookup.at_ns - place->at_ns <= REPEAT_WITHIN_NS;
        if (lookup.end == DAY_END_SHED || lookup.end == DAY_END_FAILED) {
            *place = (struct turned_away){lookup.client, lookup.at_ns + lookup.took_ns};
        }
        if (again) {
            day->repeats++;
        } else {
            day->lookups[kept++] = lookup;
        }
    }
    day->count = kept;
    free(table);
    return true;
}

void day_cut(struct day *day, uint64_t begin_ns, uint64_t end_ns) {
    size_t kept = 0;
    for (size_t i = 0; i < day->count; i++) {
        if (day->lookups[i].at_ns >= begin_ns && day->lookups[i].at_ns <= end_ns) {
            day->lookups[kept++] = day->lookups[i];
        } else {
            day->outside++;
        }
    }
    day->count = kept;
}

/* ---- ages ------------------------------------------------------------------------------------ */

static bool lag_at(const struct lag_model *lag, uint64_t after_ns, uint64_t *lag_ns) {
    if (lag->kind == LAG_TRACE) {
        *lag_ns = lag_trace_at(&lag->trace, after_ns);
        return true;
    }
    *lag_ns = lag->min_ns;
    return lag->kind == LAG_CONSTANT;
}

/* A row that was missed is younger than the lag was; one that had come when the replica was asked
 * again, shortly before the answer, is as old as that. */
static bool resolve(struct day_lookup *lookup, const struct lag_model *lag, uint64_t begin_ns,
                    uint64_t age_ns) {
    uint64_t lag_ns;
    uint64_t later_ns;
    const uint64_t after_ns = lookup->at_ns - begin_ns;
    if (!lag_at(lag, after_ns, &lag_ns) || !lag_at(lag, after_ns + lookup->took_ns, &later_ns)) {
        return false;
    }
    uint64_t least_ns =
        lookup->row == DAY_ROW_LATE && later_ns > lookup->took_ns ? later_ns - lookup->took_ns : 0;
    age_ns = age_ns > least_ns ? age_ns : least_ns;
    lookup->age_ns = age_ns < lag_ns ? age_ns : lag_ns > 0 ? lag_ns - 1 : 0;
    lookup->row = DAY_ROW_AGED;
    return true;
}

/* How many of those that a replica missed were nowhere, as far as answers tell. */
static uint32_t absent_share(const struct day *day) {
    uint64_t absent = 0;
    uint64_t missed = 0;
    for (size_t i = 0; i < day->count; i++) {
        absent += day->lookups[i].row == DAY_ROW_ABSENT;
        missed += day->lookups[i].row == DAY_ROW_MISSED || day->lookups[i].row == DAY_ROW_LATE;
    }
    return absent + missed == 0 ? 0 : (uint32_t)(absent * SHARE_ALL / (absent + missed));
}

bool day_resolve(struct day *day, const struct lag_model *lag, uint64_t begin_ns,
                 const struct duration_model *age, uint32_t seed) {
    struct random_stream random = random_begin(seed, AGES_STREAM);
    const uint32_t absent = absent_share(day);
    for (size_t i = 0; i < day->count; i++) {
        struct day_lookup *lookup = &day->lookups[i];
        if (lookup->row == DAY_ROW_UNTOLD) {
            lookup->row = random_uniform(&random, 0, SHARE_ALL - 1) < absent ? DAY_ROW_ABSENT
                                                                             : DAY_ROW_MISSED;
        }
        if ((lookup->row == DAY_ROW_MISSED || lookup->row == DAY_ROW_LATE) &&
            !resolve(lookup, lag, begin_ns, duration_model_draw(age, &random))) {
            return false;
        }
    }
    return true;
}

struct recorded_lookup *day_recorded(const struct day *day, uint64_t begin_ns) {
    struct recorded_lookup *recorded = malloc((day->count + 1) * sizeof *recorded);
    for (size_t i = 0; recorded != NULL && i < day->count; i++) {
        const struct day_lookup *lookup = &day->lookups[i];
        recorded[i] = (struct recorded_lookup){
            .after_ns = lookup->at_ns - begin_ns,
            .age_ns = lookup->age_ns,
            .row = lookup->row == DAY_ROW_ABSENT ? RECORDED_ABSENT
                   : lookup->row == DAY_ROW_AGED ? RECORDED_AGED
                                                 : RECORDED_OLD,
        };
    }
    return recorded;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_seconds(FILE *out, uint64_t ns) {
    (void)fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);
}

void day_write(const struct day *day, FILE *out) {
    (void)fputs(DAY_HEADER "\n", out);
    for (size_t i = 0; i < day->count; i++) {
        const struct day_lookup *lookup = &day->lookups[i];
        write_seconds(out, lookup->at_ns);
        (void)fputc(',', out);
        if (lookup->row == DAY_ROW_AGED) {
            write_seconds(out, lookup->age_ns);
        }
        (void)fprintf(out, ",%d\n", lookup->row != DAY_ROW_ABSENT);
    }
}
