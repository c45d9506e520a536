"""An HTTP read API such as a host might put behind nginx: rows, each visible after so many misses.

One of them is the primary, the others lag behind it. It counts what it was asked.
"""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testbed import free_port

MISSING = b'{"error":"no such row here"}'


class Api:
    """Answers of another kind are functions in `special`, by path, called with the request's
    handler."""

    def __init__(self, name):
        self.name = name
        self.port = free_port()
        self.special = {}
        self._rows = {}  # path to [misses to come, body, headers]
        self.connections = 0
        self._open = set()
        self._requests = []
        self._lock = threading.Lock()
        self._server = None
        self.start()

    def start(self):
        api = self

        class Handler(_Handler):
            def setup(self):
                with api._lock:
                    api.connections += 1
                    api._open.add(self.request)
                super().setup()

            def finish(self):
                with api._lock:
                    api._open.discard(self.request)
                super().finish()

            def answer(self):
                with api._lock:
                    api._requests.append((self.command, self.path))
                api.answer(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 256

            def handle_error(self, request, client_address):
                """A peer that leaves is what some tests are about."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """No longer there: connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)

    def put(self, path, body=b'{"row":1}', misses=0, **headers):
        with self._lock:
            self._rows[path] = [misses, body, headers]

    def asked(self, path=None):
        """The methods of the requests so far, for that path or for all."""
        with self._lock:
            return [method for method, its_path in self._requests if path in (None, its_path)]

    def answer(self, handler):
        path = handler.path
        if path in self.special:
            self.special[path](handler)
            return
        with self._lock:
            row = self._rows.get(path)
            is_missing = row is None or row[0] > 0
            if row and is_missing:
                row[0] -= 1
        if is_missing:
            handler.give(404, MISSING, {"X-Missed-By": self.name})
        else:
            handler.give(200, row[1], row[2])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def give(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def give_at_once(self, status, header, body):
        """Head and body in one piece, as they are."""
        self.wfile.write(b"HTTP/1.1 %d X\r\n%s\r\n\r\n%s" % (status, header, body))
        self.wfile.flush()

    def give_chunked(self, status, pieces):
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_arguments):
        """Quiet."""


