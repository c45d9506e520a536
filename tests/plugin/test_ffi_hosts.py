#!/usr/bin/python3
"""read_policy.h read by C parsers without a preprocessor, and a read made with each: Python's cffi and
LuaJIT's FFI get the header's declarations as the compiler's preprocessor prints them."""

import os
import shlex
import subprocess
import unittest

import cffi
import sanitizer
from testbed import PLUGIN, ROOT

HEADER = os.path.join(ROOT, "plugin", "read_policy.h")

POLICY = b"[s]\npolicy = replica_then_primary\nreplica_retry_max_ms = 0\n"

# A miss on the replica, found by the primary; prints what came of it.
LUA = r"""
local ffi = require("ffi")
ffi.cdef(io.read("*a"))
plugin = ffi.load(arg[1]) -- global: what is collected is unloaded
local table = plugin.read_policy_plugin_v1()
local set, err = ffi.new("struct rp_set *[1]"), ffi.new("char[8192]")
local text = arg[2]
assert(table.open_text(text, #text, "lua", 0, set, err, 8192) == ffi.C.RP_OK, ffi.string(err))
local policy = table.policy(set[0], "s")
local read = ffi.new("struct rp_read", {struct_size = ffi.sizeof("struct rp_read")})
local request = ffi.new("struct rp_request", {struct_size = ffi.sizeof("struct rp_request"),
                                              replicas = 1, now_ns = 1})
local report = ffi.new("struct rp_report", {struct_size = ffi.sizeof("struct rp_report")})
local step = table.begin(policy, request, read)
while step.kind ~= ffi.C.RP_STEP_DONE do
    assert(step.kind == ffi.C.RP_STEP_READ)
    report.outcome = step.target == ffi.C.RP_TARGET_REPLICA and ffi.C.RP_MISSING or ffi.C.RP_FOUND
    report.now_ns = report.now_ns + 1
    step = table.next(read, report)
end
print(step.verdict, step.served_by, ffi.string(step.message))
local key = ffi.new("struct rp_key", {struct_size = ffi.sizeof("struct rp_key")})
assert(table.key(0, key) == ffi.C.RP_OK)
print(ffi.string(key.choices[0]))
table.close(set[0])
"""


def declarations():
    """The header without what only a compiler understands."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    command = [*compiler, "-E", "-P", "-DRP_DECLARATIONS_ONLY", HEADER]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@unittest.skipIf(sanitizer.is_in(PLUGIN), "the plugin is built with a sanitizer")
class FfiHosts(unittest.TestCase):

    def test_declarations_alone_are_printed(self):
        self.assertNotRegex(declarations(), r"(?m)^#|static|\breturn\b|extern")

    def test_cffi(self):
        ffi = cffi.FFI()
        ffi.cdef(declarations())
        library = ffi.dlopen(PLUGIN)
        table = library.read_policy_plugin_v1()
        handle, err = ffi.new("struct rp_set **"), ffi.new("char[8192]")
        status = table.open_text(POLICY, len(POLICY), b"cffi", 0, handle, err, len(err))
        self.assertEqual(status, library.RP_OK, ffi.string(err))
        read = ffi.new("struct rp_read *", {"struct_size": ffi.sizeof("struct rp_read")})
        request = ffi.new("struct rp_request *", {"struct_size": ffi.sizeof("struct rp_request"),
                                                  "replicas": 1, "now_ns": 1})
        report = ffi.new("struct rp_report *", {"struct_size": ffi.sizeof("struct rp_report")})
        step = table.begin(table.policy(handle[0], b"s"), request, read)
        while step.kind != library.RP_STEP_DONE:
            self.assertEqual(step.kind, library.RP_STEP_READ)
            missed = step.target == library.RP_TARGET_REPLICA
            report.outcome = library.RP_MISSING if missed else library.RP_FOUND
            report.now_ns += 1
            step = table.next(read, report)
        self.assertEqual((step.verdict, step.served_by),
                         (library.RP_VERDICT_FOUND, library.RP_SERVED_BY_PRIMARY))
        self.assertEqual(ffi.string(step.message), b"missed on the replica, served by the primary")
        table.close(handle[0])

    def test_luajit(self):
        script = f"arg = {{[[{PLUGIN}]], [[\n{POLICY.decode()}]]}}\n{LUA}"
        done = subprocess.run(["luajit", "-e", script], input=declarations(), capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual((done.stderr, done.stdout),
                         ("", "1\t3\tmissed on the replica, served by the primary\n"
                          "replica_then_primary\n"))


if __name__ == "__main__":
    unittest.main()
