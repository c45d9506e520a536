/*
 * answer.h - the bodies and headers of everything but a lookup's 200.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "host-sample/base/byte_buffer.h"
#include "host-sample/base/counter.h"

#include <stdint.h>

struct http_exchange;

/* Of one thread. */
struct answers {
    struct byte_buffer scratch;   /* for bodies */
    uint64_t *random;             /* see entropy.h */
    _Atomic uint64_t by_class[6]; /* given, by the first digit of the status */
};

/* Sends {"error": message} with the status. headers: further lines, each ended by "\r\n", or NULL.
 */
void answer_error(struct answers *answers, struct http_exchange *exchange, uint32_t status,
                  const char *message, const char *headers);

/* 429 with x-ratelimit-reset and Retry-After: come back in one to two seconds. */
void answer_shed(struct answers *answers, struct http_exchange *exchange, const char *message);

/* Sends the scratch buffer as the body. */
void answer_scratch(struct answers *answers, struct http_exchange *exchange, uint32_t status,
                    const char *content_type, const char *headers);

#endif
