/*
 * request.c - http-parser's callbacks, and what it leaves unchecked.
 *
 * Distributions build http-parser without its strict checks: it takes any four letters for "HTTP",
 * a blank before a header's colon, any byte after a CR, and any two bytes for the line end after a
 * chunk. It also unfolds folded lines, and lets the value of a field begin with any byte. The head
 * is therefore checked again here, line by line. What follows a chunked body is not trusted: such a
 * connection is closed after its reply.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

#define MAX_BODY_BYTES 65536
/* Chunks of one byte cost six; extensions and trailers need some room as well. */
#define MAX_AFTER_HEAD (8 * MAX_BODY_BYTES)
/* The request line without its target: a method, two blanks, a version, a line end. */
#define MAX_LINE_REST  64

enum {
    BAD_REQUEST = 400,
    BODY_TOO_LARGE = 413,
    TARGET_TOO_LONG = 414,
    FIELDS_TOO_LARGE = 431,
    VERSION_NOT_SUPPORTED = 505
};

/* --- header fields --- */

static const struct {
    const char *name;
    size_t length;
} header_names[HTTP_HEADER_COUNT] = {
#define NAME(text)                                                                                 \
    { text, sizeof(text) - 1 }
    [HTTP_HEADER_AUTHORIZATION] = NAME("authorization"),
    [HTTP_HEADER_ENVIRONMENT_ID] = NAME("x-trigger-worker-environment-id"),
    [HTTP_HEADER_DEPLOYMENT_ID] = NAME("x-trigger-workload-deployment-id"),
    [HTTP_HEADER_READ_POSITION] = NAME("x-read-position"),
    [HTTP_HEADER_TRACEPARENT] = NAME("traceparent"),
#undef NAME
};

static bool is_text(const char *bytes, size_t length, const char *text, size_t text_length) {
    return length == text_length && strncasecmp(bytes, text, length) == 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The parser has removed the blanks before a value, not those after it. */
static struct http_span trimmed(const char *bytes, struct http_span span) {
    while (span.length > 0 && is_blank(bytes[span.offset + span.length - 1])) {
        span.length--;
    }
    return span;
}

/* A header field has been read whole. */
static void take_field(struct http_reader *reader) {
    const char *name = reader->bytes + reader->name.offset;
    struct http_span value = trimmed(reader->bytes, reader->value);

    for (uint32_t i = 0; i < HTTP_HEADER_COUNT; i++) {
        if (is_text(name, reader->name.length, header_names[i].name, header_names[i].length)) {
            reader->headers[i] = value;
            reader->seen[i]++;
            return;
        }
    }
    if (is_text(name, reader->name.length, "host", 4)) {
        reader->hosts_seen++;
    } else if (is_text(name, reader->name.length, "expect", 6)) {
        reader->expects_continue =
            is_text(reader->bytes + value.offset, value.length, "100-continue", 12);
    }
}

/* --- the parser's callbacks --- */

static struct http_reader *reader_of(http_parser *parser) {
    return parser->data;
}

static int refuse(struct http_reader *reader, uint16_t status) {
    reader->refusal = status;
    return -1;
}

/* Spans come in pieces that lie side by side. Offsets fit: a head is never longer than its
 * capacity. */
static void extend(struct http_reader *reader, struct http_span *span, const char *at,
                   size_t length) {
    if (span->length == 0) {
        span->offset = (uint16_t)(at - reader->bytes);
    }
    span->length = (uint16_t)(span->length + length);
}

static int on_url(http_parser *parser, const char *at, size_t length) {
    struct http_reader *reader = reader_of(parser);

    extend(reader, &reader->target, at, length);
    if (reader->target.length > HTTP_MAX_REQUEST_LINE) {
        return refuse(reader, TARGET_TOO_LONG);
    }
    /* A request line that ends with its target; any other version is read after this call. */
    if (parser->http_minor == 9) {
        return refuse(reader, VERSION_NOT_SUPPORTED);
    }
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length) {
    struct http_reader *reader = reader_of(parser);

    if (reader->head_complete) { /* a trailer */
        return 0;
    }
    if (memchr(at, ' ', length) != NULL) {
        return refuse(reader, BAD_REQUEST);
    }
    if (reader->in_value) {
        take_field(reader);
        reader->in_value = false;
        reader->name = reader->value = (struct http_span){0};
    }
    extend(reader, &reader->name, at, length);
    if (reader->fields_start == 0) {
        reader->fields_start = reader->name.offset;
    }
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length) {
    struct http_reader *reader = reader_of(parser);

    if (reader->head_complete) {
        return 0;
    }
    /* The parser looks at every byte of a value but the first. */
    if (reader->value.length == 0 && length > 0 && is_control(*at)) {
        return refuse(reader, BAD_REQUEST);
    }
    reader->in_value = true;
    extend(reader, &reader->value, at, length);
    return 0;
}

/* Both ends stop the parser, so that its caller knows where they are. */
static int on_headers_complete(http_parser *parser) {
    struct http_reader *reader = reader_of(parser);

    if (reader->in_value) {
        take_field(reader);
    }
    reader->head_complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

static int on_message_complete(http_parser *parser) {
    reader_of(parser)->complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

static int add_to_body(struct http_reader *reader, uint64_t count, bool received) {
    if (count > MAX_BODY_BYTES - reader->body_bytes) {
        return refuse(reader, BODY_TOO_LARGE);
    }
    if (received) {
        reader->body_bytes += (uint32_t)count;
    }
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t length) {
    (void)at;
    return add_to_body(reader_of(parser), length, true);
}

static int on_chunk_header(http_parser *parser) {
    return add_to_body(reader_of(parser), parser->content_length, false);
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
    .on_chunk_header = on_chunk_header,
};

/* Returns how many bytes were read; fewer than `count` only at one of the ends or at an error. */
static size_t run_parser(struct http_reader *reader, const char *bytes, size_t count) {
    size_t done = http_parser_execute(&reader->parser, &settings, bytes, count);
    enum http_errno error = HTTP_PARSER_ERRNO(&reader->parser);

    if (error != HPE_OK && error != HPE_PAUSED && reader->refusal == 0) {
        reader->refusal = error == HPE_HEADER_OVERFLOW ? FIELDS_TOO_LARGE : BAD_REQUEST;
    }
    return done;
}

/* --- checks of the head --- */

static size_t target_end(const struct http_reader *reader) {
    return (size_t)reader->target.offset + reader->target.length;
}

/* One blank before the target and one after it, then a version; nothing in it that ends a word. */
static bool request_line_is_strict(const struct http_reader *reader, const char *bytes,
                                   size_t length) {
    static const char version[] = " HTTP/";
    const char *target = bytes + reader->target.offset;
    size_t end = target_end(reader);

    return reader->target.length > 0 && memchr(bytes, ' ', length) == target - 1 &&
           length - end >= sizeof(version) - 1 &&
           memcmp(bytes + end, version, sizeof(version) - 1) == 0 &&
           memchr(target, '\t', reader->target.length) == NULL &&
           memchr(target, '\f', reader->target.length) == NULL;
}

/* Every CR is part of a line end, and no line begins with a blank (a folded field). */
static bool lines_are_strict(const char *bytes, size_t length) {
    const char *line = bytes;
    const char *end = bytes + length;

    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        const char *cr;

        if (feed == NULL || is_blank(*line)) {
            return false;
        }
        cr = memchr(line, '\r', (size_t)(feed - line));
        if (cr != NULL && cr + 1 != feed) {
            return false;
        }
        line = feed + 1;
    }
    return true;
}

/* Longer than the fields may be, the empty line after them included. */
static bool fields_are_too_large(const struct http_reader *reader, size_t length) {
    return reader->fields_start > 0 && length - reader->fields_start > HTTP_MAX_HEADER_BYTES + 2;
}

/* Of a head that is not whole: the status to refuse it with, or 0 while it is within its bounds. */
static uint16_t check_part(const struct http_reader *reader, size_t length) {
    size_t line_rest = reader->target.length == 0 ? length : length - target_end(reader);

    if (reader->fields_start == 0 && line_rest > MAX_LINE_REST) {
        return BAD_REQUEST;
    }
    return fields_are_too_large(reader, length) ? FIELDS_TOO_LARGE : 0;
}

/* Of a whole head of `length` bytes: the status to refuse it with, or 0. */
static uint16_t check_head(const struct http_reader *reader, const char *bytes, size_t length) {
    const http_parser *parser = &reader->parser;
    bool is_1_1 = parser->http_major == 1 && parser->http_minor == 1;
    bool is_1_0 = parser->http_major == 1 && parser->http_minor == 0;

    if (!request_line_is_strict(reader, bytes, length) || !lines_are_strict(bytes, length)) {
        return BAD_REQUEST;
    }
    if (!is_1_1 && !is_1_0) {
        return VERSION_NOT_SUPPORTED;
    }
    if (fields_are_too_large(reader, length)) {
        return FIELDS_TOO_LARGE;
    }
    if (reader->hosts_seen > 1 || (is_1_1 && reader->hosts_seen == 0)) {
        return BAD_REQUEST;
    }
    if (is_1_0 && (parser->flags & F_CHUNKED) != 0) {
        return BAD_REQUEST; /* HTTP/1.0 knows no chunks: somebody between us may not either */
    }
    if ((parser->flags & F_CONTENTLENGTH) != 0 && parser->content_length > MAX_BODY_BYTES) {
        return BODY_TOO_LARGE;
    }
    return 0;
}

/* Draws from a head that was found good what the connection will ask for. */
static void conclude_head(struct http_reader *reader) {
    const http_parser *parser = &reader->parser;
    bool chunked = (parser->flags & F_CHUNKED) != 0;

    /* The parser takes what follows a CONNECT for another protocol, and looks for no body. */
    reader->keep_alive = http_should_keep_alive(parser) != 0 &&
                         (parser->flags & F_CONNECTION_CLOSE) == 0 && !chunked &&
                         parser->method != HTTP_CONNECT;
    reader->is_head = parser->method == HTTP_HEAD;
    reader->expects_continue = reader->expects_continue && parser->http_minor == 1;
}

/* --- the reader --- */

void http_reader_begin(struct http_reader *reader) {
    *reader = (struct http_reader){0};
    http_parser_init(&reader->parser, HTTP_REQUEST);
    reader->parser.data = reader;
}

/* Reads the head on from reader->kept. Once it is whole, its last byte, a line feed, is left to the
 * parser for the body's turn, and reader->kept is the head's length. */
static void feed_head(struct http_reader *reader, const char *bytes, size_t count) {
    size_t end = reader->kept + run_parser(reader, bytes + reader->kept, count - reader->kept);

    if (reader->refusal != 0) {
        return;
    }
    if (!reader->head_complete) {
        reader->kept = (uint32_t)count;
        reader->refusal = check_part(reader, count);
        return;
    }
    reader->kept = (uint32_t)(end + 1);
    reader->refusal = check_head(reader, bytes, reader->kept);
    if (reader->refusal == 0) {
        conclude_head(reader);
        http_parser_pause(&reader->parser, 0);
    }
}

enum http_reader_outcome http_reader_feed(struct http_reader *reader, const char *bytes,
                                          size_t count, size_t *used) {
    size_t at = reader->kept;

    *used = 0;
    reader->bytes = bytes;
    if (!reader->head_complete) {
        feed_head(reader, bytes, count);
        at = reader->kept - 1;
    }
    if (reader->refusal == 0 && reader->head_complete) {
        size_t done = run_parser(reader, bytes + at, count - at);

        *used = at + done;
        reader->after_head += (uint32_t)done;
        if (reader->after_head > MAX_AFTER_HEAD && reader->refusal == 0) {
            reader->refusal = BODY_TOO_LARGE;
        }
    }
    reader->bytes = NULL;
    if (reader->refusal != 0) {
        return HTTP_READER_REFUSED;
    }
    return reader->complete ? HTTP_READER_COMPLETE : HTTP_READER_MORE;
}

size_t http_reader_skip(const char *bytes, size_t count) {
    size_t skipped = 0;

    while (skipped < count && (bytes[skipped] == '\r' || bytes[skipped] == '\n')) {
        skipped++;
    }
    return skipped;
}

static struct http_text text_of(const char *bytes, struct http_span span, uint32_t seen) {
    return (struct http_text){.bytes = bytes + span.offset, .length = span.length, .seen = seen};
}

void http_reader_request(const struct http_reader *reader, const char *bytes,
                         struct http_request *request) {
    struct http_span method = {.offset = 0, .length = (uint16_t)(reader->target.offset - 1)};

    *request = (struct http_request){.method = text_of(bytes, method, 1),
                                     .target = text_of(bytes, reader->target, 1)};
    for (uint32_t i = 0; i < HTTP_HEADER_COUNT; i++) {
        if (reader->seen[i] > 0) {
            request->headers[i] = text_of(bytes, reader->headers[i], reader->seen[i]);
        }
    }
}
