/*
 * read.h - one read: a request that a policy decides, from its first attempt to its verdict.
 *
 * Each attempt is the proxy module's, on the client's own request, so that the answer that counts
 * is streamed as plain proxy_pass would. When an attempt's answer has its header, and nothing is
 * sent yet, the policy hears what it is: either it passes, or it is dropped and the next step is
 * taken. A wait is a timer. See README.md for how a dropped answer comes back here.
 */
#ifndef READ_H
#define READ_H

#include "settings.h"

/* A request as the policy sees it. In the request's pool; gone with it. */
struct read_context {
    ngx_http_request_t *request;
    const struct location_settings *settings;
    void **location; /* the request's own configuration, while a hidden one is in force */
    struct rp_read read;
    const struct rp_step *step;
    ngx_event_t *timer;   /* NULL until it first waits */
    ngx_int_t status;     /* of the last attempt that failed here, without an answer to pass on */
    unsigned uri_changes; /* the request's own, which attempts must not use up */
    unsigned error_page;
    unsigned keepalive;
    ngx_uint_t http_version;
    size_t limit_rate;
    bool limit_rate_set;
    unsigned allow_ranges : 1; /* what an attempt that is judged has set for its own answer */
    unsigned single_range : 1;
    unsigned disable_not_modified : 1;
    bool is_rejected;   /* the attempt's answer is on its way out, and the policy has heard of it */
    bool is_finished;   /* the verdict is in `step` */
    bool is_direct;     /* no read: no policy decides, and the primary's answer passes */
    bool is_redirected; /* the answer that counts leads elsewhere by its X-Accel-Redirect */
};

/* The handler of a location with read_policy. */
ngx_int_t read_handler(ngx_http_request_t *request);

/* For the header filter: NGX_OK if the answer may pass, else what the filter has to return. */
ngx_int_t read_judge(ngx_http_request_t *request);

/* The handler of the rewrite phase: goes on with a read whose attempt has failed or was dropped. */
ngx_int_t read_resume(ngx_http_request_t *request);

/* The request's read, or NULL: also after the contexts of modules were wiped. */
const struct read_context *read_of(ngx_http_request_t *request);

#endif
