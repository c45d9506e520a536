/*
 * lineage.h - what the instances behind a name have told that their later words do not take
 * back: who led, and which timelines they have followed.
 */
#ifndef CLUSTER_LINEAGE_H
#define CLUSTER_LINEAGE_H

#include "cluster.h"

/* The entry of that instance; a new one takes the place of the one that answered longest ago, but
 * not of the one whose words the server's are. What cannot change about an instance is known from
 * what it has said by any name. */
struct instance *lineage_instance(const struct rp_cluster *cluster, struct server *server,
                                  uint64_t start);

/* The newest timeline that these words tell of; 0: none. */
static inline uint32_t lineage_told(const struct facts *facts) {
    return facts->upper > facts->lower ? facts->upper : facts->lower;
}

/* Which timeline a standby streams it tells only while it does, and one that it has streamed or
 * replayed it never leaves. So what it has told stays, unless it was told in one answer alone,
 * which may have been damaged on its way, and one that was asked for after it contradicts it: that
 * it streams an older one. What it has replayed, as it tells from PostgreSQL 19 on, contradicts
 * nothing. */
void lineage_note_followed(const struct rp_cluster *cluster, struct instance *instance,
                           const struct facts *facts, uint64_t sent_event);

/* Another leader than the last one counts when it says so once more; what a standby says behind the
 * same name confirms nobody. */
void lineage_note_leader(const struct rp_cluster *cluster, struct server *server,
                         struct instance *instance, const struct facts *facts, uint64_t sent_event);

/* An answer that a later one of another leader has overtaken. It is no news if it was asked for
 * before that one was heard; after that both lead. Whether it is news. */
bool lineage_note_late_leader(const struct rp_cluster *cluster, struct server *server,
                              const struct facts *facts, uint64_t sent_event);

/* All that was told before everybody was to be asked anew, but for what the server said last. */
void lineage_forget(const struct rp_cluster *cluster, struct server *server);

#endif
