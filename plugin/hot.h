/*
 * hot.h - functions and data that every hit passes through.
 *
 * A host has slept, or worked at something else, before each of its turns: what the next read needs
 * must come into the caches again. So those functions stand next to each other, on few pages, and
 * what a hit does not need is kept out of them.
 */
#ifndef HOT_H
#define HOT_H

#define HOT __attribute__((hot))

#define CACHE_LINE_BYTES 64

#endif
