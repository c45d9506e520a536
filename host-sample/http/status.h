/*
 * status.h - the status codes that replies are sent with, and their phrases.
 *
 * [thread-safe]
 */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include <stdint.h>

enum http_status {
    HTTP_STATUS_OK = 200,
    HTTP_STATUS_BAD_REQUEST = 400,
    HTTP_STATUS_UNAUTHORIZED = 401,
    HTTP_STATUS_NOT_FOUND = 404,
    HTTP_STATUS_METHOD_NOT_ALLOWED = 405,
    HTTP_STATUS_REQUEST_TIMEOUT = 408,
    HTTP_STATUS_PAYLOAD_TOO_LARGE = 413,
    HTTP_STATUS_URI_TOO_LONG = 414,
    HTTP_STATUS_TOO_MANY_REQUESTS = 429,
    HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE = 431,
    HTTP_STATUS_INTERNAL_SERVER_ERROR = 500,
    HTTP_STATUS_SERVICE_UNAVAILABLE = 503,
    HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED = 505
};

/* The phrase of the status line, e.g. "Not Found"; "Unknown" of a status that is not listed above.
 */
const char *http_status_phrase(uint32_t status);

#endif
