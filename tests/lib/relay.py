"""A TCP relay between the host and a server, which fails on command.

    with Relay(cluster.standby) as relay:
        with Host(cluster.primary, [relay]) as host:
            relay.stall()
            ...
            relay.pass_through()

To a Host the relay is a server like any other: only its `conninfo` is used. Its target may change while
it runs (`lead_to`), as a primary's address moves on a failover. A command is in effect when its call
returns.
"""

import asyncio
import concurrent.futures
import contextlib
import itertools
import random
import socket
import socketserver
import struct
import threading

from testbed import free_port

CHUNK = 65536
SYNC = struct.pack("!cI", b"S", 4)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s


class _Connection:
    """One connection from the host, and its counterpart to the server."""

    def __init__(self, client, server):
        self.writers = (client, server)

    def cut(self):
        """Ends both after everything forwarded has been delivered."""
        for writer in self.writers:
            writer.close()

    def reset(self):
        """Ends both like a machine that no longer knows the connection."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()


class Relay:
    """Passes bytes between clients and a cluster.Server, in its own thread."""

    def __init__(self, server):
        self.server = server
        self.port = free_port()
        self.accepted = 0  # connections so far
        self.cuts = 0  # connections that cut_after has ended so far
        self.flips = 0  # bits that corrupt has flipped so far
        self._connections = set()
        self._holding = False
        self._delay_s = 0.0
        self._budget = None  # bytes of answers until something happens; None: nothing will
        self._noise = None  # a random generator while bits are flipped
        self._then = "cut"  # or "hold": what to do then
        self._listener = None
        self._loop = asyncio.new_event_loop()
        self._questions = asyncio.Event()  # set while they may flow
        self._answers = asyncio.Event()
        self._ends = asyncio.Event()  # likewise, of batches
        self._new_ones = asyncio.Event()  # likewise, of connections
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.pass_through()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def conninfo(self, **more):
        return self.server.conninfo(**{**more, "port": self.port})

    # -- commands ------------------------------------------------------------------------------

    def pass_through(self):
        """Ends every fault. Held-back bytes are delivered; what was cut stays cut."""
        self._command(self._pass_through)

    def delay(self, seconds):
        """From now on every piece of an answer (64 kB at most) is delayed by that much."""
        self._command(self._set_delay, seconds)

    def stall(self):
        """Connections are accepted and stay open, and nothing is forwarded on any of them."""
        self._command(self._stop_the_flow)

    def stall_new_ones(self):
        """The same of connections that are made from now on; existing ones go on."""
        self._command(self._hold_up)

    def cut_after(self, count):
        """Forwards that many more bytes of the server's answers, ends the connection that brought the
        last of them, and passes through again: one cut per call."""
        self._command(self._set_budget, count, "cut")

    def hold_after(self, count):
        """Forwards that many more bytes of the server's answers, including any held back already, and
        then holds back the rest; questions still pass. A server with much to send soon waits for its
        client to read."""
        self._command(self._set_budget, count, "hold")

    def hold_ends(self):
        """From now on the Sync that ends a batch of questions is held back: its transaction stays open."""
        self._command(self._hold_ends)

    def corrupt(self, seed):
        """Flips one random bit in a piece of the server's answers now and then."""
        self._command(self._set_noise, random.Random(seed))

    def replace(self, old, new):
        """Replaces bytes with the same number of others, where one piece of the server's answers has
        them."""
        assert len(old) == len(new)
        self._command(self._set_replacement, (old, new))

    def refuse(self):
        """New connections are refused; existing ones go on."""
        self._command(self._stop_listening)

    def cut(self):
        """Ends every existing connection."""
        self._command(self._end_connections, _Connection.cut)

    def reset(self):
        """The same, with a reset."""
        self._command(self._end_connections, _Connection.reset)

    def lead_to(self, server):
        """From now on this relays to another server; existing connections end."""
        self.lead_new_ones_to(server)
        self.cut()

    def lead_new_ones_to(self, server):
        """The same, but existing connections go on; one still being made is cut."""
        self._command(self._set_server, server)

    def close(self):
        if self._thread.is_alive():
            self._command(self._close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def holds(self):
        """Whether hold_after holds back an answer now."""
        return self._holding

    # -- in the thread -------------------------------------------------------------------------

    def _command(self, coroutine, *arguments):
        future = asyncio.run_coroutine_threadsafe(coroutine(*arguments), self._loop)
        try:
            future.result(timeout=10)
        except concurrent.futures.TimeoutError:
            raise AssertionError("the relay does not react") from None

    async def _set_server(self, server):
        self.server = server

    async def _set_delay(self, seconds):
        self._delay_s = seconds

    async def _set_noise(self, generator):
        self._noise = generator

    async def _set_replacement(self, replacement):
        self._replacement = replacement

    async def _set_budget(self, count, then):
        self._budget, self._then = count, then
        self._let_flow()

    async def _pass_through(self):
        self._delay_s, self._budget, self._noise, self._replacement = 0.0, None, None, None
        self._let_flow()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port,
                                                        backlog=512)

    def _let_flow(self):
        self._ends.set()
        self._questions.set()
        self._answers.set()
        self._new_ones.set()

    async def _stop_the_flow(self):
        self._questions.clear()
        self._answers.clear()

    async def _hold_ends(self):
        self._ends.clear()

    async def _hold_up(self):
        self._new_ones.clear()

    async def _stop_listening(self):
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _end_connections(self, how):
        for connection in list(self._connections):
            how(connection)

    async def _close(self):
        await self._stop_listening()
        await self._end_connections(_Connection.reset)
        self._let_flow()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _choose(self):
        return self.server

    def _leads_to(self, server):
        return server is self.server

    async def _accept(self, client_reader, client_writer):
        self.accepted += 1
        await self._new_ones.wait()
        server = self._choose()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            client_writer.close()
            return
        connection = _Connection(client_writer, server_writer)
        if not self._leads_to(server):  # came too late for the cut of lead_to
            connection.cut()
            return
        self._connections.add(connection)
        try:
            await asyncio.gather(self._forward(client_reader, server_writer, connection),
                                 self._answer(server_reader, client_writer, connection))
        except OSError:
            pass  # one side has gone, so the other goes too
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _forward(self, reader, writer, connection):
        while data := await reader.read(CHUNK):
            await self._questions.wait()
            if data.endswith(SYNC) and not self._ends.is_set():
                writer.write(data[:-len(SYNC)])
                data = SYNC
                await self._ends.wait()
            writer.write(data)
            await writer.drain()
        connection.cut()

    async def _answer(self, reader, writer, connection):
        while data := await reader.read(CHUNK):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            await self._answers.wait()
            data = self._noisy(data)
            if self._replacement is not None:
                data = data.replace(*self._replacement)
            if self._budget is not None and len(data) >= self._budget:
                writer.write(data[:self._budget])
                data = data[self._budget:]
                self._budget = None
                if self._then == "cut":
                    self.cuts += 1
                    break
                await self._hold()
            if self._budget is not None:
                self._budget -= len(data)
            writer.write(data)
            await writer.drain()
        connection.cut()

    async def _hold(self):
        self._holding = True
        self._answers.clear()
        await self._answers.wait()
        self._holding = False

    def _noisy(self, data):
        if self._noise is None or self._noise.random() >= 0.1:
            return data
        self.flips += 1
        changed = bytearray(data)
        changed[self._noise.randrange(len(data))] ^= 1 << self._noise.randrange(8)
        return bytes(changed)


class RoundRobin(Relay):
    """A balancer: each connection leads to the next of the servers."""

    def __init__(self, *servers):
        self._turns = itertools.cycle(servers)
        super().__init__(servers[0])

    def _choose(self):
        return next(self._turns)

    def _leads_to(self, server):
        return True


@contextlib.contextmanager
def refusing_server(message):
    """The port of a server that ends each session with this message before it has begun."""
    body = b"SFATAL\0VFATAL\0C28000\0M" + message + b"\0\0"

    class Session(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1000)
            self.request.sendall(b"E" + struct.pack("!I", len(body) + 4) + body)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
