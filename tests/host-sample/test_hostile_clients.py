#!/usr/bin/python3
"""Hostile clients in crowds: slow ones, half-closed ones, floods, garbage, guesses.

Whatever they do, the host goes on answering the others, its memory stays within bounds known
beforehand, and when they are gone it holds no more descriptors and connections than before. The answers
to a single client of each kind are tested in test_routes.py and test_http_front.c.
"""

import contextlib
import datetime
import random
import resource
import socket
import struct
import sys
import threading
import time
import unittest

import sanitizer
from host import APPLICATION, TOKEN, Host, lookup_path
from lookup_case import LookupCase, module_cluster
from raw_http import RawConnection, exchange, get
from testbed import HOST_BINARY, wait_for
from vitals import Vitals, resident_bytes

CHUNKED = "Transfer-Encoding: chunked"
BEARER = "authorization: Bearer " + TOKEN
DEPLOYMENT = "deployment-0123"
# Others are answered within this, whatever goes on; a sanitizer makes the host slower.
PATIENCE_S = 15.0 if sanitizer.is_in(HOST_BINARY) else 5.0
KILOBYTE, MEGABYTE = 1 << 10, 1 << 20
MAX_UNSENT = 64 * MEGABYTE  # of answers that clients do not read, in the whole host
REQUEST_TIMEOUT_S = 10.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s

cluster = None
history = None
host = None
vitals = None
life = None  # a run's snapshots
big = None  # one with an answer of 2 MB
slow = None  # the slow crowd, begun before the first test


class SlowCrowd:
    """Clients that each send most of a request and then wait, with a separate host."""

    SIZE = 1000

    def __init__(self):
        self.host = Host(cluster.primary, policy={"policy": "primary_only"}).start()
        self.memory_before = resident_bytes(self.host.pid)
        self.vitals = Vitals(self.host)
        unfinished = get("/healthz", "x-filler: " + "x" * 7000)[:-2]
        self.connections = crowd(self.SIZE, self.host, unfinished)
        self.begun = time.monotonic()


def setUpModule():
    global cluster, history, host, vitals, life, big, slow
    raise_descriptor_limit()
    cluster, history = module_cluster(seed=11)
    life = history.life_of_a_run()
    run = history.new_run()
    big = [history.snapshot(run), history.resumed_snapshot(
        run, [history.waitpoint(output="x" * 100_000) for _ in range(20)])]
    history.write(cluster.primary)
    host = Host(cluster.primary, policy={"policy": "primary_only"},
                settings={"auth": {"deployment_id": DEPLOYMENT},
                          "limits": {"lookup_timeout_ms": 9000}}).start()
    vitals = Vitals(host)
    slow = SlowCrowd()


def tearDownModule():
    host.stop()
    slow.host.stop()


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def lookup_request(snapshots, *headers):
    return get(lookup_path(snapshots[0]["runId"], snapshots[0]["id"]), BEARER, *headers)


def crowd(size, at_host, request=b""):
    """That many connections, each of which has sent this."""
    connections = []
    for _ in range(size):
        connections.append(RawConnection(at_host.port))
        connections[-1].send(request)
    return connections


@contextlib.contextmanager
def closing_all(connections):
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


class HostileCase(LookupCase):
    """After each of these the host is as it was."""

    def setUp(self):
        self.memory = resident_bytes(host.pid)

    def tearDown(self):
        self.assert_others_are_served()
        vitals.wait_restored()

    def assert_others_are_served(self, at_host=None):
        at_host = at_host or host
        run, since = life[3]["runId"], life[3]["id"]
        for _ in range(5):
            answer = at_host.lookup(run, since)
            self.assert_found(answer, history.rows(), run, since, "primary")
            self.assertLess(answer.milliseconds, PATIENCE_S * 1000)

    def assert_memory_grew_less_than(self, limit, at_host=None, before=None):
        grown = resident_bytes((at_host or host).pid) - (before or self.memory)
        # A sanitizer needs a multiple of it for its own records.
        self.assertLess(grown, limit * (10 if sanitizer.is_in(HOST_BINARY) else 1) + 4 * MEGABYTE)


class Crowds(HostileCase):
    """Very many clients at once."""

    def test_ten_thousand_connections(self):
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        size = min(10_000, limit - 1000)
        if size < 10_000:
            print(f"{size} connections only: the limit of descriptors is {limit}", file=sys.stderr)
        with closing_all(crowd(size, host)) as connections:
            wait_for(lambda: host.metrics().value("snapshot_host_http_connections_open") > size,
                     "all to be accepted")
            self.assert_memory_grew_less_than(size * 2 * KILOBYTE)
            self.assert_others_are_served()
            for number, connection in enumerate(connections):
                connection.send(get("/healthz") if number % 20 else lookup_request(life))
            expected = host.lookup(life[0]["runId"], life[0]["id"]).body
            for number, connection in enumerate(connections):
                answer = connection.read_answer()
                self.assertEqual(answer.status, 200)
                if number % 20 == 0:
                    self.assertEqual(answer.body, expected)
            self.assert_memory_grew_less_than(size * 2 * KILOBYTE)

    def test_flood_over_max_lookups(self):
        """Those over the limit are refused at once, the others answered as soon as that is possible."""
        size, limit = 1000, 50
        settings = {"limits": {"max_lookups": limit, "lookup_timeout_ms": 9000}}
        with Host(cluster.primary, policy={"policy": "primary_only"}, settings=settings) as other:
            others_vitals = Vitals(other)
            connection = cluster.primary.connect()
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            with closing_all(crowd(size, other, lookup_request(life))) as connections:
                wait_for(lambda: other.metrics().value(
                    "snapshot_host_lookups_total", verdict="refused") == size - limit,
                    "the others to be refused")
                self.assertEqual(cluster.primary.value(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND"
                    " wait_event_type = 'Lock'", (APPLICATION,)), 2, "links that wait")
                connection.close()
                answers = [connection.read_answer() for connection in connections]
                for answer in answers:
                    if answer.status != 200:
                        self.assert_error(answer, 429)
                self.assertEqual(sum(answer.status == 200 for answer in answers), limit)
            self.assert_others_are_served(other)
            others_vitals.wait_restored()
        self.assert_refusals_logged(other, "lookups refused: max_lookups are under way", size - limit)

    def assert_refusals_logged(self, other, message, at_most):
        """Once a second, with the number since the line before."""
        lines = [line.fields for line in other.log if line.fields["message"] == message]
        self.assertEqual({line["level"] for line in lines}, {"error"})
        self.assertEqual(lines[0]["refused"], 1)
        self.assertLessEqual(sum(line["refused"] for line in lines), at_most)
        times = [datetime.datetime.fromisoformat(line["time"].rstrip("Z")) for line in lines]
        for before, after in zip(times, times[1:]):
            self.assertGreater((after - before).total_seconds(), 0.9)

    def test_half_closed(self):
        """Clients that end their side after the request, and stay: answered, and closed."""
        requests = (lookup_request(life), lookup_request(big), get("/healthz"),
                    lookup_request(life)[:50], lookup_request(life) * 3)
        expected = ([200], [200], [200], [400], [200, 200, 200])
        with contextlib.ExitStack() as stack:
            waiting = []
            for request, statuses in list(zip(requests, expected)) * 30:
                connection = stack.enter_context(RawConnection(host.port))
                connection.send(request)
                connection.end_sending()
                waiting.append((connection, statuses))
            for connection, statuses in waiting:
                for status in statuses:
                    answer = connection.read_answer()
                    self.assertIsNotNone(answer, statuses)
                    self.assertEqual(answer.status, status)
                    self.assertIsInstance(answer.json, dict)  # whole, that is
                self.assertTrue(connection.wait_closed(PATIENCE_S))
            vitals.wait_restored()  # although no client has closed

    def test_vanishing_in_mid_answer(self):
        """Clients that ask for much, read a byte of it, and reset the connection."""
        for _ in range(200):
            with socket.create_connection(("127.0.0.1", host.port), timeout=PATIENCE_S) as client:
                client.sendall(lookup_request(big) * 2)
                client.recv(1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.assert_memory_grew_less_than(MAX_UNSENT)

    def test_vanishing_in_mid_lookup(self):
        connection = cluster.primary.connect()
        connection.autocommit = False
        connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
        with closing_all(crowd(500, host, lookup_request(life))):
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 500,
                     "all lookups to be under way")
        connection.close()


class Pipelines(HostileCase):
    """Clients that do not wait for answers."""

    def test_never_reading(self):
        """As many requests for large answers as the socket takes, and no answer is read."""
        with closing_all([]) as clients:
            for _ in range(60):
                clients.append(socket.create_connection(("127.0.0.1", host.port)))
                clients[-1].setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    clients[-1].sendall(lookup_request(big) * 1000)
            wait_for(lambda: host.metrics().value("snapshot_host_http_timeouts_total") > 0,
                     "the first of them to be cut off", timeout_s=60)
            self.assert_others_are_served()
            self.assertLessEqual(host.metrics().value("snapshot_host_http_unsent_bytes"),
                                 MAX_UNSENT)
            self.assert_memory_grew_less_than(2 * MAX_UNSENT)

    def test_flood_in_order(self):
        """Answers come in the order of the requests, however many of those are sent ahead."""
        requests = (get("/healthz"), get("/nothing"), lookup_request(life), get(
            lookup_path("run", "x")), lookup_request(life, "x-read-position: nonsense"))
        statuses = (200, 404, 200, 401, 400)
        rounds = 600
        with RawConnection(host.port) as connection:
            sender = threading.Thread(target=connection.send, args=(b"".join(requests) * rounds,))
            sender.start()
            for number in range(rounds * len(statuses)):
                self.assertEqual(connection.read_answer().status, statuses[number % len(statuses)],
                                 f"answer {number}")
            sender.join()


class Garbage(HostileCase):
    """Bytes that are not requests, or hardly."""

    SEED = 20261123
    STATUSES = {200, 400, 401, 404, 405, 408, 413, 414, 417, 431, 501, 505}

    def mutations(self):
        return (self._flip, self._cut_out, self._insert, self._repeat, self._grow_number,
                self._splice)

    @staticmethod
    def _flip(data, generator):
        place = generator.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << generator.randrange(8)]) + data[place + 1:]

    @staticmethod
    def _cut_out(data, generator):
        begin, end = sorted(generator.choices(range(len(data)), k=2))
        return data[:begin] + data[end:]

    @staticmethod
    def _insert(data, generator):
        place = generator.randrange(len(data))
        more = generator.choice((b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b"%", b"..",
                                 b"\xff\xfe", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n",
                                 b"Content-Length: 5\r\n", generator.randbytes(20)))
        return data[:place] + more + data[place:]

    @staticmethod
    def _repeat(data, generator):
        begin, end = sorted(generator.choices(range(len(data)), k=2))
        return data[:end] + data[begin:end] * generator.randrange(1, 300) + data[end:]

    @staticmethod
    def _grow_number(data, generator):
        number = generator.choice((b"-1", b"99999999999999999999", b"1e9", b"0x1"))
        return data.replace(b"1", number, generator.randrange(1, 4))

    @staticmethod
    def _splice(data, generator):
        place = generator.randrange(len(data))
        return data[:place] + lookup_request(life)[generator.randrange(100):]

    def garbage(self, generator):
        """Some request, changed in a few places."""
        data = generator.choice((
            lookup_request(life), get("/metrics"), generator.randbytes(generator.randrange(1, 400)),
            get("/", "Content-Length: 11") + b"hello world",
            get("/healthz", CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n",
            get("/", "Expect: 100-continue", "Content-Length: 1") + b"x"))
        for _ in range(generator.choice((1, 1, 1, 2, 4))):
            if data:
                data = generator.choice(self.mutations())(data, generator)
        return data

    def test_random_garbage(self):
        generator = random.Random(self.SEED)
        for number in range(1000):
            data = self.garbage(generator)
            with self.subTest(number=number, seed=self.SEED), \
                    RawConnection(host.port) as connection:
                connection.send(data)
                connection.end_sending()
                self.assert_answers(connection, data)
            if number % 100 == 0:
                self.assert_others_are_served()
        self.assert_memory_grew_less_than(MEGABYTE)

    def assert_answers(self, connection, data):
        """Nothing, or whole answers of known statuses; and then the end of the connection."""
        while (answer := connection.read_answer()) is not None:
            if answer.status != 100:
                self.assertIn(answer.status, self.STATUSES, data)

    def test_too_much(self):
        """Requests that do not end, in every part of them."""
        beginnings = (b"GET /", b"GET / HTTP/1.1\r\nx: ", b"\r\n", b"",
                      get("/", "Content-Length: 1000000000"),
                      get("/", CHUNKED) + b"3b9aca00\r\n", get("/", CHUNKED) + b"1;")
        filler = b"x" * MEGABYTE
        with contextlib.ExitStack() as stack:
            for beginning in beginnings * 5:
                connection = stack.enter_context(RawConnection(host.port))
                connection.send(beginning)
                sent = 0
                while sent < 8 and connection.send(filler):
                    sent += 1
                self.assertLess(sent, 8, beginning)
            self.assert_others_are_served()
            self.assert_memory_grew_less_than(2 * MEGABYTE)


class Secrets(HostileCase):
    """What nobody must be able to find out."""

    def test_a_wrong_token_learns_nothing(self):
        """Every refusal is the same to the last byte except its date: however close the token was, and
        whether the ids exist, do not exist, or are malformed. No server is asked for it."""
        known = lookup_path(life[0]["runId"], life[0]["id"])
        paths = (known, lookup_path("r", "s"), lookup_path(life[0]["runId"], "s"),
                 "/engine/v1/worker-actions/runs/x/snapshots/since/%zz", known + "?x=1")
        tokens = ["", "x", TOKEN[::-1], TOKEN + "x", TOKEN.upper(), "x" * 4000, DEPLOYMENT]
        tokens += [TOKEN[:length] for length in range(1, len(TOKEN))]
        tokens += [TOKEN[:length] + "#" * (len(TOKEN) - length) for length in range(len(TOKEN))]
        reads = host.metrics().value("snapshot_host_reads_total", server="primary")
        heads, bodies = set(), set()
        for path in paths:
            for headers in ((), *(("authorization: Bearer " + token,) for token in tokens)):
                answer = exchange(host.port, get(path, *headers))
                self.assert_error(answer, 401)
                heads.add(self.head_but_its_date(answer))
                bodies.add(answer.body)
        workload = known.replace("/engine/v1/worker", "/api/v1/workload")
        for value in ("", "x", *(DEPLOYMENT[:length] for length in range(1, len(DEPLOYMENT)))):
            header = "x-trigger-workload-deployment-id: " + value
            answer = exchange(host.port, get(workload, header))
            self.assert_error(answer, 401)
            heads.add(self.head_but_its_date(answer))
            bodies.add(answer.body)
        self.assertEqual((len(heads), len(bodies)), (1, 1), (heads, bodies))
        self.assertEqual(host.metrics().value("snapshot_host_reads_total", server="primary"), reads)

    @staticmethod
    def head_but_its_date(answer):
        """Which is the same for all that are answered in one second."""
        return tuple(sorted({**answer.headers, "date": "date" in answer.headers}.items()))

    def test_no_path_reads_a_file(self):
        target = "etc/passwd"
        ups = ("..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "..%00", "..;", "%c0%ae%c0%ae",
               "%uff0e%uff0e", "....", ". .")
        slashes = ("/", "%2f", "%2F", "\\", "%5c", "%255c", "%c0%af", "//", "/./")
        paths = ["/" + target, "//" + target, "/" + target + "%00.json", "file:///" + target,
                 "http://127.0.0.1/" + target, "http://x/../" + target, "*", "/.", "/..", "/~root"]
        for up in ups:
            for slash in slashes:
                climb = (up + slash) * 8 + target.replace("/", slash)
                paths += ["/" + climb, "/healthz/" + climb,
                          "/engine/v1/worker-actions/runs/run_" + climb + "/snapshots/since/x_y",
                          "/engine/v1/worker-actions/runs/a_b/snapshots/since/snapshot_" + climb]
        for path in paths:
            answer = exchange(host.port, get(path, BEARER))
            self.assertIn(answer.status, (400, 404), path)
            self.assertNotIn(b"root:", answer.body, path)


class SlowOnes(HostileCase):
    """Named so that it comes last: this crowd was there all the time."""

    def test_slow_crowd(self):
        with closing_all(slow.connections):
            self.assert_memory_grew_less_than(SlowCrowd.SIZE * 20 * KILOBYTE, slow.host,
                                              slow.memory_before)
            if time.monotonic() < slow.begun + REQUEST_TIMEOUT_S / 2:
                self.assert_others_are_served(slow.host)
            for connection in slow.connections:
                answer = connection.read_answer()
                self.assertEqual(answer.status, 408)
                self.assertTrue(connection.wait_closed(PATIENCE_S))
            slow.vitals.wait_restored()


if __name__ == "__main__":
    unittest.main()
