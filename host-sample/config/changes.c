/*
 * changes.c - see changes.h.
 */
#include "changes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A part of the configuration that changes as a whole. */
struct part {
    const char *name;
    size_t offset;
    size_t size;
};

#define PART(name_, member)                                                                        \
    {.name = (name_),                                                                              \
     .offset = offsetof(struct host_config, member),                                               \
     .size = sizeof(((struct host_config *)0)->member)}

static const struct part fixed_parts[] = {
    PART("[listen] address", listen.address), PART("[listen] port", listen.port),
    PART("[listen] threads", listen.threads), PART("[admin]", admin),
    PART("[plugin] path", plugin.path),       PART("[plugin] config", plugin.config),
    PART("[plugin] section", plugin.section), PART("[limits] poll_ms", limits.poll_ms),
};

static const struct part free_parts[] = {
    PART("[listen] busy_poll_us", listen.busy_poll_us),
    PART("[auth] token", auth.token),
    PART("[auth] the other token", auth.other_token),
    PART("[auth] token_file", auth.token_file),
    PART("[auth] deployment_id", auth.deployment_id),
    PART("[tables] schema", tables.schema),
    PART("[limits] max_lookups", limits.max_lookups),
    PART("[limits] lookup_timeout_ms", limits.lookup_timeout_ms),
    PART("[limits] max_connections", limits.max_connections),
    PART("[limits] drain_ms", limits.drain_ms),
    PART("[log] access", log.access),
};

#define COUNT(parts) (sizeof(parts) / sizeof((parts)[0]))

static void add(char *names, size_t length, const char *name, const char *what) {
    const size_t used = strlen(names);
    (void)snprintf(names + used, length - used, "%s%s%s", used > 0 ? ", " : "", name, what);
}

static const void *at(const struct host_config *config, const struct part *part) {
    return (const char *)config + part->offset;
}

/* Values are zero behind their ends: the whole was before it was read. */
static bool is_equal(const struct host_config *one, const struct host_config *other,
                     const struct part *part) {
    return memcmp(at(one, part), at(other, part), part->size) == 0;
}

void config_keep_fixed(struct host_config *config, const struct host_config *running,
                       uint32_t most_lookups, char *names, size_t length) {
    names[0] = '\0';
    for (size_t i = 0; i < COUNT(fixed_parts); i++) {
        const struct part *part = &fixed_parts[i];
        if (!is_equal(config, running, part)) {
            add(names, length, part->name, "");
            memcpy((char *)config + part->offset, at(running, part), part->size);
        }
    }
    if (config->limits.max_lookups > most_lookups) {
        char limit[48];
        (void)snprintf(limit, sizeof limit, " above %u", most_lookups);
        add(names, length, "[limits] max_lookups", limit);
        config->limits.max_lookups = most_lookups;
    }
}

static void name_server(const struct server_config *from, const struct server_config *to,
                        char *names, size_t length) {
    static const char *const states[] = {" off", " on", " drained"};
    char section[HOST_NAME_BYTES + 2];
    const struct server_config *known = to != NULL ? to : from; /* one of them is there */
    /* cppcheck-suppress nullPointerRedundantCheck */
    (void)snprintf(section, sizeof section, "[%s]", known->name);
    if (from == NULL) {
        add(names, length, section, " added");
    } else if (to == NULL) {
        add(names, length, section, " taken out");
    } else if (strcmp(from->conninfo, to->conninfo) != 0 || from->links != to->links ||
               from->prepared != to->prepared || from->addresses != to->addresses ||
               from->expect != to->expect) {
        add(names, length, section, " changed");
    }
    if (from != NULL && to != NULL && from->state != to->state) {
        add(names, length, section, states[to->state]);
    }
}

void config_name_changes(const struct host_config *from, const struct host_config *to, char *names,
                         size_t length) {
    names[0] = '\0';
    for (uint32_t i = 0; i < to->server_count; i++) {
        name_server(config_find_server(from, to->servers[i].name), &to->servers[i], names, length);
    }
    for (uint32_t i = 0; i < from->server_count; i++) {
        if (config_find_server(to, from->servers[i].name) == NULL) {
            name_server(&from->servers[i], NULL, names, length);
        }
    }
    for (size_t i = 0; i < COUNT(free_parts); i++) {
        if (!is_equal(from, to, &free_parts[i])) {
            add(names, length, free_parts[i].name, "");
        }
    }
}
