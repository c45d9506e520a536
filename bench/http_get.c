/*
 * http_get.c - request lines and Content-Length: only as much HTTP as snapshot-host needs.
 */
#include "http_get.h"

#include "loaded.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void http_get_open(struct http_get *client, uint16_t port, const char *token) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int on = 1;
    client->token = token;
    client->bodies = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        give_up("cannot connect to port %u: %s", port, strerror(errno));
    }
}

void http_get_close(struct http_get *client) {
    (void)close(client->fd);
    client->fd = -1;
}

/* Reads more bytes after the `have` that are there. */
static size_t receive(struct http_get *client, size_t have, size_t room) {
    ssize_t count = recv(client->fd, client->received + have, room, 0);
    if (count <= 0) {
        give_up("the host closed the connection: %s", count < 0 ? strerror(errno) : "end of file");
    }
    return (size_t)count;
}

static enum served served_by(const char *head) {
    const char *field = strstr(head, "x-read-served-by: ");
    if (field == NULL) {
        return SERVED_BY_NOBODY;
    }
    field += strlen("x-read-served-by: ");
    if (*field == 'p') {
        return SERVED_BY_PRIMARY;
    }
    return strncmp(field, "replica_retry", strlen("replica_retry")) == 0 ? SERVED_BY_REPLICA_RETRY
                                                                         : SERVED_BY_REPLICA;
}

struct http_got http_get_lookup(struct http_get *client, const char *run, const char *snapshot) {
    char request[HTTP_GET_MAX_HEAD];
    int length = snprintf(request, sizeof request,
                          "GET /engine/v1/worker-actions/runs/run_%s/snapshots/since/snapshot_%s "
                          "HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %s\r\n\r\n",
                          run, snapshot, client->token);
    if (length < 0 || (size_t)length >= sizeof request ||
        send(client->fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
        give_up("cannot send a request: %s", strerror(errno));
    }
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        if (have >= HTTP_GET_MAX_HEAD) {
            give_up("an answer whose head does not end");
        }
        have += receive(client, have, sizeof client->received - 1 - have);
        client->received[have] = '\0';
        end = strstr(client->received, "\r\n\r\n");
    }
    *end = '\0';
    const char *field = strcasestr(client->received, "\r\ncontent-length: ");
    if (strncmp(client->received, "HTTP/1.1 ", 9) != 0 || field == NULL) {
        give_up("an answer in an unexpected form: %s", client->received);
    }
    struct http_got got = {.status = atoi(client->received + 9),
                           .served = served_by(client->received)};
    size_t body = strtoul(field + strlen("\r\ncontent-length: "), NULL, 10);
    size_t got_of_body = have - (size_t)(end + 4 - client->received);
    while (got_of_body < body) {
        got_of_body += receive(client, 0, sizeof client->received - 1);
    }
    if (got_of_body > body) {
        give_up("an answer that is longer than its Content-Length");
    }
    client->bodies += body;
    return got;
}
