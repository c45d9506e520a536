/*
 * output.c - sending without waiting.
 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Up to here a copy costs less than the caller's next allocation of a new body. */
#define CHEAP_COPY 4096

/* Up to here a copy costs less than to send two parts as such. */
#define SMALL 1024

static void drop_sent(struct iovec *part, size_t *sent) {
    size_t here = *sent < part->iov_len ? *sent : part->iov_len;

    if (here > 0) { /* an empty part has no address */
        part->iov_base = (char *)part->iov_base + here;
        part->iov_len -= here;
        *sent -= here;
    }
}

static void copy_part(char **to, const struct iovec *part) {
    if (part->iov_len > 0) { /* an empty part has no address */
        memcpy(*to, part->iov_base, part->iov_len);
        *to += part->iov_len;
    }
}

static ssize_t send_parts(int fd, struct iovec parts[HTTP_OUTPUT_PARTS]) {
    char whole[SMALL];
    if (parts[0].iov_len + parts[1].iov_len > sizeof(whole)) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = HTTP_OUTPUT_PARTS};
        return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    char *end = whole;
    copy_part(&end, &parts[0]);
    copy_part(&end, &parts[1]);
    return send(fd, whole, (size_t)(end - whole), MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum http_send_outcome http_send(int fd, struct iovec parts[HTTP_OUTPUT_PARTS]) {
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t count = send_parts(fd, parts);

        if (count >= 0) {
            size_t sent = (size_t)count;

            drop_sent(&parts[0], &sent);
            drop_sent(&parts[1], &sent);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return HTTP_SEND_BLOCKED;
        } else if (errno != EINTR) {
            return HTTP_SEND_FAILED;
        }
    }
    return HTTP_SENT;
}

struct http_unsent *http_unsent_keep(const struct iovec parts[HTTP_OUTPUT_PARTS],
                                     struct byte_buffer *body) {
    /* A large body is moved, unless that would hold more than twice the memory that is needed. */
    bool move = parts[1].iov_len > CHEAP_COPY && parts[1].iov_len >= body->capacity / 2;
    size_t head_left = parts[0].iov_len;
    size_t to_copy = head_left + (move ? 0 : parts[1].iov_len);
    struct http_unsent *unsent = malloc(sizeof(*unsent) + to_copy);

    if (unsent == NULL) {
        return NULL;
    }
    *unsent =
        (struct http_unsent){.parts = {parts[0], parts[1]}, .held = sizeof(*unsent) + to_copy};
    if (head_left > 0) {
        memcpy(unsent->copied, parts[0].iov_base, head_left);
    }
    unsent->parts[0].iov_base = unsent->copied;
    if (move) {
        unsent->body = *body;
        unsent->held += body->capacity;
        *body = BYTE_BUFFER_EMPTY;
    } else if (parts[1].iov_len > 0) {
        memcpy(unsent->copied + head_left, parts[1].iov_base, parts[1].iov_len);
        unsent->parts[1].iov_base = unsent->copied + head_left;
    }
    return unsent;
}

void http_unsent_free(struct http_unsent *unsent) {
    if (unsent != NULL) {
        byte_buffer_free(&unsent->body);
        free(unsent);
    }
}
