/*
 * config.h - what snapshot-host.ini says.
 *
 * The tables of keys in load.c are parser, bounds, defaults and documentation at once.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include "strict-ini/strict_ini.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HOST_MAX_SERVERS 32u
#define HOST_MAX_SECRET  (INI_MAX_VALUE_BYTES + 1u)

enum { HOST_NO, HOST_YES };
/* As enum rp_expect and enum rp_server_state. */
enum { HOST_EXPECT_ANY, HOST_EXPECT_PRIMARY, HOST_EXPECT_REPLICA };
enum { HOST_SERVER_OFF, HOST_SERVER_ON, HOST_SERVER_DRAIN };
enum { HOST_ADDRESSES_ONE, HOST_ADDRESSES_ALL };

/* Of a server's name, its NUL included: as much as the cluster takes. */
#define HOST_NAME_BYTES 64u

/* Of a schema's name: longer ones PostgreSQL cuts. */
#define HOST_SCHEMA_BYTES 63u

/* Of a section's connection string, with the file's own folder before the files that it names. */
#define HOST_CONNINFO_BYTES 2048u
#define HOST_ADDRESS_BYTES  64u

struct server_config {
    char name[HOST_NAME_BYTES]; /* of its section: "server.a", "primary", "replica.b"; and behind a
                                   slash its address, see addresses.h */
    char conninfo[HOST_CONNINFO_BYTES + HOST_ADDRESS_BYTES]; /* of its section; and an address */
    uint32_t links;
    int32_t prepared;  /* HOST_NO, HOST_YES */
    int32_t expect;    /* HOST_EXPECT_ANY, HOST_EXPECT_PRIMARY, HOST_EXPECT_REPLICA */
    int32_t addresses; /* HOST_ADDRESSES_ONE, HOST_ADDRESSES_ALL */
    int32_t state;     /* HOST_SERVER_OFF, HOST_SERVER_ON, HOST_SERVER_DRAIN */
    int32_t position;  /* a key of 1.0.0 that has no effect any more; 0: the file has it not */
};

struct host_config {
    uint64_t history; /* the number of its reload. A name that has other addresses makes another
                         configuration of the same history */
    struct {
        char address[INI_MAX_VALUE_BYTES + 1];
        uint32_t port;
        uint32_t threads;
        uint32_t busy_poll_us;
    } listen;
    struct {
        char address[INI_MAX_VALUE_BYTES + 1];
        uint32_t port;
        bool present; /* without the section there is no such listener */
    } admin;
    struct {
        char token[HOST_MAX_SECRET];
        char other_token[HOST_MAX_SECRET]; /* while one replaces the other; "": none */
        char token_file[PATH_MAX];
        char deployment_id[INI_MAX_VALUE_BYTES + 1];
    } auth;
    struct {
        char schema[INI_MAX_VALUE_BYTES + 1]; /* "": wherever the search_path leads */
    } tables;
    struct server_config servers[HOST_MAX_SERVERS]; /* in the order of the file */
    uint32_t server_count;
    struct {
        char path[PATH_MAX]; /* these two begin where the file is, if they are relative */
        char config[PATH_MAX];
        char section[INI_MAX_VALUE_BYTES + 1];
    } plugin;
    struct {
        uint32_t max_lookups;
        uint32_t lookup_timeout_ms;
        uint32_t max_connections;
        uint32_t drain_ms;
        uint32_t poll_ms;
    } limits;
    struct {
        int32_t access; /* HOST_NO, HOST_YES */
    } log;
};

/* NULL: it has no server of that name. */
static inline const struct server_config *config_find_server(const struct host_config *config,
                                                             const char *name) {
    for (uint32_t i = 0; i < config->server_count; i++) {
        if (strcmp(config->servers[i].name, name) == 0) {
            return &config->servers[i];
        }
    }
    return NULL;
}

#endif
