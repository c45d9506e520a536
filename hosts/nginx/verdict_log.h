/*
 * verdict_log.h - verdicts in nginx's error log.
 */
#ifndef VERDICT_LOG_H
#define VERDICT_LOG_H

#include "settings.h"

/*
 * Writes what the done step says, at its level; most say nothing. Sheds come in floods: of those
 * there is one line a second for each worker, with how many there were since the last.
 */
void verdict_log(ngx_http_request_t *request, const ngx_str_t *section, const struct rp_step *step);

#endif
