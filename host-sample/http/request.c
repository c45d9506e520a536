/*
 * request.c - what a request must look like, whichever library parses its head.
 *
 * The libraries are lenient, each in its own way: one takes any four letters for "HTTP", a blank
 * before a header's colon or any byte after a CR, another a version that is not there; both unfold
 * folded lines or have done so. So a head is looked at line by line as it comes, and only a whole
 * one that is well formed is handed to the library. Every line ends with CR LF. After a chunked
 * body, which others may read otherwise, the connection is closed.
 */
#include "request.h"

#include "head_parser.h"
#include "status.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define MAX_METHOD 32 /* bytes; more than the longest that is registered */

/* --- header fields --- */

void http_header_names_init(struct http_header_names *names, const char *const *texts,
                            uint32_t count) {
    assert(count <= HTTP_MAX_HEADERS);
    names->count = count;
    for (uint32_t i = 0; i < names->count; i++) {
        names->names[i].text = texts[i];
        names->names[i].length = strlen(texts[i]);
    }
}

static bool is_text(const char *bytes, size_t length, const char *text, size_t text_length) {
    return length == text_length && strncasecmp(bytes, text, length) == 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_control(char c) {
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The library has removed the blanks before a value, not those after it. */
static struct http_span trimmed(const char *bytes, struct http_span span) {
    while (span.length > 0 && is_blank(bytes[span.offset + span.length - 1])) {
        span.length--;
    }
    return span;
}

/* A header field has been read whole. */
static void take_field(struct http_reader *reader) {
    const struct http_header_names *names = reader->header_names;
    const char *name = reader->bytes + reader->name.offset;
    struct http_span value = trimmed(reader->bytes, reader->value);
    const char *text = reader->bytes + value.offset;

    for (uint32_t i = 0; i < names->count; i++) {
        if (is_text(name, reader->name.length, names->names[i].text, names->names[i].length)) {
            reader->headers[i] = value;
            reader->seen[i]++;
            return;
        }
    }
    if (is_text(name, reader->name.length, "host", 4)) {
        reader->hosts_seen++;
    } else if (is_text(name, reader->name.length, "expect", 6)) {
        reader->expects_continue = is_text(text, value.length, "100-continue", 12);
    } else if (is_text(name, reader->name.length, "transfer-encoding", 17)) {
        reader->codings_seen++;
        reader->is_chunked = is_text(text, value.length, "chunked", 7);
    }
}

/* Pieces lie side by side. Offsets fit: a head is never longer than its capacity. */
static void extend(const struct http_reader *reader, struct http_span *span, const char *at,
                   size_t length) {
    if (span->length == 0) {
        span->offset = (uint16_t)(at - reader->bytes);
    }
    span->length = (uint16_t)(span->length + length);
}

static size_t span_end(struct http_span span) {
    return (size_t)span.offset + span.length;
}

static void on_part(void *context, enum http_head_part part, const char *at, size_t length) {
    struct http_reader *reader = context;

    switch (part) {
    case HTTP_HEAD_TARGET: /* known before */
        break;
    case HTTP_HEAD_NAME:
        if (reader->name.length > 0 && at != reader->bytes + span_end(reader->name)) {
            take_field(reader);
            reader->name = reader->value = (struct http_span){0};
        }
        extend(reader, &reader->name, at, length);
        break;
    case HTTP_HEAD_VALUE:
        extend(reader, &reader->value, at, length);
        break;
    }
}

/* --- the head, line by line --- */

/* What follows the target, as far as it has come. */
static uint16_t check_version(struct http_reader *reader, const char *text, size_t length,
                              bool whole) {
    static const char form[] = " HTTP/1.1";
    const size_t form_length = sizeof(form) - 1;

    for (size_t i = 0; i < length; i++) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';

        if (i >= form_length || (form[i] == '1' ? !is_digit : text[i] != form[i])) {
            return HTTP_STATUS_BAD_REQUEST;
        }
    }
    if (!whole) {
        return 0;
    }
    if (length > 0 && length < form_length) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    reader->is_1_0 = length > 0 && text[form_length - 1] == '0';
    return length > 0 && text[form_length - 3] == '1' && text[form_length - 1] <= '1'
               ? 0
               : HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED; /* HTTP/0.9 had no version */
}

/* Of a token (RFC 9110, section 5.6.2), as any method is: which ones a path has is for those to say
 * who know the path. */
static bool is_token_char(char c) {
    const char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* One blank before the target and one after it, as far as the line has come, its end left out. */
static uint16_t check_request_line(struct http_reader *reader, size_t length, bool whole) {
    const char *line = reader->bytes;
    const char *blank = memchr(line, ' ', length);
    const size_t method_length = blank != NULL ? (size_t)(blank - line) : length;
    const char *target = line + method_length + 1;
    const char *target_end;

    for (size_t i = 0; i < method_length; i++) {
        if (!is_token_char(line[i])) {
            return HTTP_STATUS_BAD_REQUEST;
        }
    }
    if (method_length == 0 || method_length > MAX_METHOD || (whole && blank == NULL)) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    if (blank == NULL) {
        return 0;
    }
    target_end = memchr(target, ' ', (size_t)(line + length - target));
    target_end = target_end != NULL ? target_end : line + length;
    reader->target = (struct http_span){.offset = (uint16_t)(target - line),
                                        .length = (uint16_t)(target_end - target)};
    if (reader->target.length > HTTP_MAX_REQUEST_LINE) {
        return HTTP_STATUS_URI_TOO_LONG;
    }
    if (memchr(target, '\t', reader->target.length) != NULL ||
        (reader->target.length == 0 && (whole || target_end != line + length))) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    return check_version(reader, target_end, (size_t)(line + length - target_end), whole);
}

/* A line has been looked at whole; its line feed is at `feed`. */
static uint16_t end_line(struct http_reader *reader, size_t feed) {
    uint16_t refusal = 0;

    if (reader->fields_start == 0) {
        refusal = check_request_line(reader, feed - 1, true);
        reader->fields_start = (uint16_t)(feed + 1);
    } else {
        reader->head_complete = feed == reader->line_start + 1U;
    }
    reader->line_start = (uint16_t)(feed + 1);
    return refusal;
}

/* CR and LF come in pairs, nothing else controls anything, and no line begins with a blank (a
 * folded field). */
static uint16_t check_byte(struct http_reader *reader, size_t at) {
    const char c = reader->bytes[at];
    const bool after_cr = at > 0 && reader->bytes[at - 1] == '\r';

    if (reader->fields_start > 0 && at - reader->fields_start >= HTTP_MAX_HEADER_BYTES + 2) {
        return HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
    }
    if (after_cr != (c == '\n') || (is_control(c) && c != '\r' && c != '\n') ||
        (at == reader->line_start && is_blank(c))) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    return c == '\n' ? end_line(reader, at) : 0;
}

/* Whether one of eight bytes is below a blank or DEL (after Sean Anderson's "Bit Twiddling Hacks",
 * hasless and haszero). */
static bool has_control(const char *eight) {
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t word;

    memcpy(&word, eight, sizeof(word));
    const uint64_t del = word ^ (ones * 0x7F);
    return (((word - ones * ' ') & ~word) | ((del - ones) & ~del)) & (ones * 0x80);
}

/* The next byte that check_byte must see: within a line most are plain. */
static size_t skip_plain(const struct http_reader *reader, size_t at, size_t count) {
    const size_t most = (size_t)reader->fields_start + HTTP_MAX_HEADER_BYTES + 2;
    const size_t end = reader->fields_start > 0 && most < count ? most : count;

    while (at + sizeof(uint64_t) <= end && !has_control(reader->bytes + at)) {
        at += sizeof(uint64_t);
    }
    while (at < end && !is_control(reader->bytes[at])) {
        at++;
    }
    return at;
}

/* Looks at the lines that have come since; stops behind the head. */
static uint16_t check_lines(struct http_reader *reader, size_t count) {
    while (reader->scanned < count && !reader->head_complete) {
        const char c = reader->bytes[reader->scanned];
        const uint16_t refusal = check_byte(reader, reader->scanned++);

        if (refusal != 0) {
            return refusal;
        }
        if (c != '\r' && c != '\n') {
            reader->scanned = (uint32_t)skip_plain(reader, reader->scanned, count);
        }
    }
    if (reader->fields_start == 0) {
        return check_request_line(reader, count - (reader->bytes[count - 1] == '\r'), false);
    }
    return 0;
}

/* --- the head as a whole --- */

/* What its fields say of the body, and of whom it is for. */
static uint16_t check_fields(const struct http_reader *reader, const struct http_head *head) {
    if (reader->hosts_seen > 1 || (!reader->is_1_0 && reader->hosts_seen == 0)) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    /* HTTP/1.0 has no chunks: a proxy in between may not know them either. */
    if (reader->codings_seen > 0 &&
        (reader->codings_seen > 1 || !reader->is_chunked || head->has_length || reader->is_1_0)) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    if (head->has_length && head->content_length > HTTP_MAX_BODY_BYTES) {
        return HTTP_STATUS_PAYLOAD_TOO_LARGE;
    }
    return 0;
}

/* Draws from a head that was found good what the connection will ask for. */
static void conclude_head(struct http_reader *reader, const struct http_head *head) {
    const bool chunked = reader->codings_seen > 0;

    /* What follows a CONNECT is another protocol, and no body. */
    if (chunked && !head->is_connect) {
        http_body_begin_chunked(&reader->body);
    } else {
        http_body_begin_counted(&reader->body,
                                head->is_connect ? 0 : (uint32_t)head->content_length);
    }
    reader->keep_alive = head->keep_alive && !chunked && !head->is_connect;
    reader->is_head = head->is_head;
    reader->expects_continue = reader->expects_continue && !reader->is_1_0;
}

/* How long the method is, if it is none of those that mean something for how a request is read; all
 * libraries know these. */
static size_t foreign_method(const struct http_reader *reader) {
    static const char *const known[] = {"GET ", "HEAD ", "OPTIONS ", "CONNECT "};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const size_t length = strlen(known[i]);

        if (reader->target.offset == length && memcmp(reader->bytes, known[i], length) == 0) {
            return 0;
        }
    }
    return (size_t)reader->target.offset - 1;
}

/* Reads the head on from where it was left. */
static uint16_t read_head(struct http_reader *reader, size_t count) {
    struct http_head head;
    uint16_t refusal = check_lines(reader, count);

    if (refusal != 0 || !reader->head_complete) {
        return refusal;
    }
    if (!http_head_parse(reader->bytes, reader->scanned, foreign_method(reader), on_part, reader,
                         &head)) {
        return HTTP_STATUS_BAD_REQUEST;
    }
    if (reader->name.length > 0) {
        take_field(reader);
    }
    refusal = check_fields(reader, &head);
    if (refusal == 0) {
        conclude_head(reader, &head);
    }
    return refusal;
}

/* --- the reader --- */

void http_reader_begin(struct http_reader *reader, const struct http_header_names *names) {
    *reader = (struct http_reader){.header_names = names};
}

static enum http_reader_outcome refuse(struct http_reader *reader, uint16_t status) {
    reader->refusal = status;
    return HTTP_READER_REFUSED;
}

static enum http_reader_outcome read_body(struct http_reader *reader, size_t count, size_t *used) {
    const size_t given = count - reader->kept;
    const enum http_body_outcome outcome =
        http_body_read(&reader->body, reader->bytes + reader->kept, given, used);

    reader->body_begun = reader->body_begun || given > 0;
    *used += reader->kept;
    switch (outcome) {
    case HTTP_BODY_MORE:
        return HTTP_READER_MORE;
    case HTTP_BODY_COMPLETE:
        return HTTP_READER_COMPLETE;
    case HTTP_BODY_TOO_LARGE:
        return refuse(reader, HTTP_STATUS_PAYLOAD_TOO_LARGE);
    case HTTP_BODY_FIELDS_TOO_LARGE:
        return refuse(reader, HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE);
    case HTTP_BODY_MALFORMED:
        break;
    }
    return refuse(reader, HTTP_STATUS_BAD_REQUEST);
}

enum http_reader_outcome http_reader_feed(struct http_reader *reader, const char *bytes,
                                          size_t count, size_t *used) {
    *used = 0;
    reader->bytes = bytes;
    if (!reader->head_complete) {
        const uint16_t refusal = read_head(reader, count);

        reader->kept = reader->scanned;
        if (refusal != 0) {
            return refuse(reader, refusal);
        }
    }
    return reader->head_complete ? read_body(reader, count, used) : HTTP_READER_MORE;
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
    for (uint32_t i = 0; i < reader->header_names->count; i++) {
        if (reader->seen[i] > 0) {
            request->headers[i] = text_of(bytes, reader->headers[i], reader->seen[i]);
        }
    }
}
