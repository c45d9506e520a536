/*
 * reply.h - the head of a reply, and the replies that the front sends by itself.
 *
 * [one thread at a time] for each writer.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "exchange.h"

#include <time.h>

struct http_reply_writer {
    struct byte_buffer head; /* of the reply composed last */
    struct byte_buffer error;
    char keep_alive[64]; /* the fields that say so */
    time_t date_of;      /* the second that `date` was written for */
    char date[sizeof("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")];
};

/* keep_alive_s: how long clients are told that an idle connection lives; 0: they are told nothing.
 */
void http_reply_writer_init(struct http_reply_writer *writer, uint32_t keep_alive_s);

/* Composes status line and header fields in writer->head; look at its `failed`. */
void http_reply_compose(struct http_reply_writer *writer, const struct http_reply *reply,
                        bool keep_alive);

/* The body of the answer to a connection for which the front has no room. */
#define HTTP_NO_ROOM_BODY "{\"error\":\"" HTTP_NO_ROOM "\"}"
#define HTTP_NO_ROOM      "too many connections"

/* The front's own answer to a request that never reaches the host, and the last on its connection.
 * Its body is the writer's and stays valid until the next call. */
struct http_reply http_reply_error(struct http_reply_writer *writer, uint32_t status);

void http_reply_writer_free(struct http_reply_writer *writer);

#endif
