"""Reads of rows that are known to exist, for SQLAlchemy, over engines of a PostgreSQL driver.

    cluster = connect(policies, {"a": create_engine(...), "b": create_engine(...)})
    run = get_known(cluster, "runs", select(Run).where(Run.id == run_id))

A session whose get_bind() picks an engine cannot do this: it is asked once, before the query, and
never hears that the row was missing.
"""

from __future__ import annotations

import time
from typing import Any, Mapping

from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from . import _cluster, _sql
from ._end import End, UsageError
from ._links import Link, Server, shut_down
from ._machine import Settings
from ._policies import PolicySet


_DIALLED = "read_policy_dialled"


def _note_dialled(_connection: Any, record: Any) -> None:
    record.info[_DIALLED] = time.monotonic()


class _Link(Link):
    """A connection of the engine's pool, for one transaction; the cluster keeps none itself."""

    def __init__(self, engine: Engine) -> None:
        begun = time.monotonic()
        self._connection: Connection = engine.connect().execution_options(
            isolation_level="READ COMMITTED")
        self._dbapi: Any = self._connection.connection
        self._raw = getattr(self._dbapi, "driver_connection", None) or self._dbapi.connection
        # Else the pool has kept it, from whatever the program has done with it before.
        self.is_fresh = self._dbapi.info.get(_DIALLED, 0) >= begun

    def ask(self, text: str) -> str | None:
        with self._connection.begin():
            return self._one(text)[0]

    def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        with self._connection.begin() as transaction:
            # By SQLAlchemy: should the connection be lost, it throws all away that are as old.
            self._connection.exec_driver_sql(
                f"SET TRANSACTION READ ONLY; {_sql.statement_timeout(limit_ns)}")
            before = None if question is None else self._one(question)[0]
            if callable(read):
                value = read(self._connection)
                _sql.check_open(transaction.is_active)
            else:
                statement, values = read
                value = self._connection.execute(statement, values or {}).all()
            in_recovery, after = self._one(_sql.AFTER)
            if callable(read):
                transaction.rollback()  # as _sql.END_OF_FUNCTION has it
        return _sql.Answer(before, value, in_recovery, after)

    def _one(self, text: str) -> Any:
        # Not by SQLAlchemy's execute, which would look for placeholders in it.
        cursor = self._dbapi.cursor()
        try:
            cursor.execute(text)
            return cursor.fetchone()
        finally:
            cursor.close()

    def abort(self) -> None:
        shut_down(self._raw)

    def close(self) -> None:
        if not self.is_usable() and not self._connection.closed:
            self._connection.invalidate()
        self._connection.close()

    def is_usable(self) -> bool:
        return (not self._connection.closed and not self._connection.invalidated
                and not getattr(self._raw, "closed", False))


class _Server(Server):
    is_pooled = False

    def __init__(self, name: str, engine: Engine) -> None:
        super().__init__(name)
        self._engine = engine
        event.listen(engine, "connect", _note_dialled)
        # What goes to the driver without SQLAlchemy raises the driver's own errors.
        self.errors = (exc.DBAPIError, exc.TimeoutError, engine.dialect.dbapi.Error)

    def connect(self) -> _Link:
        return _Link(self._engine)

    def sqlstate(self, error: BaseException) -> str | None:
        original = getattr(error, "orig", error)
        return getattr(original, "pgcode", None) or getattr(original, "sqlstate", None)

    def is_disconnect(self, error: BaseException) -> bool:
        return bool(getattr(error, "connection_invalidated", False))


def connect(policies: PolicySet, engines: Mapping[str, Engine], *,
            expect: Mapping[str, str] | None = None,
            settings: Settings = Settings()) -> _cluster.Cluster:
    """A cluster of servers, by their names and engines; roles are observed. expect: names of servers
    that must be "primary" or "replica". An engine's pool needs a connection for each read at once, and
    one that asks.

    cluster.read takes a SELECT (with its parameters, if any), whose rows are the value; or a function
    that takes a Connection.
    """
    for name, engine in engines.items():
        if not isinstance(engine, Engine) or engine.dialect.name != "postgresql":
            # A URL may hold a password, which an engine does not show.
            given = repr(engine) if isinstance(engine, Engine) else type(engine).__name__
            raise UsageError(f"server {name}: expected an engine of create_engine(\"postgresql...\"), not {given}")
    return _cluster.Cluster(policies, [_Server(name, engine) for name, engine in engines.items()],
                            expect=expect, settings=settings)


def read_known(cluster: _cluster.Cluster, section: str, statement: Any,
               **options: Any) -> End[list[Any]]:
    """Reads by the section's policy; the End's value is a list of what Session.scalars gives: entities
    are detached, so what they need later must be loaded by the statement (selectinload and the like).
    The options are those of cluster.read."""
    return cluster.read(section, lambda connection: _scalars(connection, statement), **options)


def _scalars(connection: Connection, statement: Any) -> list[Any]:
    with Session(bind=connection, expire_on_commit=False, autoflush=False) as session:
        found = session.scalars(statement).unique().all()
        session.expunge_all()
        return list(found)


def get_known(cluster: _cluster.Cluster, section: str, statement: Any, **options: Any) -> Any:
    """The one entity or value of the statement. Raises NoResultFound if it is missing on the primary
    too, or proven absent; MultipleResultsFound; ReadFailed; Shed. The options are those of
    cluster.read."""
    end = read_known(cluster, section, statement, **options)
    if end.verdict == "not_found":
        raise exc.NoResultFound(end.message)
    found = end.unwrap()
    if len(found) != 1:
        raise exc.MultipleResultsFound(f"{len(found)} rows, where there is one")
    return found[0]
