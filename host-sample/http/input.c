/*
 * input.c - the shared receive buffer and the pool of kept ones.
 */
#include "input.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_SPARES 64 /* kept for the next; more are given back to the allocator */

struct http_input_spare { /* what an unused buffer begins with */
    struct http_input_spare *next;
};

bool http_input_pool_init(struct http_input_pool *pool) {
    *pool = (struct http_input_pool){.shared = malloc(HTTP_INPUT_CAPACITY)};
    return pool->shared != NULL;
}

void http_input_pool_free(struct http_input_pool *pool) {
    while (pool->spares != NULL) {
        struct http_input_spare *spare = pool->spares;

        pool->spares = spare->next;
        free(spare);
    }
    free(pool->shared);
    *pool = (struct http_input_pool){0};
}

static char *get_buffer(struct http_input_pool *pool) {
    struct http_input_spare *spare = pool->spares;

    if (spare == NULL) {
        return malloc(HTTP_INPUT_CAPACITY);
    }
    pool->spares = spare->next;
    pool->spare_count--;
    return (char *)spare;
}

static void put_buffer(struct http_input_pool *pool, char *bytes) {
    struct http_input_spare *spare = (void *)bytes;

    if (pool->spare_count >= MAX_SPARES) {
        free(bytes);
        return;
    }
    spare->next = pool->spares;
    pool->spares = spare;
    pool->spare_count++;
}

struct http_input http_input_take(struct http_input_pool *pool, struct http_input *held) {
    struct http_input input = *held;

    if (input.bytes == NULL) {
        input = (struct http_input){.bytes = pool->shared};
    }
    *held = (struct http_input){0};
    return input;
}

void http_input_drop(struct http_input_pool *pool, struct http_input *input) {
    if (input->bytes != NULL && input->bytes != pool->shared) {
        put_buffer(pool, input->bytes);
    }
    *input = (struct http_input){0};
}

bool http_input_keep(struct http_input_pool *pool, struct http_input *input,
                     struct http_input *held) {
    uint32_t length = http_input_length(input);
    char *bytes;

    assert(held->bytes == NULL);
    if (length == 0) {
        http_input_drop(pool, input);
        return true;
    }
    if (input->bytes != pool->shared) {
        *held = *input;
        return true;
    }
    bytes = get_buffer(pool);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, input->bytes + input->start, length);
    *held = (struct http_input){.bytes = bytes, .end = length};
    return true;
}

ssize_t http_input_receive(struct http_input *input, int fd, bool *full) {
    uint32_t length = http_input_length(input);
    size_t room;
    ssize_t count;

    assert(length < HTTP_INPUT_CAPACITY);
    if (input->start > 0) {
        memmove(input->bytes, input->bytes + input->start, length);
        input->start = 0;
        input->end = length;
    }
    room = HTTP_INPUT_CAPACITY - length;
    do {
        count = recv(fd, input->bytes + length, room, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    *full = count > 0 && (size_t)count == room;
    if (count > 0) {
        input->end += (uint32_t)count;
    }
    return count;
}
