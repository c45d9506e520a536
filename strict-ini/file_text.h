/*
 * file_text.h - a file's bytes, of a regular file and of a bounded size.
 */
#ifndef STRICT_INI_FILE_TEXT_H
#define STRICT_INI_FILE_TEXT_H

#include "strict_ini.h"

/* One byte over the limit, so that a file that is too large shows. */
#define INI_FILE_CAPACITY (INI_MAX_FILE_BYTES + 1)

/* Opens it for reading, and never waits, whatever the path leads to: -1 with errno, which is 0 if
 * it is there and not a regular file. */
int ini_open_regular(const char *path);

/* Reads the file into `text`, of INI_FILE_CAPACITY bytes, and stores how many bytes it got: over
 * INI_MAX_FILE_BYTES means that the file is too large, or grows. Returns false, with an error
 * added, if it is not a regular file or cannot be read. Never waits, whatever the path leads to. */
bool ini_read_file(const char *path, char *text, size_t *length, struct ini_errors *errors);

#endif
