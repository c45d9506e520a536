#!/usr/bin/python3
"""A mixed load for any length of time, while servers, links and policies change at random.

    tests/host-sample/soak.py --seconds 60 --seed 7

Every answer is compared with what was committed (see ledger.py). The seed decides what is done to the
servers and when, and what clients ask for; it does not decide how these coincide. At the end nothing
may be lost, wrong or left over, and the host's counts must be what its clients have seen.
"""

import argparse
import collections
import os
import random
import threading
import time

import sanitizer
import testbed
from clients import Clients
from cluster import Cluster, despite_conflicts
from host import APPLICATION, Host
from ledger import Question, Run
from relay import Relay
from vitals import Vitals, resident_bytes

POLICIES = (
    {"policy": "replica_then_primary", "replica_retry_min_ms": 1, "replica_retry_max_ms": 20},
    {"policy": "replica_then_primary", "replica_retry_max_ms": 0, "primary_budget_per_s": 100,
     "primary_budget_burst": 20},
    {"policy": "replica_then_primary", "replica_retry_min_ms": 5, "replica_retry_max_ms": 5,
     "on_replica_failure": "primary"},
    {"policy": "read_index", "max_wait_ms": 50},
    {"policy": "read_index", "max_wait_ms": 30, "when": "always"},
    {"policy": "read_index", "max_wait_ms": 20, "on_replica_failure": "primary",
     "primary_budget_per_s": 200},
    {"policy": "replica_backoff", "max_wait_ms": 40},
    {"policy": "replica_backoff", "max_wait_ms": 40, "on_replica_failure": "primary"},
    {"policy": "primary_only"},
    {"policy": "replica_only"},
)
BROKEN_POLICY = {"policy": "replica_then_primary", "replica_retry_max_ms": "many"}

SETTINGS = {
    "listen": {"threads": 2},
    "auth": {"deployment_id": "soak-deployment"},
    "limits": {"lookup_timeout_ms": 2000},
}

CLIENTS = 6
LIVE_RUNS = 100
LONGEST_LIFE = 12  # versions of a run before another one takes its place
MAX_RELOADS = 1000  # a plugin keeps 1024 configurations at most
GROWTH_ALLOWED = 6 << 20  # for each server: its links keep room for the biggest answer
GROWTH_ALLOWED_SANITIZED = 256 << 20
MEMORY_SAMPLES = 20


class Runs:
    """The runs that are asked for: some of them growing, some old, some with big answers."""

    def __init__(self, server, seed, make_run=Run):
        self._server = server
        self._make_run = make_run
        self._lock = threading.Lock()
        self._seed = seed
        self._made = 0
        self._live = []
        self._stranger = make_run(f"{seed}/stranger")  # never written
        self._big = []
        for size in (20_000, 100_000):
            self._big.append(make_run(f"{seed}/big {size}"))
            self._big[-1].write_big(server, size=size)
        for _ in range(10):
            self._new()

    def _new(self):
        with self._lock:
            self._made += 1
            number = self._made
        run = self._make_run(f"{self._seed}/{number}")
        if number % 3 == 0:
            run.write_life(self._server)
        else:
            run.write_step(self._server)
        with self._lock:
            self._live = [*self._live[-LIVE_RUNS + 1:], run]
        return run

    def _grown(self, generator):
        """A run with something that was committed just now."""
        run = generator.choice(self._live)
        if len(run.versions) >= LONGEST_LIFE or generator.random() < 0.2:
            return self._new()
        run.write_step(self._server)
        return run

    def choose(self, generator):
        """The next question of a client."""
        return Question(*self._pair(generator))

    def _pair(self, generator):
        """A run and the id of the snapshot since which it is asked for."""
        fate = generator.random()
        run = generator.choice(self._live)
        if fate < 0.15:
            run = self._grown(generator)
            return run, run.snapshots[-1 if generator.random() < 0.5 else 0]
        if fate < 0.80:
            return run, generator.choice(run.snapshots)
        if fate < 0.84:
            big = generator.choice(self._big)
            return big, big.snapshots[0]
        if fate < 0.92:
            other = generator.choice(self._live)
            return generator.choice((run, self._stranger)), generator.choice(other.snapshots)
        return generator.choice((run, self._stranger)), f"bogus{generator.random()}"


class Policies:
    """Which policy may have decided between two moments: while the host reads its file again, it may be
    the old one or the new one."""

    def __init__(self, host, policy):
        self._host = host
        self._changes = [[0.0, None, policy["policy"]]]  # from, until, name

    def change(self, policy):
        entry = [time.monotonic(), None, policy["policy"]]
        self._changes.append(entry)
        self._host.reload(policy)
        self._changes[-2][1] = time.monotonic()

    def in_force(self, begun, ended):
        return {name for since, until, name in self._changes
                if since <= ended and (until is None or until >= begun)}


class Chaos:
    """What is done to servers, links and the host, at random; all of it can be undone."""

    def __init__(self, soak, seed, say):
        self._soak = soak
        self._random = random.Random(seed)
        self._say = say
        self._begun = time.monotonic()
        self._paused = set()
        self._reloads = 0
        self.done = collections.Counter()
        self._actions = {self._pause_or_resume: 4, self._end_standby: 2, self._cut: 3,
                         self._stall: 1, self._delay: 1, self._refuse: 1, self._reload: 4,
                         self._reload_broken: 1, self._kill_links: 1, self._conflict: 2}

    def act(self):
        """One thing, and a pause of up to half a second after it."""
        [action] = self._random.choices(list(self._actions), self._actions.values())
        self._note(action())
        time.sleep(self._random.uniform(0.02, 0.5))

    def _note(self, text):
        self.done[text.split(":")[0]] += 1
        self._say(f"{time.monotonic() - self._begun:7.1f} s  {text}")

    def end(self):
        """Everything as it was."""
        for relay in self._soak.relays:
            relay.pass_through()
        for standby in list(self._paused):
            self._resume(standby)

    def _standby(self):
        return self._random.choice(self._soak.cluster.standbys)

    def _resume(self, standby):
        despite_conflicts(standby.resume_replay)
        self._paused.remove(standby)

    def _pause_or_resume(self):
        standby = self._standby()
        if standby in self._paused:
            self._resume(standby)
            return f"replay resumed: {standby.name}"
        despite_conflicts(standby.pause_replay)
        self._paused.add(standby)
        return f"replay paused: {standby.name}"

    def _end(self, server):
        """Ends a server in one of three ways and starts it again after a while."""
        how = self._random.choice(("fast", "immediate", "kill -9"))
        away = self._random.uniform(0, 0.7)
        if how == "kill -9":
            server.kill9()
        else:
            server.stop(how)
        time.sleep(away)
        server.start()
        self._paused.discard(server)
        return f"{server.name}, {how}, away for {away:.2f} s"

    def _end_standby(self):
        return "standby ended: " + self._end(self._standby())

    def _link(self):
        relay = self._random.choice(self._soak.relays)
        return relay.server.name, relay

    def _cut(self):
        name, relay = self._link()
        count = self._random.choice((None, None, 10, 500, 5000, 200_000, 1_500_000))
        if count is not None:
            relay.cut_after(count)
            return f"link to be cut: {name}, after {count} bytes"
        how = self._random.choice(("cut", "reset"))
        getattr(relay, how)()
        return f"links cut: {name}, {how}"

    def _for_a_while(self, what, longest, undo):
        name, relay = self._link()
        seconds = self._random.uniform(0.05, longest)
        what(relay)
        time.sleep(seconds)
        undo(relay)
        return f"{name} for {seconds:.2f} s"

    def _stall(self):
        return "link stalled: " + self._for_a_while(Relay.stall, 2.5, Relay.pass_through)

    def _refuse(self):
        def refuse(relay):
            relay.refuse()
            relay.reset()
        return "link refused: " + self._for_a_while(refuse, 0.6, Relay.pass_through)

    def _delay(self):
        seconds = self._random.uniform(0.001, 0.02)
        return "link delayed: " + self._for_a_while(lambda relay: relay.delay(seconds), 1.0,
                                                    Relay.pass_through)

    def _reload(self):
        if self._reloads >= MAX_RELOADS:
            return "policy kept: it was changed often enough"
        self._reloads += 1
        policy = self._random.choice(self._soak.choices)
        self._soak.policies.change(policy)
        return "policy changed: " + ", ".join(f"{key} = {policy[key]}" for key in policy)

    def _reload_broken(self):
        self._soak.host.reload(BROKEN_POLICY)
        return "policy file broken: refused"

    def _kill_links(self):
        cluster = self._soak.cluster
        server = self._random.choice((cluster.primary, *cluster.standbys))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                       " application_name = %s", (APPLICATION,))
        return f"links terminated: {server.name}"

    def _conflict(self):
        """Row versions that statements on the standby may still see are removed."""
        server = self._soak.cluster.primary
        server.execute("DELETE FROM junk")
        server.execute("INSERT INTO junk SELECT generate_series(1, 100)")
        server.execute("VACUUM junk")
        return "vacuum: conflicts on the standby"


class Soak:
    """One run of it. `problems` has everything that was wrong."""

    choices = POLICIES

    def __init__(self, seconds, seed, say):
        self._seconds = seconds
        self._seed = seed
        self._say = say
        self.problems = []
        self._logged = collections.Counter()  # levels of the lines about lookups
        self._memory = []  # resident bytes, at even intervals
        self._left_out = 0  # warnings, of answers that nobody has whole too

    def run(self):
        self._say(f"soak: {self._seconds:g} s, seed {self._seed}")
        with Cluster(settings="max_standby_streaming_delay = 0\n") as cluster, Relay(cluster.primary) as primary, \
                Relay(cluster.standby) as replica:
            self.cluster, self.primary, self.replica = cluster, primary, replica
            self.relays = (primary, replica)
            cluster.load(testbed.ROOT + "/tests/schema.sql")
            cluster.primary.execute("CREATE TABLE junk (a int)")
            runs = Runs(cluster.primary, self._seed)
            cluster.wait_caught_up()
            with Host(primary, [replica], policy=self.choices[0], settings=SETTINGS) as self.host:
                self._soak(runs)
            self._tally_log()
            self._hold_against_the_log()
        return not self.problems

    def _soak(self, runs):
        vitals = Vitals(self.host)
        self.policies = Policies(self.host, self.choices[0])
        # What a busy host keeps for reuse is not growth: so it is made busy first.
        warm_up = self._clients(runs, "warm-up")
        with warm_up:
            warm_up.wait_until_calm(1000, timeout_s=60)
        vitals.wait_restored()
        before = resident_bytes(self.host.pid)
        chaos = self._chaos()
        with self._clients(runs, self._seed) as clients:
            begun = time.monotonic()
            while time.monotonic() < begun + self._seconds and not clients.complaints:
                chaos.act()
                self._tally_log()
                self._sample_memory(time.monotonic() - begun)
            chaos.end()
            self.policies.change(self.choices[0])
            clients.wait_until_calm(200, timeout_s=30)
        self.problems += warm_up.complaints + clients.complaints
        vitals.wait_restored()
        self._hold_against_metrics(warm_up, clients)
        self._report(chaos, clients, before, resident_bytes(self.host.pid))

    def _chaos(self):
        return Chaos(self, self._seed, self._say)

    def _clients(self, runs, seed):
        return Clients(self.host, runs.choose, self.policies.in_force, CLIENTS, seed,
                       on_workload_route=0.3)

    def _sample_memory(self, seconds):
        """A curve tells a leak from room that is kept for reuse."""
        if seconds >= len(self._memory) * self._seconds / MEMORY_SAMPLES:
            self._memory.append(resident_bytes(self.host.pid))

    def _tally_log(self):
        """Counts the lines so far and drops them: there may be very many."""
        lines = self.host.log[:]
        del self.host.log[:len(lines)]
        for line in lines:
            # An answer that nobody has whole is a warning of its own, whoever served it.
            if "snapshot_id" in line.fields and (
                    line.level != "WARN"
                    or "missed on the replica, served by the primary" in line.text):
                self._logged[line.level] += 1
            elif line.fields.get("kind") == "served by the primary after a miss":
                self._left_out += line.fields["left_out"]

    def _expect(self, what, actual, expected):
        if actual != expected:
            self.problems.append(f"{what}: {actual:g}, expected {expected:g}")

    def _hold_against_metrics(self, *loads):
        """The host's counts are what its clients have seen, to the last lookup."""
        def seen(status, served_by=None):
            return sum(load.count(status, served_by) for load in loads)

        metrics = self.host.metrics()
        name = "snapshot_host_lookups_total"
        for verdict, status in (("found", 200), ("not_found", 404), ("failed", 503), ("shed", 429)):
            self._expect(f"verdicts {verdict}", metrics.value(name, verdict=verdict), seen(status))
        self._expect("lookups refused", metrics.value(name, verdict="refused"), 0)
        self._expect("lookups answered", sum(sum(load.statuses.values()) for load in loads),
                     sum(load.sent for load in loads))
        counters = self.host.counters()
        self._hold_against_retries(counters.get("replica_retry", 0), seen(200, "replica_retry"))
        self._missed_and_primary = counters.get("primary", 0)

    def _hold_against_retries(self, counted, seen):
        self._expect("counter replica_retry", counted, seen)

    def _hold_against_the_log(self):
        logged = self._logged["WARN"]
        if not logged <= self._missed_and_primary <= logged + self._left_out:
            self.problems.append(f"warnings in the log: {logged}, and {self._left_out} left out,"
                                 f" expected {self._missed_and_primary}")

    def _report(self, chaos, clients, before, after):
        for name, number in sorted(chaos.done.items()):
            self._say(f"{number:9d} x {name}")
        for (status, server), number in sorted(clients.statuses.items(), key=str):
            self._say(f"{number:9d} answers {status} {'by ' + server if server else ''}")
        curve = " ".join(f"{each / 2**20:.1f}" for each in self._memory)
        self._say(f"{before / 2**20:9.1f} MB of memory before, {after / 2**20:.1f} MB after; on the way {curve}")
        allowed = (GROWTH_ALLOWED_SANITIZED if sanitizer.is_in(testbed.HOST_BINARY)
                   else GROWTH_ALLOWED * len(self.relays))
        if after - before > allowed:
            self.problems.append(f"memory grew by {(after - before) >> 20} MB,"
                                 f" more than {allowed >> 20} MB")


def main(kind=Soak):
    parser = argparse.ArgumentParser(description="Soaks snapshot-host in faults.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    arguments = parser.parse_args()
    testbed.complain_if_not_built()
    soak = kind(arguments.seconds, arguments.seed, lambda text: print(text, flush=True))
    if soak.run():
        print(f"good: no answer wrong, none lost, nothing left over (seed {arguments.seed})")
        return 0
    for problem in soak.problems:
        print("WRONG:", problem)
    print(f"{len(soak.problems)} problems (seed {arguments.seed})")
    return 1


if __name__ == "__main__":
    testbed.as_program(main)
