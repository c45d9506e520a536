#!/usr/bin/python3
"""What operators do to clusters, rightly or by mistake: two standbys promoted at once, two failovers in a
row, a primary that hangs and comes back, copies of a data directory, recovery to a point in time, logical
replicas, hosts' names that lead to either server.

A witness commits on the true primary all the while, and asks for its rows through a host with when = miss
and one with when = always. A 404 for one of them is never right.
"""

import os
import unittest

from fact_case import BRIEF, Witnessed, campaign
from host import Host
from relay import Relay, RoundRobin
from testbed import wait_for


class Lineages(Witnessed):
    SETTINGS = "wal_log_hints = on\nmax_wal_senders = 10\nwal_retrieve_retry_interval = 200ms\n"

    @staticmethod
    def splits(host):
        return host.metrics().value("snapshot_host_split")

    def sign(self, server, name):
        """Writes a signal file into a stopped server's directory."""
        path = os.path.join(server.data, name)
        with open(path, "w", encoding="ascii"):
            pass
        self.servers.account.own(path)

    @staticmethod
    def configure(server, text):
        with open(os.path.join(server.data, "postgresql.auto.conf"), "a", encoding="ascii") as file:
            file.write(text)

    def prove_again(self, hosts, *standbys):
        """Restart points move the standbys' timelines; then no primary is needed to know."""
        self.servers.primary.execute("CHECKPOINT")
        for host in hosts:
            self.wait_proven(host, lambda: [each.execute("CHECKPOINT") for each in standbys])

    def test_two_standbys_are_promoted(self):
        """Both are timeline 2 then. Nothing tells which one counts until one is gone."""
        self.begin("b", "c")
        b, c = self.servers.standbys
        hosts = self.listed(self.primary, b, c)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            witness.write_to(None)
            self.servers.wait_caught_up()
            self.primary.kill9()
            for each in (b, c):
                each.promote()
                self.go_ahead(each)
            for host in hosts:
                wait_for(lambda one=host: self.splits(one) == 1, "the split to be seen")
                self.assert_error(self.made_up(host), 503)
            witness.write_to(b)
            wait_for(lambda: any(status == 503 for _, status, _ in list(witness.answers)), "honest errors")
            for host in hosts:  # the operator decides
                settings = {**host.settings, "server.c": {**host.settings["server.c"], "state": "off"}}
                host.reload(settings=settings)
                wait_for(lambda one=host: self.splits(one) == 0, "the split to be over")
            c.kill9()
            witness.wait_for_more()
            for host in hosts:
                wait_for(lambda one=host: self.made_up(one).status == 404, "the one that is left")

    @campaign
    def test_a_name_that_leads_to_two_primaries(self):
        """A balancer takes both of two that were promoted for the primary."""
        self.begin("b", "c")
        b, c = self.servers.standbys
        self.primary.kill9()
        for each in (b, c):
            each.promote()
            self.go_ahead(each)
        with RoundRobin(b, c) as balancer:
            host = Host(policy=BRIEF[0], settings={
                "server.a": {"conninfo": balancer.conninfo(), "links": 4}}).start()
            self.addCleanup(host.kill)
            balancer.delay(0.01)  # or one link would do for all

            def ask():
                return [host.begin_lookup(*self.acknowledged(b)) for _ in range(20)]

            wait_for(lambda: [each.result() for each in ask()] and self.splits(host) == 1,
                     "the split to be seen")
            statuses = {each.result().status for each in ask()}
            self.assertLessEqual(statuses, {200, 503})
            self.assert_error(self.made_up(host), 503)
            host.wait_for_log(lambda line: "leads to two primaries" in line.text, "the split to be told")

    @campaign
    def test_two_failovers_in_a_row(self):
        """A standby that is late follows both: its position is a number of the first timeline while the
        primary is on the third."""
        self.begin("b", "c", "late")
        b, c, late = self.servers.standbys
        hosts = self.listed(self.primary, b, c, late)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            late.pause_replay()
            witness.wait_for_more()
            for heir, others in ((b, (c, late)), (c, (late,))):
                witness.write_to(None)
                self.servers.wait_caught_up(*(it for it in (b, c) if it in self.servers.standbys))
                self.servers.primary.kill9()
                self.servers.fail_over(heir)
                for other in others:
                    other.follow(heir)
                witness.write_to(heir)
                witness.wait_for_more()
            late.resume_replay()
            witness.wait_for_more()
            wait_for(lambda: late.value("SELECT max(received_tli) FROM pg_stat_wal_receiver") == 3,
                     "the late one to follow")
            self.prove_again(hosts, late)
            witness.wait_for_more()

    def test_primary_that_hangs_and_comes_back(self):
        """Another one was promoted meanwhile, and connections to the first were never closed."""
        self.begin("b", "c")
        b, c = self.servers.standbys
        hosts = self.listed(self.primary, b, c)
        old = self.primary
        with self.witness(*hosts) as witness:
            witness.write_to(old)
            witness.wait_for_more()
            witness.write_to(None)
            self.servers.wait_caught_up()
            old.freeze()
            b.promote()
            c.follow(b)
            self.servers.succeed(b)
            witness.write_to(b)
            witness.wait_for_more()
            old.thaw()
            for host in hosts:
                self.wait_out(host, "server.a", "deposed")
                wait_for(lambda one=host: self.splits(one) == 1, "the split to be seen")
                self.assert_error(self.made_up(host), 503)  # who knows what the old one was told
            witness.wait_for_more()
            old.kill9()
            self.servers.rewind(old)
            for host in hosts:
                wait_for(lambda one=host: self.splits(one) == 0, "the split to be over")
            witness.wait_for_more()
            self.prove_again(hosts, c, old)
            witness.wait_for_more()
            self.assertEqual([self.splits(host) for host in hosts], [0, 0])

    def test_heir_whose_connections_are_lost_at_once(self):
        """It has told of its promotion in one answer, and the question that is to confirm it is lost with
        the connections, as when a balancer restarts them. The host lives on, and finds it again."""
        self.begin("b")
        heir = self.servers.standby
        with Relay(heir) as relay:
            host, _ = self.listed(self.primary, relay)
            self.servers.wait_caught_up()
            self.primary.stop()
            relay.delay(0.5)
            heir.promote()
            host.wait_for_log(lambda line: "is the primary (timeline 2)" in line.text, "the promotion")
            relay.refuse()
            relay.cut()
            host.wait_for_log(lambda line: "link lost" in line.text and line.fields["server"] == "server.b",
                              "the loss")
            self.assertEqual(host.request("GET", "/healthz").status, 200)
            relay.delay(0)
            relay.pass_through()
            wait_for(lambda: self.made_up(host).status == 404, "the heir")

    @campaign
    def test_former_primary_is_rewound(self):
        """It went on for a while, and comes back as a standby of the one that was promoted."""
        self.begin("b")
        heir = self.servers.standby
        hosts = self.listed(self.primary, heir)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            witness.write_to(None)
            self.servers.wait_caught_up()
            heir.promote()  # while the old one runs: two primaries
            self.go_ahead(self.primary)
            witness.write_to(heir)
            self.primary.stop()
            old = self.servers.succeed(heir)
            witness.wait_for_more()
            self.servers.rewind(old)
            witness.wait_for_more()
            self.prove_again(hosts, old)
            witness.wait_for_more()

    @campaign
    def test_copy_of_the_data_directory(self):
        """A copy that was started as it is: the same system, the same timeline, and no standby."""
        self.begin("b")
        copy = self.servers.add_standby("copy")
        copy.stop()
        os.unlink(os.path.join(copy.data, "standby.signal"))
        self.servers.standbys.remove(copy)
        self.addCleanup(copy.stop, "immediate")
        hosts = self.listed(self.primary, self.servers.standby, copy)
        as_replica = Host(self.primary, [copy], policy=BRIEF[0]).start()
        self.addCleanup(as_replica.kill)
        with self.witness(*hosts, as_replica) as witness:
            witness.write_to(self.primary)
            wait_for(lambda: witness.found() > 50, "rows to be found")
            copy.start()
            self.go_ahead(copy, 4)
            for host in (*hosts, as_replica):
                name = "server.c" if host is not as_replica else "replica"
                host.wait_for_links(name)
            for host in hosts:
                wait_for(lambda one=host: self.splits(one) == 1, "the split to be seen")
                self.assert_error(self.made_up(host), 503)
            self.wait_out(as_replica, "replica", "expected to be a replica")
            copy.stop()
            for host in hosts:
                settings = {**host.settings, "server.c": {**host.settings["server.c"], "state": "off"}}
                host.reload(settings=settings)
            witness.wait_for_more()

    @campaign
    def test_recovery_that_stops_at_a_target(self):
        """A standby of yesterday, held at a point in time: what it has counts, what it lacks is asked of
        the primary, and it proves nothing."""
        archive = "archive_mode = on\narchive_command = 'cp %p {directory}/%f'\n"
        self.begin("held", settings=archive)
        held = self.servers.standby
        run, since = self.acknowledged(self.primary)
        self.servers.wait_caught_up()
        held.stop()
        target = self.primary.value("SELECT pg_create_restore_point('here')")
        self.primary.execute("SELECT pg_switch_wal()")
        wait_for(lambda: self.primary.value("SELECT archived_count FROM pg_stat_archiver"), "the archive")
        os.unlink(os.path.join(held.data, "standby.signal"))
        self.sign(held, "recovery.signal")
        self.configure(held, f"restore_command = 'cp {self.servers.directory}/%f %p'\n"
                       "recovery_target_name = 'here'\nrecovery_target_action = pause\n"
                       "primary_conninfo = ''\n")
        held.start()
        wait_for(lambda: held.has_replayed(target), "the target")
        hosts = self.listed(self.primary, held)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            self.assertEqual(hosts[0].lookup(run, since).served_by, "replica")
            self.assert_error(self.made_up(hosts[0]), 404, "primary")
        self.assertEqual(hosts[0].counters().get("proven_absent", 0), 0)

    @campaign
    def test_logical_replica(self):
        """It has the rows, but it is another system, and no standby."""
        self.begin(settings="wal_level = logical\n")
        other = self.cluster(settings="")
        tables = '"TaskRunExecutionSnapshot"'
        self.primary.execute(f"CREATE PUBLICATION p FOR TABLE {tables}")
        other.primary.execute(f"CREATE SUBSCRIPTION s CONNECTION '{self.primary.conninfo()}' PUBLICATION p")
        hosts = [self.host(self.primary, [other.primary], policy=policy) for policy in BRIEF]
        for host in hosts:
            self.wait_out(host, "replica", "another system")
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
        self.assertEqual({by for _, status, by in witness.answers if status == 200}, {"primary"})
        other.primary.execute("ALTER SUBSCRIPTION s DISABLE")

    @campaign
    def test_standby_that_refuses_at_first(self):
        """hot_standby = off, then on: it is found without a restart."""
        self.begin("b", settings="hot_standby = on\n")
        standby = self.servers.standby
        standby.stop()
        self.configure(standby, "hot_standby = off\n")
        standby.start(wait=False)
        hosts = self.listed(self.primary, standby)
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            standby.stop()
            self.configure(standby, "hot_standby = on\n")
            standby.start()
            for host in hosts:
                self.wait_proven(host)
            witness.wait_for_more()

    def test_a_name_that_leads_to_either(self):
        """[replica] is both servers, with target_session_attrs=prefer-standby: while the standby is away
        its links lead to the primary, which is no replica."""
        self.begin("b")
        standby = self.servers.standby

        class Either:
            """A conninfo of several hosts."""

            @staticmethod
            def conninfo(**more):
                ports = f"{standby.port},{self.primary.port}"
                return self.primary.conninfo(**{**more, "host": "127.0.0.1,127.0.0.1", "port": ports,
                                                "target_session_attrs": "prefer-standby"})

        hosts = [self.host(self.primary, [Either], policy=policy) for policy in BRIEF]
        with self.witness(*hosts) as witness:
            witness.write_to(self.primary)
            witness.wait_for_more()
            for _ in range(2):
                standby.kill9()
                for host in hosts:
                    self.wait_out(host, "replica", "out of recovery")
                    host.log.clear()
                witness.wait_for_more()
                standby.start()
                for host in hosts:
                    self.wait_proven(host)
                witness.wait_for_more()

    @campaign
    def test_a_name_of_both_whose_first_was_away(self):
        """Its connections lead to the standby then, and nobody ends them when the primary is back."""
        self.begin("b")
        ports = f"{self.primary.port},{self.servers.standby.port}"
        either = self.primary.conninfo(host="127.0.0.1,127.0.0.1", port=ports)
        host = self.host(policy=BRIEF[0], settings={"server.either": {"conninfo": either}})
        wait_for(lambda: self.made_up(host).status == 404, "the host to decide")
        self.primary.stop()
        host.wait_for_log(lambda line: "either is a replica" in line.text, "the standby")
        self.primary.start()
        wait_for(lambda: self.made_up(host).status == 404, "the primary", timeout_s=60)


if __name__ == "__main__":
    unittest.main()
