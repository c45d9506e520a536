"""Relays that know where PostgreSQL's messages, or its answers, begin and end.

Each is a server to a Host, as relay.Relay is: only `conninfo` is used.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading

from testbed import free_port


class _Framed:
    def __init__(self, server, **conninfo):
        self.server = server
        self.port = free_port()
        self._conninfo = conninfo
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", self.port), self._loop).result(10)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self):
        self._listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def conninfo(self, **more):
        return self.server.conninfo(**{**more, "port": self.port, **self._conninfo})

    async def _accept(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            first = await self._greet(reader, writer)
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1",
                                                                         self.server.port)
            server_writer.write(first)
            try:
                await asyncio.gather(self._ask(reader, server_writer),
                                     self._answer(server_reader, writer))
            finally:
                server_writer.transport.abort()
        writer.close()

    async def _greet(self, reader, writer):
        """What was read and is the server's."""
        return b""

    async def _ask(self, reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


async def _messages(reader):
    """The server's, one by one, as long as it sends some."""
    while True:
        head = await reader.readexactly(5)
        yield head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def _rows(reader):
    """The same with the rows before each that is none."""
    rows = []
    async for message in _messages(reader):
        if message[:1] == b"D":
            rows.append(message)
        else:
            yield rows, message
            rows = []


class _ChangedEnds(_Framed):
    """Has something else in place of every so many-th end of a batch (ReadyForQuery)."""

    def __init__(self, server):
        self.every = None  # None: none is changed
        self.sent = 0
        self._ends = 0
        super().__init__(server, sslmode="disable", gssencmode="disable")

    def _in_place_of(self, end):
        raise NotImplementedError

    async def _answer(self, reader, writer):
        async for message in _messages(reader):
            if message[:1] == b"Z" and self.every is not None:
                self._ends += 1
                if self._ends % self.every == 0:
                    message = self._in_place_of(message)
                    self.sent += 1
            writer.write(message)
            await writer.drain()


class SuperfluousErrors(_ChangedEnds):
    """Puts an error behind ends of batches, as a faulty pooler does: libpq takes it for the answer to what
    comes next."""

    EXTRA = b"SERROR\0VERROR\0C%s\0Mremote server read/write error\0\0"

    def __init__(self, server, sqlstate):
        body = self.EXTRA % sqlstate.encode()
        self._message = b"E" + struct.pack("!I", len(body) + 4) + body
        super().__init__(server)

    def _in_place_of(self, end):
        return end + self._message


class LostEnds(_ChangedEnds):
    """Swallows ends of batches, as libpq does that has no memory for them."""

    def _in_place_of(self, end):
        return b""


class ResettingTls(_Framed):
    """Resets connections of clients that ask for TLS: at their request, or in the handshake. Others pass
    through."""

    SSL_REQUEST = struct.pack("!II", 8, 80877103)
    _answer = _Framed._ask

    def __init__(self, server):
        self.at = None  # "request", "handshake", or None: the answer is that there is no TLS
        self.resets = 0
        super().__init__(server, gssencmode="disable")

    async def _greet(self, reader, writer):
        first = await reader.readexactly(len(self.SSL_REQUEST))
        if first != self.SSL_REQUEST:
            return first
        if self.at is None:
            writer.write(b"N")
            return b""
        if self.at == "handshake":
            writer.write(b"S")
            await reader.read(1)
        self.resets += 1
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                   struct.pack("ii", 1, 0))
        writer.transport.abort()
        raise ConnectionAbortedError


class RowsOfOthers(_Framed):
    """Gives the rows of an earlier answer in place of every so many-th one's, as a pooler does that mixes
    up its clients. Only of answers with lines in them: the host's begin with the ids that were asked for."""

    def __init__(self, server):
        self.every = None  # None: each has its own
        self.sent = 0
        self._answers = 0
        super().__init__(server, sslmode="disable", gssencmode="disable")

    @staticmethod
    def _shape(rows):
        """The number of columns and, in the answer of a group, the numbers of its reads."""
        columns, length = struct.unpack_from("!hi", rows[0], 5)
        return columns, tuple(sorted({row[11:19] for row in rows})) if length == 8 else None

    def _exchange(self, rows, earlier):
        shape = self._shape(rows)
        other = earlier.get(shape)
        earlier[shape] = rows
        self._answers += 1
        if self.every and other not in (None, rows) and self._answers % self.every == 0:
            self.sent += 1
            return other
        return rows

    async def _answer(self, reader, writer):
        earlier = {}
        async for rows, message in _rows(reader):
            if any(b"\n" in row for row in rows):
                rows = self._exchange(rows, earlier)
            writer.write(b"".join(rows) + message)
            await writer.drain()


class OtherEncoding(_Framed):
    """Asks the server for another client_encoding than its client does, as a pooler may that passes on
    only what it knows."""

    def __init__(self, server, encoding="LATIN1", told=None):
        self.encoding = encoding
        self.told = told  # what clients are told it is, whenever this changes; None: the truth
        super().__init__(server, sslmode="disable", gssencmode="disable")

    async def _greet(self, reader, writer):
        length = await reader.readexactly(4)
        rest = await reader.readexactly(struct.unpack("!I", length)[0] - 4)
        rest = rest.replace(b"client_encoding\0UTF8\0", b"client_encoding\0%s\0" % self.encoding.encode())
        return struct.pack("!I", len(rest) + 4) + rest

    def _status(self):
        body = b"client_encoding\0%s\0" % self.told.encode()
        return b"S" + struct.pack("!I", len(body) + 4) + body

    async def _answer(self, reader, writer):
        told = self.told
        async for message in _messages(reader):
            if self.told and message[:1] == b"S" and message[5:].startswith(b"client_encoding\0"):
                message = self._status()
            if self.told != told and message[:1] == b"Z":
                told = self.told
                writer.write(self._status())
            writer.write(message)
            await writer.drain()


class RowsTooFewOrMany(_Framed):
    """Loses a row of every so many-th answer of several rows, or gives it twice."""

    def __init__(self, server, times):
        self.every = None  # None: every row once
        self.sent = 0
        self._times = times
        self._answers = 0
        super().__init__(server, sslmode="disable", gssencmode="disable")

    async def _answer(self, reader, writer):
        async for rows, message in _rows(reader):
            if len(rows) > 1:
                self._answers += 1
                if self.every and self._answers % self.every == 0:
                    self.sent += 1
                    rows[-1:] *= self._times
            writer.write(b"".join(rows) + message)
            await writer.drain()


class TlsRecords(_Framed):
    """Ends the client's TLS and sends whole answers in records of a chosen size."""

    def __init__(self, server, certificate, key, record):
        self._record = record
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        super().__init__(server, sslmode="require", gssencmode="disable")

    async def _greet(self, reader, writer):
        await reader.readexactly(8)  # SSLRequest
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(self._context)
        return b""

    async def _answer(self, reader, writer):
        while data := await reader.read(1 << 20):
            with contextlib.suppress(asyncio.TimeoutError):
                while more := await asyncio.wait_for(reader.read(1 << 20), 0.01):
                    data += more
            for begin in range(0, len(data), self._record):
                writer.write(data[begin:begin + self._record])
            await writer.drain()
        writer.close()
