/*
 * guarded_memory.c - pages with a page behind them that cannot be touched.
 */
#include "guarded_memory.h"

#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *guarded_memory(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t usable = (size + page - 1) / page * page;
    char *memory =
        mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + usable, page, PROT_NONE) != 0) {
        err(2, "guarded memory");
    }
    return memset(memory + usable - size, 0xa5, size);
}
