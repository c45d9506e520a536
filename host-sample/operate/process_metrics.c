/*
 * process_metrics.c - see process_metrics.h.
 */
#include "process_metrics.h"

#include "exposition.h"
#include "host-sample/host.h"
#include "sums.h"

#include <dirent.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void put_real(struct byte_buffer *out, const char *name, const char *type, const char *help,
                     double value) {
    put_header(out, name, type, help);
    byte_buffer_append_format(out, "%s %.17g\n", name, value);
}

static void put_build(const struct host *host, struct byte_buffer *out) {
    const struct rp_plugin *plugin = host->service.plugin;
    char abi[24];
    char libpq[24];
    (void)snprintf(abi, sizeof abi, "%u.%u", plugin->abi_major, plugin->abi_minor);
    (void)snprintf(libpq, sizeof libpq, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
    put_header(out, "snapshot_host_build_info", "gauge", "1; the versions are in the labels.");
    BYTE_BUFFER_LITERAL(out, "snapshot_host_build_info");
    put_label(out, "{", "version", READ_POLICY_VERSION);
    put_label(out, ",", "plugin", plugin->name);
    put_label(out, ",", "plugin_version", plugin->version);
    put_label(out, ",", "abi", abi);
    put_label(out, ",", "libpq", libpq);
    BYTE_BUFFER_LITERAL(out, "} 1\n");
}

static void put_hash(struct byte_buffer *out, const char *file, uint64_t hash) {
    char text[24];
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    BYTE_BUFFER_LITERAL(out, "snapshot_host_config_info");
    put_label(out, "{", "file", file);
    put_label(out, ",", "hash", text);
    BYTE_BUFFER_LITERAL(out, "} 1\n");
}

static void put_policy(struct byte_buffer *out, const char *section,
                       const struct config_facts *facts) {
    const char *name = "snapshot_host_policy_info";
    put_header(out, name, "gauge", "1; the policy that lookups follow, and what its section sets.");
    byte_buffer_append_text(out, name);
    put_label(out, "{", "section", section);
    put_label(out, ",", "policy", facts->policy);
    put_label(out, ",", "options", facts->options_text);
    BYTE_BUFFER_LITERAL(out, "} 1\n");
    name = "snapshot_host_policy_option";
    put_header(out, name, "gauge", "Each number that the section of the policy file sets.");
    for (uint32_t i = 0; i < facts->number_count; i++) {
        byte_buffer_append_text(out, name);
        put_label(out, "{", "section", section);
        put_label(out, ",", "option", facts->numbers[i].name);
        byte_buffer_append_format(out, "} %u\n", facts->numbers[i].value);
    }
}

static void put_budget_value(struct byte_buffer *out, const char *name, const char *help,
                             const char *section, bool limited, uint32_t value) {
    put_header(out, name, "gauge", help);
    byte_buffer_append_text(out, name);
    put_label(out, "{", "section", section);
    if (limited) {
        byte_buffer_append_format(out, "} %u\n", value);
    } else {
        BYTE_BUFFER_LITERAL(out, "} +Inf\n");
    }
}

static void put_budget(const struct host *host, const char *section, struct byte_buffer *out) {
    struct rp_budget_info budget;
    host_read_budget(host, &budget);
    const bool limited = budget.per_s != 0;
    put_budget_value(out, "snapshot_host_primary_budget_per_second",
                     "Fallback reads of the primary a second that the budget admits; +Inf: any.",
                     section, limited, budget.per_s);
    put_budget_value(out, "snapshot_host_primary_budget_burst",
                     "Fallback reads of the primary at once that the budget admits; +Inf: any.",
                     section, limited, budget.burst);
    put_budget_value(out, "snapshot_host_primary_budget_left",
                     "Fallback reads of the primary that the budget would admit now; +Inf: any.",
                     section, limited, budget.left);
}

static void put_config(struct host *host, const struct host_config *config,
                       struct byte_buffer *out) {
    struct config_facts facts;
    (void)pthread_mutex_lock(&host->facts_lock);
    facts = host->facts;
    (void)pthread_mutex_unlock(&host->facts_lock);
    put_header(out, "snapshot_host_config_info", "gauge",
               "1; a hash of each file as it was loaded, secrets and connection strings left out.");
    put_hash(out, "snapshot-host.ini", facts.config_hash);
    put_hash(out, "read-policy.ini", facts.policy_hash);
    put_real(out, "snapshot_host_config_loaded_timestamp_seconds", "gauge",
             "When both files were last taken.",
             (double)counter_value(&host->loaded_unix_ms) / 1e3);
    put_policy(out, config->plugin.section, &facts);
    put_budget(host, config->plugin.section, out);
    const char *name = "snapshot_host_limit";
    put_header(out, name, "gauge", "What [limits] sets.");
    put_labelled(out, name, "limit", "max_lookups", config->limits.max_lookups);
    put_labelled(out, name, "limit", "lookup_timeout_ms", config->limits.lookup_timeout_ms);
    put_labelled(out, name, "limit", "max_connections", config->limits.max_connections);
    put_labelled(out, name, "limit", "drain_ms", config->limits.drain_ms);
}

/* Of at most so many. False if it is not known. */
static bool count_descriptors(uint64_t most, uint64_t *count) {
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        *count = most;
        return errno == EMFILE; /* there is none left to count them with */
    }
    uint64_t entries = 0;
    while (readdir(directory) != NULL) {
        entries++;
    }
    (void)closedir(directory);
    *count = entries - 3; /* ".", "..", and the folder itself */
    return entries > 3;
}

static void put_descriptors(struct byte_buffer *out) {
    struct rlimit limit;
    uint64_t count;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (count_descriptors(limit.rlim_cur, &count)) {
        put_single(out, "process_open_fds", "gauge", "Descriptors that are open.", count);
    }
    put_single(out, "process_max_fds", "gauge", "Descriptors that there may be.", limit.rlim_cur);
}

static void put_memory(struct byte_buffer *out) {
    char line[128] = ""; /* all of it, then what is resident, and more; in pages */
    FILE *file = fopen("/proc/self/statm", "re");
    const bool known = file != NULL && fgets(line, sizeof(line), file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (known) {
        const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        char *rest;
        const uint64_t total = strtoull(line, &rest, 10);
        const uint64_t resident = strtoull(rest, NULL, 10);
        put_single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                   resident * page);
        put_single(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.", total * page);
    }
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void put_process(const struct host *host, struct byte_buffer *out) {
    struct rusage usage;
    put_real(out, "process_start_time_seconds", "gauge", "When the process started, Unix time.",
             (double)host->started_unix_ms / 1e3);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        put_real(out, "process_cpu_seconds_total", "counter", "Processor time of all threads.",
                 seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
    }
    put_memory(out);
    put_descriptors(out);
}

void process_metrics_write(struct host *host, const struct host_config *config,
                           struct byte_buffer *out) {
    put_build(host, out);
    put_config(host, config, out);
    put_process(host, out);
}
