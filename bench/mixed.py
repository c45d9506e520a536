#!/usr/bin/python3
"""Lookups as they come: 40 % with nothing new, 40 % one row, 15 % three, 5 % nine. The host over HTTP
against the plain statement in pgbench."""

import random

import loads
import measure
from ground import MIX, Ground
from host import TOKEN
from throughput import HOST, HTTP_CLIENTS, PGBENCH, start_host

LOOKUPS = 4000


def mixed_targets(ground):
    """A file of so many lookups, shuffled."""
    draw = random.Random(1)
    targets = [target for answer, share in MIX.items()
               for target in draw.choices(answer.targets(), k=LOOKUPS * share // 100)]
    draw.shuffle(targets)
    return ground.file("targets-mixed", "".join(f"{run} {snapshot}\n" for run, snapshot in targets))


def measure_mixed(ground, dose):
    targets, seconds = mixed_targets(ground), dose.whole_seconds
    scripts = [f"{loads.pgbench_script(ground, answer)}@{share}" for answer, share in MIX.items()]

    def bench(clients, jobs):
        return lambda: loads.pgbench(ground, ground.standby.port, scripts, clients, seconds, jobs).rate
    with start_host(ground) as host:
        subjects = {HOST: lambda: loads.wrk(host.port, TOKEN, targets, HTTP_CLIENTS, seconds).rate}
        for clients, jobs in PGBENCH[:1 if dose.smoke else None]:
            subjects[f"pgbench -c {clients} -j {jobs}"] = bench(clients, jobs)
        rates = measure.in_turn(subjects, dose.rounds)
    return [{"subject": name, "lookups/s": measure.median(each),
             "snapshot-host to it": measure.ratio(rates[HOST], each)} for name, each in rates.items()]


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=7, seconds=2)
    with Ground() as ground:
        rows = measure_mixed(ground, dose)
    measure.print_table(f"Mixed lookups; {HTTP_CLIENTS} HTTP clients, 1 thread", rows)
    measure.write_csv("mixed", rows)


if __name__ == "__main__":
    measure.as_program(main)
