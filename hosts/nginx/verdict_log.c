/*
 * verdict_log.c - see verdict_log.h.
 */
#include "verdict_log.h"

static void log_shed(ngx_http_request_t *request, const ngx_str_t *section,
                     const struct rp_step *step) {
    struct main_settings *settings =
        ngx_http_get_module_main_conf(request, ngx_http_read_policy_module);
    settings->shed_unlogged++;
    if (settings->shed_logged_at == ngx_time()) {
        return;
    }
    ngx_log_error(NGX_LOG_ERR, request->connection->log, 0,
                  "read policy %V: %s (%ui shed by this worker since the last such line)", section,
                  step->message, settings->shed_unlogged);
    settings->shed_logged_at = ngx_time();
    settings->shed_unlogged = 0;
}

void verdict_log(ngx_http_request_t *request, const ngx_str_t *section,
                 const struct rp_step *step) {
    if (step->verdict == RP_VERDICT_SHED) {
        log_shed(request, section, step);
    } else if (step->log_level != RP_LOG_NONE) {
        const ngx_uint_t level = step->log_level == RP_LOG_WARN ? NGX_LOG_WARN : NGX_LOG_ERR;
        ngx_log_error(level, request->connection->log, 0, "read policy %V: %s%s%s", section,
                      step->message, step->failed_during != NULL ? ", failed during " : "",
                      step->failed_during != NULL ? step->failed_during : "");
    }
}
