/*
 * error_text.h - how a piece of the file, or a name, is shown in an error.
 */
#ifndef STRICT_INI_ERROR_TEXT_H
#define STRICT_INI_ERROR_TEXT_H

#include <stddef.h>

#define INI_SHOWN_BYTES    64                            /* of the file; the rest becomes "..." */
#define INI_HIDDEN         "(not shown)"                 /* what may be a secret */
#define INI_SHOWN_CAPACITY (4 * INI_SHOWN_BYTES + 3 + 1) /* each byte as \xNN, "...", NUL */

/* Writes `length` bytes of the file as printable ASCII: any other byte as \xNN, a long text
 * shortened. */
void ini_show(char shown[INI_SHOWN_CAPACITY], const char *bytes, size_t length);

/* What is shown of a section's name in a file that may hold secrets: the letters, digits, "_", "."
 * and "-" that it begins with, and "..." for the rest. A secret that a mistake has put between the
 * brackets follows a space, '=' or ':'. */
void ini_show_discreetly(char shown[INI_SHOWN_CAPACITY], const char *name, size_t length);

/* Makes each control character a '?'. Path names and the like may hold anything; a message stays on
 * one line whatever they hold. */
void ini_keep_to_one_line(char *text);

#endif
