#!/usr/bin/python3
"""What servers and their machines lose: the time of day, the tail of the WAL, a whole failover.

A witness commits on the true primary all the while, and asks for its rows through a host with when = miss
and one with when = always. A 404 for one of them is never right.
"""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from fact_case import BRIEF, Witnessed, campaign
from relay import Relay
from testbed import wait_for

HOUR, DAY = 3600, 86400
SEGMENT = 16 * 1024 * 1024


class WallClock:
    """The time of day of what is started `within` it: it jumps on command."""

    def __init__(self, directory, name):
        self._library = os.path.join(directory, "wall_clock.so")
        self._path = os.path.join(directory, name)
        if not os.path.exists(self._library):
            source = os.path.join(os.path.dirname(__file__), "wall_clock.c")
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", self._library, source,
                            "-ldl"], check=True)
        with open(self._path, "wb") as file:
            file.write(struct.pack("q", 0))
        os.chmod(self._path, 0o644)

    def jump(self, seconds):
        with open(self._path, "r+b") as file:
            file.write(struct.pack("q", seconds))

    @contextlib.contextmanager
    def within(self):
        before = dict(os.environ)
        # A sanitizer's library would have to come first.
        options = f"{before.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"
        os.environ.update(LD_PRELOAD=self._library, WALL_CLOCK_FILE=self._path, ASAN_OPTIONS=options)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


class ClocksAndLosses(Witnessed):
    SETTINGS = "wal_retrieve_retry_interval = 200ms\n"

    def test_wall_clocks_jump(self):
        """On the servers and on the hosts, by an hour and by days: nothing is answered otherwise, nothing
        fails, no replica counts as late or as another one, and absence is proven as before."""
        directory = tempfile.mkdtemp(prefix="wall-clock-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        clocks = {name: WallClock(directory, name) for name in ("primary", "standby", "host")}
        self.begin("standby")
        for server in (self.servers.standby, self.primary):
            server.stop()
        for server in (self.primary, self.servers.standby):
            with clocks[server.name].within():
                server.start()
        with clocks["host"].within():
            hosts = self.listed(self.primary, self.servers.standby, max_lag_ms=20000)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            for who, seconds in (("standby", HOUR), ("primary", -DAY), ("host", -DAY), ("standby", -30 * DAY),
                                 ("host", 30 * DAY), ("primary", HOUR)):
                clocks[who].jump(seconds)
                witness.wait_for_more(5)
                told = self.primary.value("SELECT extract(epoch FROM clock_timestamp())")
                if who == "primary":
                    self.assertAlmostEqual(float(told), time.time() + seconds, delta=60)
            for host in hosts:
                self.wait_proven(host)
            witness.wait_for_more(5)
        self.assertEqual({status for _, status, _ in witness.answers}, {200}, witness)
        for host in hosts:
            self.assertEqual([line.text for line in host.log if " is out" in line.text], [])

    def test_tail_of_the_wal_is_lost(self):
        """The primary's machine loses what it said it had flushed; its standby has replayed it. The primary
        writes on from there, on the same timeline: the standby is not its replica any more, also when the
        primary has passed it, and has been restarted then."""
        self.begin("standby")
        standby = self.servers.standby
        hosts = self.listed(self.primary, standby)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            self.primary.execute("CHECKPOINT")
            kept = self.primary.value("SELECT pg_current_wal_flush_lsn() - '0/0'")
            file = self.primary.value("SELECT pg_walfile_name(pg_current_wal_flush_lsn())")
            witness.wait_for_more()
            self.go_ahead(self.primary)
            self.servers.wait_caught_up()
            witness.write_to(None)
            self.primary.stop("immediate")
            # Some of what it has acknowledged is gone, and nobody on the primary's history has it.
            witness.forget()
            path = os.path.join(self.primary.data, "pg_wal")
            with open(os.path.join(path, file), "r+b") as wal:
                wal.seek(int(kept) % SEGMENT)
                wal.write(bytes(SEGMENT - int(kept) % SEGMENT))
            for later in os.listdir(path):
                if len(later) == len(file) and later > file:
                    os.unlink(os.path.join(path, later))
            self.primary.start()
            self.assertLess(self.primary.value("SELECT pg_current_wal_flush_lsn() - '0/0'"),
                            standby.value("SELECT pg_last_wal_replay_lsn() - '0/0'"))
            witness.write_to(self.primary)
            for host in hosts:
                self.wait_out(host, "server.b", "replayed more than the primary has written")
            witness.wait_for_more()
            run, since = self.acknowledged(self.primary)
            self.history.snapshot(run)
            self.history.write(self.primary)
            floors = [host.lookup(run, since).headers["x-read-position"] for host in hosts]
            self.go_ahead(self.primary, 4)  # past the standby, whose position is above these now
            witness.wait_for_more()
            witness.write_to(None)
            self.primary.stop()
            self.primary.start()
            witness.write_to(self.primary)
            witness.wait_for_more()
            for host, floor in zip(hosts, floors):
                for _ in range(10):
                    answer = host.lookup(run, since, position=floor)
                    self.assertEqual((answer.status, len(answer.json["snapshots"])), (200, 1), answer)
                self.assertEqual([line.text for line in host.log if "server.b is a replica" in line.text][1:], [])
        self.assertEqual({by for _, status, by in witness.answers if status == 404}, set())

    def test_host_is_suspended_during_a_failover(self):
        """The old primary is not fenced. What a host has heard before it slept says nothing of now: it asks
        before it takes a miss for the truth, however long the heir takes to answer. One of the hosts has
        nobody but the old primary to read, one has also a standby that still follows that."""
        self.begin("b", "c")
        heir, third = self.servers.standbys
        with Relay(heir) as far:
            settings = {f"server.{name}": {"conninfo": server.conninfo()}
                        for name, server in zip("abc", (self.primary, far, third))}
            hosts = [self.host(policy=policy, settings=settings)
                     for policy in ({"policy": "primary_only"}, BRIEF[0])]
            for host in hosts:
                wait_for(lambda one=host: self.made_up(one).status == 404, "the host to decide")
            self.servers.wait_caught_up()
            far.delay(0.1)
            for host in hosts:
                host.signal(signal.SIGSTOP)
            heir.promote()
            rows = [self.acknowledged(heir) for _ in range(10)]
            time.sleep(6)
            asked = [host.begin_lookup(*row) for host in hosts for row in rows]
            for host in hosts:
                host.signal(signal.SIGCONT)
            self.assertLessEqual({each.result().status for each in asked}, {200, 503})
            self.primary.stop()
            for host in hosts:
                wait_for(lambda one=host: one.lookup(*rows[0]).status == 200, "the heir")

    def test_commits_that_a_crash_has_undone(self):
        """With synchronous_commit = off the last ones were acknowledged and never written: nobody has them.
        What was passed on as a position then lies ahead of all there is."""
        self.begin("standby", settings="synchronous_commit = off\nwal_writer_delay = 10s\n")
        hosts = self.listed(self.primary, self.servers.standby)
        run, since = self.acknowledged(self.primary)
        self.primary.execute("SET synchronous_commit = on")
        self.servers.wait_caught_up()
        self.primary.execute("RESET synchronous_commit")
        lost_run, lost = self.acknowledged(self.primary)
        floors = []
        for host in hosts:
            answer = host.lookup(lost_run, lost)
            self.assertEqual((answer.status, answer.served_by), (200, "primary"))
            floors.append(answer.headers["x-read-position"])
        self.primary.kill9()
        self.primary.start()
        table = '"TaskRunExecutionSnapshot"'
        self.assertEqual(self.primary.value(f"SELECT count(*) FROM {table} WHERE id = %s", (lost,)), 0)
        for host, floor in zip(hosts, floors):
            wait_for(lambda one=host: self.made_up(one).status == 404, "the host to decide")
            self.assertEqual(host.lookup(lost_run, lost).status, 404)
            self.assertEqual(host.lookup(run, since).status, 200)
            answer = host.lookup(run, since, position=floor)
            self.assertEqual((answer.status, answer.served_by), (200, "primary"))
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
        self.primary.execute("SET synchronous_commit = on")  # what was inserted is flushed, too
        for host in hosts:
            self.wait_proven(host, self.servers.commit_something)

    @campaign
    def test_standby_comes_back_from_a_backup_of_before(self):
        """Under the same address, after a failover: from a base backup of the old timeline, once one that can
        follow the new primary, and once one that the old one made when it was alone."""
        self.begin("b", "c")
        b, c = self.servers.standbys
        hosts = self.listed(self.primary, b, c)
        before, alone = (os.path.join(self.servers.directory, name) for name in ("before", "alone"))

        def take_backup(path):
            # pylint: disable=protected-access
            self.servers._run("pg_basebackup", "--no-sync", "--checkpoint=fast", "--wal-method=stream",
                              "--no-manifest", "--write-recovery-conf", "--pgdata", path,
                              "--dbname", self.primary.conninfo())

        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            take_backup(before)
            witness.wait_for_more()
            witness.write_to(None)
            self.servers.wait_caught_up()
            b.stop()  # it is promoted where it is now, and the old primary goes on
            c.stop()
            self.go_ahead(self.primary, 3)
            take_backup(alone)
            self.primary.kill9()
            b.start()
            self.servers.fail_over(b)
            witness.write_to(b)
            for path in (before, alone):
                c.stop()
                shutil.rmtree(c.data)
                shutil.move(path, c.data)
                c.start()
                c.follow(b)
                witness.wait_for_more()
                if path == before:
                    self.servers.wait_caught_up(c)
                    b.execute("CHECKPOINT")
                    for host in hosts:
                        self.wait_proven(host, lambda: c.execute("CHECKPOINT"))
                witness.wait_for_more()
            self.go_ahead(b, 6)  # past what the other one has replayed of its own
            witness.wait_for_more(20)
            proven = [host.counters().get("proven_absent", 0) for host in hosts]
            for host in hosts:
                self.assertEqual(self.made_up(host).status, 404)
            self.assertEqual([host.counters().get("proven_absent", 0) for host in hosts], proven)


if __name__ == "__main__":
    unittest.main()
