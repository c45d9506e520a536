/*
 * body.h - the body of a request: checked, counted, and dropped, because no request here needs one.
 *
 * [one thread at a time] for each body.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stddef.h>
#include <stdint.h>

#define HTTP_MAX_BODY_BYTES 65536

enum http_body_outcome {
    HTTP_BODY_MORE,     /* it is incomplete */
    HTTP_BODY_COMPLETE, /* what follows does not belong to it */
    HTTP_BODY_MALFORMED,
    HTTP_BODY_TOO_LARGE,
    HTTP_BODY_FIELDS_TOO_LARGE /* an extension, or the trailers */
};

struct http_body {
    uint32_t left;    /* bytes of the body, or of the chunk that is being read */
    uint32_t counted; /* bytes of all chunks so far, this one included */
    uint32_t framing; /* bytes of everything around the chunks */
    uint32_t fields;  /* of these: of the extension at hand, or of the trailers */
    uint8_t state;
};

/* Exactly `length` bytes, at most HTTP_MAX_BODY_BYTES. */
void http_body_begin_counted(struct http_body *body, uint32_t length);

/* In chunks; extensions and trailers are skipped. */
void http_body_begin_chunked(struct http_body *body);

/* Reads on; *used is how many bytes were read: all of them while it wants more. `count` may be 0.
 */
enum http_body_outcome http_body_read(struct http_body *body, const char *bytes, size_t count,
                                      size_t *used);

#endif
