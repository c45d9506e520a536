"""How a read ends, and the exceptions of this package."""

from __future__ import annotations

import ctypes
from collections.abc import AsyncIterable, Awaitable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import _abi

T = TypeVar("T")


class ReadPolicyError(Exception):
    """What this package raises by itself."""


class ConfigError(ReadPolicyError):
    """The policy file has errors, all of which the text lists, or needs more than the host can do."""


class Closed(ReadPolicyError):
    """The policy set or the cluster has been closed."""


class Busy(ReadPolicyError):
    """As many reads as were agreed on are under way. A host answers 429, or the like."""


class UsageError(ReadPolicyError):
    """The caller's mistake: after a fork, in another event loop, a section that there is not."""


class Missing(Exception):
    """Raised by a read of the caller's own to say that the row is not on this server."""


class ReadEnded(ReadPolicyError):
    """The read did not find its row; `end` is the End. Its cause is the last error, if any."""

    def __init__(self, end: End[Any]) -> None:
        super().__init__(end.message if end.reason is None else f"{end.message} ({end.reason})")
        self.end = end

    def __reduce__(self) -> tuple[Any, ...]:
        # From its text it could not be made again, which whoever waits for a pool of processes waits for in vain.
        return type(self), (self.end,), self.__dict__


class NotFound(ReadEnded):
    """There is no such row: missing on the primary too, or proven absent."""


class ReadFailed(ReadEnded):
    """An error; the row may or may not exist."""


class Shed(ReadEnded):
    """The primary's budget is used up: ask again in a second. A host answers 429, or the like."""


# Of a read. What a server's statement_timeout and the locks of Python may wait is little more.
LONGEST_TIMEOUT_S = 1e6

_RAISED = {"not_found": NotFound, "shed": Shed}


@dataclass(frozen=True)
class End(Generic[T]):
    """How a read ended.

    verdict: "found", "not_found", "failed" or "shed"; value: what the read returned, None unless
    found; served_by: "replica", "replica_retry", "primary" or None; position: where the server stood,
    at least as far as all that its answer shows, as text to be passed on, None if unknown; log_level:
    None, "warn" or "error", for a line of the host's with message, reason and its own labels; counted:
    the counter that has grown, None too if this package has no name for it; error: the last error of an
    attempt, whatever the verdict.
    """

    verdict: str
    value: T | None
    served_by: str | None
    position: str | None
    failed_during: str | None
    log_level: str | None
    message: str
    reason: str | None
    counted: str | None
    error: BaseException | None

    @property
    def found(self) -> bool:
        return self.verdict == "found"

    def unwrap(self) -> T:
        """The value if it was found. Raises NotFound, Shed or ReadFailed, caused by `error`."""
        if self.verdict == "found":
            return self.value  # type: ignore[return-value]
        raise _RAISED.get(self.verdict, ReadFailed)(self) from self.error


def text_of(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def end_of(done: Any, value: Any, error: BaseException | None, position: int = 0) -> End[Any]:
    """From a done step or action, before the next call of the plugin for it."""
    verdict = _abi.VERDICTS[done.verdict] if done.verdict < len(_abi.VERDICTS) else "failed"
    counted = _abi.COUNTED[done.counted] if done.counted < len(_abi.COUNTED) else None
    return End(verdict=verdict, value=value if verdict == "found" else None,
               served_by=_abi.SERVED_BY[done.served_by],
               position=print_position(position) if position else None,
               failed_during=text_of(done.failed_during),
               log_level=_abi.LOG_LEVELS[done.log_level], message=text_of(done.message) or "",
               reason=text_of(getattr(done, "reason", None)), counted=counted, error=error)


def parse_position(text: str | None) -> int:
    """A WAL position as PostgreSQL prints it, "16/B374D848"; None is 0. Raises ValueError."""
    if text is None:
        return 0
    position = ctypes.c_uint64()
    # A text with a NUL is none: C would take what comes before it, which is an earlier position.
    if not isinstance(text, str) or "\0" in text or _abi.plugin().cluster.contents.position_parse(
            text.encode("utf-8", "replace"), ctypes.byref(position)) != _abi.OK:
        raise ValueError(f"not a WAL position like 16/B374D848: {text!r}")
    return position.value


def print_position(position: int) -> str:
    text = ctypes.create_string_buffer(_abi.POSITION_BYTES)
    _abi.plugin().cluster.contents.position_print(position, text)
    return text.value.decode("ascii")


def timeout_of(seconds: float | None) -> float | None:
    """A read's timeout as it counts. Raises UsageError for what is no number."""
    if seconds is None:
        return None
    if seconds != seconds:
        raise UsageError("timeout is a number of seconds, not nan")
    return min(max(seconds, 0.0), LONGEST_TIMEOUT_S)


def deadline_of(now_ns: int, timeout: float | None) -> int:
    """Of a timeout as it counts, or what is left of it. 0: there is none."""
    return 0 if timeout is None else now_ns + max(1, int(timeout * 1e9))


_TEXTS = (str, bytes, bytearray, memoryview)
_UNREAD = (Iterator, AsyncIterable, Awaitable)


def outcome_of(value: object) -> str:
    """The outcome where the caller gives no function: None and what is empty is missing. An empty text is a
    value that was read, and what has not been read yet is neither (UsageError)."""
    if value is None:
        return "missing"
    if hasattr(value, "__len__"):
        return "found" if len(value) > 0 or isinstance(value, _TEXTS) else "missing"
    # Cursors and results; a query that would be sent when it is iterated over.
    is_query = hasattr(value, "fetchall") or (hasattr(value, "all") and hasattr(value, "first"))
    if isinstance(value, _UNREAD) or is_query:
        raise UsageError(f"a {type(value).__name__} does not say whether there are rows, and may read them when the"
                         " read is over: return what it gives, a list say, or give a function as `outcome`")
    return "found"


OUTCOMES = {"found": _abi.FOUND, "partial": _abi.PARTIAL, "missing": _abi.MISSING}


def outcome_number(outcome: object) -> int:
    number = OUTCOMES.get(outcome) if isinstance(outcome, str) else None
    if number is None:
        raise UsageError(f"the outcome of a read is found, partial or missing, not {outcome!r}")
    return number
