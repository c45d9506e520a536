/*
 * shared_state.c - memory that processes share.
 */
#include "shared_state.h"

#include "strict-ini/strict_ini.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* "RdPlSh", and the version of the layout in the lowest two bytes. */
#define LAYOUT_MAGIC   UINT64_C(0x5264506C53680001)
#define LAYOUT_VERSION UINT64_C(0xFFFF)

#define NAME_WORDS 8u
static_assert(NAME_WORDS * 8 > INI_MAX_SECTION_BYTES, "a name fits, and is padded");
static_assert(COUNTER_COUNT <= STATE_COUNTERS, "one more counter needs another layout");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(_Atomic uint64_t) == 8,
              "atomics that take a lock cannot be shared by processes");

struct shared_entry {
    _Atomic uint64_t name[NAME_WORDS];
    struct section_state state;
};
static_assert(sizeof(struct shared_entry) == 256, "part of the layout");

struct shared_memory {
    _Atomic uint64_t magic;
    _Atomic uint64_t entry_count;
    uint64_t reserved[6];
    struct shared_entry entries[];
};
static_assert(sizeof(struct shared_memory) == 64, "part of the layout");

uint64_t shared_bytes(uint32_t sections) {
    return sections == 0 || sections > RP_SHARED_SECTIONS_MAX
               ? 0
               : sizeof(struct shared_memory) + sections * sizeof(struct shared_entry);
}

/* Writes the word if it is 0. Returns what it then holds. */
static uint64_t settle(_Atomic uint64_t *word, uint64_t value) {
    uint64_t seen = 0;
    return atomic_compare_exchange_strong_explicit(word, &seen, value, memory_order_acq_rel,
                                                   memory_order_acquire)
               ? value
               : seen;
}

__attribute__((format(printf, 3, 4))) static struct shared_memory *
refuse(char *err, uint32_t errlen, const char *format, ...) {
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(err, errlen, format, arguments);
        va_end(arguments);
    }
    return NULL;
}

struct shared_memory *shared_attach(void *memory, uint64_t bytes, char *err, uint32_t errlen) {
    struct shared_memory *shared = memory;
    if ((uintptr_t)memory % _Alignof(struct shared_memory) != 0) {
        return refuse(err, errlen, "share: the memory must be aligned to %zu bytes",
                      _Alignof(struct shared_memory));
    }
    if (bytes < shared_bytes(1)) {
        return refuse(err, errlen,
                      "share: %" PRIu64 " bytes of memory are too few; one section "
                      "needs %" PRIu64,
                      bytes, shared_bytes(1));
    }
    uint64_t room = (bytes - sizeof *shared) / sizeof shared->entries[0];
    room = room < RP_SHARED_SECTIONS_MAX ? room : RP_SHARED_SECTIONS_MAX;

    uint64_t magic = settle(&shared->magic, LAYOUT_MAGIC);
    if ((magic | LAYOUT_VERSION) != (LAYOUT_MAGIC | LAYOUT_VERSION)) {
        return refuse(err, errlen,
                      "share: the memory holds something else (it begins with "
                      "%016" PRIx64 "); it must be all zero, or shared by read-policy before",
                      magic);
    }
    if (magic != LAYOUT_MAGIC) {
        return refuse(err, errlen,
                      "share: the memory is laid out by another version of "
                      "read-policy (layout %" PRIu64 ", this one has %" PRIu64 "); stop the "
                      "processes that share it, and begin with fresh memory",
                      magic & LAYOUT_VERSION, LAYOUT_MAGIC & LAYOUT_VERSION);
    }
    uint64_t shared_room = settle(&shared->entry_count, room);
    if (shared_room != room) {
        return refuse(err, errlen,
                      "share: the memory was shared with room for %" PRIu64
                      " sections before, and now for %" PRIu64 "; all processes must give the "
                      "same size",
                      shared_room, room);
    }
    return shared;
}

/*
 * Whether the entry is, or becomes, that of the name. Each word is set once, and whoever loses one
 * goes on to the next entry: those who set word k agree on all before it. So an entry never mixes
 * two names, and one that was left unfinished can be finished by any of its name's owners.
 */
static bool settle_name(struct shared_entry *entry, const uint64_t words[NAME_WORDS]) {
    for (size_t i = 0; i < NAME_WORDS; i++) {
        if (settle(&entry->name[i], words[i]) != words[i]) {
            return false;
        }
    }
    return true;
}

struct section_state *shared_section(struct shared_memory *shared, const char *name) {
    uint64_t words[NAME_WORDS];
    /* Padded with a byte that no name contains, since 0 means that a word is not set yet. */
    memset(words, '\n', sizeof words);
    memcpy(words, name, strlen(name));
    uint64_t count = atomic_load_explicit(&shared->entry_count, memory_order_acquire);
    for (uint64_t i = 0; i < count; i++) {
        if (settle_name(&shared->entries[i], words)) {
            return &shared->entries[i].state;
        }
    }
    return NULL;
}
