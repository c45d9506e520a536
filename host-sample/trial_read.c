/*
 * trial_read.c - see trial_read.h.
 *
 * The full statement names every table, and rights are checked before any row is looked for.
 */
#include "trial_read.h"

#include "host-sample/base/container_of.h"
#include "host-sample/snapshots/read.h"

#include <string.h>

static void read_done(struct pg_statement *statement, struct pg_reply *reply) {
    struct trial_read *trial = container_of(statement, struct trial_read, statement);
    trial->over = true;
    if (reply->status == PG_REPLY_FAILED) {
        (void)strlcpy(trial->error, reply->error, sizeof trial->error);
    }
}

void trial_read_begin(struct trial_read *trial, struct pg_server *links) {
    static const char *const values[] = {"a snapshot that nobody has", "nor its run"};
    trial->begun = true;
    trial->statement.kind = PG_READ;
    trial->statement.prepared = SNAPSHOT_FULL;
    trial->statement.values = values;
    trial->statement.done = read_done;
    pg_server_submit(links, &trial->statement);
}

void trial_read_forget(struct trial_read *trial) {
    pg_statement_forget(&trial->statement);
}
