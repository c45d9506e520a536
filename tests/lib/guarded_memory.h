/*
 * guarded_memory.h - memory that ends where a page ends, followed by a page that cannot be
 * accessed: one byte too far ends the program.
 */
#ifndef GUARDED_MEMORY_H
#define GUARDED_MEMORY_H

#include <stddef.h>

/* `size` bytes, filled with 0xa5; never released. Ends the program if there is no memory. */
void *guarded_memory(size_t size);

#endif
