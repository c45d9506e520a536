#!/usr/bin/python3
"""What a policy's decision costs: time and instructions of begin and next, against bare calls."""

import csv
import os
import re
import tempfile

import measure
from measure import BENCH, COLOURS
from testbed import PLUGIN

INI = os.path.join(BENCH, "decision.ini")
READS_COUNTED = 1000


def decision(*arguments, under=()):
    return measure.run([*under, measure.program("decision"), PLUGIN,
                        measure.program("bare_calls.so"), INI, *arguments])


def paths(run=decision):
    """(policy, path, calls) of each."""
    return [(policy, path, int(calls))
            for policy, path, calls in csv.reader(run("paths").splitlines())]


def times(dose):
    """ns of each round, by (policy, path, subject)."""
    reads = 1000 if dose.smoke else 50000
    found = {}
    for policy, path, subject, ns in csv.reader(
            decision("time", dose.rounds, reads).splitlines()):
        found.setdefault((policy, path, subject), []).append(float(ns))
    return found


def in_object(lines, name):
    """Instructions that ran in the code of one object, from the lines of a callgrind file."""
    names, inside, of_a_call, total = {}, False, False, 0
    for line in lines:
        if object_line := re.match(r"ob=\((\d+)\)(?: (.*))?$", line):
            number, path = object_line.groups()
            names.setdefault(number, path)
            inside = os.path.basename(names[number] or "") == name
        elif callee := re.match(r"cob=\((\d+)\)(?: (.*))?$", line):
            names.setdefault(*callee.groups())
        elif line.startswith("calls="):
            of_a_call = True  # the next line has the callee's cost, which is counted there
        elif cost := re.match(r"[+*-]?\d* (\d+)$", line):
            total += 0 if of_a_call or not inside else int(cost.group(1))
            of_a_call = False
    return total


def count_instructions(decision):
    """Instructions per read, by (policy, path, subject), without those of the loop; for the subject
    "own" those of the plugin alone, without the calls and their arguments.

    callgrind collects only inside the loop, and writes a file each time that it returns: one for each
    path and subject, in the order that decision.c promises. `decision` runs that program.
    """
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "out")
        decision("count", READS_COUNTED,
                 under=("valgrind", "--tool=callgrind", "--toggle-collect=read_loop_run",
                        "--dump-after=read_loop_run", f"--callgrind-out-file={out}"))
        found, number = {}, 0
        for policy, path, _calls in paths(decision):
            for subject in ("none", "bare", "plugin"):
                number += 1
                with open(f"{out}.{number}", encoding="utf-8") as file:
                    text = file.read()
                total = int(re.search(r"^totals: (\d+)$", text, re.M).group(1))
                found[(policy, path, subject)] = total / READS_COUNTED
            own = in_object(text.splitlines(), os.path.basename(PLUGIN))
            found[(policy, path, "own")] = found[(policy, path, "none")] + own / READS_COUNTED
        return {key: count - found[(*key[:2], "none")] for key, count in found.items()}


def rows_of(dose, with_instructions=True):
    ns = times(dose)
    count = count_instructions(decision) if with_instructions else {}
    rows = []
    for policy, path, calls in paths():
        key = (policy, path)
        rows.append({
            "policy": policy, "path": path, "calls": calls,
            "bare ns": measure.median(ns[(*key, "bare")]),
            "plugin ns": measure.median(ns[(*key, "plugin")]),
            "plugin/bare": measure.ratio(ns[(*key, "plugin")], ns[(*key, "bare")]),
            "clock+bare ns": measure.median(ns[(*key, "bare with clock")]),
            "clock+plugin ns": measure.median(ns[(*key, "plugin with clock")]),
            "bare instr": count.get((*key, "bare")),
            "plugin instr": count.get((*key, "plugin")),
            "own instr": count.get((*key, "own")),
        })
    return rows


def draw(rows):
    data = [(f"{row['policy']}: {row['path']}".replace("_", "\\\\_"), row["bare ns"],
             row["plugin ns"], row["plugin instr"]) for row in rows]
    measure.plot("decision", f"""
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set ylabel 'ns a read, all calls together'
set yrange [0:*]
set xtics rotate by 35 right font ',9'
set bmargin 11
set lmargin 14
plot $data using 2:xtic(1) title 'bare calls' lc rgb '{COLOURS[6]}', \\
     '' using 3 title 'the policy' lc rgb '{COLOURS[0]}', \\
     '' using ($0):($3):(sprintf('%d', $4)) with labels offset 1.2,0.6 font ',8' \\
        title 'above: instructions'
""", {"data": data}, size=(1000, 560))


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=201, seconds=0)
    rows = rows_of(dose)
    measure.print_table("A decision: begin and every next of a read", rows)
    measure.write_csv("decision", rows)
    draw(rows)


if __name__ == "__main__":
    measure.as_program(main)
