/*
 * find_plugin.h - where the plugin is if it was not named.
 */
#ifndef FIND_PLUGIN_H
#define FIND_PLUGIN_H

#include <stddef.h>

/* A path of `size` bytes, at least PATH_MAX: read_policy.so beside the program that runs (a build
 * directory), else the place where `make install` puts it, whether it exists or not: loading it
 * then reports what is wrong. [thread-safe] */
void find_plugin(char *path, size_t size);

#endif
