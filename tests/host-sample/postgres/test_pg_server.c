/*
 * test_pg_server.c - links, statements and failures of host-sample/postgres/server.h, on real
 * servers.
 *
 * A primary with a standby, and a server of another cluster, which some tests stop.
 */
#include "host-sample/postgres/server.h"
#include "tests/lib/free_port.h"
#include "tests/lib/pg_rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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

#define ALONE(statement_name, text, count)                                                         \
    {.name = statement_name, .sql = text, .parameter_count = count}

static const struct pg_prepared prepared[STATEMENTS] = {
    [NUMBER] = ALONE("number", "SELECT ($1::int4)::text", 1),
    [DIVISION] = ALONE("division", "SELECT (100 / $1::int4)::text", 1),
    [SLEEP] = ALONE("sleep", "SELECT pg_sleep($1::float8)::text", 1),
    [COUNT] = ALONE("count", "SELECT count(*)::text FROM t", 0),
    [WHO] = ALONE("who", "SELECT pg_backend_pid()::text", 0),
    [SETTING] = ALONE("setting", "SELECT current_setting($1)", 1),
    [LENGTH] = ALONE("length", "SELECT length($1)::text", 1),
    [ECHO] = ALONE("echo", "SELECT $1::text", 1),
    [SLOW_ROWS] =
        ALONE("slow_rows",
              "SELECT repeat('x', 100000), pg_sleep(0.01) FROM generate_series(1, $1::int4)", 1),
    [NOISY] = ALONE("noisy", "SELECT noisy()::text", 0),
    [RESUMED] = ALONE("resumed",
                      "SELECT pg_wal_replay_resume()::text, pg_sleep(0.5), pg_last_wal_replay_lsn()"
                      " - '0/0'",
                      0),
};

static void begin(void) {
    rig_begin(prepared, STATEMENTS, (struct throwaway_server *const[]){&primary, &standby, NULL});
}

/* ---- batches ---- */

START_TEST(one_sync_for_each_link_and_turn) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call calls[64];
    const uint64_t before = rig_counters(server).batches;
    rig_submit_numbers(server, calls, 64, PG_READ, NUMBER);
    rig_flush();
    ck_assert_uint_eq(rig_counters(server).batches, before + 2);
    ck_assert_uint_eq(rig_counters(server).in_flight, 64);
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    rig_assert_numbers(calls, 64);
    for (unsigned i = 0; i < 8; i++) { /* so few stay together */
        rig_submit(server, &calls[i], NUMBER, "1");
    }
    rig_flush();
    ck_assert_uint_eq(rig_counters(server).batches, before + 3);
    RIG_UNTIL(rig_counters(server).in_flight == 0);
    ck_assert_uint_eq(rig_counters(server).statements, 72);
    ck_assert_uint_eq(rig_counters(server).reads, 72);
    ck_assert_uint_eq(rig_counters(server).failures, 0);
    ck_assert_uint_eq(rig_counters(server).resends, 0);
}
END_TEST

START_TEST(more_than_the_links_can_hold) {
    struct pg_server *server = rig_up(&primary, 1);
    enum { MANY = 1000 };
    struct rig_call *calls = calloc(MANY, sizeof(*calls));
    rig_submit_all(server, calls, MANY, NUMBER, "7");
    uint64_t most = 0;
    RIG_UNTIL((most = rig_counters(server).in_flight > most ? rig_counters(server).in_flight : most,
               calls[MANY - 1].answers == 1));
    ck_assert_uint_gt(most, 200);
    ck_assert_uint_le(most, 256);
    rig_assert_all_rows(calls, MANY, "7");
    free(calls);
}
END_TEST

START_TEST(large_parameters_and_results_both_ways) {
    struct pg_server_options options = rig_options_to(&primary);
    options.statement_timeout_ms = RIG_PATIENCE_MS; /* 160 MB take their time on a busy machine */
    struct pg_server *server = rig_add_up(&options);
    enum { MANY = 8, LARGE = 4000000, HUGE_ONE = 64000000 }; /* more than any socket's buffer */
    char *huge = malloc(HUGE_ONE + 1);
    memset(huge, 'y', HUGE_ONE);
    huge[HUGE_ONE] = '\0';
    const char *values[] = {huge};
    const char *last_values[] = {huge + HUGE_ONE - LARGE};
    static struct rig_call calls[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        rig_submit(server, &calls[i], ECHO, "");
        calls[i].statement.values = last_values;
    }
    RIG_UNTIL(calls[MANY - 1].answers == 1);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_ROWS);
        ck_assert_str_eq(calls[i].value + 60, "yyy");
    }
    /* Here nothing comes back until all has gone out. */
    rig_submit(server, &calls[0], LENGTH, "");
    calls[0].statement.values = values;
    RIG_UNTIL(calls[0].answers == 1);
    rig_assert_rows(&calls[0], "64000000");
    free(huge);
}
END_TEST

/* ---- errors ---- */

START_TEST(an_error_aborts_nobody_for_good) {
    struct pg_server *server = rig_up(&primary, 1);
    rig_divide_nine_times(server, DIVISION);
    ck_assert_uint_eq(rig_counters(server).resends, 4);
    ck_assert_uint_eq(rig_counters(server).failures, 1);
    ck_assert_uint_eq(rig_counters(server).statements, 9);
}
END_TEST

START_TEST(a_flood_of_errors) {
    struct pg_server *server = rig_up(&primary, 1);
    enum { MANY = 200 };
    static struct rig_call calls[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        rig_submit(server, &calls[i], DIVISION, i % 10 == 9 ? "5" : "0");
    }
    RIG_UNTIL(calls[MANY - 1].answers == 1 && rig_counters(server).in_flight == 0);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 10 == 9) {
            rig_assert_rows(&calls[i], "20");
        } else {
            rig_assert_failed(&calls[i], "22012", "division by zero");
        }
    }
    ck_assert_uint_le(rig_counters(server).resends, 2 * MANY);
}
END_TEST

START_TEST(a_bad_parameter_is_its_own_error) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    rig_submit(server, &calls[0], NUMBER, "1");
    rig_submit(server, &calls[1], NUMBER, "one\ntwo");
    rig_submit(server, &calls[2], NUMBER, "2");
    RIG_UNTIL(calls[2].answers == 1);
    rig_assert_rows(&calls[0], "1");
    rig_assert_failed(&calls[1], "22P02", "invalid input syntax for type integer: \"one two\"");
    rig_assert_rows(&calls[2], "2");
}
END_TEST

START_TEST(the_statement_timeout) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    rig_submit(server, &calls[0], NUMBER, "1");
    rig_submit(server, &calls[1], SLEEP, "30");
    rig_submit(server, &calls[2], NUMBER, "2");
    RIG_UNTIL(calls[2].answers == 1);
    rig_assert_rows(&calls[0], "1");
    rig_assert_failed(&calls[1], "57014", "canceling statement due to statement timeout");
    rig_assert_rows(&calls[2], "2");
    ck_assert_uint_eq(rig_counters(server).connects, 1);
}
END_TEST

START_TEST(notices_stay_off_stderr) {
    FILE *capture = tmpfile();
    const int saved = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call call;
    rig_ask(server, &call, PG_READ, NOISY, "");
    dup2(saved, STDERR_FILENO);
    close(saved);
    fseek(capture, 0, SEEK_END);
    ck_assert_int_eq(ftell(capture), 0);
    fclose(capture);
    rig_assert_rows(&call, "1");
}
END_TEST

/* ---- forgetting, callbacks ---- */

START_TEST(forgotten_while_it_waits) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    rig_submit_all(server, calls, 3, NUMBER, "3");
    pg_statement_forget(&calls[1].statement);
    RIG_UNTIL(calls[2].answers == 1);
    ck_assert_uint_eq(calls[1].answers, 0);
    ck_assert_uint_eq(rig_counters(server).statements, 2);
    rig_ask(server, &calls[1], PG_READ, NUMBER, "4");
    rig_assert_rows(&calls[1], "4");
}
END_TEST

START_TEST(forgotten_in_flight_and_used_again) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    for (unsigned i = 0; i < 3; i++) {
        rig_submit(server, &calls[i], DIVISION, i == 0 ? "0" : "5");
    }
    rig_flush();
    pg_statement_forget(&calls[0].statement); /* failed */
    pg_statement_forget(&calls[1].statement); /* aborted: must not be sent again */
    rig_submit(server, &calls[1], DIVISION, "50");
    RIG_UNTIL(rig_counters(server).in_flight == 0 && calls[1].answers == 1);
    ck_assert_uint_eq(calls[0].answers, 0);
    rig_assert_rows(&calls[1], "2");
    rig_assert_rows(&calls[2], "20");
    ck_assert_uint_eq(rig_counters(server).resends, 1);
}
END_TEST

START_TEST(forgotten_by_a_neighbours_callback) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[3];
    static struct rig_call *const next[] = {&calls[1], NULL};
    calls[0].then = rig_forget_listed;
    calls[0].context = (void *)(uintptr_t)next;
    rig_submit_all(server, calls, 3, NUMBER, "6");
    RIG_UNTIL(calls[2].answers == 1);
    rig_assert_rows(&calls[0], "6");
    ck_assert_uint_eq(calls[1].answers, 0);
    ck_assert(!pg_statement_is_submitted(&calls[1].statement));
}
END_TEST

static void go_on_until_ten(struct rig_call *call) {
    unsigned *rounds = call->context;
    (*rounds)++;
    ck_assert(!pg_server_flush(rig.servers[0])); /* within a callback it does nothing */
    if (*rounds < 10) {
        rig_submit(rig.servers[0], call, NUMBER, "8");
    }
}

START_TEST(submitted_again_by_its_callback) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call call;
    static unsigned rounds;
    call.then = go_on_until_ten;
    call.context = &rounds;
    rig_submit(server, &call, NUMBER, "8");
    RIG_UNTIL(rounds == 10);
    ck_assert_uint_eq(rig_counters(server).statements, 10);
}
END_TEST

START_TEST(freed_by_a_callback) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call calls[20];
    calls[2].then = rig_free_first_server;
    for (unsigned i = 0; i < 20; i++) {
        rig_submit(server, &calls[i], i < 8 ? NUMBER : SLEEP, "1");
    }
    RIG_UNTIL(rig.servers[0] == NULL);
    rig_assert_gone(calls, 3, 20);
}
END_TEST

START_TEST(freed_with_statements_everywhere) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[4];
    rig_submit(server, &calls[0], SLEEP, "1");
    rig_submit(server, &calls[1], SLEEP, "1");
    rig_flush();
    rig_submit(server, &calls[2], SLEEP, "1");
    pg_server_free(server);
    rig.servers[0] = NULL;
    rig_assert_gone(calls, 0, 3);
}
END_TEST

/* ---- links that are lost ---- */

/* No less: the statements before a sleep have been run then. */
static const char asleep[] = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name ="
                             " 'snapshot-host' AND wait_event = 'PgSleep'";

/* Long enough up for a link to be tried again at once when it is lost. */
static void become_good(void) {
    rig_run_for(1100);
}

START_TEST(lost_with_statements_in_flight) {
    struct pg_server *server = rig_up(&primary, 1);
    become_good();
    static struct rig_call calls[10];
    rig_submit_all(server, calls, 10, SLEEP, "1");
    rig_flush();
    throwaway_await(&primary, asleep, "1");
    throwaway_execute(&primary, rig_terminate_all);
    RIG_UNTIL(calls[9].answers == 1);
    rig_assert_all_failed(calls, 10, "", "terminating connection due to administrator command");
    ck_assert_uint_eq(rig_counters(server).in_flight, 0);
    /* The first attempt after the loss is under way: the statement waits for it. */
    ck_assert(!pg_server_is_up(server));
    rig_ask(server, &calls[0], PG_READ, NUMBER, "1");
    rig_assert_rows(&calls[0], "1");
    ck_assert_uint_eq(rig_counters(server).connects, 2);
    ck_assert_uint_eq(rig_counters(server).connect_failures, 0);
    ck_assert_uint_eq(rig_logged("warn primary link lost: terminating connection"), 1);
}
END_TEST

START_TEST(lost_while_idle) {
    struct pg_server *server = rig_up(&primary, 2);
    static struct rig_call call;
    rig_ask(server, &call, PG_READ, DIVISION,
            "0"); /* an old error must not be taken for the reason */
    throwaway_execute(&primary, rig_terminate_all);
    RIG_UNTIL(rig_counters(server).connects == 4);
    ck_assert_uint_eq(rig_logged("link lost: terminating connection due to administrator command"),
                      2);
    rig_ask(server, &call, PG_READ, NUMBER, "1");
    rig_assert_rows(&call, "1");
}
END_TEST

START_TEST(cut_in_mid_result) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    rig_submit(server, &calls[0], SLOW_ROWS, "100");
    rig_submit(server, &calls[1], NUMBER, "1");
    rig_run_for(300); /* some rows have come */
    throwaway_execute(&primary, rig_terminate_all);
    RIG_UNTIL(calls[1].answers == 1);
    rig_assert_failed(&calls[0], "", "terminating connection");
    ck_assert_int_eq(calls[0].rows, 0);
    rig_assert_failed(&calls[1], "", "terminating connection");
    RIG_UNTIL(pg_server_is_up(server));
    rig_ask(server, &calls[0], PG_READ, SLOW_ROWS, "20");
    ck_assert_int_eq(calls[0].rows, 20);
}
END_TEST

START_TEST(killed_in_mid_result) {
    struct pg_server *server = rig_up(&stranger, 1);
    static struct rig_call calls[2];
    rig_ask(server, &calls[0], PG_READ, DIVISION, "0");
    rig_ask(server, &calls[1], PG_READ, WHO, "");
    rig_submit(server, &calls[0], SLOW_ROWS, "100");
    rig_run_for(300);
    kill((pid_t)atoi(calls[1].value), SIGKILL); /* the whole server restarts after that */
    RIG_UNTIL(calls[0].answers == 1);
    rig_assert_failed(&calls[0], "", "server closed the connection unexpectedly");
    ck_assert_ptr_null(strstr(calls[0].error, "division"));
    RIG_UNTIL(pg_server_is_up(server));
    rig_ask(server, &calls[0], PG_READ, NUMBER, "1");
    rig_assert_rows(&calls[0], "1");
}
END_TEST

START_TEST(server_stopped_and_started_again) {
    struct pg_server *server = rig_up(&stranger, 2);
    become_good();
    static struct rig_call calls[10];
    rig_submit_all(server, calls, 10, SLEEP, "1");
    rig_flush();
    throwaway_stop(&stranger, SIGQUIT);
    RIG_UNTIL(calls[9].answers == 1);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_int_eq(calls[i].status, PG_REPLY_FAILED);
    }
    RIG_UNTIL(rig_counters(server).connect_failures >= 2);
    const uint64_t began = rig_now_ms();
    rig_ask(server, &calls[0], PG_READ, NUMBER, "1");
    rig_assert_failed(&calls[0], "", "no link to stranger (last error: connection to server at");
    ck_assert_uint_lt(rig_now_ms() - began, 500);
    throwaway_start(&stranger);
    throwaway_execute(&stranger, "SELECT 1");
    RIG_UNTIL(rig_counters(server).links_up == 2);
    rig_ask(server, &calls[0], PG_READ, NUMBER, "1");
    rig_assert_rows(&calls[0], "1");
}
END_TEST

START_TEST(links_lost_as_soon_as_they_are_up) {
    struct pg_server *server = rig_up(&primary, 1);
    for (uint64_t began = rig_now_ms(); rig_now_ms() - began < 2000;) {
        if (pg_server_is_up(server)) {
            throwaway_execute(&primary, rig_terminate_all);
        }
        rig_turn();
    }
    /* At once would be hundreds; 50 ms, doubled from time to time, make five or six, ten jittered.
     */
    ck_assert_uint_ge(rig_counters(server).connects, 3);
    ck_assert_uint_le(rig_counters(server).connects, 10);
}
END_TEST

START_TEST(stalled_server) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call calls[2];
    rig_ask(server, &calls[0], PG_READ, WHO, "");
    const pid_t process = (pid_t)atoi(calls[0].value);
    kill(process, SIGSTOP);
    const uint64_t began = rig_now_ms();
    rig_submit(server, &calls[0], NUMBER, "1");
    rig_submit(server, &calls[1], NUMBER, "2");
    RIG_UNTIL(calls[1].answers == 1);
    kill(process, SIGCONT);
    const uint64_t took = rig_now_ms() - began;
    rig_assert_failed(&calls[0], "", "no answer in time");
    rig_assert_failed(&calls[1], "", "no answer in time");
    ck_assert_uint_ge(took, RIG_STATEMENT_TIMEOUT_MS + 900);
    ck_assert_uint_le(took, RIG_STATEMENT_TIMEOUT_MS + 3000);
    rig_ask(server, &calls[0], PG_READ, NUMBER, "1");
    rig_assert_rows(&calls[0], "1");
}
END_TEST

START_TEST(slow_but_not_stalled) {
    struct pg_server *server = rig_up(&primary, 1);
    static struct rig_call
        calls[4]; /* four batches, together longer than the time for one answer */
    for (unsigned i = 0; i < 4; i++) {
        rig_submit(server, &calls[i], SLEEP, "1.2");
        rig_flush();
    }
    RIG_UNTIL(calls[3].answers == 1);
    rig_assert_all_rows(calls, 4, "");
    ck_assert_uint_eq(rig_counters(server).connects, 1);
}
END_TEST

/* ---- attempts that fail ---- */

/* One link to that conninfo; the statement's error, and how long it took. */
static uint64_t refused(const char *conninfo, struct rig_call *call) {
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add(&options);
    const uint64_t began = rig_now_ms();
    rig_ask(server, call, PG_READ, NUMBER, "1");
    const uint64_t took = rig_now_ms() - began;
    RIG_UNTIL(rig.tried == 1);
    ck_assert(!pg_server_is_up(server));
    ck_assert_uint_ge(rig_counters(server).connect_failures, 1);
    ck_assert_ptr_nonnull(strstr(call->error, pg_server_last_error(server)));
    return took;
}

START_TEST(closed_port) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres", free_port());
    static struct rig_call call;
    ck_assert_uint_lt(refused(conninfo, &call), 1000);
    rig_assert_failed(&call, "", "no link to replica (last error: connection to server at");
    ck_assert_ptr_nonnull(strstr(call.error, "Connection refused"));
    rig_run_for(1500);
    const uint64_t failures = rig_counters(rig.servers[0]).connect_failures;
    ck_assert_uint_ge(failures, 3); /* 50, 100, 200, 400 and 800 ms, halved at most */
    ck_assert_uint_le(failures, 8);
    ck_assert_uint_eq(rig_logged("warn replica no link:"), 1);
    ck_assert_uint_eq(rig.log_count, 1);
}
END_TEST

/* A socket on which only the kernel accepts connections, and nothing ever answers. */
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
    const uint16_t port = free_port();
    const int listener = silent_listener("127.0.0.1", port, 16);
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres", port);
    static struct rig_call call;
    const uint64_t took = refused(conninfo, &call);
    rig_assert_failed(&call, "", "not established within 2000 ms");
    ck_assert_uint_ge(took, 1900);
    ck_assert_uint_le(took, 2900);
    rig_run_for(200); /* the next attempt is under way: no statement waits for it */
    const uint64_t began = rig_now_ms();
    rig_ask(rig.servers[0], &call, PG_READ, NUMBER, "1");
    ck_assert_uint_lt(rig_now_ms() - began, 500);
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
    close(listener);
}
END_TEST

START_TEST(freed_while_it_connects) {
    const uint16_t port = free_port();
    const int listener = silent_listener("127.0.0.1", port, 64);
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u user=postgres", port);
    struct pg_server_options options = rig_options(conninfo);
    options.links = 16;
    struct pg_server *server = rig_add(&options);
    rig_run_for(50);
    const uint64_t began = rig_now_ms();
    pg_server_free(server);
    ck_assert_uint_lt(rig_now_ms() - began, 1000);
    rig.servers[0] = NULL;
    close(listener);
}
END_TEST

/* Each address has connect_timeout of its own, and the next attempt begins behind one that hung. */
START_TEST(second_host_where_the_first_one_hangs) {
    const uint16_t port = free_port();
    const bool drops = _i == 0;
    /* A full queue of connections: the kernel silently drops the next one. */
    const int listener = silent_listener("127.0.0.2", port, drops ? 0 : 16);
    int fillers[4];
    for (unsigned i = 0; i < 4; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
        inet_pton(AF_INET, "127.0.0.2", &name.sin_addr);
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&name, drops ? sizeof(name) : 0);
    }
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.2,127.0.0.1 port=%u,%u dbname=postgres user=postgres connect_timeout=1",
             port, primary.port);
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add(&options);
    uint64_t began = rig_now_ms();
    RIG_UNTIL(pg_server_is_up(server));
    ck_assert_uint_ge(rig_now_ms() - began, 900);
    ck_assert_uint_le(rig_now_ms() - began, 1900);
    ck_assert_uint_eq(rig_counters(server).connect_failures, 0);
    began = rig_now_ms();
    pg_server_redial(server);
    RIG_UNTIL(pg_server_is_up(server));
    ck_assert_uint_le(rig_now_ms() - began, 900);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(listener);
}
END_TEST

/* Of a name with several addresses each is tried; here most often ::1, where nobody listens. */
START_TEST(a_name) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo), "host=localhost port=%u dbname=postgres user=postgres%s",
             primary.port, _i == 0 ? "" : " target_session_attrs=prefer-standby");
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add_up(&options);
    ck_assert_uint_eq(rig_counters(server).connect_failures, 0);
}
END_TEST

/* libpq prefers, and then takes what there is; that is of all hosts, not of each. */
START_TEST(a_standby_is_preferred) {
    char conninfo[200];
    static struct rig_call call;
    for (int i = 0; i < 2; i++) {
        snprintf(conninfo, sizeof(conninfo),
                 "host=127.0.0.1,127.0.0.1 port=%u,%u dbname=postgres user=postgres"
                 " target_session_attrs=%s",
                 primary.port, standby.port, i == 0 ? "prefer-standby" : "any");
        struct pg_server_options options = rig_options(conninfo);
        struct pg_server *server = rig_add(&options);
        rig_ask(server, &call, PG_READ, SETTING, "port");
        ck_assert_int_eq(atoi(call.value), i == 0 ? standby.port : primary.port);
    }
}
END_TEST

START_TEST(lists_of_hosts_that_do_not_match) {
    static struct rig_call call;
    refused("host=127.0.0.1,127.0.0.1 port=1,2,3 user=postgres", &call);
    rig_assert_failed(&call, "", "could not match 3 port numbers to 2 hosts");
}
END_TEST

/* libpq would say so on stderr, at every attempt. */
START_TEST(a_password_file_that_is_too_open) {
    char path[200], conninfo[400];
    snprintf(path, sizeof(path), "%s/passwords", throwaway_directory());
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "*:*:*:*:right-one\n");
    fclose(file);
    chmod(path, 0644);
    const int saved = dup(STDERR_FILENO);
    FILE *caught = tmpfile();
    dup2(fileno(caught), STDERR_FILENO);
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=%s passfile=%s", primary.port,
             _i == 0 ? "locked" : "postgres", path);
    struct pg_server_options options = rig_options(conninfo);
    options.links = 3;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(rig.tried == 1);
    ck_assert(pg_server_is_up(server) == (_i == 1));
    if (_i == 0) {
        static struct rig_call call;
        rig_ask(server, &call, PG_READ, NUMBER, "1");
        rig_assert_failed(&call, "", "is open to group or others");
        chmod(path, 0600);
        RIG_UNTIL(rig_counters(server).links_up == 3);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    fseek(caught, 0, SEEK_END);
    ck_assert_int_eq(ftell(caught), 0);
    fclose(caught);
}
END_TEST

START_TEST(second_host_where_the_first_one_refuses) {
    char conninfo[128];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1,127.0.0.1 port=%u,%u dbname=postgres user=postgres", free_port(),
             primary.port);
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add_up(&options);
    ck_assert_uint_eq(rig_counters(server).connect_failures, 0);
}
END_TEST

START_TEST(name_that_does_not_resolve) {
    static struct rig_call call;
    refused("host=no-such-host.invalid user=postgres", &call);
    rig_assert_failed(&call, "", "could not translate host name");
}
END_TEST

START_TEST(wrong_password) {
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=locked password=wrong-one", primary.port);
    static struct rig_call call;
    refused(conninfo, &call);
    rig_assert_failed(&call, "", "password authentication failed for user \"locked\"");
    ck_assert_uint_eq(rig_logged("wrong-one"), 0);
    pg_server_free(rig.servers[0]);
    rig.servers[0] = NULL;
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=locked password=right-one", primary.port);
    struct pg_server_options options = rig_options(conninfo);
    rig_add_up(&options);
}
END_TEST

START_TEST(too_many_connections) {
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u dbname=postgres user=lonely",
             primary.port);
    struct pg_server_options options = rig_options(conninfo);
    options.links = 2;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(pg_server_is_up(server) &&
              rig_logged("too many connections for role \"lonely\"") >= 1);
    ck_assert_uint_eq(rig.tried, 1);
    ck_assert_uint_eq(rig_counters(server).links_up, 1);
    static struct rig_call calls[20]; /* one link serves them all */
    rig_submit_all(server, calls, 20, NUMBER, "1");
    RIG_UNTIL(calls[19].answers == 1);
    rig_assert_all_rows(calls, 20, "1");
}
END_TEST

START_TEST(set_up_that_fails) {
    static const struct pg_prepared missing[] = {ALONE("good", "SELECT 1", 0),
                                                 ALONE("bad", "SELECT * FROM no_such_table", 0)};
    struct pg_server_options options = rig_options_to(&primary);
    options.prepared = missing;
    options.prepared_count = 2;
    struct pg_server *server = rig_add(&options);
    static struct rig_call call;
    rig_ask(server, &call, PG_READ, 0, "");
    rig_assert_failed(&call, "",
                      "no link to replica (last error: relation \"no_such_table\" does not");
    ck_assert_uint_eq(rig_counters(server).connects, 0);
    throwaway_execute(&primary, "CREATE TABLE no_such_table ()");
    RIG_UNTIL(pg_server_is_up(server));
    throwaway_execute(&primary, "DROP TABLE no_such_table");
}
END_TEST

/* libpq has the same result for a copy over and over, until the copy has been read. */
START_TEST(a_copy_that_nobody_asked_for) {
    static const char *const settings[] = {"COPY (SELECT 1) TO STDOUT"};
    struct pg_server_options options = rig_options_to(&primary);
    options.settings = settings;
    options.setting_count = 1;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(rig_counters(server).connect_failures > 0);
    ck_assert_str_eq(pg_server_last_error(server),
                     "the server began to copy, which nobody asked for");
}
END_TEST

/* Overrides the C library's: lets it fail as it does when the user watches as much as he may. */
static unsigned watches_granted; /* before it fails */
static unsigned watches_refused;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    const bool counts = watches_refused > 0 && operation == EPOLL_CTL_ADD;
    if (counts && watches_granted > 0) {
        watches_granted--;
    } else if (counts) {
        watches_refused--;
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void ignore_message(int severity, const char *message) {
    (void)severity;
    (void)message;
}

/* First the end of the attempt; in the second round the connection itself. */
START_TEST(a_link_that_cannot_be_watched) {
    struct pg_server_options options = rig_options_to(&primary);
    event_set_log_callback(ignore_message);
    watches_granted = (unsigned)_i;
    watches_refused = 1;
    struct pg_server *server = rig_add(&options);
    RIG_UNTIL(pg_server_is_up(server));
    ck_assert_uint_eq(watches_refused, 0);
    ck_assert_uint_eq(rig_counters(server).connect_failures, 1);
    ck_assert_uint_eq(rig_logged("no link: the link cannot be watched"), 1);
    event_set_log_callback(NULL);
}
END_TEST

START_TEST(options_out_of_bounds) {
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
        struct pg_server_options options = rig_options(cases[i].conninfo);
        options.links = cases[i].links;
        options.statement_timeout_ms = cases[i].statement_timeout_ms;
        options.connect_timeout_s = cases[i].connect_timeout_s;
        char err[256] = "";
        ck_assert_ptr_null(pg_server_new(rig.base, &rig.wake_ups, &options, err, sizeof(err)));
        ck_assert_msg(strstr(err, cases[i].error) != NULL, "%s", err);
        ck_assert_ptr_null(strstr(err, "cret"));
    }
    struct pg_server_options options = rig_options_to(&primary);
    options.setting_count = PG_SETTINGS_MAX + 1;
    char err[256] = "";
    ck_assert_ptr_null(pg_server_new(rig.base, &rig.wake_ups, &options, err, sizeof(err)));
    ck_assert_str_eq(err, "more than 16 settings");
}
END_TEST

/* ---- settings ---- */

START_TEST(settings_of_a_link) {
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo),
             "host=127.0.0.1 port=%u dbname=postgres user=repeatable client_encoding=LATIN1",
             primary.port);
    static const char *const settings[] = {"SET enable_bitmapscan = off",
                                           "SET plan_cache_mode = force_generic_plan"};
    struct pg_server_options options = rig_options(conninfo);
    options.settings = settings;
    options.setting_count = 2;
    struct pg_server *server = rig_add(&options);
    static const char *const expected[][2] = {{"default_transaction_isolation", "read committed"},
                                              {"transaction_isolation", "read committed"},
                                              {"statement_timeout", "2s"},
                                              {"idle_in_transaction_session_timeout", "2s"},
                                              {"enable_bitmapscan", "off"},
                                              {"plan_cache_mode", "force_generic_plan"},
                                              {"client_encoding", "UTF8"},
                                              {"application_name", "snapshot-host"}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        static struct rig_call call;
        call = (struct rig_call){0};
        rig_submit(server, &call, SETTING, "");
        call.values[0] = expected[i][0];
        RIG_UNTIL(call.answers == 1);
        rig_assert_rows(&call, expected[i][1]);
    }
}
END_TEST

static unsigned notifications_taken;

/* Overrides libpq's, to count. */
PGnotify *PQnotifies(PGconn *conn) {
    PGnotify *(*next)(PGconn *);
    void *symbol = dlsym(RTLD_NEXT, "PQnotifies");
    memcpy(&next, &symbol, sizeof next);
    PGnotify *notification = next(conn);
    notifications_taken += notification != NULL;
    return notification;
}

/* A pooler may have left the session so. Nothing of what it hears is kept. */
START_TEST(a_session_that_listens) {
    static const char *const settings[] = {"LISTEN news"};
    struct pg_server_options options = rig_options_to(&primary);
    options.settings = settings;
    options.setting_count = 1;
    (void)rig_add_up(&options);
    throwaway_execute(&primary, "NOTIFY news, 'one'");
    throwaway_execute(&primary, "NOTIFY news, 'two'");
    RIG_UNTIL(notifications_taken == 2);
}
END_TEST

START_TEST(each_statement_of_a_batch_has_its_own_snapshot) {
    char conninfo[200];
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%u dbname=postgres user=repeatable",
             primary.port);
    struct pg_server_options options = rig_options(conninfo);
    struct pg_server *server = rig_add_up(&options);
    throwaway_execute(&primary, "DELETE FROM t");
    static struct rig_call calls[3];
    rig_submit(server, &calls[0], COUNT, "");
    rig_submit(server, &calls[1], SLEEP, "0.5");
    rig_submit(server, &calls[2], COUNT, "");
    const uint64_t batches = rig_counters(server).batches;
    rig_flush();
    ck_assert_uint_eq(rig_counters(server).batches, batches + 1);
    throwaway_await(&primary, asleep, "1");
    throwaway_execute(&primary, "INSERT INTO t VALUES (1)");
    RIG_UNTIL(calls[2].answers == 1);
    rig_assert_rows(&calls[0], "0");
    rig_assert_rows(&calls[2], "1");
}
END_TEST

/* A question. */
static const char replayed[] = "SELECT pg_last_wal_replay_lsn() - '0/0'";

START_TEST(without_prepared_statements) {
    struct pg_server *server = rig_add_unprepared(&standby);
    static struct rig_call calls[4];
    rig_submit(server, &calls[0], DIVISION, "20");
    rig_submit(server, &calls[1], DIVISION, "0");
    calls[2].statement.question = calls[3].statement.question = replayed;
    rig_submit(server, &calls[2], DIVISION, "50");
    rig_submit_kind(server, &calls[3], PG_ASK, 0, "");
    RIG_UNTIL(calls[2].answers == 1 && calls[3].answers == 1);
    rig_assert_rows(&calls[0], "5");
    rig_assert_failed(&calls[1], "22012", "division by zero");
    rig_assert_rows(&calls[2], "2");
    ck_assert(calls[2].has_before);
    ck_assert(calls[3].has_before);
    throwaway_execute(&standby, "SELECT 1");
    ck_assert_str_eq(throwaway_execute(&standby, "SELECT count(*)::text FROM pg_stat_activity"
                                                 " WHERE query LIKE 'PREPARE%'"),
                     "0");
}
END_TEST

/* ---- questions before reads ---- */

START_TEST(the_question_is_answered_before_the_read) {
    throwaway_catch_up(&primary, &standby);
    struct pg_server *server = rig_up(&standby, 1);
    throwaway_pause_replay(&standby);
    char paused_at[64];
    snprintf(paused_at, sizeof(paused_at), "%s", throwaway_execute(&standby, replayed));
    throwaway_execute(&primary, "INSERT INTO t VALUES (4)");
    static struct rig_call calls[2];
    calls[0].statement.question = calls[1].statement.question = replayed;
    rig_ask(server, &calls[0], PG_ASK, 0, "");
    ck_assert_str_eq(calls[0].before, paused_at);
    /* The read itself resumes replay and waits: after it the position is a different one. */
    rig_ask(server, &calls[1], PG_READ, RESUMED, "");
    ck_assert_int_eq(calls[1].status, PG_REPLY_ROWS);
    ck_assert_str_eq(calls[1].before, paused_at);
    throwaway_catch_up(&primary, &standby);
    rig_ask(server, &calls[0], PG_READ, NUMBER, "5");
    rig_assert_rows(&calls[0], "5");
    ck_assert_str_ne(calls[0].before, paused_at);
    ck_assert_uint_eq(rig_counters(server).statements, 3);
    ck_assert_uint_eq(rig_counters(server).reads, 2);
}
END_TEST

static unsigned changes;

static void on_changed(void *context, struct pg_server *server) {
    (void)context;
    (void)server;
    changes++;
}

/* A promotion does not end connections. */
START_TEST(a_promotion_is_a_reason_to_ask) {
    static struct throwaway_server heir;
    throwaway_create_standby(&heir, "heir", &primary);
    throwaway_start(&heir);
    if (throwaway_major(&heir) < 14) {
        throwaway_stop(&heir, SIGQUIT);
        return; /* it says nothing unasked */
    }
    struct pg_server_options options = rig_options_to(&heir);
    options.changed = on_changed;
    struct pg_server *server = rig_add_up(&options);
    static struct rig_call call;
    rig_ask(server, &call, PG_READ, NUMBER, "1");
    const unsigned before = changes;
    throwaway_execute(&heir, "SELECT pg_promote()");
    RIG_UNTIL((rig_ask(server, &call, PG_READ, NUMBER, "1"), changes > before));
    rig_assert_rows(&call, "1");
    ck_assert_uint_eq(rig_counters(server).connects, 1);
    throwaway_stop(&heir, SIGQUIT);
}
END_TEST

/* ---- the program ---- */

static void create_servers(void) {
    throwaway_create(&primary, "primary", "", "host all locked 127.0.0.1/32 scram-sha-256\n");
    throwaway_start(&primary);
    throwaway_execute(&primary, "CREATE TABLE t (n int); GRANT ALL ON t TO public;"
                                "CREATE ROLE locked LOGIN PASSWORD 'right-one';"
                                "CREATE ROLE lonely LOGIN CONNECTION LIMIT 1;"
                                "CREATE ROLE repeatable LOGIN;"
                                "ALTER ROLE repeatable SET default_transaction_isolation ="
                                " 'repeatable read';"
                                "CREATE FUNCTION noisy() RETURNS int LANGUAGE plpgsql AS"
                                " 'BEGIN RAISE WARNING ''noise''; RETURN 1; END'");
    throwaway_create_standby(&standby, "standby", &primary);
    throwaway_start(&standby);
    throwaway_await(&standby, "SELECT count(*)::text FROM t", "0"); /* and stay connected */
    throwaway_create(&stranger, "stranger", "", "");
    throwaway_start(&stranger);
    throwaway_execute(&stranger, "CREATE TABLE t (n int);"
                                 "CREATE FUNCTION noisy() RETURNS int LANGUAGE sql AS 'SELECT 1'");
}

static void add_statement_cases(Suite *suite) {
    TCase *batches = rig_case(suite, "batches", begin);
    tcase_add_test(batches, one_sync_for_each_link_and_turn);
    tcase_add_test(batches, more_than_the_links_can_hold);
    tcase_add_test(batches, large_parameters_and_results_both_ways);

    TCase *errors = rig_case(suite, "errors", begin);
    tcase_add_test(errors, an_error_aborts_nobody_for_good);
    tcase_add_test(errors, a_flood_of_errors);
    tcase_add_test(errors, a_bad_parameter_is_its_own_error);
    tcase_add_test(errors, the_statement_timeout);
    tcase_add_test(errors, notices_stay_off_stderr);

    TCase *callbacks = rig_case(suite, "callbacks", begin);
    tcase_add_test(callbacks, forgotten_while_it_waits);
    tcase_add_test(callbacks, forgotten_in_flight_and_used_again);
    tcase_add_test(callbacks, forgotten_by_a_neighbours_callback);
    tcase_add_test(callbacks, submitted_again_by_its_callback);
    tcase_add_test(callbacks, freed_by_a_callback);
    tcase_add_test(callbacks, freed_with_statements_everywhere);
}

static void add_link_cases(Suite *suite) {
    TCase *losses = rig_case(suite, "losses", begin);
    tcase_add_test(losses, lost_with_statements_in_flight);
    tcase_add_test(losses, lost_while_idle);
    tcase_add_test(losses, cut_in_mid_result);
    tcase_add_test(losses, links_lost_as_soon_as_they_are_up);
    tcase_add_test(losses, stalled_server);
    tcase_add_test(losses, slow_but_not_stalled);

    TCase *attempts = rig_case(suite, "attempts", begin);
    tcase_add_test(attempts, closed_port);
    tcase_add_test(attempts, server_that_never_answers);
    tcase_add_test(attempts, freed_while_it_connects);
    tcase_add_loop_test(attempts, second_host_where_the_first_one_hangs, 0, 2);
    tcase_add_loop_test(attempts, a_name, 0, 2);
    tcase_add_test(attempts, a_standby_is_preferred);
    tcase_add_test(attempts, lists_of_hosts_that_do_not_match);
    tcase_add_loop_test(attempts, a_password_file_that_is_too_open, 0, 2);
    tcase_add_test(attempts, second_host_where_the_first_one_refuses);
    tcase_add_test(attempts, name_that_does_not_resolve);
    tcase_add_test(attempts, wrong_password);
    tcase_add_test(attempts, too_many_connections);
    tcase_add_test(attempts, set_up_that_fails);
    tcase_add_test(attempts, a_copy_that_nobody_asked_for);
    tcase_add_loop_test(attempts, a_link_that_cannot_be_watched, 0, 2);
    tcase_add_test(attempts, options_out_of_bounds);
}

static void add_server_cases(Suite *suite) {
    TCase *settings = rig_case(suite, "settings", begin);
    tcase_add_test(settings, settings_of_a_link);
    tcase_add_test(settings, a_session_that_listens);
    tcase_add_test(settings, each_statement_of_a_batch_has_its_own_snapshot);
    tcase_add_test(settings, without_prepared_statements);

    TCase *questions = rig_case(suite, "questions", begin);
    tcase_add_test(questions, the_question_is_answered_before_the_read);
    tcase_add_test(questions, a_promotion_is_a_reason_to_ask);

    TCase *restarts = rig_case(suite, "restarts", begin);
    tcase_add_test(restarts, killed_in_mid_result);
    tcase_add_test(restarts, server_stopped_and_started_again);
}

int main(void) {
    Suite *suite = suite_create("pg_server");
    add_statement_cases(suite);
    add_link_cases(suite);
    add_server_cases(suite);
    if (suite_is_wanted()) {
        create_servers();
    }
    const int status = rig_run(suite);
    throwaway_remove_all((struct throwaway_server *const[]){&stranger, &standby, &primary, NULL});
    return status;
}
