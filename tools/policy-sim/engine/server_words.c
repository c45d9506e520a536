/*
 * server_words.c - see server_words.h.
 */
#include "server_words.h"

#include "tools/policy-sim/model/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* PostgreSQL 15 with the usual sizes, asked by a role that may see everything. */
#define PROBE_ANSWER "rp1 150000 8192 16777216 t t t t f"

#define SYSTEM   "7000000000000000001"
#define TIMELINE 1u

enum question_form server_question_form(const char *sql) {
    if (strstr(sql, "server_version_num") != NULL) {
        return QUESTION_PROBE;
    }
    return strstr(sql, "system_identifier") != NULL ? QUESTION_FULL : QUESTION_SHORT;
}

static const char *primary_words(bool full) {
    return full ? "rp1 %" PRIx64 " c p %s %s %08X " SYSTEM " -" : "rp1 %" PRIx64 " c p %s %s %08X";
}

static void replica_answer(const struct world *world, uint64_t instance, bool full,
                           uint64_t position, const char *lsn, char words[SERVER_WORDS_BYTES]) {
    if (full) {
        const uint64_t age_ns = position <= world->now_ns ? world->now_ns + 1 - position : 0;
        (void)snprintf(words, SERVER_WORDS_BYTES,
                       "rp1 %" PRIx64 " c r %s - %u %u " SYSTEM " %" PRIu64, instance, lsn,
                       TIMELINE, TIMELINE, age_ns / NS_PER_MS);
    } else {
        (void)snprintf(words, SERVER_WORDS_BYTES, "rp1 %" PRIx64 " c r %s - - %u", instance, lsn,
                       TIMELINE);
    }
}

void server_answer(const struct rp_cluster_calls *calls, const struct world *world, uint16_t server,
                   enum question_form form, uint64_t position, char words[SERVER_WORDS_BYTES]) {
    const uint64_t instance = 1u + server;
    char lsn[RP_POSITION_BYTES];
    if (form == QUESTION_PROBE) {
        (void)snprintf(words, SERVER_WORDS_BYTES, "%s", PROBE_ANSWER);
        return;
    }
    calls->position_print(position * WAL_PER_POSITION, lsn);
    if (server == 0) {
        (void)snprintf(words, SERVER_WORDS_BYTES, primary_words(form == QUESTION_FULL), instance,
                       lsn, lsn, TIMELINE);
    } else {
        replica_answer(world, instance, form == QUESTION_FULL, position, lsn, words);
    }
}
