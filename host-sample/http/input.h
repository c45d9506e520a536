/*
 * input.h - bytes received and not yet read, and the buffers that hold them.
 *
 * Whatever is received goes into one buffer that all connections share, and is mostly read there at
 * once. Only what is left over, part of a request or pipelined ones, gets its own buffer, from a
 * pool, until it is read: an idle connection holds none.
 *
 * [one thread at a time] for each pool.
 */
#ifndef HTTP_INPUT_H
#define HTTP_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_INPUT_CAPACITY 20480 /* of every buffer */

struct http_input_spare;

struct http_input_pool {
    char *shared;
    struct http_input_spare *spares;
    uint32_t spare_count;
};

struct http_input {
    char *bytes; /* NULL: none; the bytes from start to end are there to be read */
    uint32_t start;
    uint32_t end;
};

bool http_input_pool_init(struct http_input_pool *pool);
void http_input_pool_free(struct http_input_pool *pool);

/* Moves what a connection holds, or else the shared buffer, empty, into the caller's hands until
 * http_input_keep or http_input_drop. Only one caller at a time. */
struct http_input http_input_take(struct http_input_pool *pool, struct http_input *held);

/* Gives back what was taken: what is left to be read goes into *held. False if memory ran out, and
 * then it is lost. */
bool http_input_keep(struct http_input_pool *pool, struct http_input *input,
                     struct http_input *held);
void http_input_drop(struct http_input_pool *pool, struct http_input *input);

static inline uint32_t http_input_length(const struct http_input *input) {
    return input->end - input->start;
}

/* One recv after what is there. Returns its result; *full says that there may be more to receive.
 * There must be room: less than HTTP_INPUT_CAPACITY left to be read. */
ssize_t http_input_receive(struct http_input *input, int fd, bool *full);

#endif
