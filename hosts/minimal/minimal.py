#!/usr/bin/python3
"""The smallest host in Python: blocking, two servers, one row a read, ctypes and psycopg2.

    hosts/minimal/minimal.py PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]

PLUGIN is read_policy.so, INI the policy file and SECTION one of its sections; REPLICA and PRIMARY are
connection strings of libpq. For each ID, the row of TABLE with that "id" is looked up wherever the
policy sends the read; a line says what has become of it, and which WAL position the answer is from. Without IDs
they are read from standard input, one a line, each with a position that it must not be behind, or without.

Everything that the plugin needs is bound here by hand from plugin/read_policy.h, whose comments are the
manual; the numbers below are its enums. For a host of your own, change only `Servers`.
"""

import ctypes
import os
import select
import sys
import time
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_uint32, c_uint64,
                    c_void_p, create_string_buffer, sizeof)

import psycopg2
from psycopg2 import extensions

# -- read_policy.h --------------------------------------------------------------------------------

MAGIC, ABI_MAJOR = 0x5264506C, 1
ENTRY_SYMBOL = "read_policy_plugin_v1"
ERROR_BYTES, POSITION_BYTES = 8192, 18
CAN_REPORT_POSITIONS, CAN_AWAIT_POSITION = 1, 2
FOUND, PARTIAL, MISSING, FAILED = range(4)  # rp_outcome
VERDICTS = ("", "found", "missing", "failed", "shed")  # rp_verdict
ANSWERED, SERVER_GONE, ROLE_CHANGED, NOT_SENT, CONFLICT = range(16, 21)  # rp_answer_outcome
NOTHING, READ, ASK, DROP, DONE, REDIAL = range(6)  # rp_action_kind
REPLICA, PRIMARY = range(2)  # rp_target, and the indexes of our servers
EXPECT_PRIMARY, EXPECT_REPLICA = 1, 2  # rp_expect
SERVER_ON = 1  # rp_server_state
AFTER_COLUMN = ("CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
                " ELSE pg_catalog.pg_current_wal_insert_lsn() END")


class Request(Structure):
    """struct rp_request: a read goes in."""
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("replicas", c_uint32),
                ("reserved", c_uint32), ("now_ns", c_uint64), ("deadline_ns", c_uint64),
                ("entropy", c_uint64), ("position", c_uint64)]


class Options(Structure):
    """struct rp_cluster_options."""
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("max_servers", c_uint32),
                ("max_reads", c_uint32), ("poll_ms", c_uint32), ("timeout_ms", c_uint32),
                ("now_ns", c_uint64), ("seed", c_uint64)]


class Action(Structure):
    """struct rp_action: what to do."""
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("id", c_uint64), ("tag", c_uint64),
                ("read_id", c_uint64), ("server", c_uint32), ("flags", c_uint32),
                ("target", c_int32), ("verdict", c_int32), ("limit_ns", c_uint64),
                ("text", c_char_p), ("served_by", c_int32), ("log_level", c_int32),
                ("counted", c_int32), ("reserved", c_uint32), ("failed_during", c_char_p),
                ("message", c_char_p), ("reason", c_char_p), ("position", c_uint64)]


class Info(Structure):
    """struct rp_cluster_info."""
    _fields_ = [("struct_size", c_uint32), ("settled", c_uint32), ("split", c_uint32),
                ("primary", c_uint32), ("primary_answers", c_uint32), ("timeline", c_uint32),
                ("reads", c_uint32), ("replicas", c_uint32), ("system", c_uint64),
                ("replicas_out", c_uint32), ("forgetting", c_uint32)]


# Sets, policies and clusters are opaque pointers that the host only hands back.
Set = Policy = Opaque = c_void_p


class Calls(Structure):
    """struct rp_cluster_calls; what this host does not call is a bare pointer."""
    _fields_ = [
        ("struct_size", c_uint32), ("reserved", c_uint32),
        ("open", CFUNCTYPE(c_int32, Set, POINTER(Options), POINTER(Opaque), c_char_p, c_uint32)),
        ("close", CFUNCTYPE(c_uint32, Opaque)),
        ("server_set", CFUNCTYPE(c_int32, Opaque, c_uint32, c_char_p, c_int32, c_int32, c_uint64)),
        ("server", c_void_p),
        ("info", CFUNCTYPE(c_int32, Opaque, POINTER(Info))),
        ("prompt", c_void_p), ("forget_history", c_void_p),
        ("start", CFUNCTYPE(c_int32, Opaque, Policy, POINTER(Request), c_uint64,
                            POINTER(c_uint64))),
        ("forget", c_void_p),
        ("next", CFUNCTYPE(c_int32, Opaque, c_uint64, POINTER(Action), POINTER(c_uint64))),
        ("answer", CFUNCTYPE(None, Opaque, c_uint64, c_int32, c_char_p, c_char_p, c_uint64)),
        ("notice", c_void_p), ("metrics", c_void_p),
        ("position_parse", CFUNCTYPE(c_int32, c_char_p, POINTER(c_uint64))),
        ("position_print", CFUNCTYPE(None, c_uint64, c_char_p)),
    ]


class Plugin(Structure):
    """struct rp_plugin, up to the cluster's functions."""
    _fields_ = [
        ("magic", c_uint32), ("struct_size", c_uint32),
        ("abi_major", c_uint32), ("abi_minor", c_uint32),
        ("name", c_char_p), ("version", c_char_p),
        ("open", CFUNCTYPE(c_int32, c_char_p, c_uint32, POINTER(Set), c_char_p, c_uint32)),
        ("reload", c_void_p),
        ("policy", CFUNCTYPE(Policy, Set, c_char_p)),
        ("begin", c_void_p), ("next", c_void_p), ("metrics", c_void_p), ("describe", c_void_p),
        ("close", CFUNCTYPE(None, Set)),
        ("section", c_void_p), ("key", c_void_p), ("diagram", c_void_p),
        ("shared_bytes", c_void_p), ("share", c_void_p), ("kind", c_void_p), ("notes", c_void_p),
        ("open_text", c_void_p), ("reload_text", c_void_p),
        ("cluster", POINTER(Calls)),
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
                           f" {ABI_MAJOR}.x with a cluster")
    return plugin


def open_set(plugin, ini):
    """Opens the file's sections for use; raises all errors of the file at once."""
    policies, errors = Set(), create_string_buffer(ERROR_BYTES)
    status = plugin.open(os.fsencode(ini), CAN_REPORT_POSITIONS | CAN_AWAIT_POSITION,
                         byref(policies), errors, ERROR_BYTES)
    if status != 0:
        raise RuntimeError(errors.value.decode(errors="replace"))
    return policies


# -- what only the host can do --------------------------------------------------------------------


CONFLICTS = ("40001", "40P01")  # cancelled by recovery, which may find a deadlock: worth asking again


class Silent(Exception):
    """The server has not answered in time."""


class Servers:
    """A primary and one replica of it, and how a row is read from them."""

    def __init__(self, replica, primary, table):
        self.conninfo = (replica, primary)
        self.connections = {}
        self.dial_ns = [0, 0]  # not before then
        self.limit_ns = 0  # of what is under way
        extensions.set_wait_callback(self.wait)
        # As a replica a server that is not one shows no row, and says so.
        row = f"SELECT count(*) FROM {table} WHERE id = %s"
        guarded = row + " AND (SELECT pg_is_in_recovery())"
        self.read = tuple(f"SELECT ({rows}), pg_is_in_recovery(), ({AFTER_COLUMN})::text"
                          for rows in (guarded, row))

    def wait(self, connection):
        """Psycopg calls it to wait, and closes the connection if it raises: whatever a server does, or does not, nobody
        waits longer than until the limit."""
        while (state := connection.poll()) != extensions.POLL_OK:
            sockets = [connection.fileno()]
            ready = select.select(sockets if state == extensions.POLL_READ else [],
                                  sockets if state == extensions.POLL_WRITE else [], [],
                                  max(0, self.limit_ns - time.monotonic_ns()) / 1e9)
            if not any(ready):
                raise Silent("no answer in time")

    def connection(self, server):
        """None: there is none. Dialling a silent server holds all reads up: it is dialled again after four times
        as long."""
        now = time.monotonic_ns()
        if server in self.connections and not self.connections[server].closed:
            return self.connections[server]
        if now < self.dial_ns[server]:
            return None
        limit_ns, self.limit_ns = self.limit_ns, now + 2 * 10**9
        try:
            connection = psycopg2.connect(self.conninfo[server], options="-c statement_timeout=1000")
            # Each statement has a snapshot of its own: what a position proves about a read that comes
            # after it in the same transaction rests on that.
            connection.set_session(isolation_level="READ COMMITTED")
            self.connections[server] = connection
            return connection
        except (psycopg2.Error, Silent) as error:
            print(error, file=sys.stderr)
            self.dial_ns[server] = time.monotonic_ns() + 4 * (time.monotonic_ns() - now)
            return None
        finally:
            self.limit_ns = limit_ns

    def ask(self, action, identity):
        """Does what the action says, in one transaction. Returns the outcome, and the texts `before`
        and `after`."""
        before, self.limit_ns = None, action.limit_ns
        known = self.connections.get(action.server)
        kept = known is not None and not known.closed
        connection = self.connection(action.server)
        if connection is None:
            return NOT_SENT, None, None
        try:
            with connection, connection.cursor() as cursor:
                if action.text:
                    # The question before the read, so that the read's snapshot is later.
                    cursor.execute(action.text.decode())
                    before = cursor.fetchone()[0]
                if action.kind == ASK:
                    return ANSWERED, before, None
                cursor.execute(self.read[action.target], (identity,))
                rows, in_recovery, after = cursor.fetchone()
        except (psycopg2.Error, Silent) as error:
            print(error, file=sys.stderr)
            if action.kind == READ and getattr(error, "pgcode", None) in CONFLICTS:
                return CONFLICT, None, None
            if not connection.closed:
                return FAILED, None, None
            if time.monotonic_ns() >= action.limit_ns:
                self.dial_ns[action.server] = time.monotonic_ns() + 2 * 10**9
                return SERVER_GONE, None, None
            # One that was kept may have been lost long ago, which says nothing of its server: all of it
            # is asked again on a new one.
            return self.ask(action, identity) if kept else (SERVER_GONE, None, None)
        if action.target == REPLICA and not in_recovery:
            return ROLE_CHANGED, before, after
        return FOUND if rows else MISSING, before, after

    def redial(self, server):
        if server in self.connections:
            self.connections.pop(server).close()


# -- one read -------------------------------------------------------------------------------------


class Host:
    """A cluster of two servers, and one read at a time."""

    def __init__(self, plugin, policies, servers):
        self.calls, self.cluster, self.servers = plugin.cluster.contents, Opaque(), servers
        options = Options(struct_size=sizeof(Options), max_servers=2, max_reads=1,
                          now_ns=time.monotonic_ns(), seed=int.from_bytes(os.urandom(8), "little"))
        errors = create_string_buffer(ERROR_BYTES)
        if self.calls.open(policies, byref(options), byref(self.cluster), errors, ERROR_BYTES) != 0:
            raise RuntimeError(errors.value.decode())
        for server, name, expect in ((REPLICA, b"replica", EXPECT_REPLICA),
                                     (PRIMARY, b"primary", EXPECT_PRIMARY)):
            self.calls.server_set(self.cluster, server, name, expect, SERVER_ON,
                                  time.monotonic_ns())
        self.run(None)

    def has_settled(self):
        info = Info(struct_size=sizeof(Info))
        self.calls.info(self.cluster, byref(info))
        return info.settled

    def run(self, identity):
        """Does what the cluster says until the read of that id is done; without one, until nothing is
        to be done and every server has been heard."""
        action, wake_ns = Action(struct_size=sizeof(Action)), c_uint64()
        while True:
            if not self.calls.next(self.cluster, time.monotonic_ns(), byref(action), byref(wake_ns)):
                if identity is None and self.has_settled():
                    return None
                time.sleep(max(0, wake_ns.value - time.monotonic_ns()) / 1e9)
            elif action.kind == DONE:
                return action
            elif action.kind == REDIAL:
                self.servers.redial(action.server)
            elif action.kind in (ASK, READ):
                outcome, before, after = self.servers.ask(action, identity)
                self.calls.answer(self.cluster, action.id, outcome,
                                  before and before.encode(), after and after.encode(),
                                  time.monotonic_ns())

    def look_up(self, policy, identity, position=None):
        """One line on that row, read from a server that is not behind the position."""
        # All that is due comes first: where reads fail at once, nothing would ever be asked while they
        # are under way.
        self.run(None)
        request = Request(struct_size=sizeof(Request), now_ns=time.monotonic_ns(),
                          entropy=int.from_bytes(os.urandom(8), "little"))
        floor, read_id, stood = c_uint64(), c_uint64(), create_string_buffer(POSITION_BYTES)
        if position and self.calls.position_parse(position.encode(), byref(floor)) != 0:
            raise RuntimeError(f"{position} is no WAL position, such as 16/B374D848")
        request.position = floor
        if self.calls.start(self.cluster, policy, byref(request), 0, byref(read_id)) != 0:
            raise RuntimeError("the read could not be begun")
        end = self.run(identity)
        self.calls.position_print(end.position, stood)
        # A host also acts on served_by, failed_during and log_level, see read_policy.h.
        return (f"{identity} {VERDICTS[end.verdict]} position={stood.value.decode()}"
                f" {end.message.decode()}")

    def close(self):
        self.calls.close(self.cluster)


def main():
    if sys.argv[1:] == ["--help"]:
        print(__doc__)
        return
    if len(sys.argv) < 7:
        sys.exit("usage: minimal.py PLUGIN INI SECTION REPLICA PRIMARY TABLE [ID...]")
    path, ini, section, replica, primary, table, *identities = sys.argv[1:]
    plugin = load(path)
    policies = open_set(plugin, ini)
    policy = plugin.policy(policies, section.encode())
    if not policy:
        sys.exit(f"{ini}: no section [{section}]")
    host = Host(plugin, policies, Servers(replica, primary, table))
    # Not for line in sys.stdin: whoever asks waits for the answer before the next line.
    for words in [[identity] for identity in identities] or map(str.split, iter(sys.stdin.readline, "")):
        if words:
            print(host.look_up(policy, *words), flush=True)
    host.close()
    plugin.close(policies)


if __name__ == "__main__":
    try:
        main()
    except (OSError, AttributeError, RuntimeError, ValueError) as problem:
        sys.exit(f"minimal.py: {problem}")
