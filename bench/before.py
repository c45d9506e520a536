#!/usr/bin/python3
"""What everything that was added has cost: this tree against an earlier one, 1.0.0 as it was before the
cluster core, measured in turn. Both are built here; the earlier one from the history, so without that
there is nothing to compare with.

Decisions: begin and next of a hit, time and instructions. Lookups over HTTP: rate, CPU time of the host
and of the server for each, by answer and by number of clients. Lag hits under natural lag."""

import csv
import os
import subprocess

import loads
import measure
import processes
from decision import count_instructions
from ground import ANSWERS, Ground
from host import APPLICATION, TOKEN, Host
from lag import samples_of
from measure import ROOT

COMMIT = os.environ.get("BEFORE") or "9e0625d7ca50636111fd47a013349eb6709c5426"
PROGRAMS = ("snapshot-host", "read_policy.so", "bench/decision", "bench/bare_calls.so")
CLIENTS = 32
# Lookups of one client at a time, and of many.
LOADS = {**{(name, CLIENTS): answer for name, answer in ANSWERS.items()},
         **{(name, 1): ANSWERS[name] for name in ("0 rows", "1 row")}}
LAG_POLICIES = ("read_index", "replica_backoff")
LAG_SLICES = 3  # so many times as long as the others, for the sake of p99


class Tree:
    """Where one of the two is built."""

    def __init__(self, directory):
        self.build = os.path.join(directory, "build")
        self._ini = os.path.join(directory, "bench", "decision.ini")

    def path(self, name):
        return os.path.join(self.build, name)

    def decision(self, *arguments, under=()):
        return measure.run([*under, self.path("bench/decision"), self.path("read_policy.so"),
                            self.path("bench/bare_calls.so"), self._ini, *arguments])

    def host(self, ground, policy="replica_then_primary"):
        return Host(primary=ground.primary, replicas=[ground.standby], policy={"policy": policy},
                    settings={"plugin": {"path": self.path("read_policy.so")}},
                    binary=self.path("snapshot-host"))


def has_history():
    done = subprocess.run(["git", "-C", ROOT, "cat-file", "-e", COMMIT + "^{commit}"], check=False,
                          capture_output=True)
    return done.returncode == 0


def build_before():
    """The earlier tree, built under build/; kept for the next run."""
    directory = os.path.join(measure.PROGRAMS, "before-" + COMMIT[:12])
    if not os.path.isdir(directory):
        os.makedirs(directory + ".new", exist_ok=True)
        measure.run(["sh", "-c", f"git -C '{ROOT}' archive {COMMIT} | tar -C '{directory}.new' -xf -"])
        os.rename(directory + ".new", directory)
    # What this make was told is not meant for that one.
    clean = {name: value for name, value in os.environ.items()
             if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD")}
    measure.run(["make", "-s", "-C", directory, "-j", os.cpu_count(),
                 *("build/" + name for name in PROGRAMS)], env=clean)
    return Tree(directory)


def ratio_row(what, unit, before, after):
    """Round by round; `after/before` is their ratio."""
    return {"what": what, "unit": unit, "before": measure.median(before),
            "after": measure.median(after), "after/before": measure.ratio(after, before)}


# -- decisions -------------------------------------------------------------------------------------


def times(tree, dose):
    """ns of a hit through begin and next, by policy."""
    found = {}
    for policy, path, subject, ns in csv.reader(
            tree.decision("time", 3, 1000 if dose.smoke else 50000).splitlines()):
        if (path, subject) == ("hit", "plugin"):
            found.setdefault(policy, []).append(float(ns))
    return {policy: measure.median(each) for policy, each in found.items()}


def measure_decisions(trees, dose):
    turns = measure.in_turn({name: lambda tree=tree: times(tree, dose)
                             for name, tree in trees.items()}, dose.rounds)
    rows = []
    for policy in turns["after"][0]:
        before, after = ([each[policy] for each in turns[name]] for name in ("before", "after"))
        rows.append(ratio_row(f"decision of a hit, {policy}", "ns", before, after))
    counts = {} if dose.smoke else {name: count_instructions(tree.decision)
                                    for name, tree in trees.items()}
    for policy in turns["after"][0] if counts else ():
        before, after = ([counts[name][(policy, "hit", "own")]] for name in ("before", "after"))
        rows.append(ratio_row(f"decision of a hit, {policy}", "instructions", before, after))
    return rows


# -- lookups over HTTP -----------------------------------------------------------------------------


def slice_of(ground, host, answer, clients, dose):
    """Rate, and CPU us of the host and of the server for each lookup."""
    servers = processes.backends(ground.standby, APPLICATION)
    own, theirs = processes.cpu_ns(host.pid), processes.cpu_ns(*servers)
    load = loads.wrk(host.port, TOKEN, ground.targets_file(answer), clients, dose.whole_seconds)
    lookups = load.rate * dose.whole_seconds
    return (load.rate, (processes.cpu_ns(host.pid) - own) / lookups / 1000,
            (processes.cpu_ns(*servers) - theirs) / lookups / 1000)


def measure_lookups(ground, trees, dose):
    """Both hosts are up all the time; the one that is not asked costs next to nothing."""
    rows = []
    with trees["before"].host(ground) as before, trees["after"].host(ground) as after:
        hosts = {"before": before, "after": after}
        for (name, clients), answer in list(LOADS.items())[:1 if dose.smoke else None]:
            turns = measure.in_turn(
                {which: lambda host=host, answer=answer, clients=clients:
                 slice_of(ground, host, answer, clients, dose) for which, host in hosts.items()},
                dose.rounds)
            for place, unit in enumerate(("lookups/s", "host cpu us", "server cpu us")):
                rows.append(ratio_row(f"{name}, {clients} client{'s' if clients > 1 else ''}", unit,
                                      *([each[place] for each in turns[which]] for which in hosts)))
    return rows


# -- lag hits --------------------------------------------------------------------------------------


def measure_lag(ground, trees, dose):
    rows = []
    for policy in LAG_POLICIES[:1 if dose.smoke else None]:
        def one_slice(tree, policy=policy):
            with tree.host(ground, policy) as host:
                return samples_of(ground, host, LAG_SLICES * dose.seconds)
        turns = measure.in_turn({which: lambda tree=tree: one_slice(tree)
                                 for which, tree in trees.items()}, dose.rounds)
        for share, word in ((0.5, "p50"), (0.99, "p99")):
            before, after = ([added_ms(each, share) for each in turns[which]]
                             for which in ("before", "after"))
            rows.append(ratio_row(f"natural lag, {policy}, {word} of all just committed", "added ms",
                                  before, after))
    return rows


def added_ms(found, share):
    """Of all lookups of new rows, missed at first or not: which of the two a slice had more of then does
    not matter. A clock's jitter at the least, for the sake of the ratio."""
    plain = measure.median(found.hit_ms)
    return max(0.005, measure.percentile([ms for ms, _ in found.new_ms], share) - plain)


def rows_of(ground, trees, dose):
    rows = measure_decisions(trees, dose)
    if loads.has_wrk():
        rows += measure_lookups(ground, trees, dose)
    return rows + measure_lag(ground, trees, dose)


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=10, seconds=1)
    if not has_history():
        print(f"before: left out, for this tree has no history with the commit {COMMIT[:12]}")
        return
    trees = {"before": build_before(), "after": Tree(ROOT)}
    with Ground() as ground:
        rows = rows_of(ground, trees, dose)
    measure.print_table(f"This tree against {COMMIT[:12]}", rows)
    measure.write_csv("before", rows)


if __name__ == "__main__":
    measure.as_program(main)
