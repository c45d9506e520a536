"""What the adapters send besides the question and the caller's own statement."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from . import _abi
from ._end import UsageError

# Each statement has a snapshot of its own: what a question's position proves about the statement that
# comes after it in the same transaction rests on that.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"

# After the statement, in its transaction. A server that is in recovery now was in recovery then, for
# it does not go back; and a position that is taken now is at least that of the statement's snapshot.
AFTER = ("SELECT pg_catalog.pg_is_in_recovery(), (CASE WHEN pg_catalog.pg_is_in_recovery()"
         " THEN pg_catalog.pg_last_wal_replay_lsn()"
         " ELSE pg_catalog.pg_current_wal_insert_lsn() END)::pg_catalog.text")

# Nothing was written. But what the caller's function has set for its session, a search_path say, would
# stay with the connection, and lead another's read to other tables.
END_OF_FUNCTION = "ROLLBACK"

CONNECT_TIMEOUT_S = 3

_CONFLICTS = {"40001", "40P01"}
# The server refuses to work: it is starting, stopping, full, or the role may not come in.
_REFUSALS = {"57P01", "57P02", "57P03", "57P05", "53300"}


@dataclass
class Answer:
    """What one transaction brought: the question's text, the caller's value, and what AFTER says."""

    before: str | None
    value: Any
    in_recovery: bool
    after: str | None


def check_open(is_open: bool) -> None:
    """After the caller's function: what the question said is of the transaction that it was in."""
    if not is_open:
        raise UsageError("the function that reads has ended the transaction that it was called in, so that its"
                         " answer proves nothing: it must not commit or roll back, and lets the driver's errors out")


def check_rows(has_rows: bool) -> None:
    """After the caller's statement: one that never has rows does not say that a row is missing."""
    if not has_rows:
        raise UsageError("the statement returns no rows, of whatever table, such as SET or an empty text")


def statement_timeout(limit_ns: int) -> str:
    """The server gives up by itself when nobody waits for it any more."""
    left_ms = max(1, (limit_ns - time.monotonic_ns()) // 1_000_000)
    return f"SET LOCAL statement_timeout = {left_ms}"


def is_void(error: BaseException) -> bool:
    """Whether the session is what the error is about: a plan that was prepared before a migration, or a
    prepared statement that a pooler has taken away."""
    function = (getattr(getattr(error, "diag", None), "source_function", None)
                or getattr(error, "server_source_function", None))
    return (function == "RevalidateCachedQuery"
            or getattr(error, "sqlstate", None) == "26000")


def outcome_of_error(sqlstate: str | None, is_broken: bool, was_idle: bool) -> int:
    """An outcome for the cluster. is_broken: the connection is lost; was_idle: it was not dialled for
    this read, so that it may have been lost long before."""
    if is_broken or sqlstate in _REFUSALS:
        return _abi.CONFLICT if was_idle else _abi.SERVER_GONE
    return _abi.CONFLICT if sqlstate in _CONFLICTS else _abi.FAILED
