/*
 * request.h - the grammar: bytes in, one request out.
 *
 * Knows no sockets. The bytes of a request may come in any number of pieces; those of its head
 * (request line and header fields) must lie together in memory, the body is checked, counted and
 * dropped.
 *
 * [one thread at a time] for each reader.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "body.h"
#include "exchange.h"

/* More than the longest head that is accepted: target, header fields, and what is between them.
 */
#define HTTP_HEAD_CAPACITY (HTTP_MAX_REQUEST_LINE + HTTP_MAX_HEADER_BYTES + 256)
#define HTTP_FEED_CAPACITY UINT16_MAX /* bytes that one call may be handed */

enum http_reader_outcome {
    HTTP_READER_MORE,     /* the request is not whole yet */
    HTTP_READER_COMPLETE, /* http_reader_request may be called */
    HTTP_READER_REFUSED   /* answer reader->refusal, a status code, and close */
};

struct http_span { /* of the head */
    uint16_t offset;
    uint16_t length;
};

/* The headers that are looked for. */
struct http_header_names {
    uint32_t count;
    struct {
        const char *text; /* the caller's */
        size_t length;
    } names[HTTP_MAX_HEADERS];
};

struct http_reader {
    const struct http_header_names *header_names;
    const char *bytes; /* the head's first byte; valid within a call only */
    uint32_t kept;     /* bytes of the request that the next call wants to see again */
    uint32_t scanned;  /* bytes of the head whose lines were looked at */
    uint16_t refusal;
    uint16_t line_start;   /* of the line that is being looked at */
    uint16_t fields_start; /* where the request line has ended; 0: not reached */
    struct http_span target;
    struct http_span name, value; /* of the header field that is being read */
    struct http_span headers[HTTP_MAX_HEADERS];
    uint16_t seen[HTTP_MAX_HEADERS];
    uint16_t hosts_seen;
    uint16_t codings_seen;
    struct http_body body;
    bool is_1_0;
    bool is_chunked;
    bool head_complete;
    bool body_begun;       /* bytes have come after the head */
    bool keep_alive;       /* the client and the grammar allow another request on this connection */
    bool is_head;          /* HEAD: the reply has no body */
    bool expects_continue; /* the client waits for 100 Continue; cleared by the sender of it */
};

/* At most HTTP_MAX_HEADERS of them; the texts are not copied. */
void http_header_names_init(struct http_header_names *names, const char *const *texts,
                            uint32_t count);

/* `names` must outlive the reader's use. */
void http_reader_begin(struct http_reader *reader, const struct http_header_names *names);

/* Reads on. `bytes` holds the request from its first byte: the first reader->kept bytes as they
 * were when the last call returned (they may have moved), then whatever has come since, at least
 * one byte and HTTP_FEED_CAPACITY in all. The first byte of a request is neither CR nor LF:
 * http_reader_skip.
 *
 * HTTP_READER_MORE: the caller keeps the first reader->kept bytes, never more than
 * HTTP_HEAD_CAPACITY, and drops the rest. HTTP_READER_COMPLETE: *used bytes were this request. */
enum http_reader_outcome http_reader_feed(struct http_reader *reader, const char *bytes,
                                          size_t count, size_t *used);

/* How many bytes of empty lines precede a request: old clients send one after a body. */
size_t http_reader_skip(const char *bytes, size_t count);

/* After HTTP_READER_COMPLETE; points into `bytes`, the same as in the call that returned it. */
void http_reader_request(const struct http_reader *reader, const char *bytes,
                         struct http_request *request);

#endif
