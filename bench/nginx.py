#!/usr/bin/python3
"""What the policy costs a hit in nginx: wrk against a location with read_policy and one with plain
proxy_pass, in front of the same API (another nginx), in turn.

One worker, with a processor of its own, and an API that keeps its files open, so that the worker is what
limits the rate: where the kernel moves it about among the others, a rate is half or double for seconds. The
CPU time that it takes for a request is the steadier figure: measured in short turns, with connections that
ask together, it tells the two apart on a machine that is busy with other things, too."""

import os
import re
import socket
import sys

import measure
import processes

sys.path.insert(0, os.path.join(measure.ROOT, "tests", "hosts", "nginx"))

from nginx_server import Nginx  # noqa: E402

CONNECTIONS = 16
SIZES = {"200 B": 200, "20 kB": 20_000, "1 MB": 1_000_000}
SUBJECTS = ("plain", "policy")

API = """
    server { listen PORT; access_log off; root DIRECTORY; keepalive_requests 1000000000;
        keepalive_timeout 1h; sendfile on; open_file_cache max=8; }
"""
FRONT = """
    read_policy_file read-policy.ini;
    upstream api {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}
    server {{
        listen PORT;
        access_log off;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
        location /plain/ {{ proxy_pass http://api/; }}
        location /policy/ {{
            read_policy reads;
            read_policy_replica http://api/;
            read_policy_primary http://api/;
        }}
    }}
"""
POLICIES = "[reads]\npolicy = replica_then_primary\nprimary_budget_per_s = 100\n"


class Subject:
    def __init__(self, front, name, path):
        self._worker, = front.workers()
        self._url = f"http://127.0.0.1:{front.port}/{name}/{path}"
        self._request = f"GET /{name}/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._sockets = [socket.create_connection(("127.0.0.1", front.port))
                         for _ in range(CONNECTIONS)]
        self._length = self._length_of_an_answer()

    def _length_of_an_answer(self):
        self._sockets[0].sendall(self._request)
        head, _, body = self._receive(b"\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        rest = int(re.search(rb"Content-Length: (\d+)", head)[1]) - len(body)
        self._drain(self._sockets[0], rest)
        return len(head) + 4 + len(body) + rest

    def _receive(self, end):
        data = b""
        while end not in data:
            taken = self._sockets[0].recv(65536)
            if not taken:
                raise RuntimeError("nginx closed a connection")
            data += taken
        return data

    @staticmethod
    def _drain(connection, count):
        while count > 0:
            taken = len(connection.recv(min(count, 1 << 20)))
            if taken == 0:
                raise RuntimeError("nginx closed a connection")
            count -= taken

    def rate(self, seconds):
        """Requests a second by wrk."""
        out = measure.run(["wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{seconds}s", self._url])
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(out)
        return float(re.search(r"Requests/sec: +([\d.]+)", out)[1])

    def cpu_us(self, turns):
        """The worker's CPU time for a request."""
        before = processes.cpu_ns(self._worker)
        for _ in range(turns):
            for connection in self._sockets:
                connection.sendall(self._request)
            for connection in self._sockets:
                self._drain(connection, self._length)
        return (processes.cpu_ns(self._worker) - before) / 1000 / turns / CONNECTIONS


def measure_sizes(front, dose):
    rows = []
    for name, size in list(SIZES.items())[:1 if dose.smoke else None]:
        subjects = {subject: Subject(front, subject, f"{size}.bin") for subject in SUBJECTS}
        rates = measure.in_turn({subject: lambda run=run: run.rate(dose.whole_seconds)
                                 for subject, run in subjects.items()}, dose.rounds)
        turns = max(1, min(20, 400_000 // size))
        cpus = measure.in_turn({subject: lambda run=run: run.cpu_us(turns)
                                for subject, run in subjects.items()}, dose.rounds * 20)
        rows.append({
            "answer": name,
            "proxy_pass /s": measure.median(rates["plain"]),
            "read_policy /s": measure.median(rates["policy"]),
            "read_policy to it": measure.ratio(rates["policy"], rates["plain"]),
            "proxy_pass cpu us": measure.median(cpus["plain"]),
            "read_policy cpu us": measure.median(cpus["policy"]),
            "cpu ratio": measure.ratio(cpus["policy"], cpus["plain"]),
        })
    return rows


def give_a_processor(front, others):
    """To the front's worker; the others, and what is started from here on, share the rest."""
    own, *rest = sorted(os.sched_getaffinity(0))
    if rest:
        os.sched_setaffinity(front.workers()[0], {own})
        for process in (0, *others.workers()):
            os.sched_setaffinity(process, rest)


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=15, seconds=1)
    files = {f"{size}.bin": "x" * size for size in SIZES.values()}
    api = Nginx(API, files, workers=1).start()
    front = Nginx(FRONT.format(port=api.port), {"read-policy.ini": POLICIES}, workers=1).start()
    give_a_processor(front, api)
    try:
        rows = measure_sizes(front, dose)
    finally:
        front.stop()
        api.stop()
    measure.print_table(f"Hits through nginx, one worker, {CONNECTIONS} connections", rows)
    measure.write_csv("nginx", rows)


if __name__ == "__main__":
    measure.as_program(main)
