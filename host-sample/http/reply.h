/*
 * reply.h - the head of a reply, and the replies that the front gives by itself.
 *
 * [one thread at a time] for each writer.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "front.h"

#include <time.h>

struct http_reply_writer {   /* all zero at first */
    struct byte_buffer head; /* of the reply composed last */
    struct byte_buffer error;
    time_t date_of; /* the second that `date` was written for */
    char date[sizeof("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")];
};

/* Composes status line and header fields in writer->head; look at its `failed`. */
void http_reply_compose(struct http_reply_writer *writer, const struct http_reply *reply,
                        bool keep_alive);

/* The front's own answer to a request that never reaches the host, and the last on its connection.
 * Its body is the writer's and stays valid until the next call. */
struct http_reply http_reply_error(struct http_reply_writer *writer, uint32_t status);

void http_reply_writer_free(struct http_reply_writer *writer);

#endif
