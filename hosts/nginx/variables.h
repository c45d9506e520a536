/*
 * variables.h - $read_policy_verdict, $read_policy_served_by, $read_policy_failed_during: for logs
 * and headers. Not set where no policy has decided (yet).
 */
#ifndef VARIABLES_H
#define VARIABLES_H

#include "settings.h"

ngx_int_t variables_add(ngx_conf_t *cf);

#endif
