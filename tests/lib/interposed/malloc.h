/*
 * malloc.h - the program's own malloc and its kin, replacing libc's, for the plugin and every
 * library: they count, and fail on demand.
 *
 * In a separate folder, so that no other program takes it from an archive of helpers. Not built
 * into programs with a sanitizer, which has its own: there INTERPOSED_MALLOC is 0.
 */
#ifndef INTERPOSED_MALLOC_H
#define INTERPOSED_MALLOC_H

#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INTERPOSED_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define INTERPOSED_MALLOC 0
#else
#define INTERPOSED_MALLOC 1
#endif
#else
#define INTERPOSED_MALLOC 1
#endif

/* From now on allocations are counted, and the `failing`-th of them fails; 0: none does. */
void watch_allocations(uint64_t failing);

/* Ends that; returns how many allocations there were. */
uint64_t unwatch_allocations(void);

/* Blocks that are allocated and not released, in the whole program. */
int64_t live_blocks(void);

#endif
