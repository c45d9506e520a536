/*
 * answer.c - error bodies, and the one client delay that a server controls.
 */
#include "answer.h"

#include "host-sample/base/entropy.h"
#include "host-sample/base/json_string.h"
#include "host-sample/base/unix_time.h"
#include "host-sample/http/exchange.h"

#include <stdio.h>

void answer_scratch(struct answers *answers, struct http_exchange *exchange, uint32_t status,
                    const char *content_type, const char *headers) {
    struct http_reply reply = {
        .status = status,
        .content_type = content_type,
        .headers = headers,
        .body = &answers->scratch,
    };
    counter_add(&answers->by_class[status / 100], 1);
    http_exchange_reply(exchange, &reply);
}

void answer_error(struct answers *answers, struct http_exchange *exchange, uint32_t status,
                  const char *message, const char *headers) {
    struct byte_buffer *body = &answers->scratch;
    byte_buffer_reset(body, SIZE_MAX);
    BYTE_BUFFER_LITERAL(body, "{\"error\":");
    json_string_append_any(body, message);
    BYTE_BUFFER_LITERAL(body, "}");
    answer_scratch(answers, exchange, status, "application/json", headers);
}

void answer_shed(struct answers *answers, struct http_exchange *exchange, const char *message) {
    char headers[96];
    /* One to two seconds from now: spread, so that clients that were shed together do not come back
     * together; the client adds its own jitter. */
    uint64_t delay_ms = 1000 + (entropy_next(answers->random) >> 32) % 1001;
    uint64_t reset_ms = (uint64_t)unix_now_ms() + delay_ms;
    (void)snprintf(headers, sizeof headers, "x-ratelimit-reset: %llu\r\nRetry-After: %u\r\n",
                   (unsigned long long)reset_ms, delay_ms > 1000 ? 2u : 1u);
    answer_error(answers, exchange, 429, message, headers);
}
