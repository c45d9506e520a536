#!/usr/bin/python3
"""What a hit costs a host in Node.js: CPU time of a read through the npm package against pool.query."""

import csv
import os

import measure
from cluster import Cluster
from testbed import BUILD, ROOT

SCRIPT = os.path.join(ROOT, "bench", "node_hit.mjs")
NODE_MODULES = os.path.join(BUILD, "npm", "node_modules")


def is_there():
    """Whether the package was built here."""
    return os.path.exists(os.path.join(NODE_MODULES, "read-policy"))


def measure_node_hits(cluster, dose):
    cluster.primary.execute("CREATE TABLE known (id text PRIMARY KEY)")
    cluster.primary.execute("INSERT INTO known VALUES ('one')")
    cluster.wait_caught_up()
    out = measure.run(["node", SCRIPT, cluster.primary.port, cluster.standby.port, dose.rounds,
                       max(1, int(dose.seconds * 1000))],
                      env={**os.environ, "NODE_MODULES": NODE_MODULES})
    found = {}
    for subject, rate, cpu in csv.reader(out.splitlines()):
        found.setdefault(subject, []).append((float(rate), float(cpu)))
    by_hand = [cpu for _, cpu in found["pool.query"]]
    return [{
        "subject": subject,
        "reads/s": measure.median([rate for rate, _ in pairs]),
        "cpu us": measure.median([cpu for _, cpu in pairs]),
        "added us": measure.median([cpu - other for (_, cpu), other in zip(pairs, by_hand)]),
    } for subject, pairs in found.items()]


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=60, seconds=0.25)
    with Cluster() as cluster:
        rows = measure_node_hits(cluster, dose)
    measure.print_table("Hits on a replica from Node.js, 8 at once", rows)
    measure.write_csv("node_hit", rows)


if __name__ == "__main__":
    measure.as_program(main)
