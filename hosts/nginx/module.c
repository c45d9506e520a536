/*
 * module.c - what nginx knows of the module: directives, phases, filters.
 */
#include "metrics.h"
#include "read.h"
#include "settings.h"
#include "variables.h"

static char *set_metrics(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    (void)command;
    (void)conf;
    core->handler = metrics_handler;
    return NGX_CONF_OK;
}

#define PLACES_OF_MISSING (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF)

static ngx_command_t directives[] = {
    {ngx_string("read_policy_file"), NGX_HTTP_MAIN_CONF | NGX_CONF_TAKE1, settings_read_policy_file,
     NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL},
    {ngx_string("read_policy"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1, settings_read_policy,
     NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("read_policy_replica"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
     settings_read_policy_replica, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("read_policy_primary"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE1,
     settings_read_policy_primary, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("read_policy_missing"), PLACES_OF_MISSING | NGX_CONF_1MORE,
     settings_read_policy_missing, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    {ngx_string("read_policy_missing_if"), PLACES_OF_MISSING | NGX_CONF_1MORE,
     ngx_http_set_predicate_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(struct location_settings, missing_if), NULL},
    {ngx_string("read_policy_partial_if"), PLACES_OF_MISSING | NGX_CONF_1MORE,
     ngx_http_set_predicate_slot, NGX_HTTP_LOC_CONF_OFFSET,
     offsetof(struct location_settings, partial_if), NULL},
    {ngx_string("read_policy_metrics"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_metrics,
     NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    ngx_null_command,
};

/* nginx chains filters by a variable of each module's own, set once before it serves. */
static ngx_http_output_header_filter_pt next_header_filter;

static ngx_int_t header_filter(ngx_http_request_t *request) {
    const ngx_int_t result = read_judge(request);
    return result == NGX_OK ? next_header_filter(request) : result;
}

static ngx_int_t add_phase(ngx_conf_t *cf) {
    ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    ngx_http_handler_pt *handler = ngx_array_push(&core->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (handler == NULL) {
        return NGX_ERROR;
    }
    *handler = read_resume;
    return NGX_OK;
}

/* Locations with a policy are answered from now on. The filter comes first, whatever is refused
 * afterwards: where nginx is but one process, that goes on with the configuration before. */
static ngx_int_t post_configuration(ngx_conf_t *cf) {
    const struct main_settings *settings =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_read_policy_module);
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    if (settings_check(cf) != NGX_OK || add_phase(cf) != NGX_OK) {
        return NGX_ERROR;
    }
    struct location_settings **places = settings->places.elts;
    for (ngx_uint_t i = 0; i < settings->places.nelts; i++) {
        places[i]->core->handler = read_handler;
    }
    return NGX_OK;
}

/* nginx's filters belong to the process, not to the configuration, and one that was refused half
 * way, or has no such module, leaves its own in the master process. A worker that is started after
 * that serves the configuration before, whose answers would pass unjudged. */
static ngx_http_output_header_filter_pt first_header_filter;

static ngx_int_t init_module(ngx_cycle_t *cycle) {
    const struct main_settings *settings =
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_read_policy_module);
    first_header_filter = ngx_http_top_header_filter;
    return settings != NULL && settings->opened != NULL
               ? policy_set_share(settings->opened, cycle->log)
               : NGX_OK;
}

static ngx_int_t init_process(ngx_cycle_t *cycle) {
    (void)cycle;
    ngx_http_top_header_filter = first_header_filter;
    return NGX_OK;
}

static ngx_http_module_t context = {
    .preconfiguration = variables_add,
    .postconfiguration = post_configuration,
    .create_main_conf = settings_create_main,
    .create_srv_conf = settings_create_server,
    .create_loc_conf = settings_create_location,
    .merge_loc_conf = settings_merge_location,
};

ngx_module_t ngx_http_read_policy_module = {
    NGX_MODULE_V1, &context,    directives,   NGX_HTTP_MODULE,
    NULL,          init_module, init_process, NULL,
    NULL,          NULL,        NULL,         NGX_MODULE_V1_PADDING,
};

/* What nginx reads of a dynamic module. Without an order the module comes last, so its filter is
 * the first: an answer is judged before anything else is done to it. */
#pragma GCC visibility push(default)
extern ngx_module_t *ngx_modules[];
extern char *ngx_module_names[];
extern char *ngx_module_order[];
#pragma GCC visibility pop

ngx_module_t *ngx_modules[] = {&ngx_http_read_policy_module, NULL};
char *ngx_module_names[] = {"ngx_http_read_policy_module", NULL};
char *ngx_module_order[] = {NULL};
