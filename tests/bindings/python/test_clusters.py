#!/usr/bin/python3
"""Blocking clusters over psycopg 3 and psycopg2."""

import gc
import itertools
import logging
import os
import socket
import sys
import threading
import time
import traceback
import unittest
import weakref
from unittest import mock

import psycopg._pipeline

import package  # before what it is about
from blocking_pair import SELECT, Pair, Pooled, Servers, Statements
from cluster import Cluster
from relay import Relay
from testbed import wait_for

import read_policy.psycopg
import read_policy.psycopg2
from read_policy import Closed, PolicySet, Settings, UsageError, _abi
from read_policy._links import shut_down
from read_policy._machine import _Hearing

OWN = os.path.dirname(read_policy.psycopg.__file__)


def setUpModule():
    global servers
    servers = Pair.servers = Servers()


def tearDownModule():
    servers.close()


class Psycopg(Pooled, Statements, unittest.TestCase):
    def open(self, settings):
        return read_policy.psycopg.connect(servers.policies, {"a": servers.cluster.primary.conninfo(),
                                                      "b": servers.relay.conninfo()}, settings=settings)

    @staticmethod
    def one(connection, statement):
        return connection.execute(statement).fetchone()[0]

    @staticmethod
    def end_transaction(connection):
        connection.rollback()

    def test_a_connection_string_that_is_none_is_refused(self):
        for opens in (read_policy.psycopg.connect, read_policy.psycopg2.connect):
            for mistake in ("hots=10.0.0.1", "host=a password=b hidden", "postgresql://a:hidden@[c/d", "postgress://a:hidden@c/d"):
                with self.assertRaisesRegex(UsageError, "^server b: ") as raised:
                    opens(servers.policies, {"a": servers.cluster.primary.conninfo(), "b": mistake})
                self.assertNotIn("hidden", "".join(traceback.format_exception(None, raised.exception, None)))

    def test_a_server_that_never_answers_holds_nobody_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            addresses = {"a": servers.cluster.primary.conninfo(),
                         "b": f"host=127.0.0.1 port={silent.getsockname()[1]} user=postgres"}
            with read_policy.psycopg.connect(servers.policies, addresses) as pair:
                begun = time.monotonic()
                end = self.read("primary", self.row(), pair=pair, timeout=10)
                self.assertEqual(end.served_by, "primary")
                self.assertLess(time.monotonic() - begun, 8)

    def test_one_that_nobody_closed_is_collected(self):
        pair = self.open(Settings())
        self.read("primary", self.row(), pair=pair)
        gone, before = weakref.ref(pair), threading.active_count()
        del pair
        wait_for(lambda: gc.collect() is not None and gone() is None, "the cluster to be collected")
        # A clock, and one for each server.
        wait_for(lambda: threading.active_count() <= before - 3, "its threads to end")

    def test_metrics_and_servers(self):
        self.read("index", "bogus")
        names = {metric.name for metric in self.pair.metrics()}
        self.assertIn("cluster.polls", names)
        self.assertIn("run_engine.index.proven_absent", names)
        info = self.pair.info()
        self.assertEqual((info.settled, info.split, info.primary, info.replicas), (True, False, "a", 1))
        self.assertEqual(self.pair.server("b").role, "replica")
        self.pair.server_set("b", state="drain")
        self.assertEqual(self.read("retry", self.row()).served_by, "primary")
        with self.assertRaises(UsageError):
            self.pair.server_set("c")

    def test_wrong_arguments(self):
        for arguments in ({"expect": {"b": "primary"}}, {"expect": {"a": "king"}},
                          {"settings": Settings(max_reads=0)}, {"settings": Settings(timeout=0)},
                          {"settings": Settings(poll_ms=99)}, {"settings": Settings(poll_ms=2**32 + 500)}):
            with self.assertRaises(UsageError):
                read_policy.psycopg.connect(servers.policies, {"a": "host=/nowhere"}, **arguments)
        with self.assertRaises(UsageError):
            read_policy.psycopg.connect(servers.policies, {})

    def test_set_closed_first(self):
        own = PolicySet.from_text(package.POLICIES)
        pair = read_policy.psycopg.connect(own, {"a": servers.cluster.primary.conninfo()})
        own.close()
        self.assertRaises(Closed, pair.read, "primary", "SELECT 1")
        self.assertTrue(own._handle)
        pair.close()
        self.assertFalse(own._handle)


class Psycopg2(Pooled, Statements, unittest.TestCase):
    def open(self, settings):
        return read_policy.psycopg2.connect(servers.policies, {"a": servers.cluster.primary.conninfo(),
                                                       "b": servers.relay.conninfo()}, settings=settings)

    @staticmethod
    def one(connection, statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]

    @staticmethod
    def end_transaction(connection):
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")


class Migration(unittest.TestCase):
    def test_plans_of_before_are_no_failure(self):
        primary = servers.cluster.primary
        primary.execute("CREATE TABLE moving (id text)")
        primary.execute("INSERT INTO moving VALUES ('row')")
        servers.cluster.wait_caught_up()
        names = {"a": primary.conninfo(), "b": servers.cluster.standby.conninfo()}
        both = threading.Barrier(2)

        def read():
            end = pair.read("replica", lambda connection: (both.wait(20), connection.execute(
                "SELECT * FROM moving WHERE id = %s", ("row",)).fetchall())[1])
            self.assertTrue(end.found, end)
        with read_policy.psycopg.connect(servers.policies, names, prepare_threshold=0) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            # On two connections, and so two plans.
            threads = [threading.Thread(target=read) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(pair._pools[1].idle), 2)
            primary.execute("ALTER TABLE moving ADD COLUMN more int")
            servers.cluster.wait_caught_up()
            for _ in range(2):
                end = pair.read("replica", "SELECT * FROM moving WHERE id = %s", ("row",))
                self.assertEqual((end.verdict, end.value), ("found", [("row", None)]), end)


class Encodings(unittest.TestCase):
    def test_a_database_without_one(self):
        """Its texts are bytes to psycopg."""
        servers.cluster.primary.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
                                        " TEMPLATE template0" if servers.cluster.major >= 15 else
                                        "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        servers.cluster.wait_caught_up()
        names = {"a": servers.cluster.primary.conninfo(dbname="bytes"),
                 "b": servers.cluster.standby.conninfo(dbname="bytes")}
        for driver in (read_policy.psycopg, read_policy.psycopg2):
            with driver.connect(servers.policies, names) as pair:
                wait_for(lambda pair=pair: pair.info().replicas == 1, "the replica to be heard")
                end = pair.read("index", "SELECT 1")
                self.assertEqual((end.served_by, end.value), ("replica", [(1,)]), driver)
                self.assertEqual(pair.read("index", "SELECT 1 WHERE false").counted, "proven_absent", driver)


class Closing(unittest.TestCase):
    def test_a_link_that_takes_long_to_close_holds_nobody_up(self):
        addresses = {"a": servers.cluster.primary.conninfo(), "b": servers.cluster.standby.conninfo()}
        closes, goes_on = threading.Event(), threading.Event()

        def close(_link):
            closes.set()
            goes_on.wait(20)
        with read_policy.psycopg2.connect(servers.policies, addresses) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            with mock.patch.object(read_policy.psycopg2._Link, "close", close):
                pair._pools[0].drain()  # as when its server is to be dialled anew
                self.assertTrue(closes.wait(10))
                reading = threading.Thread(target=lambda: pair.read("replica", SELECT, ("bogus",)), daemon=True)
                reading.start()
                reading.join(5)
                goes_on.set()
                self.assertFalse(reading.is_alive())


class CutShort(unittest.TestCase):
    """What a signal's handler raises may come at any line of the package; a trace function does the same."""

    @staticmethod
    def is_cut_short_at(line, call, events=("call", "line", "return"), code=OWN):
        class Cut(BaseException):
            pass
        count = itertools.count()

        def trace(frame, event, _):
            if not frame.f_code.co_filename.startswith(code):
                return None
            if event in events and next(count) == line:
                raise Cut
            return trace
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            call()
        except Cut:
            return True
        finally:
            sys.settrace(before)
        return False

    def test_a_shut_down_leaves_the_descriptor_to_its_driver(self):
        for line in itertools.count():
            one, other = socket.socketpair()
            with other:
                is_cut_short = self.is_cut_short_at(line, lambda one=one: shut_down(one))
                descriptor = one.detach()
                self.assertTrue(os.path.exists(f"/proc/self/fd/{descriptor}"), f"event {line}")
                os.close(descriptor)
                if not is_cut_short:
                    self.assertEqual(other.recv(1), b"")
                    break
        self.assertGreater(line, 2)

    def test_a_read_leaves_a_cluster_that_reads(self):
        servers.cluster.primary.execute("INSERT INTO thing VALUES ('cut')")
        servers.cluster.wait_caught_up()
        addresses = {"a": servers.cluster.primary.conninfo(), "b": servers.cluster.standby.conninfo()}
        for driver in (read_policy.psycopg, read_policy.psycopg2):
            with driver.connect(servers.policies, addresses) as pair:
                wait_for(lambda pair=pair: pair.info().replicas == 1, "the replica to be heard")

                def read(pair=pair):
                    return pair.read("index", SELECT, ("cut",))
                for line in itertools.count():
                    # Python looks for signals at calls, but not at the line that leaves a `with`.
                    is_cut_short = self.is_cut_short_at(line, read, ("call", "return"))
                    self.assertEqual(read().verdict, "found", f"event {line}")
                    if not is_cut_short:
                        break
                self.assertEqual(pair.info().reads, 0)
                self.assertGreater(line, 50)

    def test_a_pipeline_leaves_no_results_to_the_next_read(self):
        rows = ["pipelined", "another"]
        servers.cluster.primary.execute("INSERT INTO thing SELECT unnest(%s)", (rows,))
        servers.cluster.wait_caught_up()
        with read_policy.psycopg.connect(servers.policies, {"b": servers.cluster.standby.conninfo()}) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            for line in itertools.count():
                is_cut_short = self.is_cut_short_at(line, lambda: pair.read("replica", SELECT, ("pipelined",)),
                                                    ("call", "return"), psycopg._pipeline.__file__)
                for row in rows:
                    end = pair.read("replica", SELECT, (row,))
                    self.assertEqual((end.verdict, end.value), ("found", [(row,)]), f"event {line}")
                if not is_cut_short:
                    break
        self.assertGreater(line, 20)


class ShortMemory(unittest.TestCase):
    def test_what_was_not_handed_out_comes_again(self):
        """The clock, and who asks, go on though memory was short, and what they had for another thread then ends
        its read."""
        addresses = {"a": servers.cluster.primary.conninfo(), "b": servers.relay.conninfo()}
        with read_policy.psycopg2.connect(servers.policies, addresses) as pair:
            wait_for(lambda: pair.info().replicas == 1 and pair.info().settled, "both to be heard")
            kinds, ends = set(), []
            given = pair._machine.next

            def fail_once_each():
                action = given()
                if action is not None and threading.current_thread() is not reading and action.kind not in kinds:
                    kinds.add(action.kind)
                    raise MemoryError
                return action
            servers.relay.stall()
            self.addCleanup(servers.relay.pass_through)
            reading = threading.Thread(daemon=True, target=lambda: ends.append(
                pair.read("replica", SELECT, ("bogus",), timeout=0.5)))
            with mock.patch.object(pair._machine, "next", fail_once_each):
                reading.start()
                reading.join(10)
            self.assertEqual([end.verdict for end in ends], ["failed"])
            self.assertIn(_abi.ACTION_DONE, kinds)

    def test_who_asks_goes_on(self):
        addresses = {"a": servers.cluster.primary.conninfo(), "b": servers.cluster.standby.conninfo()}
        with read_policy.psycopg2.connect(servers.policies, addresses, settings=Settings(poll_ms=100)) as pair:
            wait_for(lambda: pair.info().replicas == 1, "the replica to be heard")
            with mock.patch.object(pair._machine, "note_hearing", side_effect=MemoryError) as heard:
                wait_for(lambda: {call.args[0] for call in heard.call_args_list} == {0, 1},
                         "a question to fail on each server")
            before = {name: pair.server(name).position for name in addresses}
            servers.cluster.commit_something()
            for name in addresses:
                wait_for(lambda name=name: pair.server(name).position != before[name], f"{name} to be asked again")


class Failover(unittest.TestCase):
    def test_the_primary_is_found_again_by_itself(self):
        with Cluster() as lost:
            lost.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
            lost.primary.execute("INSERT INTO thing VALUES ('kept')")
            lost.wait_caught_up()
            addresses = {"a": lost.primary.conninfo(), "b": lost.standby.conninfo()}
            with read_policy.psycopg2.connect(servers.policies, addresses,
                                              settings=Settings(poll_ms=100)) as pair:
                self.assertEqual(pair.read("primary", SELECT, ("kept",)).served_by, "primary")
                self.assertEqual(pair.info().primary, "a")
                lost.primary.stop("immediate")
                lost.standby.promote()
                lost.standby.execute("INSERT INTO thing VALUES ('new')")
                wait_for(lambda: pair.read("primary", SELECT, ("new",)).served_by == "primary",
                         "reads of the new primary")
                self.assertEqual(pair.info().primary, "b")
                wait_for(lambda: pair.read("primary", SELECT, ("bogus",)).verdict == "not_found",
                         "the new primary's word on what there is not")


class Hearing(unittest.TestCase):
    """What is told of a server that does not answer, and how often."""

    def setUp(self):
        self.hearing = _Hearing("b")
        clock = mock.patch("time.monotonic", lambda: self.now)
        self.now = 100.0
        clock.start()
        self.addCleanup(clock.stop)

    def test_it_is_told_once(self):
        self.assertEqual(self.hearing.note("refused"), (logging.WARNING, "b does not answer: refused"))
        self.now += 3600
        self.assertIsNone(self.hearing.note("refused"))
        self.assertEqual(self.hearing.note(None), (logging.INFO, "b answers again"))
        self.assertIsNone(self.hearing.note(None))

    def test_errors_that_take_turns_are_not_told_each_time(self):
        told = []
        for error in ("refused", "starting up") * 100:
            self.now += 0.25
            told += filter(None, [self.hearing.note(error)])
            self.assertEqual(self.hearing.error, error)
        self.assertEqual(len(told), 5)

    def test_nor_does_one_that_comes_and_goes_fill_a_log(self):
        told = []
        for _ in range(100):
            self.now += 0.5
            told += filter(None, [self.hearing.note("refused"), self.hearing.note(None)])
        self.assertEqual(len(told), 10)


class Balancer(unittest.TestCase):
    """One name leads to two standbys, of which one is late."""

    def setUp(self):
        self.cluster = Cluster(standbys=("current", "late"))
        self.addCleanup(self.cluster.destroy)
        self.cluster.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
        self.cluster.primary.execute("INSERT INTO thing VALUES ('old')")
        self.cluster.wait_caught_up()
        self.relay = Relay(self.cluster.standbys[0])
        self.addCleanup(self.relay.close)

    def all_things(self, pair, section):
        """How many a read of them says there are: found, whether the answer is current or not."""
        end = pair.read(section, "SELECT count(*) FROM thing")
        self.assertEqual(end.verdict, "found")
        return end.value[0][0], end.served_by

    def test_a_current_read_is_not_the_other_servers(self):
        """The connection that asks was led to the one, and has heard that it has reached what was located;
        those that read are led to the other."""
        addresses = {"a": self.cluster.primary.conninfo(), "b": self.relay.conninfo()}
        with read_policy.psycopg.connect(servers.policies, addresses) as pair:
            wait_for(lambda: pair.read("always", "SELECT 1 WHERE false").counted == "proven_absent",
                     "the replica to be judged")
            self.assertEqual(self.all_things(pair, "always"), (1, "replica"))
            current, late = self.cluster.standbys
            while pair._pools[1].idle:
                pair._pools[1].idle.pop().close()
            self.relay.lead_new_ones_to(late)
            late.pause_replay()
            self.cluster.primary.execute("INSERT INTO thing VALUES ('new')")
            self.cluster.wait_caught_up(current)
            self.assertEqual(self.all_things(pair, "replica"), (1, "replica"))
            for _ in range(10):
                self.assertEqual(self.all_things(pair, "always"), (2, "primary"))
            late.resume_replay()
            self.cluster.wait_caught_up()
            wait_for(lambda: self.all_things(pair, "always") == (2, "replica"), "the late one to do")


if __name__ == "__main__":
    unittest.main()
