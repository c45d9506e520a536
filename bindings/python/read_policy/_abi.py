"""plugin/read_policy.h for ctypes: numbers, structures, and the loaded plugin. The header is the manual."""

import ctypes
import functools
import os
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_uint32, c_uint64, c_void_p,
                    sizeof)

MAGIC, ABI_MAJOR = 0x5264506C, 1
ENTRY_SYMBOL = "read_policy_plugin_v1"
ERROR_BYTES = 8192
POSITION_BYTES = 18

OK, E_ARGUMENT, E_CONFIG, E_CAPABILITY, E_MEMORY, E_LIMIT, E_END, E_BUSY = range(8)  # rp_status
CAN_REPORT_POSITIONS, CAN_AWAIT_POSITION = 1, 2  # rp_capability
IN_TRANSACTION = 1  # rp_request_flag
FOUND, PARTIAL, MISSING, FAILED, WAITED = range(5)  # rp_outcome
STEP_READ, STEP_WAIT, STEP_LOCATE, STEP_AWAIT, STEP_DONE = range(5)  # rp_step_kind
TARGET_REPLICA, TARGET_PRIMARY = range(2)  # rp_target
VERDICTS = ("none", "found", "not_found", "failed", "shed")  # rp_verdict
SERVED_BY = (None, "replica", "replica_retry", "primary")  # rp_served_by
COUNTED = (None, "replica_retry", "primary", "proven_absent", "primary_shed")  # rp_counted
LOG_LEVELS = (None, "warn", "error")  # rp_log_level
CLUSTER_STRICT, CLUSTER_FIRST_MISSES = 1, 2  # rp_cluster_flag
CLUSTER_MAX_SERVERS = 64
EXPECT = {"any": 0, "primary": 1, "replica": 2}  # rp_expect
STATES = {"off": 0, "on": 1, "drain": 2}  # rp_server_state
ROLES = ("unknown", "primary", "replica", "out")  # rp_server_role
ACTION_NONE, ACTION_READ, ACTION_ASK, ACTION_DROP, ACTION_DONE, ACTION_REDIAL = range(6)  # rp_action_kind, 0: none
ANSWERED, SERVER_GONE, ROLE_CHANGED, NOT_SENT, CONFLICT = range(16, 21)  # rp_answer_outcome
UNKNOWN = 2**64 - 1
NO_SERVER = 2**32 - 1


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


class BudgetInfo(Structure):
    _fields_ = [("struct_size", c_uint32), ("per_s", c_uint32), ("burst", c_uint32),
                ("left", c_uint32)]


class Options(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("max_servers", c_uint32),
                ("max_reads", c_uint32), ("poll_ms", c_uint32), ("timeout_ms", c_uint32),
                ("now_ns", c_uint64), ("seed", c_uint64)]


class Action(Structure):
    _fields_ = [("struct_size", c_uint32), ("kind", c_int32), ("id", c_uint64), ("tag", c_uint64),
                ("read_id", c_uint64), ("server", c_uint32), ("flags", c_uint32),
                ("target", c_int32), ("verdict", c_int32), ("limit_ns", c_uint64),
                ("text", c_char_p), ("served_by", c_int32), ("log_level", c_int32),
                ("counted", c_int32), ("reserved", c_uint32), ("failed_during", c_char_p),
                ("message", c_char_p), ("reason", c_char_p), ("position", c_uint64)]


class ServerInfo(Structure):
    _fields_ = [("struct_size", c_uint32), ("role", c_int32), ("expect", c_int32),
                ("state", c_int32), ("answers", c_uint32), ("in_recovery", c_uint32),
                ("timeline", c_uint32), ("version", c_uint32), ("instance", c_uint64),
                ("system", c_uint64), ("position", c_uint64), ("lag_bytes", c_uint64),
                ("lag_ns", c_uint64), ("lag_at_least_ns", c_uint64), ("backing_off_ns", c_uint64),
                ("why", c_char_p), ("grants", c_char_p)]


class ClusterInfo(Structure):
    _fields_ = [("struct_size", c_uint32), ("settled", c_uint32), ("split", c_uint32),
                ("primary", c_uint32), ("primary_answers", c_uint32), ("timeline", c_uint32),
                ("reads", c_uint32), ("replicas", c_uint32), ("system", c_uint64),
                ("replicas_out", c_uint32), ("forgetting", c_uint32)]


class Notice(Structure):
    _fields_ = [("struct_size", c_uint32), ("level", c_int32), ("server", c_uint32),
                ("dropped", c_uint32), ("text", ctypes.c_char * 256)]


# Sets, policies and clusters are opaque pointers that the host only hands back.
Opaque = c_void_p


class ClusterCalls(Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("reserved", c_uint32),
        ("open", CFUNCTYPE(c_int32, Opaque, POINTER(Options), POINTER(Opaque), c_char_p, c_uint32)),
        ("close", CFUNCTYPE(c_uint32, Opaque)),
        ("server_set", CFUNCTYPE(c_int32, Opaque, c_uint32, c_char_p, c_int32, c_int32, c_uint64)),
        ("server", CFUNCTYPE(c_int32, Opaque, c_uint32, POINTER(ServerInfo))),
        ("info", CFUNCTYPE(c_int32, Opaque, POINTER(ClusterInfo))),
        ("prompt", CFUNCTYPE(None, Opaque, c_uint32, c_uint64)),
        ("forget_history", CFUNCTYPE(None, Opaque, c_uint64)),
        ("start", CFUNCTYPE(c_int32, Opaque, Opaque, POINTER(Request), c_uint64,
                            POINTER(c_uint64))),
        ("forget", CFUNCTYPE(None, Opaque, c_uint64)),
        ("next", CFUNCTYPE(c_int32, Opaque, c_uint64, POINTER(Action), POINTER(c_uint64))),
        ("answer", CFUNCTYPE(None, Opaque, c_uint64, c_int32, c_char_p, c_char_p, c_uint64)),
        ("notice", CFUNCTYPE(c_int32, Opaque, POINTER(Notice))),
        ("metrics", CFUNCTYPE(c_int32, Opaque, c_uint32, POINTER(Metric))),
        ("position_parse", CFUNCTYPE(c_int32, c_char_p, POINTER(c_uint64))),
        ("position_print", CFUNCTYPE(None, c_uint64, c_char_p)),
    ]


class Plugin(Structure):
    _fields_ = [
        ("magic", c_uint32), ("struct_size", c_uint32),
        ("abi_major", c_uint32), ("abi_minor", c_uint32),
        ("name", c_char_p), ("version", c_char_p),
        ("open", CFUNCTYPE(c_int32, c_char_p, c_uint32, POINTER(Opaque), c_char_p, c_uint32)),
        ("reload", CFUNCTYPE(c_int32, Opaque, c_char_p, c_uint32)),
        ("policy", CFUNCTYPE(Opaque, Opaque, c_char_p)),
        ("begin", CFUNCTYPE(POINTER(Step), Opaque, POINTER(Request), POINTER(Read))),
        ("next", CFUNCTYPE(POINTER(Step), POINTER(Read), POINTER(Report))),
        ("metrics", CFUNCTYPE(c_int32, Opaque, c_uint32, POINTER(Metric))),
        ("describe", CFUNCTYPE(c_uint32, Opaque, c_char_p, c_uint32)),
        ("close", CFUNCTYPE(None, Opaque)),
        ("section", CFUNCTYPE(c_char_p, Opaque, c_uint32)),
        ("key", c_void_p), ("diagram", c_void_p),
        ("shared_bytes", CFUNCTYPE(c_uint64, c_uint32)),
        ("share", CFUNCTYPE(c_int32, Opaque, c_void_p, c_uint64, c_char_p, c_uint32)),
        ("kind", c_void_p),
        ("notes", CFUNCTYPE(c_uint32, Opaque, c_char_p, c_uint32)),
        ("open_text", CFUNCTYPE(c_int32, c_char_p, c_uint32, c_char_p, c_uint32, POINTER(Opaque),
                                c_char_p, c_uint32)),
        ("reload_text", CFUNCTYPE(c_int32, Opaque, c_char_p, c_uint32, c_char_p, c_uint32)),
        ("cluster", POINTER(ClusterCalls)),
        ("budget", CFUNCTYPE(c_int32, Opaque, c_uint64, POINTER(BudgetInfo))),
    ]


def path_of_plugin() -> str:
    """The shared object beside this file, or the one that $READ_POLICY_PLUGIN names."""
    named = os.environ.get("READ_POLICY_PLUGIN")
    return os.path.realpath(named or os.path.join(os.path.dirname(__file__), "read_policy.so"))


@functools.lru_cache(maxsize=None)
def plugin() -> Plugin:
    """The plugin's table, loaded once and checked in the order that the header asks for. Raises
    OSError if it cannot be loaded, ImportError if it is not what this package needs."""
    path = path_of_plugin()
    library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
    try:
        entry = getattr(library, ENTRY_SYMBOL)
    except AttributeError:
        raise ImportError(f"{path} is not a read policy plugin: it has no {ENTRY_SYMBOL}") from None
    entry.restype = POINTER(Plugin)
    pointer = entry()
    if not pointer or pointer.contents.magic != MAGIC:
        raise ImportError(f"{path} is not a read policy plugin")
    table: Plugin = pointer.contents
    if table.abi_major != ABI_MAJOR or table.struct_size < sizeof(Plugin) or \
            table.cluster.contents.struct_size < sizeof(ClusterCalls):
        raise ImportError(f"{path} has ABI {table.abi_major}.{table.abi_minor}, in a table of"
                          f" {table.struct_size} bytes; expected {ABI_MAJOR}.x with a cluster, at"
                          f" least {sizeof(Plugin)} bytes")
    return table
