#!/usr/bin/python3
"""read_index, the writer's budget, several replicas, deadlines and reloads, on real servers.

These tests show what the table of exact reads in docs/guarantees.md claims. PAUSE_S lengthens the pause
of the test that is long by nature (10 s there, 3 s by default).
"""

import collections
import os
import signal
import threading
import time
import unittest
from unittest import mock

from host import TOKEN, Host, lookup_path
from load import LookupRequest, run_load
from lookup_case import ClusterCase, module_cluster
from raw_http import RawConnection, get
from relay import Relay
from testbed import HOST_PLUGIN, PLUGIN, wait_for

PAUSE_S = float(os.environ.get("PAUSE_S", "3"))
READ_INDEX = {"policy": "read_index", "max_wait_ms": 3000}
ALWAYS = {**READ_INDEX, "when": "always"}

cluster = None
history = None


def setUpModule():
    global cluster, history
    cluster, history = module_cluster("standby", "second")


class ExactReads(ClusterCase):
    @staticmethod
    def primary_reads(host):
        return int(host.metrics().value("snapshot_host_reads_total", server="primary"))

    @staticmethod
    def locates(host):
        return int(host.metrics().value("snapshot_host_locates_total"))


class BesideTheLocate(ExactReads):
    """A read goes to the replica while the primary, far away, is being located for it."""

    def far_host(self, policy):
        relay = self.enterContext(Relay(cluster.primary))
        host = self.enterContext(Host(relay, [cluster.standby], policy=policy))
        relay.delay(0.05)
        return host

    def test_answered_before_it(self):
        """What the replica answers is kept until it is known what was located."""
        run, life = self.known_everywhere()
        host = self.far_host(ALWAYS)
        for since in (life[0]["id"], life[4]["id"], life[-1]["id"]):
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
        unwritten = history.life_of_a_run()[0]
        self.assert_error(host.lookup(unwritten["runId"], unwritten["id"]), 404, "replica")
        self.assertEqual(self.locates(host), 4)
        self.assertEqual(self.primary_reads(host), 0)

    def test_a_kept_answer_that_lacks_something(self):
        """The log tells of it as of one that is given at once."""
        run = history.new_run()
        since, latest = history.snapshot(run), history.snapshot(run)
        history.write(cluster.primary)
        cluster.primary.execute('INSERT INTO "_completedWaitpoints" VALUES (%s, %s)',
                                (latest["id"], "elsewhere"))
        self.addCleanup(cluster.primary.execute, 'DELETE FROM "_completedWaitpoints"'
                        ' WHERE "B" = \'elsewhere\'')
        cluster.wait_caught_up()
        host = self.far_host(ALWAYS)
        answer = host.lookup(run, since["id"])
        self.assertEqual((answer.status, answer.served_by), (200, "replica"))
        self.assertEqual(len(answer.json["snapshots"]), 1)
        line = host.wait_for_log(lambda line: "lacks 1 completed waitpoint " in line.text, "what it lacks")
        self.assertEqual(line.level, "WARN")

    def test_answered_before_it_and_too_early(self):
        """It had not what was committed before; that is awaited, and read."""
        run, life = self.known_everywhere()
        host = self.far_host(ALWAYS)
        cluster.standby.pause_replay()
        run, life = self.write_life()
        future = host.begin_lookup(run, life[4]["id"])
        wait_for(lambda: self.locates(host) == 1, "the locate")
        time.sleep(0.1)  # the locate's answer is there by then; not a wait for a result
        self.assertFalse(future.done(), "answered before the replica had the row")
        cluster.standby.resume_replay()
        self.assert_found(future.result(), history.rows(), run, life[4]["id"], "replica")

    def lookup_and_end(self, client, run, since, after_s=0.0):
        client.send(get(lookup_path(run, since), "authorization: Bearer " + TOKEN))
        time.sleep(after_s)  # the client's own time, not a wait for a result
        client.end_sending()

    def test_a_client_that_ends_its_side_with_its_request(self):
        """It waits for the answer, as before the first answer to any other read."""
        run, life = self.known_everywhere()
        host = self.far_host(ALWAYS)
        with RawConnection(host.port) as client:
            self.lookup_and_end(client, run, life[0]["id"])
            self.assert_found(client.read_answer(), history.rows(), run, life[0]["id"], "replica")

    def test_a_client_that_leaves(self):
        cluster.standby.pause_replay()
        self.addCleanup(cluster.standby.resume_replay)
        run, life = self.write_life()
        host = self.far_host({**ALWAYS, "max_wait_ms": 60000})
        with RawConnection(host.port) as client:
            self.lookup_and_end(client, run, life[0]["id"], after_s=0.3)
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_abandoned_total") == 1,
                     "it to be given up", timeout_s=4)


class AfterAMiss(ExactReads):
    """policy = read_index, when = miss."""

    def test_lag_of_any_length(self):
        """Answered by the replica as soon as it has the row; the primary's tables are not read."""
        with self.host(READ_INDEX) as host:
            for number, lag_ms in enumerate((20, 60, 150)):
                with self.subTest(lag_ms=lag_ms):
                    cluster.standby.pause_replay()
                    run, life = self.write_life()
                    since = life[4]["id"]
                    future = host.begin_lookup(run, since)
                    wait_for(lambda seen=number + 1: self.locates(host) == seen, "its miss", every_s=0.002)
                    time.sleep(lag_ms / 1000)  # the lag that is wanted, not a wait for a result
                    self.assertFalse(future.done(), "answered before the replica had the row")
                    cluster.standby.resume_replay()
                    self.assert_found(future.result(), history.rows(), run, since, "replica_retry")
            self.assertEqual(host.counters(), {"replica_retry": 3})
            wait_for(lambda: self.locates(host) == 3, "three locates to be shown")
            # Not by the tables' statistics: rows were written in the meantime, and foreign keys read.
            self.assertEqual(self.primary_reads(host), 0)
        self.assert_logged(host)

    def test_absence_is_proven_without_the_primary(self):
        run, _ = self.known_everywhere()
        unknown = history.new_id()
        with self.host(READ_INDEX) as host:
            self.assert_error(host.lookup(run, unknown), 404, "replica_retry")
            self.assertEqual(host.counters(), {"proven_absent": 1})
        self.assert_reads(host, primary=0)
        self.assert_logged(host, ("ERROR", "replica_retry", run, unknown))

    @unittest.skipIf(HOST_PLUGIN == PLUGIN, "the plugin rehearses nothing")
    def test_rehearsal(self):
        """First hits count as misses: locating, awaiting and reading again are seen to work."""
        run, life = self.known_everywhere()
        since = life[1]["id"]
        with mock.patch.dict(os.environ, FIRST_MISSES="1"), self.host(READ_INDEX) as host:
            for number in range(1, 11):
                self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica_retry")
                self.assertEqual(host.counters(), {"replica_retry": number})
            wait_for(lambda: self.locates(host) >= 10, "ten locates to be shown")
        self.assert_reads(host, primary=0)

    def test_position_not_reached_in_time(self):
        cluster.standby.pause_replay()
        run, life = self.write_life()
        since = life[2]["id"]
        with self.host({**READ_INDEX, "max_wait_ms": 50}) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            self.assertEqual(host.counters(), {"primary": 1})
        self.assert_reads(host, primary=True)
        self.assert_logged(host, ("WARN", None, run, since))

    def test_primary_away(self):
        """Hits go on; a miss cannot be decided, and is reported as failed."""
        run, life = self.known_everywhere()
        since = life[1]["id"]
        with self.host(READ_INDEX) as host:
            cluster.primary.stop("immediate")
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            unknown = history.new_id()
            self.assert_error(host.lookup(run, unknown), 503)
            self.assertEqual(host.counters(), {})
            cluster.primary.start()
            # At first by the primary alone: the replica is compared with what has come back.
            answer = wait_for(lambda: (lambda a: a if a.served_by == "replica_retry" else None)(
                host.lookup(run, unknown)), "absence to be proven again")
            self.assert_error(answer, 404, "replica_retry")
        self.assertEqual(host.lookup_log()[0].failed_during, "primary_fallback")

    def test_promoted_replica_proves_nothing(self):
        """Promoted by mistake it is out, and with two primaries no absence is certain."""
        promoted = cluster.standbys[1]
        run, life = self.known_everywhere()
        policy = {**READ_INDEX, "on_replica_failure": "primary"}
        with self.host(policy, replicas=[promoted]) as host:
            self.assert_found(host.lookup(run, life[0]["id"]), history.rows(), run, life[0]["id"],
                              "replica")
            promoted.promote()
            fresh_run, fresh = self.write_life()
            since = fresh[3]["id"]
            answer = host.lookup(fresh_run, since)
            self.assert_found(answer, history.rows(), fresh_run, since, "primary")
            host.wait_for_log(lambda line: "split" in line.text, "a line about the split")
            self.assert_error(host.lookup(run, history.new_id()), 503)
            self.assertNotIn("proven_absent", host.counters())
            wait_for(lambda: host.metrics().value("snapshot_host_split") == 1, "the metric")
        # It is of no use any more: the next test gets its own servers.
        cluster.destroy()
        setUpModule()


class CallersPosition(ExactReads):
    """A request that brings x-read-position."""

    @staticmethod
    def position():
        return str(cluster.primary.value("SELECT pg_current_wal_flush_lsn()"))

    def test_floor_spares_the_locate(self):
        cluster.standby.pause_replay()
        run, life = self.write_life()
        since = life[4]["id"]
        with self.host(READ_INDEX) as host:
            with host.until_read():
                future = host.begin_lookup(run, since, position=self.position())
            cluster.standby.resume_replay()
            self.assert_found(future.result(), history.rows(), run, since, "replica_retry")
            self.assertEqual(self.locates(host), 0)
        self.assert_reads(host, primary=0)

    def test_floor_proves_nothing(self):
        """A position from long ago is reached at once; the row is still on its way."""
        old = self.position()
        cluster.wait_caught_up()
        cluster.standby.pause_replay()
        run, life = self.write_life()
        since = life[4]["id"]
        with self.host(READ_INDEX) as host:
            future = host.begin_lookup(run, since, position=old)
            wait_for(lambda: self.locates(host) == 1, "the primary to be located")
            self.assertFalse(future.done())
            cluster.standby.resume_replay()
            self.assert_found(future.result(), history.rows(), run, since, "replica_retry")
        self.assert_reads(host, primary=0)

    def test_floor_that_nobody_reaches(self):
        """One ahead of the primary itself is the primary's to answer, at once, however long a wait
        may be: no replica can satisfy it."""
        run, _ = self.known_everywhere()
        with self.host({**READ_INDEX, "max_wait_ms": 60000}) as host:
            answer = host.lookup(run, history.new_id(), position="FFFFFFFF/FFFFFFFF")
            self.assert_error(answer, 404, "primary")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=1)


class BeforeTheFirstRead(ExactReads):
    """policy = read_index, when = always."""

    def test_stale_tail_is_cured(self):
        """The replica has the since row but not the newest ones: awaited, not served as it is."""
        run, life = self.known_everywhere()
        since = life[0]["id"]
        cluster.standby.pause_replay()
        history.snapshot(run, "FINISHED", "COMPLETED_SUCCESSFULLY")
        history.write(cluster.primary)
        with self.host(ALWAYS) as host:
            future = host.begin_lookup(run, since)
            wait_for(lambda: self.locates(host) == 1, "the primary to be located")
            cluster.standby.resume_replay()
            self.assert_found(future.result(), history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)

    def test_absent_at_once(self):
        run, _ = self.known_everywhere()
        unknown = history.new_id()
        with self.host(ALWAYS) as host:
            self.assert_error(host.lookup(run, unknown), 404, "replica")
            self.assertEqual(host.counters(), {"proven_absent": 1})
        self.assert_reads(host, primary=0)
        self.assert_logged(host, ("ERROR", None, run, unknown))

    def test_primary_away(self):
        """The replica serves what it has: no read is shifted before a miss."""
        run, life = self.known_everywhere()
        with self.host(ALWAYS) as host:
            cluster.primary.stop("immediate")
            answer = host.lookup(run, life[0]["id"])
            self.assert_found(answer, history.rows(), run, life[0]["id"], "replica")
            cluster.primary.start()


class Floods(ExactReads):
    """What lag and made-up ids may cost the writer."""

    @staticmethod
    def bogus(run, count):
        for _ in range(count):
            yield LookupRequest(lookup_path(run, history.new_id()), TOKEN)

    def test_bogus_ids_under_read_index(self):
        """20 000 made-up ids: not one read of the primary's tables, few questions for its position."""
        run, _ = self.known_everywhere()
        count, statuses = 20000, collections.Counter()
        with self.host(READ_INDEX) as host:
            run_load(host.port, self.bogus(run, count),
                     lambda _request, status, _head, _body: statuses.update([status]))
            locates = self.locates(host)
            self.assertEqual(self.primary_reads(host), 0)
            self.assertEqual(host.counters(), {"proven_absent": count})
        self.assertEqual(statuses, {404: count})
        self.assert_reads(host, primary=0)
        self.assertLess(locates, count / 2, "each lookup asked the primary for its own position")
        print(f"\n{count} bogus ids: {locates} locates, no read of the primary's tables")

    def test_bogus_ids_under_a_budget(self):
        """At most the budget's reads fall on the primary, the rest is shed, hits go on."""
        run, life = self.known_everywhere()
        count, statuses = 5000, collections.Counter()
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 50}
        with self.host(policy) as host:
            started = time.monotonic()
            flood = threading.Thread(target=run_load, args=(
                host.port, self.bogus(run, count),
                lambda _request, status, _head, _body: statuses.update([status])))
            flood.start()
            hits = 0
            while flood.is_alive():
                answer = host.lookup(run, life[0]["id"])
                self.assert_found(answer, history.rows(), run, life[0]["id"], "replica")
                hits += 1
            flood.join()
            allowed = 50 + 50 * (time.monotonic() - started)
            reads = self.primary_reads(host)
            self.assertEqual(host.counters(), {"primary_shed": count - reads})
        self.assertEqual(statuses, {404: reads, 429: count - reads})
        self.assertLessEqual(reads, allowed)
        self.assertGreaterEqual(reads, 50, "the burst was not admitted")
        self.assertGreater(hits, 0)
        sheds = [line for line in host.log if line.failed_during == "primary_budget"]
        self.assertLessEqual(len(sheds), time.monotonic() - started + 1, "a line a second at most")
        self.assertTrue(sheds)
        print(f"\n{count} bogus ids with 50/s: {reads} reads of the primary, {count - reads} shed")

    def test_paused_standby_under_load(self):
        """500 lookups/s of fresh rows while replay is paused: the budget holds, nothing is wrong, and
        all is well as soon as replay goes on."""
        cluster.standby.pause_replay()
        lives = [self.write_life() for _ in range(20)]
        rows, statuses, wrong = history.rows(), collections.Counter(), []
        policy = {"policy": "replica_then_primary", "replica_retry_min_ms": 20,
                  "replica_retry_max_ms": 50, "primary_budget_per_s": 40}

        def requests(count):
            for number in range(count):
                run, life = lives[number % len(lives)]
                yield LookupRequest(lookup_path(run, life[4]["id"]), TOKEN)

        def check(request, status, head, body):
            statuses.update([status])
            if status == 200 and bodies.setdefault(request.path, body) != body:
                wrong.append((request.path, body))

        with self.host(policy) as host:
            bodies, started = {}, time.monotonic()
            run_load(host.port, requests(int(500 * PAUSE_S)), check, per_second=500)
            allowed = 40 + 40 * (time.monotonic() - started)
            reads = self.primary_reads(host)
            self.assertLessEqual(reads, allowed)
            self.assertEqual(statuses, {200: reads, 429: int(500 * PAUSE_S) - reads})
            cluster.standby.resume_replay()
            cluster.wait_caught_up()
            for run, life in lives:
                answer = host.lookup(run, life[4]["id"])
                self.assert_found(answer, rows, run, life[4]["id"], "replica")
                self.assertEqual(bodies.setdefault(lookup_path(run, life[4]["id"]), answer.body),
                                 answer.body, "the primary's answer was another one")
            self.assertEqual(self.primary_reads(host), reads, "the primary is left in peace again")
        self.assertEqual(wrong, [])
        print(f"\n{PAUSE_S:g} s of 500/s on a paused standby, 40/s allowed: {reads} reads of the "
              f"primary, {statuses[429]} shed")


class SeveralReplicas(ExactReads):
    def test_position_follows_the_replica(self):
        """One standby is paused; replica_pick = next awaits and reads the other one."""
        cluster.standby.pause_replay()
        run, life = self.write_life()
        cluster.wait_caught_up(cluster.standbys[1])
        since = life[4]["id"]
        with self.host({**READ_INDEX, "replica_pick": "next"}, replicas=cluster.standbys) as host:
            answers = [host.lookup(run, since) for _ in range(20)]
            for answer in answers:
                self.assert_found(answer, history.rows(), run, since, answer.served_by)
            self.assertEqual({answer.served_by for answer in answers}, {"replica", "replica_retry"})
        self.assert_reads(host, primary=0)

    def test_same_awaits_the_one_that_was_asked(self):
        cluster.standby.pause_replay()
        run, life = self.write_life()
        cluster.wait_caught_up(cluster.standbys[1])
        since = life[4]["id"]
        policy = {**READ_INDEX, "max_wait_ms": 30, "replica_pick": "same"}
        with self.host(policy, replicas=cluster.standbys) as host:
            answers = [host.lookup(run, since) for _ in range(20)]
            self.assertEqual({answer.served_by for answer in answers}, {"replica", "primary"})
        self.assert_reads(host, primary=True)

    def test_floor_is_kept_by_the_one_that_has_reached_it(self):
        """One standby is paused: it has the one row and lacks the other, and is behind the position
        that is brought. Whatever the policy the other one answers, and nothing is counted."""
        old = self.known_everywhere()
        cluster.standby.pause_replay()
        new = self.write_life()
        cluster.wait_caught_up(cluster.standbys[1])
        position = CallersPosition.position()
        for policy in (READ_INDEX, {"policy": "replica_then_primary"}, {"policy": "replica_only"}):
            with self.host(policy, replicas=cluster.standbys) as host:
                for run, life in (old, new) * 10:
                    answer = host.lookup(run, life[0]["id"], position=position)
                    self.assert_found(answer, history.rows(), run, life[0]["id"], "replica")
                wait_for(lambda h=host: h.metrics().value("snapshot_host_cluster_behind_total") > 0,
                         "answers of the one that is behind")
                self.assertEqual(host.counters(), {})
            self.assert_reads(host, primary=0)

    def test_current_reads_where_one_is_killed(self):
        """Both standbys are paused: those that wait for the one that dies wait for the other one then, which
        has not come to where the primary was either."""
        run, life = self.known_everywhere()
        cluster.wait_caught_up(cluster.standbys[1])
        for standby in cluster.standbys:
            standby.pause_replay()
        since = life[0]["id"]
        history.snapshot(run, "FINISHED", "COMPLETED_SUCCESSFULLY")
        history.write(cluster.primary)
        with self.host(ALWAYS, replicas=cluster.standbys) as host:
            asked = [host.begin_lookup(run, since) for _ in range(20)]
            names = [name for name in host.settings if name.startswith("replica")]
            wait_for(lambda: all(host.metrics().value("snapshot_host_reads_total", server=name) for name in names),
                     "reads of both")
            cluster.standbys[1].kill9()
            host.wait_for_log(lambda line: line.fields.get("server") == names[1] and "link lost" in line.text,
                              "its end to be seen")
            cluster.standby.resume_replay()
            for answer in (each.result() for each in asked):
                self.assert_found(answer, history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)

    def test_one_is_killed_under_load(self):
        run, life = self.known_everywhere()
        cluster.wait_caught_up(cluster.standbys[1])
        since, statuses, bodies = life[0]["id"], collections.Counter(), set()

        def check(_request, status, _head, body):
            statuses.update([status])
            if status == 200:
                bodies.add(body)
            if statuses.total() == 500:
                cluster.standbys[1].kill9()

        with self.host(READ_INDEX, replicas=cluster.standbys) as host:
            requests = [LookupRequest(lookup_path(run, since), TOKEN) for _ in range(4000)]
            run_load(host.port, requests, check, connections=16)
            self.assertLessEqual(set(statuses), {200, 503})
            self.assertEqual(len(bodies), 1)
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            self.assertEqual(host.counters(), {})
        self.assert_reads(host, primary=0)
        print(f"\none of two standbys killed under load: {statuses[200]} answers, "
              f"{statuses[503]} errors")


class Deadlines(ExactReads):
    def test_silent_replica_costs_one_time_out(self):
        """A standby that does not answer (its processes are stopped): the first read waits for it,
        the next ones do not, and all are served."""
        run, life = self.known_everywhere()
        since = life[0]["id"]
        policy = {"policy": "replica_then_primary", "on_replica_failure": "primary"}
        stopped = cluster.standbys[1]
        with self.host(policy, replicas=[stopped],
                       settings={"limits": {"lookup_timeout_ms": 5000}}) as host:
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "replica")
            pids = [row[0] for row in stopped.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'host-under-test'")]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                slow, *quick = [host.lookup(run, since) for _ in range(4)]
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            for answer in (slow, *quick):
                self.assert_found(answer, history.rows(), run, since, "primary")
            self.assertGreaterEqual(slow.milliseconds, 3500)
            for answer in quick:
                self.assertLess(answer.milliseconds, slow.milliseconds / 2)
            answer = wait_for(lambda: (lambda a: a if a.served_by == "replica" else None)(
                host.lookup(run, since)), "the replica to be asked again")
            self.assertEqual(answer.status, 200)
            self.assertEqual(host.counters(), {}, "a failure is no miss")

    def test_await_ends_by_the_deadline(self):
        cluster.standby.pause_replay()
        run, life = self.write_life()
        with self.host({**READ_INDEX, "max_wait_ms": 60000},
                       settings={"limits": {"lookup_timeout_ms": 300}}) as host:
            answer = host.lookup(run, life[0]["id"])
            self.assertIn(answer.status, (200, 503))
            self.assertGreaterEqual(answer.milliseconds, 250)
            self.assertLess(answer.milliseconds, 3000)


class Reloads(ExactReads):
    def test_under_load(self):
        """Good and broken files in turn while lookups go on: nothing is dropped or wrong."""
        run, life = self.known_everywhere()
        since, statuses, bodies = life[0]["id"], collections.Counter(), set()
        stop = threading.Event()

        def requests():
            while not stop.is_set():
                yield LookupRequest(lookup_path(run, since), TOKEN)

        def check(_request, status, _head, body):
            statuses.update([status])
            bodies.add(body)

        with self.host(READ_INDEX) as host:
            load = threading.Thread(target=run_load, args=(host.port, requests(), check))
            load.start()
            try:
                for number in range(20):
                    policy = {"policy": ("replica_then_primary", "read_index")[number % 2],
                              "replica_retry_max_ms": 100 + number}
                    host.reload({**policy, "nonsense": 1} if number % 3 == 0 else policy)
            finally:
                stop.set()
                load.join()
            self.assertEqual(host.metrics().value("snapshot_host_reload_failures_total"), 7)
            self.assertEqual(set(statuses), {200})
            self.assertEqual(len(bodies), 1)

    def test_read_under_way_ends_as_it_began(self):
        cluster.standby.pause_replay()
        run, life = self.write_life()
        since = life[4]["id"]
        with self.host(READ_INDEX) as host:
            future = host.begin_lookup(run, since)
            wait_for(lambda: self.locates(host) == 1, "the primary to be located")
            host.reload({"policy": "primary_only"})
            self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")
            cluster.standby.resume_replay()
            self.assert_found(future.result(), history.rows(), run, since, "replica_retry")

    def test_budget_keeps_its_state(self):
        """A used-up budget stays used up when another key is changed."""
        run, _ = self.known_everywhere()
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 1, "primary_budget_burst": 2}
        with self.host(policy) as host:
            statuses = [host.lookup(run, history.new_id()).status for _ in range(3)]
            self.assertEqual(statuses, [404, 404, 429])
            host.reload({**policy, "replica_pick": "next"})
            answer = host.lookup(run, history.new_id())
            self.assert_error(answer, 429)
            reset = int(answer.headers["x-ratelimit-reset"]) - time.time() * 1000
            self.assertTrue(0 < reset <= 2000, reset)


if __name__ == "__main__":
    unittest.main()
