/*
 * settings.c - see settings.h.
 */
#include "settings.h"

#include "hidden_location.h"

#include <string.h>

extern ngx_module_t ngx_http_proxy_module;

const ngx_str_t settings_resume_name = ngx_string("@read_policy");

#define FIRST_ERROR 400
#define LAST_ERROR  599

/* ---- creating and merging -------------------------------------------------------------------- */

void *settings_create_main(ngx_conf_t *cf) {
    struct main_settings *settings = ngx_pcalloc(cf->pool, sizeof *settings);
    if (settings == NULL || ngx_array_init(&settings->places, cf->pool, 4,
                                           sizeof(struct location_settings *)) != NGX_OK) {
        return NULL;
    }
    settings->plugin = read_policy_plugin_v1();
    return settings;
}

void *settings_create_server(ngx_conf_t *cf) {
    return ngx_pcalloc(cf->pool, sizeof(struct server_settings));
}

void *settings_create_location(ngx_conf_t *cf) {
    struct location_settings *settings = ngx_pcalloc(cf->pool, sizeof *settings);
    if (settings != NULL) {
        settings->missing = NGX_CONF_UNSET_PTR;
        settings->missing_if = NGX_CONF_UNSET_PTR;
        settings->partial_if = NGX_CONF_UNSET_PTR;
    }
    return settings;
}

static ngx_int_t add_place(ngx_conf_t *cf, struct location_settings *settings) {
    struct main_settings *all = ngx_http_conf_get_module_main_conf(cf, ngx_http_read_policy_module);
    struct location_settings **place = ngx_array_push(&all->places);
    if (place == NULL) {
        return NGX_ERROR;
    }
    *place = settings;
    settings->core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    return NGX_OK;
}

static ngx_array_t *default_missing(ngx_conf_t *cf) {
    ngx_array_t *statuses = ngx_array_create(cf->pool, 1, sizeof(ngx_uint_t));
    ngx_uint_t *status = statuses != NULL ? ngx_array_push(statuses) : NULL;
    if (status == NULL) {
        return NULL;
    }
    *status = NGX_HTTP_NOT_FOUND;
    return statuses;
}

/* An `if` or a limit_except inside a location goes on with what the location does, as it does with
 * proxy_pass. */
static bool goes_on(const ngx_http_core_loc_conf_t *core, const struct location_settings *child,
                    const struct location_settings *parent) {
    return (core->noname || core->lmt_excpt) && core->handler == NULL &&
           child->section.data == NULL && parent->section.data != NULL;
}

char *settings_merge_location(ngx_conf_t *cf, void *parent, void *child) {
    const struct location_settings *from = parent;
    struct location_settings *to = child;
    const ngx_http_core_loc_conf_t *core =
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ngx_conf_merge_ptr_value(to->missing, from->missing, NULL);
    ngx_conf_merge_ptr_value(to->missing_if, from->missing_if, NULL);
    ngx_conf_merge_ptr_value(to->partial_if, from->partial_if, NULL);
    if (to->missing == NULL) {
        to->missing = default_missing(cf);
    }
    if (to->missing == NULL) {
        return NGX_CONF_ERROR;
    }
    if (to->section.data == NULL && (to->replicas != NULL || to->primary != NULL)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "location \"%V\" has a read_policy_replica or read_policy_primary, but no "
                      "read_policy that names the section of the policy file",
                      &core->name);
        return NGX_CONF_ERROR;
    }
    if (goes_on(core, to, from)) {
        to->section = from->section;
        to->file = from->file;
        to->line = from->line;
        to->replicas = from->replicas;
        to->primary = from->primary;
        to->direct = from->direct;
        return add_place(cf, to) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }
    return NGX_CONF_OK;
}

/* ---- directives ------------------------------------------------------------------------------ */

char *settings_read_policy_file(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    struct main_settings *settings = conf;
    const ngx_str_t *words = cf->args->elts;
    (void)command;
    if (settings->opened != NULL) {
        return "is duplicate";
    }
    return policy_set_open(cf, settings->plugin, &words[1], &settings->opened) == NGX_OK
               ? NGX_CONF_OK
               : NGX_CONF_ERROR;
}

static ngx_int_t make_resuming_location(ngx_conf_t *cf) {
    struct server_settings *server =
        ngx_http_conf_get_module_srv_conf(cf, ngx_http_read_policy_module);
    if (server->can_resume) {
        return NGX_OK;
    }
    void **location = hidden_location_named(cf, &settings_resume_name);
    if (location == NULL) {
        return NGX_ERROR;
    }
    struct location_settings *settings = location[ngx_http_read_policy_module.ctx_index];
    settings->is_resuming = true;
    server->can_resume = true;
    return NGX_OK;
}

char *settings_read_policy(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    struct location_settings *settings = conf;
    const ngx_str_t *words = cf->args->elts;
    (void)command;
    if (settings->section.data != NULL) {
        return "is duplicate";
    }
    settings->section = words[1];
    settings->file = (const char *)cf->conf_file->file.name.data;
    settings->line = cf->conf_file->line;
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    if (core->name.len != 0 && core->name.data[core->name.len - 1] == '/') {
        core->auto_redirect = 1;
    }
    return add_place(cf, settings) == NGX_OK && make_resuming_location(cf) == NGX_OK
               ? NGX_CONF_OK
               : NGX_CONF_ERROR;
}

/* Made once, for all: every error leads to the same place. */
static ngx_array_t *resume_pages(ngx_conf_t *cf) {
    struct main_settings *settings =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_read_policy_module);
    if (settings->resume_pages != NULL) {
        return settings->resume_pages;
    }
    const ngx_uint_t count = LAST_ERROR - FIRST_ERROR + 1;
    ngx_array_t *pages = ngx_array_create(cf->pool, count, sizeof(ngx_http_err_page_t));
    ngx_http_err_page_t *page = pages != NULL ? ngx_array_push_n(pages, count) : NULL;
    if (page == NULL) {
        return NULL;
    }
    ngx_memzero(page, count * sizeof *page);
    for (ngx_uint_t i = 0; i < count; i++) {
        page[i].status = (ngx_int_t)(FIRST_ERROR + i);
        page[i].overwrite = -1; /* the request keeps the error's status */
        page[i].value.value = settings_resume_name;
    }
    settings->resume_pages = pages;
    return pages;
}

/* A hidden location whose errors are not answered but come back. */
static char *make_attempt(ngx_conf_t *cf, void ***location) {
    char *result = hidden_location_proxy(cf, location);
    if (result != NGX_CONF_OK) {
        return result;
    }
    ngx_http_core_loc_conf_t *core = (*location)[ngx_http_core_module.ctx_index];
    core->recursive_error_pages = 1;
    core->error_pages = resume_pages(cf);
    return core->error_pages != NULL ? NGX_CONF_OK : NGX_CONF_ERROR;
}

char *settings_read_policy_replica(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    struct location_settings *settings = conf;
    void **location = NULL;
    (void)command;
    if (settings->replicas == NULL) {
        settings->replicas = ngx_array_create(cf->pool, 2, sizeof(void **));
    }
    void ***place = settings->replicas != NULL ? ngx_array_push(settings->replicas) : NULL;
    if (place == NULL) {
        return NGX_CONF_ERROR;
    }
    char *result = make_attempt(cf, &location);
    *place = location;
    return result;
}

char *settings_read_policy_primary(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    struct location_settings *settings = conf;
    (void)command;
    if (settings->primary != NULL) {
        return "is duplicate";
    }
    char *result = make_attempt(cf, &settings->primary);
    return result == NGX_CONF_OK ? hidden_location_proxy(cf, &settings->direct) : result;
}

char *settings_read_policy_missing(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
    struct location_settings *settings = conf;
    const ngx_str_t *words = cf->args->elts;
    (void)command;
    if (settings->missing != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }
    settings->missing = ngx_array_create(cf->pool, cf->args->nelts - 1, sizeof(ngx_uint_t));
    if (settings->missing == NULL) {
        return NGX_CONF_ERROR;
    }
    for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
        const ngx_int_t status = ngx_atoi(words[i].data, words[i].len);
        if (status != NGX_HTTP_NO_CONTENT && (status < 400 || status > 499)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is no status that can say that a row is missing: 204, or "
                               "400 to 499",
                               &words[i]);
            return NGX_CONF_ERROR;
        }
        ngx_uint_t *place = ngx_array_push(settings->missing);
        if (place == NULL) {
            return NGX_CONF_ERROR;
        }
        *place = (ngx_uint_t)status;
    }
    return NGX_CONF_OK;
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* The proxy module's configuration begins with that of the upstream, as every such module's does.
 */
static ngx_http_upstream_conf_t *upstream_of(void **location) {
    return location[ngx_http_proxy_module.ctx_index];
}

static ngx_int_t refuse(ngx_conf_t *cf, const struct location_settings *place, const char *why) {
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "read_policy %V: %s in %s:%ui", &place->section, why,
                  place->file, place->line);
    return NGX_ERROR;
}

static ngx_int_t find_policy(ngx_conf_t *cf, const struct main_settings *all,
                             struct location_settings *place) {
    if (all->opened == NULL) {
        return refuse(cf, place, "there is no read_policy_file in the http block");
    }
    /* Words of the configuration end with a NUL. */
    place->policy = all->plugin->policy(all->opened->set, (const char *)place->section.data);
    return place->policy != NULL ? NGX_OK
                                 : refuse(cf, place, "the policy file has no section of that name");
}

/* What is intercepted, redirected or cached would be so before the policy had heard of it. */
static ngx_int_t prepare_attempt(ngx_conf_t *cf, const struct location_settings *place,
                                 void **location) {
    ngx_http_upstream_conf_t *upstream = upstream_of(location);
    upstream->intercept_errors = 0;
    upstream->ignore_headers |= NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT;
#if (NGX_HTTP_CACHE)
    if (upstream->cache != 0) {
        return refuse(cf, place, "proxy_cache cannot be used here; cache in a location in front");
    }
#endif
    return NGX_OK;
}

static ngx_int_t check_place(ngx_conf_t *cf, const struct main_settings *all,
                             struct location_settings *place) {
    if (place->primary == NULL) {
        return refuse(cf, place, "read_policy_primary is missing");
    }
    if (place->core->handler != NULL) {
        return refuse(cf, place, "another directive, such as proxy_pass, answers here already");
    }
    const ngx_http_upstream_conf_t *direct = upstream_of(place->direct);
    place->intercepts = direct->intercept_errors;
    place->ignores_abort = direct->ignore_client_abort;
    place->redirects = (direct->ignore_headers & NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT) == 0;
    ngx_int_t result = prepare_attempt(cf, place, place->primary);
    for (ngx_uint_t i = 0; place->replicas != NULL && i < place->replicas->nelts; i++) {
        if (prepare_attempt(cf, place, ((void ***)place->replicas->elts)[i]) != NGX_OK) {
            result = NGX_ERROR;
            break;
        }
    }
    return result == NGX_OK ? find_policy(cf, all, place) : result;
}

ngx_int_t settings_check(ngx_conf_t *cf) {
    const struct main_settings *all =
        ngx_http_conf_get_module_main_conf(cf, ngx_http_read_policy_module);
    struct location_settings **places = all->places.elts;
    ngx_int_t result = NGX_OK;
    for (ngx_uint_t i = 0; i < all->places.nelts; i++) {
        if (check_place(cf, all, places[i]) != NGX_OK) {
            result = NGX_ERROR;
        }
    }
    return result;
}
