/*
 * identity.h - which server it is, and which role is expected of it.
 */
#ifndef PG_IDENTITY_H
#define PG_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

/* As configured. */
enum pg_server_role { PG_PRIMARY, PG_REPLICA };

/* What a server says about itself when a link comes up, and every few seconds from then on: a
 * standby that is promoted, or that follows another one's promotion, keeps its connections. */
struct pg_identity {
    bool known; /* a link has been up; in_recovery is what it said */
    bool in_recovery;
    uint32_t timeline;          /* 0: unknown (the role may not see it) */
    uint64_t system_identifier; /* 0: unknown (the role may not see it) */
};

/* Whether positions of the two servers can be compared, as far as is known. */
static inline bool pg_identity_agrees(const struct pg_identity *one,
                                      const struct pg_identity *other) {
    bool systems_differ = one->system_identifier != 0 && other->system_identifier != 0 &&
                          one->system_identifier != other->system_identifier;
    bool timelines_differ =
        one->timeline != 0 && other->timeline != 0 && one->timeline != other->timeline;
    return !systems_differ && !timelines_differ;
}

#endif
