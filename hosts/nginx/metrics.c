/*
 * metrics.c - the Prometheus text exposition format, version 0.0.4.
 *
 * A metric's HELP and TYPE stand once, before all of its series; every series is there from the
 * start. Written twice: once to see how long it is.
 */
#include "metrics.h"

#include <stdio.h>
#include <string.h>

/* Counts what does not fit. */
struct text {
    char *at;
    size_t room;
    size_t length;
};

static void put(struct text *text, const char *bytes, size_t count) {
    if (text->length + count <= text->room) {
        memcpy(text->at + text->length, bytes, count);
    }
    text->length += count;
}

static void put_text(struct text *text, const char *words) {
    put(text, words, strlen(words));
}

/* "run_engine.snapshots_since.replica_miss" is run_engine_snapshots_since_replica_miss_total. */
static void put_name(struct text *text, const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";
    for (; *name != '\0'; name++) {
        put(text, strchr(allowed, *name) != NULL ? name : "_", 1);
    }
    put_text(text, "_total");
}

/* Label values escape backslash, quote and line feed. */
static void put_label(struct text *text, const char *separator, const char *name,
                      const char *value) {
    put_text(text, separator);
    put_text(text, name);
    put_text(text, "=\"");
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            put_text(text, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\') {
            put_text(text, "\\");
        }
        put(text, value, 1);
    }
    put_text(text, "\"");
}

static void put_header(struct text *text, const struct rp_metric *metric) {
    put_text(text, "# HELP ");
    put_name(text, metric->name);
    put_text(text, " ");
    put_text(text, metric->help);
    put_text(text, "\n# TYPE ");
    put_name(text, metric->name);
    put_text(text, " counter\n");
}

static void put_series(struct text *text, const struct rp_metric *metric) {
    char value[32];
    put_name(text, metric->name);
    put_label(text, "{", "section", metric->section);
    if (metric->attribute != NULL && metric->attribute_value != NULL) {
        put_label(text, ",", metric->attribute, metric->attribute_value);
    }
    (void)snprintf(value, sizeof value, "} %llu\n", (unsigned long long)metric->value);
    put_text(text, value);
}

/* False: there are no more. */
static bool metric_at(const struct main_settings *settings, uint32_t index,
                      struct rp_metric *metric) {
    return settings->opened != NULL &&
           settings->plugin->metrics(settings->opened->set, index, metric) == RP_OK;
}

/* Whether a metric before that index has the same name: sections may share a prefix. */
static bool is_repeated(const struct main_settings *settings, uint32_t index, const char *name) {
    struct rp_metric other = {.struct_size = sizeof other};
    for (uint32_t i = 0; i < index; i++) {
        if (metric_at(settings, i, &other) && strcmp(other.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void put_all(struct text *text, const struct main_settings *settings) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    struct rp_metric same = {.struct_size = sizeof same};
    for (uint32_t i = 0; metric_at(settings, i, &metric); i++) {
        if (is_repeated(settings, i, metric.name)) {
            continue;
        }
        put_header(text, &metric);
        for (uint32_t j = i; metric_at(settings, j, &same); j++) {
            if (strcmp(same.name, metric.name) == 0) {
                put_series(text, &same);
            }
        }
    }
}

/* Counters may have one digit more in the second writing; room for that is left. */
static ngx_buf_t *exposition(ngx_http_request_t *request, const struct main_settings *settings) {
    struct text text = {.room = 0};
    put_all(&text, settings);
    text.room = text.length + text.length / 8 + 1024;
    ngx_buf_t *buffer = ngx_create_temp_buf(request->pool, text.room);
    if (buffer != NULL) {
        text.at = (char *)buffer->pos;
        text.length = 0;
        put_all(&text, settings);
        buffer->last += text.length <= text.room ? text.length : 0;
        buffer->last_buf = request == request->main;
        buffer->last_in_chain = 1;
    }
    return buffer;
}

ngx_int_t metrics_handler(ngx_http_request_t *request) {
    const struct main_settings *settings =
        ngx_http_get_module_main_conf(request, ngx_http_read_policy_module);
    if ((request->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
        return NGX_HTTP_NOT_ALLOWED;
    }
    if (ngx_http_discard_request_body(request) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_buf_t *buffer = exposition(request, settings);
    if (buffer == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    request->headers_out.status = NGX_HTTP_OK;
    request->headers_out.content_length_n = buffer->last - buffer->pos;
    ngx_str_set(&request->headers_out.content_type, "text/plain; version=0.0.4; charset=utf-8");
    request->headers_out.content_type_len = request->headers_out.content_type.len;
    const ngx_int_t result = ngx_http_send_header(request);
    if (result == NGX_ERROR || result > NGX_OK || request->header_only) {
        return result;
    }
    ngx_chain_t chain = {.buf = buffer, .next = NULL};
    return ngx_http_output_filter(request, &chain);
}
