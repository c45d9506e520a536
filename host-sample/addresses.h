/*
 * addresses.h - names that are several servers: `addresses = all`.
 *
 * A section whose name has several addresses stands for as many servers, each named
 * SECTION/ADDRESS and reached by that address (hostaddr), under the name's own certificate.
 */
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include "host-sample/config/config.h"

#include <stdbool.h>

struct name_search;

/* Whether some section is of this kind. */
bool addresses_are_many(const struct host_config *written);

/* Begins to look up the names that are several servers; NULL: there are none, or no memory. */
struct name_search *addresses_search(const struct host_config *written);

/* Puts a server for each address that was found in the place of its section; `expanded` is a
 * copy of `written` else. Of a name that is not found, or not yet, the servers of `before` (NULL:
 * none) stay; without any, the section itself. */
void addresses_expand(struct host_config *expanded, const struct host_config *written,
                      const struct host_config *before, const struct name_search *search);

#endif
