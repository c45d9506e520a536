/*
 * sections.h - building a document. A function that makes something allocates one block, and
 * returns NULL if it cannot.
 */
#ifndef STRICT_INI_SECTIONS_H
#define STRICT_INI_SECTIONS_H

#include "strict_ini.h"

struct ini_document *ini_new_document(const char *path);

/* Appends a section with copies of the `length` bytes of its name and of what errors show of
 * it. */
struct ini_section *ini_append_section(struct ini_document *document, const char *name,
                                       size_t length, const char *shown, unsigned line);

/* The section of that name, of `length` bytes, or NULL. */
struct ini_section *ini_section_named(const struct ini_document *document, const char *name,
                                      size_t length);

/* Appends an entry with copies of both strings. */
struct ini_entry *ini_append_entry(struct ini_section *section, const char *key, const char *value,
                                   unsigned line);

#endif
