/*
 * output.h - sending, and keeping what a socket did not take at once.
 *
 * [one thread at a time].
 */
#ifndef HTTP_OUTPUT_H
#define HTTP_OUTPUT_H

#include "host-sample/base/byte_buffer.h"

#include <sys/uio.h>

enum http_send_outcome { HTTP_SENT, HTTP_SEND_BLOCKED, HTTP_SEND_FAILED };

#define HTTP_OUTPUT_PARTS 2 /* head and body */

/* Sends until everything is gone or the socket takes no more; `parts` is what is left then. Never
 * raises SIGPIPE. */
enum http_send_outcome http_send(int fd, struct iovec parts[HTTP_OUTPUT_PARTS]);

struct http_unsent {
    struct iovec parts[HTTP_OUTPUT_PARTS]; /* what is left, within what follows */
    struct byte_buffer body;
    size_t held; /* bytes of memory that this reply costs until it is sent whole */
    char copied[];
};

/* Keeps what is left of a reply. `body` holds the second part: if much of it is left its memory is
 * taken over and *body is empty, else it is copied and *body remains as it is. NULL if memory ran
 * out. */
struct http_unsent *http_unsent_keep(const struct iovec parts[HTTP_OUTPUT_PARTS],
                                     struct byte_buffer *body);
void http_unsent_free(struct http_unsent *unsent);

#endif
