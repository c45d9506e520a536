/*
 * reply.c - status line, header fields, and the front's own errors.
 */
#include "reply.h"

#include "host-sample/base/json_string.h"
#include "status.h"

#include <stdio.h>
#include <string.h>

void http_reply_writer_init(struct http_reply_writer *writer, uint32_t keep_alive_s) {
    *writer = (struct http_reply_writer){0};
    if (keep_alive_s > 0) {
        (void)snprintf(writer->keep_alive, sizeof(writer->keep_alive),
                       "Connection: keep-alive\r\nKeep-Alive: timeout=%u\r\n",
                       (unsigned)keep_alive_s);
    } else {
        (void)snprintf(writer->keep_alive, sizeof(writer->keep_alive),
                       "Connection: keep-alive\r\n");
    }
}

/* strftime would ask the locale. */
static void write_date(struct http_reply_writer *writer, time_t now) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm utc;

    (void)gmtime_r(&now, &utc);
    (void)snprintf(writer->date, sizeof(writer->date),
                   "Date: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n", days[utc.tm_wday],
                   (unsigned)utc.tm_mday % 100, months[utc.tm_mon],
                   (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)utc.tm_hour % 100,
                   (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100);
    writer->date_of = now;
}

void http_reply_compose(struct http_reply_writer *writer, const struct http_reply *reply,
                        bool keep_alive) {
    struct byte_buffer *head = &writer->head;
    time_t now = time(NULL);

    if (now != writer->date_of) {
        write_date(writer, now);
    }
    byte_buffer_reset(head, SIZE_MAX);
    BYTE_BUFFER_LITERAL(head, "HTTP/1.1 ");
    byte_buffer_append_unsigned(head, reply->status);
    BYTE_BUFFER_LITERAL(head, " ");
    byte_buffer_append_text(head, http_status_phrase(reply->status));
    BYTE_BUFFER_LITERAL(head, "\r\nContent-Type: ");
    byte_buffer_append_text(head, reply->content_type);
    BYTE_BUFFER_LITERAL(head, "\r\nContent-Length: ");
    byte_buffer_append_unsigned(head, reply->body->length);
    BYTE_BUFFER_LITERAL(head, "\r\n");
    byte_buffer_append(head, writer->date, sizeof(writer->date) - 1);
    if (keep_alive) {
        byte_buffer_append_text(head, writer->keep_alive);
    } else {
        BYTE_BUFFER_LITERAL(head, "Connection: close\r\n");
    }
    if (reply->headers != NULL) {
        byte_buffer_append_text(head, reply->headers);
    }
    BYTE_BUFFER_LITERAL(head, "\r\n");
}

static const char *explain(uint32_t status) {
    switch (status) {
    case HTTP_STATUS_REQUEST_TIMEOUT:
        return "the request took too long to arrive";
    case HTTP_STATUS_PAYLOAD_TOO_LARGE:
        return "the request body is too large";
    case HTTP_STATUS_URI_TOO_LONG:
        return "the request target is too long";
    case HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return "the request header fields are too large";
    case HTTP_STATUS_INTERNAL_SERVER_ERROR:
        return "the answer could not be put together";
    case HTTP_STATUS_SERVICE_UNAVAILABLE:
        return HTTP_NO_ROOM;
    case HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED:
        return "only HTTP/1.0 and HTTP/1.1 are spoken here";
    default:
        return "the request is malformed";
    }
}

struct http_reply http_reply_error(struct http_reply_writer *writer, uint32_t status) {
    const char *sentence = explain(status);

    byte_buffer_reset(&writer->error, SIZE_MAX);
    BYTE_BUFFER_LITERAL(&writer->error, "{\"error\":");
    json_string_append(&writer->error, sentence, strlen(sentence));
    BYTE_BUFFER_LITERAL(&writer->error, "}");
    return (struct http_reply){.status = status,
                               .content_type = "application/json",
                               .body = &writer->error,
                               .close = true};
}

void http_reply_writer_free(struct http_reply_writer *writer) {
    byte_buffer_free(&writer->head);
    byte_buffer_free(&writer->error);
}
