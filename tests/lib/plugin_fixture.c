/*
 * plugin_fixture.c - the built shared object and INI files in memory.
 */
#include "plugin_fixture.h"

#include <dlfcn.h>
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BAD_FIXTURE 2

/* The programs are in BUILD/tests/ROOM/, the plugin in BUILD/. */
static void find_plugin(char *path, size_t capacity) {
    const char *given = getenv("READ_POLICY_SO");
    if (given != NULL) {
        (void)snprintf(path, capacity, "%s", given);
        return;
    }
    ssize_t length = readlink("/proc/self/exe", path, capacity);
    if (length <= 0 || (size_t)length >= capacity) {
        err(BAD_FIXTURE, "/proc/self/exe");
    }
    path[length] = '\0';
    static const char plugin_name[] = "/read_policy.so";
    char *slash;
    while ((slash = strrchr(path, '/')) != NULL &&
           (size_t)(slash - path) + sizeof plugin_name <= capacity) {
        memcpy(slash, plugin_name, sizeof plugin_name);
        if (access(path, F_OK) == 0) {
            return;
        }
        *slash = '\0';
    }
    errx(BAD_FIXTURE, "no read_policy.so in a folder above the program's");
}

void plugin_open(struct opened_plugin *plugin) {
    find_plugin(plugin->path, sizeof plugin->path);
    plugin->handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL) {
        errx(BAD_FIXTURE, "%s", dlerror());
    }
    void *symbol = dlsym(plugin->handle, RP_ENTRY_SYMBOL);
    if (symbol == NULL) {
        errx(BAD_FIXTURE, "%s", dlerror());
    }
    rp_entry_function entry;
    memcpy(&entry, &symbol, sizeof entry);
    plugin->table = entry();
}

void plugin_close(struct opened_plugin *plugin) {
    (void)dlclose(plugin->handle);
    plugin->handle = NULL;
    plugin->table = NULL;
}

void ini_file_create(struct ini_memory_file *file, const char *text) {
    file->descriptor = memfd_create("read-policy.ini", 0);
    if (file->descriptor < 0) {
        err(BAD_FIXTURE, "memfd_create");
    }
    (void)snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->descriptor);
    ini_file_write(file, text);
}

void ini_file_write(const struct ini_memory_file *file, const char *text) {
    size_t length = strlen(text);
    if (ftruncate(file->descriptor, 0) != 0 ||
        pwrite(file->descriptor, text, length, 0) != (ssize_t)length) {
        err(BAD_FIXTURE, "writing an INI file");
    }
}

void ini_file_close(struct ini_memory_file *file) {
    (void)close(file->descriptor);
    file->descriptor = -1;
}

static struct rp_set *open_as(const struct rp_plugin *plugin, const char *path,
                              uint32_t capabilities) {
    char error[RP_ERROR_BYTES];
    struct rp_set *set = NULL;
    if (plugin->open(path, capabilities, &set, error, sizeof error) != RP_OK) {
        errx(BAD_FIXTURE, "open: %s", error);
    }
    return set;
}

struct rp_set *set_must_open(const struct rp_plugin *plugin, const char *path) {
    return open_as(plugin, path, ALL_CAPABILITIES);
}

bool policy_uses(const struct rp_plugin *plugin, const char *policy, const char *key) {
    struct rp_kind kind = {.struct_size = sizeof kind};
    for (uint32_t i = 0; plugin->kind(i, &kind) == RP_OK; i++) {
        for (const char *const *used = kind.keys; *used != NULL; used++) {
            if (strcmp(kind.name, policy) == 0 && strcmp(*used, key) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool ends_with(const char *text, const char *suffix) {
    size_t length = strlen(text);
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

static bool same_text(const char *one, const char *other) {
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

static uint32_t find_counter(const struct rp_plugin *plugin, const struct rp_set *set,
                             const char *section, const char *suffix, const char *value) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; plugin->metrics(set, i, &metric) == RP_OK; i++) {
        if (strcmp(metric.section, section) == 0 && ends_with(metric.name, suffix) &&
            same_text(metric.attribute_value, value)) {
            return i;
        }
    }
    errx(BAD_FIXTURE, "no counter %s of [%s]", suffix, section);
}

/* A counter that no test looks at could move at any end. */
static void must_know_counters(const struct rp_plugin *plugin, const struct rp_set *set,
                               const char *section) {
    struct rp_metric metric = {.struct_size = sizeof metric};
    uint32_t count = 0;
    for (uint32_t i = 0; plugin->metrics(set, i, &metric) == RP_OK; i++) {
        count += strcmp(metric.section, section) == 0;
    }
    if (count != COUNT_COUNT) {
        errx(BAD_FIXTURE, "[%s] has %u counters, and SECTION_COUNTERS lists %u", section, count,
             (unsigned)COUNT_COUNT);
    }
}

struct counter_places find_counters(const struct rp_plugin *plugin, const struct rp_set *set,
                                    const char *section) {
#define KNOWN(name, number, word, suffix, value) [name] = {suffix, value},
    static const struct {
        const char *suffix;
        const char *value;
    } known[COUNT_COUNT] = {SECTION_COUNTERS(KNOWN)};
    struct counter_places places;
    must_know_counters(plugin, set, section);
    for (uint32_t i = 0; i < COUNT_COUNT; i++) {
        places.index[i] = find_counter(plugin, set, section, known[i].suffix, known[i].value);
    }
    return places;
}

struct counters read_counters(const struct rp_plugin *plugin, const struct rp_set *set,
                              const struct counter_places *places) {
    struct counters counters;
    struct rp_metric metric = {.struct_size = sizeof metric};
    for (uint32_t i = 0; i < COUNT_COUNT; i++) {
        if (plugin->metrics(set, places->index[i], &metric) != RP_OK) {
            errx(BAD_FIXTURE, "metric %u is gone", places->index[i]);
        }
        counters.value[i] = metric.value;
    }
    return counters;
}

struct counters counters_of(const struct rp_plugin *plugin, const struct rp_set *set,
                            const char *section) {
    struct counter_places places = find_counters(plugin, set, section);
    return read_counters(plugin, set, &places);
}

static void write_section(char *text, size_t capacity, const char *lines, va_list arguments) {
    size_t used = (size_t)snprintf(text, capacity, "[" SECTION_NAME "]\n");
    int written = vsnprintf(text + used, capacity - used, lines, arguments);
    if (written < 0 || (size_t)written >= capacity - used) {
        errx(BAD_FIXTURE, "no room for the INI text");
    }
}

static void open_section(struct opened_section *section, uint32_t capabilities, const char *text) {
    plugin_open(&section->plugin);
    ini_file_create(&section->file, text);
    section->set = open_as(section->plugin.table, section->file.path, capabilities);
    section->policy = section->plugin.table->policy(section->set, SECTION_NAME);
    if (section->policy == NULL) {
        errx(BAD_FIXTURE, "no section [" SECTION_NAME "]");
    }
}

void section_open(struct opened_section *section, const char *lines, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, lines);
    write_section(text, sizeof text, lines, arguments);
    va_end(arguments);
    open_section(section, ALL_CAPABILITIES, text);
}

void section_open_as(struct opened_section *section, uint32_t capabilities, const char *lines,
                     ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, lines);
    write_section(text, sizeof text, lines, arguments);
    va_end(arguments);
    open_section(section, capabilities, text);
}

void section_reload(struct opened_section *section, const char *lines, ...) {
    char text[2048];
    char error[RP_ERROR_BYTES];
    va_list arguments;
    va_start(arguments, lines);
    write_section(text, sizeof text, lines, arguments);
    va_end(arguments);
    ini_file_write(&section->file, text);
    if (section->plugin.table->reload(section->set, error, sizeof error) != RP_OK) {
        errx(BAD_FIXTURE, "reload: %s", error);
    }
}

void section_close(struct opened_section *section) {
    section->plugin.table->close(section->set);
    ini_file_close(&section->file);
    plugin_close(&section->plugin);
}
