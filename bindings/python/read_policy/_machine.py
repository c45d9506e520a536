"""The cluster of the plugin, without any I/O: what to do next, and what came of it.

One thread at a time: the callers hold a lock, or are one event loop. It belongs to the process that
opened it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import time
from ctypes import byref, create_string_buffer, sizeof
from dataclasses import dataclass
from typing import Callable, Mapping, NamedTuple, Sequence

from . import _abi
from ._end import (Busy, Closed, End, ReadPolicyError, UsageError, deadline_of, end_of,
                   parse_position, print_position, text_of)
from ._policies import Metric, Policy, PolicySet, check, random_bits, read_metrics

logger = logging.getLogger("read_policy")
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR)
_TELL_AGAIN_S = 10.0


@dataclass(frozen=True)
class ServerInfo:
    """A server, as the cluster sees it. None is unknown; seconds are of lag and of back-off. error: why the last
    question was not answered, as the driver says it; None: it was."""

    name: str
    role: str
    answers: bool
    in_recovery: bool | None
    timeline: int | None
    position: str | None
    lag_bytes: int | None
    lag: float | None
    backing_off: float
    why: str
    grants: str
    error: str | None


@dataclass(frozen=True)
class ClusterInfo:
    """settled: every server that is on has answered, or failed, once; primary: its name."""

    settled: bool
    split: bool
    primary: str | None
    timeline: int | None
    reads: int
    replicas: int


@dataclass(frozen=True)
class Settings:
    """How a cluster is opened. timeout: of a read that names none, in seconds; poll_ms: how often
    every server is asked, 100 to 5000, 0: the default; strict: this package's mistakes become notices; first_misses:
    a rehearsal in which the first read of a replica counts as missing; on_notice: takes a level of
    `logging` and a line, otherwise the logger "read_policy" does."""

    max_reads: int = 32
    timeout: float = 5.0
    poll_ms: int = 0
    strict: bool = False
    first_misses: bool = False
    on_notice: Callable[[int, str], None] | None = None

    def check(self) -> None:
        if not 1 <= self.max_reads <= 1000000:
            raise UsageError(f"max_reads is 1 to 1000000, not {self.max_reads}")
        if not 0.001 <= self.timeout <= 3600:
            raise UsageError(f"timeout is 0.001 to 3600 seconds, not {self.timeout}")
        if self.poll_ms != 0 and not 100 <= self.poll_ms <= 5000:
            raise UsageError(f"poll_ms is 100 to 5000, or 0 for the default, not {self.poll_ms}")

    def notify(self, level: int, text: str) -> None:
        try:
            (self.on_notice or logger.log)(level, text)
        except Exception:
            # The caller's mistake; the clock, and whoever is being served, go on.
            logger.exception("on_notice failed, of: %s", text)


class Action(NamedTuple):
    """READ, ASK, DROP, DONE or REDIAL; the fields are those of the header's struct rp_action."""

    kind: int
    id: int
    tag: int
    read_id: int
    server: int
    target: int
    limit_ns: int
    text: str | None
    done: End[object] | None


def said_by(error: BaseException) -> str:
    """On one line. Some, such as of a time-out, say nothing but what they are."""
    return " ".join(str(error).split()) or type(error).__name__


def said_of_conninfo(conninfo: str, error: BaseException) -> str:
    """libpq quotes the part that it could not parse, which may be part of a password."""
    if "pass" in conninfo or "://" in conninfo:
        return "the connection string is malformed (the details are withheld: it may hold a password)"
    return said_by(error)


class _Hearing:
    """Whether a server answers what it is asked, and if not, why. The plugin is not told, so it tells nobody."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.error: str | None = None
        self._told: str | None = None
        self._quiet_until = 0.0  # errors that take turns are not told each time

    def note(self, error: str | None) -> tuple[int, str] | None:
        """Returns what is to be told of it, if anything."""
        self.error = error
        if error is None:
            was_told, self._told = self._told is not None, None
            return (logging.INFO, f"{self._name} answers again") if was_told else None
        now = time.monotonic()
        if error == self._told or now < self._quiet_until:
            return None
        self._told = error
        self._quiet_until = now + _TELL_AGAIN_S
        return logging.WARNING, f"{self._name} does not answer: {error}"


class Machine:
    def __init__(self, policies: PolicySet, names: Sequence[str], expect: Mapping[str, str],
                 settings: Settings, notify: Callable[[int, str], None]) -> None:
        settings.check()
        if not 1 <= len(names) <= _abi.CLUSTER_MAX_SERVERS:
            raise UsageError(f"a cluster has 1 to {_abi.CLUSTER_MAX_SERVERS} servers, not {len(names)}")
        strangers = set(expect) - set(names)
        if strangers:
            raise UsageError(f"expect names {', '.join(sorted(strangers))}, which is no server")
        policies._acquire()
        self._policies = policies
        self._calls = _abi.plugin().cluster.contents
        self._names = tuple(names)
        self._hearings = [_Hearing(name) for name in names]
        self._notify = notify
        self._pid = os.getpid()
        self._cluster = ctypes.c_void_p()
        self._action = _abi.Action(struct_size=sizeof(_abi.Action))
        self._notice = _abi.Notice(struct_size=sizeof(_abi.Notice))
        self._wake = ctypes.c_uint64()
        self._read_id = ctypes.c_uint64()
        self._open: set[int] = set()  # reads that are not done, and not forgotten
        options = _abi.Options(
            struct_size=sizeof(_abi.Options), max_servers=len(names),
            max_reads=settings.max_reads, poll_ms=settings.poll_ms,
            timeout_ms=max(1, int(settings.timeout * 1000)), now_ns=time.monotonic_ns(),
            seed=int.from_bytes(os.urandom(8), "little"),
            flags=(_abi.CLUSTER_STRICT if settings.strict else 0) |
                  (_abi.CLUSTER_FIRST_MISSES if settings.first_misses else 0))
        errors = create_string_buffer(_abi.ERROR_BYTES)
        try:
            check(self._calls.open(policies._handle, byref(options), byref(self._cluster), errors,
                                   _abi.ERROR_BYTES), errors, "opening the cluster")
            for name in names:
                self.server_set(name, expect.get(name, "any"), "on")
        except BaseException:
            self.close()
            raise

    def check_usable(self) -> None:
        """Raises UsageError after a fork, Closed after close."""
        if not self.is_own_process():
            raise UsageError(f"the cluster was opened in process {self._pid}, before a fork; open one in"
                             f" each process ({os.getpid()} has none)")
        if not self._cluster:
            raise Closed("the cluster is closed")

    def is_own_process(self) -> bool:
        return os.getpid() == self._pid

    @property
    def is_closed(self) -> bool:
        return not self._cluster

    def close(self) -> None:
        if self._cluster:
            for read_id in self._open:
                self._calls.forget(self._cluster, read_id)
            self._open.clear()
            self._calls.close(self._cluster)
            self._cluster = ctypes.c_void_p()
        if self._policies is not None:
            policies, self._policies = self._policies, None  # type: ignore[assignment]
            policies._release()

    def __del__(self) -> None:
        if hasattr(self, "_cluster"):
            self.close()

    def server_set(self, name: str, expect: str, state: str) -> None:
        if expect not in _abi.EXPECT or state not in _abi.STATES:
            raise UsageError(f"server {name}: expect is one of {', '.join(_abi.EXPECT)}, state one of"
                             f" {', '.join(_abi.STATES)}; not {expect}, {state}")
        encoded = name.encode()
        if not 1 <= len(encoded) <= 63 or b"\0" in encoded:
            raise UsageError(f"a server's name has 1 to 63 bytes: {name!r}")
        if self._calls.server_set(self._cluster, self.index_of(name), encoded,
                                  _abi.EXPECT[expect], _abi.STATES[state],
                                  time.monotonic_ns()) != _abi.OK:
            raise ReadPolicyError(f"server {name} was not accepted")

    def index_of(self, name: str) -> int:
        try:
            return self._names.index(name)
        except ValueError:
            raise UsageError(f"{name} is none of the servers {', '.join(self._names)}") from None

    def start(self, policy: Policy, tag: int, position: str | None, timeout: float | None,
              in_transaction: bool) -> int:
        """Returns the read's id. Raises Busy."""
        now = time.monotonic_ns()
        request = _abi.Request(
            struct_size=sizeof(_abi.Request), now_ns=now, entropy=random_bits(),
            flags=_abi.IN_TRANSACTION if in_transaction else 0, position=parse_position(position),
            deadline_ns=deadline_of(now, timeout))
        status = self._calls.start(self._cluster, policy._handle, byref(request), tag,
                                   byref(self._read_id))
        if status == _abi.E_BUSY:
            raise Busy("as many reads as max_reads allows are under way")
        if status != _abi.OK:
            raise ReadPolicyError(f"the read could not be begun, status {status}")
        self._open.add(self._read_id.value)
        return self._read_id.value

    def forget(self, read_id: int) -> None:
        self._open.discard(read_id)
        self._calls.forget(self._cluster, read_id)

    def next(self) -> Action | None:
        """What to do now, or None: nothing before wake_ns. The same again until it is taken: the plugin gives
        it once, and whoever hands it out may be cut short, by a signal or for want of memory."""
        action = self._action
        if action.kind == _abi.ACTION_NONE and not self._calls.next(
                self._cluster, time.monotonic_ns(), byref(action), byref(self._wake)):
            self._tell()
            return None
        done = None
        if action.kind == _abi.ACTION_DONE:
            self._open.discard(action.read_id)
            done = end_of(action, None, None, action.position)
        return Action(action.kind, action.id, action.tag, action.read_id, action.server,
                      action.target, action.limit_ns, text_of(action.text), done)

    def taken(self) -> None:
        """What `next` gave has been handed out."""
        self._action.kind = _abi.ACTION_NONE

    @property
    def wake_ns(self) -> int:
        return self._wake.value

    def answer(self, action_id: int, outcome: int, before: str | bytes | None = None,
               after: str | bytes | None = None) -> None:
        self._calls.answer(self._cluster, action_id, outcome, _bytes_of(before), _bytes_of(after),
                           time.monotonic_ns())

    def note_cut_off(self, action: Action) -> None:
        """The question was dropped while the server had it: what the driver says of that is about its own
        connection."""
        if time.monotonic_ns() >= action.limit_ns:
            self.note_hearing(action.server, "no answer in time")

    def note_hearing(self, server: int, trouble: str | None) -> bool:
        """It has answered a question, whatever it said, or was asked in vain. Returns whether that is told, which it is
        where it is new."""
        notice = self._hearings[server].note(trouble)
        if notice is not None:
            self._notify(*notice)
        return notice is not None

    def prompt(self, server: int) -> None:
        self._calls.prompt(self._cluster, server, time.monotonic_ns())

    def forget_history(self) -> None:
        self._calls.forget_history(self._cluster, time.monotonic_ns())

    def _tell(self) -> None:
        notice = self._notice
        while self._calls.notice(self._cluster, byref(notice)):
            text = notice.text.decode("utf-8", "replace")
            if notice.dropped:
                text += f" ({notice.dropped} notices before this one were lost)"
            self._notify(_LEVELS[min(notice.level, 2)], text)

    def info(self) -> ClusterInfo:
        info = _abi.ClusterInfo(struct_size=sizeof(_abi.ClusterInfo))
        self._calls.info(self._cluster, byref(info))
        return ClusterInfo(
            settled=bool(info.settled), split=bool(info.split),
            primary=None if info.primary == _abi.NO_SERVER else self._names[info.primary],
            timeline=info.timeline or None, reads=info.reads, replicas=info.replicas)

    def settled(self) -> bool:
        return self.info().settled

    def server(self, name: str) -> ServerInfo:
        info = _abi.ServerInfo(struct_size=sizeof(_abi.ServerInfo))
        index = self.index_of(name)
        self._calls.server(self._cluster, index, byref(info))
        return ServerInfo(
            name=name, role=_abi.ROLES[info.role], answers=bool(info.answers),
            in_recovery=None if info.in_recovery == 2 else bool(info.in_recovery),
            timeline=info.timeline or None, position=_position(info.position),
            lag_bytes=None if info.lag_bytes == _abi.UNKNOWN else info.lag_bytes,
            lag=None if info.lag_ns == _abi.UNKNOWN else info.lag_ns / 1e9,
            backing_off=info.backing_off_ns / 1e9, why=text_of(info.why) or "",
            grants=text_of(info.grants) or "", error=self._hearings[index].error)

    def metrics(self) -> list[Metric]:
        return read_metrics(lambda index, metric: self._calls.metrics(self._cluster, index, metric))


def _bytes_of(text: str | bytes | None) -> bytes | None:
    # Of a database in SQL_ASCII psycopg gives bytes.
    return text.encode() if isinstance(text, str) else text


def _position(position: int) -> str | None:
    return print_position(position) if position else None
