/*
 * hidden_location.h - locations that no request is ever matched with: they hold configuration to
 * be switched to, as nginx's own `if` does.
 */
#ifndef HIDDEN_LOCATION_H
#define HIDDEN_LOCATION_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/*
 * Makes one inside the location that is being read, with the URL of the directive being read as its
 * proxy_pass. `location` receives its configuration. Returns NGX_CONF_OK, NGX_CONF_ERROR, or what
 * is wrong with the directive.
 */
char *hidden_location_proxy(ngx_conf_t *cf, void ***location);

/* Makes a named one in the server that is being read. Returns its configuration, or NULL. */
void **hidden_location_named(ngx_conf_t *cf, const ngx_str_t *name);

#endif
