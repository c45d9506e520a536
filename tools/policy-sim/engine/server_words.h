/*
 * server_words.h - what a PostgreSQL of the simulated world prints when a cluster asks it.
 *
 * In the world a position is a time, see lag_model.h. What a server prints is WAL_PER_POSITION
 * times that, which is never the position behind a page's header, where a cluster would take it
 * for an idle primary's.
 */
#ifndef SERVER_WORDS_H
#define SERVER_WORDS_H

#include "plugin/read_policy.h"
#include "world.h"

#define WAL_PER_POSITION 32u

#define SERVER_WORDS_BYTES 160u

enum question_form {
    QUESTION_PROBE, /* what it can be asked */
    QUESTION_SHORT, /* where it is */
    QUESTION_FULL   /* and of which system */
};

/* What the text asks for. */
enum question_form server_question_form(const char *sql);

/* Its answer, at that position of the world. */
void server_answer(const struct rp_cluster_calls *calls, const struct world *world, uint16_t server,
                   enum question_form form, uint64_t position, char words[SERVER_WORDS_BYTES]);

#endif
