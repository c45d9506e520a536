#!/usr/bin/python3
"""Servers that change under a host that lists them as [server.x]: roles swapped, a crash, another system in
the place of the first, a standby that only reads an archive, connections that are closed when idle."""

import collections
import os
import shutil
import threading
import time
import unittest

import psycopg2

from fact_case import TO_PRIMARY, Facts
from host import Host
from relay import Relay
from testbed import wait_for

ARCHIVE = "archive_mode = on\narchive_command = 'cp %p {directory}/%f'\nmax_wal_senders = 10\n"


class Traffic:
    """Lookups of rows that the primary has just acknowledged, in a thread."""

    def __init__(self, host, history, primary):
        self.primary = primary
        self.answers = collections.Counter()
        self._host, self._history = host, history
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(0.02):
            run = self._history.new_run()
            snapshot = self._history.snapshot(run)
            try:
                self._history.write(self.primary)
            except psycopg2.Error:
                self.answers["not written"] += 1
                continue
            self.answers[self._host.lookup(run, snapshot["id"]).status] += 1

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.answers


class Changes(Facts):
    def begin(self, *standbys, settings=""):
        self.servers = self.cluster(*standbys, settings=settings)

    def listed(self, **servers):
        host = Host(policy=TO_PRIMARY, settings={"server." + name: {"conninfo": server.conninfo()}
                                             for name, server in servers.items()}).start()
        self.addCleanup(host.kill)
        wait_for(lambda: self.made_up(host).status == 404, "the host to decide")
        return host

    def fresh(self, host, primary):
        return host.lookup(*self.acknowledged(primary))

    def test_roles_are_swapped(self):
        """As for maintenance, by hand: the primary is stopped, the standby promoted, and the old primary
        comes back as its standby. Twice, back and forth."""
        self.begin("other")
        first, second = self.servers.primary, self.servers.standby
        host = self.listed(a=first, b=second)
        self.wait_proven(host)
        for old, new in ((first, second), (second, first)):
            row = self.acknowledged(old)
            old.stop()
            new.promote()
            wait_for(lambda: self.made_up(host).status == 404, "the new primary to be followed")
            self.assertEqual(host.lookup(*row).status, 200)
            old.become_standby(new)
            old.start()
            new.execute("CHECKPOINT")
            self.wait_proven(host, lambda old=old: old.execute("CHECKPOINT"))
            self.assertEqual({self.fresh(host, new).status for _ in range(10)}, {200})
        self.assertEqual(host.metrics().value("snapshot_host_split"), 0)

    def test_primary_crashes_and_recovers(self):
        self.begin("other")
        host = self.listed(a=self.servers.primary, b=self.servers.standby)
        traffic = Traffic(host, self.history, self.servers.primary)
        try:
            for _ in range(2):
                self.servers.primary.kill9()
                time.sleep(0.3)
                self.servers.primary.start()
                found = traffic.answers[200]
                wait_for(lambda found=found: traffic.answers[200] > found + 2, "rows to be found again")
                wait_for(lambda: self.made_up(host).status == 404, "the primary to be asked again")
        finally:
            answers = traffic.stop()
        self.assertNotIn(404, answers)
        self.wait_proven(host)

    def test_connections_are_closed_when_idle(self):
        """By the servers, time and again: each is dialled anew, and no lookup is lost."""
        self.begin("other")
        if self.servers.major < 14:
            self.skipTest("no idle_session_timeout before PostgreSQL 14")
        for server in (self.servers.primary, self.servers.standby):
            server.execute("ALTER SYSTEM SET idle_session_timeout = '1200ms'")
            server.execute("SELECT pg_reload_conf()")
            server.disconnect()
        host = self.listed(a=self.servers.primary, b=self.servers.standby)
        until = time.monotonic() + 4
        answers = collections.Counter()
        while time.monotonic() < until:
            answers[self.fresh(host, self.servers.primary).status] += 1
            time.sleep(0.3)
        self.assertEqual(set(answers), {200}, host.log[-10:])
        host.wait_for_log(lambda line: "idle-session timeout" in line.text, "a link to be closed")

    def test_archive_only_standby(self):
        """It never streams, so it may restore what its primary has lost, and it proves nothing; what
        it has counts."""
        self.begin("other", settings=ARCHIVE)
        standby = self.servers.standby
        standby.execute("ALTER SYSTEM SET restore_command = %s",
                        (f"cp {self.servers.directory}/%f %p",))
        standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
        standby.stop()  # before version 14 it reads restore_command only as it starts
        standby.start()
        row = self.acknowledged(self.servers.primary)
        end = self.servers.commit_something()
        self.servers.primary.execute("SELECT pg_switch_wal()")
        wait_for(lambda: standby.has_replayed(end), "it to replay from the archive")
        host = self.listed(a=self.servers.primary, b=standby)
        self.assertEqual(host.lookup(*row).served_by, "replica")
        for _ in range(10):
            self.assert_error(self.made_up(host), 404, "primary")
            self.assertEqual(self.fresh(host, self.servers.primary).served_by, "primary")
        host.wait_for_log(lambda line: "does not stream" in line.text, "why it proves nothing")
        self.assertEqual(host.counters().get("proven_absent", 0), 0)

    def test_another_system_takes_its_place(self):
        """As after an upgrade by dump and restore: both servers are new, at the same addresses."""
        self.begin("other")
        first, second = self.servers.primary, self.servers.standby
        newer = self.cluster("other")
        settings = {"primary": {"conninfo": first.conninfo()}, "replica": {"conninfo": second.conninfo()}}
        expecting = Host(policy=TO_PRIMARY, settings=settings).start()
        self.addCleanup(expecting.kill)
        hosts = [expecting, self.listed(a=first, b=second)]
        for host in hosts:
            self.wait_proven(host)
        for old, new in ((second, newer.standby), (first, newer.primary)):
            old.stop()
            new.stop()
            shutil.rmtree(old.data)
            os.rename(new.data, old.data)
        first.start()
        second.become_standby(first)
        second.start()
        for host in hosts:
            wait_for(lambda host=host: self.made_up(host).status == 404, "the new system to be known")
            self.wait_proven(host)
            self.assertEqual({self.fresh(host, first).status for _ in range(10)}, {200})
            host.wait_for_log(lambda line: "another system than before" in line.text, "a line about that")

    def test_a_name_that_leads_to_two_systems(self):
        """By turns, as after a move to another system while the old one is still there: nobody can say
        which of them counts, and their timelines' numbers tell nothing."""
        self.begin()
        old = self.servers.primary
        newer = self.cluster("heir")
        newer.primary.stop()
        newer.fail_over(newer.standby)
        with Relay(old) as name:
            settings = {"primary": {"conninfo": name.conninfo()}}
            host = Host(policy={"policy": "primary_only"}, settings=settings).start()
            self.addCleanup(host.kill)
            for leads_to in (old, newer.primary, old, newer.primary):
                name.lead_to(leads_to)
                host.wait_for_links("primary")
                wait_for(lambda: self.fresh(host, leads_to).status == 200, "it to be led there")
            self.assert_error(self.made_up(host), 503)
            self.assert_error(self.fresh(host, old), 503)
            host.wait_for_log(lambda line: "leads to two primaries" in line.text, "a line about that")


if __name__ == "__main__":
    unittest.main()
