/*
 * addresses.c - see addresses.h.
 */
#include "addresses.h"

#include "host-sample/config/conninfo.h"
#include "name_search.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESS_BYTES 48u /* of a number, IPv6 with its zone cut off */

static bool is_many(const struct server_config *section) {
    return section->addresses == HOST_ADDRESSES_ALL && section->state != HOST_SERVER_OFF;
}

bool addresses_are_many(const struct host_config *written) {
    for (uint32_t i = 0; i < written->server_count; i++) {
        if (is_many(&written->servers[i])) {
            return true;
        }
    }
    return false;
}

struct name_search *addresses_search(const struct host_config *written) {
    struct name_search *search = NULL;
    for (uint32_t i = 0; i < written->server_count; i++) {
        char host[INI_MAX_VALUE_BYTES + 1];
        if (!is_many(&written->servers[i]) ||
            !conninfo_host(written->servers[i].conninfo, host, sizeof host)) {
            continue;
        }
        search = search != NULL ? search : name_search_new();
        if (search != NULL) {
            name_search_add(search, host);
        }
    }
    return search;
}

static void append(struct host_config *config, const struct server_config *server) {
    if (config->server_count < HOST_MAX_SERVERS &&
        config_find_server(config, server->name) == NULL) {
        config->servers[config->server_count++] = *server;
    }
}

/* False: there is no room in the name or the connection string. */
static bool at_address(struct server_config *server, const struct server_config *section,
                       const char *address) {
    *server = *section;
    const int name = snprintf(server->name, sizeof server->name, "%s/%s", section->name, address);
    return name > 0 && (size_t)name < sizeof server->name &&
           conninfo_at_address(server->conninfo, sizeof server->conninfo, section->conninfo,
                               address);
}

/* Returns whether there was any. */
static bool append_found(struct host_config *expanded, const struct server_config *section,
                         const struct name_search *search) {
    char host[INI_MAX_VALUE_BYTES + 1];
    bool any = false;
    if (search == NULL || !conninfo_host(section->conninfo, host, sizeof host)) {
        return false;
    }
    for (const struct addrinfo *one = name_search_found(search, host); one != NULL;
         one = one->ai_next) {
        char address[ADDRESS_BYTES];
        struct server_config server;
        if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) == 0 &&
            at_address(&server, section, address)) {
            append(expanded, &server);
            any = true;
        }
    }
    return any;
}

/* Those that the section had before; each as the section is now. */
static bool append_former(struct host_config *expanded, const struct server_config *section,
                          const struct host_config *before) {
    const size_t length = strlen(section->name);
    bool any = false;
    for (uint32_t i = 0; before != NULL && i < before->server_count; i++) {
        const char *name = before->servers[i].name;
        struct server_config server;
        if (strncmp(name, section->name, length) == 0 && name[length] == '/' &&
            at_address(&server, section, name + length + 1)) {
            append(expanded, &server);
            any = true;
        }
    }
    return any;
}

void addresses_expand(struct host_config *expanded, const struct host_config *written,
                      const struct host_config *before, const struct name_search *search) {
    *expanded = *written;
    memset(expanded->servers, 0, sizeof expanded->servers);
    expanded->server_count = 0;
    for (uint32_t i = 0; i < written->server_count; i++) {
        const struct server_config *section = &written->servers[i];
        if (!is_many(section) || (!append_found(expanded, section, search) &&
                                  !append_former(expanded, section, before))) {
            append(expanded, section);
        }
    }
}
