"""Clusters over psycopg 3, blocking and asyncio."""

from __future__ import annotations

from typing import Any, Mapping

import psycopg
import psycopg.conninfo
from psycopg.pq import PipelineStatus, TransactionStatus

from . import _cluster, _sql
from ._end import UsageError
from ._links import Link, Server, shut_down
from ._machine import Settings, said_of_conninfo
from ._policies import PolicySet
from .asyncio import Cluster as AsyncCluster
from .asyncio import Link as AsyncLink
from .asyncio import Server as AsyncServer


def connect(policies: PolicySet, servers: Mapping[str, str], *,
            expect: Mapping[str, str] | None = None, settings: Settings = Settings(),
            **options: Any) -> _cluster.Cluster:
    """A cluster of servers, by their names and connection strings; roles are observed. expect: names
    of servers that must be "primary" or "replica". options: for psycopg.connect, for all of them.

    cluster.read takes a statement with its values, whose rows (as row_factory makes them) are the
    value; or a function that takes a psycopg.Connection.
    """
    return _cluster.Cluster(policies, [_Server(name, conninfo, options)
                                       for name, conninfo in servers.items()],
                            expect=expect, settings=settings)


def connect_async(policies: PolicySet, servers: Mapping[str, str], *,
                  expect: Mapping[str, str] | None = None, settings: Settings = Settings(),
                  **options: Any) -> AsyncCluster:
    """As connect, for the event loop that runs now; functions take a psycopg.AsyncConnection."""
    return AsyncCluster(policies, [_AsyncServer(name, conninfo, options)
                                   for name, conninfo in servers.items()],
                        expect=expect, settings=settings)


def _checked(name: str, conninfo: str) -> str:
    try:
        psycopg.conninfo.conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        raise UsageError(f"server {name}: {said_of_conninfo(conninfo, error)}") from None
    return conninfo


class _Link(Link):
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def ask(self, text: str) -> str | None:
        # As it stands, without a look for placeholders.
        return _first(self._connection.cursor(row_factory=psycopg.rows.tuple_row).execute(
            text.encode()))[0]

    def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        connection = self._connection
        tuples = psycopg.rows.tuple_row
        try:
            if callable(read):
                before = self._begin(question, limit_ns)
                value = read(connection)
                _sql.check_open(connection.info.transaction_status != TransactionStatus.IDLE)
                after = connection.cursor(row_factory=tuples).execute(_sql.AFTER)
                in_recovery, position = _first(after)
                connection.execute(_sql.END_OF_FUNCTION)
                return _sql.Answer(before, value, in_recovery, position)
            statement, values = read
            # In one round trip; the server takes each statement when the one before it is done.
            with connection.pipeline():
                connection.execute(_sql.BEGIN)
                connection.execute(_sql.statement_timeout(limit_ns))
                asked = None
                if question is not None:
                    asked = connection.cursor(row_factory=tuples).execute(question.encode())
                rows = connection.execute(statement, values)
                after = connection.cursor(row_factory=tuples).execute(_sql.AFTER)
                connection.execute("COMMIT")
                before = None if asked is None else _first(asked)[0]
                value = self._rows(rows)
                in_recovery, position = _first(after)
            return _sql.Answer(before, value, in_recovery, position)
        except BaseException:
            self._roll_back()
            raise

    def _rows(self, cursor: psycopg.Cursor[Any]) -> Any:
        try:
            return cursor.fetchall()
        except psycopg.ProgrammingError:
            _check_rows(cursor, self)
            raise

    def _begin(self, question: str | None, limit_ns: int) -> str | None:
        connection = self._connection
        with connection.pipeline():
            connection.execute(_sql.BEGIN)
            connection.execute(_sql.statement_timeout(limit_ns))
            if question is None:
                return None
            asked = connection.cursor(row_factory=psycopg.rows.tuple_row).execute(question.encode())
            return _first(asked)[0]

    def _roll_back(self) -> None:
        try:
            if self._connection.info.transaction_status != TransactionStatus.IDLE:
                self._connection.rollback()
        except psycopg.Error:
            self.close()

    def abort(self) -> None:
        shut_down(self._connection)

    def close(self) -> None:
        self._connection.close()

    def is_usable(self) -> bool:
        return _is_at_rest(self._connection)


def _is_at_rest(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """A pipeline that something cut short may be on still, in no transaction: the results that it owes would
    be taken for those of what is sent next."""
    return (not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
            and connection.info.pipeline_status == PipelineStatus.OFF)


def _first(cursor: psycopg.Cursor[Any]) -> Any:
    return _only(cursor.fetchone())


def _only(row: Any) -> Any:
    if row is None:
        raise psycopg.DataError("an empty answer to a question that has one row")
    return row


def _check_rows(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any], link: _Link | _AsyncLink) -> None:
    """The COMMIT was sent with the statement, so that the session keeps what it has set."""
    if cursor.pgresult is not None and cursor.description is None:
        link.close()
        _sql.check_rows(False)


class _Server(Server):
    errors = (psycopg.Error,)

    def __init__(self, name: str, conninfo: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._conninfo = _checked(name, conninfo)
        self._options: dict[str, Any] = {"connect_timeout": _sql.CONNECT_TIMEOUT_S, **options, "autocommit": True}

    def connect(self) -> _Link:
        return _Link(psycopg.connect(self._conninfo, **self._options))

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "sqlstate", None)


class _AsyncLink(AsyncLink):
    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def ask(self, text: str) -> str | None:
        return _only(await (await self._tuples().execute(text.encode())).fetchone())[0]

    async def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        connection = self._connection
        try:
            if callable(read):
                before = await self._begin(question, limit_ns)
                value = await read(connection)
                _sql.check_open(connection.info.transaction_status != TransactionStatus.IDLE)
                after = await self._tuples().execute(_sql.AFTER)
                in_recovery, position = _only(await after.fetchone())
                await connection.execute(_sql.END_OF_FUNCTION)
                return _sql.Answer(before, value, in_recovery, position)
            statement, values = read
            # In one round trip; the server takes each statement when the one before it is done.
            async with connection.pipeline():
                await connection.execute(_sql.BEGIN)
                await connection.execute(_sql.statement_timeout(limit_ns))
                asked = None
                if question is not None:
                    asked = await self._tuples().execute(question.encode())
                rows = await connection.execute(statement, values or None)
                after = await self._tuples().execute(_sql.AFTER)
                await connection.execute("COMMIT")
                before = None if asked is None else _only(await asked.fetchone())[0]
                value = await self._rows(rows)
                in_recovery, position = _only(await after.fetchone())
            return _sql.Answer(before, value, in_recovery, position)
        except Exception:
            await self._roll_back()
            raise

    async def _rows(self, cursor: psycopg.AsyncCursor[Any]) -> Any:
        try:
            return await cursor.fetchall()
        except psycopg.ProgrammingError:
            _check_rows(cursor, self)
            raise

    def _tuples(self) -> psycopg.AsyncCursor[Any]:
        return self._connection.cursor(row_factory=psycopg.rows.tuple_row)

    async def _begin(self, question: str | None, limit_ns: int) -> str | None:
        async with self._connection.pipeline():
            await self._connection.execute(_sql.BEGIN)
            await self._connection.execute(_sql.statement_timeout(limit_ns))
            if question is None:
                return None
            asked = await self._tuples().execute(question.encode())
            return _only(await asked.fetchone())[0]

    async def _roll_back(self) -> None:
        try:
            if self._connection.info.transaction_status != TransactionStatus.IDLE:
                await self._connection.rollback()
        except psycopg.Error:
            self.close()

    def abort(self) -> None:
        shut_down(self._connection)

    def close(self) -> None:
        self._connection.pgconn.finish()

    def is_usable(self) -> bool:
        return _is_at_rest(self._connection)


class _AsyncServer(AsyncServer):
    errors = (psycopg.Error, OSError)

    def __init__(self, name: str, conninfo: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self._conninfo = _checked(name, conninfo)
        self._options: dict[str, Any] = {"connect_timeout": _sql.CONNECT_TIMEOUT_S, **options,
                                         "autocommit": True}

    async def connect(self) -> _AsyncLink:
        return _AsyncLink(await psycopg.AsyncConnection.connect(self._conninfo, **self._options))
