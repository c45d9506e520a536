/*
 * variables.c - see variables.h.
 */
#include "variables.h"

#include "read.h"

#include <string.h>

static const char *verdict_of(const struct rp_step *step) {
    switch (step->verdict) {
    case RP_VERDICT_FOUND:
        return "found";
    case RP_VERDICT_NOT_FOUND:
        return "not_found";
    case RP_VERDICT_SHED:
        return "shed";
    default:
        return "failed";
    }
}

static const char *served_by_of(const struct rp_step *step) {
    switch (step->served_by) {
    case RP_SERVED_BY_REPLICA:
        return "replica";
    case RP_SERVED_BY_REPLICA_RETRY:
        return "replica_retry";
    case RP_SERVED_BY_PRIMARY:
        return "primary";
    default:
        return NULL;
    }
}

static const char *failed_during_of(const struct rp_step *step) {
    return step->failed_during;
}

static ngx_int_t set_value(ngx_http_request_t *request, ngx_http_variable_value_t *value,
                           const char *(*text_of)(const struct rp_step *step)) {
    const struct read_context *context = read_of(request);
    const char *text = context != NULL && context->is_finished ? text_of(context->step) : NULL;
    value->not_found = text == NULL;
    if (text != NULL) {
        value->valid = 1;
        value->len = strlen(text) & 0xfffffff;
        value->data = (u_char *)(uintptr_t)text;
    }
    return NGX_OK;
}

static ngx_int_t get_verdict(ngx_http_request_t *request, ngx_http_variable_value_t *value,
                             uintptr_t data) {
    (void)data;
    return set_value(request, value, verdict_of);
}

static ngx_int_t get_served_by(ngx_http_request_t *request, ngx_http_variable_value_t *value,
                               uintptr_t data) {
    (void)data;
    return set_value(request, value, served_by_of);
}

static ngx_int_t get_failed_during(ngx_http_request_t *request, ngx_http_variable_value_t *value,
                                   uintptr_t data) {
    (void)data;
    return set_value(request, value, failed_during_of);
}

ngx_int_t variables_add(ngx_conf_t *cf) {
    static const struct {
        ngx_str_t name;
        ngx_http_get_variable_pt get;
    } known[] = {
        {ngx_string("read_policy_verdict"), get_verdict},
        {ngx_string("read_policy_served_by"), get_served_by},
        {ngx_string("read_policy_failed_during"), get_failed_during},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ngx_str_t name = known[i].name;
        ngx_http_variable_t *variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (variable == NULL) {
            return NGX_ERROR;
        }
        variable->get_handler = known[i].get;
    }
    return NGX_OK;
}
