#!/usr/bin/python3
"""What the cluster adds to the decision of a hit: start, next and answer, against begin and next."""

import csv
import os

import measure
from measure import BENCH
from testbed import PLUGIN

INI = os.path.join(BENCH, "decision.ini")
POLICIES = ("replica_then_primary", "read_index")


def rows_of(dose):
    reads = 1000 if dose.smoke else 100000
    rows = []
    for policy in POLICIES:
        found = {}
        output = measure.run([measure.program("core"), PLUGIN, INI, policy, dose.rounds, reads])
        for subject, ns in csv.reader(output.splitlines()):
            found.setdefault(subject, []).append(float(ns))
        alone = measure.median(found["alone"])
        for subject in ("cluster", "cluster with a position"):
            whole = measure.median(found[subject])
            rows.append({"policy": policy, "subject": subject, "alone ns": alone,
                         "cluster ns": whole, "added ns": whole - alone})
    return rows


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=51, seconds=0)
    rows = rows_of(dose)
    measure.print_table("A hit through the cluster", rows)
    measure.write_csv("core", rows)


if __name__ == "__main__":
    measure.as_program(main)
