/*
 * pg_rig.h - an event loop with pg_servers on it, the statements that tests submit, and their
 * replies.
 */
#ifndef PG_RIG_H
#define PG_RIG_H

#include "host-sample/base/wake_ups.h"
#include "host-sample/postgres/server.h"
#include "suite.h"
#include "throwaway_server.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RIG_SERVERS_MAX = 4,
    RIG_LOG_LINES = 200,
    RIG_PATIENCE_MS = 20000,
    RIG_STATEMENT_TIMEOUT_MS = 2000
};

/* Ends all links of tests to a server, seen from there. */
extern const char rig_terminate_all[];

/* A statement and what came back. */
struct rig_call {
    struct pg_statement statement; /* first: a callback casts */
    const char *values[1];
    char parameter[32];
    unsigned answers;
    enum pg_reply_status status;
    enum pg_failure failure;
    bool has_before;
    char before[64]; /* the question's answer, its beginning */
    char sqlstate[6];
    char error[300];
    char value[64]; /* of the first column of the first row, its beginning */
    int rows;
    void (*then)(struct rig_call *call); /* within the callback, after all else */
    void *context;
};

/* A loop and the servers on it: one for the process, since tests take no argument. */
struct pg_rig {
    struct event_base *base;
    struct wake_ups wake_ups;
    struct event *tick; /* so that a turn never lasts long */
    const struct pg_prepared *prepared;
    size_t prepared_count;
    struct pg_server *servers[RIG_SERVERS_MAX];
    unsigned server_count;
    unsigned tried;
    char log[RIG_LOG_LINES][400]; /* "level server message" */
    unsigned log_count;
    int descriptors, threads;
    char conninfo[200]; /* of rig_options_to */
};
extern struct pg_rig rig;

uint64_t rig_now_ms(void);

/* A case of the suite; `begin` calls rig_begin before each test. After it everything is freed, and
 * no descriptor and no thread may be left. */
TCase *rig_case(Suite *suite, const char *name, SFun begin);

/* Runs and frees the suite, and gives the program's exit status. All its tests run in one process:
 * a forked one would not be the parent of the servers that it starts. */
int rig_run(Suite *suite);

/* Begins a test, with no server yet. What earlier tests left on these servers (NULL-terminated) is
 * ended. */
void rig_begin(const struct pg_prepared *prepared, size_t prepared_count,
               struct throwaway_server *const *servers);

/* One link, the rig's prepared statements, and its log. */
struct pg_server_options rig_options(const char *conninfo);
/* The same for this server; valid until it is called again. */
struct pg_server_options rig_options_to(const struct throwaway_server *target);
struct pg_server *rig_add(const struct pg_server_options *options);
/* And waits until it can be asked. */
struct pg_server *rig_add_up(const struct pg_server_options *options);
/* This server, to be sent no prepared statements. */
struct pg_server *rig_add_unprepared(const struct throwaway_server *target);

/* One server with that many links, all up. */
struct pg_server *rig_up(const struct throwaway_server *target, uint32_t links);

struct pg_server_counters rig_counters(const struct pg_server *server);

/* Times that `text` is in the log. */
unsigned rig_logged(const char *text);

/* Sends what was submitted. */
void rig_flush(void);

/* A turn of the loop. */
void rig_turn(void);
void rig_run_for(uint64_t ms);

#define RIG_UNTIL(condition)                                                                       \
    for (uint64_t rig_until_began = rig_now_ms(); !(condition); rig_turn()) {                      \
        ck_assert_msg(rig_now_ms() - rig_until_began < RIG_PATIENCE_MS, "gave up waiting for: %s", \
                      #condition);                                                                 \
    }

void rig_submit(struct pg_server *server, struct rig_call *call, int which, const char *parameter);
void rig_submit_kind(struct pg_server *server, struct rig_call *call, enum pg_statement_kind kind,
                     int which, const char *parameter);

/* Submits it and waits for the answer. */
void rig_ask(struct pg_server *server, struct rig_call *call, enum pg_statement_kind kind,
             int which, const char *parameter);

/* So many calls with the same parameter; with their numbers, from 0 on, for parameters. */
void rig_submit_all(struct pg_server *server, struct rig_call *calls, unsigned count, int which,
                    const char *parameter);
void rig_submit_numbers(struct pg_server *server, struct rig_call *calls, unsigned count,
                        enum pg_statement_kind kind, int which);

void rig_assert_rows(const struct rig_call *call, const char *value);
void rig_assert_failed(const struct rig_call *call, const char *sqlstate, const char *error);
void rig_assert_all_rows(const struct rig_call *calls, unsigned count, const char *value);
void rig_assert_all_failed(const struct rig_call *calls, unsigned count, const char *sqlstate,
                           const char *error);
/* Of rig_submit_numbers, where the statement gives its parameter back. */
void rig_assert_numbers(const struct rig_call *calls, unsigned count);
/* The first of them were answered, the others were not, and none is with its server any more. */
void rig_assert_gone(const struct rig_call *calls, unsigned answered, unsigned count);

/* Nine at once of a statement that divides 100 by its parameter, the fifth by zero: its own error.
 */
void rig_divide_nine_times(struct pg_server *server, int division);

/* Callbacks: forget the calls that call->context lists, NULL-terminated; free the rig's first
 * server. */
void rig_forget_listed(struct rig_call *call);
void rig_free_first_server(struct rig_call *call);

#endif
