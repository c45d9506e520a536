"""A policy file, loaded; and reads of which only the decisions are taken here."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import threading
import time
import weakref
from ctypes import byref, create_string_buffer, sizeof
from dataclasses import dataclass
from typing import Any, Callable, Iterator, NoReturn, TypeVar

from . import _abi
from ._end import (Closed, ConfigError, End, Missing, ReadPolicyError, UsageError, deadline_of,
                   end_of, outcome_number, outcome_of, text_of, timeout_of)

T = TypeVar("T")
ALL_CAPABILITIES = _abi.CAN_REPORT_POSITIONS | _abi.CAN_AWAIT_POSITION

_sets: weakref.WeakSet[PolicySet] = weakref.WeakSet()


def _renew_locks() -> None:
    # A thread that held one at the time of the fork does not exist in the child.
    for policies in list(_sets):
        policies._lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_locks)

# A generator of its own: a program may seed the module's, in all workers alike, and they would all wait
# for the same time, and ask the same replica.
_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)


def random_bits() -> int:
    """A read's entropy, of which each process has its own."""
    return _random.getrandbits(64)


@dataclass(frozen=True)
class Metric:
    """A counter: it only grows, and survives reloads."""

    name: str
    help: str
    section: str
    attribute: str | None
    attribute_value: str | None
    value: int


@dataclass(frozen=True)
class Budget:
    """A section's reads of the primary for rows that replicas lack. per_second and burst: the keys
    primary_budget_per_s and primary_budget_burst, as they count; left: that would be admitted at once
    now, 0 to burst, of all processes that share the set."""

    per_second: int
    burst: int
    left: int


def read_metrics(fill: Callable[[int, Any], int]) -> list[Metric]:
    found: list[Metric] = []
    metric = _abi.Metric(struct_size=sizeof(_abi.Metric))
    while fill(len(found), byref(metric)) == _abi.OK:
        found.append(Metric(text_of(metric.name) or "", text_of(metric.help) or "",
                            text_of(metric.section) or "", text_of(metric.attribute),
                            text_of(metric.attribute_value), metric.value))
    return found


def check(status: int, errors: Any, what: str) -> None:
    if status == _abi.OK:
        return
    text = errors.value.decode("utf-8", "replace").rstrip() or f"{what} failed, status {status}"
    raise (ConfigError if status in (_abi.E_CONFIG, _abi.E_CAPABILITY, _abi.E_LIMIT)
           else ReadPolicyError)(text)


class PolicySet:
    """The sections of one policy file. Any thread may use it at any time.

    It holds no thread, connection or descriptor, so it may be opened before a fork and used on both
    sides; each process then counts by itself, unless share() was called.
    """

    def __init__(self, handle: ctypes.c_void_p, is_text: bool) -> None:
        """Not for callers: see from_file and from_text."""
        self._plugin = _abi.plugin()
        self._handle = handle
        self._is_text = is_text
        self._lock = threading.RLock()
        self._users = 0
        self._closed = False
        self._memory: mmap.mmap | None = None
        self._policies: dict[str, Policy] = {}
        _sets.add(self)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, decisions_only: bool = False) -> PolicySet:
        """Loads the file, whole or not at all. decisions_only: no cluster will be opened on it, and a
        policy that needs positions is refused. Raises ConfigError with all errors of the file."""
        handle, errors = ctypes.c_void_p(), create_string_buffer(_abi.ERROR_BYTES)
        encoded = os.fsencode(path)
        if b"\0" in encoded:
            raise UsageError(f"no file has a NUL in its path: {path!r}")
        status = _abi.plugin().open(encoded, 0 if decisions_only else ALL_CAPABILITIES,
                                    byref(handle), errors, _abi.ERROR_BYTES)
        check(status, errors, "loading the policy file")
        return cls(handle, is_text=False)

    @classmethod
    def from_text(cls, text: str, *, name: str = "read-policy.ini",
                  decisions_only: bool = False) -> PolicySet:
        """The same, of text in memory; name stands in its errors."""
        handle, errors = ctypes.c_void_p(), create_string_buffer(_abi.ERROR_BYTES)
        data = text.encode()
        status = _abi.plugin().open_text(data, len(data), name.encode(),
                                         0 if decisions_only else ALL_CAPABILITIES, byref(handle),
                                         errors, _abi.ERROR_BYTES)
        check(status, errors, "loading the policies")
        return cls(handle, is_text=True)

    def reload(self, text: str | None = None) -> None:
        """Reads the file again, or takes the new text; on any error (ConfigError) the old configuration
        stays in force. Reads under way finish as they began."""
        if self._is_text is (text is None):
            raise UsageError("reload() takes the new text of a set made from text, and nothing else")
        errors = create_string_buffer(_abi.ERROR_BYTES)
        with self._lock:
            self._check_open()
            if text is None:
                status = self._plugin.reload(self._handle, errors, _abi.ERROR_BYTES)
            else:
                data = text.encode()
                status = self._plugin.reload_text(self._handle, data, len(data), errors,
                                                  _abi.ERROR_BYTES)
        check(status, errors, "the reload")

    def policy(self, section: str) -> Policy:
        """The section's policy. Raises UsageError, naming those that there are."""
        self._check_open()
        if not isinstance(section, str):
            raise UsageError(f"a section is known by its name, a str, not {section!r}")
        known = self._policies.get(section)
        if known is not None:
            return known
        with self._lock:
            self._check_open()
            # A name with a NUL is none: C would take what comes before it.
            handle = None if "\0" in section else self._plugin.policy(self._handle,
                                                                      section.encode())
            if not handle:
                raise UsageError(f"no section [{section}] in the policy file; it has"
                                 f" {', '.join(self.sections())}")
            return self._policies.setdefault(section, Policy(self, section, handle))

    def sections(self) -> list[str]:
        with self._lock:
            self._check_open()
            names: list[str] = []
            while (name := self._plugin.section(self._handle, len(names))) is not None:
                names.append(name.decode("utf-8", "replace"))
            return names

    def describe(self, section: str) -> str:
        """What the section does with a read, effective values included."""
        handle = self.policy(section)._handle
        with self._lock:
            self._check_open()
            return self._text(lambda buffer, size: self._plugin.describe(handle, buffer, size))

    def notes(self) -> str:
        """What has no effect in the configuration that was loaded last, one note per line."""
        with self._lock:
            self._check_open()
            return self._text(lambda buffer, size: self._plugin.notes(self._handle, buffer, size))

    def metrics(self) -> list[Metric]:
        with self._lock:
            self._check_open()
            return read_metrics(lambda index, metric: self._plugin.metrics(self._handle, index,
                                                                           metric))

    def _budget(self, policy: int) -> Budget | None:
        info = _abi.BudgetInfo(struct_size=sizeof(_abi.BudgetInfo))
        with self._lock:
            self._check_open()
            self._plugin.budget(policy, time.monotonic_ns(), byref(info))
        return Budget(info.per_s, info.burst, info.left) if info.per_s else None

    def share(self, sections: int = 64) -> None:
        """Before the first read and before forking: from now on the processes that are forked count
        together, and a budget of 40 reads a second is 40 for all of them. sections: the most that
        reloads may bring it to."""
        size = self._plugin.shared_bytes(sections)
        if size == 0:
            raise UsageError(f"{sections} sections cannot be shared: 1 to 1024")
        errors = create_string_buffer(_abi.ERROR_BYTES)
        with self._lock:
            self._check_open()
            if self._memory is not None:
                return
            memory = mmap.mmap(-1, size)
            address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            check(self._plugin.share(self._handle, address, size, errors, _abi.ERROR_BYTES), errors,
                  "sharing")
            self._memory = memory

    def close(self) -> None:
        """No read begins any more (Closed); those under way, and clusters that are open, go on, and the
        last of them releases the memory. May be called twice."""
        with self._lock:
            self._closed = True
            self._release_if_unused()

    def __enter__(self) -> PolicySet:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_memory"):
            self.close()

    def __reduce__(self) -> NoReturn:
        # A copy would release the memory a second time.
        raise TypeError("a PolicySet cannot be copied or pickled; load the file where it is needed")

    def _acquire(self) -> None:
        with self._lock:
            self._check_open()
            self._users += 1

    def _release(self) -> None:
        with self._lock:
            self._users -= 1
            self._release_if_unused()

    def _release_if_unused(self) -> None:
        if self._closed and self._users == 0 and self._handle:
            self._plugin.close(self._handle)
            self._handle = ctypes.c_void_p()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed("the policy set is closed")

    @staticmethod
    def _text(fill: Callable[[Any, int], int]) -> str:
        size = fill(None, 0) + 1
        buffer = create_string_buffer(size)
        fill(buffer, size)
        return buffer.value.decode("utf-8", "replace")


class Policy:
    """One section. It may be kept as long as its set is open; any thread may use it."""

    def __init__(self, policies: PolicySet, section: str, handle: int) -> None:
        self._set = policies
        self._handle = handle
        self.section = section

    def describe(self) -> str:
        return self._set.describe(self.section)

    def budget(self) -> Budget | None:
        """The primary's budget and what is left of it now; nothing is charged. None: no limit. For
        metrics and status pages: it may be gone by the time that a read asks for it."""
        return self._set._budget(self._handle)

    def read(self, read_replica: Callable[[int], T], read_primary: Callable[[], T], *,
             replicas: int = 1, in_transaction: bool = False, timeout: float | None = None,
             outcome: Callable[[T], str] = outcome_of) -> End[T]:
        """One read of which only the decisions are taken here; it blocks, and sleeps where the policy
        waits.

        read_replica(i) reads replica i of `replicas`, read_primary() the primary; `outcome` says what
        came of it: "found", "partial" or "missing". They raise Missing for a miss, and any other
        exception for a failure; what `outcome` raises goes to the caller. timeout: no wait goes beyond
        so many seconds from now.
        """
        decisions = Decisions(self, replicas, in_transaction, timeout)
        try:
            for step in decisions:
                if step.kind == _abi.STEP_WAIT:
                    time.sleep(max(0, step.until_ns - time.monotonic_ns()) / 1e9)
                    decisions.waited()
                    continue
                try:
                    value = (read_replica(step.replica) if step.target == _abi.TARGET_REPLICA
                             else read_primary())
                except Exception as error:
                    decisions.raised(error)
                else:
                    decisions.answered(value, outcome(value))
            return decisions.end()
        finally:
            decisions.close()


class Decisions:
    """The steps of one read; each is reported before the next one. One thread at a time."""

    def __init__(self, policy: Policy, replicas: int, in_transaction: bool,
                 timeout: float | None) -> None:
        if not 0 <= replicas < 2**32:
            raise UsageError(f"replicas is the number of them, 0: none; not {replicas}")
        self._policy = policy
        self._plugin = policy._set._plugin
        self._value: Any = None
        self._error: BaseException | None = None
        now = time.monotonic_ns()
        self._request = _abi.Request(
            struct_size=sizeof(_abi.Request), replicas=replicas, now_ns=now,
            deadline_ns=deadline_of(now, timeout_of(timeout)),
            flags=_abi.IN_TRANSACTION if in_transaction else 0, entropy=random_bits())
        self._read = _abi.Read(struct_size=sizeof(_abi.Read))
        self._report = _abi.Report(struct_size=sizeof(_abi.Report))
        self._step: Any = None
        policy._set._acquire()  # last: what was refused above is never closed

    def __iter__(self) -> Iterator[Any]:
        self._step = self._plugin.begin(self._policy._handle, byref(self._request),
                                        byref(self._read)).contents
        while self._step.kind != _abi.STEP_DONE:
            if self._step.kind not in (_abi.STEP_READ, _abi.STEP_WAIT):
                raise UsageError(f"section [{self._policy.section}] needs positions: read it through"
                                 " a cluster, or load the file with decisions_only=True to have"
                                 " such sections refused")
            yield self._step

    def waited(self) -> None:
        self._next(_abi.WAITED)

    def answered(self, value: Any, outcome: str) -> None:
        number = outcome_number(outcome)
        self._value = value
        self._next(number)

    def raised(self, error: Exception) -> None:
        self._error = error
        self._next(_abi.MISSING if isinstance(error, Missing) else _abi.FAILED)

    def _next(self, outcome: int) -> None:
        self._report.outcome = outcome
        self._report.now_ns = time.monotonic_ns()
        self._report.position = 0
        self._step = self._plugin.next(byref(self._read), byref(self._report)).contents

    def end(self) -> End[Any]:
        return end_of(self._step, self._value, self._error)

    def close(self) -> None:
        self._policy._set._release()
