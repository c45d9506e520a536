/*
 * trial_read.h - one lookup of a row that nobody has, on one server: whether its role may read all
 * that a lookup reads.
 */
#ifndef TRIAL_READ_H
#define TRIAL_READ_H

#include "host-sample/postgres/server.h"

#include <stdbool.h>

/* All zero before. It stays where it is until it is over, or forgotten. */
struct trial_read {
    struct pg_statement statement;
    bool begun;
    bool over;
    char error[200]; /* "": there was none */
};

/* [one thread]: of the links. */
void trial_read_begin(struct trial_read *trial, struct pg_server *links);
void trial_read_forget(struct trial_read *trial);

#endif
