/*
 * answer.h - the bodies and headers of everything but a lookup's 200.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "host-sample/host.h"

/* Sends {"error": message} with the status. headers: further lines, each ended by "\r\n", or NULL.
 */
void answer_error(struct worker *worker, struct http_exchange *exchange, uint32_t status,
                  const char *message, const char *headers);

/* 429 with x-ratelimit-reset and Retry-After: come back in one to two seconds. */
void answer_shed(struct worker *worker, struct http_exchange *exchange, const char *message);

/* Sends the worker's scratch buffer as the body. */
void answer_scratch(struct worker *worker, struct http_exchange *exchange, uint32_t status,
                    const char *content_type, const char *headers);

#endif
