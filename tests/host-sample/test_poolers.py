#!/usr/bin/python3
"""Poolers between the host and its servers: one that greets with what is no longer true, one that
forgets settings, one that is paused, restarted and led to other servers under the host's links; and those
that are refused."""

import functools
import itertools
import os
import time
import unittest

import pgpool
from bouncer import PROGRAM, PgBouncer, forgets_sessions
from clients import Asking
from host import Host
from lookup_case import LookupCase, module_cluster
from testbed import wait_for

UNPREPARED = {name: {"prepared": "no"} for name in ("primary", "replica")}
READ_INDEX = {"policy": "read_index", "max_wait_ms": 2000, "on_replica_failure": "primary"}

cluster = None
history = None


def setUpModule():
    global cluster, history
    if not os.path.exists(PROGRAM):
        raise unittest.SkipTest("pgbouncer is not installed")
    cluster, history = module_cluster("standby", "heir")


class Poolers(LookupCase):
    def setUp(self):
        self.begin_with_a_run(cluster, history)

    def made_up(self, host):
        return host.lookup(history.new_id(), history.new_id())

    def fresh(self, host):
        run = history.new_run()
        snapshot = history.snapshot(run)
        history.write(cluster.primary)
        return host.lookup(run, snapshot["id"])

    def ask_for_both(self, host, may_be):
        self.assertIn(host.lookup(self.run_id, self.life[0]["id"]).status, may_be)
        self.assertIn(self.fresh(host).status, may_be)

    def test_settings_that_a_pooler_forgets(self):
        """Nothing is proven where the isolation that the host has set is gone."""
        cluster.primary.execute("ALTER ROLE postgres SET default_transaction_isolation ="
                                " 'repeatable read'")
        self.addCleanup(cluster.primary.execute, "ALTER ROLE postgres RESET"
                        " default_transaction_isolation")
        cluster.wait_caught_up()
        with PgBouncer(cluster.standby, *forgets_sessions()) as bouncer, \
                Host(cluster.primary, [bouncer], policy=READ_INDEX, settings=UNPREPARED) as host:
            host.wait_for_links("primary", "replica")
            for _ in range(10):
                self.assertEqual(self.made_up(host).served_by, "primary")
                self.assertEqual(self.fresh(host).status, 200)
            self.assertEqual(host.counters().get("proven_absent", 0), 0)

    def test_prepared_statements_that_a_pooler_loses(self):
        """No answer is wrong, few are right, and the log names the key."""
        with PgBouncer(cluster.standby, *forgets_sessions()) as bouncer, \
                Host(cluster.primary, [bouncer], policy=READ_INDEX,
                     settings={"limits": {"lookup_timeout_ms": 500}}) as host:
            host.wait_for_links("primary")
            host.wait_for_log(lambda line: "needs prepared = no" in line.text, "what to do")
            for _ in range(3):
                self.assertIn(self.made_up(host).status, (404, 503))
                self.assertIn(self.fresh(host).status, (200, 503))

    def test_commands_of_its_console(self):
        """Whatever it does to connections, nobody is told that a row is not there, and all is well as
        soon as it lets statements through again."""
        again = "server_login_retry = 1"
        with PgBouncer(cluster.primary, again) as first, PgBouncer(cluster.standby, again) as second, \
                Host(first, [second], policy=READ_INDEX, settings=UNPREPARED) as host:
            host.wait_for_links("primary", "replica")
            self.wait_well(host)
            with Asking(functools.partial(self.ask_for_both, host, (200, 503))):
                for bouncer in (first, second):
                    for commands in (("PAUSE", "RESUME"), ("RECONNECT",),
                                     ("KILL postgres", "RESUME postgres")):
                        for command in commands:
                            bouncer.command(command)
                            time.sleep(0.2)  # how long each lasts
                        self.wait_well(host)

    def test_other_servers_under_its_links(self):
        """In every mode, whether statements are prepared or not: one standby is late, and what it lacks
        is not told to be absent for what the other one has replayed."""
        late = cluster.standbys[1]
        for mode, prepared in itertools.product(("transaction", "session"), ("yes", "no")):
            with self.subTest(mode=mode, prepared=prepared), \
                    PgBouncer(cluster.standby, mode=mode) as bouncer, \
                    Host(cluster.primary, [bouncer], policy={**READ_INDEX, "max_wait_ms": 50},
                         settings={"replica": {"prepared": prepared}}) as host:
                host.wait_for_links("primary", "replica")
                late.pause_replay()
                with Asking(functools.partial(self.ask_for_both, host, (200,))) as asking:
                    for _ in range(3):
                        for server in (late, cluster.standby):
                            bouncer.lead_to(server)
                            asking.wait_for_more()
                late.resume_replay()
                wait_for(lambda: self.made_up(host).served_by == "replica_retry",
                         "absence to be proven")

    def assert_refused(self, pooler, why):
        """With one line now and then, however often it is dialled, and no answer through it."""
        with Host(settings={"server.a": {"conninfo": pooler.conninfo(), "prepared": "no"}},
                  policy=READ_INDEX) as host:
            line = host.wait_for_log(lambda one: why in one.text, "the refusal")
            wait_for(lambda: host.metrics().value("snapshot_host_connect_failures_total",
                                                  server="server.a") >= 6, "more attempts")
            self.assertEqual(line.level, "WARN")
            self.assertEqual(sum(why in one.text for one in host.log), 1)
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)

    def test_pgbouncer_in_statement_mode_is_refused(self):
        with PgBouncer(cluster.primary, mode="statement") as bouncer:
            self.assert_refused(bouncer, "not allowed in statement pooling mode")

    @unittest.skipUnless(pgpool.PROGRAM, "pgpool2 is not installed")
    def test_a_balancer_by_statement_is_refused(self):
        with pgpool.Pgpool(cluster.primary, cluster.standby) as balancer:
            self.assert_refused(balancer, "the statements of one transaction meet several servers")

    def wait_well(self, host):
        wait_for(lambda: self.made_up(host).served_by == "replica_retry", "absence to be proven",
                 every_s=0.05)
        wait_for(lambda: host.lookup(self.run_id, self.life[0]["id"]).served_by == "replica",
                 "the replica to be read", every_s=0.05)

    def test_greeting_of_a_server_that_was_promoted(self):
        """The pooler goes on saying in_hot_standby = on; what the server itself says decides."""
        heir = cluster.standbys[1]
        with PgBouncer(heir, "server_lifetime = 3600") as bouncer, \
                Host(bouncer, [cluster.standby], policy=READ_INDEX, settings=UNPREPARED) as host:
            bouncer.connect().close()
            host.wait_for_links("replica")
            # An expected primary that is a standby serves as a replica.
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 200)
            self.assertEqual(self.made_up(host).status, 503)
            cluster.primary.kill9()
            heir.promote()
            wait_for(lambda: self.made_up(host).status == 404, "the promoted server to be the primary")
            answer = host.lookup(self.run_id, self.life[0]["id"])
            self.assertEqual(answer.status, 200, answer)
        # The next test gets its own servers.
        cluster.destroy()
        setUpModule()


if __name__ == "__main__":
    unittest.main()
