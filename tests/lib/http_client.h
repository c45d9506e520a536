/*
 * http_client.h - a client for tests: sends exactly the given bytes, and reads replies.
 *
 * Every call that waits gives up after CLIENT_PATIENCE_S and fails the test.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_PATIENCE_S 20

struct client {
    int fd;
    char *received; /* and not taken yet */
    size_t length, capacity;
};

struct client_reply { /* valid until the next reply is read */
    unsigned status;
    const char *head; /* status line and fields, with all line ends; NUL-terminated */
    const char *body;
    size_t body_length;
};

struct client client_connect(uint16_t port);
/* With a receive buffer of about `bytes`, so that the server soon has to wait. */
struct client client_connect_small(uint16_t port, int bytes);
void client_close(struct client *client);
/* Closes with a reset, like a client that crashes. */
void client_abort(struct client *client);

void client_send(struct client *client, const void *bytes, size_t count);
void client_send_text(struct client *client, const char *text);
void client_shut(struct client *client); /* sends no more */

/* Reads one reply, by its Content-Length; without a body after HEAD. */
struct client_reply client_read(struct client *client);
struct client_reply client_read_head_reply(struct client *client);
struct client_reply client_ask(struct client *client, const char *request);

/* Whether the head has this line, which is given without its end. */
bool client_has_line(const struct client_reply *reply, const char *line);

/* The server closes cleanly, and sends nothing before that. */
void client_expect_end(struct client *client);
/* Reads until the end or a reset; returns how many bytes came. */
size_t client_read_to_end(struct client *client);

#endif
