/*
 * http_get.h - the simplest client that keeps its connection: one request, one answer, blocking.
 *
 * Every failure ends the program with a message. [one thread for each client]
 */
#ifndef HTTP_GET_H
#define HTTP_GET_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_GET_MAX_HEAD 4096

struct http_get {
    int fd;
    const char *token;
    uint64_t bodies; /* bytes of all bodies so far */
    char received[65536];
};

/* Connects to 127.0.0.1. token: of `authorization: Bearer`; must outlive the client. */
void http_get_open(struct http_get *client, uint16_t port, const char *token);
void http_get_close(struct http_get *client);

/* Who gave an answer, according to x-read-served-by. */
enum served { SERVED_BY_NOBODY, SERVED_BY_REPLICA, SERVED_BY_REPLICA_RETRY, SERVED_BY_PRIMARY };

struct http_got {
    int status;
    enum served served;
};

/* Looks up the snapshots of a run since one of them; database ids. */
struct http_got http_get_lookup(struct http_get *client, const char *run, const char *snapshot);

#endif
