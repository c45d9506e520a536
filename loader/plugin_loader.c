/*
 * plugin_loader.c - dlopen, and checks of what it returned.
 *
 * Only members within the table's struct_size are looked at.
 */
#include "plugin_loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static bool refuse(char *err, size_t err_length,
                                                         const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(err, err_length, format, arguments);
    va_end(arguments);
    return false;
}

static bool check_table(const struct rp_plugin *table, const char *path, char *err,
                        size_t err_length) {
    if (table == NULL) {
        return refuse(err, err_length, "%s: %s() returned NULL; expected a table", path,
                      RP_ENTRY_SYMBOL);
    }
    if (table->magic != RP_PLUGIN_MAGIC) {
        return refuse(
            err, err_length,
            "%s: %s() returned a table with magic 0x%08x; expected 0x%08x: not a read policy "
            "plugin",
            path, RP_ENTRY_SYMBOL, table->magic, RP_PLUGIN_MAGIC);
    }
    if (table->abi_major != RP_ABI_MAJOR) {
        return refuse(err, err_length,
                      "%s: %s() returned a table of ABI version %u.%u; expected %u.x", path,
                      RP_ENTRY_SYMBOL, table->abi_major, table->abi_minor, RP_ABI_MAJOR);
    }
    if (table->struct_size < RP_PLUGIN_MIN_SIZE) {
        return refuse(err, err_length,
                      "%s: %s() returned a table of %u bytes; expected at least %zu (ABI %u.0)",
                      path, RP_ENTRY_SYMBOL, table->struct_size, RP_PLUGIN_MIN_SIZE, RP_ABI_MAJOR);
    }
    const struct {
        const char *name;
        bool there;
    } members[] = {
        {"name", table->name != NULL},         {"version", table->version != NULL},
        {"open", table->open != NULL},         {"reload", table->reload != NULL},
        {"policy", table->policy != NULL},     {"begin", table->begin != NULL},
        {"next", table->next != NULL},         {"metrics", table->metrics != NULL},
        {"describe", table->describe != NULL}, {"close", table->close != NULL},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!members[i].there) {
            return refuse(err, err_length,
                          "%s: %s() returned a table whose member %s is NULL; expected a value",
                          path, RP_ENTRY_SYMBOL, members[i].name);
        }
    }
    return true;
}

/* dlopen searches the library path for a name without a slash, and would load a directory's or a
 * device's name with a message that helps nobody: so the path is made absolute and checked first.
 */
static char *absolute_path(const char *path, char *err, size_t err_length) {
    struct stat status;
    char *absolute = realpath(path, NULL);
    if (absolute == NULL || stat(absolute, &status) != 0) {
        (void)refuse(err, err_length, "%s: %s; expected a shared object", path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        (void)refuse(err, err_length, "%s: %s; expected a shared object", path,
                     S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
    } else {
        return absolute;
    }
    free(absolute);
    return NULL;
}

/* How many bytes the file must have to contain its segments; 0 if it is not an object file. */
static uint64_t promised_bytes(int descriptor) {
    ElfW(Ehdr) header;
    uint64_t promised = 0;
    if (pread(descriptor, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        const uint64_t at = header.e_phoff + (uint64_t)i * sizeof segment;
        if (pread(descriptor, &segment, sizeof segment, (off_t)at) != (ssize_t)sizeof segment) {
            return UINT64_MAX;
        }
        const uint64_t offset = segment.p_offset, size = segment.p_filesz;
        if (size > UINT64_MAX - offset) {
            return UINT64_MAX;
        }
        const uint64_t end = offset + size;
        promised = segment.p_type == PT_LOAD && end > promised ? end : promised;
    }
    return promised;
}

/* dlopen maps what the file's headers promise, and the process dies of SIGBUS if the file ends
 * before that: so a file that was cut off, or is still being copied, is refused here. Files of
 * other kinds are left to dlopen, which reports what is wrong with them. */
static bool check_whole(const char *path, struct stat *file, char *err, size_t err_length) {
    bool whole = false;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, file) != 0) {
        (void)refuse(err, err_length, "%s: %s; expected a shared object", path, strerror(errno));
    } else {
        whole = promised_bytes(descriptor) <= (uint64_t)file->st_size;
        if (!whole) {
            (void)refuse(err, err_length,
                         "%s: cut off after %lld bytes; expected a whole shared object", path,
                         (long long)file->st_size);
        }
    }
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return whole;
}

/* Up to here an object file's header is the same for all machines. */
struct object_head {
    unsigned char ident[EI_NIDENT];
    uint16_t type, machine;
};

static bool read_head(const char *path, struct object_head *head) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const bool is_object = descriptor >= 0 &&
                           read(descriptor, head, sizeof *head) == sizeof *head &&
                           memcmp(head->ident, ELFMAG, SELFMAG) == 0;
    if (descriptor >= 0) {
        (void)close(descriptor);
    }
    return is_object;
}

/* Of an object for another machine dlopen may say that there is no such file. */
static bool check_machine(const char *path, char *err, size_t err_length) {
    struct object_head head, own;
    if (!read_head(path, &head) || !read_head("/proc/self/exe", &own) ||
        (head.ident[EI_DATA] == own.ident[EI_DATA] && head.machine == own.machine)) {
        return true;
    }
    return refuse(err, err_length,
                  "%s: built for another machine (ELF machine %u); expected one for that of this "
                  "program (%u)",
                  path, head.machine, own.machine);
}

bool plugin_load(struct loaded_plugin *plugin, const char *path, char *err, size_t err_length) {
    bool loaded = false;
    *plugin = (struct loaded_plugin){0};
    char *absolute = absolute_path(path, err, err_length);
    if (absolute == NULL) {
        return false;
    }
    if (!check_machine(absolute, err, err_length) ||
        !check_whole(absolute, &plugin->file, err, err_length)) {
        goto out;
    }
    /* All symbols are bound now, not at the first read, and none is visible to other libraries. */
    plugin->handle = dlopen(absolute, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL) {
        (void)refuse(err, err_length, "cannot load the plugin: %s", dlerror());
        goto out;
    }
    rp_entry_function entry;
    void *symbol = dlsym(plugin->handle, RP_ENTRY_SYMBOL);
    if (symbol == NULL) {
        (void)refuse(err, err_length, "%s: no symbol %s; expected a plugin of ABI %u.x", absolute,
                     RP_ENTRY_SYMBOL, RP_ABI_MAJOR);
        goto out;
    }
    /* ISO C has no conversion from an object pointer to a function pointer; POSIX says they are
     * alike. */
    memcpy(&entry, &symbol, sizeof entry);
    plugin->table = entry();
    loaded = check_table(plugin->table, absolute, err, err_length);
out:
    if (!loaded) {
        plugin_unload(plugin);
    }
    free(absolute);
    return loaded;
}

bool plugin_load_with_cluster(struct loaded_plugin *plugin, const char *path, char *err,
                              size_t err_length) {
    if (!plugin_load(plugin, path, err, err_length)) {
        return false;
    }
    if (RP_HAS(plugin->table, cluster)) {
        return true;
    }
    (void)refuse(
        err, err_length,
        "%s: %s %s, of ABI %u.%u, is too old: it has no cluster; expected ABI %u.1 or later", path,
        plugin->table->name, plugin->table->version, plugin->table->abi_major,
        plugin->table->abi_minor, RP_ABI_MAJOR);
    plugin_unload(plugin);
    return false;
}

bool plugin_file_is_new(const struct loaded_plugin *plugin, const char *path) {
    const struct stat *loaded = &plugin->file;
    struct stat now;
    return stat(path, &now) == 0 &&
           (now.st_dev != loaded->st_dev || now.st_ino != loaded->st_ino ||
            now.st_size != loaded->st_size || now.st_mtim.tv_sec != loaded->st_mtim.tv_sec ||
            now.st_mtim.tv_nsec != loaded->st_mtim.tv_nsec);
}

void plugin_unload(struct loaded_plugin *plugin) {
    if (plugin->handle != NULL) {
        (void)dlclose(plugin->handle);
    }
    *plugin = (struct loaded_plugin){0};
}
