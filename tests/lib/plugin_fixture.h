/*
 * plugin_fixture.h - the built shared object, loaded as a host loads it, and INI files to open with
 * it.
 *
 * For tests: anything that goes wrong ends the program with a message and exit status 2.
 */
#ifndef PLUGIN_FIXTURE_H
#define PLUGIN_FIXTURE_H

#include "plugin/read_policy.h"

#include <stdbool.h>

#define ALL_CAPABILITIES ((uint32_t)RP_CAN_REPORT_POSITIONS | (uint32_t)RP_CAN_AWAIT_POSITION)

struct opened_plugin {
    void *handle; /* of dlopen */
    const struct rp_plugin *table;
    char path[4096];
};

/* Opens $READ_POLICY_SO, or read_policy.so in the directory above that of the program. */
void plugin_open(struct opened_plugin *plugin);
void plugin_close(struct opened_plugin *plugin);

/* An INI file in memory: it has a path while it is open, and leaves nothing behind. */
struct ini_memory_file {
    int descriptor;
    char path[32];
};

void ini_file_create(struct ini_memory_file *file, const char *text);
void ini_file_write(const struct ini_memory_file *file, const char *text);
void ini_file_close(struct ini_memory_file *file);

/* Opens a set that must open, with every capability. */
struct rp_set *set_must_open(const struct rp_plugin *plugin, const char *path);

/* Whether that policy says that it uses that key. */
bool policy_uses(const struct rp_plugin *plugin, const char *policy, const char *key);

/* The counters that every section has, in the order of its metrics. COUNTER(its name here, its
 * number in a done step, its word in tests, what its metric's name ends with, its attribute) */
#define SECTION_COUNTERS(COUNTER)                                                                  \
    COUNTER(COUNT_RETRY, RP_COUNTED_REPLICA_RETRY, "replica_retry", ".replica_miss",               \
            "replica_retry")                                                                       \
    COUNTER(COUNT_PRIMARY, RP_COUNTED_PRIMARY, "primary", ".replica_miss", "primary")              \
    COUNTER(COUNT_ABSENT, RP_COUNTED_PROVEN_ABSENT, "proven_absent", ".proven_absent", NULL)       \
    COUNTER(COUNT_SHED, RP_COUNTED_PRIMARY_SHED, "primary_shed", ".primary_shed", NULL)

#define COUNTER_NAME(name, ...) name,
enum counter { SECTION_COUNTERS(COUNTER_NAME) COUNT_COUNT };
#undef COUNTER_NAME
struct counters {
    uint64_t value[COUNT_COUNT];
};

/* Their indexes among the set's metrics; each must exist, and the section must have no other. */
struct counter_places {
    uint32_t index[COUNT_COUNT];
};
struct counter_places find_counters(const struct rp_plugin *plugin, const struct rp_set *set,
                                    const char *section);
struct counters read_counters(const struct rp_plugin *plugin, const struct rp_set *set,
                              const struct counter_places *places);

/* Both at once. */
struct counters counters_of(const struct rp_plugin *plugin, const struct rp_set *set,
                            const char *section);

/* A plugin, and a set of one section [s] of an INI file in memory. */
#define SECTION_NAME "s"
struct opened_section {
    struct opened_plugin plugin;
    struct ini_memory_file file;
    struct rp_set *set;
    const struct rp_policy *policy;
};

/* `lines`: the keys of the section, a line each, from printf's format. */
void section_open(struct opened_section *section, const char *lines, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, of a host with these capabilities. */
void section_open_as(struct opened_section *section, uint32_t capabilities, const char *lines, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes other lines and reloads; they must be right. */
void section_reload(struct opened_section *section, const char *lines, ...)
    __attribute__((format(printf, 2, 3)));
void section_close(struct opened_section *section);

#endif
