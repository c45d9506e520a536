/*
 * reload.c - see reload.h.
 */
#include "reload.h"

#include "addresses.h"
#include "host-sample/base/log.h"
#include "host-sample/base/unix_time.h"
#include "host-sample/config/changes.h"
#include "host-sample/config/load.h"
#include "host.h"
#include "loader/plugin_loader.h"
#include "name_search.h"
#include "say.h"
#include "worker.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a thread is waited for; it takes a turn of its loop. */
#define TAKEN_MS 5000u

/* How long the start, or a reload, waits for names to be found; those that come later are taken
 * over when they come. SIGTERM waits for it, too. */
#define FOUND_MS 2000u

#define NAMES_BYTES 2048u

/* ---- the policy file ------------------------------------------------------------------------- */

static uint64_t add_text(uint64_t sum, const char *text) {
    for (; *text != '\0'; text++) {
        sum = (sum ^ (unsigned char)*text) * UINT64_C(1099511628211); /* FNV-1a */
    }
    return sum;
}

/* Of what all sections do: another number, and something has changed. */
static uint64_t sum_policies(const struct host *host) {
    const struct rp_plugin *plugin = host->service.plugin;
    uint64_t sum = UINT64_C(14695981039346656037);
    char text[2048];
    const char *section;
    for (uint32_t i = 0;
         RP_HAS(plugin, section) && (section = plugin->section(host->set, i)) != NULL; i++) {
        (void)plugin->describe(plugin->policy(host->set, section), text, sizeof text);
        sum = add_text(add_text(sum, section), text);
    }
    (void)plugin->describe(host->service.policy, text, sizeof text);
    return add_text(sum, text);
}

void host_keep_facts(struct host *host) {
    const struct host_config *config = host->config;
    struct config_facts facts;
    config_facts_read(&facts, host->config_path, config->plugin.config, config->plugin.section);
    counter_set(&host->loaded_unix_ms, (uint64_t)unix_now_ms());
    (void)pthread_mutex_lock(&host->facts_lock);
    host->facts = facts;
    (void)pthread_mutex_unlock(&host->facts_lock);
}

/* ---- handing out ----------------------------------------------------------------------------- */

static bool have_all(const struct host *host, const struct host_config *config) {
    for (uint32_t i = 0; i < host->worker_count; i++) {
        if (atomic_load(&host->workers[i].config) != config) {
            return false;
        }
    }
    return true;
}

/* Frees the one before, once nobody looks at it any more. */
static void hand_out(struct host *host, struct host_config *config) {
    const struct timespec moment = {.tv_nsec = 1000000};
    struct host_config *before = host->config;
    host->config = config;
    for (uint32_t i = 0; i < host->worker_count; i++) {
        worker_offer(&host->workers[i], config);
    }
    for (uint32_t ms = 0; ms < TAKEN_MS && !have_all(host, config); ms++) {
        (void)nanosleep(&moment, NULL);
    }
    if (have_all(host, config)) {
        host_config_free(before);
    } else {
        log_write(host->service.log, LOG_LEVEL_WARN,
                  "a thread has not taken the new configuration over yet", NULL);
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static void search_names(struct host *host, const struct host_config *written) {
    name_search_free(host->search);
    host->search = addresses_search(written);
    if (host->search != NULL) {
        name_search_wait(host->search, FOUND_MS);
        (void)name_search_take(host->search);
    }
}

bool host_find_addresses(struct host *host) {
    struct host_config *config = calloc(1, sizeof *config);
    if (config != NULL) {
        search_names(host, host->written);
        addresses_expand(config, host->written, NULL, host->search);
        config->history = 1;
        host->config = config;
    }
    return config != NULL;
}

static void take_addresses(struct host *host) {
    char changes[NAMES_BYTES];
    if (host->search == NULL) {
        host->search = addresses_search(host->written);
    }
    if (host->search == NULL || !name_search_take(host->search)) {
        return;
    }
    struct host_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return; /* until a name has been looked up again */
    }
    addresses_expand(config, host->written, host->config, host->search);
    config->history = host->config->history;
    config_name_changes(host->config, config, changes, sizeof changes);
    if (changes[0] == '\0') {
        host_config_free(config);
        return;
    }
    const struct log_field fields[] = {LOG_TEXT("changed", changes), LOG_END};
    log_write(host->service.log, LOG_LEVEL_INFO, "a name has other addresses", fields);
    hand_out(host, config);
}

bool host_take_addresses(struct host *host) {
    const bool any = addresses_are_many(host->written);
    if (any) {
        take_addresses(host);
    }
    return any;
}

/* ---- both ------------------------------------------------------------------------------------ */

static void tell(const struct host *host, const char *changes, const char *fixed,
                 bool policies_changed) {
    char policy[2048];
    (void)host->service.plugin->describe(host->service.policy, policy, sizeof policy);
    const bool nothing = changes[0] == '\0' && fixed[0] == '\0' && !policies_changed;
    const struct log_field fields[] = {
        LOG_TEXT("changed", changes[0] != '\0' ? changes : NULL),
        LOG_TEXT("policies", policies_changed ? "changed" : "as before"),
        LOG_TEXT("policy", policy),
        LOG_END,
    };
    log_write(host->service.log, LOG_LEVEL_INFO,
              nothing ? "configuration reloaded: nothing has changed" : "configuration reloaded",
              fields);
    if (fixed[0] != '\0') {
        const struct log_field names[] = {LOG_TEXT("keys", fixed), LOG_END};
        log_write(host->service.log, LOG_LEVEL_WARN,
                  "what has changed here takes a restart, and stays as it was", names);
    }
    const char *plugin = host->written->plugin.path;
    if (plugin_file_is_new(host->plugin, plugin)) {
        const struct log_field path[] = {LOG_TEXT("path", plugin), LOG_END};
        log_write(host->service.log, LOG_LEVEL_WARN,
                  "the plugin's file is another one by now, which takes a restart", path);
    }
}

/* The new configuration, and memory for what it becomes; or NULL with errors, one a line. */
static struct host_config *load(struct host *host, struct host_config **expanded, char *err,
                                size_t err_length) {
    struct host_config *config = calloc(1, sizeof *config);
    *expanded = calloc(1, sizeof **expanded);
    if (config == NULL || *expanded == NULL) {
        (void)snprintf(err, err_length, "out of memory");
    } else if (host_config_load(config, host->config_path, err, err_length) &&
               host->service.plugin->reload(host->set, err, (uint32_t)err_length) == RP_OK) {
        return config;
    }
    host_config_free(config);
    host_config_free(*expanded);
    return NULL;
}

void host_reload(struct host *host) {
    char err[RP_ERROR_BYTES] = "";
    char fixed[NAMES_BYTES], changes[NAMES_BYTES];
    const uint64_t policies = sum_policies(host);
    struct host_config *expanded;
    struct host_config *config = load(host, &expanded, err, sizeof err);
    if (config == NULL) {
        counter_add(&host->reload_failures, 1);
        say_lines(host->service.log, LOG_LEVEL_ERROR,
                  "configuration not reloaded, the previous one stays", err);
    } else {
        config_keep_fixed(config, host->written, host->most_lookups, fixed, sizeof fixed);
        config_name_changes(host->written, config, changes, sizeof changes);
        host_config_free(host->written);
        host->written = config;
        search_names(host, config);
        addresses_expand(expanded, config, host->config, host->search);
        expanded->history = host->config->history + 1;
        hand_out(host, expanded);
        host_keep_facts(host);
        tell(host, changes, fixed, sum_policies(host) != policies);
        say_notes(host);
    }
    counter_set(&host->reload_ok, config != NULL);
    counter_add(&host->reloads, 1);
}
