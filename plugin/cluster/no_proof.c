/*
 * no_proof.c - see no_proof.h.
 */
#include "no_proof.h"

#include "proofs.h"

#define PATIENT_POLLS 3u /* before a notice that a replica can prove nothing: some of it passes */

/* Until the same is told once more. A receiver that finds its segment gone begins anew every few
 * seconds, and streams for a moment each time. */
#define TOLD_NS UINT64_C(60000000000)

/* A bit of no_proof_told each. */
enum no_proof {
    PROOF_FINE,
    PROOF_NOT_STREAMING,
    PROOF_OLD_TIMELINE, /* its restart point is older than the last promotion */
    PROOF_OTHER_ORDER   /* it sorts otherwise than the primary */
};

/* What keeps a replica from proving anything; why another server is out has been said. */
static enum no_proof no_proof_of(const struct rp_cluster *cluster, const struct server *server) {
    if (server->role != RP_ROLE_REPLICA) {
        return PROOF_FINE;
    }
    if (server->can.receiver && server->said.upper == 0) {
        return PROOF_NOT_STREAMING;
    }
    if (server->said.upper != 0 && server->can.control && !server->can.recovery &&
        server->instance->lower < server->said.upper) {
        return PROOF_OLD_TIMELINE;
    }
    return sorts_as_primary(cluster, server->instance) ? PROOF_FINE : PROOF_OTHER_ORDER;
}

void no_proof_tell(struct rp_cluster *cluster, uint32_t index) {
    static const char *const texts[] = {
        [PROOF_NOT_STREAMING] =
            "%s does not stream, or the role may no longer see it, so its timeline is not known "
            "and it proves nothing: what is missing there is the primary's to answer",
        [PROOF_OLD_TIMELINE] =
            "%s has had no restart point since the last promotion, so it proves nothing yet: a "
            "CHECKPOINT on the primary, and then on the standby, ends that",
        [PROOF_OTHER_ORDER] =
            "%s sorts text by another version of the database's collation than the primary, so "
            "that its indexes may not find rows which are there: it proves nothing until both run "
            "on the same libraries",
    };
    struct server *server = &cluster->servers[index];
    const enum no_proof now = no_proof_of(cluster, server);
    if (now == PROOF_FINE) {
        server->no_proof.polls = 0;
        if (cluster->now_ns - server->no_proof.last_ns >= TOLD_NS) {
            server->no_proof.told = 0;
        }
        return;
    }
    server->no_proof.last_ns = cluster->now_ns;
    server->no_proof.polls++;
    if (server->no_proof.polls >= PATIENT_POLLS && (server->no_proof.told & 1u << now) == 0) {
        server->no_proof.told |= (uint8_t)(1u << now);
        notices_add(&cluster->notices, RP_LOG_WARN, index, texts[now], server->name);
    }
}
