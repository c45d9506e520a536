/*
 * strict_plugin.c - the built plugin with a second pair of eyes: a shared object that hosts load in
 * its place, so that they are tested as they are, without a switch of their own.
 *
 * Every cluster is opened with RP_CLUSTER_STRICT, and with RP_CLUSTER_FIRST_MISSES too if
 * $FIRST_MISSES is 1. A mistake of the host's ends its process with a line on stderr and SIGABRT,
 * even if the host takes no notices. Lateness alone does not: on a busy machine it is nobody's
 * mistake. So does a second thread in a cluster, which no cluster can see.
 */
#include "plugin/read_policy.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTERS_MAX = 64, KEPT_MAX = 64 };

/* Notices that were looked at and not given to the host yet. One is used by its cluster's thread
 * alone, from open to close. */
struct watched {
    struct rp_cluster *cluster; /* NULL: free */
    struct rp_notice kept[KEPT_MAX];
    unsigned first, count;
    atomic_bool entered; /* a thread is in it */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watched all_watched[CLUSTERS_MAX];
static const struct rp_plugin *real;
static struct rp_plugin table;
static struct rp_cluster_calls calls;

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("the host made a mistake: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    abort();
}

/* What is kept for a cluster, which is another's from now on; NULL: there is none. */
static struct watched *hand_over(const struct rp_cluster *from, struct rp_cluster *to) {
    struct watched *found = NULL;
    (void)pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < CLUSTERS_MAX && found == NULL; i++) {
        found = all_watched[i].cluster == from ? &all_watched[i] : NULL;
    }
    if (found != NULL && to != from) {
        *found = (struct watched){.cluster = to};
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

static struct watched *watched_of(struct rp_cluster *cluster) {
    return hand_over(cluster, cluster);
}

/* NULL, if it is none that was opened here. */
static struct watched *enter(struct rp_cluster *cluster) {
    struct watched *watched = cluster != NULL ? watched_of(cluster) : NULL;
    if (watched != NULL && atomic_exchange(&watched->entered, true)) {
        give_up("two threads are in one cluster at once");
    }
    return watched;
}

static void leave(struct watched *watched) {
    if (watched != NULL) {
        atomic_store(&watched->entered, false);
    }
}

static void keep(struct watched *watched, const struct rp_notice *notice) {
    if (watched->count < KEPT_MAX) {
        watched->kept[(watched->first + watched->count++) % KEPT_MAX] = *notice;
    } else {
        watched->kept[(watched->first + KEPT_MAX - 1) % KEPT_MAX].dropped++;
    }
}

static void look(struct watched *watched) {
    struct rp_notice notice = {.struct_size = sizeof notice};
    while (watched != NULL && real->cluster->notice(watched->cluster, &notice)) {
        const bool is_mistake = strncmp(notice.text, "strict: ", 8) == 0;
        if (!is_mistake) {
            keep(watched, &notice);
        } else if (strstr(notice.text, "after wake_ns") == NULL) {
            give_up("%s", notice.text + 8);
        }
    }
}

static int32_t strict_open(struct rp_set *set, const struct rp_cluster_options *options,
                           struct rp_cluster **cluster, char *err, uint32_t errlen) {
    struct rp_cluster_options stricter = *options;
    const char *rehearse = getenv("FIRST_MISSES");
    stricter.flags |= RP_CLUSTER_STRICT;
    if (rehearse != NULL && strcmp(rehearse, "1") == 0) {
        stricter.flags |= RP_CLUSTER_FIRST_MISSES;
    }
    const int32_t status = real->cluster->open(set, &stricter, cluster, err, errlen);
    if (status == RP_OK && hand_over(NULL, *cluster) == NULL) {
        give_up("more than %d clusters at once", (int)CLUSTERS_MAX);
    }
    return status;
}

static uint32_t strict_close(struct rp_cluster *cluster) {
    look(enter(cluster));
    (void)hand_over(cluster, NULL);
    const uint32_t open = real->cluster->close(cluster);
    if (open != 0) {
        give_up("a cluster was closed with %u reads under way that were not forgotten", open);
    }
    return 0;
}

static int32_t strict_next(struct rp_cluster *cluster, uint64_t now_ns, struct rp_action *action,
                           uint64_t *wake_ns) {
    struct watched *watched = enter(cluster);
    const int32_t given = real->cluster->next(cluster, now_ns, action, wake_ns);
    look(watched);
    leave(watched);
    return given;
}

static int32_t strict_start(struct rp_cluster *cluster, const struct rp_policy *policy,
                            const struct rp_request *request, uint64_t tag, uint64_t *read_id) {
    struct watched *watched = enter(cluster);
    const int32_t status = real->cluster->start(cluster, policy, request, tag, read_id);
    leave(watched);
    return status;
}

static void strict_answer(struct rp_cluster *cluster, uint64_t id, int32_t outcome,
                          const char *before, const char *after, uint64_t now_ns) {
    struct watched *watched = enter(cluster);
    real->cluster->answer(cluster, id, outcome, before, after, now_ns);
    leave(watched);
}

static void strict_forget(struct rp_cluster *cluster, uint64_t read_id) {
    struct watched *watched = enter(cluster);
    real->cluster->forget(cluster, read_id);
    leave(watched);
}

static int32_t strict_info(struct rp_cluster *cluster, struct rp_cluster_info *info) {
    struct watched *watched = enter(cluster);
    const int32_t status = real->cluster->info(cluster, info);
    leave(watched);
    return status;
}

static bool take(struct watched *watched, struct rp_notice *notice) {
    look(watched);
    if (watched == NULL || watched->count == 0 || notice->struct_size < sizeof *notice) {
        return false;
    }
    *notice = watched->kept[watched->first];
    watched->first = (watched->first + 1) % KEPT_MAX;
    watched->count--;
    return true;
}

static int32_t strict_notice(struct rp_cluster *cluster, struct rp_notice *notice) {
    struct watched *watched = enter(cluster);
    const bool taken = take(watched, notice);
    leave(watched);
    return taken;
}

/* read_policy.so in the directory above this object's. */
static void load(void) {
    char path[4096] = "";
    Dl_info self;
    if (dladdr((void *)(uintptr_t)&load, &self) != 0) {
        const char *slash = strrchr(self.dli_fname, '/');
        const int length = slash != NULL ? (int)(slash - self.dli_fname) : 0;
        (void)snprintf(path, sizeof path, "%.*s/../read_policy.so", length, self.dli_fname);
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rp_entry_function entry = NULL;
    *(void **)&entry = library != NULL ? dlsym(library, RP_ENTRY_SYMBOL) : NULL;
    if (entry == NULL) {
        (void)fprintf(stderr, "strict_plugin.so: %s\n", dlerror());
        abort();
    }
    real = entry();
    table = *real;
    calls = *real->cluster;
    calls.open = strict_open;
    calls.close = strict_close;
    calls.next = strict_next;
    calls.start = strict_start;
    calls.answer = strict_answer;
    calls.forget = strict_forget;
    calls.info = strict_info;
    calls.notice = strict_notice;
    table.cluster = &calls;
}

__attribute__((visibility("default"))) const struct rp_plugin *read_policy_plugin_v1(void) {
    (void)pthread_once(&once, load);
    return &table;
}
