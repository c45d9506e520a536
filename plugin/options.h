/*
 * options.h - the keys of a section of read-policy.ini.
 *
 * option_keys in options.c is the one table: parser, bounds, defaults, "did you mean" list,
 * documentation, and the sentence in a policy's description.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "policy_kind.h"
#include "strict-ini/strict_ini.h"
#include "text.h"

enum rp_when { RP_WHEN_MISS, RP_WHEN_ALWAYS };
enum rp_replica_pick { RP_PICK_SAME, RP_PICK_NEXT, RP_PICK_FRESHEST };
enum rp_on_replica_failure { RP_FAILURE_ERROR, RP_FAILURE_PRIMARY };

struct rp_options {
    int32_t policy; /* index into rp_policy_kinds */
    uint32_t replica_retry_min_ms;
    uint32_t replica_retry_max_ms;
    uint32_t first_ms;
    uint32_t max_wait_ms;
    int32_t when;               /* enum rp_when */
    int32_t replica_pick;       /* enum rp_replica_pick */
    uint32_t max_lag_ms;        /* 0: no bound */
    int32_t on_replica_failure; /* enum rp_on_replica_failure */
    uint32_t primary_budget_per_s;
    uint32_t primary_budget_burst;
    char metric_prefix[INI_MAX_VALUE_BYTES + 1]; /* never empty once read */
};

#define RP_OPTION_COUNT 12u

/* Reads one section into options: the table's checks, then those that concern several keys
 * together, then the values that follow from others (burst, metric prefix). Errors are added to
 * errors. */
void options_read(const struct ini_document *document, const struct ini_section *section,
                  struct rp_options *options, struct ini_errors *errors);

/* Whether the section names an existing policy: options->policy is valid then. */
bool options_policy_is_good(const struct ini_section *section);

/* Whether the policy uses that key. All use `policy`. */
bool options_are_used(const struct rp_policy_kind *kind, const char *key);

/* Appends the sentences of the keys that the policy uses, in the table's order, each after a space.
 */
void options_say(struct text *text, const struct rp_options *options,
                 const struct rp_policy_kind *kind);

/* The smallest n for which n waits of replica_backoff, each at its shortest, use up max_wait_ms:
 * wait k is at least half of first_ms * 2^k. It bounds the polls whatever the host's clock does. */
uint32_t options_max_polls(const struct rp_options *options);

/* As `kind` of the plugin's table, see read_policy.h. */
int32_t options_kind(uint32_t index, struct rp_kind *kind);

/* As `key` of the plugin's table, see read_policy.h. */
int32_t options_key(uint32_t index, struct rp_key *key);

#endif
