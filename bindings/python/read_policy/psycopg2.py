"""Clusters over psycopg2."""

from __future__ import annotations

from typing import Any, Mapping

import psycopg2
import psycopg2.extensions

from . import _cluster, _sql
from ._end import UsageError
from ._links import Link, Server, shut_down
from ._machine import Settings, said_of_conninfo
from ._policies import PolicySet


def connect(policies: PolicySet, servers: Mapping[str, str], *,
            expect: Mapping[str, str] | None = None, settings: Settings = Settings(),
            **options: Any) -> _cluster.Cluster:
    """A cluster of servers, by their names and connection strings; roles are observed. expect: names
    of servers that must be "primary" or "replica". options: for psycopg2.connect, for all of them.

    cluster.read takes a statement with its values, whose rows are the value; or a function that takes
    a connection of psycopg2's.
    """
    return _cluster.Cluster(policies, [_Server(name, conninfo, options)
                                       for name, conninfo in servers.items()],
                            expect=expect, settings=settings)


class _Link(Link):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def ask(self, text: str) -> str | None:
        return self._one(text)[0]

    def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        before = None
        try:
            begin = f"{_sql.BEGIN}; {_sql.statement_timeout(limit_ns)}"
            if question is None:
                with self._connection.cursor() as cursor:
                    cursor.execute(begin)
            else:
                # One message: the last statement's result is what comes back.
                before = self._one(f"{begin}; {question}")[0]
            if callable(read):
                value = read(self._connection)
                _sql.check_open(not self.is_usable())
            else:
                with self._connection.cursor() as cursor:
                    cursor.execute(*read)
                    _sql.check_rows(cursor.description is not None)
                    value = cursor.fetchall()
            in_recovery, after = self._one(_sql.AFTER)
            with self._connection.cursor() as cursor:
                cursor.execute(_sql.END_OF_FUNCTION if callable(read) else "COMMIT")
            return _sql.Answer(before, value, in_recovery, after)
        except BaseException:
            self._roll_back()
            raise

    def _one(self, text: str) -> tuple[Any, ...]:
        # The base class: the caller's cursor_factory may make rows of another shape.
        with self._connection.cursor(cursor_factory=psycopg2.extensions.cursor) as cursor:
            cursor.execute(text)
            row = cursor.fetchone()
        if row is None:
            raise psycopg2.DataError("an empty answer to a question that has one row")
        return tuple(row)

    def _roll_back(self) -> None:
        try:
            if not self.is_usable():
                with self._connection.cursor() as cursor:
                    cursor.execute("ROLLBACK")
        except psycopg2.Error:
            self.close()

    def abort(self) -> None:
        shut_down(self._connection)

    def close(self) -> None:
        self._connection.close()

    def is_usable(self) -> bool:
        return (not self._connection.closed and self._connection.info.transaction_status
                == psycopg2.extensions.TRANSACTION_STATUS_IDLE)


class _Server(Server):
    errors = (psycopg2.Error,)

    def __init__(self, name: str, conninfo: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        try:
            psycopg2.extensions.parse_dsn(conninfo)
        except psycopg2.ProgrammingError as error:
            raise UsageError(f"server {name}: {said_of_conninfo(conninfo, error)}") from None
        self._conninfo = conninfo
        self._options = {"connect_timeout": _sql.CONNECT_TIMEOUT_S, **options}

    def connect(self) -> _Link:
        connection = psycopg2.connect(self._conninfo, **self._options)
        connection.autocommit = True
        return _Link(connection)

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error, "pgcode", None)
