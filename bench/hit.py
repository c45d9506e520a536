#!/usr/bin/python3
"""Hits with the plugin and its cluster against hits in the same loop without their calls."""

import csv

import measure
from ground import ANSWERS, Ground
from host import ini_text
from measure import COLOURS
from testbed import PLUGIN

POLICIES = {
    "replica_only": {"policy": "replica_only"},
    "replica_then_primary": {"policy": "replica_then_primary"},
    "replica_backoff": {"policy": "replica_backoff"},
    "read_index": {"policy": "read_index"},
}
LINKS, AT_ONCE = 2, 16


def slices(ground, ini, section, dose):
    """Rates and client CPU times of the slices, by subject, round by round."""
    out = measure.run([
        measure.program("hit"), PLUGIN, ini, section, ground.standby.conninfo(),
        ground.targets_file(ANSWERS["0 rows"]), LINKS, AT_ONCE, dose.rounds,
        max(1, int(dose.seconds * 1000))])
    found = {"with": [], "without": []}
    for subject, rate, cpu in csv.reader(out.splitlines()):
        found[subject].append((float(rate), float(cpu)))
    return found


def measure_hits(ground, dose):
    ini = ground.file("hit.ini", ini_text(POLICIES))
    rows = []
    for section in list(POLICIES)[:1 if dose.smoke else None]:
        found = slices(ground, ini, section, dose)
        rates, cpus = ({subject: [pair[i] for pair in pairs] for subject, pairs in found.items()}
                       for i in (0, 1))
        rows.append({
            "policy": section,
            "without /s": measure.median(rates["without"]),
            "with /s": measure.median(rates["with"]),
            "with/without": measure.ratio(rates["with"], rates["without"]),
            "without client us": measure.median(cpus["without"]),
            "with client us": measure.median(cpus["with"]),
            "client us ratio": measure.ratio(cpus["with"], cpus["without"]),
        })
    return rows


def draw(rows):
    data = [(row["policy"].replace("_", "\\\\_"), row["with/without"].median,
             row["with/without"].low, row["with/without"].high) for row in rows]
    measure.plot("hit", f"""
set ylabel 'lookups/s with the plugin / without'
set yrange [0.9:1.1]
set boxwidth 0.5
set style fill solid 0.9 noborder
plot $data using 0:2:xtic(1) with boxes notitle lc rgb '{COLOURS[0]}', \\
     '' using 0:2:3:4 with yerrorbars notitle lc rgb '#222222', \\
     1 notitle lc rgb '#444444' dt 2
""", {"data": data}, size=(700, 400))


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=300, seconds=0.1)
    with Ground() as ground:
        rows = measure_hits(ground, dose)
    measure.print_table(f"Hits on a replica, {LINKS} links, {AT_ONCE} lookups at once", rows)
    measure.write_csv("hit", rows)
    draw(rows)


if __name__ == "__main__":
    measure.as_program(main)
