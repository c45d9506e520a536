/*
 * cluster_explorer.c - what must hold of a cluster, in small worlds exhaustively and at random,
 * through the built shared object.
 *
 *     cluster_explorer [INVARIANT]        every scenario under every policy: all orders with one
 *                                         deviation from "the oldest first", and a dose of chance
 *     cluster_explorer --full [SECONDS]   all orders with two, 100 000 at most of each world and
 *                                         policy, and chance for that long
 *     cluster_explorer --seed N SCENARIO  one random play again
 *     cluster_explorer --seeds FROM TO [SCENARIO]
 *                                         these, of all or of that: it tells of every violation
 *     cluster_explorer --only SCENARIO    that one, enumerated
 *
 * An argument that names an invariant only says which violation is looked for; the exit status is 1
 * at the first violation of any, or with --seeds at the end.
 *
 * Deviations bound the enumeration as delays do in "Delay-bounded scheduling" (Emmi, Qadeer and
 * Rakamaric, 2011): with none, everything is answered in the order in which it was asked, and the
 * world's events come as late as they can. Where there is chance, it deviates seldom: a read that
 * time jumps over again and again fails, and a failure shows nothing.
 */
#include "choices.h"
#include "play.h"
#include "scenarios.h"
#include "tests/lib/plugin_fixture.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)

struct variant {
    const char *policy;
    bool is_19; /* PostgreSQL 19: see world.h */
};
static const struct variant policies[] = {
    {"policy = read_index\non_replica_failure = primary", false},
    {"policy = read_index\nwhen = always\non_replica_failure = primary", false},
    {"policy = replica_then_primary\nreplica_retry_max_ms = 0\non_replica_failure = primary",
     false},
    {"policy = read_index\nreplica_pick = freshest\non_replica_failure = primary", false},
    {"policy = read_index\nreplica_pick = next", false},
    {"policy = read_index\nreplica_pick = next", true},
    {"policy = read_index\nwhen = always\non_replica_failure = primary", true},
};
enum { POLICIES = sizeof policies / sizeof policies[0] };

struct figures {
    uint64_t plays;
    uint64_t moments;
    uint64_t cut_off; /* enumerations */
    uint64_t ends[RP_VERDICT_SHED + 1];
};

struct explorer {
    struct opened_section sections[POLICIES];
    struct figures figures;
    int deviations;      /* of an enumerated play */
    uint64_t most_plays; /* of an enumeration: with two deviations some worlds have millions */
};

/* ---- one play -------------------------------------------------------------------------------- */

struct stage {
    const struct scenario *scenario;
    struct play play;
    int next_event;
    int old_row; /* that every server has */
    int reads_left;
};

/* What may come next beside what is under way: an event of the world, a standby's replay, another
 * read, a jump of time past a replica's limit, an action that takes long. */
enum {
    MAY_EVENT,
    MAY_REPLAY_B,
    MAY_REPLAY_C,
    MAY_REPLAY_D,
    MAY_READ,
    MAY_JUMP,
    MAY_HOLD,
    MAY_WHIM,
    MAY_KINDS
};

static bool may(const struct stage *stage, int kind) {
    const struct play *play = &stage->play;
    switch (kind) {
    case MAY_EVENT:
        return stage->next_event < MAX_WORLD_EVENTS &&
               stage->scenario->events[stage->next_event] != NULL;
    case MAY_REPLAY_B:
        return !world_caught_up(&play->world, 1);
    case MAY_REPLAY_C:
        return stage->scenario->standbys > 1 && !world_caught_up(&play->world, 2);
    case MAY_REPLAY_D:
        return stage->scenario->standbys > 2 && !world_caught_up(&play->world, 3);
    case MAY_JUMP:
        return !stage->scenario->never_fails && play->action_count > 0 && !play_is_done(play);
    case MAY_WHIM:
        return play->choices->random && !stage->scenario->never_fails;
    case MAY_HOLD:
        return !stage->scenario->never_fails && play_may_hold(play);
    default:
        return stage->reads_left > 0;
    }
}

/* Found of an old row says nothing of the new one: its floor does, or that the answer is current.
 * Chance also reads the new row at its own floor, and the old one where nothing comes of it. */
static void begin_read(struct stage *stage) {
    enum { NEW, OLD_AT_FLOOR, NONE, OLD, NEW_AT_FLOOR, KINDS };
    struct play *play = &stage->play;
    const int enumerated = play->always ? OLD + 1 : NONE + 1;
    const int kind = choose(play->choices, play->choices->random ? KINDS : enumerated);
    const int row = kind == NONE ? -1 : world_commit(&play->world, !stage->scenario->asynchronous);
    const bool is_old = kind == OLD || kind == OLD_AT_FLOOR;
    const bool has_floor = kind == OLD_AT_FLOOR || kind == NEW_AT_FLOOR;
    stage->reads_left--;
    play_start(play, is_old ? stage->old_row : row, has_floor ? row : -1);
}

static void happen(struct stage *stage, int kind) {
    switch (kind) {
    case MAY_EVENT:
        stage->scenario->events[stage->next_event++](&stage->play);
        break;
    case MAY_REPLAY_B:
    case MAY_REPLAY_C:
    case MAY_REPLAY_D:
        (void)world_replay(&stage->play.world, kind - MAY_REPLAY_B + 1);
        break;
    case MAY_JUMP:
        play_jump(&stage->play, 4000 * MS);
        break;
    case MAY_WHIM:
        play_whim(&stage->play);
        break;
    case MAY_HOLD:
        play_hold(&stage->play);
        break;
    default:
        begin_read(stage);
        break;
    }
}

/* Something else happens now, instead of the oldest action's next moment, if it is so chosen. */
static bool deviate(struct stage *stage) {
    struct play *play = &stage->play;
    int kinds[MAY_KINDS];
    int count = 0;
    for (int kind = 0; kind < MAY_KINDS; kind++) {
        if (may(stage, kind)) {
            kinds[count++] = kind;
        }
    }
    if (count == 0 || play->deviations == 0) {
        return false;
    }
    int chosen = choose_rarely(play->choices, count + 1);
    if (chosen == 0) {
        return false;
    }
    play->deviations--;
    happen(stage, kinds[chosen - 1]);
    return true;
}

/* With nothing under way: what the scenario still has to bring, then time. */
static void go_on(struct stage *stage) {
    for (int kind = 0; kind < MAY_KINDS; kind++) {
        if (may(stage, kind) && kind < MAY_READ) {
            happen(stage, kind);
            return;
        }
    }
    if (stage->reads_left > 0) {
        begin_read(stage);
    } else if (!play_release(&stage->play)) {
        /* The WAL writer is never long in coming. */
        world_flush(&stage->play.world, stage->play.world.truth);
        play_wait(&stage->play, 1000 * MS);
    }
}

static bool has_live_replica(const struct stage *stage) {
    const struct world *world = &stage->play.world;
    bool any = false;
    for (int i = 1; i <= stage->scenario->standbys; i++) {
        any = any || (world->servers[i].up && world->servers[i].in_recovery);
    }
    return any;
}

/* At last everything is calm: what can be answered is answered. */
static void see_the_end(struct stage *stage, int policy) {
    struct play *play = &stage->play;
    const bool fails_over = strstr(policies[policy].policy, "on_replica_failure") != NULL;
    struct rp_cluster_info known = {.struct_size = sizeof known};
    if (stage->scenario->stays_split || !play->world.servers[play->world.truth].up) {
        return;
    }
    play_end_whims(play);
    play_calm(play, 4000 * MS);
    /* With all replicas out, or dead, a read fails, unless the policy says otherwise. */
    (void)play->calls->info(play->cluster, &known);
    if ((known.replicas == 0 || !has_live_replica(stage)) && !fails_over) {
        return;
    }
    const int found = play->ends[RP_VERDICT_FOUND];
    const int row = world_commit(&play->world, true);
    play_start(play, row, -1);
    play_calm(play, 1000 * MS);
    if (row >= 0 && play->violation[0] == '\0' && play->ends[RP_VERDICT_FOUND] != found + 1) {
        (void)snprintf(play->violation, sizeof play->violation,
                       "C9: when all is calm a committed row is not found");
    }
    struct rp_server_info info = {.struct_size = sizeof info};
    (void)play->calls->server(play->cluster, (uint32_t)stage->scenario->out, &info);
    if (stage->scenario->out != 0 && !play->exchanged && info.role != RP_ROLE_OUT &&
        play->violation[0] == '\0') {
        (void)snprintf(
            play->violation, sizeof play->violation,
            "C6: when all is calm a server that is no replica of the primary is not out");
    }
    const int missing = play->ends[RP_VERDICT_NOT_FOUND];
    play_start(play, -1, -1);
    play_calm(play, 1000 * MS);
    if (play->violation[0] == '\0' && play->ends[RP_VERDICT_NOT_FOUND] != missing + 1) {
        (void)snprintf(play->violation, sizeof play->violation,
                       "C9: when all is calm a row that does not exist is not told from a failure");
    }
}

static void run_play(struct stage *stage, struct explorer *explorer,
                     const struct scenario *scenario, int policy, struct choices *choices,
                     int deviations) {
    const struct opened_section *section = &explorer->sections[policy];
    struct play_setting setting = {
        .servers = scenario->known != 0 ? scenario->known : scenario->standbys + 1,
        .always = strstr(policies[policy].policy, "always") != NULL,
        .blind_to_floors = scenario->blind_to_floors,
        .flags = RP_CLUSTER_KEEPS_ANSWERS | (policies[policy].is_19 ? RP_CLUSTER_CAN_BLOCK : 0),
        .timeout_ns = 5000 * MS};
    memset(stage, 0, sizeof *stage);
    memcpy(setting.expect, scenario->expect, sizeof setting.expect);
    stage->scenario = scenario;
    stage->reads_left = choices->random ? 2 + choose(choices, 6) : 2;
    stage->play.plugin = section->plugin.table;
    stage->play.calls = section->plugin.table->cluster;
    stage->play.policy = section->policy;
    stage->play.choices = choices;
    world_init(&stage->play.world, scenario->standbys);
    stage->play.world.is_19 = policies[policy].is_19;
    stage->old_row = world_commit(&stage->play.world, true);
    for (int i = 1; i <= scenario->standbys; i++) {
        (void)world_replay(&stage->play.world, i);
    }
    if (!play_begin(&stage->play, &setting, section->set)) {
        exit(2);
    }
    play_calm(&stage->play, 2500 * MS);
    if (scenario->set_up != NULL) {
        scenario->set_up(&stage->play);
        play_calm(&stage->play, 2500 * MS);
    }
    stage->play.deviations = deviations;
    for (int i = 0; i < 2000 && stage->play.violation[0] == '\0'; i++) {
        bool over = stage->reads_left == 0 && !may(stage, MAY_EVENT) && play_is_done(&stage->play);
        if (over) {
            break;
        }
        if (!deviate(stage) && !play_step(&stage->play)) {
            go_on(stage);
        }
    }
    see_the_end(stage, policy);
    if (scenario->never_fails && stage->play.ends[RP_VERDICT_FAILED] > 0 &&
        stage->play.violation[0] == '\0') {
        (void)snprintf(stage->play.violation, sizeof stage->play.violation,
                       "C9: a read failed although every server answered");
    }
    play_end(&stage->play);
    explorer->figures.plays++;
    explorer->figures.moments += stage->play.steps;
    for (int i = 0; i <= RP_VERDICT_SHED; i++) {
        explorer->figures.ends[i] += (uint64_t)stage->play.ends[i];
    }
}

static bool tell(const struct stage *stage, int policy, uint64_t seed,
                 const struct choices *choices) {
    if (stage->play.violation[0] == '\0') {
        return true;
    }
    (void)printf("VIOLATED: %s\n  scenario %s (%s), policy %d: ", stage->play.violation,
                 stage->scenario->name, stage->scenario->what, policy);
    if (choices->random) {
        (void)printf("--seed %" PRIu64 " %s\n", seed, stage->scenario->name);
    } else {
        for (int i = 0; i < choices->count; i++) {
            (void)printf("%d", choices->taken[i]);
        }
        (void)printf("\n");
    }
    (void)fflush(stdout); /* many seeds take long */
    return false;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool enumerate(struct explorer *explorer, const struct scenario *scenario, int policy) {
    struct choices choices = {0};
    struct stage stage;
    const bool deeply = (scenario->deeply & 1u << policy) != 0;
    const int deviations = deeply && explorer->deviations < 2 ? 2 : explorer->deviations;
    uint64_t plays = 0;
    do {
        if (plays++ == explorer->most_plays) {
            explorer->figures.cut_off++;
            return true;
        }
        choices_begin(&choices);
        run_play(&stage, explorer, scenario, policy, &choices, deviations);
        if (!tell(&stage, policy, 0, &choices)) {
            return false;
        }
    } while (choices_advance(&choices));
    return true;
}

static bool at_random(struct explorer *explorer, const struct scenario *scenario, uint64_t seed) {
    struct choices choices;
    struct stage stage;
    int policy = (int)(seed % POLICIES);
    choices_at_random(&choices, seed);
    run_play(&stage, explorer, scenario, policy, &choices, 200);
    return tell(&stage, policy, seed, &choices);
}

static bool all_at_random(struct explorer *explorer, uint64_t seeds, double seconds) {
    const clock_t begun = clock();
    for (uint64_t seed = 1;; seed++) {
        double passed = (double)(clock() - begun) / CLOCKS_PER_SEC;
        if (seed > seeds && passed >= seconds) {
            return true;
        }
        for (int i = 0; i < scenario_count; i++) {
            if (!at_random(explorer, &scenarios[i], seed)) {
                return false;
            }
        }
    }
}

static bool is_meant(const struct scenario *scenario, const char *only) {
    return only == NULL || strcmp(scenario->name, only) == 0;
}

/* For rare orders: how many of them there are tells more than the first. */
static bool all_of_seeds(struct explorer *explorer, uint64_t from, uint64_t to, const char *only) {
    bool good = true;
    for (uint64_t seed = from; seed <= to; seed++) {
        for (int i = 0; i < scenario_count; i++) {
            if (is_meant(&scenarios[i], only)) {
                good = at_random(explorer, &scenarios[i], seed) && good;
            }
        }
    }
    return good;
}

static bool all_enumerated(struct explorer *explorer, const char *only) {
    for (int i = 0; i < scenario_count; i++) {
        if (scenarios[i].at_random || !is_meant(&scenarios[i], only)) {
            continue;
        }
        for (int policy = 0; policy < POLICIES; policy++) {
            if (!enumerate(explorer, &scenarios[i], policy)) {
                return false;
            }
        }
    }
    return true;
}

static void print_figures(const struct figures *figures) {
    (void)printf("%" PRIu64 " plays of %d scenarios, %" PRIu64 " moments; reads found %" PRIu64
                 ", not found %" PRIu64 ", failed %" PRIu64 ", shed %" PRIu64
                 "; enumerations cut off: %" PRIu64 "\n",
                 figures->plays, scenario_count, figures->moments, figures->ends[RP_VERDICT_FOUND],
                 figures->ends[RP_VERDICT_NOT_FOUND], figures->ends[RP_VERDICT_FAILED],
                 figures->ends[RP_VERDICT_SHED], figures->cut_off);
}

/* ---- what it is told ------------------------------------------------------------------------- */

static const char usage[] =
    "usage: cluster_explorer [INVARIANT | --full [SECONDS] | --only SCENARIO | --seed N SCENARIO | "
    "--seeds FROM TO [SCENARIO]]";

static const struct scenario *named(const char *name) {
    for (int i = 0; i < scenario_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    errx(2, "%s: no scenario has this name (they are in tests/plugin/cluster/scenarios.c)\n%s",
         name, usage);
}

static uint64_t number(const char *text) {
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0') {
        errx(2, "%s: not a number\n%s", text, usage);
    }
    return value;
}

static bool is_invariant(const char *word) {
    return word[0] == 'C' && word[1] >= '1' && word[1] <= '9';
}

static bool everything(struct explorer *explorer, bool full, double seconds) {
    explorer->deviations = full ? 2 : 1;
    explorer->most_plays = full ? 100000 : UINT64_MAX;
    return all_enumerated(explorer, NULL) && all_at_random(explorer, full ? 20000 : 2000, seconds);
}

static bool explore(struct explorer *explorer, int argc, char **argv) {
    const char *const what = argc > 1 ? argv[1] : "";
    if (argc == 1 || (argc == 2 && is_invariant(what))) {
        return everything(explorer, false, 0);
    }
    if ((argc == 2 || argc == 3) && strcmp(what, "--full") == 0) {
        return everything(explorer, true, argc == 3 ? (double)number(argv[2]) : 0);
    }
    if (argc == 3 && strcmp(what, "--only") == 0) {
        if (named(argv[2])->at_random) {
            errx(2, "%s: has too many orders to be enumerated; expected --seeds", argv[2]);
        }
        return all_enumerated(explorer, argv[2]);
    }
    if (argc == 4 && strcmp(what, "--seed") == 0) {
        return at_random(explorer, named(argv[3]), number(argv[2]));
    }
    if ((argc == 4 || argc == 5) && strcmp(what, "--seeds") == 0) {
        return all_of_seeds(explorer, number(argv[2]), number(argv[3]),
                            argc == 5 ? named(argv[4])->name : NULL);
    }
    errx(2, "%s: not what it can be told\n%s", what, usage);
}

int main(int argc, char **argv) {
    static struct explorer explorer = {.deviations = 1, .most_plays = UINT64_MAX};
    for (int i = 0; i < POLICIES; i++) {
        section_open(&explorer.sections[i], "%s", policies[i].policy);
    }
    const bool good = explore(&explorer, argc, argv);
    print_figures(&explorer.figures);
    for (int i = 0; i < POLICIES; i++) {
        section_close(&explorer.sections[i]);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
