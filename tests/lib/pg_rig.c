/*
 * pg_rig.c - see pg_rig.h.
 */
#include "pg_rig.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct pg_rig rig;

/* ---- statements ---- */

static void on_done(struct pg_statement *statement, struct pg_reply *reply) {
    struct rig_call *call = (struct rig_call *)statement;
    call->answers++;
    call->status = reply->status;
    call->failure = reply->failure;
    call->has_before = reply->before != NULL;
    snprintf(call->before, sizeof(call->before), "%.60s", call->has_before ? reply->before : "");
    memcpy(call->sqlstate, reply->sqlstate, sizeof(call->sqlstate));
    snprintf(call->error, sizeof(call->error), "%s", reply->error != NULL ? reply->error : "");
    const struct result_rows *rows = &reply->rows;
    call->rows = rows->count;
    if (reply->status == PG_REPLY_ROWS && call->rows > 0) {
        int length = PQgetlength(rows->result, rows->first, rows->column);
        int most = (int)sizeof(call->value) - 1;
        snprintf(call->value, sizeof(call->value), "%.*s", length < most ? length : most,
                 PQgetvalue(rows->result, rows->first, rows->column));
    }
    if (call->then != NULL) {
        call->then(call);
    }
}

void rig_submit_kind(struct pg_server *server, struct rig_call *call, enum pg_statement_kind kind,
                     int which, const char *parameter) {
    call->answers = 0;
    snprintf(call->parameter, sizeof(call->parameter), "%s", parameter);
    call->values[0] = call->parameter;
    call->statement.kind = kind;
    call->statement.prepared = which;
    call->statement.values = call->values;
    call->statement.lengths = NULL;
    call->statement.done = on_done;
    pg_server_submit(server, &call->statement);
}

void rig_submit(struct pg_server *server, struct rig_call *call, int which, const char *parameter) {
    rig_submit_kind(server, call, PG_READ, which, parameter);
}

/* ---- a loop with servers ---- */

static int entries_of(const char *path) {
    int count = 0;
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

uint64_t rig_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_tick(evutil_socket_t fd, short what, void *context) {
    (void)fd;
    (void)what;
    (void)context;
}

static void on_log(void *context, const char *level, const char *server, const char *message) {
    (void)context;
    if (rig.log_count < RIG_LOG_LINES) {
        snprintf(rig.log[rig.log_count++], sizeof(rig.log[0]), "%s %s %s", level, server, message);
    }
}

static void on_tried(void *context, struct pg_server *server) {
    (void)context;
    (void)server;
    rig.tried++;
}

unsigned rig_logged(const char *text) {
    unsigned found = 0;
    for (unsigned i = 0; i < rig.log_count; i++) {
        found += strstr(rig.log[i], text) != NULL;
    }
    return found;
}

const char rig_terminate_all[] =
    "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity"
    " WHERE application_name = 'snapshot-host'";

/* A sleeping server process does not notice that its client has gone. */
static void terminate_what_is_left(struct throwaway_server *server) {
    throwaway_execute(server, rig_terminate_all);
    throwaway_await(server,
                    "SELECT count(*)::text FROM pg_stat_activity"
                    " WHERE application_name = 'snapshot-host'",
                    "0");
}

static void *end_at_once(void *argument) {
    return argument;
}

static void rig_end(void) {
    for (unsigned i = 0; i < rig.server_count; i++) {
        pg_server_free(rig.servers[i]);
    }
    wake_ups_free(&rig.wake_ups);
    event_free(rig.tick);
    event_base_free(rig.base);
    libevent_global_shutdown();
    /* A thread that has been told to end may close its descriptors a moment later. */
    const uint64_t began = rig_now_ms();
    while (entries_of("/proc/self/task") != rig.threads && rig_now_ms() - began < 1000) {
        usleep(1000);
    }
    ck_assert_int_eq(entries_of("/proc/self/task"), rig.threads);
    ck_assert_int_eq(entries_of("/proc/self/fd"), rig.descriptors);
}

TCase *rig_case(Suite *suite, const char *name, SFun begin) {
    return suite_case(suite, name, begin, rig_end, 60);
}

int rig_run(Suite *suite) {
    /* A sanitizer starts its own thread along with the first one, and it would be counted. */
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_at_once, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    return suite_run_in_one_process(suite);
}

void rig_begin(const struct pg_prepared *prepared, size_t prepared_count,
               struct throwaway_server *const *servers) {
    for (size_t i = 0; servers[i] != NULL; i++) {
        terminate_what_is_left(servers[i]);
    }
    memset(&rig, 0, sizeof(rig));
    rig.prepared = prepared;
    rig.prepared_count = prepared_count;
    rig.descriptors = entries_of("/proc/self/fd");
    rig.threads = entries_of("/proc/self/task");
    rig.base = event_base_new();
    ck_assert(wake_ups_init(&rig.wake_ups, rig.base));
    const struct timeval period = {0, 5000};
    rig.tick = event_new(rig.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(rig.tick, &period);
}

void rig_flush(void) {
    bool again = true;
    while (again) {
        again = false;
        for (unsigned i = 0; i < rig.server_count; i++) {
            if (rig.servers[i] != NULL && pg_server_flush(rig.servers[i])) {
                again = true;
            }
        }
    }
}

void rig_turn(void) {
    event_base_loop(rig.base, EVLOOP_ONCE);
    rig_flush();
}

void rig_run_for(uint64_t ms) {
    for (uint64_t began = rig_now_ms(); rig_now_ms() - began < ms;) {
        rig_turn();
    }
}

struct pg_server_options rig_options(const char *conninfo) {
    return (struct pg_server_options){.name = "replica",
                                      .conninfo = conninfo,
                                      .application_name = "snapshot-host",
                                      .links = 1,
                                      .use_prepared = true,
                                      .statement_timeout_ms = RIG_STATEMENT_TIMEOUT_MS,
                                      .connect_timeout_s = 2,
                                      .prepared = rig.prepared,
                                      .prepared_count = rig.prepared_count,
                                      .jitter_seed = 1,
                                      .log = on_log,
                                      .tried = on_tried};
}

struct pg_server_options rig_options_to(const struct throwaway_server *target) {
    throwaway_conninfo(target, rig.conninfo, sizeof(rig.conninfo), "");
    return rig_options(rig.conninfo);
}

struct pg_server *rig_add(const struct pg_server_options *options) {
    char err[256] = "";
    struct pg_server *server = pg_server_new(rig.base, &rig.wake_ups, options, err, sizeof(err));
    ck_assert_msg(server != NULL, "%s", err);
    rig.servers[rig.server_count++] = server;
    return server;
}

struct pg_server *rig_add_up(const struct pg_server_options *options) {
    struct pg_server *server = rig_add(options);
    RIG_UNTIL(pg_server_is_up(server));
    return server;
}

struct pg_server_counters rig_counters(const struct pg_server *server) {
    struct pg_server_counters counters;
    pg_server_read_counters(server, &counters);
    return counters;
}

struct pg_server *rig_up(const struct throwaway_server *target, uint32_t links) {
    struct pg_server_options options = rig_options_to(target);
    options.name = target->name;
    options.links = links;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(rig_counters(server).links_up == links);
    return server;
}

struct pg_server *rig_add_unprepared(const struct throwaway_server *target) {
    struct pg_server_options options = rig_options_to(target);
    options.use_prepared = false;
    return rig_add(&options);
}

void rig_ask(struct pg_server *server, struct rig_call *call, enum pg_statement_kind kind,
             int which, const char *parameter) {
    rig_submit_kind(server, call, kind, which, parameter);
    RIG_UNTIL(call->answers == 1);
}

void rig_submit_all(struct pg_server *server, struct rig_call *calls, unsigned count, int which,
                    const char *parameter) {
    for (unsigned i = 0; i < count; i++) {
        rig_submit(server, &calls[i], which, parameter);
    }
}

void rig_submit_numbers(struct pg_server *server, struct rig_call *calls, unsigned count,
                        enum pg_statement_kind kind, int which) {
    for (unsigned i = 0; i < count; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", i);
        rig_submit_kind(server, &calls[i], kind, which, number);
    }
}

void rig_assert_rows(const struct rig_call *call, const char *value) {
    ck_assert_msg(call->status == PG_REPLY_ROWS, "failed: %s %s", call->sqlstate, call->error);
    ck_assert_uint_eq(call->answers, 1);
    ck_assert_str_eq(call->value, value);
}

void rig_assert_failed(const struct rig_call *call, const char *sqlstate, const char *error) {
    ck_assert_uint_eq(call->answers, 1);
    ck_assert_int_eq(call->status, PG_REPLY_FAILED);
    ck_assert_str_eq(call->sqlstate, sqlstate);
    ck_assert_msg(strstr(call->error, error) != NULL, "'%s' is not in: %s", error, call->error);
    ck_assert_ptr_null(strchr(call->error, '\n'));
}

void rig_assert_all_rows(const struct rig_call *calls, unsigned count, const char *value) {
    for (unsigned i = 0; i < count; i++) {
        rig_assert_rows(&calls[i], value);
    }
}

void rig_assert_all_failed(const struct rig_call *calls, unsigned count, const char *sqlstate,
                           const char *error) {
    for (unsigned i = 0; i < count; i++) {
        rig_assert_failed(&calls[i], sqlstate, error);
    }
}

void rig_assert_numbers(const struct rig_call *calls, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", i);
        rig_assert_rows(&calls[i], number);
    }
}

void rig_assert_gone(const struct rig_call *calls, unsigned answered, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_eq(calls[i].answers, i < answered);
        ck_assert(!pg_statement_is_submitted(&calls[i].statement));
    }
}

void rig_divide_nine_times(struct pg_server *server, int division) {
    static struct rig_call calls[9];
    for (unsigned i = 0; i < 9; i++) {
        rig_submit(server, &calls[i], division, i == 4 ? "0" : "5");
    }
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[8].answers == 1);
    rig_assert_all_rows(calls, 4, "20");
    rig_assert_failed(&calls[4], "22012", "division by zero");
    rig_assert_all_rows(calls + 5, 4, "20");
}

void rig_forget_listed(struct rig_call *call) {
    struct rig_call *const *others = call->context;
    for (; *others != NULL; others++) {
        pg_statement_forget(&(*others)->statement);
    }
}

void rig_free_first_server(struct rig_call *call) {
    (void)call;
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
}
