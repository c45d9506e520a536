/*
 * http_client.c - plain blocking sockets.
 */
#include "http_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct client connect_with(uint16_t port, int receive_buffer) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval patience = {.tv_sec = CLIENT_PATIENCE_S};
    const int on = 1;
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    ck_assert_msg(client.fd >= 0, "socket: %s", strerror(errno));
    if (receive_buffer > 0) {
        ck_assert_int_eq(
            setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)),
            0);
    }
    ck_assert_int_eq(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
                     0);
    ck_assert_int_eq(setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)),
                     0);
    ck_assert_int_eq(setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    ck_assert_msg(connect(client.fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
                  "connect: %s", strerror(errno));
    return client;
}

struct client client_connect(uint16_t port) {
    return connect_with(port, 0);
}

struct client client_connect_small(uint16_t port, int bytes) {
    return connect_with(port, bytes);
}

void client_close(struct client *client) {
    if (client->fd >= 0) {
        close(client->fd);
    }
    free(client->received);
    *client = (struct client){.fd = -1};
}

void client_abort(struct client *client) {
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    client_close(client);
}

void client_send(struct client *client, const void *bytes, size_t count) {
    const char *at = bytes;

    while (count > 0) {
        const ssize_t sent = send(client->fd, at, count, MSG_NOSIGNAL);

        ck_assert_msg(sent > 0, "send: %s", strerror(errno));
        at += sent;
        count -= (size_t)sent;
    }
}

void client_send_text(struct client *client, const char *text) {
    client_send(client, text, strlen(text));
}

void client_shut(struct client *client) {
    ck_assert_int_eq(shutdown(client->fd, SHUT_WR), 0);
}

/* Receives once, appending; returns recv's result. */
static ssize_t receive(struct client *client) {
    if (client->capacity - client->length < 65536) {
        client->capacity = client->capacity * 2 + 131072;
        client->received = realloc(client->received, client->capacity);
        ck_assert_ptr_nonnull(client->received);
    }
    const ssize_t count = recv(client->fd, client->received + client->length,
                               client->capacity - client->length - 1, 0);
    if (count > 0) {
        client->length += (size_t)count;
    }
    client->received[client->length] = '\0';
    return count;
}

static void receive_more(struct client *client) {
    const ssize_t count = receive(client);

    ck_assert_msg(count != 0, "the server closed after %zu bytes", client->length);
    ck_assert_msg(count > 0, "recv: %s", strerror(errno));
}

/* The last reply is in front of the remaining bytes: it is dropped now. */
static void drop_taken(struct client *client, size_t *taken) {
    memmove(client->received, client->received + *taken, client->length - *taken);
    client->length -= *taken;
    client->received[client->length] = '\0';
    *taken = 0;
}

static struct client_reply read_reply(struct client *client, bool with_body) {
    static char head[65536]; /* the test's one copy: the receive buffer moves */
    static char *body;
    struct client_reply reply = {.head = head};
    char *end;

    if (client->received == NULL) {
        receive_more(client);
    }
    while ((end = memmem(client->received, client->length, "\r\n\r\n", 4)) == NULL) {
        receive_more(client);
    }
    size_t taken = (size_t)(end + 4 - client->received);
    ck_assert_uint_lt(taken, sizeof(head));
    memcpy(head, client->received, taken);
    head[taken] = '\0';
    drop_taken(client, &taken);
    ck_assert_msg(sscanf(head, "HTTP/1.1 %3u ", &reply.status) == 1, "%s", head);
    const char *field = strcasestr(head, "\r\nContent-Length: ");
    if (!with_body || field == NULL) {
        reply.body = "";
        return reply;
    }
    reply.body_length = strtoul(field + strlen("\r\nContent-Length: "), NULL, 10);
    while (client->length < reply.body_length) {
        receive_more(client);
    }
    free(body);
    body = malloc(reply.body_length + 1);
    ck_assert_ptr_nonnull(body);
    memcpy(body, client->received, reply.body_length);
    body[reply.body_length] = '\0';
    reply.body = body;
    taken = reply.body_length;
    drop_taken(client, &taken);
    return reply;
}

struct client_reply client_read(struct client *client) {
    return read_reply(client, true);
}

struct client_reply client_read_head_reply(struct client *client) {
    return read_reply(client, false);
}

struct client_reply client_ask(struct client *client, const char *request) {
    client_send_text(client, request);
    return client_read(client);
}

bool client_has_line(const struct client_reply *reply, const char *line) {
    const size_t length = strlen(line);

    for (const char *at = reply->head; (at = strstr(at, line)) != NULL; at++) {
        if ((at == reply->head || at[-1] == '\n') && strncmp(at + length, "\r\n", 2) == 0) {
            return true;
        }
    }
    return false;
}

void client_expect_end(struct client *client) {
    ck_assert_msg(client->length == 0, "there is more: %s", client->received);
    const ssize_t count = receive(client);
    ck_assert_msg(count <= 0, "there is more: %s", client->received);
    ck_assert_msg(count == 0, "recv: %s", strerror(errno));
}

size_t client_read_to_end(struct client *client) {
    ssize_t count;

    do {
        count = receive(client);
    } while (count > 0);
    ck_assert_msg(count == 0 || errno == ECONNRESET, "recv: %s", strerror(errno));
    return client->length;
}
