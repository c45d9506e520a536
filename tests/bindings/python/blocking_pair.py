"""What every blocking cluster must do, on a real primary and standby, whatever its driver."""

import contextlib
import logging
import os
import re
import resource
import signal
import threading
import time
from unittest import mock

from cluster import Cluster
from package import POLICIES
from relay import Relay
from testbed import wait_for

from read_policy import Busy, Closed, PolicySet, ReadFailed, Settings, UsageError

# What the tests make happen is no news.
logging.getLogger("read_policy").setLevel(logging.CRITICAL)
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

SELECT = "SELECT id FROM thing WHERE id = %s"


@contextlib.contextmanager
def without_descriptors():
    """Within the block this process can open nothing more."""
    before, taken = resource.getrlimit(resource.RLIMIT_NOFILE), []
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, before[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in taken:
            os.close(descriptor)


class Servers:
    """A primary, a standby behind a relay, and a set of policies; all tests of a program share it."""

    def __init__(self):
        self.cluster = Cluster()
        self.relay = Relay(self.cluster.standby)
        self.cluster.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
        self.cluster.wait_caught_up()
        self.policies = PolicySet.from_text(POLICIES)

    def close(self):
        self.policies.close()
        self.relay.close()
        self.cluster.destroy()


class Pair:
    """The subclasses say how a cluster is opened, and how a row is read."""

    servers = None

    def setUp(self):
        self.servers.cluster.reset()
        self.servers.relay.pass_through()
        self.servers.relay.lead_new_ones_to(self.servers.cluster.standby)
        self.numbers = iter(range(1000))
        self.notices = []
        self.pair = self.open(Settings(strict=True, max_reads=8,
                                       on_notice=lambda _level, text: self.notices.append(text)))
        self.addCleanup(self.pair.close)
        # A busy machine may answer the first question too late, and is asked again a second later.
        wait_for(lambda: self.pair.info().replicas == 1, "the replica to be heard")

    def row(self):
        identity = f"{type(self).__name__}-{self._testMethodName}-{next(self.numbers)}"
        self.servers.cluster.primary.execute("INSERT INTO thing VALUES (%s)", (identity,))
        return identity

    def read(self, section, identity, pair=None, **options):
        return (pair or self.pair).read(section, *self.job(identity), **options)

    def job(self, identity):
        return SELECT, (identity,)

    def ids(self, end):
        return [row[0] for row in end.value]

    def test_a_row_that_the_replica_has(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        for section in ("retry", "index", "backoff", "replica"):
            end = self.read(section, row)
            self.assertEqual((end.verdict, self.ids(end), end.served_by), ("found", [row], "replica"))
            self.assertRegex(end.position, "^[0-9A-F]+/[0-9A-F]+$")
        self.assertEqual(self.read("primary", row).served_by, "primary")

    def while_replay_resumes(self, read):
        """What the read gives; the standby goes on once its position is awaited."""
        def resume():
            wait_for(lambda: any(metric.name == "cluster.watches" and metric.value
                                 for metric in self.pair.metrics()), "the position to be awaited")
            self.servers.cluster.standby.resume_replay()
        resuming = threading.Thread(target=resume)
        resuming.start()
        try:
            return read()
        finally:
            resuming.join()

    def test_a_row_that_is_on_its_way(self):
        self.read("primary", "bogus")
        self.servers.cluster.standby.pause_replay()
        row = self.row()
        end = self.while_replay_resumes(lambda: self.read("index", row))
        self.assertEqual((self.ids(end), end.served_by, end.counted),
                         ([row], "replica_retry", "replica_retry"))

    def test_a_row_that_the_replica_never_gets(self):
        self.servers.cluster.standby.pause_replay()
        row = self.row()
        for section in ("retry", "index_briefly", "backoff"):
            end = self.read(section, row)
            self.assertEqual((self.ids(end), end.served_by, end.counted),
                             ([row], "primary", "primary"))

    def test_bogus_ids(self):
        end = self.read("index", "bogus")
        self.assertEqual((end.verdict, end.value, end.counted), ("not_found", None, "proven_absent"))
        self.assertIn("proven absent", end.message)
        end = self.read("retry", "bogus")
        self.assertEqual((end.verdict, end.failed_during), ("not_found", "primary_fallback"))
        self.assertEqual(self.read("primary", "bogus").verdict, "not_found")

    def test_a_type_before_those_of_the_catalog(self):
        primary = self.servers.cluster.primary
        primary.execute("CREATE SCHEMA others")
        primary.execute("CREATE DOMAIN others.text AS pg_catalog.int4")
        self.addCleanup(primary.execute, "DROP SCHEMA others CASCADE")
        primary.execute("ALTER ROLE postgres SET search_path = others, pg_catalog, public")
        self.addCleanup(primary.execute, "ALTER ROLE postgres RESET search_path")
        self.servers.cluster.wait_caught_up()
        with self.open(Settings(strict=True, max_reads=8)) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            end = self.read("index", "bogus", pair)
            self.assertEqual((end.verdict, end.counted), ("not_found", "proven_absent"))

    def test_a_rehearsal(self):
        """First hits count as misses."""
        row = self.row()
        self.servers.cluster.wait_caught_up()
        with self.open(Settings(strict=True, first_misses=True, max_reads=8)) as pair:
            for section in ("retry", "index", "backoff"):
                self.assertEqual(self.read(section, row, pair).served_by, "replica_retry")

    def test_a_position_that_was_handed_on_is_a_floor(self):
        old = self.row()
        self.servers.cluster.wait_caught_up()
        self.servers.cluster.standby.pause_replay()
        seen = self.read("primary", self.row())
        # The replica has the row; what it shows besides is too old for who has seen that position.
        self.assertEqual(self.read("retry", old).served_by, "replica")
        end = self.read("retry", old, position=seen.position)
        self.assertEqual((self.ids(end), end.served_by, end.counted), ([old], "primary", None))
        end = self.while_replay_resumes(lambda: self.read("index", old, position=seen.position))
        self.assertIn(end.served_by, ("replica", "replica_retry"))
        self.assertTrue(self.servers.cluster.primary.value(
            "SELECT %s::pg_lsn >= %s::pg_lsn", (end.position, seen.position)))
        for position in ("tomorrow", "", f"{seen.position}\0", "0/1\x001"):
            with self.assertRaisesRegex(ValueError, "16/B374D848"):
                self.read("index", old, position=position)

    def test_a_replica_that_is_none_any_more_says_nothing_of_what_is_missing(self):
        self.read("primary", "bogus")
        # The questions' connection does not see it: as between a promotion and the next question.
        self.servers.relay.lead_new_ones_to(self.servers.cluster.primary)
        end = self.read("replica", "bogus")
        self.assertEqual((end.verdict, end.error), ("failed", None))

    def test_in_a_transaction(self):
        end = self.read("retry", self.row(), in_transaction=True)
        self.assertEqual((end.served_by, end.counted), ("primary", None))

    def test_a_replica_that_was_restarted(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        self.assertEqual(self.read("replica", row).served_by, "replica")
        self.servers.cluster.standby.stop("immediate")
        end = self.read("retry", row)
        self.assertEqual((end.served_by, end.counted), ("primary", None))
        self.assertIsNotNone(end.error)
        self.servers.cluster.standby.start()
        wait_for(lambda: self.read("replica", row).served_by == "replica", "the replica to serve again")

    def test_a_kept_connection_that_was_lost_is_made_anew(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        self.assertEqual(self.read("replica", row).served_by, "replica")
        self.servers.cluster.standby.end_clients()
        end = self.read("replica", row)
        self.assertEqual(end.served_by, "replica", end)

    def test_a_server_that_is_slow_to_connect_to(self):
        """Slower than its first question may be; the connection is not in vain."""
        # libpq counts whole seconds: two that it may take are over after little more than one, now and then.
        self.assertTrue(any(self.is_heard_late() for _ in range(4)))

    def is_heard_late(self):
        """Whether a connection is used that came up when the question had been given up."""
        self.servers.relay.stall()
        with self.open(Settings(strict=True, max_reads=8, poll_ms=5000)) as pair:
            wait_for(lambda: pair.info().settled, "the question to be given up")
            self.assertEqual(pair.info().replicas, 0)
            self.servers.relay.pass_through()
            try:
                return wait_for(lambda: pair.info().replicas == 1, "the replica to be heard", 3)
            except TimeoutError:
                return False

    def test_a_replica_that_falls_silent_costs_the_limit(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        self.assertEqual(self.read("replica", row).served_by, "replica")
        self.servers.relay.stall()
        begun = time.monotonic()
        # A quarter of that is the primary's.
        end = self.read("retry", row, timeout=4)
        self.assertEqual(end.served_by, "primary", end)
        self.assertEqual(self.ids(end), [row])
        self.assertIsNone(end.error)  # that the connection was shut down is no word of the server's
        self.assertLess(time.monotonic() - begun, 6)
        self.servers.relay.pass_through()
        wait_for(lambda: self.read("retry", row).served_by == "replica", "the replica to serve again")

    def test_a_server_that_does_not_answer_is_told_of(self):
        name = self.pair._pools[1].server.name
        self.assertIsNone(self.pair.server(name).error)
        self.servers.cluster.standby.stop("immediate")
        said = wait_for(lambda: self.pair.server(name).error, "the error")
        wait_for(lambda: f"{name} does not answer: {said}" in self.notices, "the notice")
        self.servers.cluster.standby.start()
        wait_for(lambda: f"{name} answers again" in self.notices, "the notice of its end")
        self.assertIsNone(self.pair.server(name).error)

    def test_of_one_that_falls_silent_no_error_of_our_own_making_is_told(self):
        name = self.pair._pools[1].server.name
        self.servers.relay.stall()
        wait_for(lambda: f"{name} does not answer: no answer in time" in self.notices, "the notice")

    def test_mistakes_of_the_callers_are_theirs(self):
        row = self.row()
        with self.assertRaises(ZeroDivisionError):
            self.read("retry", row, outcome=lambda _value: 1 // 0)
        with self.assertRaisesRegex(UsageError, "not None"):
            self.read("retry", row, outcome=lambda _value: None)
        with self.assertRaisesRegex(UsageError, "retry, index"):
            self.read("nothing", row)
        for position in (1, b"0/1", "0/1\0"):
            with self.assertRaisesRegex(ValueError, "not a WAL position", msg=position):
                self.read("retry", row, position=position)
        self.assertEqual(self.pair.info().reads, 0)
        self.assertEqual(self.ids(self.read("retry", row)), [row])

    def test_a_connection_that_went_back_is_not_aborted_for_who_had_it(self):
        give_back, seen = self.pair._give_back, []

        def look(pool, link, *rest):
            give_back(pool, link, *rest)
            seen.append(link in self.pair._running.values())
        self.pair._give_back = look
        self.assertTrue(self.read("primary", self.row()).found)
        self.assertEqual(seen, [False])

    def test_many_threads_on_one_cluster(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        wrong = []

        def work(number):
            for turn in range(15):
                bogus = (number + turn) % 3 == 0
                end = self.read("index", "bogus" if bogus else row)
                if end.verdict != ("not_found" if bogus else "found"):
                    wrong.append(end)
            self.end_of_thread()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual((self.pair.info().reads, self.pair._pending), (0, {}))
        # Questions come and go; of the reads nothing is kept.
        wait_for(lambda: not self.pair._running, "all that was under way to end")

    def end_of_thread(self):
        """A thread that has read ends."""

    def test_close_while_reads_are_under_way(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        self.read("retry", row)
        self.servers.relay.stall()
        ends = []

        def work():
            try:
                ends.append(self.read("retry", row, timeout=30))
            except Closed as error:
                ends.append(error)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_for(lambda: self.pair.info().reads == 4, "all to read")
        begun = time.monotonic()
        self.pair.close()
        for thread in threads:
            thread.join(20)
        self.assertEqual([type(end) for end in ends], [Closed] * 4)
        self.assertLess(time.monotonic() - begun, 5)
        for late in (lambda: self.read("retry", row), self.pair.info, self.pair.metrics):
            self.assertRaises(Closed, late)
        self.pair.close()

    def test_a_silent_server_while_there_are_no_descriptors(self):
        """Who waits for it gets an answer in time all the same."""
        row, ends = self.row(), []
        self.servers.cluster.wait_caught_up()

        def work():
            self.read("replica", row)  # makes this thread's connection
            connected.set()
            stalled.wait(20)
            ends.append(self.read("replica", row, timeout=1))
        connected, stalled = threading.Event(), threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        self.assertTrue(connected.wait(20))
        self.servers.relay.stall()
        with without_descriptors():
            stalled.set()
            thread.join(10)
        self.servers.relay.pass_through()
        thread_hung = thread.is_alive()
        thread.join()
        self.assertEqual((thread_hung, ends[0].verdict), (False, "failed"))

    def test_a_timeout_of_any_length(self):
        row = self.row()
        for timeout in (float("inf"), 1e30, 1e10, 10**400):
            self.assertTrue(self.read("primary", row, timeout=timeout).found, timeout)
        for timeout in (0, -1, -1e30):
            self.assertEqual(self.read("primary", row, timeout=timeout).verdict, "failed", timeout)
        with self.assertRaisesRegex(UsageError, "nan"):
            self.read("primary", row, timeout=float("nan"))

    def test_who_takes_notices_may_fail(self):
        """Neither the clock nor who reads hears of it."""
        told = []

        def take(_level, text):
            told.append(text)
            raise RuntimeError("mine")
        with self.open(Settings(max_reads=8, on_notice=take)) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            before = len(told)
            replica = next(name for name in pair._machine._names if pair.server(name).role == "replica")
            pair.server_set(replica, expect="primary")
            wait_for(lambda: len(told) > before, "the notice")
            self.assertTrue(self.read("retry", self.row(), pair=pair).found)

    def test_who_takes_notices_may_use_the_cluster(self):
        """To read, or to close it; and may take long."""
        row, pairs, seen, go_on = self.row(), [], [], threading.Event()

        def take(_level, _text):
            if not go_on.wait(20) or seen:
                return
            seen.append((pairs[0].info().settled, self.read("primary", row, pair=pairs[0]).verdict))
            pairs[0].close()
        pairs.append(self.open(Settings(max_reads=8, on_notice=take)))
        self.addCleanup(pairs[0].close)
        self.assertTrue(self.read("primary", row, pair=pairs[0]).found)
        go_on.set()
        wait_for(lambda: pairs[0]._machine.is_closed, "the notice to be taken")
        self.assertEqual(seen, [(True, "found")])

    def test_another_process_is_refused(self):
        row = self.row()
        self.read("primary", row)
        child = os.fork()
        if child == 0:
            # Neither reads nor closes what is its parent's, nor waits for a lock that nobody frees.
            self.pair._lock.acquire(blocking=False)  # another thread may have had it at the fork
            signal.alarm(20)
            status = 0
            for use in (lambda: self.read("primary", row), self.pair.info, lambda: self.pair.server("a"),
                        self.pair.metrics, self.pair.forget_history, lambda: self.pair.server_set("a")):
                try:
                    use()
                    status = 1
                except UsageError as error:
                    status = status if "before a fork" in str(error) else 2
            self.pair.close()
            os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(self.read("primary", row).served_by, "primary")

    def test_nothing_of_its_own_is_wrong(self):
        """The strict cluster has no mistake of the package's to name."""
        row = self.row()
        for section in ("retry", "index", "backoff", "primary"):
            self.read(section, row)
            self.read(section, "bogus")
        self.pair.close()
        # A busy machine is late too, but not by a poll's interval.
        self.assertEqual([text for text in self.notices if not re.search(
            r" is (the primary|a replica)|next was called \d{1,3} ms after|: no answer in time| answers again", text)], [])


class Statements:
    """Beside a Pair whose cluster takes texts of SQL."""

    def test_one_that_has_no_rows_says_nothing_of_one(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        for statement in ("SET search_path = pg_catalog", "BEGIN", "COMMIT", "ROLLBACK"):
            for section in ("index", "primary"):
                with self.assertRaisesRegex(UsageError, "returns no rows"):
                    self.pair.read(section, statement)
        self.assertEqual(self.ids(self.read("replica", row)), [row])
        self.assertEqual(self.pair.read("index", "SELECT id FROM nowhere").verdict, "failed")
        self.assertEqual(self.pair.read("index", "SELECT FROM thing WHERE false").verdict, "not_found")


class Functions(Pair):
    """What functions in place of statements must do. The subclasses say how one ends its transaction."""

    def test_a_question_of_several_statements(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()

        def read(connection):
            self.assertTrue(self.one(connection, "SELECT pg_is_in_recovery()"))
            self.assertEqual(self.one(connection, "SHOW transaction_isolation"), "read committed")
            return self.one(connection, f"SELECT id FROM thing WHERE id = '{row}'")
        end = self.pair.read("replica", read)
        self.assertEqual((end.unwrap(), end.served_by), (row, "replica"))

    def test_one_that_ends_its_transaction_proves_nothing(self):
        """It has swallowed an error, say, and what the question said of the server was of that transaction."""
        row = self.row()
        self.servers.cluster.wait_caught_up()

        def read(connection):
            self.end_transaction(connection)
            return []
        for section in ("index", "primary"):
            with self.assertRaisesRegex(UsageError, "ended the transaction"):
                self.pair.read(section, read)
        self.assertEqual(self.pair.info().reads, 0)
        self.assertEqual(self.ids(self.read("index", row)), [row])

    def test_what_one_sets_ends_with_it(self):
        row = self.row()
        self.servers.cluster.wait_caught_up()
        path = self.pair.read("replica", lambda connection: self.one(
            connection, "SELECT set_config('search_path', 'pg_catalog', false)"))
        self.assertEqual(path.value, "pg_catalog")
        self.assertEqual(self.ids(self.read("replica", row)), [row])

    def test_a_while_without_threads(self):
        """It fails reads that need a connection, and nothing of it stays."""
        if not self.pair._pools[0].server.is_pooled:
            self.skipTest("who reads makes the connection")
        row = self.row()
        with mock.patch.object(threading.Thread, "start",
                               side_effect=RuntimeError("can't start new thread")):
            for _ in range(9):  # more than max_reads
                end = self.read("primary", row)
                self.assertEqual((end.verdict, type(end.error).__name__), ("failed", "Error"))
                self.assertIn("thread", str(end.error))
        self.assertTrue(self.read("primary", row).found)

    def test_it_cannot_write(self):
        end = self.pair.read("primary", lambda connection: self.one(
            connection, "INSERT INTO thing VALUES ('x') RETURNING id"))
        self.assertEqual(end.verdict, "failed")
        self.assertIn("read-only", str(end.error))
        with self.assertRaises(ReadFailed):
            end.unwrap()
        # Its transaction is over, and the connection is of use.
        self.assertEqual(self.read("primary", "bogus").verdict, "not_found")

    def test_busy(self):
        inside, free = threading.Semaphore(0), threading.Event()

        def read(_connection):
            inside.release()
            free.wait(20)
            return 1
        threads = [threading.Thread(target=self.pair.read, args=("primary", read)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in threads:
            inside.acquire(timeout=20)
        self.assertRaises(Busy, self.read, "primary", "bogus")
        free.set()
        for thread in threads:
            thread.join()
        self.assertEqual(self.read("primary", "bogus").verdict, "not_found")


class Pooled(Functions):
    """What holds where the connections are the cluster's own, which makes them in threads."""

    def patient_read(self, meanwhile=lambda: None):
        """Begun while as many connections are being made as there may be reads, for reads that were given up.
        How many connections were made, in all."""
        row, ends, relay = self.row(), [], self.servers.relay
        self.servers.cluster.wait_caught_up()
        wait_for(lambda: self.pair.info().settled, "both servers to be heard")
        relay.stall_new_ones()
        before = relay.accepted
        for _ in range(8):
            self.assertEqual(self.read("replica", row, timeout=0.01).verdict, "failed")
        meanwhile()
        patient = threading.Thread(target=lambda: ends.append(self.read("replica", row)))
        patient.start()
        wait_for(lambda: ends or self.pair.info().reads == 1, "the read to begin")
        relay.pass_through()
        patient.join()
        self.assertEqual((ends[0].verdict, ends[0].served_by), ("found", "replica"), ends)
        return relay.accepted - before

    def test_connections_for_those_who_gave_up_are_not_in_vain(self):
        """Nobody waits for them any more: the next read does."""
        self.assertLessEqual(self.patient_read(), 8)

    def test_but_not_kept_where_they_were_begun_before_a_redial(self):
        pool = self.pair._pools[1]
        self.patient_read(lambda: self.pair._discard_idle(pool))
        wait_for(lambda: pool.dialling == 0, "the others to be made")
        self.assertEqual(list(pool.idle), [])
