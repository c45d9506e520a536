/*
 * world.h - a model of PostgreSQL servers that knows the truth: WAL, timelines, instances, what
 * each server has replayed, and so which rows it shows.
 *
 * A lineage is one history of WAL: a parent, a fork position, and what was written since. Its
 * number is what servers call their timeline; two lineages may have the same number (two standbys
 * promoted apart; a primary that came back from an older volume). A row is committed on a lineage
 * at a position; a server shows it if that place is part of the history that it has replayed.
 *
 * Positions are small numbers times WORLD_UNIT, so that they pass for WAL positions.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_LINEAGES = 24, MAX_WORLD_SERVERS = 4, MAX_ROWS = 128 };
#define WORLD_UNIT UINT64_C(0x100)

struct lineage {
    int parent; /* -1: the first of its system */
    uint64_t fork;
    uint64_t end; /* written so far */
    uint32_t number;
    uint64_t system;
};

struct world_server {
    bool there; /* it exists in this world */
    bool up;
    bool silent; /* nothing that is sent to it is ever answered, nor refused */
    uint64_t instance;
    int lineage;       /* replayed, or written */
    uint64_t position; /* replayed, or inserted */
    uint64_t flushed;  /* of a primary */
    bool in_recovery;
    int received; /* the lineage that it streams */
    bool streaming;
    uint32_t lower; /* number of the lineage at its last restart point */
    bool sees_receiver;
    bool sees_control;
    bool repeatable_read; /* its transactions */
    int upstream;
};

struct world_row {
    int lineage;
    uint64_t position;
};

struct world {
    struct lineage lineages[MAX_LINEAGES];
    int lineage_count;
    struct world_server servers[MAX_WORLD_SERVERS];
    struct world_row rows[MAX_ROWS];
    int row_count;
    bool is_19; /* servers wait for positions, and tell the timeline that was replayed */
    int truth;  /* the server that acknowledges commits: the primary that counts */
    uint64_t instances;
    uint64_t events; /* each change of the world */
};

/* Server 0 is the primary, those from 1 to standbys stream from it, caught up. */
void world_init(struct world *world, int standbys);

/* A commit on the true primary; the row's number, or -1: no room. Without flush its WAL is only
 * inserted. */
int world_commit(struct world *world, bool flush);

/* WAL without a row. */
void world_write(struct world *world, int server, bool flush);
void world_flush(struct world *world, int server);

/* A standby replays one unit, if there is one. */
bool world_replay(struct world *world, int server);
bool world_caught_up(const struct world *world, int server);

/* A standby is promoted: it writes a lineage of its own from where it is. */
void world_promote(struct world *world, int server);

/* The true primary dies, and a standby becomes it. */
void world_fail_over(struct world *world, int server);

/* A standby is started without its signal file: a primary on the timeline that it was on. */
void world_twin(struct world *world, int server);

/* A standby streams from another server from now on. If what it has replayed is not part of that
 * server's history it does not stream. */
void world_follow(struct world *world, int server, int upstream);

/* What it has received before, of the old lineage, is replayed on, past the fork, while it streams
 * the new one. */
void world_follow_past_fork(struct world *world, int server, int upstream);

/* A restart point: the lower bound of its timeline is up to date. */
void world_restart_point(struct world *world, int server);

void world_restart(struct world *world, int server); /* another instance, the same data */

/* The primary comes back with an older volume, and writes on from there, on a lineage of the same
 * number. */
void world_restore(struct world *world, int server, uint64_t units_back);

/* Whether another server than the one that counts leads, too. */
bool world_is_rivalled(const struct world *world);

/* Whether the server shows the row. */
bool world_shows(const struct world *world, int server, int row);

/* Whether the place is part of the server's history, as far as it has come. */
bool world_has(const struct world *world, int server, int lineage, uint64_t position);

/* What the server answers to the probe, or to a question. full: with the bounds and the system. */
void world_answer_probe(const struct world *world, int server, char *text, size_t size);
void world_answer_question(const struct world *world, int server, bool full, char *text,
                           size_t size);

/* What it answers to a wait that is over, and whether it is: before that it answers nothing. */
const char *world_answer_wait(const struct world *world, int server, uint64_t position);
bool world_keeps_waiting(const struct world *world, int server, uint64_t position);

/* The position column of a read's answer. */
void world_answer_after(const struct world *world, int server, char *text, size_t size);

#endif
