/*
 * body.c - a length, or chunks: RFC 9112, section 7.1, with no leniency.
 */
#include "body.h"

#include <stdbool.h>

#define MAX_FIELDS  8192 /* bytes of one extension, or of all trailers */
/* Chunks of one byte cost five; extensions and trailers need some space as well. */
#define MAX_FRAMING (7 * HTTP_MAX_BODY_BYTES)

enum {
    COUNTED,     /* a body without chunks */
    SIZE_BEGINS, /* of the next chunk: its first digit */
    SIZE,
    EXTENSION,
    SIZE_ENDS, /* the line feed */
    CHUNK,
    CHUNK_ENDS, /* carriage return and line feed */
    CHUNK_ENDS_LF,
    LAST_SIZE_ENDS,
    TRAILER_BEGINS, /* or the empty line */
    TRAILER,
    TRAILER_ENDS,
    ENDS, /* the empty line's line feed */
    COMPLETE
};

void http_body_begin_counted(struct http_body *body, uint32_t length) {
    *body = (struct http_body){.left = length, .state = length > 0 ? COUNTED : COMPLETE};
}

void http_body_begin_chunked(struct http_body *body) {
    *body = (struct http_body){.state = SIZE_BEGINS};
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: the chunk would be too large. */
static bool add_digit(struct http_body *body, uint32_t digit) {
    body->left = body->left * 16 + digit;
    return body->left <= HTTP_MAX_BODY_BYTES - body->counted;
}

static enum http_body_outcome go_on(struct http_body *body, uint8_t state) {
    body->state = state;
    return HTTP_BODY_MORE;
}

static enum http_body_outcome expect(struct http_body *body, bool is_so, uint8_t state) {
    return is_so ? go_on(body, state) : HTTP_BODY_MALFORMED;
}

/* Of an extension or a trailer: one more byte to be read and dropped. */
static enum http_body_outcome skip_text(struct http_body *body, char c, uint8_t state) {
    if (c != '\t' && ((unsigned char)c < 0x20 || c == 0x7f)) {
        return HTTP_BODY_MALFORMED;
    }
    return ++body->fields > MAX_FIELDS ? HTTP_BODY_FIELDS_TOO_LARGE : go_on(body, state);
}

static enum http_body_outcome read_size(struct http_body *body, char c) {
    const int digit = hex_digit(c);

    if (digit >= 0) {
        return add_digit(body, (uint32_t)digit) ? go_on(body, SIZE) : HTTP_BODY_TOO_LARGE;
    }
    if (body->state == SIZE_BEGINS || (c != ';' && c != '\r')) {
        return HTTP_BODY_MALFORMED;
    }
    body->counted += body->left;
    body->fields = 0;
    if (c == ';') {
        return go_on(body, EXTENSION);
    }
    return go_on(body, body->left > 0 ? SIZE_ENDS : LAST_SIZE_ENDS);
}

/* Of the framing around the chunks. */
static enum http_body_outcome read_byte(struct http_body *body, char c) {
    switch (body->state) {
    case SIZE_BEGINS:
    case SIZE:
        return read_size(body, c);
    case EXTENSION:
        if (c == '\r') {
            return go_on(body, body->left > 0 ? SIZE_ENDS : LAST_SIZE_ENDS);
        }
        return skip_text(body, c, EXTENSION);
    case SIZE_ENDS:
        return expect(body, c == '\n', CHUNK);
    case CHUNK_ENDS:
        return expect(body, c == '\r', CHUNK_ENDS_LF);
    case CHUNK_ENDS_LF:
        return expect(body, c == '\n', SIZE_BEGINS);
    case LAST_SIZE_ENDS:
    case TRAILER_ENDS:
        return expect(body, c == '\n', TRAILER_BEGINS);
    case TRAILER_BEGINS:
        return c == '\r' ? go_on(body, ENDS) : skip_text(body, c, TRAILER);
    case TRAILER:
        return c == '\r' ? go_on(body, TRAILER_ENDS) : skip_text(body, c, TRAILER);
    default: /* ENDS */
        return expect(body, c == '\n', COMPLETE);
    }
}

/* The bytes of the body itself: how many of them there are. */
static size_t skip_bytes(struct http_body *body, size_t count) {
    const size_t skipped = count < body->left ? count : body->left;

    body->left -= (uint32_t)skipped;
    if (body->left == 0) {
        body->state = body->state == COUNTED ? COMPLETE : CHUNK_ENDS;
    }
    return skipped;
}

enum http_body_outcome http_body_read(struct http_body *body, const char *bytes, size_t count,
                                      size_t *used) {
    enum http_body_outcome outcome = HTTP_BODY_MORE;
    size_t at = 0;

    while (at < count && outcome == HTTP_BODY_MORE && body->state != COMPLETE) {
        if (body->state == COUNTED || body->state == CHUNK) {
            at += skip_bytes(body, count - at);
        } else {
            outcome =
                ++body->framing > MAX_FRAMING ? HTTP_BODY_TOO_LARGE : read_byte(body, bytes[at++]);
        }
    }
    *used = at;
    return body->state == COMPLETE ? HTTP_BODY_COMPLETE : outcome;
}
