#!/usr/bin/python3
"""What a lag hit costs: a row that was committed on the primary a moment ago is read from the replica.

A writer commits a row and at once asks the host for what has happened since, under each policy and each
kind of lag. The added latency is the time of that answer less the time of a plain hit (p50 of lookups
of an old row, mixed in). Lookups that missed at first are recognized by who served them in the end.

From PostgreSQL 19 on read_index has the replica wait for a position; "asked" is the same with the plugin of
bench.mk that asks for it, as with older servers, and "bare statements" do without a host: what is left of
the time then is the servers' own.
"""

import contextlib
import csv
import itertools
import os
import threading
from dataclasses import dataclass, field

import measure
from cluster import postgres_binaries
from distance import distant
from ground import ANSWERS, Ground
from host import TOKEN, Host
from measure import COLOURS

POLICIES = {
    "replica_then_primary": {"policy": "replica_then_primary"},
    "replica_backoff": {"policy": "replica_backoff"},
    "read_index": {"policy": "read_index"},
    "read_index, 5 ms": {"policy": "read_index", "max_wait_ms": 5},
    "read_index, always": {"policy": "read_index", "when": "always"},
    "replica_only": {"policy": "replica_only"},
}
ASKED = "read_index, asked"
BARE = "bare statements"
PLUGIN_THAT_ASKS = os.path.join(measure.BUILD, "bench", "read_policy_asks.so")
HAS_WAITS = postgres_binaries()[1] >= 19
if HAS_WAITS:
    POLICIES[ASKED] = POLICIES[BARE] = POLICIES["read_index"]
# Versions that wait have results of their own: the summary has both.
NAME = "lag-waits" if HAS_WAITS else "lag"
# Where one wants to know no more than how long a row takes to be found.
FINDERS = ("replica_backoff", "read_index", *((ASKED,) if HAS_WAITS else ()))
BURST_S = 0.150
ARRIVALS_PER_S = 200
AWAY_MS = 2
DELAY_MS = 20


class Bursts(threading.Thread):
    """Pauses a standby's replay for 150 ms, over and over, with 150 ms of replay in between."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._connection = server.connect()
        self._end = threading.Event()

    def run(self):
        with self._connection.cursor() as cursor:
            while not self._end.is_set():
                cursor.execute("SELECT pg_wal_replay_pause()")
                self._end.wait(BURST_S)
                cursor.execute("SELECT pg_wal_replay_resume()")
                self._end.wait(BURST_S)
        self._connection.close()

    def __enter__(self):
        self.start()

    def __exit__(self, *_exception):
        self._end.set()
        self.join()


@contextlib.contextmanager
def busy_writer(ground):
    """Two clients that commit as fast as they can, 500 bytes each time."""
    def write(end):
        with contextlib.closing(ground.primary.connect()) as connection:
            with connection.cursor() as cursor:
                while not end.is_set():
                    cursor.execute("SELECT pg_logical_emit_message(true, 'busy', repeat('x', 500))")
    with measure.beside(write, write):
        yield


@contextlib.contextmanager
def delayed(ground, milliseconds):
    ground.standby.apply_delay(milliseconds)
    try:
        yield
    finally:
        ground.standby.apply_delay(0)


def far(ground):
    return distant((ground.primary, ground.standby), AWAY_MS)


@contextlib.contextmanager
def far_and(lag, ground):
    with lag, far(ground) as servers:
        yield servers


def lags(ground):
    """Maps names to what makes the lag, which gives the primary and the standby if not the ground's, and
    the policies that are measured under it."""
    everyone = tuple(POLICIES)
    return {
        "natural": (contextlib.nullcontext, everyone),
        f"{DELAY_MS} ms delay": (lambda: delayed(ground, DELAY_MS), everyone),
        "100 ms delay": (lambda: delayed(ground, 100), ("replica_then_primary", *FINDERS)),
        "150 ms pauses": (lambda: Bursts(ground.standby), ("replica_then_primary", *FINDERS)),
        "busy primary": (lambda: busy_writer(ground), everyone),
        f"{AWAY_MS} ms away": (lambda: far(ground), FINDERS),
        f"{DELAY_MS} ms delay, {AWAY_MS} ms away": (
            lambda: far_and(delayed(ground, DELAY_MS), ground), FINDERS),
        f"busy primary, {AWAY_MS} ms away": (lambda: far_and(busy_writer(ground), ground), FINDERS),
    }


@dataclass
class Slice:
    """The results of a slice of one policy."""

    hit_ms: list = field(default_factory=list)  # lookups of an old row
    new_ms: list = field(default_factory=list)  # (ms, missed at first) of the rows just committed
    absent: int = 0
    by_primary: int = 0
    counts: dict = field(default_factory=dict)  # the host's counters of what its servers were asked

    def take(self, what, ms, status, served):
        if what == "hit":
            self.hit_ms.append(ms)
            return
        self.new_ms.append((ms, status != 200 or served != "replica"))
        self.absent += status != 200
        self.by_primary += status == 200 and served == "primary"


FIRST_IDS = itertools.count(5_000_000_000_000_000_000, 1_000_000)


def samples_of(ground, host, seconds, *standby):
    """The samples of a host that is up. standby: new rows are looked up there, by bare statements."""
    run, snapshot = ANSWERS["0 rows"].targets()[0]
    out = measure.run([measure.program("lag"), ground.primary.conninfo(), host.port, TOKEN,
                       next(FIRST_IDS), seconds, ARRIVALS_PER_S, run, snapshot, *standby])
    found = Slice()
    for what, ms, status, served in csv.reader(out.splitlines()):
        found.take(what, float(ms), int(status), served)
    return found


def slice_of(ground, name, servers, seconds):
    """Runs a policy for a slice of time under the lag that is in force."""
    settings = {"plugin": {"path": PLUGIN_THAT_ASKS}} if name == ASKED else {}
    primary, standby = servers
    with Host(primary=primary, replicas=[standby], policy=POLICIES[name],
              settings=settings) as host:
        before = host.metrics()
        bare = [standby.conninfo()] if name == BARE else []
        found = samples_of(ground, host, seconds, *bare)
        after = host.metrics()
    reads = "snapshot_host_reads_total"
    found.counts = {
        "replica reads": _growth(before, after, reads, server="replica") - len(found.hit_ms),
        "primary reads": _growth(before, after, reads, server="primary"),
        "locates": _growth(before, after, "snapshot_host_locates_total"),
        "position polls": _growth(before, after, "snapshot_host_position_polls_total"),
        "position waits": _growth(before, after, "snapshot_host_cluster_waits_total"),
    }
    return found


def _growth(before, after, name, **labels):
    return after.value(name, **labels) - before.value(name, **labels)


def row_of(slices, plain_hits):
    """A row of all slices of one policy. plain_hits: the slices, round by round, whose lookups of an
    old row are plain hits."""
    added = [(max(0.0, ms - measure.median(plain.hit_ms)), missed)
             for found, plain in zip(slices, plain_hits) for ms, missed in found.new_ms]
    missed = [ms for ms, it_missed in added if it_missed]
    everything = [ms for ms, _ in added]
    row = {
        "lookups": len(added),
        "missed %": 100 * len(missed) / len(added),
        "hit p50 ms": measure.median([ms for found in slices for ms in found.hit_ms]),
        "added p50 ms": measure.percentile(missed, 0.5) if missed else None,
        "added p99 ms": measure.percentile(missed, 0.99) if missed else None,
        "all, added p50": measure.percentile(everything, 0.5),
        "all, added p99": measure.percentile(everything, 0.99),
    }
    for name in slices[0].counts:
        row[name] = sum(found.counts[name] for found in slices) / len(added)
    asked = sum(found.counts["position polls"] + found.counts["position waits"] for found in slices)
    row["questions a wait"] = asked / len(missed) if missed else None
    row["by primary, % of missed"] = (
        100 * sum(found.by_primary for found in slices) / len(missed) if missed else 0.0)
    row["not found %"] = 100 * sum(found.absent for found in slices) / len(added)
    return row


def measure_lag(ground, dose):
    rows = []
    kinds = lags(ground)
    for lag in list(kinds)[:1 if dose.smoke else None]:
        begin, names = kinds[lag]
        names = names[:2 if dose.smoke else None]
        with begin() as others:
            servers = others or (ground.primary, ground.standby)
            found = measure.in_turn(
                {name: lambda name=name, at=servers: slice_of(ground, name, at, dose.seconds)
                 for name in names}, dose.rounds)
        for name in names:
            # Under `always` a lookup of an old row awaits a position too: it is not plain.
            plain = found["read_index" if POLICIES[name].get("when") == "always" else name]
            rows.append({"lag": lag, "policy": name, **row_of(found[name], plain)})
    return rows


def added_of(row):
    """p50 and p99 of the lookups that missed; of all where none does (`always`)."""
    which = "all, added p50", "all, added p99"
    if row["added p50 ms"] is not None:
        which = "added p50 ms", "added p99 ms"
    return [row[name] for name in which]


def draw(rows):
    kinds = list(dict.fromkeys(row["lag"] for row in rows))
    measured = {row["policy"] for row in rows}
    names = [name for name in POLICIES if name in measured and name != "replica_only"]
    found = {(row["lag"], row["policy"]): added_of(row) for row in rows}
    # A log scale has no 0: what is below the clock's jitter goes to the bottom.
    data = [(kind, *(value and max(0.05, value) for name in names
                     for value in found.get((kind, name), (None, None)))) for kind in kinds]
    width = 0.8 / len(names)
    bars = []
    for number, name in enumerate(names):
        x = f"($0 + {(number - (len(names) - 1) / 2) * width:.3f})"
        p50, p99 = 2 + 2 * number, 3 + 2 * number
        title = name.replace("_", "\\\\_")
        bars.append(f"$data using {x}:{p50}:({0.85 * width:.3f}) with boxes lc rgb "
                    f"'{COLOURS[number]}' title \"{title}\"")
        bars.append(f"'' using {x}:{p50}:(0):(${p99} - ${p50}) with vectors nohead lc rgb "
                    "'#333333' notitle")
    tics = ", ".join(f"'{kind}' {number}" for number, kind in enumerate(kinds))
    measure.plot(NAME, f"""
set logscale y
set yrange [0.05:500]
set xrange [-0.6:{len(kinds) - 0.4}]
set xtics ({tics})
set style fill solid 0.9 noborder
set ylabel 'added to a lag hit, ms: p50, and a line up to p99'
set key outside bottom center horizontal
plot """ + ", \\\n     ".join(bars), {"data": data}, size=(1200, 500))


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=5, seconds=4)
    with Ground() as ground:
        rows = measure_lag(ground, dose)
    measure.print_table("Lag hits", rows)
    measure.write_csv(NAME, rows)
    draw(rows)


if __name__ == "__main__":
    measure.as_program(main)
