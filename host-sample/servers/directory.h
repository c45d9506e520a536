/*
 * directory.h - a thread's servers by name, for pages, metrics and other threads.
 */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include "servers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those that stay, for pages. [any thread] */
struct server_label {
    char name[HOST_NAME_BYTES]; /* of its section */
    int32_t expect;             /* as configured */
    uint32_t index;
};
uint32_t servers_list(struct servers *servers, struct server_label labels[SERVERS_MAX]);

/* Adds the counters of the server of that name; and, with `before`, of those that it has replaced
 * or is replacing. [any thread] */
void servers_add_counters(struct servers *servers, const char *name, bool before,
                          struct pg_server_counters *sum);

/* The server of that name; NULL: none, or one that goes. For other threads with the lock held. */
struct server *servers_find(struct servers *servers, const char *name);

/* Whether the server of that name answers this thread; true if it is none of its servers. [any
 * thread] */
bool servers_are_answered_by(struct servers *servers, const char *name);

/* Why this thread has no link to the server of that name; or, with `any`, fewer than it should
 * have. False if it has. [any thread] */
bool servers_find_error(struct servers *servers, const char *name, bool any, char *text,
                        size_t length);

#endif
