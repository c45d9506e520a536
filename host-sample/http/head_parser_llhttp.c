/*
 * head_parser_llhttp.c - by llhttp: for Debian 13 and later.
 */
#include "head_parser.h"

#include <llhttp.h>

struct reading {
    http_on_head_part on_part;
    void *context;
    struct http_head *head;
    bool whole;
};

static int on_url(llhttp_t *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    reading->on_part(reading->context, HTTP_HEAD_TARGET, at, length);
    return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    reading->on_part(reading->context, HTTP_HEAD_NAME, at, length);
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    reading->on_part(reading->context, HTTP_HEAD_VALUE, at, length);
    return HPE_OK;
}

/* Stops the parser: the body is not its business. */
static int on_headers_complete(llhttp_t *parser) {
    struct reading *reading = parser->data;
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;

    *reading->head = (struct http_head){.content_length = has_length ? parser->content_length : 0,
                                        .has_length = has_length,
                                        .keep_alive = llhttp_should_keep_alive(parser) != 0 &&
                                                      (parser->flags & F_CONNECTION_CLOSE) == 0,
                                        .is_head = llhttp_get_method(parser) == HTTP_HEAD,
                                        .is_connect = llhttp_get_method(parser) == HTTP_CONNECT};
    reading->whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {.on_url = on_url,
                                           .on_header_field = on_header_field,
                                           .on_header_value = on_header_value,
                                           .on_headers_complete = on_headers_complete};

bool http_head_parse(const char *bytes, size_t length, size_t foreign, http_on_head_part on_part,
                     void *context, struct http_head *head) {
    struct reading reading = {.on_part = on_part, .context = context, .head = head};
    llhttp_t parser;

    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &reading;
    if (foreign > 0) {
        (void)llhttp_execute(&parser, HTTP_HEAD_STAND_IN, sizeof(HTTP_HEAD_STAND_IN) - 1);
    }
    (void)llhttp_execute(&parser, bytes + foreign, length - foreign);
    return reading.whole;
}
