/*
 * find_plugin.c - looks beside the program first, so that a build directory uses its own plugin.
 */
#include "find_plugin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN_NAME "read_policy.so"

void find_plugin(char *path, size_t size) {
    ssize_t length = readlink("/proc/self/exe", path, size);
    if (length > 0 && (size_t)length < size) {
        path[length] = '\0';
        char *name = strrchr(path, '/');
        size_t room = name == NULL ? 0 : size - (size_t)(name + 1 - path);
        if (room > sizeof PLUGIN_NAME) {
            memcpy(name + 1, PLUGIN_NAME, sizeof PLUGIN_NAME);
            if (access(path, R_OK) == 0) {
                return;
            }
        }
    }
    (void)snprintf(path, size, "%s/%s", READ_POLICY_PLUGIN_DIR, PLUGIN_NAME);
}
