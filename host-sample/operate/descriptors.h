/*
 * descriptors.h - whether the system lets the process have as many descriptors as it may need.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "host-sample/config/config.h"

#include <stdbool.h>

/* Whoever starts a program may have closed its standard streams. Their numbers would go to whatever
 * is opened first, a connection perhaps, and the log's lines into it. So /dev/null takes them, to
 * be read only: what is written there fails, as it does where there is nothing. */
void descriptors_fill_standard(void);

/* Raises this process's limit as far as it may without privileges: to the hard limit. */
void descriptors_raise_limit(void);

/* The number from which on a descriptor is not for a client, under the limit in force: links to
 * servers come and go, and however many clients wait, those that go must be able to come back. */
int descriptors_for_clients(const struct host_config *config);

/* The same for connections of operators, who come in when clients have taken all of theirs. */
int descriptors_for_operators(const struct host_config *config);

/* Whether the limit in force is enough for the configuration; if not, `note` says in one line by
 * how much it falls short, what then happens and what to do. */
bool descriptors_suffice(const struct host_config *config, char *note, size_t note_length);

#endif
