#!/usr/bin/python3
"""Lookups while a real standby lags: who answers, what, and what is counted and logged.

One primary with two standbys serves all scenarios, the second standby only where several replicas are
the point. Each scenario runs its own host, so that its counters start at 0 and the table statistics are
complete when it has ended.

Reads in a transaction have no test here: no request to the host runs in one. That they go to the
primary, without a retry and uncounted, is tested at the plugin's interface.
"""

import contextlib
import unittest

from host import APPLICATION, TOKEN, lookup_path
from lookup_case import NO_WAIT, ClusterCase, module_cluster
from raw_http import RawConnection, get
from testbed import wait_for

SHORT_WAIT = {"policy": "replica_then_primary", "replica_retry_min_ms": 1,
              "replica_retry_max_ms": 5}
# Long enough for a test to let the standby catch up in between, even on a busy machine.
LONG_WAIT = {"policy": "replica_then_primary", "replica_retry_min_ms": 700,
             "replica_retry_max_ms": 700}

cluster = None
history = None


def setUpModule():
    global cluster, history
    cluster, history = module_cluster("standby", "second")


class Scenario(ClusterCase):

    def write(self):
        history.write(cluster.primary)

    @contextlib.contextmanager
    def locked(self, *tables):
        """Locks tables on the primary, and by replay on the standbys, against all reads."""
        connection = cluster.primary.connect()
        try:
            connection.autocommit = False
            for table in tables:
                connection.cursor().execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
            cluster.commit_something()  # a lock's record is not flushed by itself
            yield
        finally:
            connection.close()

    @staticmethod
    def lookup_until_answered(host, run, snapshot):
        """Asks again until a server answers, like a client whose server comes back."""
        def attempt():
            answer = host.lookup(run, snapshot)
            return answer if answer.status != 503 else None
        return wait_for(attempt, "an answer other than 503")

    def scans_of_one_miss(self):
        """How many scans a read makes that finds no row."""
        with self.host({"policy": "replica_only"}) as host:
            host.lookup(history.new_run(), history.new_id())
        self.assertGreater(host.reads["standby"], 0)
        return host.reads["standby"]


class LaggingReplica(Scenario):
    """Lag of every length, under replica_then_primary."""

    def test_caught_up(self):
        run, life = self.known_everywhere()
        rows = history.rows()
        with self.host(SHORT_WAIT) as host:
            for snapshot in life:
                answer = host.lookup(run, snapshot["id"])
                self.assert_found(answer, rows, run, snapshot["id"], "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0, standby=True)
        self.assert_logged(host)

    def test_replica_never_gets_the_row(self):
        one_miss = self.scans_of_one_miss()
        run, life = self.known_to_primary()
        since = life[5]["id"]
        with self.host(SHORT_WAIT) as host:
            answer = host.lookup(run, since)
            self.assert_found(answer, history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_reads(host, primary=True, standby=2 * one_miss)
        self.assert_logged(host, ("WARN", None, run, since))

    def test_no_wait_is_too_short(self):
        """However busy the host is with other lookups during that time."""
        policy = {"policy": "replica_then_primary", "replica_retry_min_ms": 20,
                  "replica_retry_max_ms": 20}
        with self.host(policy) as host:
            answers = [host.begin_lookup(history.new_run(), history.new_id()) for _ in range(1000)]
            answers = [answer.result() for answer in answers]
        self.assertEqual({answer.status for answer in answers}, {404})
        self.assertGreaterEqual(min(answer.milliseconds for answer in answers), 20)

    def test_replica_catches_up_inside_the_wait(self):
        run, life = self.known_to_primary()
        since = life[3]["id"]
        with self.host(LONG_WAIT) as host:
            with host.until_read():
                future = host.begin_lookup(run, since)
            cluster.standby.resume_replay()
            answer = future.result()
            self.assert_found(answer, history.rows(), run, since, "replica_retry")
            self.assertGreaterEqual(answer.milliseconds, 700)
            self.assertEqual(host.counters(), {"replica_retry": 1})
        self.assert_reads(host, primary=0, standby=True)
        self.assert_logged(host)

    def test_lag_of_a_delayed_standby(self):
        """The same with the lag that operators know, where nobody resumes anything."""
        cluster.standby.apply_delay(300)
        life = history.life_of_a_run()
        run, since = life[0]["runId"], life[0]["id"]
        with self.host(LONG_WAIT) as host:
            self.write()
            answer = host.lookup(run, since)
            self.assert_found(answer, history.rows(), run, since, "replica_retry")
            self.assertEqual(host.counters(), {"replica_retry": 1})
        self.assert_reads(host, primary=0)
        self.assert_logged(host)

    def test_missing_on_both(self):
        run, life = self.known_everywhere()
        bogus = history.new_id()
        with self.host(SHORT_WAIT) as host:
            self.assert_error(host.lookup(run, bogus), 404, "primary")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=True, standby=True)
        self.assert_logged(host, ("ERROR", "primary_fallback", run, bogus))

    def test_client_that_leaves(self):
        """A client that does not wait for the retry costs nothing more: the primary is not read."""
        run, life = self.known_to_primary()
        since, bogus = life[0]["id"], history.new_id()
        with self.host(LONG_WAIT) as host:
            with RawConnection(host.port) as client, host.until_read():
                client.send(get(lookup_path(run, bogus), "authorization: Bearer " + TOKEN))
            # Another lookup, begun later, is done when the first one would have been.
            with host.until_read():
                future = host.begin_lookup(run, since)
            cluster.standby.resume_replay()
            self.assert_found(future.result(), history.rows(), run, since, "replica_retry")
            self.assertEqual(host.counters(), {"replica_retry": 1})
        self.assert_reads(host, primary=0)
        self.assert_logged(host)

    def test_stale_tail(self):
        """The replica has the since row but lacks the newest: its view is served."""
        run, life = self.known_everywhere()
        since, seen = life[6]["id"], history.rows()
        cluster.standby.pause_replay()
        history.snapshot(run, "FINISHED", "COMPLETED_SUCCESSFULLY")
        self.write()
        with self.host(SHORT_WAIT) as host:
            self.assert_found(host.lookup(run, since), seen, run, since, "replica")
            # And the next poll brings the rest.
            cluster.standby.resume_replay()
            cluster.wait_caught_up()
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        self.assert_logged(host)

    def test_snapshot_of_another_run(self):
        (run, _), (_, other) = self.known_everywhere(), self.known_everywhere()
        foreign = other[0]["id"]
        with self.host(SHORT_WAIT) as host:
            self.assert_error(host.lookup(run, foreign), 404, "primary")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=True)
        self.assert_logged(host, ("ERROR", "primary_fallback", run, foreign))

    def test_snapshot_of_another_environment(self):
        run, life = self.known_everywhere()
        since, mine = life[0]["id"], life[0]["environmentId"]
        with self.host(SHORT_WAIT) as host:
            answer = host.lookup(run, since, environment=mine)
            self.assert_found(answer, history.rows(), run, since, "replica", environment=mine)
            other = history.new_environment()
            self.assert_error(host.lookup(run, since, environment=other), 404, "primary")
            self.assertEqual(host.counters(), {})
        self.assert_logged(host, ("ERROR", "primary_fallback", run, since))

    def test_no_retry(self):
        """replica_retry_max_ms = 0: the primary at once, no second read of the replica."""
        one_miss = self.scans_of_one_miss()
        run, life = self.known_to_primary()
        since = life[4]["id"]
        with self.host(NO_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_reads(host, primary=True, standby=one_miss)
        self.assert_logged(host, ("WARN", None, run, since))


class OtherPolicies(Scenario):
    """The feature turned off, what there was before it, and no replica at all."""

    def test_primary_only(self):
        run, life = self.known_to_primary()
        since, bogus = life[0]["id"], history.new_id()
        with self.host({"policy": "primary_only"}) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assert_error(host.lookup(run, bogus), 404, "primary")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=True, standby=0)
        self.assert_logged(host, ("ERROR", None, run, bogus))

    def test_no_replica_configured(self):
        run, life = self.known_everywhere()
        since, bogus = life[0]["id"], history.new_id()
        policy = {**LONG_WAIT, "replica_retry_min_ms": 3000, "replica_retry_max_ms": 3000}
        with self.host(policy, replicas=[]) as host:
            answer = host.lookup(run, since)
            self.assert_found(answer, history.rows(), run, since, "primary")
            missing = host.lookup(run, bogus)
            self.assert_error(missing, 404, "primary")
            self.assertLess(missing.milliseconds, 3000, "a retry without a replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=True, standby=0)
        self.assert_logged(host, ("ERROR", None, run, bogus))

    def test_replica_only(self):
        known_run, known = self.known_everywhere()
        run, life = self.known_to_primary()
        since = life[0]["id"]
        with self.host({"policy": "replica_only"}) as host:
            self.assert_error(host.lookup(run, since), 404, "replica")
            answer = host.lookup(known_run, known[0]["id"])
            self.assert_found(answer, history.rows(), known_run, known[0]["id"], "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0, standby=True)
        self.assert_logged(host, ("ERROR", None, run, since))


class FailingReplica(Scenario):
    """A failure is not a miss: it is an error, and the primary is not read unless configured."""

    def test_replica_stopped(self):
        run, life = self.known_everywhere()
        since = life[0]["id"]
        with self.host(LONG_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            cluster.standby.stop("immediate")
            answer = host.lookup(run, since)
            self.assert_error(answer, 503)
            self.assertLess(answer.milliseconds, 3000)
            self.assertEqual(host.counters(), {})
            cluster.standby.start()
            answer = self.lookup_until_answered(host, run, since)
            self.assert_found(answer, history.rows(), run, since, "replica")
        self.assert_reads(host, primary=0)
        self.assertEqual({(line.level, line.failed_during) for line in host.lookup_log()},
                         {("ERROR", None)})

    def test_replica_away_from_the_start(self):
        run, life = self.known_everywhere()
        since = life[0]["id"]
        cluster.standby.stop("immediate")
        with self.host(SHORT_WAIT) as host:
            self.assert_error(host.lookup(run, since), 503)
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        self.assert_logged(host, ("ERROR", None, run, since))

    def test_primary_on_replica_failure(self):
        run, life = self.known_everywhere()
        since = life[0]["id"]
        cluster.standby.stop("immediate")
        with self.host({**SHORT_WAIT, "on_replica_failure": "primary"}) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {}, "never missed, so not counted")
        self.assert_reads(host, primary=True)
        self.assert_logged(host)

    def test_retry_fails(self):
        run, life = self.known_to_primary()
        since = life[0]["id"]
        with self.host(LONG_WAIT) as host:
            with host.until_read():
                future = host.begin_lookup(run, since)
            cluster.standby.kill9()
            self.assert_error(future.result(), 503)
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        self.assert_logged(host, ("ERROR", "replica_retry", run, since))

    def test_retry_fails_with_the_primary_allowed(self):
        run, life = self.known_to_primary()
        since = life[0]["id"]
        with self.host({**LONG_WAIT, "on_replica_failure": "primary"}) as host:
            with host.until_read():
                future = host.begin_lookup(run, since)
            cluster.standby.kill9()
            self.assert_found(future.result(), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1}, "after a miss it is counted")
        self.assert_reads(host, primary=True)
        self.assert_logged(host, ("WARN", None, run, since))

    def test_statement_timeout(self):
        """A read of the replica that does not end: blocked there by a lock that replay holds."""
        run, life = self.known_everywhere()
        since = life[0]["id"]
        with self.host(SHORT_WAIT, settings={"limits": {"lookup_timeout_ms": 300}}) as host:
            with self.locked("Waitpoint"):
                cluster.wait_caught_up()
                answer = host.lookup(run, since)
                self.assert_error(answer, 503)
                # Three quarters of lookup_timeout_ms: the rest would be the primary's.
                self.assertGreaterEqual(answer.milliseconds, 215)
                self.assertLess(answer.milliseconds, 3000)
            cluster.wait_caught_up()
            answer = self.lookup_until_answered(host, run, since)
            self.assert_found(answer, history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        self.assertEqual((host.lookup_log()[0].level, host.lookup_log()[0].failed_during),
                         ("ERROR", None))

    def test_cancelled_by_recovery(self):
        """A lookup that holds one table and waits for another blocks a replayed lock."""
        run, life = self.known_everywhere()
        since = life[0]["id"]
        with cluster.standby.conflicts_at_once(), self.host(SHORT_WAIT) as host:
            with self.locked("Waitpoint"):
                cluster.wait_caught_up()
                future = host.begin_lookup(run, since)
                wait_for(lambda: cluster.standby.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                    " AND wait_event_type = 'Lock'", (APPLICATION,)), "the lookup to be blocked")
                with self.locked("TaskRunExecutionSnapshot"):
                    self.assert_error(future.result(), 503)
            cluster.wait_caught_up()
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        self.assert_logged(host, ("ERROR", None, run, since))
        # Asked again once, it finds the replayed lock in its way, and gets no answer in time.
        self.assertRegex(host.lookup_log()[0].text, "conflict with recovery|did not answer")


class IncompleteLinks(Scenario):
    """A writer that commits a snapshot first and its waitpoints' links later."""

    def snapshot_without_links(self):
        """A run that continues after two waitpoints, whose links are not made yet."""
        run, batch = history.new_run(), history.new_batch()
        first = history.snapshot(run, "EXECUTING_WITH_WAITPOINTS", batchId=batch)
        waitpoints = [history.waitpoint("RUN", completedByTaskRunId=history.new_run(),
                                        output='{"ok":true}'),
                      history.waitpoint("BATCH", completedByBatchId=batch)]
        # A batch resume: the order names the first waitpoint twice.
        order = [waitpoints[0]["id"], waitpoints[1]["id"], waitpoints[0]["id"]]
        latest = history.snapshot(run, completedWaitpointOrder=order, batchId=batch)
        self.write()
        return run, first["id"], latest, waitpoints

    def test_repaired_by_the_retry(self):
        run, since, latest, waitpoints = self.snapshot_without_links()
        cluster.wait_caught_up()
        with self.host(LONG_WAIT) as host:
            with host.until_read():
                future = host.begin_lookup(run, since)
            history.link(latest, *waitpoints)
            self.write()
            answer = future.result()
            self.assert_found(answer, history.rows(), run, since, "replica_retry")
            self.assertEqual(host.counters(), {"replica_retry": 1})
        self.assert_reads(host, primary=0)
        self.assert_logged(host)
        entries = answer.json["snapshots"][-1]["completedWaitpoints"]
        self.assertEqual(sorted(entry["index"] for entry in entries), [0, 1, 2])

    def test_repaired_by_the_primary(self):
        run, since, latest, waitpoints = self.snapshot_without_links()
        cluster.wait_caught_up()
        cluster.standby.pause_replay()
        history.link(latest, *waitpoints)
        self.write()
        with self.host(SHORT_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_reads(host, primary=True)
        self.assert_logged(host, ("WARN", None, run, since))

    def test_one_of_two_links(self):
        run, since, latest, waitpoints = self.snapshot_without_links()
        history.link(latest, waitpoints[0])
        self.write()
        cluster.wait_caught_up()
        cluster.standby.pause_replay()
        history.link(latest, waitpoints[1])
        self.write()
        with self.host(NO_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_logged(host, ("WARN", None, run, since))

    def test_nobody_has_them(self):
        """Partial on the primary too: nobody has more, and it is served."""
        run, since, _, _ = self.snapshot_without_links()
        cluster.wait_caught_up()
        with self.host(SHORT_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_logged(host, ("WARN", None, run, since))

    def test_replica_only_serves_what_it_has(self):
        run, since, _, _ = self.snapshot_without_links()
        cluster.wait_caught_up()
        with self.host({"policy": "replica_only"}) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_logged(host)

    def test_replica_only_does_not_know_what_others_have(self):
        """The primary has the links; who asks with a position that the replica is past is not told
        that nobody has them."""
        run, since, latest, waitpoints = self.snapshot_without_links()
        cluster.wait_caught_up()
        cluster.standby.pause_replay()
        rows = history.rows()
        history.link(latest, *waitpoints)
        self.write()
        with self.host({"policy": "replica_only"}) as host:
            self.assert_found(host.lookup(run, since, position="0/1"), rows, run, since, "replica")
        [line] = host.lookup_log()
        self.assertIn("the answer lacks 2 completed waitpoints", line.text)
        self.assertNotIn("nobody", line.text)

    def test_only_the_latest_counts(self):
        """An older row without its links is not partial: it shows no waitpoints in any case."""
        run, since, _, _ = self.snapshot_without_links()
        history.snapshot(run, "FINISHED", "COMPLETED_SUCCESSFULLY")
        self.write()
        cluster.wait_caught_up()
        with self.host(SHORT_WAIT) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)

    def test_batch_resume_and_single_wait(self):
        run, batch = history.new_run(), history.new_batch()
        first = history.snapshot(run, batchId=batch)
        children = [history.waitpoint("RUN", completedByTaskRunId=history.new_run())
                    for _ in range(3)]
        ids = [child["id"] for child in children]
        history.resumed_snapshot(run, children, order=[ids[2], ids[0], ids[2], ids[1], ids[2]],
                                 batchId=batch)
        single = history.new_run()
        alone = history.snapshot(single)
        history.resumed_snapshot(single, [history.waitpoint("DATETIME",
                                                            completedAfter=history.moment())], [])
        self.write()
        cluster.wait_caught_up()
        rows = history.rows()
        with self.host(SHORT_WAIT) as host:
            answer = host.lookup(run, first["id"])
            self.assert_found(answer, rows, run, first["id"], "replica")
            entries = answer.json["snapshots"][-1]["completedWaitpoints"]
            self.assertEqual([entry["index"] for entry in entries if entry["id"] == ids[2]],
                             [0, 2, 4])
            answer = host.lookup(single, alone["id"])
            self.assert_found(answer, rows, single, alone["id"], "replica")
            [entry] = answer.json["snapshots"][-1]["completedWaitpoints"]
            self.assertNotIn("index", entry)
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)


class FailingPrimary(Scenario):
    """Replica hits do not need the primary."""

    def test_primary_down(self):
        run, life = self.known_everywhere()
        since, bogus, rows = life[0]["id"], history.new_id(), history.rows()
        with self.host(SHORT_WAIT) as host:
            cluster.primary.stop("immediate")
            self.assert_found(host.lookup(run, since), rows, run, since, "replica")
            answer = host.lookup(run, bogus)
            self.assert_error(answer, 503)
            self.assertLess(answer.milliseconds, 3000)
            self.assert_found(host.lookup(run, since), rows, run, since, "replica")
            self.assertEqual(host.counters(), {})
            cluster.primary.start()
            answer = self.lookup_until_answered(host, run, bogus)
            self.assert_error(answer, 404, "primary")
        self.assertEqual({(line.level, line.failed_during) for line in host.lookup_log()},
                         {("ERROR", "primary_fallback")})

    def test_primary_away_from_the_start(self):
        run, life = self.known_everywhere()
        since, bogus, rows = life[0]["id"], history.new_id(), history.rows()
        cluster.primary.stop("immediate")
        with self.host(SHORT_WAIT) as host:
            self.assert_found(host.lookup(run, since), rows, run, since, "replica")
            self.assert_error(host.lookup(run, bogus), 503)
            self.assertEqual(host.counters(), {})
        self.assert_logged(host, ("ERROR", "primary_fallback", run, bogus))

    def test_standby_configured_as_primary(self):
        """A primary in recovery has failed; what it lacks is not missing."""
        run, life = self.known_to_primary()
        since = life[0]["id"]
        conninfo = cluster.standby.conninfo(application_name=APPLICATION)
        with self.host({"policy": "primary_only"},
                       settings={"primary": {"conninfo": conninfo}}) as host:
            self.assert_error(host.lookup(run, since), 503)
        self.assert_logged(host, ("ERROR", None, run, since))


class SeveralReplicas(Scenario):
    """Reads spread over [replica] and [replica.b]."""

    def test_both_are_read(self):
        run, life = self.known_everywhere()
        since, rows = life[0]["id"], history.rows()
        with self.host(SHORT_WAIT, replicas=cluster.standbys) as host:
            host.wait_for_links("replica", "replica.b")
            for _ in range(40):  # all on one of two: once in 10^12 times
                self.assert_found(host.lookup(run, since), rows, run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0, standby=True, second=True)

    def test_retry_on_the_other_one(self):
        """replica_pick = next: what one standby lacks the other one has."""
        run, life = self.known_to_primary(standbys=[cluster.standby])
        cluster.wait_caught_up(cluster.standbys[1])
        since, rows = life[0]["id"], history.rows()
        with self.host({**SHORT_WAIT, "replica_pick": "next"}, replicas=cluster.standbys) as host:
            host.wait_for_links("replica", "replica.b")
            retries = 0
            for _ in range(40):
                answer = host.lookup(run, since)
                self.assertIn(answer.served_by, ("replica", "replica_retry"))
                self.assert_found(answer, rows, run, since, answer.served_by)
                retries += answer.served_by == "replica_retry"
            self.assertGreater(retries, 0)
            self.assertEqual(host.counters(), {"replica_retry": retries})
        self.assert_reads(host, primary=0)
        self.assert_logged(host)

    def test_one_of_two_is_down(self):
        """Reads go to the replicas that can be reached, once the host knows."""
        run, life = self.known_everywhere()
        since, rows = life[0]["id"], history.rows()
        cluster.standbys[1].stop("immediate")
        with self.host(SHORT_WAIT, replicas=cluster.standbys) as host:
            host.wait_for_links("replica")
            for _ in range(20):
                self.assert_found(host.lookup(run, since), rows, run, since, "replica")
        self.assert_reads(host, primary=0)


if __name__ == "__main__":
    unittest.main()
