/*
 * name_search.c - see name_search.h.
 *
 * A search is shared by its caller and the threads, and the last of them frees it.
 */
#include "name_search.h"

#include "host-sample/base/monotonic.h"
#include "host-sample/config/config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

/* From one time that a name was looked up to the next. */
#define PAUSE_MS 10000u

struct name {
    struct name_search *search;
    char host[INI_MAX_VALUE_BYTES + 1];
    bool started;           /* the caller's, as is: */
    struct addrinfo *found; /* and under the lock: */
    struct addrinfo *newer; /* if has_news */
    bool has_news;
    bool looked_up; /* once at least */
};

struct name_search {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t references; /* the caller's, and one of each thread */
    bool left;           /* by the caller */
    uint32_t count;
    struct name names[HOST_MAX_SERVERS];
};

static bool init_lock(struct name_search *search) {
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    const bool good = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                      pthread_mutex_init(&search->lock, NULL) == 0 &&
                      pthread_cond_init(&search->changed, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return good;
}

struct name_search *name_search_new(void) {
    struct name_search *search = calloc(1, sizeof *search);
    if (search != NULL && !init_lock(search)) {
        free(search);
        search = NULL;
    }
    if (search != NULL) {
        search->references = 1;
    }
    return search;
}

static void free_found(struct addrinfo *found) {
    if (found != NULL) {
        freeaddrinfo(found);
    }
}

/* Unlocks. */
static void drop_reference(struct name_search *search) {
    const bool last = --search->references == 0;
    (void)pthread_mutex_unlock(&search->lock);
    if (!last) {
        return;
    }
    for (uint32_t i = 0; i < search->count; i++) {
        free_found(search->names[i].found);
        free_found(search->names[i].newer);
    }
    (void)pthread_cond_destroy(&search->changed);
    (void)pthread_mutex_destroy(&search->lock);
    free(search);
}

static struct timespec moment_in(uint32_t ms) {
    const uint64_t ns = monotonic_ns() + ms * UINT64_C(1000000);
    return (struct timespec){.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
}

static struct addrinfo *look_up(const char *host) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    return getaddrinfo(host, NULL, &hints, &found) == 0 ? found : NULL;
}

static void *look_up_again_and_again(void *context) {
    struct name *name = context;
    struct name_search *search = name->search;
    (void)pthread_mutex_lock(&search->lock);
    while (!search->left) {
        (void)pthread_mutex_unlock(&search->lock);
        struct addrinfo *found = look_up(name->host);
        (void)pthread_mutex_lock(&search->lock);
        free_found(name->newer);
        name->newer = found;
        name->has_news = name->looked_up = true;
        (void)pthread_cond_broadcast(&search->changed);
        const struct timespec until = moment_in(PAUSE_MS);
        int status = 0;
        while (!search->left && status == 0) {
            status = pthread_cond_timedwait(&search->changed, &search->lock, &until);
        }
    }
    drop_reference(search);
    return NULL;
}

/* With the lock held. */
static void start(struct name *name) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, look_up_again_and_again, name) == 0) {
        (void)pthread_detach(thread);
        name->started = true;
        name->search->references++;
    }
}

static const struct name *find(const struct name_search *search, const char *host) {
    for (uint32_t i = 0; i < search->count; i++) {
        if (strcmp(search->names[i].host, host) == 0) {
            return &search->names[i];
        }
    }
    return NULL;
}

void name_search_add(struct name_search *search, const char *host) {
    if (search->count == HOST_MAX_SERVERS || find(search, host) != NULL) {
        return;
    }
    struct name *name = &search->names[search->count++];
    name->search = search;
    (void)snprintf(name->host, sizeof name->host, "%s", host);
    (void)pthread_mutex_lock(&search->lock);
    start(name);
    (void)pthread_mutex_unlock(&search->lock);
}

/* With the lock held. */
static bool are_looked_up(const struct name_search *search) {
    bool all = true;
    for (uint32_t i = 0; i < search->count; i++) {
        all = all && (search->names[i].looked_up || !search->names[i].started);
    }
    return all;
}

void name_search_wait(struct name_search *search, uint32_t limit_ms) {
    const struct timespec until = moment_in(limit_ms);
    int status = 0;
    (void)pthread_mutex_lock(&search->lock);
    while (!are_looked_up(search) && status == 0) {
        status = pthread_cond_timedwait(&search->changed, &search->lock, &until);
    }
    (void)pthread_mutex_unlock(&search->lock);
}

bool name_search_take(struct name_search *search) {
    bool any = false;
    (void)pthread_mutex_lock(&search->lock);
    for (uint32_t i = 0; i < search->count; i++) {
        struct name *name = &search->names[i];
        if (name->has_news) {
            free_found(name->found);
            name->found = name->newer;
            name->newer = NULL;
            name->has_news = false;
            any = true;
        } else if (!name->started) { /* there was no room for a thread */
            start(name);
        }
    }
    (void)pthread_mutex_unlock(&search->lock);
    return any;
}

const struct addrinfo *name_search_found(const struct name_search *search, const char *host) {
    const struct name *name = find(search, host);
    return name != NULL ? name->found : NULL;
}

void name_search_free(struct name_search *search) {
    if (search != NULL) {
        (void)pthread_mutex_lock(&search->lock);
        search->left = true;
        (void)pthread_cond_broadcast(&search->changed);
        drop_reference(search);
    }
}
