/*
 * policy_set.c - see policy_set.h.
 */
#include "policy_set.h"

#include <ngx_http.h>

#include <string.h>

extern ngx_module_t ngx_http_read_policy_module;

/* Each name that a section ever had takes up one place until nginx is restarted. */
#define MAX_SECTIONS 256u

static void close_set(void *data) {
    const struct opened_set *opened = data;
    opened->plugin->close(opened->set);
}

/* Only errors are given to it, each of which the message names in a line of its own. */
static void log_lines(ngx_log_t *log, ngx_conf_t *cf, char *text) {
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (cf != NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", line);
        } else {
            ngx_log_error(NGX_LOG_EMERG, log, 0, "%s", line);
        }
    }
}

static ngx_int_t share(const struct opened_set *opened, void *memory, ngx_log_t *log) {
    char error[RP_ERROR_BYTES];
    if (opened->plugin->share(opened->set, memory, opened->plugin->shared_bytes(MAX_SECTIONS),
                              error, sizeof error) != RP_OK) {
        log_lines(log, NULL, error);
        return NGX_ERROR;
    }
    return NGX_OK;
}

/* Called by the master process for each cycle; the memory is that of the cycle before, if any. The
 * cycle may still be refused, so whether there is room is tried on a copy: rates are left alone. */
static ngx_int_t find_memory(ngx_shm_zone_t *zone, void *old_data) {
    struct opened_set *opened = zone->data;
    ngx_slab_pool_t *pool = (ngx_slab_pool_t *)zone->shm.addr;
    const uint64_t bytes = opened->plugin->shared_bytes(MAX_SECTIONS);
    if (old_data == NULL && !zone->shm.exists) {
        pool->data = ngx_slab_calloc(pool, bytes);
    }
    if (pool->data == NULL) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "read policy: no shared memory of %uL bytes",
                      bytes);
        return NGX_ERROR;
    }
    opened->memory = pool->data;
    ngx_memcpy(opened->trial, opened->memory, bytes);
    return share(opened, opened->trial, zone->shm.log);
}

ngx_int_t policy_set_share(const struct opened_set *opened, ngx_log_t *log) {
    return share(opened, opened->memory, log);
}

static ngx_int_t add_memory(ngx_conf_t *cf, struct opened_set *opened) {
    ngx_str_t name = ngx_string("read_policy");
    const size_t bytes = opened->plugin->shared_bytes(MAX_SECTIONS);
    /* The slab allocator's own needs, with room to spare. */
    ngx_shm_zone_t *zone =
        ngx_shared_memory_add(cf, &name, bytes + 16 * ngx_pagesize, &ngx_http_read_policy_module);
    opened->trial = ngx_palloc(cf->pool, bytes);
    if (zone == NULL || opened->trial == NULL) {
        return NGX_ERROR;
    }
    zone->data = opened;
    zone->init = find_memory;
    return NGX_OK;
}

ngx_int_t policy_set_open(ngx_conf_t *cf, const struct rp_plugin *plugin, const ngx_str_t *file,
                          struct opened_set **opened) {
    char error[RP_ERROR_BYTES];
    ngx_str_t path = *file;
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, sizeof(struct opened_set));
    if (cleanup == NULL || ngx_conf_full_name(cf->cycle, &path, 1) != NGX_OK) {
        return NGX_ERROR;
    }
    /* No positions: HTTP tells none. So a policy that needs them is refused here, by name. */
    struct rp_set *set;
    if (plugin->open((const char *)path.data, 0, &set, error, sizeof error) != RP_OK) {
        log_lines(NULL, cf, error);
        return NGX_ERROR;
    }
    *opened = cleanup->data;
    **opened = (struct opened_set){.plugin = plugin, .set = set};
    cleanup->handler = close_set;
    return add_memory(cf, *opened);
}
