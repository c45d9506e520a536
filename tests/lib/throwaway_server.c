/*
 * throwaway_server.c - see throwaway_server.h.
 */
#include "throwaway_server.h"

#include "free_port.h"
#include "installed_postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const long WAIT_MS = 20000;
static const long STEP_MS = 5;

/* One directory for the program, which is removed at its end. */
static char directory[80];
static char last_answer[1024];

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void pause_a_step(void) {
    struct timespec step = {0, STEP_MS * 1000000};
    nanosleep(&step, NULL);
}

/* ---- programs ---- */

static struct passwd *other_account(void) {
    return geteuid() == 0 ? getpwnam("postgres") : NULL;
}

/* In the child: a server ends at once when the program does. */
static void become_server(void) {
    struct passwd *account = other_account();
    if (account != NULL && (initgroups(account->pw_name, account->pw_gid) != 0 ||
                            setgid(account->pw_gid) != 0 || setuid(account->pw_uid) != 0)) {
        _exit(126);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(077);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
}

#define MAX_ARGUMENTS 16u

static pid_t run(const char *log_name, const char *const *arguments) {
    char program[128], log_path[160];
    installed_postgres_program(program, sizeof(program), arguments[0]);
    snprintf(log_path, sizeof(log_path), "%s/%s.log", throwaway_directory(), log_name);
    pid_t child = fork();
    if (child < 0) {
        give_up("fork: %s", strerror(errno));
    }
    if (child == 0) {
        become_server();
        int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (chdir(directory) == 0 && log >= 0 && null >= 0 && dup2(null, 0) == 0 &&
            dup2(log, 1) == 1 && dup2(log, 2) == 2) {
            closefrom(3);
            /* By its whole path: PostgreSQL's programs find each other by the path of the caller.
             */
            const char *called[MAX_ARGUMENTS] = {program};
            for (size_t i = 1; i + 1 < MAX_ARGUMENTS && arguments[i] != NULL; i++) {
                called[i] = arguments[i];
            }
            execv(program, (char *const *)(uintptr_t)called);
        }
        _exit(127);
    }
    return child;
}

static void run_to_end(const char *log_name, const char *const *arguments) {
    pid_t child = run(log_name, arguments);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        give_up("%s failed (status %d)", arguments[0], status);
    }
}

/* ---- directory ---- */

const char *throwaway_directory(void) {
    if (directory[0] == '\0') {
        installed_postgres_clear_environment();
        const char *parent = getenv("TMPDIR");
        snprintf(directory, sizeof(directory), "%.50s/read-policy-XXXXXX",
                 parent != NULL ? parent : "/tmp");
        if (mkdtemp(directory) == NULL) {
            give_up("mkdtemp %s: %s", directory, strerror(errno));
        }
        struct passwd *account = other_account();
        if (account != NULL && chown(directory, account->pw_uid, account->pw_gid) != 0) {
            give_up("chown %s: %s", directory, strerror(errno));
        }
    }
    return directory;
}

void throwaway_remove_all(struct throwaway_server *const *servers) {
    for (; *servers != NULL; servers++) {
        throwaway_stop(*servers, SIGQUIT);
    }
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (directory[0] != '\0' && system(command) != 0) {
        give_up("%s failed", command);
    }
    directory[0] = '\0';
}

/* ---- servers ---- */

static void data_path(const struct throwaway_server *server, char *path, size_t size,
                      const char *file) {
    snprintf(path, size, "%s/%s/%s", throwaway_directory(), server->name, file);
}

static void append(const struct throwaway_server *server, const char *file_name, const char *text) {
    char path[200];
    data_path(server, path, sizeof(path), file_name);
    FILE *file = fopen(path, "a");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        give_up("cannot write %s", path);
    }
    struct passwd *account = other_account();
    if (account != NULL && chown(path, account->pw_uid, account->pw_gid) != 0) {
        give_up("chown %s: %s", path, strerror(errno));
    }
}

static void begin(struct throwaway_server *server, const char *name) {
    *server = (struct throwaway_server){.port = free_port()};
    snprintf(server->name, sizeof(server->name), "%s", name);
}

static void set_port(const struct throwaway_server *server) {
    char text[64];
    snprintf(text, sizeof(text), "port = %u\n", server->port);
    append(server, "postgresql.conf", text);
}

void throwaway_create(struct throwaway_server *server, const char *name, const char *settings,
                      const char *access_lines) {
    begin(server, name);
    const char *const arguments[] = {"initdb",
                                     "--no-sync",
                                     "--auth=trust",
                                     "--username=postgres",
                                     "--encoding=UTF8",
                                     "--locale=C.UTF-8",
                                     "--pgdata",
                                     name,
                                     NULL};
    run_to_end("initdb", arguments);
    append(server, "postgresql.conf",
           "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n"
           "autovacuum = off\nshared_buffers = 16MB\nwal_retrieve_retry_interval = 100ms\n"
           "max_connections = 40\nlog_error_verbosity = terse\n"
           "password_encryption = 'scram-sha-256'\n");
    append(server, "postgresql.conf", settings);
    set_port(server);
    if (access_lines[0] != '\0') { /* the first line that matches counts */
        char path[200];
        data_path(server, path, sizeof(path), "pg_hba.conf");
        if (unlink(path) != 0) {
            give_up("cannot remove %s", path);
        }
        append(server, "pg_hba.conf", access_lines);
        append(server, "pg_hba.conf",
               "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n");
    }
}

void throwaway_create_standby(struct throwaway_server *server, const char *name,
                              const struct throwaway_server *primary) {
    begin(server, name);
    char conninfo[128];
    throwaway_conninfo(primary, conninfo, sizeof(conninfo), "");
    const char *const arguments[] = {"pg_basebackup",
                                     "--no-sync",
                                     "--checkpoint=fast",
                                     "--wal-method=stream",
                                     "--no-manifest",
                                     "--pgdata",
                                     name,
                                     "--dbname",
                                     conninfo,
                                     NULL};
    run_to_end("pg_basebackup", arguments);
    set_port(server);
    /* A newer pg_basebackup would write keywords that an older server does not know. */
    char text[192];
    snprintf(text, sizeof(text), "primary_conninfo = '%s'\n", conninfo);
    append(server, "postgresql.auto.conf", text);
    append(server, "standby.signal", "");
}

void throwaway_start(struct throwaway_server *server) {
    const char *const arguments[] = {"postgres", "-D", server->name, NULL};
    server->process = run(server->name, arguments);
    char conninfo[128];
    throwaway_conninfo(server, conninfo, sizeof(conninfo), "");
    for (long waited = 0; PQping(conninfo) != PQPING_OK; waited += STEP_MS) {
        if (waited > WAIT_MS || waitpid(server->process, NULL, WNOHANG) != 0) {
            give_up("server %s did not start; see its log in %s", server->name, directory);
        }
        pause_a_step();
    }
}

void throwaway_stop(struct throwaway_server *server, int signal_number) {
    PQfinish(server->admin);
    server->admin = NULL;
    if (server->process == 0) {
        return;
    }
    kill(server->process, signal_number);
    while (waitpid(server->process, NULL, 0) < 0 && errno == EINTR) {
    }
    server->process = 0;
}

void throwaway_conninfo(const struct throwaway_server *server, char *text, size_t size,
                        const char *more) {
    snprintf(text, size, "host=127.0.0.1 port=%u dbname=postgres user=postgres %s", server->port,
             more);
}

const char *throwaway_execute(struct throwaway_server *server, const char *sql) {
    if (server->admin == NULL || PQstatus(server->admin) != CONNECTION_OK) {
        char conninfo[200];
        throwaway_conninfo(server, conninfo, sizeof(conninfo),
                           "application_name=admin options=-cclient_min_messages=error");
        PQfinish(server->admin);
        server->admin = PQconnectdb(conninfo);
    }
    PGresult *result = PQexec(server->admin, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        give_up("%s: %s: %s", server->name, sql, PQerrorMessage(server->admin));
    }
    snprintf(last_answer, sizeof(last_answer), "%s",
             PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return last_answer;
}

void throwaway_await(struct throwaway_server *server, const char *sql, const char *wanted) {
    for (long waited = 0; strcmp(throwaway_execute(server, sql), wanted) != 0; waited += STEP_MS) {
        if (waited > WAIT_MS) {
            give_up("gave up waiting for '%s' to be %s; it is %s", sql, wanted, last_answer);
        }
        pause_a_step();
    }
}

int throwaway_major(struct throwaway_server *server) {
    return atoi(throwaway_execute(server, "SHOW server_version_num")) / 10000;
}

void throwaway_pause_replay(struct throwaway_server *standby) {
    throwaway_execute(standby, "SELECT pg_wal_replay_pause()");
    /* Until 13 no server tells that it has come to the pause; it may be at a last record. */
    if (throwaway_major(standby) >= 14) {
        throwaway_await(standby, "SELECT pg_get_wal_replay_pause_state()", "paused");
    }
}

void throwaway_catch_up(struct throwaway_server *primary, struct throwaway_server *standby) {
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT pg_last_wal_replay_lsn() >= '%.40s'",
             throwaway_execute(primary, "SELECT pg_current_wal_flush_lsn()"));
    throwaway_await(standby, sql, "t");
}
