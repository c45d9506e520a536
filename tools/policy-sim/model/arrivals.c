/*
 * arrivals.c - a Poisson stream, dealt to the processes at random.
 */
#include "arrivals.h"

#include "quantity.h"

#define ARRIVALS_STREAM 1000001u

void arrivals_begin(struct arrivals *arrivals, const struct scenario *scenario) {
    *arrivals = (struct arrivals){.scenario = scenario,
                                  .random = random_begin(scenario->seed, ARRIVALS_STREAM),
                                  .left = scenario->lookups,
                                  .at_ns = SCENARIO_START_NS};
}

static void recorded_row(struct arrival *arrival, const struct recorded_lookup *recorded,
                         bool brings) {
    arrival->row_position = ROW_EVERYWHERE;
    arrival->floor = 0;
    if (recorded->row == RECORDED_ABSENT) {
        arrival->row_position = ROW_NOWHERE;
    } else if (recorded->row == RECORDED_AGED) {
        arrival->row_position = arrival->at_ns - recorded->age_ns + 1;
        arrival->floor = brings ? arrival->row_position : 0;
    }
}

/* The draws that a recorded lookup does not tell. */
static void take_recorded(struct arrivals *arrivals, struct arrival *arrival) {
    const struct scenario *scenario = arrivals->scenario;
    const struct recorded_lookup *recorded =
        &scenario->recorded[scenario->lookups - 1 - arrivals->left];
    arrival->at_ns = SCENARIO_START_NS + recorded->after_ns;
    arrival->process = (uint32_t)random_uniform(&arrivals->random, 0, scenario->processes - 1);
    arrival->entropy = random_next(&arrivals->random);
    arrival->seed = random_next(&arrivals->random);
    bool brings = random_uniform(&arrivals->random, 0, SHARE_ALL - 1) < scenario->positions;
    recorded_row(arrival, recorded, brings);
}

static void choose_row(struct arrivals *arrivals, struct arrival *arrival) {
    const struct scenario *scenario = arrivals->scenario;
    uint64_t kind = random_uniform(&arrivals->random, 0, SHARE_ALL - 1);
    /* All drawn for every lookup, so that changing one share shifts no other draw. */
    uint64_t age_ns = duration_model_draw(&scenario->age, &arrivals->random);
    bool brings = random_uniform(&arrivals->random, 0, SHARE_ALL - 1) < scenario->positions;
    arrival->row_position = ROW_EVERYWHERE;
    arrival->floor = 0;
    if (kind < scenario->bogus) {
        arrival->row_position = ROW_NOWHERE;
    } else if (kind < (uint64_t)scenario->bogus + scenario->fresh && age_ns < arrival->at_ns) {
        arrival->row_position = arrival->at_ns - age_ns + 1;
        arrival->floor = brings ? arrival->row_position : 0;
    }
}

bool arrivals_next(struct arrivals *arrivals, struct arrival *arrival) {
    const struct scenario *scenario = arrivals->scenario;
    if (arrivals->left == 0) {
        return false;
    }
    arrivals->left--;
    if (scenario->recorded != NULL) {
        take_recorded(arrivals, arrival);
        return true;
    }
    arrivals->at_ns += random_exponential(&arrivals->random, scenario->interval_ns);
    arrival->at_ns = arrivals->at_ns;
    arrival->process = (uint32_t)random_uniform(&arrivals->random, 0, scenario->processes - 1);
    arrival->entropy = random_next(&arrivals->random);
    arrival->seed = random_next(&arrivals->random);
    choose_row(arrivals, arrival);
    return true;
}
