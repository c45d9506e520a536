/*
 * container_of.h - from a member to the struct that holds it.
 */
#ifndef CONTAINER_OF_H
#define CONTAINER_OF_H

#include <stddef.h>

/* The `type` whose `member` the pointer, which must not be NULL, points to. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#endif
