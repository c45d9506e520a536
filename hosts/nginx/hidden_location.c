/*
 * hidden_location.c - see hidden_location.h.
 */
#include "hidden_location.h"

#include <string.h>

extern ngx_module_t ngx_http_proxy_module;

/* A context in `parent`, with fresh configuration of all modules. */
static ngx_http_conf_ctx_t *new_context(ngx_conf_t *cf, const ngx_http_conf_ctx_t *parent) {
    ngx_http_conf_ctx_t *context = ngx_pcalloc(cf->pool, sizeof *context);
    if (context == NULL) {
        return NULL;
    }
    context->main_conf = parent->main_conf;
    context->srv_conf = parent->srv_conf;
    context->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (context->loc_conf == NULL) {
        return NULL;
    }
    for (ngx_uint_t i = 0; cf->cycle->modules[i] != NULL; i++) {
        ngx_module_t *module = cf->cycle->modules[i];
        const ngx_http_module_t *http = module->ctx;
        if (module->type != NGX_HTTP_MODULE || http->create_loc_conf == NULL) {
            continue;
        }
        void *configuration = http->create_loc_conf(cf);
        if (configuration == NULL) {
            return NULL;
        }
        context->loc_conf[module->ctx_index] = configuration;
    }
    ngx_http_core_loc_conf_t *core = context->loc_conf[ngx_http_core_module.ctx_index];
    core->loc_conf = context->loc_conf;
    return context;
}

static ngx_command_t *find_proxy_pass(void) {
    ngx_command_t *command = ngx_http_proxy_module.commands;
    while (command->name.len != 0 && strcmp((const char *)command->name.data, "proxy_pass") != 0) {
        command++;
    }
    return command->name.len != 0 ? command : NULL;
}

static char *set_proxy_pass(ngx_conf_t *cf, ngx_http_conf_ctx_t *context) {
    ngx_command_t *proxy_pass = find_proxy_pass();
    if (proxy_pass == NULL) {
        return "needs the proxy module of nginx";
    }
    ngx_conf_t saved = *cf;
    cf->ctx = context;
    cf->cmd_type = NGX_HTTP_LOC_CONF;
    char *result =
        proxy_pass->set(cf, proxy_pass, context->loc_conf[ngx_http_proxy_module.ctx_index]);
    *cf = saved;
    return result;
}

char *hidden_location_proxy(ngx_conf_t *cf, void ***location) {
    const ngx_http_conf_ctx_t *parent = cf->ctx;
    ngx_http_core_loc_conf_t *outer = parent->loc_conf[ngx_http_core_module.ctx_index];
    ngx_http_conf_ctx_t *context = new_context(cf, parent);
    if (context == NULL) {
        return NGX_CONF_ERROR;
    }
    ngx_http_core_loc_conf_t *core = context->loc_conf[ngx_http_core_module.ctx_index];
    core->name = outer->name;
    /* proxy_pass takes a path in its URL where it could in the location itself. */
    core->named = outer->named;
    core->noname = outer->noname;
#if (NGX_PCRE)
    core->regex = outer->regex;
#endif
    char *result = set_proxy_pass(cf, context);
    if (result != NGX_CONF_OK) {
        return result;
    }
    core->named = 0;
    core->noname = 1;
#if (NGX_PCRE)
    core->regex = NULL;
#endif
    if (ngx_http_add_location(cf, &outer->locations, core) != NGX_OK) {
        return NGX_CONF_ERROR;
    }
    *location = context->loc_conf;
    return NGX_CONF_OK;
}

void **hidden_location_named(ngx_conf_t *cf, const ngx_str_t *name) {
    ngx_http_core_srv_conf_t *server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
    ngx_http_core_loc_conf_t *outer = server->ctx->loc_conf[ngx_http_core_module.ctx_index];
    ngx_http_conf_ctx_t *context = new_context(cf, server->ctx);
    if (context == NULL) {
        return NULL;
    }
    ngx_http_core_loc_conf_t *core = context->loc_conf[ngx_http_core_module.ctx_index];
    core->name = *name;
    core->named = 1;
    return ngx_http_add_location(cf, &outer->locations, core) == NGX_OK ? context->loc_conf : NULL;
}
