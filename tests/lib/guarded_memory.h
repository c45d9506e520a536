/*
 * guarded_memory.h - memory whose end is the end of a page that nothing may be read or written
 * behind: an access one byte too far ends the program.
 */
#ifndef GUARDED_MEMORY_H
#define GUARDED_MEMORY_H

#include <stddef.h>

/* `size` bytes, filled with 0xa5; never released. Ends the program if there is no memory. */
void *guarded_memory(size_t size);

#endif
