/*
 * name_search.c - see name_search.h.
 *
 * A search is shared by its caller and the threads, and the last of them frees it. What is found is
 * written and read under the lock, and stays until then.
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

struct name {
    struct name_search *search;
    char host[INI_MAX_VALUE_BYTES + 1];
    struct addrinfo *found;
};

struct name_search {
    pthread_mutex_t lock;
    pthread_cond_t one_ended;
    uint32_t references; /* the caller's, and one of each name that is being looked up */
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
                      pthread_cond_init(&search->one_ended, &monotonic) == 0;
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

/* Unlocks. */
static void drop_reference(struct name_search *search) {
    const bool last = --search->references == 0;
    (void)pthread_cond_signal(&search->one_ended);
    (void)pthread_mutex_unlock(&search->lock);
    if (!last) {
        return;
    }
    for (uint32_t i = 0; i < search->count; i++) {
        if (search->names[i].found != NULL) {
            freeaddrinfo(search->names[i].found);
        }
    }
    (void)pthread_cond_destroy(&search->one_ended);
    (void)pthread_mutex_destroy(&search->lock);
    free(search);
}

static void *look_up(void *context) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct name *name = context;
    struct name_search *search = name->search;
    struct addrinfo *found = NULL;
    const bool good = getaddrinfo(name->host, NULL, &hints, &found) == 0;
    (void)pthread_mutex_lock(&search->lock);
    name->found = good ? found : NULL;
    drop_reference(search);
    return NULL;
}

void name_search_add(struct name_search *search, const char *host) {
    pthread_t thread;
    if (search->count == HOST_MAX_SERVERS) {
        return;
    }
    struct name *name = &search->names[search->count];
    name->search = search;
    (void)snprintf(name->host, sizeof name->host, "%s", host);
    (void)pthread_mutex_lock(&search->lock);
    if (pthread_create(&thread, NULL, look_up, name) == 0) {
        (void)pthread_detach(thread);
        search->count++;
        search->references++;
    }
    (void)pthread_mutex_unlock(&search->lock);
}

bool name_search_wait(struct name_search *search, uint32_t limit_ms) {
    const uint64_t limit_ns = monotonic_ns() + limit_ms * UINT64_C(1000000);
    const struct timespec until = {.tv_sec = (time_t)(limit_ns / SECOND_NS),
                                   .tv_nsec = (long)(limit_ns % SECOND_NS)};
    int status = 0;
    (void)pthread_mutex_lock(&search->lock);
    while (search->references > 1 && status == 0) {
        status = pthread_cond_timedwait(&search->one_ended, &search->lock, &until);
    }
    const bool all = search->references == 1;
    (void)pthread_mutex_unlock(&search->lock);
    return all;
}

const struct addrinfo *name_search_found(struct name_search *search, const char *host) {
    const struct addrinfo *found = NULL;
    (void)pthread_mutex_lock(&search->lock);
    for (uint32_t i = 0; i < search->count && found == NULL; i++) {
        if (strcmp(search->names[i].host, host) == 0) {
            found = search->names[i].found;
        }
    }
    (void)pthread_mutex_unlock(&search->lock);
    return found;
}

void name_search_free(struct name_search *search) {
    if (search != NULL) {
        (void)pthread_mutex_lock(&search->lock);
        drop_reference(search);
    }
}
