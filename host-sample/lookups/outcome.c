/*
 * outcome.c - see outcome.h.
 */
#include "outcome.h"

#include "host-sample/servers/servers.h"
#include "plugin/read_policy.h"

#include <stdio.h>
#include <string.h>

int32_t outcome_of_failure(const struct pg_reply *reply, char *error, size_t length) {
    if (reply->failure == PG_NO_SUCH_TEXT) {
        return RP_MISSING; /* nothing in this database has an id like that */
    }
    (void)strlcpy(error, reply->error, length);
    return reply->failure == PG_CONFLICT ? RP_CONFLICT : servers_outcome_of_failure(reply->failure);
}

static void explain_malformed(const struct snapshot_result *result, char *error, size_t length) {
    if (result->fault == NULL) {
        (void)strlcpy(error, "the server sent a result of unknown shape", length);
        return;
    }
    (void)snprintf(error, length,
                   "%s has a value that no answer can have: of another type, NULL, or a date "
                   "outside of the years 1 to 9999",
                   result->fault);
}

int32_t outcome_of_rows(enum snapshot_outcome found, const struct snapshot_result *result,
                        char *error, size_t length) {
    switch (found) {
    case SNAPSHOT_FOUND:
        return RP_FOUND;
    case SNAPSHOT_PARTIAL:
        return RP_PARTIAL;
    case SNAPSHOT_MISSING:
        return RP_MISSING;
    case SNAPSHOT_ROLE_CHANGED:
        (void)strlcpy(error, "asked as a replica, but the server is not in recovery", length);
        return RP_ROLE_CHANGED;
    case SNAPSHOT_FOREIGN:
        (void)strlcpy(error,
                      "rows of another run or environment came (does the type or the collation of "
                      "a column of ids, or the database's encoding, call different ones equal?)",
                      length);
        return RP_FAILED;
    default:
        explain_malformed(result, error, length);
        return RP_FAILED;
    }
}
