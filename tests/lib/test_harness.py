#!/usr/bin/python3
"""The tests' own instruments: a broken gauge must not look like silence."""

import contextlib
import datetime
import glob
import json
import os
import re
import shlex
import socket
import socketserver
import subprocess
import tempfile
import threading
import unittest

import testbed
from answer import strict_json
from cluster import OLDEST_MAJOR, Cluster
from history import History
from oracle import differences, expected_answer
from prometheus import parse
from relay import Relay
from testbed import BUILD, PORTS_EACH, ROOT, free_port, give_back_port


class Ports(unittest.TestCase):
    """testbed.free_port, in programs that run at the same time."""

    SCRIPT = ("import testbed\nprint(*[testbed.free_port() for _ in range(30)], flush=True)\n"
              "input()")

    def test_programs_at_once_pick_different_ones(self):
        programs = [subprocess.Popen(["/usr/bin/python3", "-c", self.SCRIPT], text=True,
                                     cwd=ROOT + "/tests/lib", stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE) for _ in range(3)]
        ports = [port for program in programs for port in program.stdout.readline().split()]
        for program in programs:
            program.communicate("\n")
        self.assertEqual(len(ports), 90)
        self.assertEqual(len(set(ports)), 90)

    def test_a_kept_one_is_not_picked_again(self):
        """A server that is stopped comes back there, however many were picked meanwhile."""
        kept = free_port(kept=True)
        self.assertNotIn(kept, [free_port() for _ in range(2 * PORTS_EACH)])
        give_back_port(kept)
        self.assertIn(kept, [free_port() for _ in range(PORTS_EACH)])

    def test_a_block_is_one_programs_until_it_ends(self):
        """Whoever the programs belong to: what keeps others off is a port, not a file."""
        command = ["/usr/bin/python3", "-c", self.SCRIPT]
        program = subprocess.Popen(command, text=True, cwd=ROOT + "/tests/lib",
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        port = int(program.stdout.readline().split()[0])
        lock = port - port % PORTS_EACH
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.assertRaises(OSError, other.bind, ("127.0.0.1", lock))
            program.communicate("\n")
            other.bind(("127.0.0.1", lock))


class Environment(unittest.TestCase):
    """Nothing that a user has set for PostgreSQL's clients has any effect on demo and tests, and
    PG_MAJOR chooses the servers. Each program is run by itself, without run.py."""

    LIBPQ = {"PGHOST": "nowhere.invalid", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1",
             "PGDATABASE": "absent", "PGUSER": "nobody", "PGPASSWORD": "wrong",
             "PGPASSFILE": "/nonexistent/pgpass", "PGSERVICE": "absent",
             "PGSERVICEFILE": "/nonexistent/service.conf", "PGSYSCONFDIR": "/nonexistent",
             "PGOPTIONS": "-c no_such_setting=1", "PGAPPNAME": "somebody else",
             "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/nonexistent/root.crt",
             "PGSSLCERT": "/nonexistent/client.crt", "PGSSLKEY": "/nonexistent/client.key",
             "PGREQUIRESSL": "1", "PGREQUIREPEER": "nobody", "PGGSSENCMODE": "require",
             "PGCHANNELBINDING": "require", "PGKRBSRVNAME": "absent", "PGCONNECT_TIMEOUT": "x",
             "PGCLIENTENCODING": "absent", "PGTARGETSESSIONATTRS": "standby", "PGTZ": "absent",
             "PGDATESTYLE": "absent", "PGGEQO": "absent", "PGDATA": "/nonexistent",
             "PGSSLMINPROTOCOLVERSION": "absent", "PGLOCALEDIR": "/nonexistent",
             "PGREQUIREAUTH": "scram-sha-256", "PGSSLNEGOTIATION": "direct", "PGSSLCERTMODE": "require",
             "PGLOADBALANCEHOSTS": "absent", "PGSSLCRL": "/nonexistent/crl", "PGSSLSNI": "absent",
             "PGMINPROTOCOLVERSION": "absent", "PGGSSDELEGATION": "absent", "PGCTLTIMEOUT": "x",
             "PG_COLOR": "always"}
    C_SUITE = [os.path.join(BUILD, "tests", "host-sample", "postgres", "test_pg_group")]
    CLUSTER = ["/usr/bin/python3", "-c", "import cluster\ncluster.Cluster()"]

    @staticmethod
    def installed():
        """The versions that have servers; of others there may be clients."""
        return [path.split("/")[4] for path in glob.glob("/usr/lib/postgresql/*/bin/postgres")]

    def run_with(self, command, **variables):
        library = os.path.join(ROOT, "tests", "lib")
        done = subprocess.run(command, cwd=ROOT, text=True, check=False, capture_output=True,
                              env={**os.environ, "PYTHONPATH": library, "TEST_CASE": "", **variables})
        return done.returncode, done.stdout + done.stderr

    def test_other_clients_variables(self):
        for command in (self.C_SUITE, ["/usr/bin/python3", "tests/demo.py"]):
            with self.subTest(command=command):
                status, output = self.run_with(command, TEST_CASE="without_prepared", **self.LIBPQ)
                self.assertEqual(status, 0, output)

    def test_a_version_that_is_not_there(self):
        for command in (self.C_SUITE, self.CLUSTER):
            for wanted in ("9", "98", "newest", "15x", " 15"):
                with self.subTest(command=command, wanted=wanted):
                    status, output = self.run_with(command, PG_MAJOR=wanted)
                    self.assertEqual(status, 1)
                    last = output.splitlines()[-1]
                    self.assertIn(f"PG_MAJOR={wanted} is not one of", last)
                    self.assertTrue(any(version in last for version in self.installed()), last)

    def test_what_goes_wrong_is_told_without_a_traceback(self):
        for command in ("tests/demo.py", "bench/hit.py", "tests/conf/incidents.py"):
            with self.subTest(command=command):
                status, output = self.run_with(["/usr/bin/python3", command], PG_MAJOR="98")
                self.assertEqual(status, 1)
                self.assertIn(os.path.basename(command) + ": PG_MAJOR=98 is not", output)
                self.assertNotIn("Traceback", output)
                self.assertIn("Traceback", self.run_with(["/usr/bin/python3", command],
                                                         PG_MAJOR="98", TRACEBACK="1")[1])

    def test_the_last_words_of_a_tool_that_fails(self):
        """initdb's, which may write no file of any size, and those of a program whose output is read."""
        for script, words in (
                ("ulimit -f 16; exec /usr/bin/python3 -B tests/demo.py",
                 r"demo\.py: initdb ended with -?\d+:\n(.*\n)*creating configuration files"),
                ("exec /usr/bin/python3 -c \"import subprocess, testbed\ntestbed.as_program(lambda: subprocess.run("
                 "['readelf', '-d', '/nonexistent'], text=True, capture_output=True, check=True))\"",
                 r"'readelf', '-d', '/nonexistent'.* exit status 1\.\n.*No such file")):
            with self.subTest(script=script):
                status, output = self.run_with(["sh", "-c", script])
                self.assertEqual(status, 1)
                self.assertRegex(output, words)
                self.assertNotIn("Traceback", output)

    def test_the_version_that_was_chosen(self):
        for version in self.installed():
            if int(version) >= OLDEST_MAJOR:
                script = "import cluster\nprint(cluster.Cluster().primary.value('SHOW server_version'))"
                status, output = self.run_with([*self.CLUSTER[:2], script], PG_MAJOR=version)
                self.assertEqual((status, re.match(r"\d*", output)[0]), (0, version), output)  # or 19rc1


class Runner(unittest.TestCase):
    """tests/run.py counts what programs report, and does not accept silence."""

    def run_programs(self, programs, *options):
        """programs: name to shell script. Returns exit status and output lines."""
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for name, script in programs.items():
                paths.append(os.path.join(directory, name))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.write("#!/bin/sh\n" + script)
                os.chmod(paths[-1], 0o755)
            done = subprocess.run(["/usr/bin/python3", ROOT + "/tests/run.py", *options, *paths],
                                  capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()

    def assert_result(self, script, status, last, name="test_it"):
        got, lines = self.run_programs({name: script})
        self.assertEqual((got, lines[-1]), (status, last), lines)

    def test_check_programs(self):
        self.assert_result("echo '100%: Checks: 7, Failures: 0, Errors: 0'", 0,
                           "7 passed, 0 failed")
        self.assert_result("echo '50%: Checks: 6, Failures: 2, Errors: 1'; exit 1", 1,
                           "3 passed, 3 failed")
        two = "echo '100%: Checks: 2, Failures: 0, Errors: 0'; " * 2
        self.assert_result(two, 0, "4 passed, 0 failed")
        self.assert_result("echo '100%: Checks: 0, Failures: 0, Errors: 0'", 1,
                           "0 passed, 1 failed")

    def test_unittest_programs(self):
        self.assert_result("echo 'Ran 5 tests in 0.1s'; echo; echo OK", 0, "5 passed, 0 failed")
        self.assert_result("echo 'Ran 1 test in 0.1s'; echo 'OK (skipped=1)'", 0,
                           "0 passed, 0 failed, 1 skipped")
        self.assert_result("echo 'Ran 5 tests in 1s'; echo 'FAILED (failures=1, errors=1,"
                           " skipped=2)'; exit 1", 1, "1 passed, 2 failed, 2 skipped")
        self.assert_result("echo 'Ran 0 tests in 0.1s'; echo OK", 1, "0 passed, 1 failed")
        self.assert_result("echo 'Ran 0 tests in 0.1s'; echo 'FAILED (errors=1)'; exit 1", 1,
                           "0 passed, 1 failed")

    def test_silence_and_crashes(self):
        self.assert_result("true", 1, "0 passed, 1 failed")
        self.assert_result("echo '100%: Checks: 7, Failures: 0, Errors: 0'; kill -SEGV $$", 1,
                           "7 passed, 1 failed")
        self.assert_result("echo '100%: Checks: 7, Failures: 0, Errors: 0'; exit 1", 1,
                           "7 passed, 1 failed")

    def test_single_checks(self):
        self.assert_result("true", 0, "1 passed, 0 failed", name="exports.sh")
        self.assert_result("exit 3", 1, "0 passed, 1 failed", name="exports.sh")
        self.assert_result("exit 77", 0, "0 passed, 0 failed, 1 skipped", name="exports.sh")

    def test_settings(self):
        build = '"$BUILD"'
        for settings, status in ("BUILD=build/other ", 0), ("BUILD=build ", 1), ("", 1):
            done = subprocess.run(
                ["/usr/bin/python3", ROOT + "/tests/run.py",
                 f"{settings}sh -c 'test {build} = build/other && test ${{HOST_PLUGIN##*/other/}} ="
                 " tests/strict_plugin.so'"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, status, done.stdout)

    def test_sums_and_shows_what_failed(self):
        status, lines = self.run_programs({"a.sh": "echo quiet", "b.sh": "echo loud; exit 1"})
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertTrue(any("loud" in line for line in lines))
        self.assertFalse(any("quiet" in line for line in lines))

    def test_time_limit(self):
        status, lines = self.run_programs({"slow.sh": "echo begun; sleep 60"}, "--limit", "0.5")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))
        self.assertTrue(any("0.5 s" in line for line in lines), lines)
        self.assertTrue(any("begun" in line for line in lines), lines)

    def test_what_a_program_leaves_is_ended(self):
        with tempfile.NamedTemporaryFile("r") as left:
            script = f"trap '' TERM; sleep 60 & echo $! > {left.name}; echo '100%: Checks: 1, Failures: 0, Errors: 0'"
            status, _ = self.run_programs({"leaves.sh": script})
            process = left.read().strip()
        self.assertEqual(status, 0)
        testbed.wait_for(lambda: self.has_ended(process), "what was left to end", timeout_s=5)

    @staticmethod
    def has_ended(process):
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def test_missing_program(self):
        done = subprocess.run(["/usr/bin/python3", ROOT + "/tests/run.py", "/nowhere/test_x"],
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, "0 passed, 1 failed"))


class Case(unittest.TestCase):
    """tests/run.py --case, for both kinds of suites."""

    CHECK = os.path.join(BUILD, "tests", "policies", "test_policies")
    OTHER_CHECK = os.path.join(BUILD, "tests", "plugin", "test_abi")
    PYTHON = os.path.join("tests", "lib", "test_harness.py")
    NO_SUITE = os.path.join("tests", "plugin", "check_header.py")

    def run_case(self, case, *programs):
        done = subprocess.run(["/usr/bin/python3", ROOT + "/tests/run.py", "--case", case,
                               *map(shlex.quote, programs)],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), done.stderr

    def test_suites_without_it_are_left_out(self):
        everything = (self.NO_SUITE, self.OTHER_CHECK, self.CHECK, self.PYTHON)
        for case, program in (("direct_read", self.CHECK),
                              ("Exposition.test_strict_json", self.PYTHON)):
            with self.subTest(case=case):
                status, lines, _ = self.run_case(case, *everything)
                self.assertEqual((status, len(lines)), (0, 2), lines)
                self.assertRegex(lines[1], "^[1-9][0-9]* passed, 0 failed$")
                self.assertIn(program, lines[0])

    def test_a_whole_case_of_check(self):
        with subprocess.Popen([self.OTHER_CHECK], env={"TEST_CASE": "no such test"}, text=True,
                              stdout=subprocess.PIPE) as program:
            listed = program.stdout.read().splitlines()
        case = listed[0].removeprefix("has test: ").partition(".")[0] + "."
        one_case = sum(line.startswith("has test: " + case) for line in listed)
        self.assertLess(1, one_case)
        self.assertLess(one_case, len(listed))
        status, lines, _ = self.run_case(case, self.OTHER_CHECK)
        passed = int(lines[-1].partition(" ")[0])  # loops count each of their rounds
        self.assertEqual((status, lines[-1]), (0, f"{passed} passed, 0 failed"))
        self.assertGreaterEqual(passed, one_case)

    def test_what_there_is_if_there_is_none(self):
        status, lines, error = self.run_case("no such", self.CHECK, self.PYTHON)
        self.assertEqual(status, 1)
        self.assertIn("'no such'", error)
        self.assertIn("    Exposition.test_strict_json", lines)
        self.assertTrue(any(line.endswith(".direct_read") for line in lines), lines)
        status, _, error = self.run_case("direct_read", self.NO_SUITE)
        self.assertEqual(status, 1)
        self.assertIn("no suite", error)

    def test_every_python_suite_can_be_listed(self):
        suites = sorted(glob.glob("tests/**/test_*.py", root_dir=ROOT, recursive=True))
        for suite in suites:
            with self.subTest(suite=suite):
                listed = subprocess.run(["/usr/bin/python3", "-B", "tests/lib/list_tests.py", suite],
                                        cwd=ROOT, text=True, capture_output=True, check=True)
                self.assertRegex(listed.stdout, r"^\w+\.test_\w+\n")
        self.assertGreater(len(suites), 15)

    def test_failures_are_seen(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "test_it.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write("import unittest\nclass It(unittest.TestCase):\n"
                           "    def test_good(self): pass\n"
                           "    def test_bad(self): self.fail('here')\nunittest.main()\n")
            for case, status, last in (("good", 0, "1 passed, 0 failed"),
                                       ("bad", 1, "0 passed, 1 failed"),
                                       ("It", 1, "1 passed, 1 failed")):
                got, lines, _ = self.run_case(case, path)
                self.assertEqual((got, lines[-1]), (status, last))

    def test_a_set_up_that_fails_is_no_want_of_tests(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "test_it.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write("import unittest\ndef setUpModule(): raise OSError('no server')\n"
                           "class It(unittest.TestCase):\n    def test_good(self): pass\nunittest.main()\n")
            status, lines, error = self.run_case("good", path)
            self.assertEqual((status, lines[-1], error), (1, "0 passed, 1 failed", ""))
            self.assertTrue(any("no server" in line for line in lines), lines)


class Fuzz(unittest.TestCase):
    def test_a_dose_that_would_never_end_is_refused(self):
        for minutes in ("x", "0", "", "1.5", "-1"):
            with self.subTest(minutes=minutes):
                # Without installing or building anything.
                done = subprocess.run(["make", "-C", ROOT, "fuzz", f"MINUTES={minutes}"], capture_output=True, text=True,
                                      timeout=20, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"MINUTES={minutes}: expected", done.stderr)


class Exposition(unittest.TestCase):
    """The reader of /metrics refuses what is wrong."""

    GOOD = ('# HELP a_total Text.\n# TYPE a_total counter\na_total{b="x\\"\\\\\\n"} 1\n'
            'a_total 2e3\n# HELP h Text.\n# TYPE h histogram\n'
            'h_bucket{le="0.1"} 1\nh_bucket{le="+Inf"} 3\n'
            "h_sum 4.5\nh_count 3\n# HELP g Text.\n# TYPE g gauge\ng -1\n")

    def test_good(self):
        metrics = parse(self.GOOD)
        self.assertEqual(metrics.value("a_total", b='x"\\\n'), 1)
        self.assertEqual(metrics.value("a_total"), 2000)
        self.assertEqual(metrics.total("h_bucket"), 4)
        self.assertRaises(KeyError, metrics.value, "a_total", b="y")

    def test_bad(self):
        for old, new in (("g -1\n", "g -1"), ("g -1", "g  -1"), ("g -1", "g x"), ("g -1", "g"),
                         ("g -1", "g -1\ng 1"), ("g -1", "g -1\na_total{c=\"d\"} 1"),
                         ("g -1", "other 1"), ("# TYPE g gauge\n", ""), ("# HELP g Text.\n", ""),
                         ("gauge", "number"), ("2e3", "-2"), ("2e3", "NaN"), ("a_total", "a"),
                         ('b="x', 'b=x'), ('b="x', 'b="1",b="x'), ('x\\"', '\\x'),
                         ("h_count 3", "h_count 2"), ("h_sum 4.5\n", ""),
                         ('le="+Inf"} 3', 'le="1"} 3'), ('le="0.1"} 1', 'le="0.1"} 9')):
            with self.subTest(old=old, new=new):
                self.assertIn(old, self.GOOD)
                self.assertRaises(ValueError, parse, self.GOOD.replace(old, new))

    def test_strict_json(self):
        for bad in (b'{"a":1,"a":2}', b"NaN", b'"\xff"', b'"\n"', b"{} x", b'{"a":}'):
            with self.subTest(bad=bad):
                self.assertRaises(ValueError, strict_json, bad)


class Oracle(unittest.TestCase):
    """Any one deviation of an answer is found."""

    def test_every_deviation_is_found(self):
        history = History()
        life = history.life_of_a_run()
        history.resumed_snapshot(life[0]["runId"], [history.waitpoint(completedAt=None)] * 2)
        rows = history._new  # not written: no server is needed here
        expected = expected_answer(rows, life[0]["runId"], life[0]["id"])
        good = strict_json(json_of(expected))
        self.assertEqual(differences(good, expected), [])
        changed = 0
        for deviation in deviations(good):
            self.assertNotEqual(differences(deviation, expected), [], deviation)
            changed += 1
        self.assertGreater(changed, 150)

    def test_order_of_waitpoints(self):
        def answer(*entries):
            return {"snapshots": [{"completedWaitpoints": [
                {"id": identity, "index": index} for identity, index in entries]}]}

        expected = answer(("a", 0), ("a", 2), ("b", 1))
        self.assertEqual(differences(answer(("b", 1), ("a", 0), ("a", 2)), expected), [])
        self.assertNotEqual(differences(answer(("a", 2), ("a", 0), ("b", 1)), expected), [])
        self.assertNotEqual(differences(answer(("a", 0), ("b", 1), ("a", 2)), expected), [])


def json_of(expected):
    """An answer as a faultless host would write it."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    printed = now.isoformat(timespec="milliseconds") + "Z"
    return json.dumps(expected, default=lambda _: printed).encode()


def deviations(value):
    """Every copy of a JSON value that differs in one place: changed, null, left out or added."""
    yield {"other": 1}
    if isinstance(value, dict):
        yield {**value, "more": None}
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
            for inner in deviations(value[key]):
                yield {**value, key: inner}
    elif isinstance(value, list):
        yield [*value, {}]
        for place, item in enumerate(value):
            yield value[:place] + value[place + 1:]
            for inner in deviations(item):
                yield value[:place] + [inner] + value[place + 1:]
    else:
        yield None
        yield [value]
        yield str(value) + "x" if isinstance(value, str) else str(value)


class NamedServer(socketserver.ThreadingTCPServer):
    """Tells its name to everyone who connects."""

    daemon_threads = True

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionError):
                self.request.sendall(self.server.name)
                self.request.recv(1)  # until the other side ends the connection

    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.name = name
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self):
        self.shutdown()
        super().server_close()


class Moves(unittest.TestCase):
    """A relay that is led elsewhere while connections are being made."""

    def test_nobody_is_left_with_the_old_server(self):
        with NamedServer(b"old") as old, NamedServer(b"new") as new, Relay(old) as relay:
            for _ in range(50):
                relay.lead_to(old)
                with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client:
                    relay.lead_to(new)
                    heard = client.recv(3)
                    if heard == b"old":
                        heard = client.recv(1)
                    self.assertIn(heard, (b"", b"new"))

    def test_those_that_there_are_may_stay(self):
        with NamedServer(b"old") as old, NamedServer(b"new") as new, Relay(old) as relay:
            with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as client:
                self.assertEqual(client.recv(3), b"old")
                relay.lead_new_ones_to(new)
                with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as other:
                    self.assertEqual(other.recv(3), b"new")
                client.settimeout(0.05)
                with self.assertRaises(TimeoutError):
                    client.recv(1)


class Servers(unittest.TestCase):
    """The cluster does what its users rely on."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.addClassCleanup(cls.cluster.destroy)
        cls.cluster.load(ROOT + "/tests/schema.sql")
        cls.history = History()

    def setUp(self):
        self.cluster.reset()

    def rows(self, server):
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute('SELECT count(*) FROM "TaskRunExecutionSnapshot"')
            [(count,)] = cursor.fetchall()
        connection.close()
        return count

    def write(self):
        self.history.life_of_a_run()
        self.history.write(self.cluster.primary)

    def test_writing_is_no_reading_and_reading_is(self):
        primary = self.cluster.primary
        before = primary.table_reads()
        self.write()
        self.assertEqual(primary.table_reads(), before)
        for reads in range(1, 20):  # within a second: the flush at a backend's end is not throttled
            self.rows(primary)
            self.assertEqual(primary.table_reads(), before + reads)

    def test_our_own_reads_count_at_once(self):
        primary = self.cluster.primary
        for _ in range(3):
            before = primary.table_reads()
            primary.execute('SELECT * FROM "Waitpoint"')
            self.assertEqual(primary.table_reads(), before + 1)

    def test_a_backend_that_stays_is_not_overlooked(self):
        connection = self.cluster.primary.connect()
        self.addCleanup(connection.close)
        self.assertRaises(TimeoutError, self.cluster.primary.table_reads, 0.1)

    def test_paused_and_resumed(self):
        standby = self.cluster.standby
        before = self.rows(standby)
        standby.pause_replay()
        self.write()
        self.assertEqual(self.rows(standby), before)
        standby.resume_replay()
        self.cluster.wait_caught_up()
        self.assertEqual(self.rows(standby), self.rows(self.cluster.primary))

    def test_delayed(self):
        standby = self.cluster.standby
        standby.apply_delay(400)
        before = self.rows(standby)
        self.write()
        self.assertEqual(self.rows(standby), before)
        self.cluster.wait_caught_up()
        self.assertGreater(self.rows(standby), before)

    def test_killed_servers_come_back(self):
        self.write()
        expected = self.rows(self.cluster.primary)
        self.cluster.standby.kill9()
        self.cluster.primary.kill9()
        self.assertFalse(self.cluster.primary.is_running() or self.cluster.standby.is_running())
        self.cluster.reset()
        self.assertEqual(self.rows(self.cluster.standby), expected)

    def test_promoted(self):
        with Cluster() as other:
            other.standby.promote()
            other.load(ROOT + "/tests/schema.sql")
            other.standby.execute("CREATE TABLE mine ()")
            directory = other.directory
        self.assertFalse(os.path.exists(directory))


if __name__ == "__main__":
    unittest.main()
