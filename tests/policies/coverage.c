/*
 * coverage.c - the plugin's own lists of policies and keys, held against what was explored.
 */
#include "coverage.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

static const char loads[] = "rules: every policy loads";
static const char explored[] = "I21: every policy of the plugin is explored";
static const char varied[] = "I21: every key that a policy uses is varied";
static const char as_long[] = "I1: the longest read of each policy is as long as it says";

static bool violated(const char *statement, const char *name, const char *what) {
    (void)fprintf(stderr, "VIOLATED: %s: %s: %s\n", statement, name, what);
    return false;
}

static bool check_loads(const struct rp_plugin *plugin, const char *name) {
    char text[256];
    char error[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    const int length = snprintf(text, sizeof text, "[s]\npolicy = %s\n", name);
    const int32_t status = plugin->open_text(text, (uint32_t)length, "default", ALL_CAPABILITIES,
                                             &set, error, sizeof error);
    plugin->close(set);
    return status == RP_OK || violated(loads, name, error);
}

bool coverage_begin(struct coverage *coverage, const struct exploration *exploration,
                    const struct rp_plugin *plugin) {
    bool ok = true;
    struct rp_kind kind = {.struct_size = sizeof kind};
    *coverage = (struct coverage){.keys = {{{{0}, {0}, false}}}};
    for (uint32_t i = 0; plugin->kind(i, &kind) == RP_OK; i++) {
        const int policy = find_explored(kind.name);
        if (is_checked(exploration, loads) && !check_loads(plugin, kind.name)) {
            ok = false;
        }
        if (policy >= 0) {
            coverage->kinds[policy] = kind;
        } else if (is_checked(exploration, explored)) {
            ok = violated(explored, kind.name,
                          "there are no settings for it; docs/HACKING.md says what to add");
        }
    }
    for (int policy = 0; policy < POLICY_COUNT; policy++) {
        if (coverage->kinds[policy].name == NULL) {
            ok = violated(explored, policy_names[policy], "the plugin has no such policy");
        }
    }
    return ok;
}

static struct key_seen *find_seen(struct key_seen *keys, const char *name, size_t length) {
    for (uint32_t i = 0; i < MAX_KEYS_SEEN; i++) {
        if (keys[i].name[0] == '\0' ||
            (strncmp(keys[i].name, name, length) == 0 && keys[i].name[length] == '\0')) {
            return &keys[i];
        }
    }
    errx(2, "MAX_KEYS_SEEN is too small");
}

static void note_line(struct key_seen *keys, const char *line) {
    char name[64];
    char value[64];
    if (sscanf(line, "%63s = %63s", name, value) != 2) {
        errx(2, "no line of a section: %s", line);
    }
    struct key_seen *seen = find_seen(keys, name, strlen(name));
    if (seen->name[0] == '\0') {
        (void)snprintf(seen->name, sizeof seen->name, "%s", name);
        (void)snprintf(seen->value, sizeof seen->value, "%s", value);
    }
    seen->varied = seen->varied || strcmp(seen->value, value) != 0;
}

void coverage_note(struct coverage *coverage, const struct configured *configured) {
    char lines[1024];
    write_lines(configured, lines, sizeof lines);
    char *rest = lines;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        note_line(coverage->keys[configured->policy], line);
    }
}

/* Not what decides nothing about a read, or only which replicas are offered for it. */
static bool bears_on_reads(const char *key) {
    return strcmp(key, "metric_prefix") != 0 && strcmp(key, "max_lag_ms") != 0;
}

static bool is_varied(const struct coverage *coverage, int policy, const char *key) {
    for (uint32_t i = 0; i < MAX_KEYS_SEEN; i++) {
        const struct key_seen *seen = &coverage->keys[policy][i];
        if (strcmp(seen->name, key) == 0 && seen->varied) {
            return true;
        }
    }
    return !bears_on_reads(key) || violated(varied, policy_names[policy], key);
}

static bool all_keys_are_used(const struct rp_plugin *plugin) {
    bool ok = true;
    struct rp_key key = {.struct_size = sizeof key};
    for (uint32_t i = 0; plugin->key(i, &key) == RP_OK; i++) {
        bool used = strcmp(key.name, "policy") == 0;
        for (int policy = 0; policy < POLICY_COUNT && !used; policy++) {
            used = policy_uses(plugin, policy_names[policy], key.name);
        }
        ok = (used || violated(varied, key.name, "no policy uses it")) && ok;
    }
    return ok;
}

static bool is_as_long(const struct coverage *coverage, int policy, const struct totals *totals) {
    char what[64];
    (void)snprintf(what, sizeof what, "it says %u, and there were %u",
                   coverage->kinds[policy].most_steps, totals->longest[policy]);
    return totals->longest[policy] == coverage->kinds[policy].most_steps ||
           violated(as_long, policy_names[policy], what);
}

bool coverage_is_full(const struct coverage *coverage, const struct exploration *exploration,
                      const struct rp_plugin *plugin, int alone, const struct totals *totals) {
    bool ok = !is_checked(exploration, varied) || all_keys_are_used(plugin);
    for (int policy = 0; policy < POLICY_COUNT; policy++) {
        const char *const *key = coverage->kinds[policy].keys;
        if (alone >= 0 && policy != alone) {
            continue;
        }
        for (; is_checked(exploration, varied) && *key != NULL; key++) {
            ok = is_varied(coverage, policy, *key) && ok;
        }
        if (is_checked(exploration, as_long)) {
            ok = is_as_long(coverage, policy, totals) && ok;
        }
    }
    return ok;
}
