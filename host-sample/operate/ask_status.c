/*
 * ask_status.c - see ask_status.h.
 */
#include "ask_status.h"

#include "host-sample/base/byte_buffer.h"
#include "host-sample/http/reply.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_S    5
#define MAX_BYTES (1u << 20)

/* Connected, with every call limited in time; -1 with errno set. */
static int dial(const struct host_config *config) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const struct timeval limit = {.tv_sec = WAIT_S};
    struct addrinfo *address;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", config->admin.port);
    if (getaddrinfo(config->admin.address, port, &hints, &address) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
                    connect(fd, address->ai_addr, address->ai_addrlen) != 0)) {
        const int error = errno;
        (void)close(fd);
        fd = -1;
        errno = error;
    }
    freeaddrinfo(address);
    return fd;
}

/* A call that took longer than WAIT_S fails with one of these, which say nothing of time. */
static const char *name_error(int error) {
    return strerror(error == EAGAIN || error == EINPROGRESS ? ETIMEDOUT : error);
}

/* The whole answer, up to the end of the connection. */
static bool get_status(int fd, struct byte_buffer *answer) {
    static const char request[] = "GET /status.txt HTTP/1.0\r\n\r\n";
    char bytes[8192];
    ssize_t count;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1) {
        return false;
    }
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0 && answer->length < MAX_BYTES) {
        byte_buffer_append(answer, bytes, (size_t)count);
    }
    return count == 0 && !answer->failed;
}

bool ask_status(const struct host_config *config, FILE *out, char *err, size_t err_length) {
    static const char good[] = "HTTP/1.1 200 ";
    static const char full[] = HTTP_NO_ROOM_BODY;
    struct byte_buffer answer = BYTE_BUFFER_EMPTY;
    const int fd = dial(config);
    const bool answered = fd >= 0 && get_status(fd, &answer);
    const char *why = name_error(errno);
    const char *body = answered ? memmem(answer.data, answer.length, "\r\n\r\n", 4) : NULL;
    const size_t length = body != NULL ? answer.length - (size_t)(body + 4 - answer.data) : 0;
    bool shown = false;
    if (!answered) {
        (void)snprintf(err, err_length, "no answer from address %s, port %u: %s",
                       config->admin.address, config->admin.port, why);
    } else if (body != NULL && strncmp(answer.data, good, sizeof good - 1) == 0) {
        (void)fwrite(body + 4, 1, length, out);
        shown = true;
    } else if (length == sizeof full - 1 && memcmp(body + 4, full, length) == 0) {
        (void)snprintf(err, err_length,
                       "address %s, port %u has no room for one more connection: too many are open",
                       config->admin.address, config->admin.port);
    } else {
        (void)snprintf(err, err_length,
                       "what listens on address %s, port %u is not a snapshot-host with a status",
                       config->admin.address, config->admin.port);
    }
    byte_buffer_free(&answer);
    if (fd >= 0) {
        (void)close(fd);
    }
    return shown;
}
