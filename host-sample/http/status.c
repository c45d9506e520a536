/*
 * status.c - phrases of the status line.
 */
#include "status.h"

const char *http_status_phrase(uint32_t status) {
    switch ((enum http_status)status) {
    case HTTP_STATUS_OK:
        return "OK";
    case HTTP_STATUS_BAD_REQUEST:
        return "Bad Request";
    case HTTP_STATUS_UNAUTHORIZED:
        return "Unauthorized";
    case HTTP_STATUS_NOT_FOUND:
        return "Not Found";
    case HTTP_STATUS_METHOD_NOT_ALLOWED:
        return "Method Not Allowed";
    case HTTP_STATUS_REQUEST_TIMEOUT:
        return "Request Timeout";
    case HTTP_STATUS_PAYLOAD_TOO_LARGE:
        return "Payload Too Large";
    case HTTP_STATUS_URI_TOO_LONG:
        return "URI Too Long";
    case HTTP_STATUS_TOO_MANY_REQUESTS:
        return "Too Many Requests";
    case HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return "Request Header Fields Too Large";
    case HTTP_STATUS_INTERNAL_SERVER_ERROR:
        return "Internal Server Error";
    case HTTP_STATUS_SERVICE_UNAVAILABLE:
        return "Service Unavailable";
    case HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED:
        return "HTTP Version Not Supported";
    }
    return "Unknown";
}
