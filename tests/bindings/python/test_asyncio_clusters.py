#!/usr/bin/python3
"""Clusters of asyncio on a real primary and standby: asyncpg and psycopg 3."""

import asyncio
import contextvars
import logging
import os
import re
import time
import unittest
from unittest import mock

from cluster import Cluster
from package import POLICIES
from relay import Relay
from testbed import wait_for

import read_policy.asyncpg
import read_policy.psycopg
from read_policy import Busy, Closed, PolicySet, Settings, UsageError, _abi

# What the tests make happen is no news.
logging.getLogger("read_policy").setLevel(logging.CRITICAL)
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


def setUpModule():
    global cluster, policies, relay
    cluster = Cluster()
    relay = Relay(cluster.standby)
    cluster.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
    cluster.wait_caught_up()
    policies = PolicySet.from_text(POLICIES)


def tearDownModule():
    policies.close()
    relay.close()
    cluster.destroy()


async def until(condition, what, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up waiting for {what}")
        await asyncio.sleep(0.005)


class Pair:
    """What every driver must do. The subclasses say how a cluster is opened, and their statement."""

    async def asyncSetUp(self):
        cluster.reset()
        relay.pass_through()
        relay.lead_new_ones_to(cluster.standby)
        self.numbers = iter(range(1000))
        self.notices = []
        self.pair = self.open(Settings(strict=True, max_reads=8,
                                       on_notice=lambda _level, text: self.notices.append(text)))

        async def is_heard():
            return self.pair.info().replicas == 1
        # A busy machine may answer the first question too late, and is asked again a second later.
        await until(is_heard, "the replica to be heard")

    async def asyncTearDown(self):
        await self.pair.close()
        # Nothing is left behind that would run on.
        self.assertEqual(asyncio.all_tasks() - {asyncio.current_task()}, set())

    def row(self):
        identity = f"{type(self).__name__}-{self._testMethodName}-{next(self.numbers)}"
        cluster.primary.execute("INSERT INTO thing VALUES (%s)", (identity,))
        return identity

    async def read(self, section, identity, **options):
        return await self.pair.read(section, self.select, (identity,), **options)

    async def test_the_clock_goes_on_where_memory_was_short(self):
        """And what was not handed out then comes again."""
        async def is_settled():
            return self.pair.info().settled
        await until(is_settled, "the primary to be heard")
        kinds = set()
        given = self.pair._machine.next

        def fail_once_each():
            action = given()
            if action is not None and action.kind in (_abi.ACTION_DROP, _abi.ACTION_DONE) and \
                    action.kind not in kinds:
                kinds.add(action.kind)
                raise MemoryError
            return action
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        relay.stall()
        with mock.patch.object(self.pair._machine, "next", fail_once_each):
            end = await asyncio.wait_for(self.read("replica", "bogus", timeout=0.5), 10)
        self.assertEqual(end.verdict, "failed")
        self.assertIn(_abi.ACTION_DONE, kinds)

    async def test_a_row_that_the_replica_has(self):
        row = self.row()
        cluster.wait_caught_up()
        for section in ("retry", "index", "backoff", "replica"):
            end = await self.read(section, row)
            self.assertEqual((end.verdict, end.value[0][0], end.served_by), ("found", row, "replica"))
            self.assertRegex(end.position, "^[0-9A-F]+/[0-9A-F]+$")
        self.assertEqual((await self.read("primary", row)).served_by, "primary")

    async def while_replay_resumes(self, read):
        """What the read gives; the standby goes on once its position is awaited."""
        async def awaits():
            return any(metric.name == "cluster.watches" and metric.value
                       for metric in self.pair.metrics())
        reading = asyncio.create_task(read)
        await until(awaits, "the position to be awaited")
        cluster.standby.resume_replay()
        return await reading

    async def test_a_position_that_was_handed_on_is_a_floor(self):
        old = self.row()
        cluster.wait_caught_up()
        cluster.standby.pause_replay()
        seen = await self.read("primary", self.row())
        # The replica has the row; what it shows besides is too old for who has seen that position.
        self.assertEqual((await self.read("retry", old)).served_by, "replica")
        end = await self.read("retry", old, position=seen.position)
        self.assertEqual((end.value[0][0], end.served_by, end.counted), (old, "primary", None))
        end = await self.while_replay_resumes(self.read("index", old, position=seen.position))
        self.assertIn(end.served_by, ("replica", "replica_retry"))
        self.assertTrue(cluster.primary.value("SELECT %s::pg_lsn >= %s::pg_lsn", (end.position, seen.position)))

    async def test_a_row_that_is_on_its_way(self):
        await self.read("primary", "bogus")
        cluster.standby.pause_replay()
        row = self.row()

        end = await self.while_replay_resumes(self.read("index", row))
        self.assertEqual((end.value[0][0], end.served_by), (row, "replica_retry"))
        self.assertEqual((await self.read("index", row, position=end.position)).served_by, "replica")

    async def test_a_row_that_the_replica_never_gets(self):
        cluster.standby.pause_replay()
        row = self.row()
        for section in ("retry", "index_briefly", "backoff"):
            end = await self.read(section, row)
            self.assertEqual((end.value[0][0], end.served_by), (row, "primary"))

    async def test_a_server_that_is_slow_to_connect_to(self):
        """Slower than its first question may be; the connection is not in vain."""
        relay.stall()
        async with self.open(Settings(strict=True, max_reads=8, poll_ms=5000)) as pair:
            async def is_settled():
                return pair.info().settled

            async def has_a_replica():
                return pair.info().replicas == 1
            await until(is_settled, "the question to be given up")
            self.assertEqual(pair.info().replicas, 0)
            relay.pass_through()
            await until(has_a_replica, "the replica to be heard", 3)

    async def test_a_server_that_is_slower_to_connect_to_than_a_read_may_take(self):
        """The next one finds the connection there, or none would ever be made."""
        row = self.row()
        cluster.wait_caught_up()
        pool = self.pair._pools[1]
        relay.stall_new_ones()
        tasks = [self.read("replica", row, timeout=0.2) for _ in range(3)]
        self.assertEqual({end.verdict for end in await asyncio.gather(*tasks)}, {"failed"})
        self.assertEqual(len(pool.idle), 0)
        relay.pass_through()

        async def are_made():
            return len(pool.idle) > 0 and not pool.dials
        await until(are_made, "the connections to be kept")
        self.assertEqual(self.pair.info().reads, 0)

    async def test_no_more_connections_are_made_than_there_may_be_reads(self):
        row = self.row()
        relay.stall_new_ones()
        for _ in range(20):
            end = await self.read("replica", row, timeout=0.02)
            self.assertEqual(end.verdict, "failed")
        self.assertEqual(len(self.pair._pools[1].dials), 8)
        patient = self.read("replica", row)
        relay.pass_through()
        end = await patient
        self.assertEqual((end.verdict, end.served_by), ("found", "replica"))
        await self.pair.close()
        self.assertEqual(self.pair._pools[1].dials, set())

    async def test_bogus_ids(self):
        end = await self.read("index", "bogus")
        self.assertEqual((end.verdict, end.value, end.counted), ("not_found", None, "proven_absent"))
        self.assertEqual((await self.read("primary", "bogus")).verdict, "not_found")

    async def test_a_replica_that_is_none_any_more_says_nothing_of_what_is_missing(self):
        await self.read("primary", "bogus")
        # The questions' connection does not see it: as between a promotion and the next question.
        relay.lead_new_ones_to(cluster.primary)
        end = await self.read("replica", "bogus")
        self.assertEqual((end.verdict, end.error), ("failed", None))

    async def test_a_function(self):
        row = self.row()
        cluster.wait_caught_up()

        async def read(connection):
            self.assertEqual(await self.one(connection, "SHOW transaction_isolation"),
                             "read committed")
            return await self.one(connection, f"SELECT id FROM thing WHERE id = '{row}'")
        end = await self.pair.read("replica", read)
        self.assertEqual((end.unwrap(), end.served_by), (row, "replica"))
        end = await self.pair.read("primary", lambda connection: self.one(
            connection, "INSERT INTO thing VALUES ('x') RETURNING id"))
        self.assertEqual(end.verdict, "failed")
        self.assertIn("read-only", str(end.error))

    async def test_a_function_that_ends_its_transaction_proves_nothing(self):
        row = self.row()
        cluster.wait_caught_up()

        async def read(connection):
            await connection.execute("ROLLBACK")
            return []
        for section in ("index", "primary"):
            with self.assertRaisesRegex(UsageError, "ended the transaction"):
                await self.pair.read(section, read)
        self.assertEqual((await self.read("index", row)).verdict, "found")

    async def test_what_a_function_sets_ends_with_it(self):
        row = self.row()
        cluster.wait_caught_up()

        async def read(connection):
            await connection.execute("SET search_path = pg_catalog")
            return "set"
        self.assertEqual((await self.pair.read("replica", read)).value, "set")
        self.assertEqual((await self.read("replica", row)).verdict, "found")
        self.assertEqual(len(self.pair._pools[1].idle), 1)  # on the same connection

    async def test_a_statement_that_has_no_rows_says_nothing_of_one(self):
        row = self.row()
        cluster.wait_caught_up()
        for statement in ("SET search_path = pg_catalog", "BEGIN", "COMMIT", "ROLLBACK", ""):
            for section in ("index", "primary"):
                with self.assertRaisesRegex(UsageError, "returns no rows"):
                    await self.pair.read(section, statement)
        self.assertEqual((await self.read("replica", row)).verdict, "found")
        for statement in ("SELECT FROM thing WHERE id = 'bogus'", "/* whose */ SELECT id FROM thing WHERE false",
                          "/* none */ SELECT FROM thing WHERE false"):
            self.assertEqual((await self.pair.read("index", statement)).verdict, "not_found")

    async def test_a_function_sees_its_callers_variables(self):
        """Whoever of them, or of the clock, has it called again."""
        caller = contextvars.ContextVar("caller")
        seen = set()

        async def read_as(number, section):
            caller.set(number)

            async def read(connection):
                seen.add((number, caller.get(None)))
                return await self.one(connection, "SELECT max(id) FROM thing WHERE id = 'bogus'")

            def outcome(value):
                seen.add((number, caller.get(None)))
                return "found" if value else "missing"
            return await self.pair.read(section, read, outcome=outcome)
        for section in ("retry", "index"):
            ends = await asyncio.gather(*(read_as(number, section) for number in range(8)))
            self.assertEqual({end.verdict for end in ends}, {"not_found"})
        self.assertEqual(seen, {(number, number) for number in range(8)})

    async def test_a_notice_is_not_of_the_read_that_brought_it(self):
        caller = contextvars.ContextVar("caller", default=None)
        seen = []

        async def until_noticed(pair):
            caller.set("a read's")
            pair.server_set("b", expect="primary")
            await until(noticed, "a notice")

        async def noticed():
            return bool(seen)
        settings = Settings(max_reads=8, on_notice=lambda *_notice: seen.append(caller.get()))
        async with self.open(settings) as pair:
            await pair.read("primary", self.select, ("bogus",))
            seen.clear()
            await asyncio.create_task(until_noticed(pair))
        self.assertEqual(set(seen), {None})

    async def test_many_at_once(self):
        row = self.row()
        cluster.wait_caught_up()

        async def work(number):
            for turn in range(6):
                bogus = (number + turn) % 3 == 0
                end = await self.read("index", "bogus" if bogus else row)
                self.assertEqual(end.verdict, "not_found" if bogus else "found")
        await asyncio.gather(*map(work, range(8)))
        self.assertEqual((self.pair.info().reads, self.pair._pending), (0, {}))

    async def test_busy(self):
        free = asyncio.Event()

        async def read(_connection):
            await free.wait()
            return 1
        tasks = [asyncio.create_task(self.pair.read("primary", read)) for _ in range(8)]

        async def are_all_reading():
            return self.pair.info().reads == 8
        await until(are_all_reading, "all to read")
        with self.assertRaises(Busy):
            await self.read("primary", "bogus")
        free.set()
        self.assertEqual({end.verdict for end in await asyncio.gather(*tasks)}, {"found"})

    async def test_a_caller_that_is_cancelled_ends_its_statement(self):
        await self.read("primary", "bogus")
        task = asyncio.create_task(self.pair.read("primary", "SELECT pg_sleep(60)", timeout=60))
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait = asyncio.get_running_loop().run_in_executor
        await wait(None, wait_for, lambda: cluster.primary.value(asleep), "the statement to run")
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(self.pair.info().reads, 0)
        self.assertEqual((await self.read("primary", "bogus")).verdict, "not_found")

    async def test_a_connection_string_that_is_none_is_refused(self):
        with self.assertRaisesRegex(UsageError, 'server b: .*"hots"'):
            read_policy.psycopg.connect_async(policies, {"a": cluster.primary.conninfo(), "b": "hots=10.0.0.1"})

    async def test_a_replica_that_falls_silent_costs_the_limit(self):
        row = self.row()
        cluster.wait_caught_up()
        self.assertEqual((await self.read("replica", row)).served_by, "replica")
        relay.stall()
        begun = time.monotonic()
        # A quarter of that is the primary's.
        end = await self.read("retry", row, timeout=4)
        self.assertEqual(end.served_by, "primary", end)
        self.assertEqual(end.value[0][0], row)
        self.assertLess(time.monotonic() - begun, 6)
        relay.pass_through()

        async def serves():
            return (await self.read("retry", row)).served_by == "replica"
        await until(serves, "the replica to serve again")

    async def test_a_replica_that_was_restarted(self):
        row = self.row()
        cluster.wait_caught_up()
        self.assertEqual((await self.read("replica", row)).served_by, "replica")
        cluster.standby.stop("immediate")
        end = await self.read("retry", row)
        self.assertEqual((end.served_by, end.counted), ("primary", None))
        cluster.standby.start()

        async def serves():
            return (await self.read("retry", row)).served_by == "replica"
        await until(serves, "the replica to serve again")

    async def test_a_server_that_does_not_answer_is_told_of(self):
        self.assertIsNone(self.pair.server("b").error)
        cluster.standby.stop("immediate")

        async def is_told():
            said = self.pair.server("b").error
            return said and f"b does not answer: {said}" in self.notices
        await until(is_told, "the notice")
        cluster.standby.start()

        async def is_heard():
            return "b answers again" in self.notices
        await until(is_heard, "the notice of its end")
        self.assertIsNone(self.pair.server("b").error)

    async def test_of_one_that_falls_silent_no_error_of_our_own_making_is_told(self):
        relay.stall()

        async def is_told():
            return "b does not answer: no answer in time" in self.notices
        await until(is_told, "the notice")

    async def test_a_kept_connection_that_was_lost_is_made_anew(self):
        row = self.row()
        cluster.wait_caught_up()
        self.assertEqual((await self.read("replica", row)).served_by, "replica")
        cluster.standby.end_clients()
        self.assertEqual((await self.read("replica", row)).served_by, "replica")

    async def test_close_while_reads_are_under_way(self):
        row = self.row()
        cluster.wait_caught_up()
        await self.read("retry", row)
        relay.stall()
        tasks = [asyncio.create_task(self.read("retry", row, timeout=30)) for _ in range(4)]

        async def are_all_reading():
            return self.pair.info().reads == 4
        await until(are_all_reading, "all to read")
        begun = time.monotonic()
        await self.pair.close()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        self.assertEqual([type(end) for end in ends], [Closed] * 4)
        self.assertLess(time.monotonic() - begun, 5)
        with self.assertRaises(Closed):
            await self.read("retry", row)
        await self.pair.close()

    async def test_close_while_a_question_is_out(self):
        """On a connection that was kept; a new one would be made for it, but for the close."""
        relay.stall()

        async def is_asked():
            return self.pair._pools[1].asking.locked()
        await until(is_asked, "a question that has no answer")
        await self.pair.close()
        self.assertEqual(asyncio.all_tasks() - {asyncio.current_task()}, set())

    async def test_close_that_is_cancelled_leaves_nothing_open(self):
        row = self.row()
        cluster.wait_caught_up()
        await self.read("primary", row)
        links = [self.pair._pools[0].idle[-1], *(pool.asks for pool in self.pair._pools)]
        relay.stall()
        reading = asyncio.create_task(self.read("replica", row, timeout=30))

        async def is_reading():
            return self.pair.info().reads == 1
        await until(is_reading, "the read to begin")
        closing = asyncio.create_task(self.pair.close())
        await asyncio.sleep(0)
        closing.cancel()
        ends = await asyncio.gather(closing, reading, return_exceptions=True)
        self.assertEqual([type(end) for end in ends], [asyncio.CancelledError, Closed])
        self.assertEqual([link.is_usable() for link in links], [False] * 3)

    async def test_close_while_a_connection_comes_though_it_was_cancelled(self):
        """As drivers' own time limits let it, where both happen at once."""
        await self.read("primary", "bogus")
        pool = self.pair._pools[0]
        pool.drain()
        connect, connecting = pool.server.connect, asyncio.Event()

        async def connects_all_the_same():
            connecting.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                return await connect()
        pool.server.connect = connects_all_the_same
        reading = asyncio.create_task(self.pair.read("primary", "SELECT pg_sleep(30)", timeout=60))
        await connecting.wait()
        begun = time.monotonic()
        await self.pair.close()
        self.assertLess(time.monotonic() - begun, 20)
        with self.assertRaises(Closed):
            await reading

    async def test_mistakes_of_the_callers_are_theirs(self):
        row = self.row()
        with self.assertRaises(ZeroDivisionError):
            await self.read("retry", row, outcome=lambda _rows: 1 // 0)

        async def read(_connection):
            raise KeyError("mine")
        with self.assertRaisesRegex(KeyError, "mine"):
            await self.pair.read("retry", read)
        self.assertEqual(self.pair.info().reads, 0)

        async def awaits_what_was_cancelled(_connection):
            raise asyncio.CancelledError("mine")
        begun = time.monotonic()
        with self.assertRaises(asyncio.CancelledError):
            await self.pair.read("retry", awaits_what_was_cancelled, timeout=60)
        with self.assertRaisesRegex(RuntimeError, "StopIteration"):
            await self.read("retry", row, outcome=lambda _rows: next(iter(())), timeout=60)
        self.assertLess(time.monotonic() - begun, 30)  # neither was waited for
        self.assertEqual(self.pair.info().reads, 0)
        self.assertEqual((await self.read("retry", row)).verdict, "found")
        with self.assertRaisesRegex(UsageError, "another event loop"):
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: asyncio.run(self.read("retry", row)))
        with self.assertRaisesRegex(UsageError, "another event loop"):
            await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(self.pair.close()))
        self.assertEqual((await self.read("retry", row)).verdict, "found")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self.pair.info()
            except UsageError as error:
                status = 0 if "before a fork" in str(error) else 2
            os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    async def test_plans_of_before_a_migration_are_no_failure(self):
        table = f"moving_{type(self).__name__}"
        cluster.primary.execute(f"CREATE TABLE {table} (id text)")
        cluster.primary.execute(f"INSERT INTO {table} VALUES ('row')")
        cluster.wait_caught_up()
        for _ in range(7):  # the driver prepares what comes again
            self.assertTrue((await self.pair.read("replica", f"SELECT * FROM {table}")).found)
        cluster.primary.execute(f"ALTER TABLE {table} ADD COLUMN more int")
        cluster.wait_caught_up()
        end = await self.pair.read("replica", f"SELECT * FROM {table}")
        self.assertEqual((end.verdict, [tuple(row) for row in end.value or ()]), ("found", [("row", None)]), end)

    async def test_what_a_caller_raises_costs_no_connection(self):
        async def raises(_connection):
            raise KeyError("mine")
        ask = "SELECT pg_backend_pid()"
        first = await self.pair.read("primary", ask)
        with self.assertRaises(KeyError):
            await self.pair.read("primary", raises)
        end = await self.pair.read("primary", ask)
        self.assertEqual((end.value[0][0], end.error), (first.value[0][0], None))

    async def test_nothing_of_its_own_is_wrong(self):
        """The strict cluster has no mistake of the package's to name."""
        row = self.row()
        for section in ("retry", "index", "backoff", "primary"):
            await self.read(section, row)
            await self.read(section, "bogus")
        await self.pair.close()
        # A busy machine may ask too late.
        self.assertEqual([text for text in self.notices if not re.search(
            r" is (the primary|a replica)|: no answer in time| answers again", text)], [])


class Asyncpg(Pair, unittest.IsolatedAsyncioTestCase):
    select = "SELECT id FROM thing WHERE id = $1"

    def open(self, settings):
        return read_policy.asyncpg.connect(policies, {
            name: f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
            for name, server in (("a", cluster.primary), ("b", relay))}, settings=settings)

    async def test_an_address_that_is_none(self):
        """What is no error of the driver's is told of."""
        with self.assertLogs("read_policy", "ERROR") as logs:
            async with read_policy.asyncpg.connect(policies, {"a": "host=127.0.0.1"}) as pair:
                self.assertEqual((await pair.read("primary", "SELECT 1", timeout=0.5)).verdict, "failed")
        self.assertIn("asking a failed", logs.output[0])
        self.assertEqual(len(logs.output), 1)  # and not whenever it is asked

    @staticmethod
    async def one(connection, statement):
        return await connection.fetchval(statement)

    async def test_values_that_are_none(self):
        """asyncpg would take the keys of a dict, and the characters of a text: a row of that id is not there."""
        self.row()
        for values in ({"id": "a"}, "a", b"a", {"a"}, 7, iter(("a",))):
            with self.assertRaisesRegex(UsageError, "a sequence, one for each"):
                await self.pair.read("index", self.select, values)
        row = self.row()
        for values in ([row], (row,)):
            self.assertTrue((await self.pair.read("index", self.select, values)).found)
        for values in (None, (), []):
            self.assertTrue((await self.pair.read("index", "SELECT 1", values)).found)

    async def test_a_session_that_the_server_ends_while_it_is_idle(self):
        """The server's word on it is there before the connection is lost."""
        words = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
        await self.read("primary", "bogus")
        kept = self.pair._pools[0].idle[-1]
        kept._connection._protocol.data_received(b"E" + (len(words) + 4).to_bytes(4, "big") + words)
        self.assertEqual((await self.read("primary", "bogus")).verdict, "not_found")
        self.assertNotIn(kept, self.pair._pools[0].idle)


class Psycopg(Pair, unittest.IsolatedAsyncioTestCase):
    select = "SELECT id FROM thing WHERE id = %s"

    def open(self, settings):
        return read_policy.psycopg.connect_async(policies, {"a": cluster.primary.conninfo(),
                                                            "b": relay.conninfo()},
                                                 settings=settings)

    @staticmethod
    async def one(connection, statement):
        return (await (await connection.execute(statement)).fetchone())[0]


class MovedAddress(unittest.IsolatedAsyncioTestCase):
    """The primary's address leads to a new one; the old one, which nobody has ended, goes on."""

    async def test_every_connection_to_it_is_made_anew(self):
        lost = Cluster(standbys=("new", "follower"))
        self.addCleanup(lost.destroy)
        new, follower = lost.standbys
        address = Relay(lost.primary)
        self.addCleanup(address.close)
        lost.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
        lost.wait_caught_up()
        pairs = self.open(address, follower)
        for pair in pairs:
            self.addAsyncCleanup(pair.close)
            await until(lambda pair=pair: self.serves(pair, "SELECT 1"), "the primary to serve")
        new.promote()
        address.lead_new_ones_to(new)
        follower.follow(new)
        new.execute("INSERT INTO thing VALUES ('row')")
        for pair in pairs:
            await until(lambda pair=pair: self.serves(pair, "SELECT id FROM thing"), "the new primary to serve")
            # Whoever still hears the old one sees two primaries, again and again.
            await until(lambda pair=pair: self.is_sure(pair), "the new primary's word on what there is not", 60)

    @staticmethod
    def open(address, follower):
        settings = Settings(poll_ms=100, on_notice=lambda *_notice: None)
        return [read_policy.asyncpg.connect(policies, {
                    name: f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
                    for name, server in (("a", address), ("b", follower))}, settings=settings),
                read_policy.psycopg.connect_async(policies, {"a": address.conninfo(), "b": follower.conninfo()},
                                                  settings=settings)]

    @staticmethod
    async def is_sure(pair):
        for _ in range(30):
            if (await pair.read("primary", "SELECT id FROM thing WHERE false")).verdict != "not_found":
                return False
            await asyncio.sleep(0.02)
        return True

    @staticmethod
    async def serves(pair, statement):
        return (await pair.read("primary", statement)).found


if __name__ == "__main__":
    unittest.main()
