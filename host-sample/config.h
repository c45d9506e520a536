/*
 * config.h - what snapshot-host.ini says.
 *
 * The tables of keys in config.c are parser, bounds, defaults and documentation at once.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include "strict-ini/strict_ini.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_MAX_REPLICAS 16u /* a lookup remembers the offered ones in the bits of a word */
#define HOST_MAX_SECRET   (INI_MAX_VALUE_BYTES + 1u)

enum { HOST_NO, HOST_YES };
enum { HOST_POSITION_FLUSH, HOST_POSITION_INSERT };

struct server_config {
    char name[INI_MAX_SECTION_BYTES + 1]; /* of its section: "primary", "replica", "replica.b" */
    char conninfo[INI_MAX_VALUE_BYTES + 1];
    uint32_t links;
    int32_t prepared; /* HOST_NO, HOST_YES */
    int32_t position; /* primary only: HOST_POSITION_FLUSH, HOST_POSITION_INSERT */
};

struct host_config {
    struct {
        char address[INI_MAX_VALUE_BYTES + 1];
        uint32_t port;
        uint32_t threads;
        uint32_t busy_poll_us;
    } listen;
    struct {
        char token[HOST_MAX_SECRET];
        char token_file[PATH_MAX];
        char deployment_id[INI_MAX_VALUE_BYTES + 1];
    } auth;
    struct server_config primary;
    struct server_config replicas[HOST_MAX_REPLICAS];
    uint32_t replica_count;
    struct {
        char path[PATH_MAX]; /* these two begin where the file is, if they are relative */
        char config[PATH_MAX];
        char section[INI_MAX_VALUE_BYTES + 1];
    } plugin;
    struct {
        uint32_t max_lookups;
        uint32_t lookup_timeout_ms;
        uint32_t max_connections;
    } limits;
    struct {
        int32_t access; /* HOST_NO, HOST_YES */
    } log;
};

/* Reads the file and the token file that it may name. False with every error, one per line, in err.
 */
bool host_config_load(struct host_config *config, const char *path, char *err, size_t err_length);

/* Writes every section's keys as text, for --keys. */
void host_config_describe_keys(struct ini_text_sink sink);

#endif
