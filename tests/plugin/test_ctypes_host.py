#!/usr/bin/python3
"""A host in Python: read_policy.so bound by ctypes, following read_policy.h, and whole reads of every
policy against a database in virtual time."""

import ctypes
import os
import random
import tempfile
import unittest
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_uint32, c_uint64,
                    c_void_p, create_string_buffer, sizeof)

import sanitizer
from testbed import PLUGIN

MS = 1_000_000
START_NS = 10**12

FOUND, PARTIAL, MISSING, FAILED, WAITED, LOCATED, REACHED, NOT_REACHED = range(8)
READ, WAIT, LOCATE, AWAIT, DONE = range(5)
REPLICA, PRIMARY = range(2)
BY_NONE, BY_REPLICA, BY_RETRY, BY_PRIMARY = range(4)
VERDICTS = ("none", "found", "not found", "failed", "shed")
QUIET, WARN, ERROR = range(3)


class Request(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("replicas", c_uint32),
                ("reserved", c_uint32), ("now_ns", c_uint64), ("deadline_ns", c_uint64),
                ("entropy", c_uint64), ("position", c_uint64)]


class Report(Structure):
    _fields_ = [("struct_size", c_uint32), ("outcome", c_int32), ("now_ns", c_uint64),
                ("position", c_uint64), ("flushed", c_uint64)]


class Step(Structure):
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("target", c_int32),
                ("replica", c_uint32), ("flags", c_uint32), ("verdict", c_int32),
                ("served_by", c_int32), ("log_level", c_int32), ("until_ns", c_uint64),
                ("position", c_uint64), ("failed_during", c_char_p), ("message", c_char_p),
                ("counted", c_int32), ("reserved", c_uint32)]


class Read(Structure):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("opaque", c_uint64 * 23)]


class Metric(Structure):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("name", c_char_p),
                ("help", c_char_p), ("section", c_char_p), ("attribute", c_char_p),
                ("attribute_value", c_char_p), ("value", c_uint64)]


class Plugin(Structure):
    _fields_ = [
        ("magic", c_uint32), ("struct_size", c_uint32), ("abi_major", c_uint32),
        ("abi_minor", c_uint32), ("name", c_char_p), ("version", c_char_p),
        ("open", CFUNCTYPE(c_int32, c_char_p, c_uint32, POINTER(c_void_p), c_char_p, c_uint32)),
        ("reload", CFUNCTYPE(c_int32, c_void_p, c_char_p, c_uint32)),
        ("policy", CFUNCTYPE(c_void_p, c_void_p, c_char_p)),
        ("begin", CFUNCTYPE(POINTER(Step), c_void_p, POINTER(Request), POINTER(Read))),
        ("next", CFUNCTYPE(POINTER(Step), POINTER(Read), POINTER(Report))),
        ("metrics", CFUNCTYPE(c_int32, c_void_p, c_uint32, POINTER(Metric))),
        ("describe", CFUNCTYPE(c_uint32, c_void_p, c_char_p, c_uint32)),
        ("close", CFUNCTYPE(None, c_void_p)),
    ]


class World:
    """A primary whose WAL grows by one position per microsecond, and a replica that lags behind it.

    The row is committed at START_NS + committed_ms (None: never)."""

    def __init__(self, lag_ms, committed_ms, replica_up=True, primary_up=True):
        self.now = START_NS
        self.lag = lag_ms * MS
        self.committed = None if committed_ms is None else START_NS + committed_ms * MS
        self.replica_up = replica_up
        self.primary_up = primary_up
        self.reads = []

    def has_row(self, seen_until):
        return self.committed is not None and self.committed <= seen_until

    def read(self, target, report):
        self.reads.append(target)
        up = self.replica_up if target == REPLICA else self.primary_up
        seen_until = self.now - (self.lag if target == REPLICA else 0)
        report.position = seen_until // 1000
        self.now += MS // 2
        report.outcome = FAILED if not up else FOUND if self.has_row(seen_until) else MISSING

    def perform(self, step, report):
        report.position = 0
        if step.kind == READ:
            self.read(step.target, report)
        elif step.kind == WAIT:
            self.now = max(self.now, step.until_ns)
            report.outcome = WAITED
        elif step.kind == LOCATE:
            report.outcome = LOCATED if self.primary_up else FAILED
            report.position = self.now // 1000
        else:
            there = step.position * 1000 + self.lag
            report.outcome = REACHED if there <= step.until_ns else NOT_REACHED
            report.position = step.position if there <= step.until_ns else 0
            self.now = max(self.now, min(there, step.until_ns))
        report.now_ns = self.now


@unittest.skipIf(sanitizer.is_in(PLUGIN), "the plugin is built with a sanitizer")
class CtypesHost(unittest.TestCase):
    POLICIES = ("replica_then_primary", "read_index", "replica_backoff", "primary_only",
                "replica_only")

    def setUp(self):
        self.library = ctypes.CDLL(PLUGIN, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        entry = self.library.read_policy_plugin_v1
        entry.restype = POINTER(Plugin)
        self.plugin = entry().contents
        self.random = random.Random(1)
        self.file = tempfile.NamedTemporaryFile("w", suffix=".ini")
        self.addCleanup(self.file.close)
        self.write("".join(f"[{policy}]\npolicy = {policy}\n" for policy in self.POLICIES))
        self.set = c_void_p()
        error = create_string_buffer(8192)
        status = self.plugin.open(self.file.name.encode(), 3, byref(self.set), error, sizeof(error))
        self.assertEqual((status, error.value), (0, b""))
        self.addCleanup(lambda: self.plugin.close(self.set))

    def write(self, text):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(text)
        self.file.flush()

    def run_read(self, policy, world, replicas=1, flags=0):
        """The done step, copied, and the reads that it took."""
        handle = self.plugin.policy(self.set, policy.encode())
        self.assertIsNotNone(handle)
        request = Request(struct_size=sizeof(Request), flags=flags, replicas=replicas,
                          now_ns=world.now, entropy=self.random.getrandbits(64))
        read = Read(struct_size=sizeof(Read))
        report = Report(struct_size=sizeof(Report))
        step = self.plugin.begin(handle, byref(request), byref(read)).contents
        while step.kind != DONE:
            world.perform(step, report)
            step = self.plugin.next(byref(read), byref(report)).contents
        return step

    def assert_read(self, policy, world, verdict, served_by, level, during=None, **request):
        step = self.run_read(policy, world, **request)
        self.assertEqual((VERDICTS[step.verdict], step.served_by, step.log_level,
                          step.failed_during), (verdict, served_by, level, during), policy)
        self.assertTrue(step.message)

    def counters(self, section):
        found, metric = {}, Metric(struct_size=sizeof(Metric))
        index = 0
        while self.plugin.metrics(self.set, index, byref(metric)) == 0:
            if metric.section == section.encode():
                key = (metric.attribute_value or metric.name.split(b".")[-1]).decode()
                found[key] = metric.value
            index += 1
        return found

    def test_the_structures_are_as_in_c(self):
        self.assertEqual([sizeof(kind) for kind in (Request, Report, Step, Read, Metric)],
                         [48, 32, 72, 192, 56])
        self.assertEqual((self.plugin.magic, self.plugin.abi_major), (0x5264506C, 1))
        self.assertGreaterEqual(self.plugin.struct_size, sizeof(Plugin))
        self.assertEqual(self.plugin.name, b"read-policy")

    def test_a_row_that_the_replica_has(self):
        for policy in self.POLICIES:
            by = BY_PRIMARY if policy == "primary_only" else BY_REPLICA
            self.assert_read(policy, World(20, -1000), "found", by, QUIET)
            self.assertEqual(set(self.counters(policy).values()), {0})

    def test_a_row_on_its_way(self):
        for policy in ("replica_then_primary", "read_index", "replica_backoff"):
            world = World(20, 0)
            self.assert_read(policy, world, "found", BY_RETRY, QUIET)
            self.assertNotIn(PRIMARY, world.reads)
            grown = {name: value for name, value in self.counters(policy).items() if value != 0}
            self.assertEqual(grown, {"replica_retry": 1})
        self.assert_read("replica_only", World(20, 0), "not found", BY_REPLICA, ERROR)
        self.assert_read("primary_only", World(20, 0), "found", BY_PRIMARY, QUIET)

    def test_read_index_answers_as_soon_as_the_replica_has_the_row(self):
        world = World(30, 0)
        self.assert_read("read_index", world, "found", BY_RETRY, QUIET)
        self.assertLess(world.now - START_NS, 32 * MS)

    def test_a_row_that_takes_too_long(self):
        for policy in ("replica_then_primary", "read_index", "replica_backoff"):
            world = World(10_000, 0)
            self.assert_read(policy, world, "found", BY_PRIMARY, WARN)
            self.assertEqual(world.reads.count(PRIMARY), 1)
            self.assertEqual(self.counters(policy)["primary"], 1)

    def test_a_row_that_there_is_not(self):
        for policy in ("replica_then_primary", "replica_backoff"):
            self.assert_read(policy, World(20, None), "not found", BY_PRIMARY, ERROR,
                             b"primary_fallback")
            self.assertEqual(set(self.counters(policy).values()), {0})
        world = World(20, None)
        self.assert_read("read_index", world, "not found", BY_RETRY, ERROR, b"replica_retry")
        self.assertNotIn(PRIMARY, world.reads)
        self.assertEqual(self.counters("read_index")["proven_absent"], 1)

    def test_servers_that_are_down(self):
        for policy in ("replica_then_primary", "read_index", "replica_backoff", "replica_only"):
            world = World(20, 0, replica_up=False)
            self.assert_read(policy, world, "failed", BY_NONE, ERROR)
            self.assertEqual(world.reads, [REPLICA])
        for policy in ("replica_then_primary", "read_index", "replica_backoff"):
            self.assert_read(policy, World(10_000, 0, primary_up=False), "failed", BY_NONE, ERROR,
                             b"primary_fallback")

    def test_no_replica_and_transactions(self):
        for policy in self.POLICIES:
            for request in ({"replicas": 0}, {"flags": 1}):
                world = World(20, 0)
                self.assert_read(policy, world, "found", BY_PRIMARY, QUIET, **request)
                self.assertEqual(world.reads, [PRIMARY])

    def test_errors_and_reloads(self):
        error = create_string_buffer(200)
        self.write("[x]\npolicy = nonsense\n")
        self.assertEqual(self.plugin.reload(self.set, error, sizeof(error)), 2)
        self.assertIn(b"nonsense", error.value)
        self.assert_read("primary_only", World(20, 0), "found", BY_PRIMARY, QUIET)
        text = create_string_buffer(4096)
        length = self.plugin.describe(self.plugin.policy(self.set, b"read_index"), text, 4096)
        self.assertEqual(length, len(text.value))
        self.assertIn(b"policy = read_index", text.value)


if __name__ == "__main__":
    unittest.main()
