/*
 * malloc.c - malloc and its kin, on top of glibc's own under their internal names.
 *
 * For programs of one thread.
 */
#include "malloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static bool watching;
static uint64_t allocations;
static uint64_t failing_allocation;
static int64_t blocks;

void watch_allocations(uint64_t failing) {
    allocations = 0;
    failing_allocation = failing;
    watching = true;
}

uint64_t unwatch_allocations(void) {
    watching = false;
    return allocations;
}

int64_t live_blocks(void) {
    return blocks;
}

#if INTERPOSED_MALLOC

/* glibc's internal names for malloc and its kin. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);
int posix_memalign(void **block, size_t alignment, size_t size);
void free(void *block);

static bool allocation_fails(void) {
    return watching && ++allocations == failing_allocation;
}

static void *counted(void *block) {
    blocks += block != NULL;
    return block;
}

static void *fail(void) {
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size) {
    return allocation_fails() ? fail() : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return allocation_fails() ? fail() : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    if (allocation_fails()) {
        return fail();
    }
    void *moved = __libc_realloc(block, size);
    blocks += (block == NULL && moved != NULL) - (block != NULL && size == 0);
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return allocation_fails() ? fail() : counted(__libc_memalign(alignment, size));
}

void *memalign(size_t alignment, size_t size) {
    return aligned_alloc(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = aligned_alloc(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}

void free(void *block) {
    blocks -= block != NULL;
    __libc_free(block);
}

#endif
