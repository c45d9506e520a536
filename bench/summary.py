#!/usr/bin/python3
"""The figures that have targets, from the CSV files of the last measurements, as a Markdown table."""

import os
import platform

import measure
from cluster import postgres_binaries


class Results:
    """Looks figures up in bench/results."""

    def __init__(self):
        self._files = {}

    def rows(self, name, **wanted):
        if name not in self._files:
            self._files[name] = measure.read_csv(name)
        return [row for row in self._files[name]
                if all(row[key] == str(value) for key, value in wanted.items())]

    def figure(self, name, column, **wanted):
        """The one figure; None if it was not measured."""
        found = self.rows(name, **wanted)
        return float(found[0][column]) if found and found[0][column] else None


def lines(results):
    """(what, target, measured value, unit) of each figure."""
    hit = {"policy": "replica_then_primary", "path": "hit"}
    decision = [results.figure("decision", column, **hit)
                for column in ("plugin/bare", "own instr", "clock+plugin ns")]
    yield "decision of a hit, against two bare calls", "<= 4", decision[0], "x"
    yield "the same, the plugin's instructions", "< 100", decision[1], ""
    yield "the same with the host's clock reads", "< 60", decision[2], "ns"
    yield ("what the cluster adds to it", "<= 60",
           results.figure("core", "added ns", policy="replica_then_primary", subject="cluster"),
           "ns")
    for row in results.rows("hit"):
        yield (f"hits with {row['policy']} against without", ">= 0.99",
               float(row["with/without"]), "x")
    against = [float(row["snapshot-host to it"]) for row in results.rows("mixed")
               if row["subject"] != "snapshot-host"]
    yield ("mixed lookups over HTTP, 32 clients, 1 thread, against pgbench's best of 1 and 2 threads",
           ">= 1.5", min(against) if against else None, "x")
    for primary, least in (("idle", 0.85), ("writing", 0.7)):
        yield (f"a current read (when = always) against a plain one, primary {primary}", f">= {least}",
               results.figure("current", "current/plain", primary=primary), "x")
    for subject in ("cluster.read", "policy.read"):
        yield (f"CPU time that {subject} adds to a hit in Node.js", "<= 10",
               results.figure("node_hit", "added us", subject=subject), "us")
    for answer in dict.fromkeys(row["answer"] for row in results.rows("throughput")):
        host = {"answer": answer, "subject": "snapshot-host"}
        node = {"answer": answer, "subject": "node, 4 statements"}
        one_thread = {"answer": answer, "subject": "pgbench, best of 1 thread"}
        least = ">= 0.9" if answer == "440 kB" else ">= 1"
        yield (f"{answer}: over HTTP, 32 clients, 1 thread, against pgbench's best of 1 thread", least,
               results.figure("throughput", "snapshot-host to it", **one_thread), "x")
        yield (f"{answer}: the same against pgbench's best of 1 and 2 threads", least,
               results.figure("throughput", "to pgbench's best", **host), "x")
        yield (f"{answer}: against node with four statements", ">= 6",
               results.figure("throughput", "snapshot-host to it", **node), "x")
    empty = {"answer": "0 rows", "subject": "host statement"}
    yield ("server CPU of an empty answer against the known row alone", "<= 1.7",
           results.figure("throughput-latency", "server cpu, to known row", **empty), "x")
    yield ("one client over HTTP, p50 against the bare statement", "<= 1.4",
           results.figure("throughput-latency", "p50, http to it", **empty), "x")
    for policy, p50 in (("read_index", 1), ("replica_backoff", 3)):
        natural = {"lag": "natural", "policy": policy}
        yield (f"natural lag, {policy}: added p50", f"<= {p50}",
               results.figure("lag", "added p50 ms", **natural), "ms")
        yield (f"natural lag, {policy}: added p99", "<= 10",
               results.figure("lag", "added p99 ms", **natural), "ms")
    yield ("natural lag, read_index: reads of the primary's tables a lookup", "<= 0",
           results.figure("lag", "primary reads", lag="natural", policy="read_index"), "")
    many = {"waiting for": "timer", "lookups": 10000}
    yield ("10 000 waiting lookups, timers alone", "<= 1",
           results.figure("growth-waiting", "cpu %", **many), "% of a core")
    yield ("the same, each beyond its connection", "<= 2048",
           results.figure("growth-waiting", "bytes a lookup", **many), "bytes")


def holds(value, must):
    sign, bound = must.split()
    bound = float(bound)
    return {"<": value < bound, "<=": value <= bound, ">=": value >= bound}[sign]


def machine():
    """A sentence on what the figures were measured on, without machine names."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                     platform.machine())
    return (f"{os.cpu_count()} cores of {model}, Linux {platform.release().split('-')[0]}, "
            f"PostgreSQL {postgres_binaries()[1]}, everything on this machine.")


def main():
    print(machine() + "\n")
    print("| figure | must | measured | |\n|---|---|---|---|")
    for what, must, value, unit in lines(Results()):
        if value is not None:
            verdict = "" if holds(value, must) else "**missed**"
            print(f"| {what} | {must} {unit} | {value:.3g} {unit} | {verdict} |")


if __name__ == "__main__":
    measure.as_program(main)
