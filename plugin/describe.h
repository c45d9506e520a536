/*
 * describe.h - a section's policy in plain words.
 */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "read_policy.h"

/* As `describe` of the plugin's table, see read_policy.h. */
uint32_t describe_policy(const struct rp_policy *policy, char *buf, uint32_t len);

#endif
