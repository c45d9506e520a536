#!/usr/bin/python3
"""WAIT FOR LSN, on real servers: one wait in place of many questions, and no answer the worse for it.

From PostgreSQL 19 on; with older servers there is nothing to test here, and this says so.
"""

import unittest

from cluster import postgres_binaries
from lookup_case import ClusterCase, module_cluster
from testbed import wait_for

FIRST_WITH_WAITS = 19
READ_INDEX = {"policy": "read_index", "max_wait_ms": 3000, "on_replica_failure": "primary"}

cluster = None
history = None


def setUpModule():
    global cluster, history
    if postgres_binaries()[1] < FIRST_WITH_WAITS:
        raise unittest.SkipTest("WAIT FOR LSN came with PostgreSQL 19")
    cluster, history = module_cluster("standby", "second")


def is_waiting(server):
    """Whether some client of the server waits for a position there."""
    return server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                        " AND query LIKE 'WAIT FOR LSN %'") > 0


class Waits(ClusterCase):
    def write_row(self):
        run, life = self.write_life()
        return run, life[4]["id"]

    def begin_lookup_that_waits(self, host, server):
        """A lookup of a new row, of which the server, whose replay is paused, keeps the host waiting. The
        first wait finds no link for it yet, so that the position is asked for, for a second."""
        run, since = self.write_row()
        future = host.begin_lookup(run, since)
        wait_for(lambda: is_waiting(server), "a wait")
        self.assertFalse(future.done())
        return future, run, since

    @staticmethod
    def counted(host, name):
        return int(host.metrics().value(f"snapshot_host_{name}_total"))

    def paused_until_waiting(self, host, server):
        """The same, with the replay paused before it."""
        server.pause_replay()
        return self.begin_lookup_that_waits(host, server)

    def resume_and_see_found(self, future, run, since):
        cluster.standby.resume_replay()
        self.assert_found(future.result(), history.rows(), run, since, "replica_retry")

    def test_one_wait_takes_the_place_of_many_questions(self):
        with self.host({**READ_INDEX, "max_wait_ms": 1100}) as host:
            self.resume_and_see_found(*self.paused_until_waiting(host, cluster.standby))
            for _ in range(3):
                before = [self.counted(host, name) for name in ("position_polls", "cluster_waits")]
                future, run, since = self.paused_until_waiting(host, cluster.standby)
                self.resume_and_see_found(future, run, since)
                # What the cluster has counted is shown a moment later.
                wait_for(lambda waits=before[1]: self.counted(host, "cluster_waits") > waits,
                         "the wait to be counted")
                after = [self.counted(host, name) for name in ("position_polls", "cluster_waits")]
                self.assertLess(after[0] - before[0], 10, "the position was asked for all the same")
                self.assertIn(after[1] - before[1], (1, 2, 3))

    def test_longer_than_a_wait_may_last(self):
        with self.host(READ_INDEX) as host:
            self.resume_and_see_found(*self.paused_until_waiting(host, cluster.standby))
            waits = self.counted(host, "cluster_waits")
            polls = self.counted(host, "position_polls")
            future, run, since = self.paused_until_waiting(host, cluster.standby)
            wait_for(lambda: self.counted(host, "cluster_waits") > waits + 1, "the second wait")
            self.assertFalse(future.done())
            wait_for(lambda: self.counted(host, "position_polls") > polls, "questions in between")
            self.resume_and_see_found(future, run, since)

    def test_absence_is_proven_after_a_wait(self):
        with self.host(READ_INDEX) as host:
            self.resume_and_see_found(*self.paused_until_waiting(host, cluster.standby))
            cluster.standby.pause_replay()
            run, _ = self.write_row()
            future = host.begin_lookup(run, history.new_id())
            wait_for(lambda: is_waiting(cluster.standby), "a wait")
            cluster.standby.resume_replay()
            self.assert_error(future.result(), 404, "replica_retry")
            self.assertEqual(host.counters()["proven_absent"], 1)

    def test_a_role_without_a_connection_for_waits(self):
        """Positions are asked for, no lookup fails, and a line says why."""
        for statement in ("CREATE ROLE counted LOGIN IN ROLE pg_monitor CONNECTION LIMIT 1",
                          "GRANT SELECT ON ALL TABLES IN SCHEMA public TO counted"):
            cluster.primary.execute(statement)
        cluster.wait_caught_up()
        settings = {name: {"conninfo": server.conninfo(user="counted"), "links": 1}
                    for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        with self.host(READ_INDEX, settings=settings) as host:
            cluster.standby.pause_replay()
            run, since = self.write_row()
            future = host.begin_lookup(run, since)
            wait_for(lambda: self.counted(host, "position_polls") > 10, "questions")
            self.resume_and_see_found(future, run, since)
            host.wait_for_log(lambda line: "no link for waits" in line.text
                              and "too many connections for role" in line.text, "why there is no wait")

    def see_questions_after(self, host, end):
        """A function of the server ends the wait: the position is asked for, and no lookup fails."""
        future, run, since = self.paused_until_waiting(host, cluster.standby)
        polls = self.counted(host, "position_polls")
        cluster.standby.execute(f"SELECT {end}(pid) FROM pg_stat_activity"
                                " WHERE query LIKE 'WAIT FOR LSN %' AND state = 'active'")
        wait_for(lambda: self.counted(host, "position_polls") > polls, "questions")
        self.assertFalse(future.done())
        self.resume_and_see_found(future, run, since)

    def test_cancelled_waits_give_way_to_questions(self):
        with self.host(READ_INDEX) as host:
            self.see_questions_after(host, "pg_cancel_backend")

    def test_a_lost_wait_fails_no_lookup(self):
        with self.host(READ_INDEX) as host:
            self.see_questions_after(host, "pg_terminate_backend")
            # It is dialled anew, and used again.
            self.resume_and_see_found(*self.paused_until_waiting(host, cluster.standby))

    def test_a_standby_that_dies_meanwhile(self):
        with self.host(READ_INDEX) as host:
            future, run, since = self.paused_until_waiting(host, cluster.standby)
            cluster.standby.kill9()
            self.assert_found(future.result(), history.rows(), run, since, "primary")
            cluster.standby.start()

    def test_zz_a_replica_that_is_promoted_meanwhile(self):
        """Its wait ends with "not in recovery". It is no replica any more, and what it lacks is not
        absent. The last test here: the second standby is gone afterwards."""
        promoted = cluster.standbys[1]
        with self.host(READ_INDEX, replicas=[promoted]) as host:
            self.resume_second(promoted, host)
            promoted.execute("ALTER SYSTEM SET primary_conninfo = ''")
            promoted.execute("SELECT pg_reload_conf()")
            wait_for(lambda: promoted.value("SELECT count(*) FROM pg_stat_wal_receiver") == 0,
                     "the receiver to stop")
            future, run, since = self.begin_lookup_that_waits(host, promoted)
            promoted.promote()
            self.assertNotEqual(future.result().status, 404)
            # It writes a history of its own, far beyond the position that was awaited.
            for _ in range(20):
                promoted.execute("SELECT pg_logical_emit_message(true, '', repeat('x', 10000))")
            for _ in range(20):
                self.assertNotEqual(host.lookup(run, since).status, 404)
                run, since = self.write_row()

    def resume_second(self, server, host):
        future, run, since = self.paused_until_waiting(host, server)
        server.resume_replay()
        self.assert_found(future.result(), history.rows(), run, since, "replica_retry")


if __name__ == "__main__":
    unittest.main()
