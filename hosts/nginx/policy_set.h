/*
 * policy_set.h - the policy file of one cycle of nginx, and the memory that its workers share.
 */
#ifndef POLICY_SET_H
#define POLICY_SET_H

#include "plugin/read_policy.h"

#include <ngx_config.h>
#include <ngx_core.h>

struct opened_set {
    const struct rp_plugin *plugin;
    struct rp_set *set;
    void *memory; /* what the workers share */
    void *trial;  /* of the same size */
};

/*
 * Opens the file (a relative name counts from nginx.conf's directory) and arranges for memory that
 * all workers share, and that the next cycle takes over. The set is closed with the cycle. Returns
 * NGX_ERROR after saying what is wrong, each of the file's errors on a line of its own.
 */
ngx_int_t policy_set_open(ngx_conf_t *cf, const struct rp_plugin *plugin, const ngx_str_t *file,
                          struct opened_set **opened);

/*
 * Once nothing can refuse the cycle any more: counters and budgets are in that memory from now on,
 * and the budgets have the rates of this file.
 */
ngx_int_t policy_set_share(const struct opened_set *opened, ngx_log_t *log);

#endif
