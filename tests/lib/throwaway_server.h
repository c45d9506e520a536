/*
 * throwaway_server.h - real PostgreSQL servers for one test program: started, stopped, removed.
 *
 * All of them live in one fresh directory under $TMPDIR or /tmp. root runs them as user postgres,
 * since they refuse to run as root. They die with the program, however it ends. $PG_MAJOR chooses
 * their version; no other PG* variable has any effect, because they are removed from the
 * environment when the directory is made. Anything that goes wrong ends the program with a message:
 * without a server there is nothing to test.
 */
#ifndef THROWAWAY_SERVER_H
#define THROWAWAY_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct throwaway_server {
    char name[32]; /* its directory's name */
    uint16_t port; /* on 127.0.0.1 */
    pid_t process; /* 0: not running */
    PGconn *admin; /* throwaway_execute's; NULL: not connected */
};

/* The directory, made on the first call. */
const char *throwaway_directory(void);

/* Stops every server given (NULL-terminated, those not running too) and removes the directory. */
void throwaway_remove_all(struct throwaway_server *const *servers);

/* initdb; user postgres with trust from 127.0.0.1. settings: lines for postgresql.conf. access:
 * lines to put before the others in pg_hba.conf. Does not start it. */
void throwaway_create(struct throwaway_server *server, const char *name, const char *settings,
                      const char *access);

/* A copy of a running server, made to follow it. Does not start it. */
void throwaway_create_standby(struct throwaway_server *server, const char *name,
                              const struct throwaway_server *primary);

/* Returns when it takes connections. */
void throwaway_start(struct throwaway_server *server);

/* SIGINT: fast, SIGQUIT: immediate. Returns when it has ended. */
void throwaway_stop(struct throwaway_server *server, int signal_number);

/* Writes a connection string, and `more` after it. */
void throwaway_conninfo(const struct throwaway_server *server, char *text, size_t size,
                        const char *more);

/* Runs SQL as user postgres on a connection that is kept; the first column of the first row, or "",
 * valid until the next call. */
const char *throwaway_execute(struct throwaway_server *server, const char *sql);

/* Repeated until the answer is `wanted`, for at most 20 s. */
void throwaway_await(struct throwaway_server *server, const char *sql, const char *wanted);

/* The major version. */
int throwaway_major(struct throwaway_server *server);

/* What the primary commits from then on the standby does not replay. */
void throwaway_pause_replay(struct throwaway_server *standby);

/* Returns when the standby has replayed all that the primary has written until now. */
void throwaway_catch_up(struct throwaway_server *primary, struct throwaway_server *standby);

#endif
