"""Relays that know where PostgreSQL's messages, or its answers, begin and end.

Each is a server to a Host, as relay.Relay is: only `conninfo` is used.
"""

import asyncio
import contextlib
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
            await self._greet(reader, writer)
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1",
                                                                         self.server.port)
            try:
                await asyncio.gather(self._ask(reader, server_writer),
                                     self._answer(server_reader, writer))
            finally:
                server_writer.transport.abort()
        writer.close()

    async def _greet(self, reader, writer):
        pass

    @staticmethod
    async def _ask(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


class SuperfluousErrors(_Framed):
    """Puts an error behind every so many-th end of a batch (ReadyForQuery), as a faulty pooler does:
    libpq takes it for the answer to what comes next."""

    EXTRA = b"SERROR\0VERROR\0C%s\0Mremote server read/write error\0\0"

    def __init__(self, server, sqlstate):
        body = self.EXTRA % sqlstate.encode()
        self.every = None  # None: none is put in
        self.sent = 0
        self._message = b"E" + struct.pack("!I", len(body) + 4) + body
        self._ends = 0
        super().__init__(server, sslmode="disable", gssencmode="disable")

    async def _answer(self, reader, writer):
        while True:
            head = await reader.readexactly(5)
            message = head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)
            if head[:1] == b"Z" and self.every is not None:
                self._ends += 1
                if self._ends % self.every == 0:
                    message += self._message
                    self.sent += 1
            writer.write(message)
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

    async def _answer(self, reader, writer):
        while data := await reader.read(1 << 20):
            with contextlib.suppress(asyncio.TimeoutError):
                while more := await asyncio.wait_for(reader.read(1 << 20), 0.01):
                    data += more
            for begin in range(0, len(data), self._record):
                writer.write(data[begin:begin + self._record])
            await writer.drain()
        writer.close()
