#!/usr/bin/python3
"""What HTTP clients and operators of snapshot-host are promised: routes, credentials, ids, limits,
status codes and headers; configuration files, signals and exit codes.

One primary without a standby is enough here. Where a lookup has to hang, a table is locked.
"""

import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import threading
import time
import unittest

import testbed
from host import APPLICATION, TOKEN, Host, ini_text, lookup_path, run_host
from lookup_case import LookupCase, module_cluster
from prometheus import parse
from raw_http import Dribbler, RawConnection, exchange, get
from testbed import PLUGIN, wait_for

DEPLOYMENT = "deployment-0123"
BEARER = "authorization: Bearer " + TOKEN
WORKER = "/engine/v1/worker-actions/runs/{}/snapshots/since/{}"
WORKLOAD = "/api/v1/workload-actions/runs/{}/snapshots/since/{}"

cluster = None
history = None
host = None
run = None  # of a run that exists
since = None
patient = None


class Background(threading.Thread):
    """A function that runs beside the tests and does not keep the program from ending."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self._function = function
        self._result = None
        self.start()

    def run(self):
        self._result = self._function()

    def result(self):
        self.join()
        return self._result


class PatientClients:
    """Slow clients: started with the first test, checked by the last ones."""

    def __init__(self, port):
        self._port = port
        self.dribbled = Background(self._dribble)
        self.kept = Background(self._keep)
        self.idled = Background(self._idle)

    def _used_connection(self):
        connection = RawConnection(self._port)
        connection.send(get("/healthz"))
        assert connection.read_answer().status == 200
        return connection

    def _dribble(self):
        """After how many seconds a request of single bytes that never ends is cut off."""
        return Dribbler(self._port).closed_after(30)

    def _keep(self):
        """The answer to a second request, nearly as long after the first as is promised."""
        with self._used_connection() as connection:
            time.sleep(19.5)
            connection.send(get("/healthz"))
            return connection.read_answer()

    def _idle(self):
        """After how many seconds an idle connection is closed."""
        with self._used_connection() as connection:
            begun = time.monotonic()
            return time.monotonic() - begun if connection.wait_closed(40) else None


def setUpModule():
    global cluster, history, host, run, since, patient
    cluster, history = module_cluster("standby", seed=3)
    life = history.life_of_a_run()
    history.write(cluster.primary)
    cluster.wait_caught_up()
    run, since = life[0]["runId"], life[0]["id"]
    host = Host(cluster.primary, policy={"policy": "primary_only"},
                settings={"auth": {"deployment_id": DEPLOYMENT}, "listen": {"threads": 2}}).start()
    patient = PatientClients(host.port)


def tearDownModule():
    host.stop()


@contextlib.contextmanager
def locked_table():
    """No lookup ends within this block, on whichever server."""
    connection = cluster.primary.connect()
    try:
        connection.autocommit = False
        connection.cursor().execute(
            'LOCK TABLE "TaskRunExecutionSnapshot" IN ACCESS EXCLUSIVE MODE')
        cluster.wait_caught_up()  # the standby takes the lock too
        yield
    finally:
        connection.close()


def lookups_that_hang():
    """How many links of hosts wait for a locked table."""
    return cluster.primary.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
                                 " AND wait_event_type = 'Lock'", (APPLICATION,))


def exhaust_budget(other):
    """Asks for what does not exist until the primary's budget is used up; returns all answers."""
    answers = []
    for _ in range(20):  # many more in a second than any budget here allows
        answers.append(other.lookup(run, history.new_id()))
        if answers[-1].status == 429:
            return answers
    raise AssertionError(f"never shed: {answers}")


def worker_path(run_part=None, snapshot_part=None):
    """The worker route with these friendly ids, raw; those of the known run by default."""
    return WORKER.format("run_" + run if run_part is None else run_part,
                         "snapshot_" + since if snapshot_part is None else snapshot_part)


class RouteCase(LookupCase):
    """Requests to the host that all these tests share."""

    def get(self, target, *headers):
        """A GET with exactly these header lines, on its own connection."""
        answer = exchange(host.port, get(target, *headers))
        self.assertIsNotNone(answer, "closed without an answer")
        return answer


class Paths(RouteCase):
    """Which paths there are, and which methods they take."""

    def test_worker_route(self):
        self.assert_found(host.lookup(run, since), history.rows(), run, since, "primary")

    def test_workload_route(self):
        answer = host.request("GET", lookup_path(run, since, "/api/v1/workload-actions"),
                              {"x-trigger-workload-deployment-id": DEPLOYMENT})
        self.assert_found(answer, history.rows(), run, since, "primary")

    def test_healthz(self):
        self.assertEqual(self.get("/healthz").status, 200)

    def test_readyz(self):
        self.assertEqual(self.get("/readyz").status, 200)

    def test_status_is_for_operators(self):
        """It is not on the public listener, even where that is the only one."""
        for path in ("/status", "/status.json", "/status.txt"):
            self.assert_error(self.get(path), 404)

    def test_unknown_paths(self):
        known = worker_path()
        for path in ("/", "/nothing", "/healthz/x", "/metrics/x", "/engine", known + "/",
                     known + "/x", known[1:].replace("/", "//"), "/x" + known,
                     known.replace("since", "sinc"), known.replace("/v1/", "/v2/"),
                     known.rpartition("/")[0],
                     known.replace("worker-actions", "workload-actions"),
                     known.replace("runs", "Runs"), "/%68ealthz/..", "*"):
            with self.subTest(path=path):
                # What does not begin with a slash may be refused as malformed, too.
                allowed = (404,) if path[0] == "/" else (400, 404)
                self.assertIn(self.get(path, BEARER).status, allowed)

    def test_query_strings_are_ignored(self):
        for query in ("?", "?a=b", "?a=%zz%00%ff", "?/engine/../?#", "?" + "x" * 5000, "?a_b_c"):
            with self.subTest(query=query[:20]):
                self.assertEqual(self.get(worker_path() + query, BEARER).status, 200)
        self.assertEqual(self.get("/healthz?x=1").status, 200)
        self.assertEqual(self.get("/nothing?x=/healthz", BEARER).status, 404)

    def test_wrong_methods(self):
        for path in (worker_path(), WORKLOAD.format("run_a", "snapshot_b"), "/healthz", "/metrics"):
            allow = "GET, HEAD, OPTIONS" if path == "/healthz" else "GET, HEAD"
            for method in {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "BREW", "get"} - set(
                    allow.split(", ")):
                with self.subTest(path=path, method=method):
                    answer = host.request(method, path)
                    self.assert_error(answer, 405)
                    self.assertEqual(answer.headers.get("allow"), allow)

    def test_options_of_health_paths(self):
        """What load balancers probe with: the status that GET has."""
        for path in ("/healthz", "/readyz"):
            answer = host.request("OPTIONS", path)
            self.assertEqual((answer.status, answer.headers["allow"]), (200, "GET, HEAD, OPTIONS"))

    def test_body_of_a_wrong_method_is_not_a_request(self):
        smuggled = get("/metrics")
        with RawConnection(host.port) as connection:
            connection.send(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                            % len(smuggled) + smuggled)
            self.assertEqual(connection.read_answer().status, 405)
            connection.send(get("/healthz"))
            answer = connection.read_answer()
            self.assertTrue(answer is None or answer.body == self.get("/healthz").body, answer)

    def test_head_is_get_without_a_body(self):
        """On every path, lookups too, and the connection stays in step."""
        with RawConnection(host.port) as connection:
            for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200),
                                 (worker_path(), 200), (worker_path("run_x"), 404)):
                with self.subTest(path=path):
                    connection.send(get(path, BEARER).replace(b"GET", b"HEAD"))
                    answer = connection.read_answer(to_head=True)
                    self.assertEqual(answer.status, status)
                    self.assertGreater(int(answer.headers["content-length"]), 10)
                    connection.send(get("/healthz"))
                    self.assertEqual(connection.read_answer().body, b'{"status":"ok"}')

    def test_checks_come_in_their_order(self):
        bad_ids = worker_path("nonsense", "nonsense")
        for name, method, path, headers, status in (
                ("unknown path before method", "POST", "/nothing", {}, 404),
                ("method before credentials", "POST", bad_ids, {}, 405),
                ("credentials before ids", "GET", bad_ids, {}, 401),
                ("credentials before position", "GET", bad_ids, {"x-read-position": "?"}, 401),
                ("ids last", "GET", bad_ids, {"authorization": "Bearer " + TOKEN}, 400)):
            with self.subTest(name):
                self.assert_error(host.request(method, path, headers), status)


class Credentials(RouteCase):
    """Who is let in."""

    def assert_refused(self, answer):
        self.assert_error(answer, 401)
        self.assertEqual(answer.body, b'{"error":"Invalid or missing worker token"}')

    def test_worker_token(self):
        for line in ("x-nothing: 1", "authorization:", "authorization: Bearer",
                     "authorization: Bearer ", f"authorization: {TOKEN}",
                     f"authorization: Basic {TOKEN}", f"authorization: Bearer{TOKEN}",
                     f"authorization: Bearer {TOKEN}x", f"authorization: Bearer x{TOKEN}",
                     f"authorization: Bearer {TOKEN[:-1]}", f"authorization: Bearer {TOKEN} x",
                     f"authorization: Bearer {TOKEN.upper()}", f"authorization: Bearer  {TOKEN}",
                     f"authorization: Bearer {TOKEN}, Bearer {TOKEN}",
                     f"authorization: Bearer {TOKEN}\x00".replace("\x00", "\xff"),
                     f"x-trigger-workload-deployment-id: {DEPLOYMENT}",
                     "authorization: Bearer " + "y" * 4000):
            with self.subTest(line=line[:60]):
                self.assert_refused(self.get(worker_path(), line))

    def test_two_credentials_are_none(self):
        for lines in ((BEARER, "authorization: Bearer wrong"),
                      ("authorization: Bearer wrong", BEARER)):
            self.assert_refused(self.get(worker_path(), *lines))

    def test_header_names_have_no_case(self):
        line = "AUTHORIZATION:Bearer " + TOKEN + "  "
        self.assertEqual(self.get(worker_path(), line).status, 200)

    def test_workload_deployment(self):
        path = WORKLOAD.format("run_" + run, "snapshot_" + since)
        name = "x-trigger-workload-deployment-id: "
        self.assertEqual(self.get(path, name + DEPLOYMENT).status, 200)
        for lines in ((), (name,), (name + DEPLOYMENT + "x",), (name + DEPLOYMENT[:-1],), (BEARER,),
                      (name + TOKEN,), (name + "wrong", BEARER)):
            with self.subTest(lines=lines):
                self.assert_refused(self.get(path, *lines))

    def test_workload_route_off(self):
        with Host(cluster.primary, policy={"policy": "primary_only"}) as other:
            path = lookup_path(run, since, "/api/v1/workload-actions")
            for method in ("GET", "POST"):
                for value in ("", DEPLOYMENT):
                    answer = other.request(method, path, {"x-trigger-workload-deployment-id": value,
                                                          "authorization": "Bearer " + TOKEN})
                    self.assert_error(answer, 404)

    def test_empty_token_lets_nobody_in(self):
        with Host(cluster.primary, settings={"auth": {"token": ""}}) as other:
            for headers in ({}, {"authorization": ""}, {"authorization": "Bearer"},
                            {"authorization": "Bearer "}, {"authorization": "Bearer " + TOKEN}):
                self.assert_refused(other.request("GET", lookup_path(run, since), headers))
            self.assertEqual(other.request("GET", "/healthz").status, 200)

    def test_token_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
            file.write("from-a-file \r\n second-\tline\n")
            file.flush()
            settings = {"auth": {"token": None, "token_file": file.name}}
            with Host(cluster.primary, settings=settings) as other:
                for token, status in (("from-a-file", 200), ("second-\tline", 200), (TOKEN, 401),
                                      ("from-a-file second-\tline", 401), ("", 401)):
                    answer = other.request("GET", lookup_path(run, since),
                                           {"authorization": "Bearer " + token})
                    self.assertEqual(answer.status, status, token)


class Ids(RouteCase):
    """Friendly ids, as clients write them into paths."""

    BAD = ("", "run", "run_", "_x", "_", "__", "run__x", "a_b_c", "run_x_", "%5f", "run%5F",
           "x%5F%5Fy", "run_%", "run_%4", "run_%zz", "run_%4g", "run_x%", "run_%00", "run_x%00y",
           "run_%0a", "run_%0D", "run_%1f", "run_%7f", "run_%c2%85", "run_%80", "run_%ff",
           "run_%c0%80",
           "run_%c0%af", "run_%e0%80%80", "run_%ed%a0%80", "run_%ed%bf%bf", "run_%f4%90%80%80",
           "run_%f8%88%80%80%80", "run_%e2%82", "run_%e2%28%a1", "run_" + "x" * 125,
           "x" * 127 + "_y", "run_" + "%61" * 125, "run_" + "%c3%a9" * 63, "run_" + "x" * 4000)

    def test_bad_ids_never_reach_a_server(self):
        # Without a server, an id that passes the checks is answered 503.
        away = {"conninfo": f"host=127.0.0.1 port={testbed.free_port()} dbname=postgres"}
        with Host(policy={"policy": "primary_only"}, settings={"primary": away}) as other:
            for bad in self.BAD:
                for path in (worker_path(bad), worker_path(None, bad), worker_path(bad, bad)):
                    with self.subTest(path=path[:120]):
                        self.assert_error(exchange(other.port, get(path, BEARER)), 400)
            reads = other.metrics().value("snapshot_host_reads_total", server="primary")
            self.assertEqual(reads, 0)
        self.assert_logged(other)

    def test_good_ids(self):
        for good in ("x_y", "run_%20", "run_x%20", "%20_x", "run_+", "run_%2B", "run_%2F", "run_..",
                     "run_" + "x" * 124, "run_" + "%61" * 124, "run_" + "%c3%a9" * 62,
                     "run_%f0%9f%99%82", "run_%ef%bb%bf", "run_%e2%80%a8", "run_'", "run_%22",
                     "run_$1", "run_;--", "run_%5C", "%F0%9F%99%82_x", "run_~!$&'()*,;=:@"):
            for path in (worker_path(good), worker_path(None, good)):
                with self.subTest(path=path[:120]):
                    self.assert_error(self.get(path, BEARER), 404, "primary")

    def test_the_prefix_is_not_checked(self):
        for prefix in ("run", "x", "snapshot", "Run", "%20"):
            for path in (worker_path(f"{prefix}_{run}"), worker_path(None, f"{prefix}_{since}"),
                         worker_path(f"{prefix}%5F{run}")):
                with self.subTest(path=path):
                    self.assertEqual(self.get(path, BEARER).status, 200)

    def test_ids_are_taken_as_they_are(self):
        for path in (worker_path("run_" + run.upper()), worker_path(f"run_{run}%20"),
                     worker_path(f"run_%20{run}"), worker_path(None, "snapshot_" + since.upper()),
                     worker_path(None, f"snapshot_{since}%20"),
                     worker_path(None, f"snapshot_{since}+")):
            with self.subTest(path=path):
                self.assert_error(self.get(path, BEARER), 404, "primary")

    def test_percent_escapes(self):
        escaped = "".join(f"%{ord(letter):02x}" for letter in since)
        for text in (escaped, escaped.upper()):
            self.assertEqual(self.get(worker_path(None, "snapshot_" + text), BEARER).status, 200)

    def test_plus_is_itself(self):
        first = history.snapshot(run, id="a+b" + history.new_id())
        history.write(cluster.primary)
        path = worker_path(None, "snapshot_" + first["id"])
        self.assertEqual(self.get(path, BEARER).status, 200)
        self.assertEqual(self.get(path.replace("+", "%2b"), BEARER).status, 200)
        self.assertEqual(self.get(path.replace("+", "%20"), BEARER).status, 404)

    def test_positions(self):
        for good in ("16/B374D848", "0/0", "0/1", "FFFFFFFF/FFFFFFFF", "16/b374d848", " 16/B37 "):
            with self.subTest(good=good):
                answer = self.get(worker_path(), BEARER, "x-read-position: " + good)
                self.assertEqual(answer.status, 200)
        for bad in ("x", "16", "16/", "/16", "/", "16/B374D848x", "16/B374D84 8", "16 /0", "g/0",
                    "-1/0", "+1/0", "0x1/0", "1/2/3", "123456789/0", "0/123456789", "16\\0", "١/٢",
                    "y" * 4000):
            with self.subTest(bad=bad[:20]):
                line = b"x-read-position: " + bad.encode()
                self.assert_error(self.get(worker_path(), BEARER, line), 400)


class Protocol(RouteCase):
    """HTTP/1.1 itself."""

    def test_keep_alive(self):
        with RawConnection(host.port) as connection:
            for path in (worker_path(), "/healthz", "/metrics", "/nothing", worker_path("bad")):
                connection.send(get(path, BEARER))
                answer = connection.read_answer()
                self.assertEqual(answer.headers.get("keep-alive"), "timeout=20", path)
                self.assertNotEqual(answer.headers.get("connection", "").lower(), "close", path)

    def test_close_is_obeyed(self):
        for request in (get("/healthz", "Connection: close"), get("/healthz", version="HTTP/1.0")):
            with RawConnection(host.port) as connection:
                connection.send(request)
                answer = connection.read_answer()
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers.get("connection", "").lower(), "close")
                self.assertTrue(connection.wait_closed(5))

    def test_requests_sent_together_are_answered_in_order(self):
        with RawConnection(host.port) as connection:
            connection.send(get(worker_path(), BEARER) + get("/nothing") + get("/healthz"))
            self.assertEqual([connection.read_answer().status for _ in range(3)], [200, 404, 200])

    def test_a_request_in_pieces(self):
        with RawConnection(host.port) as connection:
            for byte in get(worker_path(), BEARER):
                connection.send(bytes([byte]))
            self.assertEqual(connection.read_answer().status, 200)

    def test_eight_kilobytes_are_allowed(self):
        self.assertEqual(self.get("/healthz?" + "x" * 8000).status, 200)
        self.assertEqual(self.get("/healthz", "x-filler: " + "x" * 8000).status, 200)

    def test_long_request_lines(self):
        for length in (8200, 9000, 100_000):
            self.assert_limit(get("/healthz?" + "x" * length), 414)
            self.assert_limit(get(worker_path("run_" + "x" * length), BEARER), 414)

    def test_long_headers(self):
        for length in (8200, 9000, 100_000):
            self.assert_limit(get("/healthz", "x-filler: " + "x" * length), 431)
            self.assert_limit(get("/healthz", "x" * length + ": y"), 431)
        self.assert_limit(get("/healthz", *(f"x-{n}: {'y' * 100}" for n in range(200))), 431)

    def test_limits_need_no_end(self):
        """What is too long is refused before it ends, so that it cannot go on forever."""
        self.assert_limit(b"GET /" + b"x" * 20_000, 414)
        self.assert_limit(b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000, 431)

    def assert_limit(self, request, status):
        with RawConnection(host.port) as connection:
            connection.send(request)
            answer = connection.read_answer()
            self.assertIsNotNone(answer, "closed without an answer")
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.headers.get("content-type"), "application/json")
            self.assertIn(b'"error"', answer.body)
            self.assertTrue(connection.wait_closed(5), "left open")

    def test_nonsense(self):
        line = b"GET /healthz HTTP/1.1\r\n"
        for data in (b"nonsense", b"GET", b"GET /healthz", b"\x00\x01\x02",
                     b"GET /healthz HTTP/9.9", line + b"no colon",
                     line + b"Host: x\r\nContent-Length: -1",
                     line + b"Host: x\r\nContent-Length: 1\r\nContent-Length: 2",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            with self.subTest(data=data):
                answer = exchange(host.port, data + b"\r\n\r\n")
                self.assertTrue(answer is None or answer.status in (400, 505), answer)
        self.assertEqual(self.get("/healthz").status, 200)

    def test_clients_that_vanish(self):
        for cut in range(0, 200, 7):
            with RawConnection(host.port) as connection:
                connection.send(get(worker_path(), BEARER)[:cut])
        self.assertEqual(self.get("/healthz").status, 200)

    def test_many_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
            answers = list(pool.map(lambda _: host.lookup(run, since).status, range(400)))
        self.assertEqual(set(answers), {200})


class SlowClients(RouteCase):
    """Named so that it comes late: these clients were started with the first test."""

    def test_a_request_that_never_ends(self):
        seconds = patient.dribbled.result()
        self.assertIsNotNone(seconds, "a client that dribbles was let go on")
        self.assertGreater(seconds, 5)

    def test_idle_as_long_as_promised(self):
        answer = patient.kept.result()
        self.assertIsNotNone(answer, "closed before the promised 20 s")
        self.assertEqual(answer.status, 200)

    def test_idle_for_too_long(self):
        seconds = patient.idled.result()
        self.assertIsNotNone(seconds, "an idle connection was never closed")
        self.assertGreater(seconds, 20)


class MetricsPage(RouteCase):
    """GET /metrics."""

    def test_format(self):
        answer = self.get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["content-type"], r"^text/plain; ?version=0\.0\.4")
        parse(answer.body.decode())

    def test_promtool(self):
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("promtool is not installed (Debian package prometheus)")
        done = subprocess.run([promtool, "check", "metrics"], input=self.get("/metrics").body,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

    def test_the_plugins_series_are_there_from_the_start(self):
        for policy in ("replica_then_primary", "primary_only", "replica_only"):
            with Host(cluster.primary, policy={"policy": policy}) as other:
                metrics, section = other.metrics(), {"section": "snapshots_since"}
                name = "run_engine_snapshots_since_replica_miss_total"
                for outcome in ("replica_retry", "primary"):
                    self.assertEqual(metrics.value(name, outcome=outcome, **section), 0)
                for name in ("proven_absent", "primary_shed"):
                    name = f"run_engine_snapshots_since_{name}_total"
                    self.assertEqual(metrics.value(name, **section), 0)

    def test_what_the_process_is(self):
        """Build, configuration and limits, so that rules need no number that was typed by hand."""
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 200,
                  "primary_budget_per_s": 40}
        with Host(cluster.primary, policy=policy, settings={"limits": {"max_lookups": 7}}) as other:
            before, page = other.metrics(), other.request("GET", "/metrics").body.decode()
            self.assertRegex(page, r'snapshot_host_build_info\{version="[0-9.]+",plugin="read-policy",'
                             r'plugin_version="[0-9.]+",abi="1\.\d+",libpq="\d+\.\d+"\} 1\n')
            self.assertIn('policy="replica_then_primary",options="replica_retry_max_ms=200 '
                          'primary_budget_per_s=40"} 1\n', page)
            self.assertEqual(before.value("snapshot_host_policy_option", section="snapshots_since",
                                          option="primary_budget_per_s"), 40)
            self.assertEqual(before.value("snapshot_host_limit", limit="max_lookups"), 7)
            self.assertLess(abs(before.value("process_start_time_seconds") - time.time()), 60)
            with open(f"/proc/{other.pid}/limits", encoding="ascii") as file:
                limit = re.search(r"Max open files +(\d+)", file.read())[1]
            self.assertEqual(before.value("process_max_fds"), int(limit))
            open_fds = len(os.listdir(f"/proc/{other.pid}/fd"))
            self.assertLess(abs(before.value("process_open_fds") - open_fds), 8)
            self.assertGreater(before.value("process_resident_memory_bytes"), 1 << 20)
            other.reload({"policy": "replica_then_primary", "primary_budget_per_s": 50})
            after = other.metrics()
            self.assertEqual(after.value("snapshot_host_policy_option", section="snapshots_since",
                                         option="primary_budget_per_s"), 50)
            self.assertGreaterEqual(after.value("snapshot_host_config_loaded_timestamp_seconds"),
                                    before.value("snapshot_host_config_loaded_timestamp_seconds"))
            hashes = re.findall(r'config_info\{file="read-policy.ini",hash="(\w{16})"\}',
                                page + other.request("GET", "/metrics").body.decode())
            self.assertEqual(len(set(hashes)), 2)

    def test_durations_by_server(self):
        """Which server is slow, and at what."""
        name = "snapshot_host_statement_duration_seconds"
        with Host(cluster.primary, [cluster.standby], policy={"policy": "replica_only"}) as other:
            other.until_read()
            before = other.metrics().value(f"{name}_count", server="replica", kind="read")
            for _ in range(5):
                self.assertEqual(other.lookup(run, since).status, 200)
            metrics = other.metrics()
            self.assertGreaterEqual(
                metrics.value(f"{name}_count", server="replica", kind="read"), before + 5)
            self.assertEqual(metrics.value(f"{name}_count", server="primary", kind="read"), 0)
            self.assertGreater(metrics.value(f"{name}_sum", server="replica", kind="read"), 0)
            for server in ("primary", "replica"):
                self.assertGreater(
                    metrics.value(f"{name}_count", server=server, kind="question"), 0)
            with locked_table():
                slow = other.begin_lookup(run, since)
                wait_for(lambda: other.metrics().value("snapshot_host_lookups_in_flight") == 1,
                         "the lookup to hang")
                time.sleep(0.6)
            self.assertEqual(slow.result().status, 200)
            after = other.metrics()
            self.assertGreater(after.value(f"{name}_sum", server="replica", kind="read")
                               - metrics.value(f"{name}_sum", server="replica", kind="read"), 0.6)

    def test_statuses_one_by_one(self):
        def answers(code):
            return other.metrics().value("snapshot_host_http_responses_total", code=code)

        with Host(cluster.primary, policy={"policy": "primary_only"}) as other:
            self.assertEqual(answers("401"), 0)
            for _ in range(3):
                self.assertEqual(other.request("GET", worker_path()).status, 401)
            self.assertEqual((answers("401"), answers("400")), (3, 0))
            with RawConnection(other.port) as connection:
                connection.send(b"nonsense\r\n\r\n")
                self.assertEqual(connection.read_answer().status, 400)
            self.assertEqual((answers("401"), answers("400")), (3, 1))

    def test_metric_prefix(self):
        policy = {"policy": "replica_then_primary", "metric_prefix": "my.engine"}
        with Host(cluster.primary, policy=policy) as other:
            metrics = other.metrics()
            self.assertEqual(metrics.value("my_engine_replica_miss_total", outcome="primary",
                                           section="snapshots_since"), 0)


class BusyPoll(RouteCase):
    """[listen] busy_poll_us: the loop polls for an answer instead of sleeping."""

    KEYS = {"listen": {"busy_poll_us": 1000}}

    def host(self, settings, **policy):
        return Host(cluster.primary, replicas=[cluster.standby],
                    policy={"policy": "replica_then_primary", **policy}, settings=settings)

    def answers(self, other):
        """Turns with an awaited answer, seen by polling or not."""
        metrics = other.metrics()
        return [metrics.value("snapshot_host_busy_polls_total", outcome=outcome)
                for outcome in ("seen", "in_vain")]

    def wait_for_polls(self, other):
        before = sum(self.answers(other))

        def has_polled():
            found = other.lookup(run, since).status == 200  # no: the host still backs off from the replica
            return found and sum(self.answers(other)) > before
        wait_for(has_polled, "an answer to be polled for")

    def test_alone(self):
        with self.host(self.KEYS) as other:
            self.wait_for_polls(other)

    def test_never(self):
        with self.host({"listen": {"busy_poll_us": 0}}) as other:
            for _ in range(50):
                self.assertEqual(other.lookup(run, since).status, 200)
            self.assertEqual(self.answers(other), [0, 0])

    def test_not_alone(self):
        """Another lookup waits for its retry at the same time, and longer than a busy machine takes for this."""
        waits = {"replica_retry_min_ms": 4000, "replica_retry_max_ms": 4000}
        with self.host(self.KEYS, **waits) as other:
            def answered():
                return other.metrics().value("snapshot_host_statement_duration_seconds_count",
                                             server="replica", kind="read")
            self.wait_for_polls(other)
            earlier = answered()
            missing = other.begin_lookup(run, "nosuchsnapshot")
            wait_for(lambda: answered() > earlier, "a lookup to wait")
            other.lookup(run, since)  # the turn of that answer is over now
            before = self.answers(other)
            for policy in ("replica_then_primary", "primary_only"):
                other.reload({"policy": policy})
                for _ in range(20):
                    self.assertEqual(other.lookup(run, since).status, 200)
            self.assertEqual(self.answers(other), before)
            self.assertFalse(missing.done())
            self.assertEqual(missing.result().status, 404)

    def test_current_reads(self):
        """They are polled for in company, too; here of a lookup that waits for its retry."""
        waits = {"replica_retry_min_ms": 2000, "replica_retry_max_ms": 2000}
        with self.host(self.KEYS, **waits) as other:
            self.wait_for_polls(other)
            missing = other.begin_lookup(run, "nosuchsnapshot")
            wait_for(lambda: other.metrics().value("snapshot_host_lookups_in_flight") == 1, "a lookup to wait")
            other.reload({"policy": "read_index", "when": "always"})
            self.wait_for_polls(other)
            self.assertFalse(missing.done())
            self.assertEqual(missing.result().status, 404)

    def test_after_an_answer_that_was_not_waited_for(self):
        settings = {**self.KEYS, "limits": {"lookup_timeout_ms": 200}}
        with self.host(settings) as other:
            with locked_table():
                self.assert_error(other.lookup(run, since), 503)
            self.wait_for_polls(other)


class Overload(RouteCase):
    """Limits of the host and of the primary."""

    def assert_try_later(self, answer, asked_at):
        """429 with both headers: a moment 1 to 2 s from now in ms, and whole seconds."""
        self.assert_error(answer, 429)
        reset = int(answer.headers["x-ratelimit-reset"]) / 1000
        self.assertGreaterEqual(reset, asked_at + 0.99)
        self.assertLessEqual(reset, time.time() + 2.01)
        self.assertIn(answer.headers["retry-after"], ("1", "2"))

    def test_max_lookups(self):
        settings = {"limits": {"max_lookups": 2}}
        with Host(cluster.primary, policy={"policy": "primary_only"}, settings=settings) as other:
            with locked_table():
                hanging = [other.begin_lookup(run, since) for _ in range(2)]
                wait_for(lookups_that_hang, "a lookup to hang")
                wait_for(lambda: other.metrics().value("snapshot_host_lookups_in_flight") == 2,
                         "both lookups to be under way")
                asked_at = time.time()
                self.assert_try_later(other.lookup(run, since), asked_at)
                self.assertEqual(other.request("GET", "/healthz").status, 200)
            for future in hanging:
                self.assert_found(future.result(), history.rows(), run, since, "primary")
            self.assertEqual(other.lookup(run, since).status, 200)

    def test_primary_budget(self):
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 1, "primary_budget_burst": 2}
        with Host(cluster.primary, [cluster.standby], policy=policy) as other:
            asked_at = time.time()
            *served, shed = exhaust_budget(other)
            self.assertGreaterEqual(len(served), 2)
            self.assertEqual({answer.status for answer in served}, {404})
            self.assert_try_later(shed, asked_at)
            self.assertEqual(other.counters(), {"primary_shed": 1})
            self.assertEqual(other.lookup(run, since).status, 200, "hits need no budget")

    def test_lookup_timeout(self):
        settings = {"limits": {"lookup_timeout_ms": 200}}
        with Host(cluster.primary, policy={"policy": "primary_only"}, settings=settings) as other:
            with locked_table():
                answer = other.lookup(run, since)
                self.assert_error(answer, 503)
                self.assertGreaterEqual(answer.milliseconds, 195)
                self.assertLess(answer.milliseconds, 2000)
            answer = wait_for(lambda: (lambda a: a if a.status == 200 else None)(
                other.lookup(run, since)), "the host to answer again")
            self.assert_found(answer, history.rows(), run, since, "primary")
        self.assertEqual({line.level for line in other.lookup_log()}, {"ERROR"})

    def test_clients_that_leave_make_room(self):
        settings = {"limits": {"max_lookups": 3, "lookup_timeout_ms": 9000}}
        with Host(cluster.primary, [cluster.standby], settings=settings, policy={
                "policy": "replica_then_primary", "replica_retry_min_ms": 8000,
                "replica_retry_max_ms": 8000}) as other:
            for _ in range(10):  # each waits for its retry until its client leaves
                with RawConnection(other.port) as connection:
                    path = lookup_path(run, history.new_id())
                    connection.send(get(path, "authorization: Bearer " + TOKEN))
                    wait_for(lambda: other.metrics().value("snapshot_host_lookups_in_flight") == 1,
                             "the lookup to be under way")
                wait_for(lambda: other.metrics().value("snapshot_host_lookups_in_flight") == 0,
                         "the lookup to be forgotten")
            self.assertEqual(other.lookup(run, since).status, 200)
        self.assert_logged(other)


class Reload(RouteCase):
    """SIGHUP."""

    def test_good_broken_good(self):
        retry = {"policy": "replica_then_primary", "replica_retry_max_ms": 0}
        with Host(cluster.primary, [cluster.standby], policy=retry) as other:
            self.assertEqual(other.lookup(run, since).served_by, "replica")
            other.reload({"policy": "primary_only"})
            self.assertEqual(other.lookup(run, since).served_by, "primary")
            for broken in ({"policy": "primary_onyl"}, {"policy": "replica_only", "nonsense": 1},
                           "no section\n", "", "[another]\npolicy = primary_only\n", "\0"):
                with self.subTest(broken=broken):
                    before = len(other.log)
                    other.reload(broken)
                    line = other.wait_for_log(
                        lambda line, n=before: line.level == "ERROR" and line in other.log[n:],
                        "a line about the broken file")
                    self.assertIn("read-policy.ini", line.text)
                    self.assertEqual(other.lookup(run, since).served_by, "primary")
            other.reload({"policy": "replica_only"})
            self.assertEqual(other.lookup(run, since).served_by, "replica")
            self.assertEqual(other.counters(), {})

    def test_keys_set_in_vain_are_noted_at_start_and_reload(self):
        with Host(cluster.primary, policy={"policy": "primary_only", "first_ms": 3}) as other:
            def noted(key):
                return lambda line: f"{key} = " in line.fields.get("note", "")
            line = other.wait_for_log(noted("first_ms"), "a note at the start")
            self.assertEqual(line.level, "INFO")
            self.assertIn("read-policy.ini:", line.fields["note"])
            other.reload({"policy": "primary_only", "when": "always"})
            other.wait_for_log(noted("when"), "a note after the reload")

    def test_missing_file(self):
        with Host(cluster.primary, policy={"policy": "primary_only"}) as other:
            os.unlink(other.policy_path)
            other.signal(signal.SIGHUP)
            line = other.wait_for_log(lambda line: line.level == "ERROR", "a line about the file")
            self.assertIn("No such file", line.text)
            self.assertEqual(other.lookup(run, since).served_by, "primary")

    def test_counters_survive(self):
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 1}
        with Host(cluster.primary, [cluster.standby], policy=policy) as other:
            exhaust_budget(other)
            self.assertEqual(other.counters(), {"primary_shed": 1})
            other.reload({"policy": "primary_only"})
            self.assertEqual(other.lookup(run, since).served_by, "primary")
            self.assertEqual(other.counters(), {"primary_shed": 1})

    def test_reads_under_way_finish_as_they_began(self):
        policy = {"policy": "replica_then_primary", "replica_retry_min_ms": 1000,
                  "replica_retry_max_ms": 1000}
        with Host(cluster.primary, [cluster.standby], policy=policy) as other:
            with other.until_read():
                future = other.begin_lookup(run, history.new_id())
            other.reload({"policy": "replica_only"})
            self.assert_error(other.lookup(run, history.new_id()), 404, "replica")
            self.assertFalse(future.done())
            self.assert_error(future.result(), 404, "primary")


class Termination(RouteCase):
    """SIGTERM: what is under way is answered, nothing more is accepted, the exit status is 0."""

    def host(self, **settings):
        return Host(cluster.primary, policy={"policy": "primary_only"}, settings=settings)

    def test_a_lookup_under_way_is_answered(self):
        with self.host() as other:
            with locked_table():
                future = other.begin_lookup(run, since)
                wait_for(lookups_that_hang, "the lookup to hang")
                other.signal(signal.SIGTERM)
                wait_for(lambda: self.refuses(other.port), "the host to stop listening")
                self.assertFalse(future.done())
                self.assertTrue(other.is_running())
            self.assert_found(future.result(), history.rows(), run, since, "primary")
            other.wait_stopped()

    def assert_headers(self, answer):
        """An answer given while draining ends its connection and promises nothing."""
        self.assertEqual(answer.headers.get("content-type"), "application/json")
        self.assertEqual(answer.headers.get("connection", "").lower(), "close")
        self.assertNotIn("keep-alive", answer.headers)

    @staticmethod
    def refuses(port):
        try:
            RawConnection(port).close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: taken as it closed
            return True
        return False

    def test_a_lookup_that_never_ends(self):
        with self.host(limits={"lookup_timeout_ms": 400}) as other:
            with locked_table():
                future = other.begin_lookup(run, since)
                wait_for(lookups_that_hang, "the lookup to hang")
                other.signal(signal.SIGTERM)
                self.assert_error(future.result(), 503)
                other.wait_stopped()

    def test_idle_connections_are_no_reason_to_wait(self):
        with self.host() as other:
            with RawConnection(other.port) as used, RawConnection(other.port):
                used.send(get("/healthz"))
                self.assertEqual(used.read_answer().status, 200)
                begun = time.monotonic()
                other.stop()
                self.assertLess(time.monotonic() - begun, 5)

    def test_sigterm_at_once(self):
        """With the servers away, and before the first request."""
        primary = {"conninfo": f"host=127.0.0.1 port={testbed.free_port()} dbname=postgres"}
        with self.host(primary=primary) as other:
            pass
        self.assertFalse(other.is_running())


class ConfigurationCase(unittest.TestCase):
    """Runs of the host that end by themselves: with -t, or because of an error."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="snapshot-host-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.policy_path = os.path.join(self.directory, "read-policy.ini")
        self.config_path = os.path.join(self.directory, "snapshot-host.ini")
        self.write(self.policy_path, "[snapshots_since]\npolicy = replica_then_primary\n")
        self.settings = {
            "listen": {"port": testbed.free_port()}, "auth": {"token": TOKEN},
            "primary": {"conninfo": cluster.primary.conninfo()},
            "replica": {"conninfo": cluster.primary.conninfo()},
            "plugin": {"path": PLUGIN, "config": self.policy_path}}

    @staticmethod
    def write(path, text):
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def check(self, config=None):
        """`snapshot-host -t` on this configuration: its whole text, or settings that differ."""
        if not isinstance(config, (str, bytes)):
            config = ini_text({**self.settings, **(config or {})})
        self.write(self.config_path, config)
        return run_host("-t", "-c", self.config_path)

    def assert_good(self, done, *patterns):
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        for pattern in patterns:
            self.assertRegex(done.stdout, pattern)

    def assert_refused(self, done, *patterns):
        """Refused, with each of these patterns in the errors; and no crash."""
        self.assertGreater(done.returncode, 0, done)
        self.assertLess(done.returncode, 100, done)
        for pattern in patterns:
            self.assertRegex(done.stderr, pattern)


class CheckOption(ConfigurationCase):
    """snapshot-host -t, and the command line."""

    def test_good_files(self):
        self.assert_good(self.check(), "snapshots_since", "replica_then_primary", r"\b50\b",
                         r"\b200\b")

    def test_every_section_is_described(self):
        self.write(self.policy_path, "[snapshots_since]\npolicy = primary_only\n\n"
                   "[another]\npolicy = replica_then_primary\nreplica_retry_min_ms = 123\n"
                   "replica_retry_max_ms = 4567\n")
        self.assert_good(self.check(), "primary_only", "another", r"\b123\b", r"\b4567\b")

    def test_keys_set_in_vain_are_noted(self):
        self.write(self.policy_path, "[snapshots_since]\npolicy = primary_only\nwhen = miss\n")
        self.assert_good(self.check(), r"(?m)^Note: .*read-policy\.ini:3: \[snapshots_since\] when = miss: "
                         r"not used by policy = primary_only\.$")

    def test_sample_files(self):
        """The files that come with the source; their paths are relative to its directory."""
        self.assert_good(run_host("-t", "-c", "conf/snapshot-host.ini"), "replica_then_primary")

    def test_nothing_is_started(self):
        """-t connects to nothing and listens on nothing: it may run beside the host."""
        with Host(cluster.primary) as other:
            listen = {"port": other.port}
            away = {"conninfo": f"host=127.0.0.1 port={testbed.free_port()}"}
            self.assert_good(self.check({"listen": listen, "primary": away}))

    def test_output_that_cannot_be_written(self):
        for arguments in (["-t", "-c", "conf/snapshot-host.ini"], ["--keys"], ["--help"], ["--version"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([os.path.join(testbed.BUILD, "snapshot-host"), *arguments], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot be written", done.stderr)

    def test_one_place_for_two_listeners(self):
        """With several threads the system would let both listen, and clients would meet either."""
        for public, admin, same in (("127.0.0.1", "127.0.0.1", True), ("0.0.0.0", "127.0.0.1", True),
                                    ("127.0.0.1", "::", True), ("::1", "0::1", True),
                                    ("127.0.0.1", "127.0.0.2", False)):
            with self.subTest(public=public, admin=admin):
                done = self.check({"listen": {"address": public, "port": 8085, "threads": 4},
                                   "admin": {"address": admin, "port": 8085}})
                if same:
                    self.assert_refused(done, r"\[admin\] port = 8085: \[listen\] has it too")
                else:
                    self.assert_good(done)
        self.assert_good(self.check({"listen": {"port": 0}, "admin": {"port": 0}}))

    def test_broken_policy(self):
        self.write(self.policy_path, "[snapshots_since]\npolicy = replica_then_primary\n"
                   "replica_retry_min = 5\nreplica_retry_max_ms = many\n")
        done = self.check()
        self.assert_refused(done, r"read-policy\.ini:3", r"did you mean.*replica_retry_min_ms",
                            r"read-policy\.ini:4", "many")

    def test_missing_policy(self):
        os.unlink(self.policy_path)
        self.assert_refused(self.check(), r"read-policy\.ini", "No such file")

    def test_section_that_the_policy_lacks(self):
        self.settings["plugin"]["section"] = "elsewhere"
        self.assert_refused(self.check(), "elsewhere", r"read-policy\.ini")

    def test_command_line(self):
        for arguments in ((), ("-t",), ("-c",), ("-x",), ("-c", self.config_path, "more"),
                          ("-t", "-c", os.path.join(self.directory, "nothing.ini")),
                          ("-t", "-c", self.directory), ("-c", "/dev/null"), ("-c", "/dev/zero")):
            with self.subTest(arguments=arguments):
                self.assert_refused(run_host(*arguments), r"\w")


class Strictness(ConfigurationCase):
    """snapshot-host.ini is read as strictly as the policy file is."""

    def assert_error(self, config, line, *patterns):
        """The error names file and line, and has every pattern."""
        self.assert_refused(self.check(config), rf"snapshot-host\.ini:{line}\b", *patterns)

    def text(self, **more):
        return ini_text({**self.settings, **more})

    def test_unknown_key(self):
        for name, near in (("prot", "port"), ("adress", "address"), ("thread", "threads")):
            self.assert_error(f"[listen]\n{name} = 1\n" + self.text(listen=None), 2, name,
                              f"did you mean.*{near}")

    def test_key_of_another_section(self):
        """It is named, where what it is set to may be a secret."""
        for section, key, value in (("primary", "expect", "primary"), ("listen", "token", "s3cret"),
                                    ("auth", "max_lookups", "5")):
            config = ini_text({section: {**(self.settings.get(section) or {}), key: value}})
            line = config.count("\n")
            self.assert_error(config + self.text(**{section: None}), line,
                              rf"\[{section}\] {key} = \(not shown\): unknown key")

    def test_unknown_section(self):
        for name, near in (("primry", "primary"), ("limit", "limits"), ("replicas", "replica")):
            self.assert_error(f"[{name}]\n" + self.text(), 1, name, f"did you mean.*{near}")

    def test_bad_values(self):
        for section, key, values in (
                ("listen", "port", ("", "x", "-1", "65536", "80 80", "0x50", "8080.5", "9" * 30)),
                ("listen", "threads", ("0", "65", "many")),
                ("listen", "busy_poll_us", ("-1", "1001", "1ms")),
                ("primary", "links", ("0", "65", "")), ("primary", "prepared", ("maybe", "1", "")),
                ("primary", "state", ("commit", "")), ("replica", "links", ("-2",)),
                ("limits", "max_lookups", ("0", "1000001")),
                ("limits", "lookup_timeout_ms", ("0", "9001", "1s")),
                ("primary", "conninfo", ("", "nonsense", "port"))):
            for value in values:
                with self.subTest(key=key, value=value):
                    keys = {key: None} | self.settings.get(section, {}) | {key: value}
                    config = ini_text({section: keys}) + self.text(**{section: None})
                    self.assert_error(config, 2, rf"\[{section}\]", key)

    def test_bounds_are_allowed(self):
        for section, key, values in (("listen", "port", (0, 65535)), ("listen", "threads", (1, 64)),
                                     ("listen", "busy_poll_us", (0, 1000)),
                                     ("primary", "links", (1, 64)),
                                     ("limits", "lookup_timeout_ms", (1, 9000))):
            for value in values:
                with self.subTest(key=key, value=value):
                    keys = {**self.settings.get(section, {}), key: value}
                    self.assert_good(self.check({section: keys}))

    def test_all_errors_at_once(self):
        config = self.text().replace("[auth]", "[auht]") + "[limits]\nmax_lookups = none\nx = 1\n"
        done = self.check(config)
        self.assert_refused(done, "auht", "max_lookups", r"\bx\b")
        self.assertGreaterEqual(len(done.stderr.strip().splitlines()), 3)

    def test_duplicates(self):
        self.assert_error("[listen]\nport = 1\nport = 2\n" + self.text(listen=None), 3, "port")
        text = self.text()
        self.assert_error(text + "[auth]\ntoken = again\n", text.count("\n") + 1, "auth")

    def test_required_sections(self):
        for section in ("primary", "plugin"):
            self.assert_refused(self.check({section: None}), section)
        for section, key in (("primary", "conninfo"), ("plugin", "path"), ("plugin", "config")):
            keys = {**self.settings[section], key: None}
            self.assert_refused(self.check({section: keys}), key)

    def test_traps_of_the_parser(self):
        text = self.text()
        end = text.count("\n") + 1
        for name, tail in (("long line", "[limits]\nmax_lookups = " + "1" * 200),
                           ("long section name", f"[replica.{'x' * 60}]\nconninfo = port=1"),
                           ("comment inside a line", "[limits]\nmax_lookups = 5 ; five"),
                           ("continuation", "[limits]\nmax_lookups = 5\n  lookup_timeout_ms = 5"),
                           ("no equals sign", "[limits]\nmax_lookups"),
                           ("NUL", "[limits]\nmax_lookups = 5\0")):
            with self.subTest(name):
                done = self.check(text + tail + "\n")
                self.assert_refused(done, rf"snapshot-host\.ini:({end}|{end + 1}|{end + 2})\b")
        self.assert_error("port = 1\n" + text, 1, "port")

    def test_replicas(self):
        for names in ((), ("replica",), ("replica", "replica.b"), ("replica.b",),
                      ("replica", "replica.b", "replica.c", "replica.eu-west")):
            with self.subTest(names=names):
                replicas = {name: {"conninfo": "port=1", "links": 1} for name in names}
                self.assert_good(self.check({"replica": None, **replicas}),
                                 rf"\b{len(names) + 1} server")
        self.assert_refused(self.check({"replica.": {"conninfo": "port=1"}}), r"replica\.")

    def test_several_replicas_serve(self):
        replicas = {name: {"conninfo": cluster.standby.conninfo(), "links": 1}
                    for name in ("replica", "replica.b")}
        with Host(cluster.primary, settings=replicas) as other:
            for _ in range(40):
                self.assertEqual(other.lookup(run, since).status, 200)
            metrics = other.metrics()
            for name in replicas:
                self.assertGreater(metrics.value("snapshot_host_reads_total", server=name), 0)

    def test_tokens(self):
        self.assert_good(self.check({"auth": None}), "(?i)nobody")
        self.assert_good(self.check({"auth": {"token": ""}}), "(?i)nobody")
        token_file = os.path.join(self.directory, "token")
        self.assert_refused(self.check({"auth": {"token_file": token_file}}), "token")
        for content, good in (("", False), ("\nsecret\n", False), ("secret", True),
                              ("s\r\n", True), ("secret\nother\n", True), ("secret\n\n", True),
                              ("secret\nother\nthird\n", False), ("secret\n\nthird\n", False),
                              ("s" * 199 + "\r\n", True), ("s" * 200, False),
                              ("secret\n" + "s" * 200, False),
                              (" \t\nsecret\n", False), ("secret\nother\n \n", True),
                              # What looks right in an editor, and lets nobody in, or others.
                              ("secret\rother\r", False), ("\ufeffsecret\n", False),
                              ("secret\n\ufeffother", False), ("s\0e\0c\0", False), ("s\x7f", False)):
            self.write(token_file, content)
            done = self.check({"auth": {"token_file": token_file}})
            self.assertEqual(done.returncode == 0, good, done)
        done = self.check({"auth": {"token": "x", "token_file": token_file}})
        self.assert_refused(done, "token_file")
        self.assertNotIn("secret", done.stdout + done.stderr)
        for key in ("token", "deployment_id"):
            self.assert_good(self.check({"auth": {key: "se\tcr\u00e9t"}}))
            for value in ("se\x1bcret", "secret\x7f", "\ufeffsecret"):
                done = self.check({"auth": {key: value}})
                self.assert_refused(done, rf"\[auth\] {key}: it holds what no client sends")
                self.assertNotRegex(done.stdout + done.stderr, "secret|\x1b")


class Plugins(ConfigurationCase):
    """What is not a plugin is refused with file, symbol, what was expected and what was found."""

    SYMBOL = "read_policy_plugin_v1"

    def refuse(self, path, *patterns):
        done = self.check({"plugin": {"path": path, "config": self.policy_path}})
        self.assert_refused(done, re.escape(os.path.basename(path)), *patterns)
        # And it is refused in the same way when it is meant to serve.
        self.assert_refused(run_host("-c", self.config_path), *patterns)

    def test_no_file(self):
        self.refuse(os.path.join(self.directory, "nothing.so"), "No such file")

    def test_no_shared_object(self):
        path = os.path.join(self.directory, "text.so")
        self.write(path, "not ELF\n" * 100)
        self.refuse(path, "ELF|invalid|too short")
        self.write(path, "")
        self.refuse(path, "too short")
        self.refuse(self.directory, "directory")

    def test_no_symbol(self):
        path = f"/lib/{sysconfig.get_config_var('MULTIARCH')}/libm.so.6"
        done = self.check({"plugin": {"path": path, "config": self.policy_path}})
        self.assert_refused(done, "libm", self.SYMBOL)

    def test_relative_path(self):
        """It begins where the configuration is, wherever the host is started."""
        plugin = {"path": os.path.relpath(PLUGIN, os.path.realpath(self.directory)),
                  "config": os.path.basename(self.policy_path)}
        self.write(os.path.join(self.directory, "token"), "secret\n")
        self.assert_good(self.check({"plugin": plugin, "auth": {"token_file": "token"}}))
        self.assert_good(run_host("-t", "-c", os.path.basename(self.config_path),
                                  cwd=self.directory))
        self.assert_good(run_host("-t", "-c", "./" + os.path.basename(self.config_path),
                                  cwd=self.directory))

    def test_relative_path_in_conninfo(self):
        self.write(os.path.join(self.directory, "passwords"), "*:*:*:*:secret\n")
        os.chmod(os.path.join(self.directory, "passwords"), 0o644)
        for conninfo in ("host=db passfile=passwords", "postgresql://db?passfile=passwords", "postgres://db/?passfile=passwords"):
            done = self.check({"primary": {"conninfo": conninfo}})
            self.assert_good(done)
            self.assertIn(f'password file "{self.directory}/passwords" is not used', done.stdout + done.stderr)
        done = self.check({"primary": {"conninfo": "host=db sslrootcert=no/ca"}})
        self.assert_good(done)
        self.assertIn(f'[primary] sslrootcert: cannot read "{self.directory}/no/ca": No such file',
                      done.stdout + done.stderr)
        many = " ".join(f"{word}=ca" for word in ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "passfile"))
        deep = os.path.join(self.directory, *["d" * 200] * 2)
        os.makedirs(deep)
        self.config_path = os.path.join(deep, "host.ini")
        done = self.check({"primary": {"conninfo": "host=db password=hunter2 " + many}})
        self.assert_refused(done, r"\[primary\] conninfo: too long with the file's own folder", "absolute paths")
        self.assertNotIn("hunter2", done.stdout + done.stderr)

    def test_other_tables(self):
        """Plugins with one thing wrong in their table each."""
        if shutil.which("cc") is None:
            self.skipTest("there is no C compiler")
        for name, members, pattern in (
                ("null", None, "NULL"),
                ("magic", "0x12345678, 4096, 1, 0", "(?i)12345678.*5264506c"),
                ("major", "0x5264506C, 4096, 2, 7", r"2\.7.*\b1\."),
                ("size", "0x5264506C, 24, 1, 0", r"\b24\b"),
                ("empty", "0x5264506C, 4096, 1, 0", "NULL")):
            with self.subTest(name):
                self.refuse(self.compile_plugin(name, members), pattern)

    def compile_plugin(self, name, members):
        table = "&table" if members else "(void *)0"
        source = (f"static const struct {{ unsigned prefix[4]; void *rest[510]; }} table ="
                  f" {{ {{ {members or 0} }}, {{ 0 }} }};\n"
                  f"const void *{self.SYMBOL}(void) {{ return (void)table, {table}; }}\n")
        path = os.path.join(self.directory, name + ".so")
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path],
                       input=source.encode(), check=True)
        return path


if __name__ == "__main__":
    unittest.main()
