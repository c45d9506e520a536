/*
 * statement.h - the statements of the lookup.
 */
#ifndef SNAPSHOT_STATEMENT_H
#define SNAPSHOT_STATEMENT_H

#include "host-sample/postgres/prepared.h"

/* The statements, with and without an environment. Parameters, all text:
 * $1 snapshot id, $2 run id, and $3 environment id where there is one. */
enum snapshot_statement {
    SNAPSHOT_FULL, /* of a replica */
    SNAPSHOT_FULL_IN_ENVIRONMENT,
    SNAPSHOT_LEAN, /* of a replica */
    SNAPSHOT_LEAN_IN_ENVIRONMENT,
    SNAPSHOT_PRIMARY, /* full */
    SNAPSHOT_PRIMARY_IN_ENVIRONMENT,
    SNAPSHOT_STATEMENT_COUNT
};

/* Where the links of snapshots to waitpoints stand. */
enum snapshot_links {
    SNAPSHOT_LINKS_IMPLICIT, /* "_completedWaitpoints" ("A", "B") */
    SNAPSHOT_LINKS_EXPLICIT, /* "CompletedWaitpoint" ("snapshotId", "waitpointId") */
    SNAPSHOT_LINKS_BOTH,
    SNAPSHOT_LINKS_COUNT
};

/* Their texts, with marks (marks.h) in them: what a server is told is in sql.h. */
extern const struct pg_prepared snapshot_texts[SNAPSHOT_LINKS_COUNT][SNAPSHOT_STATEMENT_COUNT];

/* Where the links stand in a database: one row of one integer, an enum snapshot_links, or NULL:
 * nowhere. */
extern const char snapshot_links_text[];

/* What the statements need from the server and from each link to it. */
enum { SNAPSHOT_MIN_SERVER_VERSION = 130000 /* FETCH FIRST ... WITH TIES */ };
enum { SNAPSHOT_SETTING_COUNT = 3 };
extern const char *const snapshot_settings[SNAPSHOT_SETTING_COUNT];

#endif
