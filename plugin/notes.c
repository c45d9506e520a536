/*
 * notes.c - the notes on a document, measured and then written.
 */
#include "notes.h"

#include "options.h"

#include <stdlib.h>
#include <string.h>

static const struct rp_policy_kind *kind_of(const struct ini_section *section) {
    const struct ini_entry *policy = ini_find(section, "policy");
    const struct rp_policy_kind *const *kind = rp_policy_kinds;
    while (policy != NULL && *kind != NULL && strcmp((*kind)->name, policy->value) != 0) {
        kind++;
    }
    return policy != NULL ? *kind : NULL;
}

static void begin_note(struct text *text, const struct ini_document *document,
                       const struct ini_section *section, const struct ini_entry *entry) {
    text_add(text, "%s%s:%u: [%s] %s = %s: ", text->needed > 0 ? "\n" : "", document->path,
             entry->line, section->name, entry->key, entry->value);
}

/* Of a number that was read without an error. */
static bool is_zero(const char *value) {
    return value[strspn(value, "0")] == '\0';
}

static void add_notes(struct text *text, const struct ini_document *document,
                      const struct ini_section *section) {
    const struct rp_policy_kind *kind = kind_of(section);
    for (const struct ini_entry *entry = section->entries; kind != NULL && entry != NULL;
         entry = entry->next) {
        if (!options_are_used(kind, entry->key)) {
            begin_note(text, document, section, entry);
            text_add(text, "not used by policy = %s", kind->name);
        } else if (strcmp(entry->key, "max_lag_ms") == 0 && !is_zero(entry->value)) {
            begin_note(text, document, section, entry);
            text_add(text, "with the primary away lag is unknown, and replicas leave after "
                           "max_lag_ms");
        }
    }
}

static uint32_t write_all(const struct ini_document *document, char *buf, uint32_t len) {
    struct text text = {.buf = buf, .len = len};
    for (const struct ini_section *section = document->sections; section != NULL;
         section = section->next) {
        add_notes(&text, document, section);
    }
    return text.needed;
}

bool notes_write(const struct ini_document *document, char **notes) {
    const uint32_t length = write_all(document, NULL, 0);
    *notes = length > 0 ? malloc((size_t)length + 1) : NULL;
    if (*notes != NULL) {
        (void)write_all(document, *notes, length + 1);
    }
    return *notes != NULL || length == 0;
}
