#!/usr/bin/python3
"""What operators of snapshot-host are promised: their listener, readiness, and going away gently."""

import signal
import time
import unittest

import testbed
from host import Host
from lookup_case import LookupCase, module_cluster
from prometheus import parse
from raw_http import RawConnection, get
from testbed import free_port, wait_for

cluster = None
history = None
run = None  # of a run that exists
since = None


def setUpModule():
    global cluster, history, run, since
    cluster, history = module_cluster("standby", seed=5)
    life = history.life_of_a_run()
    history.write(cluster.primary)
    cluster.wait_caught_up()
    run, since = life[0]["runId"], life[0]["id"]


def with_admin(**settings):
    """A host that has the listener for operators, with these settings besides."""
    return Host(cluster.primary, cluster.standbys, policy={"policy": "read_index"},
                settings={"admin": {"port": free_port()}, **settings})


class Listeners(LookupCase):
    """Each listener has its own routes."""

    def test_routes_of_both(self):
        with with_admin() as host:
            for path, public, admin in (("/healthz", 200, 200), ("/readyz", 200, 200),
                                        ("/metrics", 404, 200), ("/nothing", 404, 404)):
                with self.subTest(path=path):
                    self.assertEqual(host.request("GET", path).status, public)
                    self.assertEqual(host.admin(path).status, admin)
                    self.assertEqual(host.admin(path, method="HEAD").status, admin)
            self.assertEqual(host.lookup(run, since).status, 200)
            lookup = f"/engine/v1/worker-actions/runs/run_{run}/snapshots/since/snapshot_{since}"
            self.assert_error(host.admin(lookup), 404)
            self.assert_error(host.admin("/metrics", method="POST"), 405)

    def test_all_threads_count(self):
        """The metrics are those of the whole host, whichever thread writes them."""
        with with_admin(listen={"threads": 3}) as host:
            for _ in range(20):
                host.lookup(run, since)
                host._close_connection()  # the next one may come to another thread
            metrics = parse(host.admin("/metrics").body.decode())
            self.assertEqual(metrics.value("snapshot_host_lookups_total", verdict="found"), 20)

    def test_port_that_is_taken(self):
        """The host does not start without the listener that it was asked for."""
        with with_admin() as host:
            other = Host(cluster.primary, settings={"admin": host.settings["admin"]})
            with self.assertRaisesRegex(AssertionError, "cannot listen on address 127.0.0.1, port "
                                        f"{host.settings['admin']['port']}: "):
                other.start()


class Readiness(LookupCase):
    """/readyz is 200 while some server can answer, on both listeners."""

    def setUp(self):
        cluster.reset()

    def assert_not_ready(self, host, reason):
        for ask in (host.admin, lambda path: host.request("GET", path)):
            answer = ask("/readyz")
            self.assertEqual(answer.status, 503, answer)
            self.assertIn(reason, answer.json["error"])
            self.assertEqual(ask("/healthz").status, 200)

    def test_servers_away_and_back(self):
        with with_admin() as host:
            self.assertEqual(host.admin("/readyz").status, 200)
            cluster.primary.stop("immediate")
            wait_for(lambda: parse(host.admin("/metrics").body.decode()).value(
                "snapshot_host_primary_answers") == 0, "the primary's end to be noticed")
            self.assertEqual(host.admin("/readyz").status, 200)  # the standby has hits
            cluster.standby.stop("immediate")
            wait_for(lambda: host.admin("/readyz").status == 503, "readiness to end")
            self.assert_not_ready(host, "No server can answer: ")
            cluster.primary.start()
            wait_for(lambda: host.admin("/readyz").status == 200, "readiness to come back")
            self.assertEqual(host.request("GET", "/readyz").status, 200)

    def test_no_server_from_the_start(self):
        away = {"conninfo": f"host=127.0.0.1 port={free_port()} dbname=postgres"}
        with Host(settings={"primary": away, "admin": {"port": free_port()}}) as host:
            self.assert_not_ready(host, "No server can answer: primary: ")


class Leaving(LookupCase):
    """SIGTERM with drain_ms: told at once, listening for a while, gone without a loss."""

    @staticmethod
    def listens(port):
        try:
            RawConnection(port).close()
        except (ConnectionRefusedError, ConnectionResetError):
            return False
        return True

    def test_drain(self):
        drain_s = 1.5
        with with_admin(limits={"drain_ms": int(drain_s * 1000)}) as host:
            with RawConnection(host.port) as kept:
                kept.send(get("/healthz"))
                self.assertEqual(kept.read_answer().headers["connection"], "keep-alive")
                begun = time.monotonic()
                host.signal(signal.SIGTERM)
                wait_for(lambda: host.admin("/readyz").status == 503, "/readyz to turn 503")
                self.assertEqual(host.admin("/readyz").json["error"], "Draining")
                with RawConnection(host.port) as late:
                    late.send(get("/readyz"))
                    self.assertEqual(late.read_answer().status, 503)
                # Who comes is served, and told to go elsewhere next time.
                answer = host.lookup(run, since)
                self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
                kept.send(get("/healthz"))
                self.assertEqual(kept.read_answer().headers["connection"], "close")
                self.assertTrue(kept.wait_closed(5))
            self.assertLess(time.monotonic() - begun, drain_s, "the machine is too slow for this")
            wait_for(lambda: not self.listens(host.port), "the host to stop listening")
            self.assertGreaterEqual(time.monotonic() - begun, drain_s * 0.95)
            host.wait_stopped()

    def test_without_a_drain(self):
        with with_admin() as host:
            begun = time.monotonic()
            host.stop()
            self.assertLess(time.monotonic() - begun, 5)


if __name__ == "__main__":
    testbed.complain_if_not_built()
    unittest.main()
