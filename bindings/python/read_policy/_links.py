"""Connections to servers, as the blocking cluster sees them. Each driver's module has its own."""

from __future__ import annotations

import ctypes
import socket
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from . import _sql


_shutdown = ctypes.CDLL(None).shutdown


def shut_down(connection: Any) -> None:
    """Whoever waits for a driver's connection gets an error, whatever the server and the network do.
    From any thread. It takes no descriptor, of which there may be none left, nor makes a socket of the
    driver's: one that a signal's handler cuts short by what it raises would close it."""
    try:
        _shutdown(connection.fileno(), socket.SHUT_RDWR)
    except Exception:
        pass  # it is gone already; of which class that is depends on the driver


class Link(ABC):
    """A connection to one server. One thread at a time, but for abort."""

    # Dialled for what it does now. One that was kept may have been lost long before.
    is_fresh = True
    generation = 0  # of its pool, when it was begun to be made

    @abstractmethod
    def ask(self, text: str) -> str | None:
        """The one column of the one row of a statement."""

    @abstractmethod
    def read(self, question: str | None, read: Any, limit_ns: int) -> _sql.Answer:
        """In one READ COMMITTED transaction: the question, what the caller reads, _sql.AFTER."""

    @abstractmethod
    def abort(self) -> None:
        """From any thread: whoever waits for this connection gets an error now."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def is_usable(self) -> bool:
        """Whether it may serve another read: connected, in no transaction."""


class Server(ABC):
    """How one server is reached, by one driver."""

    def __init__(self, name: str) -> None:
        self.name = name

    # Whether a link may be dialled by one thread, used by another, and kept for a third.
    is_pooled = True
    # What the driver raises; anything else that a read raises is the caller's.
    errors: tuple[type[BaseException], ...]

    @abstractmethod
    def connect(self) -> Link: ...

    def connect_to_ask(self) -> Link:
        """For a thread of the cluster's own, which keeps it."""
        return self.connect()

    @abstractmethod
    def sqlstate(self, error: BaseException) -> str | None: ...

    def is_disconnect(self, error: BaseException) -> bool:
        """Whether the error itself says so, for links that cannot tell afterwards."""
        return False


class Pool:
    """The idle links to one server, the last one used first, and who waits for one. Its lock is the
    cluster's."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.idle: deque[Link] = deque()
        self.generation = 0
        self.dialling = 0
        self.waiting: dict[int, Any] = {}  # by the action's id, who has waited longest first

    def drain(self) -> list[Link]:
        """For the caller to close, without the lock."""
        self.generation += 1
        links = list(self.idle)
        self.idle.clear()
        return links
