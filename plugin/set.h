/*
 * set.h - a set of policies: one INI file, from open to close. See read_policy.h for the contract.
 */
#ifndef SET_H
#define SET_H

#include "read_policy.h"

int32_t set_open(const char *ini_path, uint32_t capabilities, struct rp_set **set, char *err,
                 uint32_t errlen);
int32_t set_open_text(const char *text, uint32_t length, const char *name, uint32_t capabilities,
                      struct rp_set **set, char *err, uint32_t errlen);
int32_t set_reload(struct rp_set *set, char *err, uint32_t errlen);
int32_t set_reload_text(struct rp_set *set, const char *text, uint32_t length, char *err,
                        uint32_t errlen);
uint32_t set_notes(struct rp_set *set, char *buf, uint32_t len);
int32_t set_share(struct rp_set *set, void *memory, uint64_t bytes, char *err, uint32_t errlen);
const struct rp_policy *set_policy(struct rp_set *set, const char *section);
int32_t set_metrics(const struct rp_set *set, uint32_t index, struct rp_metric *metric);
int32_t set_budget(const struct rp_policy *policy, uint64_t now_ns, struct rp_budget_info *info);
/* The least max_lag_ms of all sections, in ns; 0: none sets one. Any thread. */
uint64_t set_least_max_lag_ns(const struct rp_set *set);
const char *set_section(struct rp_set *set, uint32_t index);
void set_close(struct rp_set *set);

#endif
