#!/usr/bin/python3
"""The smallest host in Python: blocking, one replica, one row a read, ctypes and psycopg2.

    hosts/minimal/minimal.py PLUGIN INI SECTION REPLICA PRIMARY TABLE ID...

PLUGIN is read_policy.so, INI the policy file and SECTION one of its sections; REPLICA and PRIMARY are
connection strings of libpq. For each ID, the row of TABLE with that "id" is looked up wherever the
policy sends the read, and the server that served it is printed.

Everything that the plugin needs is bound here by hand from plugin/read_policy.h, whose comments are the
manual; the numbers below are its enums. For a host of your own, change only `Servers`.
"""

import ctypes
import os
import sys
import time
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_uint32, c_uint64,
                    c_void_p, create_string_buffer, sizeof)

import psycopg2

# -- read_policy.h --------------------------------------------------------------------------------

MAGIC, ABI_MAJOR = 0x5264506C, 1
ENTRY_SYMBOL = "read_policy_plugin_v1"
ERROR_BYTES = 8192
CAN_REPORT_POSITIONS, CAN_AWAIT_POSITION = 1, 2
FOUND, PARTIAL, MISSING, FAILED, WAITED, LOCATED, REACHED, NOT_REACHED = range(8)  # rp_outcome
READ, WAIT, LOCATE, AWAIT, DONE = range(5)  # rp_step_kind
REPLICA, PRIMARY = range(2)  # rp_target
WITH_POSITION = 1  # rp_step_flag


class Request(Structure):
    """struct rp_request: a read goes in."""
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("replicas", c_uint32),
                ("reserved", c_uint32), ("now_ns", c_uint64), ("deadline_ns", c_uint64),
                ("entropy", c_uint64), ("position", c_uint64)]


class Report(Structure):
    """struct rp_report: what became of a step."""
    _fields_ = [("struct_size", c_uint32), ("outcome", c_int32), ("now_ns", c_uint64),
                ("position", c_uint64), ("flushed", c_uint64)]


class Step(Structure):
    """struct rp_step: what to do next."""
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("target", c_int32),
                ("replica", c_uint32), ("flags", c_uint32), ("verdict", c_int32),
                ("served_by", c_int32), ("log_level", c_int32), ("until_ns", c_uint64),
                ("position", c_uint64), ("failed_during", c_char_p), ("message", c_char_p),
                ("counted", c_int32), ("reserved", c_uint32)]


class Read(Structure):
    """struct rp_read: a read under way. The host owns this opaque memory, and must not move it while
    the read lasts."""
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("opaque", c_uint64 * 23)]


class Metric(Structure):
    """struct rp_metric: a counter that describes itself."""
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), ("name", c_char_p),
                ("help", c_char_p), ("section", c_char_p), ("attribute", c_char_p),
                ("attribute_value", c_char_p), ("value", c_uint64)]


# Sets and policies are opaque pointers that the host only hands back.
SetPointer = PolicyPointer = c_void_p


class Plugin(Structure):
    """struct rp_plugin, up to the member that every plugin of this major version has
    (RP_PLUGIN_MIN_SIZE)."""
    _fields_ = [
        ("magic", c_uint32), ("struct_size", c_uint32),
        ("abi_major", c_uint32), ("abi_minor", c_uint32),
        ("name", c_char_p), ("version", c_char_p),
        ("open", CFUNCTYPE(c_int32, c_char_p, c_uint32, POINTER(SetPointer), c_char_p, c_uint32)),
        ("reload", CFUNCTYPE(c_int32, SetPointer, c_char_p, c_uint32)),
        ("policy", CFUNCTYPE(PolicyPointer, SetPointer, c_char_p)),
        ("begin", CFUNCTYPE(POINTER(Step), PolicyPointer, POINTER(Request), POINTER(Read))),
        ("next", CFUNCTYPE(POINTER(Step), POINTER(Read), POINTER(Report))),
        ("metrics", CFUNCTYPE(c_int32, SetPointer, c_uint32, POINTER(Metric))),
        ("describe", CFUNCTYPE(c_uint32, PolicyPointer, c_char_p, c_uint32)),
        ("close", CFUNCTYPE(None, SetPointer)),
    ]


def load(path):
    """The plugin's table, checked in the order that the header asks for."""
    # An absolute path, or the library path would be searched; mode: RTLD_NOW | RTLD_LOCAL.
    library = ctypes.CDLL(os.path.realpath(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    entry = getattr(library, ENTRY_SYMBOL)
    entry.restype = POINTER(Plugin)
    table = entry()
    if not table or table.contents.magic != MAGIC:
        raise RuntimeError(f"{path} is not a read policy plugin")
    plugin = table.contents
    if plugin.abi_major != ABI_MAJOR or plugin.struct_size < sizeof(Plugin):
        raise RuntimeError(f"{path} has ABI {plugin.abi_major}.{plugin.abi_minor}; expected"
                           f" {ABI_MAJOR}.x")
    return plugin


def open_set(plugin, ini):
    """Opens the file's sections for use; raises all errors of the file at once."""
    policies, errors = SetPointer(), create_string_buffer(ERROR_BYTES)
    status = plugin.open(os.fsencode(ini), CAN_REPORT_POSITIONS | CAN_AWAIT_POSITION,
                         byref(policies), errors, ERROR_BYTES)
    if status != 0:
        raise RuntimeError(errors.value.decode(errors="replace"))
    return policies


# -- what only the host can do --------------------------------------------------------------------


class Servers:
    """A primary and one replica of it, and how a row is read from them."""

    # A server's position. NULL, and so unknown, if it is in the wrong role: a promoted standby says
    # nothing about the primary's rows, and a primary that is in recovery may lack some itself.
    POSITION = {
        REPLICA: "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0' END",
        PRIMARY: "SELECT CASE WHEN NOT pg_is_in_recovery()"
                 " THEN pg_current_wal_flush_lsn() - '0/0' END",
    }

    def __init__(self, replica, primary, table):
        self.conninfo = {REPLICA: replica, PRIMARY: primary}
        self.connections = {}
        rows = f"(SELECT count(*) FROM {table} WHERE id = %s)"
        self.read = {
            REPLICA: f"SELECT {rows}",
            PRIMARY: f"SELECT CASE WHEN NOT pg_is_in_recovery() THEN {rows} END",
        }

    def ask(self, target, sql, values=()):
        """The one number that the server returns; None if it is NULL or anything went wrong."""
        try:
            if target not in self.connections or self.connections[target].closed:
                self.connections[target] = psycopg2.connect(self.conninfo[target])
                # Each statement is its own transaction and has its own snapshot: what a position proves
                # about a read rests on that.
                self.connections[target].autocommit = True
            with self.connections[target].cursor() as cursor:
                cursor.execute(sql, values)
                (value,) = cursor.fetchone()
                return None if value is None else int(value)
        except psycopg2.Error as error:
            print(error, file=sys.stderr)
            return None

    def position(self, target):
        return self.ask(target, self.POSITION[target]) or 0

    def perform(self, step, identity):
        """Does what the step says. Returns the outcome and the position that belongs to it."""
        if step.kind == READ:
            # The position is asked for before the read, so that the read's snapshot is at least that
            # recent.
            with_position = step.target == REPLICA and step.flags & WITH_POSITION
            position = self.position(REPLICA) if with_position else 0
            rows = self.ask(step.target, self.read[step.target], (identity,))
            return FAILED if rows is None else FOUND if rows else MISSING, position
        if step.kind == WAIT:
            sleep_until(step.until_ns)
            return WAITED, 0
        if step.kind == LOCATE:
            position = self.position(PRIMARY)
            return LOCATED if position else FAILED, position
        if step.kind == AWAIT:
            return self.wait_for_position(step.position, step.until_ns)
        return FAILED, 0  # a step of a newer plugin

    def wait_for_position(self, target, until_ns):
        while True:
            position = self.position(REPLICA)
            if position >= target:
                return REACHED, position
            if position == 0:
                return FAILED, 0
            if time.monotonic_ns() >= until_ns:
                return NOT_REACHED, position
            sleep_until(min(until_ns, time.monotonic_ns() + 1_000_000))


def sleep_until(until_ns):
    time.sleep(max(0, until_ns - time.monotonic_ns()) / 1e9)


# -- one read -------------------------------------------------------------------------------------


def look_up(plugin, policy, servers, identity):
    """Follows the policy's steps to the end of one read; returns the last one."""
    read = Read(struct_size=sizeof(Read))
    request = Request(struct_size=sizeof(Request), replicas=1, now_ns=time.monotonic_ns(),
                      entropy=int.from_bytes(os.urandom(8), "little"))
    # A step is read before the next call for the same read: its memory may be part of `read`.
    step = plugin.begin(policy, byref(request), byref(read)).contents
    while step.kind != DONE:
        outcome, position = servers.perform(step, identity)
        report = Report(struct_size=sizeof(Report), outcome=outcome, now_ns=time.monotonic_ns(),
                        position=position)
        step = plugin.next(byref(read), byref(report)).contents
    return step


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if len(sys.argv) < 8:
        sys.exit("usage: minimal.py PLUGIN INI SECTION REPLICA PRIMARY TABLE ID...")
    path, ini, section, replica, primary, table, *identities = sys.argv[1:]
    plugin = load(path)
    policies = open_set(plugin, ini)
    policy = plugin.policy(policies, section.encode())
    if not policy:
        sys.exit(f"{ini}: no section [{section}]")
    servers = Servers(replica, primary, table)
    for identity in identities:
        step = look_up(plugin, policy, servers, identity)
        # A host also acts on verdict, served_by, failed_during and log_level, see read_policy.h.
        print(f"{identity}: {step.message.decode()}")
    plugin.close(policies)


if __name__ == "__main__":
    try:
        main()
    except (OSError, AttributeError, RuntimeError) as problem:
        sys.exit(f"minimal.py: {problem}")
