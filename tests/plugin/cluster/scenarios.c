/*
 * scenarios.c - see scenarios.h.
 */
#include "scenarios.h"

enum { A, B, C, D };

#define EVERY_POLICY (~0u)

/* Long enough for everybody to be asked. */
static void time_passes(struct play *play) {
    play_calm(play, UINT64_C(2500000000));
}

/* Until its next question is out: what comes next may come before it or after it. */
static void b_is_being_asked(struct play *play) {
    while (play->action_count == 0 || play->actions[0].index != B) {
        if (play->action_count > 0) {
            play_calm(play, 1); /* one moment of the oldest */
        } else {
            play_wait(play, UINT64_C(1000000000));
        }
    }
}

static void nothing_yet(struct play *play) {
    (void)play;
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void fail_over_to_b(struct play *play) {
    world_fail_over(&play->world, B);
}

/* Its machine is dead, and nobody says so: a host's new connections take longer to fail than its
 * questions. */
static void a_falls_silent_and_b_takes_over(struct play *play) {
    world_fail_over(&play->world, B);
    play->world.servers[A].up = true;
    play->world.servers[A].silent = true;
}

/* More than a minute. */
static void much_time_passes(struct play *play) {
    for (int i = 0; i < 26; i++) {
        time_passes(play);
    }
}

static void c_follows_b(struct play *play) {
    world_follow(&play->world, C, B);
}

static void c_follows_b_past_fork(struct play *play) {
    world_follow_past_fork(&play->world, C, B);
}

static void c_restart_point(struct play *play) {
    world_restart_point(&play->world, C);
}

static void b_is_promoted(struct play *play) {
    world_promote(&play->world, B);
}

/* A lives on, and nobody may count on it: B is the primary from now on. */
static void b_takes_over_unfenced(struct play *play) {
    world_promote(&play->world, B);
    play->world.truth = B;
    play_forget_truth(play);
}

static void c_takes_over_unfenced(struct play *play) {
    world_promote(&play->world, C);
    play->world.truth = C;
    play_forget_truth(play);
}

static void c_takes_over_while_the_host_sleeps(struct play *play) {
    world_promote(&play->world, C);
    play->world.truth = C;
    play_sleep(play, UINT64_C(20000000000));
}

static void b_follows_c(struct play *play) {
    world_follow(&play->world, B, C);
}

static void c_is_promoted_too(struct play *play) {
    world_promote(&play->world, C);
}

static void b_writes_on(struct play *play) {
    for (int i = 0; i < 4; i++) {
        world_write(&play->world, B, true);
    }
}

static void a_writes_on(struct play *play) {
    for (int i = 0; i < 4; i++) {
        world_write(&play->world, A, true);
    }
}

static void a_is_restored(struct play *play) {
    while (world_replay(&play->world, B)) {
    }
    world_restore(&play->world, A, 20);
}

/* Nobody counts on what was committed before; and A comes to where B is, and beyond. */
static void a_was_restored(struct play *play) {
    for (int i = 0; i < 4; i++) {
        a_writes_on(play);
    }
    a_is_restored(play);
    play_forget_truth(play);
}

static void a_passes_b(struct play *play) {
    while (play->world.servers[A].position <= play->world.servers[B].position) {
        a_writes_on(play);
    }
}

static void a_restarts(struct play *play) {
    world_restart(&play->world, A);
}

static void b_restarts(struct play *play) {
    world_restart(&play->world, B);
}

static void b_dies(struct play *play) {
    play->world.servers[B].up = false;
}

static void b_stops_streaming(struct play *play) {
    play->world.servers[B].streaming = false;
}

static void a_is_dead(struct play *play) {
    play->world.servers[A].up = false;
}

/* Two standbys are promoted, and both claim the same new timeline; D follows the wrong one. */
static void b_and_c_are_promoted(struct play *play) {
    world_fail_over(&play->world, B);
    world_promote(&play->world, C);
    world_follow(&play->world, D, C);
    play_forget_truth(play);
}

static void d_restart_point(struct play *play) {
    world_restart_point(&play->world, D);
}

static void c_writes_further(struct play *play) {
    for (int i = 0; i < 16; i++) {
        world_write(&play->world, C, true);
    }
    while (world_replay(&play->world, D)) {
    }
}

static void c_writes_on(struct play *play) {
    for (int i = 0; i < 4; i++) {
        world_write(&play->world, C, true);
    }
}

/* B is started without standby.signal: out of recovery, on the same timeline. */
static void b_is_restarted_as_a_primary(struct play *play) {
    world_twin(&play->world, B);
}

/* A host whose file says that A is reached in another way: it is there twice, until the new
 * connections have been heard. */
static void a_is_there_twice(struct play *play) {
    play_set_server(play, D, RP_SERVER_ON);
    play->calls->forget_history(play->cluster, play->now_ns);
    time_passes(play);
    play_set_server(play, A, RP_SERVER_DRAIN);
}

/* Two standbys are promoted, and a balancer takes both for the primary. */
static void a_leads_to_both_heirs(struct play *play) {
    world_fail_over(&play->world, B);
    world_promote(&play->world, C);
    play->behind[A][0] = B;
    play->behind[A][1] = C;
    play_forget_truth(play);
}

/* C is restarted as a primary, and a balancer that sees one there leads to it too, from now on. */
static void a_leads_to_a_twin_too(struct play *play) {
    world_twin(&play->world, C);
    play->behind[A][1] = C;
}

static void host_is_reloaded(struct play *play) {
    play->calls->forget_history(play->cluster, play->now_ns);
    play_answer_questions(play);
}

static void former_a_is_gone(struct play *play) {
    play_set_server(play, A, RP_SERVER_OFF);
    host_is_reloaded(play);
}

/* ---- anything -------------------------------------------------------------------------------- */

static void another_counts(struct play *play, int server, bool fenced) {
    struct world *world = &play->world;
    const struct world_server *heir = &world->servers[server];
    if (!heir->up || !heir->in_recovery || heir->lineage != world->servers[world->truth].lineage) {
        return;
    }
    world->servers[world->truth].up &= !fenced;
    world_promote(world, server);
    world->truth = server;
    if (world_is_rivalled(world)) {
        play_forget_truth(play);
    }
}

/* Whoever leads beside the one that counts is believed when that one cannot be reached. */
static void comes_or_goes(struct play *play, int server, bool comes) {
    play->world.servers[server].up = false;
    if (comes) {
        world_restart(&play->world, server);
    }
    if (world_is_rivalled(&play->world)) {
        play_forget_truth(play);
    }
}

static void follows(struct play *play, int server, int upstream) {
    if (server != upstream) {
        world_follow(&play->world, server, upstream);
    }
}

static void is_promoted_too(struct play *play, int server) {
    if (server != play->world.truth) {
        world_promote(&play->world, server);
    }
    if (!play_reaches_truth(play)) {
        play_forget_truth(play);
    }
}

static void leads_to(struct play *play, int index, int turn, int server) {
    play->behind[index][turn] = server;
    if (world_is_rivalled(&play->world)) {
        play_forget_truth(play);
    }
}

/* An operator who does not know what to do, and a day on which all goes wrong. */
static void anything_happens(struct play *play) {
    struct world *world = &play->world;
    const int server = choose(play->choices, play->servers);
    switch (choose(play->choices, 12)) {
    case 0:
        another_counts(play, server, true);
        break;
    case 1:
        another_counts(play, server, false);
        break;
    case 2:
        is_promoted_too(play, server);
        break;
    case 3:
        follows(play, server, world->truth);
        break;
    case 4:
        follows(play, server, choose(play->choices, play->servers));
        break;
    case 5:
        world_restart_point(world, server);
        break;
    case 6:
        comes_or_goes(play, server, true);
        break;
    case 7:
        comes_or_goes(play, server, false);
        break;
    case 8:
        world->servers[server].streaming = false;
        break;
    case 9:
        leads_to(play, server, 0, choose(play->choices, play->servers));
        break;
    case 10:
        leads_to(play, server, 1, choose(play->choices, play->servers));
        break;
    default:
        for (int i = 0; i < 4; i++) {
            world_write(world, server, true);
        }
        break;
    }
}

/* ---- how it begins --------------------------------------------------------------------------- */

static void roles_see_nothing(struct play *play) {
    for (int i = 0; i < MAX_WORLD_SERVERS; i++) {
        play->world.servers[i].sees_receiver = false;
        play->world.servers[i].sees_control = false;
    }
}

/* B is a standby of another system, which is ahead. */
static void b_is_foreign(struct play *play) {
    struct world *world = &play->world;
    int foreign = world->lineage_count++;
    world->lineages[foreign] = (struct lineage){.parent = -1,
                                                .end = 100 * WORLD_UNIT,
                                                .number = 1,
                                                .system = world->lineages[0].system + 1};
    world->servers[B].lineage = foreign;
    world->servers[B].received = foreign;
    world->servers[B].position = 100 * WORLD_UNIT;
}

static void b_is_foreign_and_hides_it(struct play *play) {
    b_is_foreign(play);
    world_restart(&play->world, B);
}

static void b_pool_repeats_reads(struct play *play) {
    play->world.servers[B].repeatable_read = true;
}

static void b_leads_to_both(struct play *play) {
    play->behind[B][1] = C;
}

static void b_pools_both(struct play *play) {
    b_leads_to_both(play);
    play->world.servers[B].repeatable_read = true;
    play->world.servers[C].repeatable_read = true;
}

static void a_leads_to_c_too(struct play *play) {
    play->behind[A][1] = C;
}

static void a_leads_to_b(struct play *play) {
    play->behind[A][0] = B;
}

static void a_leads_to_a_again(struct play *play) {
    play->behind[A][0] = A;
}

static void host_does_not_guard(struct play *play) {
    play->unguarded = true;
}

/* C leads another system, whose timeline is above that of A's. */
static void c_leads_another_system(struct play *play) {
    struct world *world = &play->world;
    const int other = world->lineage_count++;
    world->lineages[other] = (struct lineage){.parent = -1,
                                              .end = 100 * WORLD_UNIT,
                                              .number = 3,
                                              .system = world->lineages[0].system + 1};
    world->servers[C] = (struct world_server){.there = true,
                                              .up = true,
                                              .lineage = other,
                                              .position = 100 * WORLD_UNIT,
                                              .flushed = 100 * WORLD_UNIT,
                                              .received = other,
                                              .lower = 3,
                                              .sees_receiver = true,
                                              .sees_control = true};
    world_restart(world, C);
}

static void c_takes_over_as_a(struct play *play) {
    play->behind[A][0] = C;
    play->behind[A][1] = -1;
    play->world.truth = C;
    play_forget_truth(play);
}

/* Behind a pooler a standby is exchanged for another server. */
static void b_is_exchanged_for_c(struct play *play) {
    play->behind[B][0] = C;
}

/* The one with the most plays last, so that what breaks in another is seen soon. */
const struct scenario scenarios[] = {
    {.name = "calm", .what = "nothing happens", .standbys = 1, .events = {nothing_yet}},
    {.name = "reload",
     .what = "the primary is reached in another way from now on",
     .standbys = 1,
     .set_up = a_is_there_twice,
     .events = {former_a_is_gone},
     .deeply = EVERY_POLICY,
     .never_fails = true},
    {.name = "async",
     .what = "commits are acknowledged before their WAL is flushed",
     .standbys = 1,
     .events = {a_writes_on},
     .asynchronous = true},
    {.name = "failover",
     .what = "the primary dies, B takes over, C follows it",
     .standbys = 2,
     .events = {fail_over_to_b, c_follows_b, b_writes_on, c_restart_point}},
    {.name = "failover_silent",
     .what = "the same, where the dead primary's address does not refuse",
     .standbys = 2,
     .events = {a_falls_silent_and_b_takes_over, c_follows_b, b_writes_on, c_restart_point,
                much_time_passes}},
    {.name = "cascade",
     .what = "B is promoted by mistake, and C follows it; A is still the primary",
     .standbys = 2,
     .expect = {RP_EXPECT_PRIMARY, RP_EXPECT_ANY, RP_EXPECT_REPLICA},
     .events = {b_is_promoted, c_follows_b, b_writes_on, c_restart_point},
     .stays_split = true},
    {.name = "cascade_role",
     .what = "the same, where the role may not see timelines",
     .standbys = 2,
     .expect = {RP_EXPECT_PRIMARY, RP_EXPECT_ANY, RP_EXPECT_REPLICA},
     .set_up = roles_see_nothing,
     .events = {b_is_promoted, c_follows_b, b_writes_on, c_restart_point},
     .stays_split = true,
     .blind_to_floors = true,
     .proves_nothing = true},
    {.name = "deposed",
     .what = "B takes over, and A lives on unfenced",
     .standbys = 2,
     .events = {b_takes_over_unfenced, a_writes_on, b_writes_on},
     .stays_split = true},
    {.name = "asleep",
     .what = "C takes over while the host is suspended, and A and B live on unfenced",
     .standbys = 2,
     .events = {c_takes_over_while_the_host_sleeps, c_writes_on},
     .stays_split = true},
    {.name = "heir_unknown",
     .what = "an heir that nobody has named takes over, and the replica follows it",
     .standbys = 2,
     .known = 2,
     .events = {c_takes_over_unfenced, b_follows_c, c_writes_on},
     .stays_split = true},
    {.name = "heir_restarts",
     .what = "the same, and for a while the replica has nobody to stream from",
     .standbys = 2,
     .known = 2,
     .events = {c_takes_over_unfenced, b_follows_c, c_writes_on, b_stops_streaming},
     .deeply = 1u << 0,
     .stays_split = true},
    {.name = "promoted_replica",
     .what = "the one replica takes over, and the primary lives on unfenced",
     .standbys = 1,
     .expect = {RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA},
     .events = {b_is_being_asked, b_takes_over_unfenced, b_writes_on},
     .deeply = 1u << 0,
     .stays_split = true},
    {.name = "two_promoted",
     .what = "two standbys are promoted, and both say timeline 2",
     .standbys = 3,
     .events = {b_and_c_are_promoted, c_writes_on, time_passes, d_restart_point, b_writes_on,
                b_writes_on, time_passes, c_writes_further},
     .stays_split = true},
    {.name = "twin",
     .what = "a standby is restarted as a primary, on the same timeline; the host does not guard",
     .standbys = 2,
     .set_up = host_does_not_guard,
     .events = {b_is_restarted_as_a_primary, b_writes_on},
     .stays_split = true},
    {.name = "address_back",
     .what = "the primary's address leads to the new one, and then to the deposed one again",
     .standbys = 2,
     .known = 1,
     .events = {b_takes_over_unfenced, a_leads_to_b, time_passes, a_leads_to_a_again},
     .stays_split = true},
    {.name = "address_two_primaries",
     .what = "the primary's address leads to two servers in turn that were both promoted",
     .standbys = 2,
     .known = 1,
     .events = {a_leads_to_both_heirs, time_passes, b_writes_on, c_writes_on},
     .stays_split = true},
    {.name = "address_second_primary",
     .what = "the primary's address leads to a second one too, which nobody has heard before",
     .standbys = 2,
     .known = 1,
     .events = {a_leads_to_a_twin_too},
     .stays_split = true},
    {.name = "address_two_systems",
     .what = "the primary's address leads to the primary of another system too",
     .standbys = 2,
     .known = 2,
     .expect = {RP_EXPECT_PRIMARY},
     .set_up = c_leads_another_system,
     .events = {a_leads_to_c_too, a_writes_on, c_writes_on},
     .stays_split = true},
    {.name = "address_new_system",
     .what = "the primary's address leads to the primary of another system from now on",
     .standbys = 2,
     .known = 2,
     .expect = {RP_EXPECT_PRIMARY},
     .set_up = c_leads_another_system,
     .events = {c_takes_over_as_a, c_writes_on},
     .out = B},
    {.name = "address_new_system_alone",
     .what = "the same, with no replica, where nobody says that it is the primary",
     .standbys = 2,
     .known = 1,
     .set_up = c_leads_another_system,
     .events = {c_takes_over_as_a, c_writes_on}},
    {.name = "replica_lost",
     .what = "the replica is promoted by mistake, and dies; then the host is reloaded",
     .standbys = 1,
     .expect = {RP_EXPECT_PRIMARY, RP_EXPECT_REPLICA},
     .events = {b_is_promoted, b_dies, time_passes, host_is_reloaded},
     .deeply = 1u << 0},
    {.name = "heir_lost",
     .what = "the primary dies, B takes over, dies and comes back",
     .standbys = 2,
     .events = {fail_over_to_b, b_dies, c_follows_b, b_restarts, c_follows_b, b_writes_on,
                c_restart_point}},
    {.name = "address_standby",
     .what = "the primary's address leads to a standby every other time",
     .standbys = 2,
     .known = 1,
     .events = {a_leads_to_c_too, a_writes_on},
     .stays_split = true},
    {.name = "restore",
     .what = "the primary comes back from an older volume; the standby is ahead",
     .standbys = 1,
     .events = {a_writes_on, a_writes_on, a_writes_on, a_writes_on, a_is_restored},
     .out = B,
     .blind_to_floors = true,
     .proves_nothing = true},
    {.name = "restore_passed",
     .what = "such a primary has passed its standby, and restarts",
     .standbys = 1,
     .set_up = a_was_restored,
     .events = {a_passes_b, a_restarts},
     .out = B,
     .proves_nothing = true},
    {.name = "foreign",
     .what = "the replica is of another system, and ahead",
     .standbys = 1,
     .set_up = b_is_foreign_and_hides_it,
     .events = {nothing_yet},
     .out = B,
     .proves_nothing = true},
    {.name = "foreign_hidden",
     .what = "the same, where the role may not see systems",
     .standbys = 1,
     .set_up = b_is_foreign,
     .events = {roles_see_nothing, b_restarts, a_writes_on},
     .out = B,
     .proves_nothing = true},
    {.name = "isolation",
     .what = "a pooler forgets the isolation level",
     .standbys = 1,
     .set_up = b_pool_repeats_reads,
     .events = {nothing_yet},
     .proves_nothing = true},
    {.name = "balancer",
     .what = "one address leads to two standbys in turn",
     .standbys = 2,
     .set_up = b_leads_to_both,
     .events = {b_restarts},
     .proves_nothing = true},
    {.name = "balancer_isolation",
     .what = "the same, where transactions repeat their reads",
     .standbys = 2,
     .known = 2,
     .set_up = b_pools_both,
     .events = {nothing_yet},
     .proves_nothing = true},
    {.name = "pooler",
     .what = "the replica's address leads to another standby from now on, which was promoted",
     .standbys = 2,
     .known = 2,
     .events = {c_is_promoted_too, b_is_exchanged_for_c, a_writes_on},
     .stays_split = true},
    {.name = "archive_only",
     .what = "a standby stops streaming, and its bounds agree, both stale",
     .standbys = 2,
     .events = {b_stops_streaming, fail_over_to_b, c_follows_b, b_writes_on},
     .proves_nothing = true},
    {.name = "restarts",
     .what = "servers restart and die",
     .standbys = 2,
     .events = {b_restarts, a_restarts, b_dies},
     .proves_nothing = true},
    {.name = "primary_dies",
     .what = "the primary dies, and nobody takes over",
     .standbys = 2,
     .events = {a_is_dead},
     .stays_split = true},
    {.name = "anything",
     .what = "servers are promoted, restarted, lost and led elsewhere, in any order",
     .standbys = 3,
     .events = {anything_happens, anything_happens, anything_happens, anything_happens,
                anything_happens, anything_happens, anything_happens, anything_happens},
     .at_random = true,
     .stays_split = true},
    {.name = "past_fork",
     .what = "C has received WAL beyond the fork of a failover, and replays it while it streams",
     .standbys = 2,
     .events = {a_writes_on, fail_over_to_b, c_follows_b_past_fork, b_writes_on, c_restart_point},
     .deeply = 1u << 0,
     .blind_to_floors = true,
     .proves_nothing = true},
};
const int scenario_count = (int)(sizeof scenarios / sizeof scenarios[0]);
