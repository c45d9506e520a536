/*
 * directory.c - see directory.h.
 */
#include "directory.h"

#include <string.h>

struct server *servers_find(struct servers *servers, const char *name) {
    for (uint32_t i = 0; i < servers->count; i++) {
        struct server *server = &servers->servers[i];
        if (server->links != NULL && !server->going && strcmp(server->config.name, name) == 0) {
            return server;
        }
    }
    return NULL;
}

uint32_t servers_list(struct servers *servers, struct server_label labels[SERVERS_MAX]) {
    uint32_t count = 0;
    (void)pthread_mutex_lock(&servers->lock);
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct server *server = &servers->servers[i];
        if (server->links != NULL && !server->going) {
            memcpy(labels[count].name, server->config.name, sizeof labels[count].name);
            labels[count].expect = server->config.expect;
            labels[count++].index = i;
        }
    }
    (void)pthread_mutex_unlock(&servers->lock);
    return count;
}

void servers_add_counters(struct servers *servers, const char *name, bool before,
                          struct pg_server_counters *sum) {
    (void)pthread_mutex_lock(&servers->lock);
    for (uint32_t i = 0; i < servers->count; i++) {
        const struct server *server = &servers->servers[i];
        struct pg_server_counters counters;
        if (server->links == NULL || strcmp(server->config.name, name) != 0 ||
            (server->going && !before)) {
            continue;
        }
        pg_server_read_counters(server->links, &counters);
        pg_server_counters_add(sum, &counters);
        if (before) {
            pg_server_counters_add(sum, &server->inherited);
        }
    }
    (void)pthread_mutex_unlock(&servers->lock);
}

bool servers_are_answered_by(struct servers *servers, const char *name) {
    (void)pthread_mutex_lock(&servers->lock);
    const struct server *server = servers_find(servers, name);
    const bool answers = server == NULL || counter_value(&server->view.answers) != 0;
    (void)pthread_mutex_unlock(&servers->lock);
    return answers;
}

bool servers_find_error(struct servers *servers, const char *name, bool any, char *text,
                        size_t length) {
    struct pg_server_counters counters = {0};
    (void)pthread_mutex_lock(&servers->lock);
    const struct server *server = servers_find(servers, name);
    if (server != NULL) {
        pg_server_read_counters(server->links, &counters);
    }
    const bool lacks =
        server != NULL && counters.links_up < (any ? server->config.links : UINT64_C(1));
    if (lacks) {
        pg_server_copy_error(server->links, text, length);
    }
    (void)pthread_mutex_unlock(&servers->lock);
    return lacks;
}
