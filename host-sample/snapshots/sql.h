/*
 * sql.h - what a server is asked for a lookup, of the tables of one schema.
 */
#ifndef SNAPSHOT_SQL_H
#define SNAPSHOT_SQL_H

#include "host-sample/base/byte_buffer.h"
#include "host-sample/postgres/prepared.h"
#include "statement.h"

#include <stdint.h>

/* Constant once made; several may hold it. [one thread] */
struct snapshot_sql {
    struct pg_prepared statements[SNAPSHOT_LINKS_COUNT][SNAPSHOT_STATEMENT_COUNT];
    const char *links_sql; /* which of the sets is for a database: see snapshot_links_text */
    const char *no_links;  /* what a NULL means, in words */
    const char *schema;
    struct byte_buffer memory; /* of all these texts */
    uint32_t holders;
};

/* For tables of that schema, whatever the search_path, or "": of those that it leads to. Held by
 * the caller. NULL: out of memory. */
struct snapshot_sql *snapshot_sql_new(const char *schema);

struct snapshot_sql *snapshot_sql_hold(struct snapshot_sql *sql);

/* It is gone with its last holder. NULL is allowed. */
void snapshot_sql_release(struct snapshot_sql *sql);

#endif
