/*
 * loaded.c - dlopen; every failure ends the program with a message.
 */
#include "loaded.h"

#include "loader/plugin_loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s: ", program_invocation_short_name);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

const struct rp_plugin *load_plugin(const char *path) {
    struct loaded_plugin plugin;
    char err[512];
    if (!plugin_load(&plugin, path, err, sizeof err)) {
        give_up("%s", err);
    }
    return plugin.table;
}

const struct bare_calls *load_bare_calls(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        give_up("%s", dlerror());
    }
    void *symbol = dlsym(handle, BARE_CALLS_SYMBOL);
    if (symbol == NULL) {
        give_up("%s: no symbol %s", path, BARE_CALLS_SYMBOL);
    }
    bare_calls_function entry;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from void * to a function pointer */
    return entry();
}

struct rp_set *open_set(const struct rp_plugin *plugin, const char *ini_path) {
    struct rp_set *set;
    char err[RP_ERROR_BYTES];
    if (plugin->open(ini_path, RP_CAN_REPORT_POSITIONS | RP_CAN_AWAIT_POSITION, &set, err,
                     sizeof err) != RP_OK) {
        give_up("%s: %s", ini_path, err);
    }
    return set;
}

const struct rp_policy *find_policy(const struct rp_plugin *plugin, struct rp_set *set,
                                    const char *section) {
    const struct rp_policy *policy = plugin->policy(set, section);
    if (policy == NULL) {
        give_up("no section [%s]", section);
    }
    return policy;
}
