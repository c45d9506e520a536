#!/usr/bin/python3
"""What a lookup shows to the outside: access log, traceparent, trace points."""

import contextlib
import os
import subprocess
import time
import unittest

import testbed
from host import TOKEN, Host, lookup_path
from lookup_case import NO_WAIT, LookupCase, module_cluster
from raw_http import RawConnection, get
from testbed import wait_for

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

cluster = None
history = None


def setUpModule():
    global cluster, history
    cluster, history = module_cluster("standby")


def access_lines(host):
    return [line.fields for line in host.log if line.fields["message"] == "access"]


class AccessLog(LookupCase):
    def setUp(self):
        self.begin_with_a_run(cluster, history)

    def host(self, **arguments):
        return self.observed_host(cluster, policy=NO_WAIT, **arguments)

    def test_off_by_default(self):
        with self.host() as host:
            host.lookup(self.run_id, self.life[0]["id"])
        self.assertEqual(access_lines(host), [])

    def test_a_line_for_every_request(self):
        unknown = history.new_id()
        with self.host(settings={"log": {"access": "yes"}}) as host:
            host.lookup(self.run_id, self.life[0]["id"], headers={"traceparent": TRACEPARENT})
            host.lookup(self.run_id, unknown)
            host.lookup(self.run_id, "not_an_id")
            host.request("POST", "/metrics")
            answer = host.request("GET", "/nowhere?a=b")
        lines = [line for line in access_lines(host) if line["request"] not in ("GET /healthz", "GET /readyz")]
        self.assertEqual([(line["status"], line.get("served_by")) for line in lines],
                         [(200, "replica"), (404, "primary"), (400, None), (405, None), (404, None)])
        self.assertEqual(lines[0]["traceparent"], TRACEPARENT)
        self.assertEqual(lines[0]["request_run_id"], self.run_id)
        self.assertEqual(lines[1]["request_snapshot_id"], unknown)
        self.assertNotIn("traceparent", lines[1])
        self.assertEqual(lines[2]["request"], "GET " + lookup_path(self.run_id, "not_an_id"))
        self.assertEqual(lines[4]["request"], "GET /nowhere?a=b")
        self.assertEqual(lines[4]["bytes"], len(answer.body))
        for line in lines:
            self.assertIsInstance(line["milliseconds"], float)
            self.assertRegex(line["client"], r"^127\.0\.0\.1:\d+$")

    def test_what_is_no_request(self):
        with self.host(settings={"log": {"access": "yes"}}) as host:
            with RawConnection(host.port) as connection:
                connection.send(b"nonsense\r\n\r\n")
                body = connection.read_answer().body
                port = connection.own_port()
        line = next(line for line in access_lines(host) if line["status"] == 400)
        self.assertEqual((line["request"], line["client"], line["bytes"]),
                         ("(refused as it came)", f"127.0.0.1:{port}", len(body)))

    def test_client_that_leaves(self):
        """While its lookup waits for the retry."""
        slow = {"policy": "replica_then_primary", "replica_retry_min_ms": 4000,
                "replica_retry_max_ms": 4000}
        unknown = history.new_id()
        with Host(cluster.primary, cluster.standbys, policy=slow,
                  settings={"log": {"access": "yes"}}) as host:
            with RawConnection(host.port) as connection:
                connection.send(get(lookup_path(self.run_id, unknown),
                                    f"authorization: Bearer {TOKEN}"))
                wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 1,
                         "the lookup to wait")
                port = connection.own_port()
            wait_for(lambda: any(line["status"] == 499 for line in access_lines(host)),
                     "the client to be missed")
            line = next(line for line in access_lines(host) if line["status"] == 499)
            self.assertEqual((line["client"], line["bytes"], line["request_snapshot_id"]),
                             (f"127.0.0.1:{port}", 0, unknown))
            self.assertLess(line["milliseconds"], 4000)

    @contextlib.contextmanager
    def stuck_lookup(self):
        """A server that is stuck: yields the host, and the client whose lookup hangs in its first read."""
        with contextlib.closing(cluster.primary.connect()) as connection, \
                Host(cluster.primary, policy={"policy": "primary_only"},
                     settings={"log": {"access": "yes"}}) as host:
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            with RawConnection(host.port) as client:
                client.send(get(lookup_path(self.run_id, self.life[0]["id"]),
                                f"authorization: Bearer {TOKEN}"))
                wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 1,
                         "the lookup to hang", every_s=0.001)
                yield host, client
            connection.rollback()

    def assert_missed(self, host):
        """The lookup is given up when the client gives up."""
        wait_for(lambda: any(line["status"] == 499 for line in access_lines(host)),
                 "the client to be missed")
        self.assertEqual(host.metrics().value("snapshot_host_lookups_in_flight"), 0)

    def test_client_that_leaves_during_the_first_read(self):
        with self.stuck_lookup() as (host, client):
            time.sleep(0.3)  # clients that end their side at once wait for the answer
            client.close()
            self.assert_missed(host)
            self.assertEqual(host.metrics().value("snapshot_host_lookups_abandoned_total"), 1)

    def test_client_that_resets_at_once(self):
        """During the first read, before it would count as one that does not wait."""
        with self.stuck_lookup() as (host, client):
            client.reset()
            self.assert_missed(host)

    def test_traceparent_is_carried_into_warnings_and_errors(self):
        unknown = history.new_id()
        with self.host() as host:
            host.lookup(self.run_id, unknown, headers={"traceparent": TRACEPARENT})
            for malformed in ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", TRACEPARENT + "-x",
                              TRACEPARENT.upper(), "ff" + TRACEPARENT[2:], TRACEPARENT[:-1], ""):
                host.lookup(self.run_id, unknown, headers={"traceparent": malformed})
        lines = [line.fields for line in host.lookup_log()]
        self.assertEqual([line.get("traceparent") for line in lines], [TRACEPARENT] + [None] * 6)

    def test_lines_stay_json(self):
        """A target that is long and full of quotes; one with bytes that are not UTF-8."""
        with self.host(settings={"log": {"access": "yes"}}) as host:
            with RawConnection(host.port) as connection:
                connection.send(get(b'/"\\' + b"x" * 3000))
                self.assertIn(connection.read_answer().status, (400, 404))
            with RawConnection(host.port) as connection:
                connection.send(get(b"/\xc3\xff\xfe"))
                self.assertIn(connection.read_answer().status, (400, 404))
        self.assertEqual(host.stray_lines, [])


class TracePoints(unittest.TestCase):
    @unittest.skipUnless(os.path.exists("/usr/include/x86_64-linux-gnu/sys/sdt.h")
                         or os.path.exists("/usr/include/sys/sdt.h"),
                         "built without systemtap-sdt-dev")
    def test_probes_are_there(self):
        notes = subprocess.run(["readelf", "-n", testbed.HOST_BINARY], capture_output=True,
                               text=True, check=True).stdout
        for probe in ("lookup_begin", "lookup_wait", "lookup_done"):
            self.assertIn(f"Name: {probe}\n", notes)


if __name__ == "__main__":
    unittest.main()
