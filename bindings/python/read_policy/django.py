"""Reads of rows that are known to exist, for Django.

    READ_POLICY = {                       # in the settings
        "FILE": BASE_DIR / "read-policy.ini",
        "DATABASES": ["default", "replica"],   # aliases of DATABASES; roles are observed
    }

    run = get_known("runs", Run.objects.filter(pk=run_id))

A database router cannot do this: it is asked once, before the query, and never hears that the row was
missing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sized
from typing import Any, Callable, Mapping

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import DatabaseError, InterfaceError, connections, transaction

from . import _cluster, _sql
from ._end import End, NotFound, outcome_of
from ._links import Link, Server, shut_down
from ._machine import Settings
from ._policies import PolicySet


class _Link(Link):
    """Django's connection of that alias in the thread that uses it."""

    def __init__(self, alias: str) -> None:
        self._wrapper = connections[alias]
        self._alias = alias
        self.is_fresh = self._wrapper.connection is None
        self._wrapper.ensure_connection()
        self._raw = self._wrapper.connection

    def ask(self, text: str) -> str | None:
        return self._one(text)[0]

    def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        # In a transaction that is there already, the question and the statement are part of it: the
        # question tells its isolation, and so whether they prove anything.
        with transaction.atomic(using=self._alias):
            try:
                return self._read(question, read, limit_ns)
            except _Server.errors:
                if self._raw.closed:
                    # Here, or the end of the block would dial the server anew, and wait for it.
                    self._wrapper.close()
                raise

    def _read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        if not self._wrapper.savepoint_ids:
            # A transaction of its own, whatever the database's isolation level is.
            with self._wrapper.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY")
                cursor.execute(_sql.statement_timeout(limit_ns))
        before = None if question is None else self._one(question)[0]
        value = read(self._alias)
        if isinstance(value, Sized):
            len(value)  # what is lazy is read here, between the two: else only when the outcome is asked for
        in_recovery, after = self._one(_sql.AFTER)
        return _sql.Answer(before, value, in_recovery, after)

    def _one(self, text: str) -> Any:
        with self._wrapper.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchone()

    def abort(self) -> None:
        shut_down(self._raw)

    def close(self) -> None:
        # Django's to keep or to close; one that broke is of no use to it.
        if not self._wrapper.in_atomic_block and not self.is_usable():
            self._wrapper.close()

    def is_usable(self) -> bool:
        return self._wrapper.connection is self._raw and not self._raw.closed


class _AskingLink(_Link):
    """In a thread of the cluster's own, which has connections of its own."""

    def close(self) -> None:
        self._wrapper.close()


class _Server(Server):
    is_pooled = False
    errors = (DatabaseError, InterfaceError)

    def connect(self) -> _Link:
        return _Link(self.name)

    def connect_to_ask(self) -> _Link:
        return _AskingLink(self.name)

    def sqlstate(self, error: BaseException) -> str | None:
        return getattr(error.__cause__, "pgcode", None) or getattr(error.__cause__, "sqlstate", None)


def connect(policies: PolicySet, aliases: list[str], *, expect: Mapping[str, str] | None = None,
            settings: Settings = Settings()) -> _cluster.Cluster:
    """A cluster of those databases. cluster.read takes a function of an alias that returns the value,
    all of it read: list(queryset.using(alias))."""
    unknown = [alias for alias in aliases if alias not in connections.databases]
    if unknown:
        raise ImproperlyConfigured(f"DATABASES has no {', '.join(unknown)}")
    others = [alias for alias in aliases if connections[alias].vendor != "postgresql"]
    if others:
        raise ImproperlyConfigured(f"{', '.join(others)} of DATABASES: expected an ENGINE of PostgreSQL's")
    return _cluster.Cluster(policies, [_Server(alias) for alias in aliases], expect=expect,
                            settings=settings)


_lock = threading.Lock()
_policies: PolicySet | None = None
_cluster_of_process: tuple[int, _cluster.Cluster] | None = None


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def policies() -> PolicySet:
    """The set of settings.READ_POLICY["FILE"]: loaded once, before or after a fork. For share(),
    reload() and metrics()."""
    global _policies
    with _lock:
        if _policies is None:
            _policies = PolicySet.from_file(_setting("FILE"))
        return _policies


def cluster() -> _cluster.Cluster:
    """The process's cluster, opened when it is first asked for, so after any fork."""
    global _cluster_of_process
    opened = _cluster_of_process
    if opened is not None and opened[0] == os.getpid():
        return opened[1]
    loaded = policies()
    with _lock:
        opened = _cluster_of_process
        if opened is None or opened[0] != os.getpid():
            options = getattr(django_settings, "READ_POLICY", {})
            opened = (os.getpid(), connect(loaded, _setting("DATABASES"),
                                           expect=options.get("EXPECT"),
                                           settings=options.get("SETTINGS", Settings())))
            _cluster_of_process = opened
        return opened[1]


def close() -> None:
    """Closes the process's cluster with all its connections: the one that asks each database is no request's, and a
    test database that it is connected to cannot be dropped. The next read opens another cluster."""
    global _cluster_of_process
    with _lock:
        opened, _cluster_of_process = _cluster_of_process, None
    if opened is not None:
        opened[1].close()


def _forget_settings(*, setting: str, **_other: Any) -> None:
    """Tests override settings."""
    global _policies
    if setting == "READ_POLICY":
        close()
        with _lock:
            _policies = None


setting_changed.connect(_forget_settings)

_KEYS = ("FILE", "DATABASES", "EXPECT", "SETTINGS")


def _setting(key: str) -> Any:
    options = getattr(django_settings, "READ_POLICY", {})
    unknown = sorted(set(options) - set(_KEYS))
    if unknown:
        raise ImproperlyConfigured(f"READ_POLICY has no {', '.join(unknown)}; expected {', '.join(_KEYS)}")
    if key not in options:
        raise ImproperlyConfigured(f'READ_POLICY has no "{key}" in the settings')
    return options[key]


def read_known(section: str, queryset: Any, *, outcome: Callable[[list[Any]], str] = outcome_of,
               position: str | None = None, timeout: float | None = None,
               in_transaction: bool | None = None) -> End[list[Any]]:
    """Reads the queryset by the section's policy; the End's value is a list of what it gives.

    in_transaction: by default, whether the thread is in an atomic block on one of the databases that
    may be written. Such a read goes to the primary, in that transaction, so that it sees what was
    written there. Under ATOMIC_REQUESTS that is every read of a request: say False for those that do
    not depend on what the request itself has written. In an atomic block of REPEATABLE READ or
    SERIALIZABLE a read sees the rows of the block's first statement, whatever comes later: found
    counts, but not with a position, and missing is failed, for it proves nothing.
    """
    opened = cluster()
    if in_transaction is None:
        in_transaction = any(connections[alias].in_atomic_block
                             and opened.server(alias).in_recovery is not True
                             for alias in _setting("DATABASES"))
    return opened.read(section, lambda alias: list(queryset.using(alias)), outcome=outcome,
                       position=position, timeout=timeout, in_transaction=in_transaction)


def get_known(section: str, queryset: Any, **options: Any) -> Any:
    """The one object of the queryset, as its get() would. Raises the model's DoesNotExist if it is
    missing on the primary too, or proven absent; MultipleObjectsReturned; ReadFailed; Shed. The options
    are those of read_known."""
    try:
        found = read_known(section, queryset, **options).unwrap()
    except NotFound as error:
        raise queryset.model.DoesNotExist(str(error)) from error
    if len(found) != 1:
        raise queryset.model.MultipleObjectsReturned(f"{len(found)} objects, where there is one")
    return found[0]
