/*
 * notes.h - what a configuration sets without effect.
 */
#ifndef NOTES_H
#define NOTES_H

#include "strict-ini/strict_ini.h"

/* The notes on a document without errors, one per line, to be released with free: keys that their
 * section's policy does not use, and values with effects that are easily missed. False if memory
 * ran out; *notes is NULL then, and where there is nothing to note. */
bool notes_write(const struct ini_document *document, char **notes);

#endif
