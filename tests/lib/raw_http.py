"""HTTP as bytes on a socket, for requests that no well-behaved client library would send."""

import socket
import struct
import time

from answer import Answer


class RawConnection:
    """One connection; `with` closes it."""

    def __init__(self, port, timeout_s=10.0):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def own_port(self):
        return self._socket.getsockname()[1]

    def close(self):
        self._socket.close()

    def reset(self):
        """Closes it like a program that is killed with answers unread."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data):
        """Sends all of it; returns whether the other side was still there."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end_sending(self):
        """Closes the sending side only: answers may still come."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has closed already

    def _receive(self):
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self._received += data
        return bool(data)

    def read_answer(self, to_head=False):
        """The next answer, or None if the connection was closed before one began. to_head: that of
        a HEAD request has no body, whatever its Content-Length says."""
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                assert not self._received, f"cut off in the head: {self._received!r}"
                return None
        head, _, rest = self._received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status = int(lines[0].split(" ")[1])
        length = 0 if to_head or status < 200 else int(headers["content-length"])
        while len(rest) < length:
            assert self._receive(), f"cut off in the body: {self._received!r}"
            rest = self._received.partition(b"\r\n\r\n")[2]
        self._received = rest[length:]
        return Answer(status, headers, rest[:length])

    def wait_closed(self, timeout_s):
        """Whether the other side closes the connection in that time, sending no further answer."""
        self._socket.settimeout(timeout_s)
        try:
            return not self._receive()
        except TimeoutError:
            return False


def get(target, *headers, version="HTTP/1.1"):
    """The bytes of a GET request; target and headers as text, or bytes for what is not ASCII."""
    def as_bytes(text):
        return text if isinstance(text, bytes) else text.encode("latin-1")

    lines = [b"GET " + as_bytes(target) + b" " + version.encode(), b"Host: 127.0.0.1"]
    return b"\r\n".join([*lines, *map(as_bytes, headers), b"", b""])


def exchange(port, data, timeout_s=10.0):
    """Sends bytes on a new connection; returns the first answer, or None if there was none."""
    with RawConnection(port, timeout_s) as connection:
        connection.send(data)
        return connection.read_answer()


class Dribbler:
    """A client that sends one byte at a time and never finishes its request."""

    def __init__(self, port):
        self._connection = RawConnection(port)
        self._request = iter(get("/healthz")[:-4] + b"\r\nX-Slow: " + b"x" * 7000)
        self.begun = time.monotonic()

    def closed_after(self, limit_s, every_s=0.2):
        """Continues until the connection is closed; returns the seconds, or None if over the limit."""
        with self._connection:
            while time.monotonic() - self.begun < limit_s:
                if self._connection.wait_closed(every_s) or \
                        not self._connection.send(bytes([next(self._request)])):
                    return time.monotonic() - self.begun
        return None
