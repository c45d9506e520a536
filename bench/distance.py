"""Servers that seem to be farther away than they are: what goes to them, and what comes back, is held up
by half the round trip that is wanted."""

import collections
import contextlib
import multiprocessing
import select
import socket
import time

CHUNK = 65536


class Distant:
    """A server behind the relay at that port."""

    def __init__(self, server, port):
        self._server = server
        self._port = port

    def conninfo(self, **more):
        return self._server.conninfo(**{**more, "port": self._port})


@contextlib.contextmanager
def distant(servers, round_trip_ms):
    """The servers, as far away as that. The relay is a process of its own, for its clock's sake."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in servers]
    routes = list(zip(listeners, [server.port for server in servers]))
    relay = multiprocessing.get_context("fork").Process(
        target=_relay, args=(routes, round_trip_ms / 2000), daemon=True)
    relay.start()
    try:
        yield [Distant(server, listener.getsockname()[1])
               for server, listener in zip(servers, listeners)]
    finally:
        relay.kill()
        relay.join()
        for listener in listeners:
            listener.close()


def _connect(listener, port):
    near = listener.accept()[0]
    far = socket.create_connection(("127.0.0.1", port))
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def _relay(routes, delay_s):
    """select has microseconds for its time limit, epoll milliseconds."""
    ports = dict(routes)
    others = {}
    due = collections.deque()  # (when, to whom, what), in order: the delay is always the same
    while True:
        wait_s = max(0.0, due[0][0] - time.monotonic()) if due else None
        readable, _, _ = select.select([*ports, *others], [], [], wait_s)
        for end in readable:
            if end in ports:
                near, far = _connect(end, ports[end])
                others.update({near: far, far: near})
            elif end in others:
                due.append((time.monotonic() + delay_s, others[end], _receive(end)))
                if not due[-1][2]:
                    del others[end]
        while due and due[0][0] <= time.monotonic():
            _pass_on(*due.popleft()[1:])


def _receive(end):
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""


def _pass_on(end, data):
    """Nothing: the other side has closed."""
    with contextlib.suppress(OSError):
        if data:
            end.sendall(data)
        else:
            end.shutdown(socket.SHUT_WR)
