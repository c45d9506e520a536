"""Many requests at once from one thread: keep-alive connections, each with one request under way.

For tests that need load, at a given rate or as fast as the host answers. Only the answers count here;
speed is for the benchmarks.
"""

import selectors
import socket
import time

from raw_http import get


class _Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.request = None  # what the caller gave for it, while one is under way

    def begin(self, request, data):
        self.request = request
        self.socket.sendall(data)

    def receive(self):
        """(status, raw headers, body) once the answer is complete, else None."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise AssertionError(f"the host closed a connection that owed an answer: {self.received!r}")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return None
        assert len(body) == length, "more than one answer for one request"
        self.received = b""
        return int(head.split(b" ", 2)[1]), head, body


def run_load(port, requests, on_answer, connections=32, per_second=None):
    """Sends every request and calls on_answer(request, status, head, body) for each answer.

    requests: an iterable of objects; each has an attribute `data`, the bytes to send. per_second:
    starts that many per second, on as many connections as that takes (an open loop: a slow answer
    delays no other); None: each connection sends its next one when it is answered. Returns how many
    were answered: all of them, or an exception was raised.
    """
    selector = selectors.DefaultSelector()
    idle, open_count, answered, under_way = [], 0, 0, 0
    requests = iter(requests)
    upcoming = next(requests, None)
    begun, started = 0, time.monotonic()
    try:
        while upcoming is not None or under_way:
            while upcoming is not None and (
                    idle or open_count < connections or per_second is not None):
                if per_second is not None and begun > (time.monotonic() - started) * per_second:
                    break
                if not idle:
                    idle.insert(0, _Connection(port))
                    open_count += 1
                    selector.register(idle[0].socket, selectors.EVENT_READ, idle[0])
                # The one that has been idle longest, so that none is closed for being idle.
                idle.pop(0).begin(upcoming, upcoming.data)
                begun, under_way = begun + 1, under_way + 1
                upcoming = next(requests, None)
            pause = 0.001 if per_second is not None and upcoming is not None else 20
            for key, _ in selector.select(pause):
                answer = key.data.receive()
                if answer is not None:
                    request, key.data.request = key.data.request, None
                    idle.append(key.data)
                    answered, under_way = answered + 1, under_way - 1
                    on_answer(request, *answer)
    finally:
        for key in list(selector.get_map().values()):
            key.data.socket.close()
        selector.close()
    return answered


class LookupRequest:
    """A lookup over the worker route, as bytes."""

    def __init__(self, path, token, *headers):
        self.path = path
        self.data = get(path, "authorization: Bearer " + token, *headers)
