#!/usr/bin/python3
"""The figures that have targets, from the CSV files of the last measurements, as a Markdown table."""

import os
import platform
from dataclasses import dataclass

import measure
from cluster import postgres_binaries
from freshest import POLICIES as FALLING_BACK
from lag import ASKED, AWAY_MS, BARE, DELAY_MS


@dataclass
class Spread:
    """A ratio as it was measured, with the middle half of its rounds."""

    median: float
    low: float
    high: float


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
        return figure_of(found[0], column) if found else None


def figure_of(row, column):
    if not row.get(column):
        return None
    if column + " low" in row:
        return Spread(*(float(row[column + part]) for part in ("", " low", " high")))
    return float(row[column])


def decision_lines(results):
    hit = {"policy": "replica_then_primary", "path": "hit"}
    yield ("decision of a hit, against two bare calls", "<= 4",
           results.figure("decision", "plugin/bare", **hit), "x")
    yield ("the same, the plugin's instructions", "< 100",
           results.figure("decision", "own instr", **hit), "")
    yield ("the same with the host's clock reads", "< 60",
           results.figure("decision", "clock+plugin ns", **hit), "ns")
    for policy in ("replica_then_primary", "read_index"):
        yield (f"what the cluster adds to it, {policy}", "<= 60",
               results.figure("core", "added ns", policy=policy, subject="cluster"), "ns")
    for row in results.rows("hit"):
        yield (f"hits with {row['policy']} against without, {row['at once']} at once", ">= 0.99",
               figure_of(row, "with/without"), "x")


def before_lines(results):
    """None of what there was before may be worse by more than 3 %."""
    for row in results.rows("before"):
        rate = row["unit"] == "lookups/s"
        yield (f"before and after: {row['what']}, {row['unit']}", ">= 0.97" if rate else "<= 1.03",
               figure_of(row, "after/before"), "x")


def rate_lines(results):
    against = [figure_of(row, "snapshot-host to it") for row in results.rows("mixed")
               if row["subject"] != "snapshot-host"]
    yield ("mixed lookups over HTTP, 32 clients, 1 thread, against pgbench's best of 1 and 2 threads",
           ">= 1.5", min(against, key=lambda it: it.median) if against else None, "x")
    for primary, least in (("idle", 0.85), ("writing", 0.7)):
        yield (f"a current read (when = always) against a plain one, primary {primary}", f">= {least}",
               results.figure("current", "current/plain", primary=primary), "x")
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


def lag_lines(results):
    """Polling: versions before 19, and its plugin that asks; waiting: WAIT FOR LSN."""
    for name, way, bounds in (("lag", "polling", (1, 2)), ("lag-waits", "waiting", (1, 0.6))):
        natural = {"lag": "natural", "policy": "read_index"}
        for share, bound in zip(("p50", "p99"), bounds):
            yield (f"natural lag, read_index by {way}: added {share}", f"<= {bound}",
                   results.figure(name, f"added {share} ms", **natural), "ms")
    bare = results.figure("lag-waits", "all, added p99", lag="natural", policy=BARE)
    yield ("natural lag, read_index by waiting: added p99 of all, against bare statements'",
           f"<= {bare:.3g}" if bare else "<= 0",
           bare and results.figure("lag-waits", "all, added p99", lag="natural", policy="read_index"), "ms")
    for share, bound in (("p50", 3), ("p99", 10)):
        yield (f"natural lag, replica_backoff: added {share}", f"<= {bound}",
               results.figure("lag", f"added {share} ms", lag="natural", policy="replica_backoff"), "ms")
    yield ("natural lag, read_index: reads of the primary's tables a lookup", "<= 0",
           results.figure("lag", "primary reads", lag="natural", policy="read_index"), "")
    for share in ("p50", "p99"):
        index, backoff = ({"lag": "busy primary", "policy": policy}
                          for policy in ("read_index", "replica_backoff"))
        best = results.figure("lag", f"added {share} ms", **backoff)
        yield (f"busy primary, read_index: added {share}, against replica_backoff's",
               f"<= {best:.3g}" if best else "<= 0",
               best and results.figure("lag", f"added {share} ms", **index), "ms")
    far = f"{AWAY_MS} ms away"
    for name, way, policy in (("lag", "polling", "read_index"), ("lag-waits", "waiting", "read_index"),
                              ("lag-waits", "polling there", ASKED)):
        # What a read missed was not there half a round trip after the commit.
        for lag, less in ((far, AWAY_MS / 2), (f"busy primary, {far}", AWAY_MS / 2),
                          (f"{DELAY_MS} ms delay, {far}", DELAY_MS)):
            added = results.figure(name, "added p50 ms", lag=lag, policy=policy)
            yield (f"{lag}, read_index by {way}: added p50 less the lag", "<= 2",
                   None if added is None else (added - less) / AWAY_MS, "round trips")
    for policy in FALLING_BACK:
        yield (f"one of two replicas paused, {policy}, freshest: rows just committed that the primary"
               " gave", "<= 0",
               results.figure("freshest", "by primary %", policy=policy, pick="freshest"), "%")


def other_lines(results):
    for subject in ("cluster.read", "policy.read"):
        yield (f"CPU time that {subject} adds to a hit in Node.js", "<= 10",
               results.figure("node_hit", "added us", subject=subject), "us")
    for row in results.rows("nginx"):
        yield (f"hits of {row['answer']} through nginx's module against proxy_pass", ">= 0.97",
               figure_of(row, "read_policy to it"), "x")
    for what, must in (("lookups/s", ">= 0.99"), ("host cpu us", "<= 1.01")):
        yield (f"status page and metrics under load against nobody who looks: {what}", must,
               results.figure("watched", "watched/alone", what=what), "x")
    many = {"waiting for": "timer", "lookups": 10000}
    yield ("10 000 waiting lookups, timers alone", "<= 1",
           results.figure("growth-waiting", "cpu %", **many), "% of a core")
    yield ("the same, each beyond its connection", "<= 2048",
           results.figure("growth-waiting", "bytes a lookup", **many), "bytes")


def lines(results):
    """(what, target, measured value or Spread or None, unit) of each figure."""
    for part in (decision_lines, before_lines, rate_lines, lag_lines, other_lines):
        yield from part(results)


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
    """What was not measured has a line too, and no figure."""
    print(machine() + "\n")
    print("| figure | must | measured | middle half of the rounds | |\n|---|---|---|---|---|")
    for what, must, value, unit in lines(Results()):
        spread = value if isinstance(value, Spread) else None
        value = spread.median if spread else value
        measured, verdict = "", "not measured"
        if value is not None:
            measured, verdict = f"{value:.3g} {unit}", "" if holds(value, must) else "**missed**"
        middle = f"{spread.low:.3g} to {spread.high:.3g}" if spread else ""
        print(f"| {what} | {must} {unit} | {measured} | {middle} | {verdict} |")


if __name__ == "__main__":
    measure.as_program(main)
