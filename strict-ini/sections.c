/*
 * sections.c - the document in memory: its sections and entries, found and released.
 *
 * Every block holds a structure and, behind it, the strings that the structure points to, so that
 * one free releases both. Appending walks the list: lists are short (INI_MAX_SECTIONS,
 * INI_MAX_KEYS) and have just been walked in search of a duplicate.
 */
#include "sections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ini_document *ini_new_document(const char *path) {
    const size_t path_size = strlen(path) + 1;
    struct ini_document *document = malloc(sizeof *document + path_size);
    if (document != NULL) {
        *document = (struct ini_document){.path = memcpy(document + 1, path, path_size)};
    }
    return document;
}

struct ini_section *ini_append_section(struct ini_document *document, const char *name,
                                       size_t length, const char *shown, unsigned line) {
    const size_t shown_size = strlen(shown) + 1;
    struct ini_section *section = malloc(sizeof *section + length + 1 + shown_size);
    if (section == NULL) {
        return NULL;
    }
    char *name_copy = memcpy(section + 1, name, length);
    name_copy[length] = '\0';
    char *shown_copy = memcpy(name_copy + length + 1, shown, shown_size);
    *section = (struct ini_section){.name = name_copy, .shown = shown_copy, .line = line};
    struct ini_section **end = &document->sections;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = section;
    document->section_count++;
    return section;
}

struct ini_entry *ini_append_entry(struct ini_section *section, const char *key, const char *value,
                                   unsigned line) {
    const size_t key_size = strlen(key) + 1;
    const size_t value_size = strlen(value) + 1;
    struct ini_entry *entry = malloc(sizeof *entry + key_size + value_size);
    if (entry == NULL) {
        return NULL;
    }
    char *key_copy = memcpy(entry + 1, key, key_size);
    char *value_copy = memcpy(key_copy + key_size, value, value_size);
    *entry = (struct ini_entry){.key = key_copy, .value = value_copy, .line = line};
    struct ini_entry **end = &section->entries;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = entry;
    section->entry_count++;
    return entry;
}

struct ini_section *ini_section_named(const struct ini_document *document, const char *name,
                                      size_t length) {
    struct ini_section *section = document->sections;
    while (section != NULL &&
           (strncmp(section->name, name, length) != 0 || section->name[length] != '\0')) {
        section = section->next;
    }
    return section;
}

const struct ini_section *ini_find_section(const struct ini_document *document, const char *name) {
    return ini_section_named(document, name, strlen(name));
}

const struct ini_entry *ini_find(const struct ini_section *section, const char *key) {
    const struct ini_entry *entry = section->entries;
    while (entry != NULL && strcmp(entry->key, key) != 0) {
        entry = entry->next;
    }
    return entry;
}

void ini_place(char *place, size_t length, const struct ini_document *document,
               const struct ini_section *section, const char *key) {
    (void)snprintf(place, length, "%s:%u: [%s] %s", document->path, ini_find(section, key)->line,
                   section->shown, key);
}

static void free_entries(struct ini_section *section) {
    while (section->entries != NULL) {
        struct ini_entry *entry = section->entries;
        section->entries = entry->next;
        free(entry);
    }
}

void ini_free(struct ini_document *document) {
    while (document != NULL && document->sections != NULL) {
        struct ini_section *section = document->sections;
        document->sections = section->next;
        free_entries(section);
        free(section);
    }
    free(document);
}
