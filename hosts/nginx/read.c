/*
 * read.c - see read.h.
 */
#include "read.h"

#include "verdict_log.h"

#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* CLOCK_MONOTONIC, which all workers share, as they do the budget. */
static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static const struct rp_plugin *plugin_of(ngx_http_request_t *request) {
    const struct main_settings *settings =
        ngx_http_get_module_main_conf(request, ngx_http_read_policy_module);
    return settings->plugin;
}

static void report(struct read_context *context, int32_t outcome) {
    const struct rp_report report = {
        .struct_size = sizeof report, .outcome = outcome, .now_ns = now_ns()};
    context->step = plugin_of(context->request)->next(&context->read, &report);
}

/* ---- the request's configuration ------------------------------------------------------------- */

static void switch_location(ngx_http_request_t *request, void **location) {
    request->loc_conf = location;
    ngx_http_update_location_config(request);
}

/* An attempt that fails leads to read_resume by way of an error page; neither an error page that
 * led here nor the number of attempts may stand in its way. */
static void lend_request(struct read_context *context) {
    ngx_http_request_t *request = context->request;
    request->error_page = 0;
    request->uri_changes = (context->uri_changes + 1) & 15;
    request->write_event_handler = ngx_http_request_empty_handler;
}

static void take_request_back(struct read_context *context) {
    ngx_http_request_t *request = context->request;
    request->error_page = context->error_page & 1;
    request->uri_changes = context->uri_changes & 15;
    request->keepalive = context->keepalive & 1;
    request->http_version = context->http_version;
    request->limit_rate = context->limit_rate;
    request->limit_rate_set = context->limit_rate_set;
    request->allow_ranges = context->allow_ranges;
    request->single_range = context->single_range;
    request->disable_not_modified = context->disable_not_modified;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static ngx_int_t perform(struct read_context *context);

static ngx_int_t attempt(struct read_context *context) {
    ngx_http_request_t *request = context->request;
    const struct location_settings *settings = context->settings;
    const struct rp_step *step = context->step;
    void **location = step->target == RP_TARGET_PRIMARY
                          ? settings->primary
                          : ((void ***)settings->replicas->elts)[step->replica];
    context->is_rejected = false;
    lend_request(context);
    switch_location(request, location);
    return request->content_handler(request);
}

static void wake_up(ngx_event_t *event) {
    struct read_context *context = event->data;
    ngx_connection_t *connection = context->request->connection;
    ngx_http_request_t *request = context->request;
    ngx_http_set_log_request(connection->log, request);
    const uint64_t now = now_ns();
    if (now < context->step->until_ns) {
        /* nginx counts from when it last looked at the clock. */
        ngx_add_timer(event, (context->step->until_ns - now) / NS_PER_MS + 1);
        return;
    }
    report(context, RP_WAITED);
    ngx_http_finalize_request(request, perform(context));
    ngx_http_run_posted_requests(connection);
}

static void delete_timer(void *data) {
    ngx_event_t *timer = data;
    if (timer->timer_set) {
        ngx_del_timer(timer);
    }
}

/* Most reads never wait. */
static ngx_event_t *new_timer(struct read_context *context) {
    ngx_http_cleanup_t *cleanup = ngx_http_cleanup_add(context->request, sizeof(ngx_event_t));
    if (cleanup == NULL) {
        return NULL;
    }
    ngx_event_t *timer = cleanup->data;
    ngx_memzero(timer, sizeof *timer);
    timer->handler = wake_up;
    timer->data = context;
    timer->log = context->request->connection->log;
    cleanup->handler = delete_timer;
    return timer;
}

/* Holds nothing but the request: no connection to a server, no worker's time. A client that leaves
 * meanwhile ends it, unless attempts go on without their client, too. */
static ngx_int_t wait_until(struct read_context *context) {
    ngx_http_request_t *request = context->request;
    if (context->timer == NULL) {
        context->timer = new_timer(context);
    }
    if (context->timer == NULL || ngx_handle_read_event(request->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    request->read_event_handler =
        context->settings->ignores_abort ? ngx_http_block_reading : ngx_http_test_reading;
    request->write_event_handler = ngx_http_request_empty_handler;
    const uint64_t now = now_ns();
    const uint64_t until = context->step->until_ns;
    ngx_add_timer(context->timer, until > now ? (until - now) / NS_PER_MS + 1 : 0);
    request->main->count++;
    return NGX_DONE;
}

static void finish(struct read_context *context) {
    context->is_finished = true;
    verdict_log(context->request, &context->settings->section, context->step);
}

static ngx_int_t shed(ngx_http_request_t *request) {
    ngx_table_elt_t *header = ngx_list_push(&request->headers_out.headers);
    if (header == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    *header = (ngx_table_elt_t){.hash = 1};
    ngx_str_set(&header->key, "Retry-After");
    ngx_str_set(&header->value, "1");
    return NGX_HTTP_TOO_MANY_REQUESTS;
}

/* The verdict, where no server's answer is there to be passed on. */
static ngx_int_t conclude(struct read_context *context) {
    finish(context);
    if (context->step->verdict == RP_VERDICT_SHED) {
        return shed(context->request);
    }
    return context->status >= NGX_HTTP_SPECIAL_RESPONSE ? context->status : NGX_HTTP_BAD_GATEWAY;
}

/* Does what the step says. The value is for ngx_http_finalize_request. */
static ngx_int_t perform(struct read_context *context) {
    switch (context->step->kind) {
    case RP_STEP_READ:
        return attempt(context);
    case RP_STEP_WAIT:
        return wait_until(context);
    case RP_STEP_DONE:
        return conclude(context);
    default:
        /* Positions were not declared, so none is asked for. */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* Marks the context among the cleanups of the request's pool, where read_of finds it. */
static void mark(void *data) {
    (void)data;
}

const struct read_context *read_of(ngx_http_request_t *request) {
    for (ngx_pool_cleanup_t *cleanup = request->pool->cleanup; cleanup != NULL;
         cleanup = cleanup->next) {
        struct read_context *context = cleanup->data;
        if (cleanup->handler == mark && context->request == request) {
            return context;
        }
    }
    return NULL;
}

static struct read_context *new_context(ngx_http_request_t *request,
                                        const struct location_settings *settings) {
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(request->pool, sizeof(struct read_context));
    if (cleanup == NULL) {
        return NULL;
    }
    struct read_context *context = cleanup->data;
    ngx_memzero(context, sizeof *context);
    context->request = request;
    context->settings = settings;
    context->location = request->loc_conf;
    context->read.struct_size = sizeof context->read;
    context->uri_changes = request->uri_changes;
    context->error_page = request->error_page;
    context->keepalive = request->keepalive;
    context->http_version = request->http_version; /* an answer without a header takes it away */
    context->limit_rate = request->limit_rate;     /* an answer's X-Accel-Limit-Rate changes it */
    context->limit_rate_set = request->limit_rate_set;
    context->allow_ranges = request->allow_ranges;
    context->single_range = request->single_range;
    context->disable_not_modified = request->disable_not_modified;
    cleanup->handler = mark;
    ngx_http_set_ctx(request, context, ngx_http_read_policy_module);
    return context;
}

/* Reads that may be made twice, and have nothing to send twice. */
static bool is_read(const ngx_http_request_t *request) {
    return (request->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0 &&
           request->headers_in.content_length_n <= 0 && !request->headers_in.chunked;
}

/* To the primary, as by plain proxy_pass. */
static ngx_int_t pass_on(ngx_http_request_t *request, const struct location_settings *settings) {
    struct read_context *context = ngx_pcalloc(request->pool, sizeof *context);
    if (context == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    context->location = request->loc_conf;
    context->is_direct = true;
    ngx_http_set_ctx(request, context, ngx_http_read_policy_module);
    switch_location(request, settings->direct);
    return request->content_handler(request);
}

ngx_int_t read_handler(ngx_http_request_t *request) {
    const struct location_settings *settings =
        ngx_http_get_module_loc_conf(request, ngx_http_read_policy_module);
    if (!is_read(request)) {
        return pass_on(request, settings);
    }
    struct read_context *context = new_context(request, settings);
    if (context == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    const uint64_t now = now_ns();
    const struct rp_request asked = {
        .struct_size = sizeof asked,
        .replicas = settings->replicas != NULL ? (uint32_t)settings->replicas->nelts : 0,
        .now_ns = now,
        /* nginx seeds its 31 bits in each worker; the clock makes 64 of them. */
        .entropy = rp_random_at((uint64_t)ngx_random(), now)};
    context->step = plugin_of(request)->begin(settings->policy, &asked, &context->read);
    return perform(context);
}

/* ---- an answer ------------------------------------------------------------------------------- */

static bool is_missing(const struct location_settings *settings, ngx_uint_t status) {
    const ngx_uint_t *statuses = settings->missing->elts;
    for (ngx_uint_t i = 0; i < settings->missing->nelts; i++) {
        if (statuses[i] == status) {
            return true;
        }
    }
    return false;
}

/* An interim answer, where nginx takes it for the end, says nothing; nor does what is no HTTP,
 * which has no status at all. */
static bool is_answer(ngx_uint_t status) {
    return status >= NGX_HTTP_OK || status == NGX_HTTP_SWITCHING_PROTOCOLS;
}

static int32_t outcome_of(ngx_http_request_t *request, const struct location_settings *settings,
                          ngx_uint_t status) {
    if (is_missing(settings, status)) {
        return RP_MISSING;
    }
    if (status >= NGX_HTTP_INTERNAL_SERVER_ERROR || !is_answer(status)) {
        return RP_FAILED;
    }
    const ngx_int_t missing = ngx_http_test_predicates(request, settings->missing_if);
    const ngx_int_t partial = ngx_http_test_predicates(request, settings->partial_if);
    if (missing == NGX_ERROR || partial == NGX_ERROR) {
        return RP_FAILED;
    }
    return missing == NGX_DECLINED ? RP_MISSING : partial == NGX_DECLINED ? RP_PARTIAL : RP_FOUND;
}

/* The next chunk's header; fields behind the last chunk are skipped. */
static ngx_int_t parse_chunked(ngx_http_request_t *request, ngx_buf_t *rest,
                               ngx_http_chunked_t *chunked) {
#if nginx_version >= 1027002
    return ngx_http_parse_chunked(request, rest, chunked, 0);
#else
    return ngx_http_parse_chunked(request, rest, chunked);
#endif
}

/* Whether the last chunk is among what has been read, and nothing is behind it. */
static bool has_all_chunks(ngx_http_request_t *request) {
    ngx_buf_t rest = request->upstream->buffer;
    ngx_http_chunked_t chunked;
    ngx_memzero(&chunked, sizeof chunked);
    ngx_int_t result = NGX_OK;
    while (result == NGX_OK) {
        result = parse_chunked(request, &rest, &chunked);
        const off_t here = rest.last - rest.pos;
        if (result != NGX_OK || chunked.size > here) {
            break;
        }
        rest.pos += chunked.size;
        chunked.size = 0;
    }
    return result == NGX_DONE && rest.pos == rest.last;
}

/* The connection of an answer that nobody reads to its end cannot be used again, unless its end is
 * here already. Misses are short. */
static void keep_connection(ngx_http_request_t *request) {
    ngx_http_upstream_t *upstream = request->upstream;
    if (upstream == NULL || upstream->upgrade || upstream->headers_in.connection_close) {
        return;
    }
    if (upstream->headers_in.chunked ? has_all_chunks(request)
                                     : upstream->headers_in.content_length_n >= 0 &&
                                           upstream->buffer.last - upstream->buffer.pos ==
                                               upstream->headers_in.content_length_n) {
        upstream->keepalive = 1;
    }
}

/* Whether the location has an error page of its own for the status, and wants to use it. */
static bool is_intercepted(const struct read_context *context, ngx_uint_t status) {
    const ngx_http_core_loc_conf_t *core = context->location[ngx_http_core_module.ctx_index];
    if (!context->settings->intercepts || core->error_pages == NULL ||
        status < NGX_HTTP_BAD_REQUEST) {
        return false;
    }
    const ngx_http_err_page_t *pages = core->error_pages->elts;
    for (ngx_uint_t i = 0; i < core->error_pages->nelts; i++) {
        if (pages[i].status == (ngx_int_t)status) {
            return true;
        }
    }
    return false;
}

/* The headers that the answer gives to the one that it leads to. */
static ngx_int_t take_along(ngx_http_request_t *request) {
    ngx_http_upstream_main_conf_t *all =
        ngx_http_get_module_main_conf(request, ngx_http_upstream_module);
    const ngx_list_part_t *part = &request->upstream->headers_in.headers.part;
    for (; part != NULL; part = part->next) {
        ngx_table_elt_t *headers = part->elts;
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            ngx_table_elt_t *header = &headers[i];
            const ngx_http_upstream_header_t *known =
                header->hash == 0 ? NULL
                                  : ngx_hash_find(&all->headers_in_hash, header->hash,
                                                  header->lowcase_key, header->key.len);
            if (known != NULL && known->redirect &&
                known->copy_handler(request, header, known->conf) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }
    return NGX_OK;
}

/* As nginx does it for plain proxy_pass, which would not have asked the policy first. */
static ngx_int_t redirect(ngx_http_request_t *request) {
    ngx_str_t uri = request->upstream->headers_in.x_accel_redirect->value;
    ngx_str_t arguments = ngx_null_string;
    ngx_uint_t flags = NGX_HTTP_LOG_UNSAFE;
    ngx_http_clean_header(request);
    if (take_along(request) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (uri.len != 0 && uri.data[0] == '@') {
        (void)ngx_http_named_location(request, &uri);
    } else if (ngx_http_parse_unsafe_uri(request, &uri, &arguments, &flags) == NGX_OK) {
        (void)ngx_http_internal_redirect(request, &uri, &arguments);
    } else {
        return NGX_HTTP_NOT_FOUND;
    }
    return NGX_DONE;
}

/* What follows is as the request's own location has it, which may be an `if` within the one that
 * the attempt was made in. */
static ngx_int_t let_pass(const struct read_context *context, ngx_http_request_t *request) {
    switch_location(request, context->location);
    return NGX_OK;
}

ngx_int_t read_judge(ngx_http_request_t *request) {
    struct read_context *context = ngx_http_get_module_ctx(request, ngx_http_read_policy_module);
    if (context == NULL || context->is_finished) {
        return NGX_OK;
    }
    if (context->is_direct) {
        return let_pass(context, request);
    }
    const ngx_uint_t status = request->headers_out.status;
    report(context, outcome_of(request, context->settings, status));
    const struct rp_step *step = context->step;
    if (step->kind == RP_STEP_DONE && step->verdict != RP_VERDICT_SHED && is_answer(status)) {
        finish(context);
        if (is_intercepted(context, status)) {
            return (ngx_int_t)status;
        }
        context->is_redirected = context->settings->redirects && request->upstream != NULL &&
                                 request->upstream->headers_in.x_accel_redirect != NULL;
        if (context->is_redirected) {
            return NGX_HTTP_BAD_GATEWAY;
        }
        return let_pass(context, request);
    }
    context->is_rejected = true;
    if (is_answer(status)) {
        keep_connection(request);
    }
    return NGX_HTTP_BAD_GATEWAY;
}

/* An error page of the location's own has nothing of the answer that it stands for, whose encoding
 * or cookies are not the page's; but as with proxy_pass, how to log in. */
static ngx_int_t intercept(ngx_http_request_t *request, ngx_int_t status) {
    const ngx_table_elt_t *said = status == NGX_HTTP_UNAUTHORIZED && request->upstream != NULL
                                      ? request->upstream->headers_in.www_authenticate
                                      : NULL;
    ngx_http_clean_header(request);
    if (said == NULL) {
        return status;
    }
    ngx_table_elt_t *header = ngx_list_push(&request->headers_out.headers);
    if (header == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    *header = (ngx_table_elt_t){.hash = said->hash,
                                .key = said->key,
                                .value = said->value,
                                .lowcase_key = said->lowcase_key};
    request->headers_out.www_authenticate = header;
    return status;
}

ngx_int_t read_resume(ngx_http_request_t *request) {
    const struct location_settings *here =
        ngx_http_get_module_loc_conf(request, ngx_http_read_policy_module);
    if (!here->is_resuming) {
        return NGX_DECLINED;
    }
    struct read_context *context = (struct read_context *)read_of(request);
    if (context == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    ngx_http_set_ctx(request, context, ngx_http_read_policy_module);
    const ngx_int_t status = (ngx_int_t)request->err_status;
    request->err_status = 0;
    take_request_back(context);
    switch_location(request, context->location);
    if (context->is_redirected) {
        context->is_redirected = false;
        ngx_http_finalize_request(request, redirect(request));
        return NGX_DONE;
    }
    if (context->is_finished) {
        return intercept(request, status);
    }
    ngx_http_clean_header(request);
    context->status = status;
    if (!context->is_rejected) {
        report(context, is_missing(context->settings, (ngx_uint_t)status) ? RP_MISSING : RP_FAILED);
    }
    ngx_http_finalize_request(request, perform(context));
    return NGX_DONE;
}
