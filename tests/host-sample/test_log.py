#!/usr/bin/python3
"""The log of a host that is in trouble: a reader that is stuck, floods that clients cause, signals,
descriptors that are lacking, a port that another host has."""

import contextlib
import errno
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import types
import unittest

import forbidden_calls
import sanitizer
import testbed
from host import APPLICATION, TOKEN, Host, lookup_path, run_host
from load import run_load
from lookup_case import NO_WAIT, LookupCase, module_cluster
from raw_http import get
from testbed import HOST_BINARY, ROOT, wait_for



def setUpModule():
    global cluster, history
    cluster, history = module_cluster("standby")


class SlowlyRead(Host):
    """A host whose log nobody reads until `read_on` is set."""

    def __init__(self, *arguments, **more):
        self.read_on = threading.Event()
        super().__init__(*arguments, **more)

    def _read_log(self, stream):
        self.read_on.wait()
        super()._read_log(stream)


class Log(LookupCase):
    def setUp(self):
        self.begin_with_a_run(cluster, history)

    def bogus(self, count):
        """So many requests for rows that nobody has."""
        for _ in range(count):
            yield types.SimpleNamespace(data=get(lookup_path(self.run_id, history.new_id()),
                                                 "authorization: Bearer " + TOKEN))

    def test_a_stuck_reader_stops_nothing(self):
        host = SlowlyRead(cluster.primary, [cluster.standby], policy=NO_WAIT,
                          settings={"log": {"access": "yes"}})
        statuses = []
        with host:
            run_load(host.port, self.bogus(6000),
                     lambda _request, status, _head, _body: statuses.append(status))
            self.assertEqual(statuses, [404] * 6000)
            lost = host.metrics().value("snapshot_host_log_dropped_total")
            self.assertGreater(lost, 0)
            host.read_on.set()
            line = host.wait_for_log(lambda line: "dropped" in line.fields, "the number of lost lines")
            self.assertEqual(line.level, "WARN")
            self.assertGreaterEqual(line.fields["dropped"], lost)

    def test_the_end_comes_though_the_reader_is_stuck(self):
        host = SlowlyRead(cluster.primary, [cluster.standby], policy=NO_WAIT,
                          settings={"log": {"access": "yes"}})
        host.start()
        run_load(host.port, self.bogus(1000), lambda *_: None)
        host.signal(signal.SIGTERM)
        began = time.monotonic()
        wait_for(lambda: not host.is_running(), "the host to end", timeout_s=20)
        self.assertLess(time.monotonic() - began, 10)
        host.read_on.set()
        host.stray_lines.clear()  # the last one was cut off in the middle

    def test_floods_are_summed_up(self):
        """Genuine misses, and a primary that is away: a burst of lines, then few, and all counted."""
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
            began = time.monotonic()
            run_load(host.port, self.bogus(2000), lambda *_: None)
            took = time.monotonic() - began
        lines = host.lookup_log()
        self.assertGreaterEqual(len(lines), 100)
        self.assertLessEqual(len(lines), 100 + 10 * (took + 1))
        left_out = [line for line in host.log if "left_out" in line.fields]
        self.assertEqual({(line.level, line.fields["kind"]) for line in left_out},
                         {("ERROR", "not found")})
        self.assertLessEqual(len(left_out), took + 2)
        self.assertEqual(len(lines) + sum(line.fields["left_out"] for line in left_out), 2000)

    def test_links_that_come_and_go_hide_no_server(self):
        """However many there are: what a server is, and why it is out, every thread still says."""
        def settings(**keys):
            return {"listen": {"address": "127.0.0.1", "threads": 8}, "primary": None,
                    "server.a": {"conninfo": cluster.primary.conninfo(application_name=APPLICATION),
                                 "links": 8, **keys},
                    "server.b": {"conninfo": cluster.standby.conninfo(), "links": 1}}

        def have_lines_been_left_out():
            cluster.primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                    " WHERE application_name = %s", [APPLICATION])
            return any("left_out" in line.fields for line in host.log)

        def out():
            return [line.level for line in host.log if " is out: " in line.text]

        with Host(policy=NO_WAIT, settings=settings()) as host:
            wait_for(have_lines_been_left_out, "lines to be left out", every_s=0.1)
            changed = settings(expect="replica")
            changed["listen"]["port"] = host.port
            host.reload(settings={**host.settings, **changed})
            wait_for(lambda: len(out()) == 8, "each thread to say that it is out")
            self.assertEqual(set(out()), {"ERROR"})

    def test_signals_that_mean_nothing(self):
        with Host(cluster.primary) as host:
            for name in ("SIGUSR1", "SIGUSR2"):
                host.signal(getattr(signal, name))
                host.wait_for_log(lambda line, name=name: line.fields.get("signal") == name, name)
            self.assertEqual(host.request("GET", "/healthz").status, 200)

    def test_two_hosts_on_one_port(self):
        def another(port):
            host = Host(cluster.primary, settings={"listen": {"threads": 2, "port": port}})
            host.port = port
            return host

        def warnings(host):
            return [line for line in host.log if "another process" in line.text]

        port = testbed.free_port()
        with another(port) as first, another(port) as second:
            wait_for(lambda: warnings(second), "the warning")
            self.assertEqual((warnings(second)[0].level, warnings(second)[0].fields["port"]),
                             ("WARN", port))
            self.assertFalse(warnings(first))
        with another(port) as third:  # the port is free again
            third.wait_for_log(lambda line: line.fields["message"] == "listening", "it to listen")
        self.assertFalse(warnings(third))

    def test_a_port_that_is_not_shared(self):
        """Its host has one thread: no other gets a share of its connections, and none is spoken of."""
        with Host(cluster.primary) as first:
            second = Host(cluster.primary, settings={"listen": {"threads": 2, "port": first.port}})
            done = run_host("-c", second.config_path)
            self.assertEqual([json.loads(line)["message"] for line in done.stderr.splitlines()],
                             ["cannot start"])


class FewDescriptors(unittest.TestCase):
    """Limits of the system, which only a process of one's own may lower."""

    def setUp(self):
        self.host = Host(cluster.primary, settings={"limits": {"max_connections": 1000},
                                                    "admin": {"port": testbed.free_port()}})
        self.addCleanup(self.host.kill)

    def run_with_limit(self, limit, *arguments):
        def lower():
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)

        return subprocess.Popen([HOST_BINARY, *arguments, "-c", self.host.config_path], cwd=ROOT,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lower,
                                text=True)

    def serve_with_few(self):
        """Runs the host; returns its log, a list that grows."""
        process = self.run_with_limit((60, 60))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = []
        threading.Thread(target=lambda: lines.extend(process.stderr)).start()
        return lines

    def client(self):
        return socket.create_connection(("127.0.0.1", self.host.port))

    def test_check_tells(self):
        for limit, note in (((100, 2000), False), ((100, 900), True)):
            with self.subTest(limit=limit):
                output, errors = self.run_with_limit(limit, "-t").communicate(timeout=30)
                self.assertEqual(errors, "")
                self.assertEqual("descriptors" in output, note, output)
                self.assertEqual("may have 900" in output, note, output)

    def test_too_few_to_start_are_told(self):
        """Wherever in its start the host lacks one: some libraries end the process then."""
        is_sanitized = sanitizer.is_in(HOST_BINARY)
        for limit in range(5, 25):
            with self.subTest(limit=limit), self.run_with_limit((limit, limit)) as process:
                said = []
                for line in process.stderr:
                    if line[0] != "{" and is_sanitized:
                        continue  # the leak sanitizer lacks descriptors, too
                    said.append(json.loads(line)["message"])
                    if said[-1] == "listening":
                        process.kill()
                self.assertTrue({"cannot start", "listening"} & set(said), said)

    def test_running_out_is_told(self):
        process = self.run_with_limit((60, 60))
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stderr)))
        reader.start()
        wait_for(lambda: any(line["message"] == "listening" for line in lines), "it to listen")
        self.assertTrue(any("descriptors" in line.get("note", "") for line in lines), lines)
        with contextlib.ExitStack() as connections:
            for _ in range(70):
                connections.enter_context(self.client())
            wait_for(lambda: any("cannot accept" in line["message"] for line in lines),
                     "a line about the lack of descriptors")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=30), 0)
        reader.join()
        line = next(line for line in lines if "cannot accept" in line["message"])
        self.assertEqual(line["error"], os.strerror(24))

    def test_none_is_left_to_count_them_with(self):
        with Host(cluster.primary) as host:
            self.assertLess(host.metrics().value("process_open_fds"), 100)
            hard = resource.prlimit(host.pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (5, hard))
            self.assertEqual(host.metrics().value("process_open_fds"), 5)

    def test_links_come_back_though_clients_take_all(self):
        """Clients that connect, and do no more, are given no descriptor that a link needs."""
        def links():
            return cluster.primary.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
                                         (APPLICATION,))

        lines = self.serve_with_few()
        wait_for(lambda: links() == 2 and any('"listening"' in line for line in lines), "it to listen")
        with contextlib.ExitStack() as connections:
            for _ in range(70):
                connections.enter_context(self.client())
            wait_for(lambda: any("cannot accept" in line for line in lines), "descriptors to be lacking")
            for _ in range(5):  # whoever looks what is wrong is let in, and told
                self.assertIn("Clients wait", self.host.admin("/status.txt").body.decode())
                self.assertEqual(self.host.metrics().value("snapshot_host_http_connections_waiting"), 1)
            before = cluster.primary.value("SELECT max(backend_start) FROM pg_stat_activity WHERE"
                                           " application_name = %s", (APPLICATION,))
            cluster.primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                                    " application_name = %s", (APPLICATION,))
            wait_for(lambda: cluster.primary.value(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND"
                " backend_start > %s", (APPLICATION, before)) == 2, "the links to come back")
        wait_for(lambda: "Clients wait" not in self.host.admin("/status.txt").body.decode(), "room again")
        self.assertEqual(sum("cannot accept" in line for line in lines), 1)

    def test_who_was_let_in_does_not_wait(self):
        """The last one who has a descriptor leaves none, and nobody waits before the next one comes."""
        def are_waiting():
            return self.host.metrics().value("snapshot_host_http_connections_waiting") == 1

        lines = self.serve_with_few()
        wait_for(lambda: any('"listening"' in line for line in lines), "it to listen")
        with contextlib.ExitStack() as connections:
            answered = True
            while answered:
                self.assertFalse(are_waiting())
                client = connections.enter_context(self.client())
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                wait_for(lambda: select.select([client], [], [], 0)[0] or are_waiting(), "an answer, or none")
                answered = select.select([client], [], [], 0)[0]


@unittest.skipUnless(forbidden_calls.NUMBERS, "the numbers of this machine's calls are not known here")
class ForbiddenCalls(unittest.TestCase):
    """What the system does not allow is told, and nothing is tried without end."""

    def setUp(self):
        self.host = Host(cluster.primary)
        self.addCleanup(self.host.kill)

    @contextlib.contextmanager
    def run_without(self, call, error=errno.EPERM):
        """The process, and its log, a list that grows and is whole once it has ended."""
        with subprocess.Popen([HOST_BINARY, "-c", self.host.config_path], cwd=ROOT, stderr=subprocess.PIPE,
                              preexec_fn=forbidden_calls.forbid(call, error), text=True) as process:
            lines = []
            reader = threading.Thread(target=lambda: lines.extend(process.stderr))
            reader.start()
            try:
                yield process, lines
            finally:
                process.kill()
                reader.join()

    def assert_does_not_start(self, call, why):
        with self.run_without(call, errno.ENOSYS) as (process, lines):
            self.assertEqual(process.wait(timeout=30), 1)
        self.assertIn(why, "".join(lines))
        self.assertIn(os.strerror(errno.ENOSYS), "".join(lines))

    def test_random_numbers(self):
        self.assert_does_not_start("getrandom", "getrandom")

    def test_connections_that_cannot_be_taken(self):
        """By an error that is otherwise one connection's: they wait, and the loop does not spin."""
        with self.run_without("accept4") as (process, lines):
            wait_for(lambda: any('"listening"' in line for line in lines), "it to listen")
            with socket.create_connection(("127.0.0.1", self.host.port)):
                wait_for(lambda: any("cannot accept connections" in line for line in lines), "a line about it")
            process.terminate()
            self.assertEqual(process.wait(timeout=30), 0)

    def test_a_loop_that_fails(self):
        """The process ends, to be started anew; it would take connections and never answer."""
        with self.run_without("epoll_wait") as (process, lines):
            self.assertEqual(process.wait(timeout=30), 1)
        [line] = [json.loads(line) for line in lines if "the event loop failed" in line]
        self.assertEqual(line["error"], os.strerror(errno.EPERM))

    def test_descriptors_that_cannot_be_counted(self):
        """As without /proc. Their number is unknown then, which is not 0."""
        with self.run_without("getdents64") as (_, lines):
            wait_for(lambda: any('"listening"' in line for line in lines), "it to listen")
            page = self.host.request("GET", "/metrics").body.decode()
        self.assertNotIn("process_open_fds", page)
        self.assertIn("process_max_fds", page)


class Manual(LookupCase):
    def setUp(self):
        self.begin_with_a_run(cluster, history)

    @unittest.skipUnless(shutil.which("jq"), "there is no jq")
    def test_its_example_picks_the_lines_that_matter(self):
        """What the manual has jq do with the journal, where the manager's own lines stand among ours."""
        with open(os.path.join(ROOT, "man", "snapshot-host.8.in"), encoding="utf-8") as file:
            program = re.search(r"jq -R '([^']+)'", file.read()).group(1)
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
            host.lookup(self.run_id, history.new_id())
        journal = "\n".join(["Started it.", *host.all_lines(), "Stopped it."])
        done = subprocess.run(["jq", "-c", "-R", program], input=journal, capture_output=True,
                              text=True, check=True)
        picked = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["message"] for line in picked],
                         [line.fields["message"] for line in host.log if line.level != "INFO"])
        self.assertIn("not found on the replica, nor on the primary",
                      [line["message"] for line in picked])


class Start(unittest.TestCase):
    def test_errors_are_json(self):
        host = Host(cluster.primary, settings={"limits": {"max_lookups": 0, "max_lookup": 1}})
        self.addCleanup(host.kill)
        done = subprocess.run([HOST_BINARY, "-c", host.config_path], capture_output=True, text=True,
                              timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual([(line["level"], line["message"]) for line in lines],
                         [("error", "cannot start")] * 2)
        self.assertIn("max_lookups", lines[0]["error"])

    def test_standard_streams_are_closed(self):
        """What is opened first takes none of their numbers: the log would go into it."""
        host = Host(cluster.primary, [cluster.standby], policy=NO_WAIT)
        self.addCleanup(host.kill)
        command = [HOST_BINARY, "-c", host.config_path]
        with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]) as process:
            try:
                wait_for(lambda: self.is_up(host), "the host")
                self.assertEqual([os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in range(3)],
                                 ["/dev/null"] * 3)
                self.assertEqual(host.lookup(history.new_id(), history.new_id()).status, 404)
                lost = "snapshot_host_log_dropped_total"
                wait_for(lambda: host.metrics().value(lost) > 0, "lines to be counted as lost")
            finally:
                process.terminate()
        self.assertEqual(process.returncode, 0)

    @staticmethod
    def is_up(host):
        try:
            return host.request("GET", "/readyz").status == 200
        except OSError:
            return False

    def test_what_is_printed_has_nowhere_to_go(self):
        host = Host(cluster.primary, policy=NO_WAIT)
        self.addCleanup(host.kill)
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", HOST_BINARY, "-t", "-c", host.config_path],
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)


if __name__ == "__main__":
    unittest.main()
