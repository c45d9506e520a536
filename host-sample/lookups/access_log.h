/*
 * access_log.h - one line for every request, if [log] access says so.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include "access.h"
#include "lookups.h"

void access_log_write(const struct lookups *lookups, const struct access *access);

#endif
