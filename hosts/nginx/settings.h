/*
 * settings.h - what the configuration says: the module's part of http and of each location.
 *
 * The servers of a location are hidden locations inside it: one for each replica, and two for the
 * primary, each with a proxy_pass of its own. So they take every proxy_* directive of the location,
 * and nginx's own proxy module does all that has to do with HTTP.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "policy_set.h"

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <stdbool.h>

extern ngx_module_t ngx_http_read_policy_module;

/* One for each cycle of nginx, made before the workers are forked. */
struct main_settings {
    const struct rp_plugin *plugin;
    struct opened_set *opened; /* NULL without read_policy_file */
    ngx_array_t places;        /* struct location_settings *: those in which a policy decides */
    ngx_array_t
        *resume_pages; /* ngx_http_err_page_t: whatever fails leads to settings_resume_name */
    /* Of this worker, so that a flood of sheds is one line a second. */
    time_t shed_logged_at;
    ngx_uint_t shed_unlogged;
};

struct server_settings {
    bool can_resume; /* it has the location settings_resume_name */
};

struct location_settings {
    ngx_str_t section; /* of the policy file; data is NULL without read_policy */
    const char *file;  /* where the directive stands */
    ngx_uint_t line;
    const struct rp_policy *policy;
    ngx_array_t *replicas; /* void **: what the hidden location of each replica is configured as */
    void **primary;        /* the same of the primary */
    void **direct;         /* and of the primary for requests that no policy decides */
    ngx_array_t *missing;  /* ngx_uint_t: statuses that say that the row is not there */
    ngx_array_t *missing_if;  /* ngx_http_complex_value_t: conditions that say so too */
    ngx_array_t *partial_if;  /* that not all of it is there yet */
    ngx_flag_t intercepts;    /* proxy_intercept_errors of the location */
    ngx_flag_t ignores_abort; /* proxy_ignore_client_abort */
    bool redirects;           /* it does what X-Accel-Redirect of an answer says */
    ngx_http_core_loc_conf_t *core;
    bool is_resuming; /* this is settings_resume_name */
};

/* The named location that a failed attempt leads to. */
extern const ngx_str_t settings_resume_name;

void *settings_create_main(ngx_conf_t *cf);
void *settings_create_server(ngx_conf_t *cf);
void *settings_create_location(ngx_conf_t *cf);
char *settings_merge_location(ngx_conf_t *cf, void *parent, void *child);

/* When all is read and merged: finds each place's section and refuses what cannot go together. Says
 * what is wrong, with file and line, for all places. */
ngx_int_t settings_check(ngx_conf_t *cf);

/* The directives. */
char *settings_read_policy_file(ngx_conf_t *cf, ngx_command_t *command, void *conf);
char *settings_read_policy(ngx_conf_t *cf, ngx_command_t *command, void *conf);
char *settings_read_policy_replica(ngx_conf_t *cf, ngx_command_t *command, void *conf);
char *settings_read_policy_primary(ngx_conf_t *cf, ngx_command_t *command, void *conf);
char *settings_read_policy_missing(ngx_conf_t *cf, ngx_command_t *command, void *conf);

#endif
