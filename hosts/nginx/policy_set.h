/*
 * policy_set.h - the policy file of one cycle of nginx, and the memory that its workers share.
 */
#ifndef POLICY_SET_H
#define POLICY_SET_H

#include "plugin/read_policy.h"

#include <ngx_config.h>
#include <ngx_core.h>

/*
 * Opens the file (a relative name counts from nginx.conf's directory) and arranges for counters and
 * budgets to lie in memory that all workers share, and that the next cycle takes over. The set is
 * closed with the cycle. Returns NGX_ERROR after saying what is wrong, each of the file's errors on
 * a line of its own.
 */
ngx_int_t policy_set_open(ngx_conf_t *cf, const struct rp_plugin *plugin, const ngx_str_t *file,
                          struct rp_set **set);

#endif
