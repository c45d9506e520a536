/*
 * descriptors.c - see descriptors.h.
 */
#include "descriptors.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Besides connections and links: standard streams, the log, the plugin while it is loaded, files
 * that libpq opens; and of each thread the loop, the timer, the wake-up and the listener. */
#define PER_PROCESS 24u
#define PER_THREAD  6u

/* An attempt to connect takes a few, for a moment. */
#define TO_CONNECT 16u

/* Connections to the operators' listener, which is wanted most when clients have taken all. */
#define TO_OPERATORS 8u

void descriptors_fill_standard(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        (void)close(fd);
    }
}

void descriptors_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static uint64_t count_links(const struct host_config *config) {
    uint64_t links = 0;
    for (uint32_t i = 0; i < config->server_count; i++) {
        links += config->servers[i].links + 1; /* and the one on which it may be told to wait */
    }
    return links * config->listen.threads;
}

/* So that links that go can come back. */
static uint64_t kept_for_links(const struct host_config *config) {
    return count_links(config) + TO_CONNECT;
}

static int all_but(uint64_t kept) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    const uint64_t most = limit.rlim_cur / 2; /* a host without clients is of no use either */
    return (int)(limit.rlim_cur - (kept < most ? kept : most));
}

int descriptors_for_clients(const struct host_config *config) {
    return all_but(kept_for_links(config) + TO_OPERATORS);
}

int descriptors_for_operators(const struct host_config *config) {
    return all_but(kept_for_links(config));
}

bool descriptors_suffice(const struct host_config *config, char *note, size_t note_length) {
    struct rlimit limit;
    const uint64_t links = count_links(config);
    const uint64_t own = links + kept_for_links(config) + TO_OPERATORS + PER_PROCESS +
                         (uint64_t)PER_THREAD * config->listen.threads;
    const uint64_t needed = own + config->limits.max_connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) {
        return true;
    }
    (void)snprintf(note, note_length,
                   "max_connections = %" PRIu32 " and %" PRIu64 " links to servers need %" PRIu64
                   " descriptors, and this process may have %ju: "
                   "from %ju connections on, clients wait; raise the limit (ulimit -Hn, or "
                   "LimitNOFILE= of the unit), or set max_connections lower",
                   config->limits.max_connections, links, needed, (uintmax_t)limit.rlim_cur,
                   (uintmax_t)(limit.rlim_cur > own ? limit.rlim_cur - own : 0));
    return false;
}
