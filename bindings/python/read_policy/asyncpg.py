"""Clusters over asyncpg."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Set
from typing import Any

import asyncpg

from . import _sql
from ._end import UsageError
from ._machine import Settings
from ._policies import PolicySet
from .asyncio import Cluster, Link, Server


def connect(policies: PolicySet, servers: Mapping[str, str], *,
            expect: Mapping[str, str] | None = None, settings: Settings = Settings(),
            **options: Any) -> Cluster:
    """A cluster of servers, by their names and URLs, of the event loop that runs now; roles are
    observed. expect: names of servers that must be "primary" or "replica". options: for
    asyncpg.connect, for all of them.

    cluster.read takes a statement with the sequence of its values, whose rows are the value; or a
    coroutine function that takes an asyncpg.Connection.
    """
    return Cluster(policies, [_Server(name, dsn, options) for name, dsn in servers.items()],
                   expect=expect, settings=settings)


# Statements that have rows, if only none. Others may, and are looked at where none came.
_QUERY = re.compile(r"[\s(]*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)


def _values_of(values: Any) -> tuple[Any, ...]:
    """A text is a sequence of characters to asyncpg, and a dict one of its keys: neither is what was meant, and a
    row that is not looked for is not found. An iterator is used up by the first server that is read."""
    if values is None:
        return ()
    if isinstance(values, (str, bytes, bytearray, Mapping, Set)) or not hasattr(values, "__getitem__"):
        raise UsageError(f"the values of a statement are a sequence, one for each $n, and not {values!r}")
    return tuple(values)


class _Link(Link):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def ask(self, text: str) -> str | None:
        try:
            return await self._connection.fetchval(text)
        except asyncpg.InternalClientError:
            self.close()
            raise

    async def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        connection = self._connection
        try:
            await connection.execute(f"{_sql.BEGIN}; {_sql.statement_timeout(limit_ns)}")
            before = None if question is None else await connection.fetchval(question)
            if callable(read):
                value = await read(connection)
                _sql.check_open(connection.is_in_transaction())
            else:
                statement, values = read
                value = await connection.fetch(statement, *_values_of(values))
                if not value and _QUERY.match(statement) is None:
                    await self._check_rows(statement, values)
            in_recovery, after = await connection.fetchrow(_sql.AFTER)
            await connection.execute(_sql.END_OF_FUNCTION if callable(read) else "COMMIT")
            return _sql.Answer(before, value, in_recovery, after)
        except asyncpg.InternalClientError:
            # The server had ended the session, and the end of the connection is still to be seen.
            self.close()
            raise
        except Exception:
            await self._roll_back()
            raise

    async def _check_rows(self, statement: str, values: Any) -> None:
        """What asyncpg gives of a SET, or of an empty text, is an empty list."""
        _sql.check_rows(self._connection.is_in_transaction())  # it was a COMMIT
        prepared = await self._connection.prepare(statement)
        if not prepared.get_attributes():
            await prepared.fetch(*_values_of(values))
            _sql.check_rows((prepared.get_statusmsg() or "").startswith("SELECT"))

    async def _roll_back(self) -> None:
        try:
            if not self.is_usable():
                await self._connection.execute("ROLLBACK")
        except _Server.errors:
            self.close()

    def abort(self) -> None:
        self._connection.terminate()

    def close(self) -> None:
        self._connection.terminate()

    def is_usable(self) -> bool:
        return not self._connection.is_closed() and not self._connection.is_in_transaction()


class _Server(Server):
    errors = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError,
              asyncio.TimeoutError)

    def __init__(self, name: str, dsn: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._dsn = dsn
        self._options = {"timeout": _sql.CONNECT_TIMEOUT_S, **options}

    async def connect(self) -> _Link:
        try:
            return _Link(await asyncpg.connect(self._dsn, **self._options))
        except ValueError as error:
            # The address itself is wrong. Newer versions of asyncpg count that among their own errors,
            # too, and there it would pass for a server that cannot be reached.
            raise ValueError(str(error)) from error
