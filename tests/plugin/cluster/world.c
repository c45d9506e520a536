/*
 * world.c - see world.h.
 */
#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIRST_POSITION (16 * WORLD_UNIT)
#define FIRST_SYSTEM   UINT64_C(7001)

static int new_lineage(struct world *world, int parent, uint64_t fork, uint32_t number) {
    if (world->lineage_count == MAX_LINEAGES) {
        return parent;
    }
    int made = world->lineage_count++;
    world->lineages[made] =
        (struct lineage){.parent = parent,
                         .fork = fork,
                         .end = fork,
                         .number = number,
                         .system = parent >= 0 ? world->lineages[parent].system : FIRST_SYSTEM};
    return made;
}

static void start(struct world *world, int server) {
    world->servers[server].up = true;
    world->servers[server].instance = ++world->instances;
}

void world_init(struct world *world, int standbys) {
    memset(world, 0, sizeof *world);
    int first = new_lineage(world, -1, 0, 1);
    world->lineages[first].end = FIRST_POSITION;
    for (int i = 0; i <= standbys; i++) {
        world->servers[i] = (struct world_server){.there = true,
                                                  .lineage = first,
                                                  .position = FIRST_POSITION,
                                                  .flushed = FIRST_POSITION,
                                                  .in_recovery = i > 0,
                                                  .received = first,
                                                  .streaming = i > 0,
                                                  .lower = 1,
                                                  .sees_receiver = true,
                                                  .sees_control = true};
        start(world, i);
    }
}

/* Whether `position` on `lineage` is part of the history of `of` up to `end`. */
static bool is_part(const struct world *world, int lineage, uint64_t position, int of,
                    uint64_t end) {
    while (of >= 0) {
        if (of == lineage) {
            return position <= end;
        }
        if (world->lineages[of].fork < end) {
            end = world->lineages[of].fork;
        }
        of = world->lineages[of].parent;
    }
    return false;
}

bool world_has(const struct world *world, int server, int lineage, uint64_t position) {
    const struct world_server *of = &world->servers[server];
    return is_part(world, lineage, position, of->lineage, of->position);
}

bool world_shows(const struct world *world, int server, int row) {
    return world_has(world, server, world->rows[row].lineage, world->rows[row].position);
}

bool world_is_rivalled(const struct world *world) {
    for (int i = 0; i < MAX_WORLD_SERVERS; i++) {
        const struct world_server *server = &world->servers[i];
        if (i != world->truth && server->there && server->up && !server->in_recovery) {
            return true;
        }
    }
    return false;
}

void world_flush(struct world *world, int server) {
    world->servers[server].flushed = world->servers[server].position;
}

void world_write(struct world *world, int server, bool flush) {
    struct world_server *primary = &world->servers[server];
    if (!primary->up || primary->in_recovery) {
        return;
    }
    world->events++;
    primary->position += WORLD_UNIT;
    world->lineages[primary->lineage].end = primary->position;
    if (flush) {
        world_flush(world, server);
    }
}

int world_commit(struct world *world, bool flush) {
    const struct world_server *primary = &world->servers[world->truth];
    if (world->row_count == MAX_ROWS || !primary->up || primary->in_recovery) {
        return -1;
    }
    world_write(world, world->truth, flush);
    world->rows[world->row_count] = (struct world_row){primary->lineage, primary->position};
    return world->row_count++;
}

/* How far the standby may replay the lineage that it is on: what was written there, or up to the
 * fork from which it then goes on with the one that it streams. */
static bool goes_on_at_fork(const struct world *world, const struct world_server *standby) {
    if (standby->received == standby->lineage) {
        return false;
    }
    const struct lineage *received = &world->lineages[standby->received];
    return received->parent == standby->lineage && standby->position == received->fork;
}

static uint64_t replayable(const struct world *world, const struct world_server *standby) {
    if (goes_on_at_fork(world, standby)) {
        return world->lineages[standby->received].end;
    }
    /* Only WAL that is flushed upstream is sent; what was received before is there anyway. */
    uint64_t end = world->lineages[standby->lineage].end;
    const struct world_server *upstream = &world->servers[standby->upstream];
    if (upstream->lineage == standby->lineage && !upstream->in_recovery &&
        upstream->flushed < end) {
        end = upstream->flushed;
    }
    return end;
}

bool world_caught_up(const struct world *world, int server) {
    const struct world_server *standby = &world->servers[server];
    return !standby->up || !standby->in_recovery || replayable(world, standby) <= standby->position;
}

bool world_replay(struct world *world, int server) {
    struct world_server *standby = &world->servers[server];
    if (world_caught_up(world, server)) {
        return false;
    }
    world->events++;
    if (goes_on_at_fork(world, standby)) {
        standby->lineage = standby->received;
    }
    standby->position += WORLD_UNIT;
    return true;
}

void world_promote(struct world *world, int server) {
    struct world_server *standby = &world->servers[server];
    if (!standby->up || !standby->in_recovery) {
        return;
    }
    world->events++;
    standby->lineage = new_lineage(world, standby->lineage, standby->position,
                                   world->lineages[standby->lineage].number + 1);
    standby->in_recovery = false;
    standby->streaming = false;
    standby->flushed = standby->position;
}

void world_fail_over(struct world *world, int server) {
    world->servers[world->truth].up = false;
    world_promote(world, server);
    world->truth = server;
}

void world_twin(struct world *world, int server) {
    struct world_server *twin = &world->servers[server];
    world->events++;
    twin->lineage =
        new_lineage(world, twin->lineage, twin->position, world->lineages[twin->lineage].number);
    twin->in_recovery = false;
    twin->streaming = false;
    twin->flushed = twin->position;
    start(world, server);
}

void world_follow(struct world *world, int server, int upstream) {
    struct world_server *standby = &world->servers[server];
    const struct world_server *source = &world->servers[upstream];
    if (!standby->up || !standby->in_recovery) {
        return;
    }
    world->events++;
    standby->upstream = upstream;
    bool child =
        is_part(world, standby->lineage, standby->position, source->lineage,
                source->position > standby->position ? source->position : standby->position);
    standby->streaming = source->up && child;
    if (child) {
        standby->received = source->lineage;
    }
}

void world_follow_past_fork(struct world *world, int server, int upstream) {
    struct world_server *standby = &world->servers[server];
    if (!standby->up || !standby->in_recovery) {
        return;
    }
    world->events++;
    standby->upstream = upstream;
    standby->streaming = true;
    standby->received = world->servers[upstream].lineage;
}

void world_restart_point(struct world *world, int server) {
    struct world_server *standby = &world->servers[server];
    world->events++;
    standby->lower = world->lineages[standby->lineage].number;
}

void world_restart(struct world *world, int server) {
    world->events++;
    start(world, server);
    if (!world->servers[server].in_recovery) {
        world_flush(world, server);
    }
}

void world_restore(struct world *world, int server, uint64_t units_back) {
    struct world_server *primary = &world->servers[server];
    world->events++;
    uint64_t back = units_back * WORLD_UNIT;
    primary->position -=
        back < primary->position - FIRST_POSITION ? back : primary->position - FIRST_POSITION;
    primary->lineage = new_lineage(world, primary->lineage, primary->position,
                                   world->lineages[primary->lineage].number);
    primary->flushed = primary->position;
    start(world, server);
    /* Whoever has more than it now has cannot stream from it. */
    for (int i = 0; i < MAX_WORLD_SERVERS; i++) {
        if (world->servers[i].in_recovery && world->servers[i].upstream == server) {
            world->servers[i].streaming = false;
        }
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void print_position(uint64_t position, char *text, size_t size) {
    (void)snprintf(text, size, "%" PRIX64 "/%" PRIX64, position >> 32, position & UINT32_MAX);
}

void world_answer_probe(const struct world *world, int server, char *text, size_t size) {
    const struct world_server *of = &world->servers[server];
    (void)snprintf(text, size, "rp1 %d 8192 16777216 t t %c %c %c", world->is_19 ? 190000 : 150000,
                   of->sees_control ? 't' : 'f', of->sees_receiver ? 't' : 'f',
                   world->is_19 ? 't' : 'f');
}

static void print_number(uint32_t number, bool known, char *text, size_t size) {
    if (known && number != 0) {
        (void)snprintf(text, size, "%" PRIu32, number);
    } else {
        (void)snprintf(text, size, "-");
    }
}

/* What has been replayed; and while it streams, what is streamed if that is newer. */
static void print_bounds_of_19(const struct world *world, const struct world_server *of, char *text,
                               size_t size) {
    const uint32_t replayed = world->lineages[of->lineage].number;
    const uint32_t streamed = of->streaming ? world->lineages[of->received].number : 0;
    char upper[12];
    print_number(streamed > replayed ? streamed : replayed, of->streaming, upper, sizeof upper);
    (void)snprintf(text, size, "%" PRIu32 " %s", replayed, upper);
}

void world_answer_question(const struct world *world, int server, bool full, char *text,
                           size_t size) {
    const struct world_server *of = &world->servers[server];
    const struct lineage *lineage = &world->lineages[of->lineage];
    char position[32];
    char flushed[32] = "-";
    char bounds[32];
    char more[48] = "";
    print_position(of->position, position, sizeof position);
    if (of->in_recovery && world->is_19 && of->sees_receiver) {
        print_bounds_of_19(world, of, bounds, sizeof bounds);
    } else if (of->in_recovery) {
        char lower[12];
        char upper[12];
        print_number(of->lower, full && of->sees_control, lower, sizeof lower);
        print_number(world->lineages[of->received].number, of->streaming && of->sees_receiver,
                     upper, sizeof upper);
        (void)snprintf(bounds, sizeof bounds, "%s %s", lower, upper);
    } else {
        print_position(of->flushed, flushed, sizeof flushed);
        (void)snprintf(bounds, sizeof bounds, "%08" PRIX32, lineage->number);
    }
    if (full) {
        (void)snprintf(more, sizeof more, " %" PRIu64 " -", lineage->system);
    }
    (void)snprintf(text, size, "rp1 %016" PRIx64 " %c %c %s %s %s%s", of->instance,
                   of->repeatable_read ? 'x' : 'c', of->in_recovery ? 'r' : 'p', position, flushed,
                   bounds, more);
}

bool world_keeps_waiting(const struct world *world, int server, uint64_t position) {
    const struct world_server *of = &world->servers[server];
    return of->in_recovery && of->position < position;
}

const char *world_answer_wait(const struct world *world, int server, uint64_t position) {
    if (!world->servers[server].in_recovery) {
        return "not in recovery";
    }
    return world_keeps_waiting(world, server, position) ? "timeout" : "success";
}

void world_answer_after(const struct world *world, int server, char *text, size_t size) {
    print_position(world->servers[server].position, text, size);
}
