#!/usr/bin/python3
"""Two replicas, one of which has stopped replaying: rows that were just committed are looked up, and
replica_pick says where a miss leads. `freshest` needs the primary for none of them."""

import measure
from ground import Ground
from host import Host
from lag import samples_of

POLICIES = ("replica_then_primary", "replica_backoff", "read_index")
PICKS = ("same", "next", "freshest")


def slice_of(ground, policy, pick, seconds):
    with Host(primary=ground.primary, replicas=ground.standbys,
              policy={"policy": policy, "replica_pick": pick}) as host:
        host.wait_for_links("replica", "replica.b")
        return samples_of(ground, host, seconds)


def measure_picks(ground, dose):
    subjects = [(policy, pick) for policy in POLICIES for pick in PICKS]
    paused = ground.standbys[1]
    paused.pause_replay()
    try:
        found = measure.in_turn(
            {(policy, pick): lambda policy=policy, pick=pick: slice_of(ground, policy, pick, dose.seconds)
             for policy, pick in (subjects[-1:] if dose.smoke else subjects)}, dose.rounds)
    finally:
        paused.resume_replay()
    rows = []
    for (policy, pick), slices in found.items():
        samples = [sample for each in slices for sample in each.new_ms]
        rows.append({
            "policy": policy, "pick": pick, "lookups": len(samples),
            "missed %": 100 * sum(missed for _, missed in samples) / len(samples),
            "by primary %": 100 * sum(each.by_primary for each in slices) / len(samples),
            "p50 ms": measure.percentile([ms for ms, _ in samples], 0.5),
            "p99 ms": measure.percentile([ms for ms, _ in samples], 0.99),
        })
    return rows


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=3, seconds=2)
    with Ground(("standby", "paused")) as ground:
        rows = measure_picks(ground, dose)
    measure.print_table("Rows just committed; one of two replicas is paused", rows)
    measure.write_csv("freshest", rows)


if __name__ == "__main__":
    measure.as_program(main)
