/*
 * connect.h - one attempt to connect to a PostgreSQL server, in a short-lived thread.
 *
 * Names are resolved, TLS and SCRAM are done in that thread, so the event loop never blocks on
 * them. The thread steps PQconnectPoll itself rather than calling PQconnectdbParams, for three
 * reasons: the server's notices of the connection phase (a collation version mismatch, say) would
 * be printed to stderr before we could stop them; connect_timeout would bound each address, not the
 * attempt; and an attempt could not be ended early, at the program's exit for instance.
 *
 * The thread and the caller each hold one reference; dropping the last one frees everything, so
 * neither waits for the other, and neither finds that the other has freed its memory or
 * descriptors.
 */
#ifndef PG_CONNECT_H
#define PG_CONNECT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_attempt;

/* Whether libpq can parse the string. If not: err (one line, no password in it). [thread-safe] */
bool pg_conninfo_is_valid(const char *conninfo, char *err, size_t err_length);

/* Whether libpq would not use the password file that the string leads to, and complain about it on
 * stderr: why, in one line. An attempt does without it then, and its error says so. */
bool pg_conninfo_password_file_is_refused(const char *conninfo, char *why, size_t why_length);

/* Which of a conninfo's addresses an attempt begins with. All zero: the first one. */
struct pg_start {
    uint32_t host;    /* of the conninfo's list */
    uint32_t address; /* of its */
};

/* Starts an attempt, which tries each address of each host once. Sets what the string does not set:
 * keep-alives and tcp_user_timeout (unless the string names a service, whose file may set them,
 * which we cannot see), application_name (a fallback; must outlive all attempts; NULL: none); and
 * always client_encoding. Each address may take the connect_timeout that the string, its service or
 * the environment gives, or else timeout_s; the look-up of a name, which cannot be interrupted, may
 * take longer. NULL and err: no memory, descriptor or thread. */
struct pg_attempt *pg_attempt_start(const char *conninfo, const char *application_name,
                                    uint32_t timeout_s, struct pg_start from, char *err,
                                    size_t err_length);

/* Readable once the attempt has ended; the attempt's own, valid until it is taken or released. */
int pg_attempt_descriptor(const struct pg_attempt *attempt);

/* After the descriptor became readable: hands over the connection, CONNECTION_OK, blocking, its
 * notices dropped, and in err what the server warned of meanwhile ("": nothing); or NULL and err,
 * why (one line). next: where the next attempt is to begin, behind an address that hung. What is
 * left of the attempt is to be released, best a little later: its thread is about to end. */
PGconn *pg_attempt_take(struct pg_attempt *attempt, struct pg_start *next, char *err,
                        size_t err_length);

/* Asks the thread to give up; it does so at once, unless it is looking up a name. */
void pg_attempt_cancel(struct pg_attempt *attempt);

/* Drops the caller's reference; a connection that comes up later is closed by the thread. Waits for
 * the attempt to end, at most wait_ms, and if it has, for the end of the thread, which does nothing
 * any more: after a cancel, so that no thread is still inside OpenSSL or Kerberos when the process
 * exits and these tear themselves down. What such a library keeps for a thread goes with it. */
void pg_attempt_release(struct pg_attempt *attempt, int wait_ms);

#endif
