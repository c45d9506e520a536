#!/usr/bin/python3
"""The policy file and decisions only: reads by callables, of any client, blocking and asyncio."""

import asyncio
import copy
import itertools
import os
import pickle
import random
import sqlite3
import tempfile
import threading
import time
import unittest

from package import POLICIES

import read_policy.asyncio
from read_policy import (Budget, Closed, ConfigError, Missing, NotFound, PolicySet, ReadFailed, Shed,
                         UsageError)

DECISIONS = "".join("[" + part for part in POLICIES.split("[")[1:] if "read_index" not in part)


class Server:
    """Answers, one after the other, the last one for ever; exceptions are raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    def read(self, _replica=None):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read_async(self, _replica=None):
        await asyncio.sleep(0)
        return self.read()


class Blocking:
    @staticmethod
    def decide(policy, replica, primary, **options):
        return policy.read(replica.read, primary.read, **options)


class Asyncio:
    @staticmethod
    def decide(policy, replica, primary, **options):
        return asyncio.run(read_policy.asyncio.read(policy, replica.read_async, primary.read_async,
                                                    **options))


class Decisions:
    def setUp(self):
        self.policies = PolicySet.from_text(DECISIONS, decisions_only=True)
        self.addCleanup(self.policies.close)

    def read(self, section, replica, primary=None, **options):
        return self.decide(self.policies.policy(section), replica, primary or Server(["row"]), **options)

    def counted(self, section):
        return {metric.attribute_value or metric.name: metric.value
                for metric in self.policies.metrics() if metric.section == section and metric.value}

    def test_a_hit(self):
        end = self.read("retry", Server(["row"]))
        self.assertEqual((end.verdict, end.unwrap(), end.served_by, end.log_level, end.error),
                         ("found", ["row"], "replica", None, None))

    def test_a_miss_waits_and_asks_again(self):
        replica, begun = Server([], ["late"]), time.monotonic()
        end = self.read("retry", replica)
        self.assertGreaterEqual(time.monotonic() - begun, 0.02)
        self.assertEqual((end.value, end.served_by, end.counted, replica.asked),
                         (["late"], "replica_retry", "replica_retry", 2))
        self.assertEqual(self.counted("retry"), {"replica_retry": 1})

    def test_the_primary_has_it(self):
        end = self.read("retry", Server(None))
        self.assertEqual((end.value, end.served_by, end.log_level), (["row"], "primary", "warn"))

    def test_nobody_has_it(self):
        end = self.read("retry", Server(Missing("not here")), Server([]))
        self.assertEqual((end.verdict, end.value, end.failed_during),
                         ("not_found", None, "primary_fallback"))
        self.assertEqual(str(end.error), "not here")
        with self.assertRaises(NotFound) as raised:
            end.unwrap()
        self.assertIs(raised.exception.end, end)

    def test_a_failure_is_no_miss(self):
        down = ConnectionError("down")
        end = self.read("replica", Server(down))
        self.assertEqual((end.verdict, end.error), ("failed", down))
        with self.assertRaises(ReadFailed) as raised:
            end.unwrap()
        self.assertIs(raised.exception.__cause__, down)
        end = self.read("retry", Server(down))
        self.assertEqual((end.value, end.served_by, end.error), (["row"], "primary", down))

    def test_partial_on_the_replica_is_a_miss(self):
        def outcome(rows):
            return "partial" if rows == ["half"] else "found" if rows else "missing"
        end = self.read("retry", Server(["half"]), Server(["whole"]), outcome=outcome)
        self.assertEqual((end.value, end.served_by), (["whole"], "primary"))
        end = self.read("retry", Server(["half"]), Server(["half"]), outcome=outcome)
        self.assertEqual((end.verdict, end.value), ("found", ["half"]))

    def test_shed(self):
        verdicts = [self.read("budget", Server([])).verdict for _ in range(4)]
        self.assertEqual(verdicts, ["found", "found", "shed", "shed"])
        with self.assertRaises(Shed):
            self.read("budget", Server([])).unwrap()

    def test_what_is_left_of_the_budget(self):
        policy = self.policies.policy("budget")
        self.assertEqual(policy.budget(), Budget(per_second=1, burst=2, left=2))
        self.assertEqual(policy.budget().left, 2)
        begun = time.monotonic()
        self.assertEqual(self.read("budget", Server([])).served_by, "primary")
        left = policy.budget().left
        self.assertTrue(left == 1 or time.monotonic() - begun >= 1, left)
        self.assertIsNone(self.policies.policy("retry").budget())
        self.assertIsNone(self.policies.policy("primary").budget())
        self.policies.close()
        self.assertRaises(Closed, policy.budget)

    def test_in_a_transaction_and_without_replicas(self):
        for options in ({"in_transaction": True}, {"replicas": 0}):
            replica = Server(["row"])
            end = self.read("retry", replica, **options)
            self.assertEqual((end.served_by, replica.asked), ("primary", 0))

    def test_no_wait_goes_beyond_the_timeout(self):
        begun = time.monotonic()
        with PolicySet.from_text("[patient]\npolicy = replica_backoff\nmax_wait_ms = 5000\n",
                                 decisions_only=True) as policies:
            end = self.decide(policies.policy("patient"), Server([]), Server(["row"]), timeout=0.03)
        self.assertEqual(end.served_by, "primary")
        self.assertLess(time.monotonic() - begun, 4)

    def test_what_a_value_says(self):
        for value in ("", b"", 0, False, [0], object()):
            end = self.read("retry", Server(value))
            self.assertEqual((end.value, end.served_by), (value, "replica"), value)
        for value in ((), {}, set()):
            end = self.read("retry", Server(value))
            self.assertEqual((end.value, end.served_by), (["row"], "primary"), value)

    def test_what_was_not_read_says_nothing(self):
        async def later():
            return ["row"]
        result = sqlite3.connect(":memory:").execute("SELECT 1 WHERE false")
        coroutine = later()
        self.addCleanup(coroutine.close)
        class Query:
            def all(self):
                return []

            def first(self):
                return None
        for value in (result, (row for row in []), map(str, []), iter([]), itertools.chain([]), Query(), coroutine):
            with self.assertRaisesRegex(UsageError, f"a {type(value).__name__} does not say"):
                self.read("retry", Server(value))
        end = self.read("retry", Server(result), outcome=lambda rows: "found" if rows == ["row"] else "missing")
        self.assertEqual(end.served_by, "primary")

    def test_its_end_crosses_processes(self):
        end = self.read("retry", Server(ConnectionError("down")), Server(ConnectionError("down, too")))
        with self.assertRaises(ReadFailed) as raised:
            end.unwrap()
        raised.exception.asked = "twice"
        there = pickle.loads(pickle.dumps(raised.exception))
        self.assertEqual((type(there), str(there), there.end.message, str(there.end.error), there.asked),
                         (ReadFailed, str(raised.exception), end.message, "down, too", "twice"))

    def test_mistakes_of_the_callers(self):
        with self.assertRaisesRegex(UsageError, "found, partial or missing, not 'Found'"):
            self.read("retry", Server(["row"]), outcome=lambda _rows: "Found")
        with self.assertRaises(ZeroDivisionError):
            self.read("retry", Server(["row"]), outcome=lambda _rows: 1 // 0)
        # The set is not held by what has failed.
        self.policies.close()
        self.assertFalse(self.policies._handle)

    def test_names_that_are_none(self):
        for section in (None, b"retry", 1, ["retry"]):
            with self.assertRaisesRegex(UsageError, "by its name", msg=section):
                self.policies.policy(section)
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            file.write(POLICIES)
            file.flush()
            with self.assertRaisesRegex(UsageError, "NUL"):  # not the file whose path ends before it
                PolicySet.from_file(file.name + "\0.old")

    def test_the_programs_own_random_numbers_are_let_be(self):
        """Who seeds them alike in all workers has not asked for waits that are alike."""
        state = random.getstate()
        self.assertTrue(self.read("retry", Server(None, ["row"])).found)
        self.assertEqual(random.getstate(), state)

    def test_options_that_are_none(self):
        """Nothing is left under way by what was refused."""
        nan = float("nan")
        for options in ({"replicas": -1}, {"replicas": 2**32}, {"replicas": 1.5}, {"replicas": "1"},
                        {"timeout": nan}, {"timeout": "1"}):
            with self.assertRaises((UsageError, TypeError), msg=options):
                self.read("retry", Server(["row"]), **options)
        for timeout in (float("inf"), 1e30, 10**400):
            self.assertTrue(self.read("retry", Server(None), Server(["row"]), timeout=timeout).found, timeout)
        self.assertEqual(self.policies._users, 0)

    def test_closed_while_it_reads(self):
        closing = Server(["row"])
        closing.read = lambda _replica=None: self.policies.close() or []
        closing.read_async = lambda _replica=None: asyncio.sleep(0, closing.read())
        self.assertEqual(self.read("retry", closing).served_by, "primary")
        self.assertFalse(self.policies._handle)
        with self.assertRaises(Closed):
            self.policies.policy("retry")


class BlockingDecisions(Blocking, Decisions, unittest.TestCase):
    pass


class AsyncioDecisions(Asyncio, Decisions, unittest.TestCase):
    pass


class Sets(unittest.TestCase):
    def test_errors_name_all_mistakes(self):
        with self.assertRaises(ConfigError) as raised:
            PolicySet.from_text("[a]\npolicy = nonsense\n[b]\npolicy = primary_only\nx = 1\n",
                                name="mine.ini")
        self.assertRegex(str(raised.exception), r"mine\.ini:2.*nonsense[^\n]*\n.*mine\.ini:5")
        with self.assertRaisesRegex(ConfigError, "/nowhere.ini"):
            PolicySet.from_file("/nowhere.ini")

    def test_positions_are_needed(self):
        with self.assertRaisesRegex(ConfigError, "read_index"):
            PolicySet.from_text(POLICIES, decisions_only=True)
        with PolicySet.from_text(POLICIES) as policies:
            with self.assertRaisesRegex(UsageError, "through a cluster"):
                policies.policy("index").read(Server([]).read, Server([]).read)
            self.assertEqual(policies._users, 0)

    def test_sections(self):
        with PolicySet.from_text(POLICIES) as policies:
            self.assertEqual(policies.sections()[:2], ["retry", "index"])
            for wrong in ("nothing", "retry\0"):
                with self.assertRaisesRegex(UsageError, "retry, index"):
                    policies.policy(wrong)
            self.assertIn("policy = read_index", policies.describe("index"))
            self.assertEqual(policies.notes(), "")

    def test_is_not_to_be_copied(self):
        """Memory would be released twice."""
        with PolicySet.from_text(POLICIES) as policies:
            for make in (copy.copy, copy.deepcopy, pickle.dumps):
                self.assertRaisesRegex(TypeError, "cannot be copied", make, policies)

    def test_reload_is_all_or_nothing_and_keeps_counters(self):
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            def write(text):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()
            write("[a]\npolicy = replica_then_primary\nreplica_retry_max_ms = 0\n")
            with PolicySet.from_file(file.name) as policies:
                policy = policies.policy("a")
                policy.read(Server([]).read, Server(["row"]).read)
                write("[a]\npolicy = nonsense\n")
                with self.assertRaisesRegex(ConfigError, "nonsense"):
                    policies.reload()
                self.assertEqual(policy.read(Server(["row"]).read, Server([]).read).served_by,
                                 "replica")
                write("[a]\npolicy = primary_only\n")
                policies.reload()
                self.assertEqual(policy.read(Server([]).read, Server(["row"]).read).served_by,
                                 "primary")
                self.assertEqual([metric.value for metric in policies.metrics()
                                  if metric.attribute_value == "primary"], [1])
                with self.assertRaises(UsageError):
                    policies.reload("[a]\npolicy = primary_only\n")
        with PolicySet.from_text("[a]\npolicy = primary_only\n") as policies:
            policies.reload("[a]\npolicy = replica_only\n")
            self.assertIn("replica_only", policies.describe("a"))
            self.assertRaises(UsageError, policies.reload)

    def test_many_threads_while_others_reload(self):
        texts = [f"[a]\npolicy = replica_then_primary\nreplica_retry_max_ms = 0\n"
                 f"primary_budget_per_s = {number}\n" for number in (1000000, 999999)]
        with PolicySet.from_text(texts[0]) as policies:
            def work():
                policy = policies.policy("a")
                for _ in range(200):
                    ends.append(policy.read(lambda _replica: [], lambda: ["row"]).served_by)
            ends = []
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for number in range(40):
                policies.reload(texts[number % 2])
                policies.metrics()
            for thread in threads:
                thread.join()
            self.assertEqual(ends, ["primary"] * 1600)
            self.assertEqual([metric.value for metric in policies.metrics()
                              if metric.attribute_value == "primary"], [1600])

    def test_forked_processes_share_counters_and_budget(self):
        with PolicySet.from_text(DECISIONS, decisions_only=True) as policies:
            policies.share()
            policy, children = policies.policy("budget"), []
            for _ in range(3):
                child = os.fork()
                if child == 0:
                    end = policy.read(lambda _replica: [], lambda: ["row"])
                    os._exit(0 if end.verdict == "found" else 1)
                children.append(child)
            exits = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
            self.assertEqual(sorted(exits), [0, 0, 1])
            self.assertEqual({metric.attribute_value or "shed": metric.value
                              for metric in policies.metrics() if metric.section == "budget"
                              and metric.value}, {"primary": 2, "shed": 1})

    def test_a_lock_that_another_thread_held_at_the_fork(self):
        with PolicySet.from_text(POLICIES) as policies:
            holding, free = threading.Event(), threading.Event()

            def hold():
                with policies._lock:
                    holding.set()
                    free.wait()
            thread = threading.Thread(target=hold)
            thread.start()
            holding.wait()
            child = os.fork()
            if child == 0:
                os._exit(0 if policies.sections() else 1)
            free.set()
            thread.join()
            self.assertEqual(os.waitpid(child, 0)[1], 0)


if __name__ == "__main__":
    unittest.main()
