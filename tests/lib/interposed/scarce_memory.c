/*
 * scarce_memory.c - preloaded into a program, lets one of its allocations fail: the file
 * SCARCE_MEMORY_FILE holds an int64_t, how many are granted before that; below 0: none fails.
 *
 * ALL_FROM_THERE in the environment: that one and all later ones.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int64_t none = -1;
static _Atomic int64_t *granted = &none;
static bool all_from_there;
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);

/* glibc's internal names, for what the loader needs before the others are known. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("SCARCE_MEMORY_FILE");
    all_from_there = getenv("ALL_FROM_THERE") != NULL;
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    const int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *granted, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        granted = mapped != MAP_FAILED ? mapped : &none;
        (void)close(fd);
    }
}

static bool fails(void) {
    if (atomic_load(granted) < 0) {
        return false;
    }
    const int64_t left = atomic_fetch_sub(granted, 1);
    if (left == 0 && all_from_there) {
        atomic_store(granted, 0);
    }
    if (left == 0) {
        errno = ENOMEM;
    }
    return left == 0;
}

void *malloc(size_t size) {
    return real_malloc == NULL ? __libc_malloc(size) : fails() ? NULL : real_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return real_calloc == NULL ? __libc_calloc(count, size)
           : fails()           ? NULL
                               : real_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return real_realloc == NULL ? __libc_realloc(block, size)
           : fails()            ? NULL
                                : real_realloc(block, size);
}
