/*
 * head_parser_http_parser.c - by http-parser, whose upstream is archived: for Debian 12.
 */
#include "head_parser.h"

#include <http_parser.h>
#include <string.h>

struct reading {
    http_on_head_part on_part;
    void *context;
    struct http_head *head;
    bool whole;
};

static int on_url(http_parser *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    reading->on_part(reading->context, HTTP_HEAD_TARGET, at, length);
    return 0;
}

/* Distributions build it without its strict checks: it takes blanks as part of the name. */
static int on_header_field(http_parser *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    if (memchr(at, ' ', length) != NULL) {
        return -1;
    }
    reading->on_part(reading->context, HTTP_HEAD_NAME, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length) {
    const struct reading *reading = parser->data;

    reading->on_part(reading->context, HTTP_HEAD_VALUE, at, length);
    return 0;
}

/* Stops the parser: the body is not its business. */
static int on_headers_complete(http_parser *parser) {
    struct reading *reading = parser->data;
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;

    *reading->head = (struct http_head){.content_length = has_length ? parser->content_length : 0,
                                        .has_length = has_length,
                                        .keep_alive = http_should_keep_alive(parser) != 0 &&
                                                      (parser->flags & F_CONNECTION_CLOSE) == 0,
                                        .is_head = parser->method == HTTP_HEAD,
                                        .is_connect = parser->method == HTTP_CONNECT};
    reading->whole = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {.on_url = on_url,
                                              .on_header_field = on_header_field,
                                              .on_header_value = on_header_value,
                                              .on_headers_complete = on_headers_complete};

bool http_head_parse(const char *bytes, size_t length, size_t foreign, http_on_head_part on_part,
                     void *context, struct http_head *head) {
    struct reading reading = {.on_part = on_part, .context = context, .head = head};
    http_parser parser;

    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &reading;
    if (foreign > 0) {
        (void)http_parser_execute(&parser, &settings, HTTP_HEAD_STAND_IN,
                                  sizeof(HTTP_HEAD_STAND_IN) - 1);
    }
    (void)http_parser_execute(&parser, &settings, bytes + foreign, length - foreign);
    return reading.whole;
}
