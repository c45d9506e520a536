/*
 * diagram.h - a section's policy as a state diagram.
 */
#ifndef DIAGRAM_H
#define DIAGRAM_H

#include "read_policy.h"

/* As `diagram` of the plugin's table, see read_policy.h. */
uint32_t diagram_policy(const struct rp_policy *policy, char *buf, uint32_t len);

#endif
