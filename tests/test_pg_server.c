/*
 * test_pg_server.c - links, statements and failures of host-sample/pg_server.h, on real servers.
 *
 * A primary with a standby, and a stranger: a server of another cluster, which some tests stop.
 */
#include "../host-sample/pg_server.h"
#include "throwaway_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 22010, PATIENCE_MS = 20000, STATEMENT_TIMEOUT_MS = 2000 };

static struct throwaway_server primary, standby, stranger;

/* ---- statements ---- */

enum {
    NUMBER,    /* $1 as a number, as text */
    DIVISION,  /* 100 / $1 */
    SLEEP,     /* $1 seconds */
    COUNT,     /* rows of table t */
    WHO,       /* the server process */
    SETTING,   /* the setting named $1 */
    LENGTH,    /* of $1 */
    ECHO,      /* $1 */
    SLOW_ROWS, /* $1 rows of 100 kB, 10 ms apart */
    NOISY,     /* raises a warning */
    RESUMED,   /* lets replay go on, waits for it to move, and gives the position it came to */
    STATEMENTS
};

static const struct pg_prepared prepared[STATEMENTS] = {
    [NUMBER] = {"number", "SELECT ($1::int4)::text", 1},
    [DIVISION] = {"division", "SELECT (100 / $1::int4)::text", 1},
    [SLEEP] = {"sleep", "SELECT pg_sleep($1::float8)::text", 1},
    [COUNT] = {"count", "SELECT count(*)::text FROM t", 0},
    [WHO] = {"who", "SELECT pg_backend_pid()::text", 0},
    [SETTING] = {"setting", "SELECT current_setting($1)", 1},
    [LENGTH] = {"length", "SELECT length($1)::text", 1},
    [ECHO] = {"echo", "SELECT $1::text", 1},
    [SLOW_ROWS] = {"slow_rows",
                   "SELECT repeat('x', 100000), pg_sleep(0.01) FROM generate_series(1, $1::int4)",
                   1},
    [NOISY] = {"noisy", "SELECT noisy()::text", 0},
    [RESUMED] = {"resumed",
                 "SELECT pg_wal_replay_resume()::text, pg_sleep(0.5), pg_last_wal_replay_lsn()"
                 " - '0/0'",
                 0},
};

/* A statement and what came back. */
struct call {
    struct pg_statement statement; /* first: a callback casts */
    const char *values[1];
    char parameter[32];
    unsigned answers;
    enum pg_reply_status status;
    uint64_t position;
    char sqlstate[6];
    char error[300];
    char value[64]; /* of the first column of the first row, its beginning */
    int rows;
    void (*then)(struct call *call); /* within the callback, after all else */
    void *context;
};

static void on_done(struct pg_statement *statement, struct pg_reply *reply) {
    struct call *call = (struct call *)statement;
    call->answers++;
    call->status = reply->status;
    call->position = reply->position;
    memcpy(call->sqlstate, reply->sqlstate, sizeof(call->sqlstate));
    snprintf(call->error, sizeof(call->error), "%s", reply->error != NULL ? reply->error : "");
    call->rows = PQntuples(reply->result);
    if (reply->status == PG_REPLY_ROWS && call->rows > 0) {
        int length = PQgetlength(reply->result, 0, 0);
        int most = (int)sizeof(call->value) - 1;
        snprintf(call->value, sizeof(call->value), "%.*s", length < most ? length : most,
                 PQgetvalue(reply->result, 0, 0));
    }
    if (call->then != NULL) {
        call->then(call);
    }
}

static void submit_kind(struct pg_server *server, struct call *call, enum pg_statement_kind kind,
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

static void submit(struct pg_server *server, struct call *call, int which, const char *parameter) {
    submit_kind(server, call, PG_READ, which, parameter);
}

/* ---- a loop with servers ---- */

enum { SERVERS_MOST = 4, LOG_LINES = 200 };

static struct rig {
    struct event_base *base;
    struct event *tick; /* so that a turn never lasts long */
    struct pg_server *servers[SERVERS_MOST];
    unsigned server_count;
    unsigned settled;
    char log[LOG_LINES][400]; /* "level server message" */
    unsigned log_count;
    int descriptors, threads;
} rig;

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

static uint64_t now_ms(void) {
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
    if (rig.log_count < LOG_LINES) {
        snprintf(rig.log[rig.log_count++], sizeof(rig.log[0]), "%s %s %s", level, server, message);
    }
}

static void on_settled(void *context, struct pg_server *server) {
    (void)context;
    (void)server;
    rig.settled++;
}

/* Times that `text` is in the log. */
static unsigned logged(const char *text) {
    unsigned found = 0;
    for (unsigned i = 0; i < rig.log_count; i++) {
        found += strstr(rig.log[i], text) != NULL;
    }
    return found;
}

static const char terminate_all[] =
    "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity"
    " WHERE application_name = 'snapshot-host'";

/* A server process that sleeps does not notice that its client has gone. */
static void terminate_what_is_left(struct throwaway_server *server) {
    throwaway_execute(server, terminate_all);
    throwaway_await(server,
                    "SELECT count(*)::text FROM pg_stat_activity"
                    " WHERE application_name = 'snapshot-host'",
                    "0");
}

static void begin(void) {
    terminate_what_is_left(&primary);
    terminate_what_is_left(&standby);
    memset(&rig, 0, sizeof(rig));
    rig.descriptors = entries_of("/proc/self/fd");
    rig.threads = entries_of("/proc/self/task");
    rig.base = event_base_new();
    const struct timeval period = {0, 5000};
    rig.tick = event_new(rig.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(rig.tick, &period);
}

static void flush_all(void) {
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

static void turn(void) {
    event_base_loop(rig.base, EVLOOP_ONCE);
    flush_all();
}

#define RUN_UNTIL(condition)                                                                       \
    for (uint64_t run_until_began = now_ms(); !(condition); turn()) {                              \
        ck_assert_msg(now_ms() - run_until_began < PATIENCE_MS, "waited in vain: %s", #condition); \
    }

static void run_for(uint64_t ms) {
    for (uint64_t began = now_ms(); now_ms() - began < ms;) {
        turn();
    }
}

/* Frees everything; no descriptor and no thread is left. */
static void end(void) {
    for (unsigned i = 0; i < rig.server_count; i++) {
        pg_server_free(rig.servers[i]);
    }
    event_free(rig.tick);
    event_base_free(rig.base);
    libevent_global_shutdown();
    /* A thread that has been told to end may close its descriptors a moment later. */
    const uint64_t began = now_ms();
    while (entries_of("/proc/self/task") != rig.threads && now_ms() - began < 1000) {
        usleep(1000);
    }
    ck_assert_int_eq(entries_of("/proc/self/task"), rig.threads);
    ck_assert_int_eq(entries_of("/proc/self/fd"), rig.descriptors);
}

static struct pg_server_options options_for(const char *conninfo) {
    return (struct pg_server_options){.name = "replica",
                                      .role = PG_REPLICA,
                                      .conninfo = conninfo,
                                      .links = 1,
                                      .use_prepared = true,
                                      .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
                                      .connect_timeout_s = 2,
                                      .prepared = prepared,
                                      .prepared_count = STATEMENTS,
                                      .jitter_seed = 1,
                                      .log = on_log,
                                      .settled = on_settled};
}

static struct pg_server *add(const struct pg_server_options *options) {
    char err[256] = "";
    struct pg_server *server = pg_server_new(rig.base, options, err, sizeof(err));
    ck_assert_msg(server != NULL, "%s", err);
    rig.servers[rig.server_count++] = server;
    return server;
}

static struct pg_server_counters counters_of(const struct pg_server *server) {
    struct pg_server_counters counters;
    pg_server_read_counters(server, &counters);
    return counters;
}

/* One server with so many links, all up. */
static struct pg_server *up(const struct throwaway_server *target, enum pg_server_role role,
                            uint32_t links) {
    char conninfo[200];
    throwaway_conninfo(target, conninfo, sizeof(conninfo), "");
    struct pg_server_options options = options_for(conninfo);
    options.role = role;
    options.name = role == PG_PRIMARY ? "primary" : "replica";
    options.links = links;
    struct pg_server *server = add(&options);
    RUN_UNTIL(counters_of(server).links_up == links);
    return server;
}

static void ask(struct pg_server *server, struct call *call, enum pg_statement_kind kind, int which,
                const char *parameter) {
    submit_kind(server, call, kind, which, parameter);
    RUN_UNTIL(call->answers == 1);
}

static void assert_rows(const struct call *call, const char *value) {
    ck_assert_msg(call->status == PG_REPLY_ROWS, "failed: %s %s", call->sqlstate, call->error);
    ck_assert_uint_eq(call->answers, 1);
    ck_assert_str_eq(call->value, value);
}

static void assert_failed(const struct call *call, const char *sqlstate, const char *error) {
    ck_assert_uint_eq(call->answers, 1);
    ck_assert_int_eq(call->status, PG_REPLY_FAILED);
    ck_assert_str_eq(call->sqlstate, sqlstate);
    ck_assert_msg(strstr(call->error, error) != NULL, "'%s' is not in: %s", error, call->error);
    ck_assert_ptr_null(strchr(call->error, '\n'));
    ck_assert_uint_eq(call->position, 0);
}

/* ---- batches ---- */

START_TEST(one_sync_for_each_link_and_turn) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 2);
    static struct call calls[64];
    const uint64_t before = counters_of(server).batches;
    for (unsigned i = 0; i < 64; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", i);
        submit(server, &calls[i], NUMBER, number);
    }
    flush_all();
    ck_assert_uint_eq(counters_of(server).batches, before + 2);
    ck_assert_uint_eq(counters_of(server).in_flight, 64);
    RUN_UNTIL(counters_of(server).in_flight == 0);
    for (unsigned i = 0; i < 64; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", i);
        assert_rows(&calls[i], number);
    }
    for (unsigned i = 0; i < 8; i++) { /* so few stay together */
        submit(server, &calls[i], NUMBER, "1");
    }
    flush_all();
    ck_assert_uint_eq(counters_of(server).batches, before + 3);
    RUN_UNTIL(counters_of(server).in_flight == 0);
    ck_assert_uint_eq(counters_of(server).statements, 72);
    ck_assert_uint_eq(counters_of(server).reads, 72);
    ck_assert_uint_eq(counters_of(server).failures, 0);
    ck_assert_uint_eq(counters_of(server).resends, 0);
    end();
}
END_TEST

START_TEST(more_than_the_links_can_hold) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    enum { MANY = 1000 };
    struct call *calls = calloc(MANY, sizeof(*calls));
    for (unsigned i = 0; i < MANY; i++) {
        submit(server, &calls[i], NUMBER, "7");
    }
    uint64_t most = 0;
    RUN_UNTIL((most = counters_of(server).in_flight > most ? counters_of(server).in_flight : most,
               calls[MANY - 1].answers == 1));
    ck_assert_uint_gt(most, 200);
    ck_assert_uint_le(most, 256);
    for (unsigned i = 0; i < MANY; i++) {
        assert_rows(&calls[i], "7");
    }
    free(calls);
    end();
}
END_TEST

START_TEST(large_parameters_and_results_both_ways) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    enum { MANY = 8, LARGE = 4000000, HUGE_ONE = 64000000 }; /* more than any socket's buffer */
    char *huge = malloc(HUGE_ONE + 1);
    memset(huge, 'y', HUGE_ONE);
    huge[HUGE_ONE] = '\0';
    const char *values[] = {huge};
    const char *last_values[] = {huge + HUGE_ONE - LARGE};
    static struct call calls[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        submit(server, &calls[i], ECHO, "");
        calls[i].statement.values = last_values;
    }
    RUN_UNTIL(calls[MANY - 1].answers == 1);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_ROWS);
        ck_assert_str_eq(calls[i].value + 60, "yyy");
    }
    /* Here nothing comes back until all has gone out. */
    submit(server, &calls[0], LENGTH, "");
    calls[0].statement.values = values;
    RUN_UNTIL(calls[0].answers == 1);
    assert_rows(&calls[0], "64000000");
    free(huge);
    end();
}
END_TEST

/* ---- errors ---- */

START_TEST(an_error_aborts_nobody_for_good) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[9];
    for (unsigned i = 0; i < 9; i++) {
        submit(server, &calls[i], DIVISION, i == 4 ? "0" : "5");
    }
    RUN_UNTIL(counters_of(server).in_flight == 0 && calls[8].answers == 1);
    for (unsigned i = 0; i < 9; i++) {
        if (i == 4) {
            assert_failed(&calls[i], "22012", "division by zero");
        } else {
            assert_rows(&calls[i], "20");
        }
    }
    ck_assert_uint_eq(counters_of(server).resends, 4);
    ck_assert_uint_eq(counters_of(server).failures, 1);
    ck_assert_uint_eq(counters_of(server).statements, 9);
    end();
}
END_TEST

START_TEST(a_flood_of_errors) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    enum { MANY = 200 };
    static struct call calls[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        submit(server, &calls[i], DIVISION, i % 10 == 9 ? "5" : "0");
    }
    RUN_UNTIL(calls[MANY - 1].answers == 1 && counters_of(server).in_flight == 0);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 10 == 9) {
            assert_rows(&calls[i], "20");
        } else {
            assert_failed(&calls[i], "22012", "division by zero");
        }
    }
    ck_assert_uint_le(counters_of(server).resends, 2 * MANY);
    end();
}
END_TEST

START_TEST(a_bad_parameter_is_its_own_error) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[3];
    submit(server, &calls[0], NUMBER, "1");
    submit(server, &calls[1], NUMBER, "one\ntwo");
    submit(server, &calls[2], NUMBER, "2");
    RUN_UNTIL(calls[2].answers == 1);
    assert_rows(&calls[0], "1");
    assert_failed(&calls[1], "22P02", "invalid input syntax for type integer: \"one two\"");
    assert_rows(&calls[2], "2");
    end();
}
END_TEST

START_TEST(the_statement_timeout) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[3];
    submit(server, &calls[0], NUMBER, "1");
    submit(server, &calls[1], SLEEP, "30");
    submit(server, &calls[2], NUMBER, "2");
    RUN_UNTIL(calls[2].answers == 1);
    assert_rows(&calls[0], "1");
    assert_failed(&calls[1], "57014", "canceling statement due to statement timeout");
    assert_rows(&calls[2], "2");
    ck_assert_uint_eq(counters_of(server).connects, 1);
    end();
}
END_TEST

START_TEST(notices_stay_off_stderr) {
    begin();
    FILE *capture = tmpfile();
    const int saved = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call call;
    ask(server, &call, PG_READ, NOISY, "");
    dup2(saved, STDERR_FILENO);
    close(saved);
    fseek(capture, 0, SEEK_END);
    ck_assert_int_eq(ftell(capture), 0);
    fclose(capture);
    assert_rows(&call, "1");
    end();
}
END_TEST

/* ---- forgetting, callbacks ---- */

START_TEST(forgotten_while_it_waits) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[3];
    for (unsigned i = 0; i < 3; i++) {
        submit(server, &calls[i], NUMBER, "3");
    }
    pg_statement_forget(&calls[1].statement);
    RUN_UNTIL(calls[2].answers == 1);
    ck_assert_uint_eq(calls[1].answers, 0);
    ck_assert_uint_eq(counters_of(server).statements, 2);
    ask(server, &calls[1], PG_READ, NUMBER, "4");
    assert_rows(&calls[1], "4");
    end();
}
END_TEST

START_TEST(forgotten_in_flight_and_used_again) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[3];
    for (unsigned i = 0; i < 3; i++) {
        submit(server, &calls[i], DIVISION, i == 0 ? "0" : "5");
    }
    flush_all();
    pg_statement_forget(&calls[0].statement); /* failed */
    pg_statement_forget(&calls[1].statement); /* aborted: must not be sent again */
    submit(server, &calls[1], DIVISION, "50");
    RUN_UNTIL(counters_of(server).in_flight == 0 && calls[1].answers == 1);
    ck_assert_uint_eq(calls[0].answers, 0);
    assert_rows(&calls[1], "2");
    assert_rows(&calls[2], "20");
    ck_assert_uint_eq(counters_of(server).resends, 1);
    end();
}
END_TEST

static void forget_the_next(struct call *call) {
    pg_statement_forget(call->context);
}

START_TEST(forgotten_by_a_neighbours_callback) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[3];
    calls[0].then = forget_the_next;
    calls[0].context = &calls[1].statement;
    for (unsigned i = 0; i < 3; i++) {
        submit(server, &calls[i], NUMBER, "6");
    }
    RUN_UNTIL(calls[2].answers == 1);
    assert_rows(&calls[0], "6");
    ck_assert_uint_eq(calls[1].answers, 0);
    ck_assert_ptr_null(calls[1].statement.server);
    end();
}
END_TEST

static void go_on_until_ten(struct call *call) {
    unsigned *rounds = call->context;
    (*rounds)++;
    ck_assert(!pg_server_flush(rig.servers[0])); /* within a callback it does nothing */
    if (*rounds < 10) {
        submit(rig.servers[0], call, NUMBER, "8");
    }
}

START_TEST(submitted_again_by_its_callback) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call call;
    static unsigned rounds;
    call.then = go_on_until_ten;
    call.context = &rounds;
    submit(server, &call, NUMBER, "8");
    RUN_UNTIL(rounds == 10);
    ck_assert_uint_eq(counters_of(server).statements, 10);
    end();
}
END_TEST

static void take_result(struct pg_statement *statement, struct pg_reply *reply) {
    struct call *call = (struct call *)statement;
    call->answers++;
    call->context = reply->result;
    reply->result = NULL;
}

START_TEST(a_result_taken_over) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call call;
    submit(server, &call, NUMBER, "11");
    call.statement.done = take_result;
    RUN_UNTIL(call.answers == 1);
    ck_assert_str_eq(PQgetvalue(call.context, 0, 0), "11");
    PQclear(call.context);
    end();
}
END_TEST

static void free_the_server(struct call *call) {
    (void)call;
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
}

START_TEST(freed_by_a_callback) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 2);
    static struct call calls[20];
    calls[2].then = free_the_server;
    for (unsigned i = 0; i < 20; i++) {
        submit(server, &calls[i], i < 8 ? NUMBER : SLEEP, "1");
    }
    RUN_UNTIL(rig.servers[0] == NULL);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_uint_eq(calls[i].answers, i < 3 ? 1 : 0);
        ck_assert_ptr_null(calls[i].statement.server);
    }
    end();
}
END_TEST

START_TEST(freed_with_statements_everywhere) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[4];
    submit(server, &calls[0], SLEEP, "1");
    submit(server, &calls[1], SLEEP, "1");
    flush_all();
    submit(server, &calls[2], SLEEP, "1");
    pg_server_free(server);
    rig.servers[0] = NULL;
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(calls[i].answers, 0);
        ck_assert_ptr_null(calls[i].statement.server);
    }
    end();
}
END_TEST

/* ---- links that are lost ---- */

static const char active[] = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name ="
                             " 'snapshot-host' AND state = 'active'";

/* Long enough up for a link to be tried again at once when it is lost. */
static void become_good(void) {
    run_for(1100);
}

START_TEST(lost_with_statements_in_flight) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    become_good();
    static struct call calls[10];
    for (unsigned i = 0; i < 10; i++) {
        submit(server, &calls[i], SLEEP, "1");
    }
    flush_all();
    throwaway_await(&primary, active, "1");
    throwaway_execute(&primary, terminate_all);
    RUN_UNTIL(calls[9].answers == 1);
    for (unsigned i = 0; i < 10; i++) {
        assert_failed(&calls[i], "", "terminating connection due to administrator command");
    }
    ck_assert_uint_eq(counters_of(server).in_flight, 0);
    /* The first attempt after the loss is under way: the statement waits for it. */
    ck_assert(!pg_server_is_up(server));
    ask(server, &calls[0], PG_READ, NUMBER, "1");
    assert_rows(&calls[0], "1");
    ck_assert_uint_eq(counters_of(server).connects, 2);
    ck_assert_uint_eq(counters_of(server).connect_failures, 0);
    ck_assert_uint_eq(logged("warn primary link lost: terminating connection"), 1);
    end();
}
END_TEST

START_TEST(lost_while_idle) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 2);
    static struct call call;
    ask(server, &call, PG_READ, DIVISION, "0"); /* an old error must not be taken for the reason */
    throwaway_execute(&primary, terminate_all);
    RUN_UNTIL(counters_of(server).connects == 4);
    ck_assert_uint_eq(logged("link lost: terminating connection due to administrator command"), 2);
    ask(server, &call, PG_READ, NUMBER, "1");
    assert_rows(&call, "1");
    end();
}
END_TEST

START_TEST(cut_in_mid_result) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[2];
    submit(server, &calls[0], SLOW_ROWS, "100");
    submit(server, &calls[1], NUMBER, "1");
    run_for(300); /* some rows have come */
    throwaway_execute(&primary, terminate_all);
    RUN_UNTIL(calls[1].answers == 1);
    assert_failed(&calls[0], "", "terminating connection");
    ck_assert_int_eq(calls[0].rows, 0);
    assert_failed(&calls[1], "", "terminating connection");
    RUN_UNTIL(pg_server_is_up(server));
    ask(server, &calls[0], PG_READ, SLOW_ROWS, "20");
    ck_assert_int_eq(calls[0].rows, 20);
    end();
}
END_TEST

START_TEST(killed_in_mid_result) {
    begin();
    struct pg_server *server = up(&stranger, PG_PRIMARY, 1);
    static struct call calls[2];
    ask(server, &calls[0], PG_READ, DIVISION, "0");
    ask(server, &calls[1], PG_READ, WHO, "");
    submit(server, &calls[0], SLOW_ROWS, "100");
    run_for(300);
    kill((pid_t)atoi(calls[1].value), SIGKILL); /* the whole server restarts after that */
    RUN_UNTIL(calls[0].answers == 1);
    assert_failed(&calls[0], "", "server closed the connection unexpectedly");
    ck_assert_ptr_null(strstr(calls[0].error, "division"));
    RUN_UNTIL(pg_server_is_up(server));
    ask(server, &calls[0], PG_READ, NUMBER, "1");
    assert_rows(&calls[0], "1");
    end();
}
END_TEST

START_TEST(server_stopped_and_started_again) {
    begin();
    struct pg_server *server = up(&stranger, PG_REPLICA, 2);
    become_good();
    static struct call calls[10];
    for (unsigned i = 0; i < 10; i++) {
        submit(server, &calls[i], SLEEP, "1");
    }
    flush_all();
    throwaway_stop(&stranger, SIGQUIT);
    RUN_UNTIL(calls[9].answers == 1);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_FAILED);
    }
    RUN_UNTIL(counters_of(server).connect_failures >= 2);
    const uint64_t began = now_ms();
    ask(server, &calls[0], PG_READ, NUMBER, "1");
    assert_failed(&calls[0], "", "no link to replica (last error: connection to server at");
    ck_assert_uint_lt(now_ms() - began, 500);
    throwaway_start(&stranger);
    throwaway_execute(&stranger, "SELECT 1");
    RUN_UNTIL(counters_of(server).links_up == 2);
    ask(server, &calls[0], PG_READ, NUMBER, "1");
    assert_rows(&calls[0], "1");
    end();
}
END_TEST

START_TEST(links_lost_as_soon_as_they_are_up) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    for (uint64_t began = now_ms(); now_ms() - began < 2000;) {
        if (pg_server_is_up(server)) {
            throwaway_execute(&primary, terminate_all);
        }
        turn();
    }
    /* At once would be hundreds; 50 ms, doubled from time to time, make five or six, ten jittered.
     */
    ck_assert_uint_ge(counters_of(server).connects, 3);
    ck_assert_uint_le(counters_of(server).connects, 10);
    end();
}
END_TEST

START_TEST(stalled_server) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[2];
    ask(server, &calls[0], PG_READ, WHO, "");
    const pid_t process = (pid_t)atoi(calls[0].value);
    kill(process, SIGSTOP);
    const uint64_t began = now_ms();
    submit(server, &calls[0], NUMBER, "1");
    submit(server, &calls[1], NUMBER, "2");
    RUN_UNTIL(calls[1].answers == 1);
    kill(process, SIGCONT);
    const uint64_t took = now_ms() - began;
    assert_failed(&calls[0], "", "no answer in time");
    assert_failed(&calls[1], "", "no answer in time");
    ck_assert_uint_ge(took, STATEMENT_TIMEOUT_MS + 900);
    ck_assert_uint_le(took, STATEMENT_TIMEOUT_MS + 3000);
    ask(server, &calls[0], PG_READ, NUMBER, "1");
    assert_rows(&calls[0], "1");
    end();
}
END_TEST

START_TEST(slow_but_not_stalled) {
    begin();
    struct pg_server *server = up(&primary, PG_PRIMARY, 1);
    static struct call calls[4]; /* four batches, together longer than the time for one answer */
    for (unsigned i = 0; i < 4; i++) {
        submit(server, &calls[i], SLEEP, "1.2");
        flush_all();
    }
    RUN_UNTIL(calls[3].answers == 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_rows(&calls[i], "");
    }
    ck_assert_uint_eq(counters_of(server).connects, 1);
    end();
}
END_TEST

/* ---- attempts that fail ---- */

/* One link to that conninfo; the statement's error, and how long it took. */
static uint64_t refused(const char *conninfo, struct call *call) {
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    const uint64_t began = now_ms();
    ask(server, call, PG_READ, NUMBER, "1");
    const uint64_t took = now_ms() - began;
    RUN_UNTIL(rig.settled == 1);
    ck_assert(!pg_server_is_up(server));
    ck_assert_uint_ge(counters_of(server).connect_failures, 1);
    ck_assert_ptr_nonnull(strstr(call->error, pg_server_last_error(server)));
    return took;
}

START_TEST(closed_port) {
    begin();
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres",
             throwaway_free_port(FIRST_PORT + 60));
    static struct call call;
    ck_assert_uint_lt(refused(conninfo, &call), 1000);
    assert_failed(&call, "", "no link to replica (last error: connection to server at");
    ck_assert_ptr_nonnull(strstr(call.error, "Connection refused"));
    run_for(1500);
    const uint64_t failures = counters_of(rig.servers[0]).connect_failures;
    ck_assert_uint_ge(failures, 3); /* 50, 100, 200, 400 and 800 ms, halved at most */
    ck_assert_uint_le(failures, 8);
    ck_assert_uint_eq(logged("warn replica no link:"), 1);
    ck_assert_uint_eq(rig.log_count, 1);
    end();
}
END_TEST

/* A socket that the kernel accepts connections on, and nobody else does anything. */
static int silent_listener(const char *address, uint16_t port, int backlog) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &name.sin_addr);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

START_TEST(server_that_never_answers) {
    begin();
    const uint16_t port = throwaway_free_port(FIRST_PORT + 60);
    const int listener = silent_listener("127.0.0.1", port, 16);
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres", port);
    static struct call call;
    const uint64_t took = refused(conninfo, &call);
    assert_failed(&call, "", "not established within 2000 ms");
    ck_assert_uint_ge(took, 1900);
    ck_assert_uint_le(took, 2900);
    run_for(200); /* the next attempt is under way: nobody waits for it */
    const uint64_t began = now_ms();
    ask(rig.servers[0], &call, PG_READ, NUMBER, "1");
    ck_assert_uint_lt(now_ms() - began, 500);
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
    close(listener);
    end();
}
END_TEST

START_TEST(freed_while_it_connects) {
    begin();
    const uint16_t port = throwaway_free_port(FIRST_PORT + 60);
    const int listener = silent_listener("127.0.0.1", port, 64);
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres", port);
    struct pg_server_options options = options_for(conninfo);
    options.links = 16;
    struct pg_server *server = add(&options);
    run_for(50);
    const uint64_t began = now_ms();
    pg_server_free(server);
    ck_assert_uint_lt(now_ms() - began, 1000);
    rig.servers[0] = NULL;
    close(listener);
    end();
}
END_TEST

START_TEST(second_host_where_the_first_one_drops_everything) {
    begin();
    /* A full queue of connections: the kernel drops whoever comes next without a word. */
    const uint16_t port = throwaway_free_port(FIRST_PORT + 60);
    const int listener = silent_listener("127.0.0.2", port, 0);
    int fillers[4];
    for (unsigned i = 0; i < 4; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
        inet_pton(AF_INET, "127.0.0.2", &name.sin_addr);
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&name, sizeof(name));
    }
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.2,127.0.0.1 port=%u,%u dbname=postgres user=postgres", port,
             primary.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    const uint64_t began = now_ms();
    RUN_UNTIL(pg_server_is_up(server));
    ck_assert_uint_ge(now_ms() - began, 800);
    ck_assert_uint_le(now_ms() - began, 1900);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
    end();
}
END_TEST

START_TEST(second_host_where_the_first_one_refuses) {
    begin();
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1,127.0.0.1 port=%u,%u dbname=postgres user=postgres",
             throwaway_free_port(FIRST_PORT + 60), primary.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    RUN_UNTIL(pg_server_is_up(server));
    ck_assert_uint_eq(counters_of(server).connect_failures, 0);
    end();
}
END_TEST

START_TEST(name_that_does_not_resolve) {
    begin();
    static struct call call;
    refused("host=no-such-host.invalid user=postgres", &call);
    assert_failed(&call, "", "could not translate host name");
    end();
}
END_TEST

START_TEST(wrong_password) {
    begin();
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=locked password=wrong-one", primary.port);
    static struct call call;
    refused(conninfo, &call);
    assert_failed(&call, "", "password authentication failed for user \"locked\"");
    ck_assert_uint_eq(logged("wrong-one"), 0);
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=locked password=right-one", primary.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    RUN_UNTIL(pg_server_is_up(server));
    end();
}
END_TEST

START_TEST(too_many_connections) {
    begin();
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u dbname=postgres user=lonely",
             primary.port);
    struct pg_server_options options = options_for(conninfo);
    options.links = 2;
    struct pg_server *server = add(&options);
    RUN_UNTIL(pg_server_is_up(server) && logged("too many connections for role \"lonely\"") >= 1);
    ck_assert_uint_eq(rig.settled, 1);
    ck_assert_uint_eq(counters_of(server).links_up, 1);
    static struct call calls[20]; /* one link serves them all */
    for (unsigned i = 0; i < 20; i++) {
        submit(server, &calls[i], NUMBER, "1");
    }
    RUN_UNTIL(calls[19].answers == 1);
    for (unsigned i = 0; i < 20; i++) {
        assert_rows(&calls[i], "1");
    }
    end();
}
END_TEST

START_TEST(set_up_that_fails) {
    begin();
    static const struct pg_prepared missing[] = {{"good", "SELECT 1", 0},
                                                 {"bad", "SELECT * FROM no_such_table", 0}};
    char conninfo[200];
    throwaway_conninfo(&primary, conninfo, sizeof(conninfo), "");
    struct pg_server_options options = options_for(conninfo);
    options.prepared = missing;
    options.prepared_count = 2;
    struct pg_server *server = add(&options);
    static struct call call;
    ask(server, &call, PG_READ, 0, "");
    assert_failed(&call, "", "no link to replica (last error: relation \"no_such_table\" does not");
    ck_assert_uint_eq(counters_of(server).connects, 0);
    throwaway_execute(&primary, "CREATE TABLE no_such_table ()");
    RUN_UNTIL(pg_server_is_up(server));
    throwaway_execute(&primary, "DROP TABLE no_such_table");
    end();
}
END_TEST

START_TEST(options_out_of_bounds) {
    begin();
    static const struct {
        const char *conninfo;
        uint32_t links, statement_timeout_ms, connect_timeout_s;
        const char *error;
    } cases[] = {
        {"", 0, 1000, 2, "links: 1 to 64"},
        {"", 65, 1000, 2, "links: 1 to 64"},
        {"", 1, 0, 2, "statement_timeout_ms: 1 to 3600000"},
        {"", 1, 3600001, 2, "statement_timeout_ms: 1 to 3600000"},
        {"", 1, 1000, 0, "connect_timeout_s: 1 to 600"},
        {"", 1, 1000, 601, "connect_timeout_s: 1 to 600"},
        {"host=127.0.0.1 colour=red", 1, 1000, 2, "invalid connection option \"colour\""},
        {"password=my secret", 1, 1000, 2, "details are withheld"},
        {"postgresql://me:se%cret@127.0.0.1", 1, 1000, 2, "details are withheld"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pg_server_options options = options_for(cases[i].conninfo);
        options.links = cases[i].links;
        options.statement_timeout_ms = cases[i].statement_timeout_ms;
        options.connect_timeout_s = cases[i].connect_timeout_s;
        char err[256] = "";
        ck_assert_ptr_null(pg_server_new(rig.base, &options, err, sizeof(err)));
        ck_assert_msg(strstr(err, cases[i].error) != NULL, "%s", err);
        ck_assert_ptr_null(strstr(err, "cret"));
    }
    end();
}
END_TEST

/* ---- settings ---- */

START_TEST(settings_of_a_link) {
    begin();
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=repeatable client_encoding=LATIN1",
             primary.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    static const char *const expected[][2] = {{"default_transaction_isolation", "read committed"},
                                              {"transaction_isolation", "read committed"},
                                              {"statement_timeout", "2s"},
                                              {"idle_in_transaction_session_timeout", "2s"},
                                              {"plan_cache_mode", "force_generic_plan"},
                                              {"client_encoding", "UTF8"},
                                              {"application_name", "snapshot-host"}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        static struct call call;
        call = (struct call){0};
        submit(server, &call, SETTING, "");
        call.values[0] = expected[i][0];
        RUN_UNTIL(call.answers == 1);
        assert_rows(&call, expected[i][1]);
    }
    end();
}
END_TEST

START_TEST(each_statement_of_a_batch_has_its_own_snapshot) {
    begin();
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u dbname=postgres user=repeatable",
             primary.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    RUN_UNTIL(pg_server_is_up(server));
    throwaway_execute(&primary, "DELETE FROM t");
    static struct call calls[3];
    submit(server, &calls[0], COUNT, "");
    submit(server, &calls[1], SLEEP, "0.5");
    submit(server, &calls[2], COUNT, "");
    const uint64_t batches = counters_of(server).batches;
    flush_all();
    ck_assert_uint_eq(counters_of(server).batches, batches + 1);
    throwaway_await(&primary, active, "1");
    throwaway_execute(&primary, "INSERT INTO t VALUES (1)");
    RUN_UNTIL(calls[2].answers == 1);
    assert_rows(&calls[0], "0");
    assert_rows(&calls[2], "1");
    end();
}
END_TEST

START_TEST(without_prepared_statements) {
    begin();
    char conninfo[200];
    throwaway_conninfo(&standby, conninfo, sizeof(conninfo), "");
    struct pg_server_options options = options_for(conninfo);
    options.use_prepared = false;
    struct pg_server *server = add(&options);
    static struct call calls[4];
    submit(server, &calls[0], DIVISION, "20");
    submit(server, &calls[1], DIVISION, "0");
    submit_kind(server, &calls[2], PG_READ_AT_POSITION, DIVISION, "50");
    submit_kind(server, &calls[3], PG_POSITION, 0, "");
    RUN_UNTIL(calls[2].answers == 1 && calls[3].answers == 1);
    assert_rows(&calls[0], "5");
    assert_failed(&calls[1], "22012", "division by zero");
    assert_rows(&calls[2], "2");
    ck_assert_uint_gt(calls[2].position, 0);
    ck_assert_uint_gt(calls[3].position, 0);
    throwaway_execute(&standby, "SELECT 1");
    ck_assert_str_eq(throwaway_execute(&standby, "SELECT count(*)::text FROM pg_stat_activity"
                                                 " WHERE query LIKE 'PREPARE%'"),
                     "0");
    end();
}
END_TEST

/* ---- positions ---- */

static uint64_t position_on(struct throwaway_server *server, const char *function) {
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT %s() - '0/0'", function);
    return strtoull(throwaway_execute(server, sql), NULL, 10);
}

START_TEST(positions_of_a_primary) {
    begin();
    char conninfo[200];
    throwaway_conninfo(&primary, conninfo, sizeof(conninfo), "");
    struct pg_server_options options = options_for(conninfo);
    options.role = PG_PRIMARY;
    struct pg_server *flushed = add(&options);
    options.insert_position = true;
    struct pg_server *inserted = add(&options);
    /* What is inserted by a transaction that has not ended is not flushed; the WAL writer, which
     * would, sleeps for 10 s. */
    throwaway_execute(&primary, "INSERT INTO t VALUES (2)");
    throwaway_execute(&primary, "BEGIN");
    throwaway_execute(&primary, "INSERT INTO t VALUES (3)");
    static struct call flush_call, insert_call;
    ask(flushed, &flush_call, PG_POSITION, 0, "");
    ask(inserted, &insert_call, PG_POSITION, 0, "");
    ck_assert_uint_eq(flush_call.position, position_on(&primary, "pg_current_wal_flush_lsn"));
    ck_assert_uint_eq(insert_call.position, position_on(&primary, "pg_current_wal_insert_lsn"));
    ck_assert_uint_lt(flush_call.position, insert_call.position);
    throwaway_execute(&primary, "ROLLBACK");
    ck_assert_int_eq(flush_call.status, PG_REPLY_ROWS);
    ck_assert_int_eq(flush_call.rows, 0);
    ck_assert_uint_eq(counters_of(flushed).statements, 1);
    ck_assert_uint_eq(counters_of(flushed).reads, 0);
    end();
}
END_TEST

START_TEST(the_position_is_read_before_the_read) {
    begin();
    throwaway_catch_up(&primary, &standby);
    struct pg_server *server = up(&standby, PG_REPLICA, 1);
    throwaway_execute(&standby, "SELECT pg_wal_replay_pause()");
    throwaway_await(&standby, "SELECT pg_get_wal_replay_pause_state()", "paused");
    const uint64_t paused_at = position_on(&standby, "pg_last_wal_replay_lsn");
    throwaway_execute(&primary, "INSERT INTO t VALUES (4)");
    static struct call calls[2];
    ask(server, &calls[0], PG_POSITION, 0, "");
    ck_assert_uint_eq(calls[0].position, paused_at);
    /* The read itself lets replay go on and waits: after it the position is another one. */
    ask(server, &calls[1], PG_READ_AT_POSITION, RESUMED, "");
    ck_assert_int_eq(calls[1].status, PG_REPLY_ROWS);
    ck_assert_uint_eq(calls[1].position, paused_at);
    throwaway_catch_up(&primary, &standby);
    ck_assert_uint_gt(position_on(&standby, "pg_last_wal_replay_lsn"), paused_at);
    ask(server, &calls[0], PG_READ_AT_POSITION, NUMBER, "5");
    assert_rows(&calls[0], "5");
    ck_assert_uint_gt(calls[0].position, paused_at);
    ck_assert_uint_eq(counters_of(server).statements, 3);
    ck_assert_uint_eq(counters_of(server).reads, 2);
    end();
}
END_TEST

START_TEST(reads_at_a_position_among_errors) {
    begin();
    struct pg_server *server = up(&standby, PG_REPLICA, 1);
    static struct call calls[6];
    for (unsigned i = 0; i < 6; i++) {
        submit_kind(server, &calls[i], PG_READ_AT_POSITION, DIVISION,
                    i == 1 || i == 3 ? "0" : "10");
    }
    RUN_UNTIL(calls[5].answers == 1 && calls[4].answers == 1);
    for (unsigned i = 0; i < 6; i++) {
        if (i == 1 || i == 3) {
            assert_failed(&calls[i], "22012", "division by zero");
        } else {
            assert_rows(&calls[i], "10");
            ck_assert_uint_gt(calls[i].position, 0);
        }
    }
    end();
}
END_TEST

START_TEST(a_replica_that_is_none) {
    begin();
    struct pg_server *server = up(&primary, PG_REPLICA, 1);
    static struct call calls[2];
    ask(server, &calls[0], PG_READ_AT_POSITION, NUMBER, "1");
    assert_rows(&calls[0], "1");
    ck_assert_uint_eq(calls[0].position, 0);
    ask(server, &calls[1], PG_POSITION, 0, "");
    ck_assert_int_eq(calls[1].status, PG_REPLY_ROWS);
    ck_assert_uint_eq(calls[1].position, 0);
    end();
}
END_TEST

START_TEST(a_primary_that_is_in_recovery) {
    begin();
    struct pg_server *server = up(&standby, PG_PRIMARY, 1);
    static struct call calls[3];
    submit(server, &calls[0], NUMBER, "1");
    submit_kind(server, &calls[1], PG_READ_AT_POSITION, NUMBER, "1");
    submit_kind(server, &calls[2], PG_POSITION, 0, "");
    RUN_UNTIL(calls[0].answers == 1 && calls[1].answers == 1 && calls[2].answers == 1);
    assert_failed(&calls[0], "", "configured as [primary] but in recovery");
    ck_assert_int_eq(calls[0].rows, 0);
    assert_failed(&calls[1], "55000", "recovery is in progress");
    assert_failed(&calls[2], "55000", "recovery is in progress");
    end();
}
END_TEST

/* ---- identity ---- */

START_TEST(identity_of_a_primary_and_its_standby) {
    begin();
    struct pg_server *first = up(&primary, PG_PRIMARY, 1);
    struct pg_server *second = up(&standby, PG_REPLICA, 1);
    pg_server_set_reference(second, first);
    struct pg_identity one, other;
    ck_assert(pg_server_identity(first, &one));
    ck_assert(pg_server_identity(second, &other));
    ck_assert(!one.in_recovery);
    ck_assert(other.in_recovery);
    const char *system = "SELECT system_identifier FROM pg_control_system()";
    ck_assert_uint_eq(one.system_identifier,
                      strtoull(throwaway_execute(&primary, system), NULL, 10));
    ck_assert_uint_eq(one.system_identifier, other.system_identifier);
    ck_assert_uint_eq(one.timeline, 1);
    ck_assert_uint_eq(other.timeline, 1);
    static struct call call;
    ask(second, &call, PG_READ_AT_POSITION, NUMBER, "1");
    ck_assert_uint_gt(call.position, 0);
    end();
}
END_TEST

START_TEST(positions_of_another_system) {
    begin();
    struct pg_server *first = up(&stranger, PG_PRIMARY, 1);
    struct pg_server *second = up(&standby, PG_REPLICA, 1);
    static struct call call;
    ask(second, &call, PG_READ_AT_POSITION, NUMBER, "1");
    ck_assert_uint_gt(call.position, 0); /* nobody to compare with yet */
    pg_server_set_reference(second, first);
    ask(second, &call, PG_READ_AT_POSITION, NUMBER, "1");
    assert_rows(&call, "1");
    ck_assert_uint_eq(call.position, 0);
    ask(second, &call, PG_POSITION, 0, "");
    ck_assert_uint_eq(call.position, 0);
    pg_server_set_reference(second, NULL);
    ask(second, &call, PG_POSITION, 0, "");
    ck_assert_uint_gt(call.position, 0);
    end();
}
END_TEST

START_TEST(role_that_may_not_see_the_identity) {
    begin();
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u dbname=postgres user=blind",
             standby.port);
    struct pg_server_options options = options_for(conninfo);
    struct pg_server *server = add(&options);
    struct pg_server *other = up(&stranger, PG_PRIMARY, 1);
    RUN_UNTIL(pg_server_is_up(server));
    pg_server_set_reference(server, other);
    struct pg_identity identity;
    ck_assert(pg_server_identity(server, &identity));
    ck_assert(identity.in_recovery);
    ck_assert_uint_eq(identity.system_identifier, 0);
    ck_assert_uint_eq(identity.timeline, 1);
    static struct call call;
    ask(server, &call, PG_READ_AT_POSITION, NUMBER, "1");
    ck_assert_uint_gt(call.position, 0); /* as far as is known, the two agree */
    ck_assert_uint_eq(counters_of(server).failures, 0);
    end();
}
END_TEST

START_TEST(promotion_under_links_that_stay_up) {
    static struct throwaway_server heir, follower;
    throwaway_create_standby(&heir, "heir", throwaway_free_port(FIRST_PORT + 20), &primary);
    throwaway_start(&heir);
    throwaway_create_standby(&follower, "follower", throwaway_free_port(FIRST_PORT + 30), &heir);
    throwaway_start(&follower);
    begin();
    struct pg_server *old_primary = up(&primary, PG_PRIMARY, 1);
    struct pg_server *new_primary = up(&heir, PG_PRIMARY, 1);
    struct pg_server *replica = up(&follower, PG_REPLICA, 1);
    pg_server_set_reference(replica, old_primary);
    static struct call call;
    ask(replica, &call, PG_READ_AT_POSITION, NUMBER, "1");
    ck_assert_uint_gt(call.position, 0);
    ask(new_primary, &call, PG_READ, NUMBER, "1");
    assert_failed(&call, "", "configured as [primary] but in recovery");
    throwaway_execute(&heir, "SELECT pg_promote()");
    /* A primary from now on, for links that were up before, too. */
    RUN_UNTIL((ask(new_primary, &call, PG_READ, NUMBER, "1"), call.status == PG_REPLY_ROWS));
    ask(new_primary, &call, PG_POSITION, 0, "");
    ck_assert_uint_gt(call.position, 0);
    /* It still knows where its replay ended, and that means nothing any more. */
    struct pg_server *as_replica = up(&heir, PG_REPLICA, 1);
    ask(as_replica, &call, PG_READ_AT_POSITION, NUMBER, "1");
    assert_rows(&call, "1");
    ck_assert_uint_eq(call.position, 0);
    struct pg_identity identity;
    RUN_UNTIL((pg_server_identity(new_primary, &identity), identity.timeline == 2));
    ck_assert(!identity.in_recovery);
    /* The standby follows it to the new timeline, where the old primary's positions mean nothing.
     */
    RUN_UNTIL((ask(replica, &call, PG_READ_AT_POSITION, NUMBER, "1"), call.position == 0));
    pg_server_set_reference(replica, new_primary);
    ask(replica, &call, PG_READ_AT_POSITION, NUMBER, "1");
    ck_assert_uint_gt(call.position, 0);
    ck_assert_uint_eq(counters_of(replica).connects, 1);
    ck_assert_uint_eq(counters_of(new_primary).connects, 1);
    throwaway_stop(&follower, SIGQUIT);
    throwaway_stop(&heir, SIGQUIT);
    end();
}
END_TEST

/* ---- the program ---- */

static void create_servers(void) {
    throwaway_create(&primary, "primary", throwaway_free_port(FIRST_PORT),
                     "wal_writer_delay = 10s\nsynchronous_commit = on\n",
                     "host all locked 127.0.0.1/32 scram-sha-256\n");
    throwaway_start(&primary);
    throwaway_execute(&primary, "CREATE TABLE t (n int); GRANT ALL ON t TO public;"
                                "CREATE ROLE locked LOGIN PASSWORD 'right-one';"
                                "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1;"
                                "CREATE ROLE repeatable LOGIN;"
                                "ALTER ROLE repeatable SET default_transaction_isolation ="
                                " 'repeatable read';"
                                "CREATE ROLE blind LOGIN;"
                                "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public;"
                                "CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS"
                                " 'BEGIN RAISE WARNING ''noise''; RETURN 1; END'");
    throwaway_create_standby(&standby, "standby", throwaway_free_port(FIRST_PORT + 5), &primary);
    throwaway_start(&standby);
    throwaway_await(&standby, "SELECT count(*)::text FROM t", "0"); /* and stay connected */
    throwaway_create(&stranger, "stranger", throwaway_free_port(FIRST_PORT + 10), "", "");
    throwaway_start(&stranger);
    throwaway_execute(&stranger, "CREATE TABLE t (n int);"
                                 "CREATE FUNCTION noisy() RETURNS int LANGUAGE sql AS 'SELECT 1'");
}

static TCase *add_case(Suite *suite, const char *name) {
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return tests;
}

static void add_statement_cases(Suite *suite) {
    TCase *batches = add_case(suite, "batches");
    tcase_add_test(batches, one_sync_for_each_link_and_turn);
    tcase_add_test(batches, more_than_the_links_can_hold);
    tcase_add_test(batches, large_parameters_and_results_both_ways);

    TCase *errors = add_case(suite, "errors");
    tcase_add_test(errors, an_error_aborts_nobody_for_good);
    tcase_add_test(errors, a_flood_of_errors);
    tcase_add_test(errors, a_bad_parameter_is_its_own_error);
    tcase_add_test(errors, the_statement_timeout);
    tcase_add_test(errors, notices_stay_off_stderr);

    TCase *callbacks = add_case(suite, "callbacks");
    tcase_add_test(callbacks, forgotten_while_it_waits);
    tcase_add_test(callbacks, forgotten_in_flight_and_used_again);
    tcase_add_test(callbacks, forgotten_by_a_neighbours_callback);
    tcase_add_test(callbacks, submitted_again_by_its_callback);
    tcase_add_test(callbacks, a_result_taken_over);
    tcase_add_test(callbacks, freed_by_a_callback);
    tcase_add_test(callbacks, freed_with_statements_everywhere);
}

static void add_link_cases(Suite *suite) {
    TCase *losses = add_case(suite, "losses");
    tcase_add_test(losses, lost_with_statements_in_flight);
    tcase_add_test(losses, lost_while_idle);
    tcase_add_test(losses, cut_in_mid_result);
    tcase_add_test(losses, links_lost_as_soon_as_they_are_up);
    tcase_add_test(losses, stalled_server);
    tcase_add_test(losses, slow_but_not_stalled);

    TCase *attempts = add_case(suite, "attempts");
    tcase_add_test(attempts, closed_port);
    tcase_add_test(attempts, server_that_never_answers);
    tcase_add_test(attempts, freed_while_it_connects);
    tcase_add_test(attempts, second_host_where_the_first_one_drops_everything);
    tcase_add_test(attempts, second_host_where_the_first_one_refuses);
    tcase_add_test(attempts, name_that_does_not_resolve);
    tcase_add_test(attempts, wrong_password);
    tcase_add_test(attempts, too_many_connections);
    tcase_add_test(attempts, set_up_that_fails);
    tcase_add_test(attempts, options_out_of_bounds);
}

static void add_server_cases(Suite *suite) {
    TCase *settings = add_case(suite, "settings");
    tcase_add_test(settings, settings_of_a_link);
    tcase_add_test(settings, each_statement_of_a_batch_has_its_own_snapshot);
    tcase_add_test(settings, without_prepared_statements);

    TCase *positions = add_case(suite, "positions");
    tcase_add_test(positions, positions_of_a_primary);
    tcase_add_test(positions, the_position_is_read_before_the_read);
    tcase_add_test(positions, reads_at_a_position_among_errors);
    tcase_add_test(positions, a_replica_that_is_none);
    tcase_add_test(positions, a_primary_that_is_in_recovery);

    TCase *identities = add_case(suite, "identities");
    tcase_add_test(identities, identity_of_a_primary_and_its_standby);
    tcase_add_test(identities, positions_of_another_system);
    tcase_add_test(identities, role_that_may_not_see_the_identity);
    tcase_add_test(identities, promotion_under_links_that_stay_up);

    TCase *restarts = add_case(suite, "restarts");
    tcase_add_test(restarts, killed_in_mid_result);
    tcase_add_test(restarts, server_stopped_and_started_again);
}

static void *end_at_once(void *argument) {
    return argument;
}

int main(void) {
    create_servers();
    /* A sanitizer starts a thread of its own with the first one, and it would be counted. */
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_at_once, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    Suite *suite = suite_create("pg_server");
    add_statement_cases(suite);
    add_link_cases(suite);
    add_server_cases(suite);
    SRunner *runner = srunner_create(suite);
    /* One process for all: a forked test would not be the parent of the servers that it starts. */
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    throwaway_remove_all((struct throwaway_server *const[]){&stranger, &standby, &primary, NULL});
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
