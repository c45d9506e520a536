/*
 * rules.h - whether a policy's rules are sound, and keep what the policy promises.
 *
 * Checked whenever a file that chooses the policy is loaded: a table of rules that compiles may
 * still leave an outcome open, never end, or send to the primary what should go to a replica, and a
 * read must not be the first to notice.
 */
#ifndef RULES_H
#define RULES_H

#include "policy_kind.h"

/*
 * registered: its name in the registry. Under every setting of its options:
 *   - RULES_DIRECT comes first, and nothing else asks whether there is a replica;
 *   - in every state that can be reached, every outcome that its step can have leads somewhere, and
 *     no other outcome does; every rule is of use in some setting;
 *   - a position is compared only after one was chosen to be reached, and absence is claimed only
 * of one that was located in this read, by a read that reports its replica's position;
 *   - the primary's answer ends the read, and without reads_primary_first it is read only after a
 *     miss, or after a failure if on_replica_failure = primary;
 *   - the longest read has most_steps, neither more nor fewer;
 *   - the keys that conditions and guards look at are among its keys.
 * False with the first fault that was found as a sentence in `fault`, NUL-terminated and cut to its
 * size. Allocates nothing; takes well under a millisecond.
 */
bool rules_are_sound(const struct rp_policy_kind *kind, const char *registered, char *fault,
                     uint32_t fault_size);

#endif
