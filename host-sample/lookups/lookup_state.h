/*
 * lookup_state.h - one lookup, as lookup.c and ending.c see it.
 */
#ifndef LOOKUP_STATE_H
#define LOOKUP_STATE_H

#include "held.h"
#include "host-sample/base/byte_buffer.h"
#include "host-sample/http/client_address.h"
#include "host-sample/postgres/statement.h"
#include "host-sample/snapshots/read.h"
#include "lookup_request.h"
#include "lookups.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct http_exchange;

#define LOOKUP_ERROR_BYTES 256u

/* Of an answer that was kept, when it is not needed any more. */
#define LOOKUP_SPARE_BYTES 4096u

struct lookup {
    TAILQ_ENTRY(lookup) entry; /* while spare */
    struct lookups *lookups;
    struct held_lookup held; /* while it has not begun */
    uint64_t tag;            /* its index in lookups->all */
    struct http_exchange *exchange;
    uint64_t read_id;
    uint64_t action_id; /* of the read under way */
    uint64_t started_ns;
    uint64_t asked_ns; /* when the read under way was handed in */
    uint64_t now_ns;   /* time of the event that is handled */
    uint64_t deadline_ns;
    struct pg_server *links; /* that are read */
    uint32_t server;         /* whose they are, in the cluster */
    bool open;
    bool first;   /* nothing has been read yet */
    bool lean;    /* the read under way asks the lean statement */
    bool watched; /* it is noticed if the client leaves */
    bool alien;   /* the last read: its database can hold no id like that */
    struct pg_statement statement;
    const char *values[3];
    int lengths[3];
    struct lookup_request request;
    struct snapshot_question question;
    struct snapshot_head head;            /* of the answer that has come; its text lies there */
    const struct snapshot_result *result; /* of the answer that is handled; else NULL */
    int lacking;                          /* waitpoints, in the last answer */
    struct byte_buffer kept; /* the last answer, written, if the lookup has gone on after it */
    char client[HTTP_CLIENT_BYTES]; /* for the access log */
    char error[LOOKUP_ERROR_BYTES]; /* of the last failure, "" if none */
};

#endif
