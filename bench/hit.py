#!/usr/bin/python3
"""Hits with the plugin and its cluster against hits in the same loop without their calls."""

import csv
import itertools

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
LINKS = 2
# So many lookups at once; 32 as over HTTP in the other measurements.
LOADS = (16, 32)

# Three processes share a machine's cores, and for a tenth of a second or so the kernel keeps them where
# they are: that makes a rate half or double. With slices as short as this both subjects meet the same.
SLICE_MS = 2


def slices(ground, ini, section, at_once, dose):
    """(lookups, client's CPU time in us) of the slices, by subject, in their order."""
    pairs = dose.rounds * max(1, round(dose.seconds * 1000 / SLICE_MS))
    out = measure.run([
        measure.program("hit"), PLUGIN, ini, section, ground.standby.conninfo(),
        ground.targets_file(ANSWERS["0 rows"]), LINKS, at_once, pairs, SLICE_MS])
    found = {"with": [], "without": []}
    for subject, rate, cpu in csv.reader(out.splitlines()):
        lookups = float(rate) * SLICE_MS / 1000
        found[subject].append((lookups, float(cpu) * lookups))
    return found


def of_rounds(slices_of_one, dose):
    """Rate and client's CPU time for each lookup, round by round."""
    size = len(slices_of_one) // dose.rounds
    rates, cpus = [], []
    for begin in range(0, size * dose.rounds, size):
        lookups, cpu = (sum(each[i] for each in slices_of_one[begin:begin + size]) for i in (0, 1))
        rates.append(lookups / size * 1000 / SLICE_MS)
        cpus.append(cpu / lookups)
    return rates, cpus


def measure_hits(ground, dose):
    ini = ground.file("hit.ini", ini_text(POLICIES))
    rows = []
    subjects = list(itertools.product(LOADS, POLICIES))
    for at_once, section in subjects[:1 if dose.smoke else None]:
        found = slices(ground, ini, section, at_once, dose)
        rates, cpus = zip(*(of_rounds(found[subject], dose) for subject in ("with", "without")))
        rows.append({
            "policy": section,
            "at once": at_once,
            "without /s": measure.median(rates[1]),
            "with /s": measure.median(rates[0]),
            "with/without": measure.ratio(*rates),
            "without client us": measure.median(cpus[1]),
            "with client us": measure.median(cpus[0]),
            "client us ratio": measure.ratio(*cpus),
        })
    return rows


def draw(rows):
    data = [(f"{row['policy']}, {row['at once']}".replace("_", "\\\\_"), row["with/without"].median,
             row["with/without"].low, row["with/without"].high) for row in rows]
    measure.plot("hit", f"""
set ylabel 'lookups/s with the plugin / without'
set yrange [0.9:1.1]
set boxwidth 0.5
set style fill solid 0.9 noborder
plot $data using 0:2:xtic(1) with boxes notitle lc rgb '{COLOURS[0]}', \\
     '' using 0:2:3:4 with yerrorbars notitle lc rgb '#222222', \\
     1 notitle lc rgb '#444444' dt 2
""", {"data": data}, size=(1100, 400))


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=30, seconds=1)
    with Ground() as ground:
        rows = measure_hits(ground, dose)
    measure.print_table(f"Hits on a replica, {LINKS} links", rows)
    measure.write_csv("hit", rows)
    draw(rows)


if __name__ == "__main__":
    measure.as_program(main)
