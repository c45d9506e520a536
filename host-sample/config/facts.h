/*
 * facts.h - what the two files said when they were loaded, for metrics.
 */
#ifndef CONFIG_FACTS_H
#define CONFIG_FACTS_H

#include <stdbool.h>
#include <stdint.h>

enum { FACTS_MAX_NUMBERS = 32, FACTS_NAME_BYTES = 40 };

struct config_facts {
    uint64_t
        config_hash; /* of snapshot-host.ini, but for [auth] and connection strings; 0: unknown */
    uint64_t policy_hash; /* of the policy file */
    char policy[FACTS_NAME_BYTES];
    char options_text[512]; /* "when=always max_wait_ms=300": what the section sets besides; cut */
    struct {
        char name[FACTS_NAME_BYTES];
        uint32_t value;
    } numbers[FACTS_MAX_NUMBERS]; /* those that are numbers */
    uint32_t number_count;
    bool primary_may_stand_in; /* on_replica_failure = primary, whether the policy uses it or not */
};

/* Of files that have just been loaded without an error. What cannot be read is left empty. */
void config_facts_read(struct config_facts *facts, const char *config_path, const char *policy_path,
                       const char *section);

#endif
