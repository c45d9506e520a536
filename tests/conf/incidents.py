#!/usr/bin/python3
"""Incidents rehearsed: a primary, a standby, a snapshot-host with clients, and a Prometheus with the rules as
they are shipped. Something breaks; which alerts fire, how long after, and does any that has no business to?

    tests/conf/incidents.py                   all of them, one after another: twenty minutes
    tests/conf/incidents.py promoted flood    some

What the rules do with given numbers is tested in alerts_test.yml; here it is that a real host gives them
these numbers.
"""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import psycopg2

from cluster import Cluster
from history import History
from host import TOKEN, Host, lookup_path
from load import LookupRequest, run_load
from scrape import prometheus_command
from test_alerts import Prometheus
from testbed import ROOT, as_program, clean_up_at_exit, free_port, no_longer_clean_up, wait_for

POLICY = {"policy": "replica_then_primary", "replica_retry_min_ms": 1, "replica_retry_max_ms": 5,
          "on_replica_failure": "primary", "primary_budget_per_s": 100, "primary_budget_burst": 200}
CALM_S = 15  # nothing may fire before the incident
AFTER_S = 20  # nor anything else in this time after the last one has


class StuckReader(Host):
    """A host whose log nobody reads from the moment that `stuck` is set."""

    def __init__(self, *arguments, **more):
        self.stuck, self.go_on = threading.Event(), threading.Event()
        super().__init__(*arguments, **more)

    def _read_log(self, stream):
        def lines():
            for line in stream:
                if self.stuck.is_set():
                    self.go_on.wait()
                yield line
            stream.close()

        class Lines:
            __iter__ = staticmethod(lines)
            close = staticmethod(stream.close)

        super()._read_log(Lines())


class Scene:
    """All that an incident needs, calm and under load."""

    def __init__(self, small_disk=False):
        self.cluster = Cluster(standbys=())
        self.small_disk = small_disk  # of the standby, which has one of its own
        self.over = threading.Event()
        self.flooded = threading.Event()
        self._threads = []

    def __enter__(self):
        self.cluster.__enter__()
        if self.small_disk:
            self._mount_disk()
        self.cluster.add_standby("standby")
        self.cluster.load(os.path.join(ROOT, "tests", "schema.sql"))
        history = History()
        first = history.life_of_a_run()[0]
        history.write(self.cluster.primary)
        self.cluster.wait_caught_up()
        self.run, self.snapshot = first["runId"], first["id"]
        self.host = StuckReader(primary=self.cluster.primary, replicas=[self.cluster.standby],
                                policy=POLICY, settings={"log": {"access": "yes"}}).start()
        self.host.wait_for_links("primary", "replica")
        self.directory = tempfile.TemporaryDirectory(prefix="incidents-")
        port = free_port()
        self.process = subprocess.Popen(
            prometheus_command(self.directory.name, self.host.port, port), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        clean_up_at_exit(self.process.kill)
        self.prometheus = Prometheus(port)
        for work in (self._write, self._ask, self._flood):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)
        wait_for(lambda: self.prometheus.value("up") == "1", "Prometheus to scrape the host", timeout_s=60)
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.host.go_on.set()
        for thread in self._threads:
            thread.join()
        self.process.kill()
        self.process.wait()
        no_longer_clean_up(self.process.kill)
        self.directory.cleanup()
        self.host.kill()
        self.cluster.__exit__(*exception)
        if self.small_disk:
            self._unmount_disk()

    def _mount_disk(self):
        disk = os.path.join(self.cluster.directory, "standby")
        os.mkdir(disk, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m,mode=0700", "none", disk], check=True)
        clean_up_at_exit(self._unmount_disk)
        self.cluster.account.own(disk)

    def _unmount_disk(self):
        no_longer_clean_up(self._unmount_disk)
        self.cluster.destroy()  # where it failed in the middle
        disk = os.path.join(self.cluster.directory, "standby")
        subprocess.run(["umount", "--lazy", disk], check=False)
        with contextlib.suppress(OSError):
            os.rmdir(disk)
            os.rmdir(self.cluster.directory)

    def background(self, work):
        """Calls it again and again, until the incident is over."""
        def loop():
            while not self.over.is_set():
                work()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _write(self):
        """A primary that writes nothing has no lag."""
        connection = None
        while not self.over.wait(0.1):
            try:
                connection = connection or self.cluster.primary.connect()
                connection.cursor().execute("SELECT pg_logical_emit_message(true, '', '')")
            except psycopg2.Error:
                connection = None

    def _requests(self, event, names):
        while event.is_set() and not self.over.is_set():
            yield LookupRequest(lookup_path(*next(names)), TOKEN)

    def _ask(self):
        """Runners: rows that there are, and one in ten that only the primary could rule out."""
        def names():
            while True:
                for number in range(10):
                    yield (self.run, self.snapshot) if number else (self.run, "cm3q7x0b2nobodyhasthis")

        going = threading.Event()
        going.set()
        while not self.over.is_set():
            self._load(going, names(), connections=32, per_second=5)

    def _flood(self):
        def names():
            number = 0
            while True:
                number += 1
                yield self.run, f"cm3q7x0b2madeup{number:010}"

        while not self.over.is_set():
            if self.flooded.wait(0.1):
                self._load(self.flooded, names(), connections=16)

    def _load(self, event, names, **how):
        try:
            run_load(self.host.port, self._requests(event, names), lambda *_: None, **how)
        except (AssertionError, OSError):
            pass  # a connection that was idle for too long, or a host that stands still: begin anew

    def firing(self):
        return {alert["labels"]["alertname"].removeprefix("SnapshotHost")
                for alert in self.prometheus.ask("alerts")["alerts"] if alert["state"] == "firing"}


def replay_paused(scene):
    scene.cluster.standby.pause_replay()


def standby_dead(scene):
    scene.cluster.standby.kill9()


def promoted(scene):
    scene.cluster.standby.promote()


def primary_dead(scene):
    scene.cluster.primary.kill9()


def processes_of(server):
    """Of the server, with its children."""
    return [server._process.pid, *server._children()]  # pylint: disable=protected-access


def signal_all(server, number):
    for process in processes_of(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def standby_stalled(scene):
    """Its machine hangs: connections stay, and nothing comes."""
    signal_all(scene.cluster.standby, signal.SIGSTOP)


def standby_goes_on(scene):
    signal_all(scene.cluster.standby, signal.SIGCONT)


def standby_disk_full(scene):
    """It can write no more of the log that it receives."""
    standby = scene.cluster.standby
    with open(os.path.join(standby.data, "filler"), "wb", buffering=0) as file, \
            contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))

    def is_stuck():
        position = scene.cluster.commit_something()
        scene.cluster.primary.execute("SELECT pg_switch_wal()")
        time.sleep(1)
        return not standby.has_replayed(position)

    wait_for(is_stuck, "the standby's disk to be full", timeout_s=60)


def replay_held_up(scene):
    """A long query on the standby needs rows that the primary has cleaned up, and has all the time
    that it wants."""
    cluster = scene.cluster
    cluster.standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = -1")
    cluster.standby.execute("SELECT pg_reload_conf()")
    wait_for(lambda: cluster.standby.value("SHOW max_standby_streaming_delay") == "-1",
             "the standby to wait for queries")
    cluster.primary.execute("CREATE TABLE cleaned_up AS SELECT * FROM generate_series(1, 1000)")
    cluster.wait_caught_up()
    scene.long_query = cluster.standby.connect()
    scene.long_query.autocommit = False
    with scene.long_query.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT count(*) FROM cleaned_up")
    cluster.primary.execute("DELETE FROM cleaned_up")
    cluster.primary.execute("VACUUM cleaned_up")


def conflicts(scene):
    """Replay cancels queries of the standby all the time; each lookup is asked again."""
    connection = scene.cluster.primary.connect()

    def sweep():
        connection.cursor().execute(
            'BEGIN; LOCK TABLE "TaskRunExecutionSnapshot" IN ACCESS EXCLUSIVE MODE; COMMIT')
        time.sleep(0.2)

    scene.background(sweep)


def out_of_connections(scene):
    """Others take every connection of the primary, and the host has lost its own."""
    primary = scene.cluster.primary
    held = scene.held = []
    none_left = threading.Event()

    def take():
        try:
            held.append(primary.connect())
        except psycopg2.OperationalError:
            none_left.set()
            time.sleep(0.02)

    def host_has_none():
        primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'host-under-test'")
        time.sleep(0.2)
        none_left.clear()
        return none_left.wait(1) and primary.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'host-under-test'") == 0

    for _ in range(3):
        scene.background(take)
    wait_for(host_has_none, "others to have every connection", timeout_s=30)


def primary_overloaded(scene):
    """It runs for a small part of the time only, as on a machine that has too much to do."""
    def squeeze():
        signal_all(scene.cluster.primary, signal.SIGSTOP)
        scene.over.wait(1.5)
        signal_all(scene.cluster.primary, signal.SIGCONT)
        scene.over.wait(0.1)

    scene.background(squeeze)


def flood(scene):
    scene.flooded.set()


def log_stuck(scene):
    scene.host.stuck.set()
    scene.flooded.set()  # lines, and many


def host_stopped(scene):
    scene.host.signal(signal.SIGSTOP)


def host_goes_on(scene):
    scene.host.signal(signal.SIGCONT)


# must: alerts with the seconds within which they fire, and are firing still then; may: others that
# are no mistake; seconds: how long to look where none must; end: so that all can be taken down.
Incident = collections.namedtuple("Incident", "begin must may end small_disk seconds",
                                  defaults=(set(), None, False, 0))
LAGS = {"ReplicaLags": 50, "ReplicaLagsFar": 80}
INCIDENTS = {
    "replay_paused": Incident(replay_paused, LAGS),
    "replay_held_up": Incident(replay_held_up, LAGS),
    "standby_disk_full": Incident(standby_disk_full, LAGS, small_disk=True),
    "standby_dead": Incident(standby_dead, {"ServerAway": 60}, {"ReplicaLags", "ReplicaLagsFar"}),
    "standby_stalled": Incident(standby_stalled, {"ServerAway": 60},
                                {"ReplicaLags", "ReplicaLagsFar", "LookupsSlow"},
                                end=standby_goes_on),
    "conflicts": Incident(conflicts, {}, seconds=75),
    "promoted": Incident(promoted, {"ServerOut": 60, "Split": 60, "LookupsFailing": 60}),
    "primary_dead": Incident(primary_dead,
                             {"ServerAway": 60, "NoPrimary": 60, "LookupsFailing": 60}),
    "out_of_connections": Incident(out_of_connections, {"ServerAway": 60, "NoPrimary": 60,
                                                        "LookupsFailing": 60}),
    "primary_overloaded": Incident(primary_overloaded, {"LookupsSlow": 100}),
    "flood": Incident(flood, {"ReadsShed": 60, "UnknownIds": 60, "PrimaryBudgetNearlyUsed": 75}),
    "log_stuck": Incident(log_stuck, {"LogLinesDropped": 75},
                          {"ReadsShed", "UnknownIds", "PrimaryBudgetNearlyUsed"}),
    "host_stopped": Incident(host_stopped, {"Down": 60}, end=host_goes_on),
}


def rehearse(name):
    """Whether all was told as it must be."""
    begin, must, may, end, small_disk, seconds = INCIDENTS[name]
    good = True
    with Scene(small_disk) as scene:
        calm_until = time.monotonic() + CALM_S
        while time.monotonic() < calm_until:
            early = scene.firing()
            if early:
                print(f"{name}: fired before anything had happened: {sorted(early)}")
                return False
            time.sleep(1)
        begun = time.monotonic()
        begin(scene)
        seen = {}
        until = begun + max(must.values(), default=seconds)
        while time.monotonic() < until:
            for alert in scene.firing() - set(seen):
                seen[alert] = time.monotonic() - begun
            if must and set(must) <= set(seen):
                until = min(until, max(seen[alert] for alert in must) + begun + AFTER_S)
            time.sleep(0.5)
        silent = set(must) - scene.firing()
        for alert in sorted(set(seen) | set(must)):
            if alert not in seen:
                verdict, good = f"NOT told within {must[alert]} s", False
            elif alert not in must and alert not in may:
                verdict, good = f"told after {seen[alert]:.0f} s, and has no business to", False
            elif alert in must and (seen[alert] > must[alert] or alert in silent):
                verdict, good = f"told after {seen[alert]:.0f} s, too late or not for long", False
            else:
                verdict = f"told after {seen[alert]:.0f} s"
            print(f"{name}: {alert} {verdict}", flush=True)
        if end is not None:
            end(scene)
    return good


def main():
    names = sys.argv[1:]
    unknown = [name for name in names if name not in INCIDENTS]
    if unknown:
        sys.exit(f"incidents.py: no such incident: {', '.join(unknown)}; there are {', '.join(INCIDENTS)}")
    failed = [name for name in names or INCIDENTS if not rehearse(name)]
    print(f"not as it must be: {', '.join(failed)}" if failed else "all as it must be")
    return 1 if failed else 0


if __name__ == "__main__":
    as_program(main)
