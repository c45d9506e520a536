#!/usr/bin/python3
"""What operators of snapshot-host are promised: their listener, readiness, and going away gently."""

import contextlib
import html
import math
import re
import signal
import socket
import subprocess
import time
import unittest

import testbed
from cluster import Cluster
from host import TOKEN, UNTRIED, Host, ini_text, lookup_path, run_host
from lookup_case import LookupCase, module_cluster
from prometheus import parse
from raw_http import RawConnection, get
from relay import Relay, refusing_server
from testbed import free_port, wait_for

ADMIN_CONNECTIONS = 256  # as worker.c has it

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


def with_admin(policy=None, **settings):
    """A host that has the listener for operators, with these settings besides."""
    return Host(cluster.primary, cluster.standbys, policy=policy or {"policy": "read_index"},
                settings={"admin": {"port": free_port()}, **settings})


class Listeners(LookupCase):
    """Each listener has its own routes."""

    def test_routes_of_both(self):
        with with_admin() as host:
            for path, public, admin in (("/healthz", 200, 200), ("/readyz", 200, 200),
                                        ("/metrics", 404, 200), ("/status", 404, 200),
                                        ("/status.json", 404, 200), ("/status.txt", 404, 200),
                                        ("/nothing", 404, 404)):
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

    def wait_for_primary(self, host, answers):
        wait_for(lambda: host.metrics().value("snapshot_host_primary_answers") == answers,
                 "the primary's state to be noticed")

    def test_servers_away_and_back(self):
        policy = {"policy": "read_index", "on_replica_failure": "primary"}
        with with_admin(policy=policy) as host:
            self.assertEqual(host.admin("/readyz").status, 200)
            cluster.primary.stop("immediate")
            self.wait_for_primary(host, 0)
            self.assertEqual(host.admin("/readyz").status, 200)  # the standby has hits
            cluster.standby.stop("immediate")
            wait_for(lambda: host.admin("/readyz").status == 503, "readiness to end")
            self.assert_not_ready(host, "No server can answer: ")
            cluster.primary.start()
            wait_for(lambda: host.admin("/readyz").status == 200, "readiness to come back")
            self.assertEqual(host.request("GET", "/readyz").status, 200)

    def test_policy_that_needs_the_primary(self):
        for policy, ready in (({"policy": "primary_only"}, False),
                              ({"policy": "read_index", "when": "always"}, True)):
            with self.subTest(policy), with_admin(policy=policy) as host:
                self.assertEqual(host.admin("/readyz").status, 200)
                cluster.primary.stop("immediate")
                self.wait_for_primary(host, 0)
                self.assertEqual(host.lookup(run, since).status == 200, ready)
                self.assertEqual(host.admin("/readyz").status == 200, ready)
                if not ready:
                    self.assert_not_ready(host,
                                          "No primary answers, which the policy reads first: ")
                cluster.primary.start()
                self.wait_for_primary(host, 1)
                self.assertEqual(host.admin("/readyz").status, 200)
                self.assertEqual(host.lookup(run, since).status, 200)

    def test_policies_that_need_a_replica(self):
        """Whether on_replica_failure is not set, or has no meaning for the policy."""
        for policy, ready in (({"policy": "replica_then_primary"}, False),
                              ({"policy": "replica_only", "on_replica_failure": "primary"}, False),
                              ({"policy": "primary_only"}, True),
                              ({"policy": "replica_backoff", "on_replica_failure": "primary",
                                "primary_budget_per_s": 1}, True)):
            with self.subTest(policy), with_admin(policy=policy) as host:
                host.wait_for_links("primary", "replica")
                cluster.standby.stop("immediate")
                wait_for(lambda: host.metrics().value("snapshot_host_server_answers",
                                                      server="replica") == 0,
                         "the standby's end to be noticed")
                self.assertEqual(host.admin("/readyz").status == 200, ready)
                if not ready:
                    self.assert_not_ready(
                        host, "No replica can be asked, and the policy lets no primary stand in: ")
                self.assertEqual(host.lookup(run, since).status == 200, ready)
                self.assertEqual(host.counters(), {})  # probes charge and count nothing
                cluster.standby.start()
                wait_for(lambda: host.admin("/readyz").status == 200, "readiness to come back")

    def test_replica_that_is_too_far_behind(self):
        """With max_lag_ms no read goes there; whether the primary stands in, the policy says."""
        for policy, ready in (({"policy": "read_index", "max_lag_ms": 200}, False),
                              ({"policy": "read_index", "max_lag_ms": 200,
                                "on_replica_failure": "primary"}, True)):
            with self.subTest(policy), with_admin(policy=policy) as host:
                host.wait_for_links("primary", "replica")
                wait_for(lambda: host.admin("/readyz").status == 200, "readiness")
                cluster.standby.pause_replay()
                self.addCleanup(cluster.standby.resume_replay)
                cluster.commit_something()
                told = r"replica is [\d.]+ s behind the primary: with max_lag_ms = 200 no read goes there\."
                wait_for(lambda: re.search(told, host.admin("/status.txt").body.decode()), "the lag to be told")
                self.assertEqual(host.admin("/readyz").status == 200, ready)
                if not ready:
                    self.assert_not_ready(host, "No replica can be asked, and the policy lets no primary "
                                          "stand in: replica is further behind than max_lag_ms = 200")
                self.assertEqual(host.lookup(run, since).status == 200, ready)
                cluster.standby.resume_replay()
                wait_for(lambda: host.admin("/readyz").status == 200, "readiness to come back")
                self.assertEqual(host.lookup(run, since).status, 200)

    def test_replica_that_is_drained(self):
        """A standby that gets no reads on an operator's word is no replica that is out."""
        with with_admin(replica={**self.replica(), "state": "drain"}) as host:
            self.assertEqual(host.lookup(run, since).status, 200)
            self.assertEqual(host.admin("/readyz").status, 200)
            cluster.primary.stop("immediate")
            self.wait_for_primary(host, 0)
            self.assert_not_ready(host, "No server can answer: ")
            self.assertEqual(host.lookup(run, since).status, 503)

    @staticmethod
    def replica():
        return {"conninfo": cluster.standby.conninfo()}

    def test_without_a_replica(self):
        with Host(cluster.primary, policy={"policy": "replica_then_primary"},
                  settings={"admin": {"port": free_port()}}) as host:
            self.assertEqual(host.admin("/readyz").status, 200)

    @contextlib.contextmanager
    def host_with_a_silent_server(self, **settings):
        """One that has just begun to listen, with a server more that takes three seconds to fail."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            host = with_admin(**{"server.silent": {"conninfo": f"host=127.0.0.1 port={port}"}, **settings})
            host.start(at_once=True)
            try:
                host.wait_for_links("primary", "replica")
                yield host
                host.stop()
            finally:
                host.kill()

    def test_lookups_wait_until_every_server_was_tried(self):
        """On both listeners health is told meanwhile."""
        with self.host_with_a_silent_server() as host:
            future = host.begin_lookup(run, since)
            with RawConnection(host.port) as leaver:
                leaver.send(get(lookup_path(run, since), "authorization: Bearer " + TOKEN))
                wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 2,
                         "the lookups to wait")
                leaver.reset()
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_abandoned_total") == 1,
                     "the host to see who has left")
            self.assertEqual(host.request("GET", "/healthz").status, 200)
            self.assertEqual(host.request("GET", lookup_path("bad", "bad")).status, 401)
            for answer in (host.request("GET", "/readyz"), host.admin("/readyz")):
                self.assertEqual((answer.status, answer.body), (503, UNTRIED))
            self.assertFalse(future.done())
            self.assertEqual(future.result().status, 200)
            self.assertEqual(host.request("GET", "/readyz").status, 200)

    def test_lookups_do_not_wait_for_longer_than_they_may(self):
        with self.host_with_a_silent_server(limits={"lookup_timeout_ms": 500}) as host:
            self.assertEqual(host.lookup(run, since).status, 200)
            self.assertEqual(host.lookup(run, "made-up").status, 503)
            self.assertEqual(host.request("GET", "/readyz").body, UNTRIED)

    def test_end_before_every_server_was_tried(self):
        with self.host_with_a_silent_server() as host:
            future = host.begin_lookup(run, since)
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 1,
                     "the lookup to wait")
            self.assertEqual(host.request("GET", "/readyz").body, UNTRIED)
            host.signal(signal.SIGTERM)
            self.assertEqual(future.result().status, 200)

    def test_no_server_from_the_start(self):
        away = {"conninfo": f"host=127.0.0.1 port={free_port()} dbname=postgres"}
        with Host(settings={"primary": away, "admin": {"port": free_port()}}) as host:
            self.assert_not_ready(host, "No server can answer: primary: ")


class Status(LookupCase):
    """/status.json, and the page and the text that say the same: what is wrong comes first."""

    def setUp(self):
        cluster.reset()

    def problems(self, host):
        return [problem["text"] for problem in host.admin("/status.json").json["problems"]]

    def first_problem(self, host):
        problems = self.problems(host)
        return problems[0] if problems else None

    def told_first(self, host):
        """What is told before anything else, in all three."""
        page = html.unescape(host.admin("/status").body.decode())
        main = page[page.index("<main>"):]
        return (self.first_problem(host) or "", host.admin("/status.txt").body.decode().splitlines()[1],
                main[:main.index("Servers")])

    def assert_told_first(self, host, pattern):
        # Not of the first moment: while links come and go, what is wrong may change between two requests.
        wait_for(lambda: all(re.search(pattern, told) for told in self.told_first(host)),
                 f"the first problem to be {pattern}")

    def test_all_is_well(self):
        with with_admin() as host:
            for _ in range(3):
                host.lookup(run, since)
            wait_for(lambda: self.first_problem(host) is None, "both links to each server")
            status = host.admin("/status.json").json
            self.assertEqual(status["problems"], [])
            self.assertEqual([(server["name"], server["role"], server["links_up"], server["timeline"])
                              for server in status["servers"]],
                             [("primary", "primary", 2, 1), ("replica", "replica", 2, 1)])
            self.assertEqual({row["name"]: row["total"] for row in status["lookups"]["verdicts"]},
                             {"found": 3, "not_found": 0, "failed": 0, "shed": 0, "refused": 0})
            self.assertTrue(status["ready"] and status["reload"]["last_was_good"])
            self.assertIn("policy = read_index", status["policy"]["words"])
            page = host.admin("/status").body.decode()
            self.assertIn("Nothing is wrong.", page)
            self.assertIn("await the located position", page)  # a step of the drawing
            self.assertNotRegex(page, r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""")

    def test_a_server_that_was_never_heard_and_its_words(self):
        """In another encoding, as a server's words are before it knows the client's; long; and markup."""
        words = "accès refusé <b>".encode("latin-1") + "é".encode() * 200
        name = "replica.<b>&\"it's\"\u009b31m"  # and what has a terminal write in red
        with refusing_server(words) as port, Host(cluster.primary, cluster.standbys, settings={
                "admin": {"port": free_port()},
                name: {"conninfo": f"host=127.0.0.1 port={port} dbname=x sslmode=disable"}}) as host:
            wait_for(lambda: host.admin("/status.json").json["servers"][2]["last_error"], "the refusal")
            server = host.admin("/status.json").json["servers"][2]
            self.assertEqual((server["name"], server["version"]), (name, None))
            self.assertIn("acc\ufffds refus\ufffd <b>éé", server["last_error"])
            row = next(line for line in host.admin("/status").body.decode(errors="replace").splitlines()
                       if line.startswith("<tr>") and "refus" in line)
            self.assertNotIn("<b>", row)
            self.assertIn("replica.&lt;b&gt;&amp;&quot;it's&quot;", row)
            text = host.admin("/status.txt").body.decode()
            self.assertIn("replica.<b>&\"it's\" 31m", text)
            self.assertNotIn("\u009b", text)
            self.assertIn('<td data-name="PostgreSQL" class="">?</td>', row)
        with refusing_server(words) as port, Host(settings={
                "server.a": {"conninfo": f"host=127.0.0.1 port={port} dbname=x sslmode=disable"}}) as host:
            wait_for(lambda: "refus" in (host.request("GET", "/readyz").json or {}).get("error", ""), "its words")

    def test_a_server_that_refuses_its_links_is_not_called_silent(self):
        nowhere = {"conninfo": cluster.standby.conninfo().replace("dbname=postgres", "dbname=template1")}
        with with_admin(replica=nowhere) as host:
            wait_for(lambda: "No link to replica: the database has neither" in
                     host.admin("/status.txt").body.decode(), "why there is no link")
            text = host.admin("/status.txt").body.decode()
            self.assertRegex(text, r"\n +replica +unknown, no link ")
            self.assertNotRegex(text, "silent|does not answer")

    def test_what_only_some_threads_lack(self):
        """Each has links of its own, and what is wrong with any of them is told: who gets the links that a
        limit leaves is chance."""
        cluster.primary.execute("CREATE ROLE few LOGIN; GRANT pg_monitor TO few;"
                                " GRANT SELECT ON ALL TABLES IN SCHEMA public TO few")
        self.addCleanup(cluster.primary.execute, "DROP OWNED BY few; DROP ROLE few")
        cluster.wait_caught_up()
        settings = {"admin": {"port": free_port()}, "listen": {"address": "127.0.0.1", "threads": 4},
                    **{name: {"conninfo": server.conninfo(user="few"), "links": 1} for name, server in
                       (("primary", cluster.primary), ("replica", cluster.standby))}}
        with Host(cluster.primary, cluster.standbys, settings=settings) as host:
            wait_for(lambda: self.first_problem(host) is None, "a link of each thread to each server")
            self.assertEqual(host.metrics().value("snapshot_host_primary_answers"), 1)
            cluster.primary.execute("ALTER ROLE few CONNECTION LIMIT 3")
            cluster.wait_caught_up()
            for _ in range(5):  # the first thread, which makes the pages, is mostly not the one
                for server in (cluster.primary, cluster.standby):
                    server.end_clients()
                wait_for(lambda: all(
                    row["links_up"] == 3 and "too many connections" in (row["last_error"] or "")
                    for row in host.admin("/status.json").json["servers"]), "why a link is lacking, of both servers")
                # One that lacks both of its links keeps the host from being ready.
                self.assert_told_first(host, "No primary answers 1 of 4 threads|Not ready: .*too many connections")
                # A link that has just come up has not been asked anything yet.
                wait_for(lambda: "does not answer" not in host.admin("/status.txt").body.decode(), "answers by the others")
                metrics = host.metrics()
                self.assertEqual(metrics.value("snapshot_host_primary_answers"), 0)
                for server in ("primary", "replica"):
                    self.assertEqual(metrics.value("snapshot_host_server_answers", server=server), 0)
            cluster.primary.execute("ALTER ROLE few CONNECTION LIMIT -1")
            wait_for(lambda: host.metrics().value("snapshot_host_primary_answers") == 1, "all links again")

    def test_last_misses_are_in_words(self):
        with with_admin() as host:
            host.lookup(run, history.new_id())
            rows = host.admin("/status.txt").body.decode().partition("plain hits")[2]
            self.assertIn("  not found  ", rows)
            self.assertEqual(host.admin("/status.json").json["last_misses"][0]["verdict"], "not_found")

    def test_paused_replica(self):
        with with_admin() as host:
            cluster.standby.pause_replay()
            cluster.commit_something()
            self.assert_told_first(host, r"replica is \d+ s behind the primary, though it streams: replay there "
                                   r"is paused \(pg_is_wal_replay_paused\(\)\)")
            cluster.standby.resume_replay()
            wait_for(lambda: self.first_problem(host) is None, "nothing to be wrong any more")

    def test_standby_that_does_not_stream(self):
        """Also while it lacks nothing, beside a primary that is quiet."""
        standby = cluster.standby
        self.addCleanup(cluster.reset)
        self.addCleanup(standby.execute, "SELECT pg_reload_conf()")
        self.addCleanup(standby.execute, f"ALTER SYSTEM SET primary_conninfo = '{cluster.primary.conninfo()}'")
        with with_admin() as host:
            wait_for(lambda: self.first_problem(host) is None, "nothing to be wrong")
            standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            standby.execute("SELECT pg_reload_conf()")
            self.assert_told_first(host, "replica does not stream, .* see pg_stat_wal_receiver there[.]")
            self.assertEqual(self.replica_row(host)["lag_bytes"], 0)
            cluster.primary.stop("immediate")
            self.assert_told_first(host, "No primary answers")
            self.assertEqual([one for one in self.problems(host) if "stream" in one], [])  # what follows is not told

    def replica_row(self, host):
        return host.admin("/status.json").json["servers"][1]

    def assert_lag_without_a_primary(self, host, problem, cell):
        cluster.primary.stop("immediate")
        self.addCleanup(cluster.reset)
        told = f"replica {problem} [\\d.]+ s.*: with max_lag_ms = 200 no read goes there"
        wait_for(lambda: any(re.match(told, one) for one in self.problems(host)), "that it is not asked")
        self.assertRegex(host.admin("/status.txt").body.decode(), f"replica +replica .* {cell} ")

    def test_lag_while_no_primary_answers(self):
        """A replica that has all that the primary was seen to have is not called late: whoever looks here may
        look for the one to promote."""
        with with_admin({"policy": "read_index", "max_lag_ms": 200}) as host:
            wait_for(lambda: self.replica_row(host)["lag_bytes"] == 0, "no lag")
            self.assert_lag_without_a_primary(host, "has been of unknown lag for", r"unknown \(level [\d.]+ s ago\)")
            self.assertEqual(self.replica_row(host)["lag_at_least_seconds"], 0)

    def test_lag_of_before_while_no_primary_answers(self):
        with with_admin({"policy": "read_index", "max_lag_ms": 200}) as host:
            wait_for(lambda: self.replica_row(host)["lag_bytes"] == 0, "no lag")
            cluster.standby.pause_replay()
            cluster.commit_something()
            wait_for(lambda: self.replica_row(host)["lag_bytes"], "lag")
            self.assert_lag_without_a_primary(host, "is at least", r"at least [\d.]+ s")
            self.assertGreater(self.replica_row(host)["lag_at_least_seconds"], 0)

    def test_no_replica(self):
        """Whether a budget bounds what the primary serves in its place."""
        policy = {"policy": "replica_then_primary", "on_replica_failure": "primary", "primary_budget_per_s": 5}
        cluster.standby.stop("immediate")
        with with_admin(policy) as host:
            self.assert_told_first(host, "No link to replica: .*refused")
            self.assertIn("No replica can be asked: reads go to the primary, as many as its budget admits.",
                          self.problems(host))
            host.reload({"policy": "replica_then_primary", "on_replica_failure": "primary"})
            self.assertIn("No replica can be asked: reads go to the primary, and no budget bounds them.",
                          self.problems(host))
            host.reload({"policy": "primary_only"})
            self.assertEqual([one for one in self.problems(host) if "eplica can be asked" in one], [])
        cluster.reset()
        self.assert_told_that_no_replica_serves(policy)
        with with_admin(policy, replica={"conninfo": cluster.standby.conninfo(), "state": "drain"}) as host:
            self.assert_told_first(host, "There is no replica to ask, since replica has state = drain: all reads are "
                                         "the primary's, and no budget bounds them[.]")
            self.assertEqual({host.lookup(run, since).status for _ in range(50)}, {200})
        twins = {"server.a": {"conninfo": cluster.primary.conninfo(), "state": "drain"},
                 "server.b": {"conninfo": cluster.primary.conninfo()}}
        with Host(policy=policy, settings={"admin": {"port": free_port()}, **twins}) as host:
            wait_for(lambda: "There is no replica to ask: all reads are the primary's, and no budget bounds them."
                     in self.problems(host), "no drained primary to be blamed")

    def assert_told_that_no_replica_serves(self, policy):
        """Of one that was there, too: it is still offered, when it falls silent, and reads of it fail."""
        told = "No replica can be asked: reads go to the primary, as many as its budget admits."
        with with_admin({**policy, "max_lag_ms": 100}) as host:
            wait_for(lambda: self.first_problem(host) is None, "nothing to be wrong")
            cluster.standby.pause_replay()
            cluster.commit_something()
            wait_for(lambda: told in self.problems(host), "that it is too far behind")
            cluster.standby.resume_replay()
            wait_for(lambda: self.first_problem(host) is None, "nothing to be wrong any more")
            cluster.standby.stop("immediate")
            wait_for(lambda: told in self.problems(host), "that it is gone")
            self.assertEqual(host.lookup(run, since).served_by, "primary")
        cluster.reset()

    def test_configuration_that_was_refused(self):
        with with_admin() as host:
            host.reload({"policy": "nonsense"})
            self.assert_told_first(host, "The configuration had an error .* snapshot-host -t -c "
                                   + re.escape(host.config_path))

    def test_either_token_lets_clients_in(self):
        with with_admin(auth={"token": ["", "second"], "deployment_id": None}) as host:
            answer = host.request("GET", lookup_path(run, since), {"authorization": "Bearer second"})
            self.assertEqual(answer.status, 200)
            self.assertNotIn("Nobody is let in", host.admin("/status.txt").body.decode())
            host.reload(settings={**host.settings, "auth": {"token": ""}})
            self.assert_told_first(host, "Nobody is let in on the worker route")
            host.wait_for_log(lambda line: line.fields.get("note")
                              == "nobody is let in on the worker route: [auth] has no token", "a note")

    def test_flood(self):
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 1}
        with Host(cluster.primary, cluster.standbys, policy=policy,
                  settings={"admin": {"port": free_port()}}) as host:
            time.sleep(0.6)  # the first rate is of half a second
            for _ in range(40):
                host.lookup(run, history.new_id())
            self.assert_told_first(host, "Lookups are shed")
            # However few were answered.
            self.assertRegex(self.problems(host)[1], "for snapshots that nobody has: .* so may those be that are shed")
            misses = host.admin("/status.json").json["last_misses"]
            self.assertEqual((len(misses), misses[0]["run_id"]), (16, run))
            self.assertIn("shed", [miss["verdict"] for miss in misses])

    def test_connections_that_are_open(self):
        with with_admin(limits={"max_connections": 3}) as host:
            wait_for(lambda: self.first_problem(host) is None, "both links to each server")
            host._close_connection()  # pylint: disable=protected-access
            with contextlib.ExitStack() as held:
                for _ in range(3):
                    held.enter_context(RawConnection(host.port))
                self.assert_told_first(host, "max_connections = 3 are open")
                self.assertEqual(host.admin("/status.json").json["connections"],
                                 {"open": 3, "max_connections": 3})
                self.assertIn("3 connections, of at most 3.", host.admin("/status.txt").body.decode())
                with RawConnection(host.port) as refused:
                    refused.read_answer()
                host.wait_for_log(lambda line: line.fields["message"] == "connections refused: max_connections are open"
                                  and line.fields["refused"] == 1, "that it was refused")
            wait_for(lambda: self.first_problem(host) is None, "the connections to be closed")

    def test_threads_share_the_connections(self):
        """However the system gives them out: as many as are allowed are served, and no more."""
        with with_admin(limits={"max_connections": 8}, listen={"threads": 4}) as host, \
                contextlib.ExitStack() as held:
            host._close_connection()  # pylint: disable=protected-access
            wait_for(lambda: host.metrics().value("snapshot_host_http_connections_open") == 0,
                     "the first connection to be gone")
            statuses = []
            for _ in range(9):
                connection = held.enter_context(RawConnection(host.port))
                connection.send(get("/healthz"))
                statuses.append(connection.read_answer().status)
            self.assertEqual(statuses, [200] * 8 + [503])

    def test_servers_are_asked_as_often_as_is_said(self):
        with with_admin(limits={"poll_ms": 100}) as host:
            def polls():
                return host.metrics().value("snapshot_host_cluster_polls_total")
            before, began = polls(), time.monotonic()
            wait_for(lambda: polls() >= before + 40, "forty questions")
            self.assertLess(time.monotonic() - began, 10)  # by default they take twenty seconds

    def test_statements_in_flight(self):
        """Where a server is slow, on the page too."""
        with with_admin({"policy": "primary_only"}) as host, \
                contextlib.closing(cluster.primary.connect()) as connection:
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            lookup = host.begin_lookup(run, since)
            wait_for(lambda: host.admin("/status.json").json["servers"][0]["in_flight"] > 0,
                     "the statement to be told")
            connection.rollback()
            self.assertEqual(lookup.result().status, 200)

    def test_server_whose_tables_are_locked(self):
        """It does not answer, for questions come behind the statements that wait."""
        with with_admin() as host, contextlib.closing(cluster.primary.connect()) as connection:
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            cluster.commit_something()
            cluster.wait_caught_up()
            lookups = []

            def is_told():
                lookups.append(host.begin_lookup(run, since))
                return any(re.match(r"replica does not answer, and \d+ statements wait for it: on a lock, or it hangs",
                                    problem) for problem in self.problems(host))

            wait_for(is_told, "the statements that wait to be told", every_s=0.2)
            # How far it is behind was known until then, and not why.
            self.assertNotIn("though it streams", " ".join(self.problems(host)))
            connection.rollback()
            for lookup in lookups:
                lookup.result()

    def test_what_a_server_says_is_told_whole(self):
        with with_admin({"policy": "replica_only"}) as host:
            cluster.standby.stop("immediate")
            wait_for(lambda: host.lookup(run, since).status == 503 and
                     "refused" in host.admin("/status.json").json["last_misses"][0]["message"], "lookups to fail")
            self.assertRegex(host.admin("/status.json").json["last_misses"][0]["message"],
                             "accepting TCP/IP connections[?]")

    def test_why_lookups_fail(self):
        """Is told with it."""
        cluster.primary.execute("CREATE ROLE limited LOGIN IN ROLE pg_monitor")
        cluster.primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO limited")
        cluster.wait_caught_up()
        limited = {"conninfo": cluster.standby.conninfo(user="limited")}
        with with_admin({"policy": "replica_only"}, replica=limited) as host:
            wait_for(lambda: self.first_problem(host) is None, "both links to each server")
            self.assertEqual(host.lookup(run, since).status, 200)
            cluster.primary.execute('REVOKE SELECT ON "TaskRunExecutionSnapshot" FROM limited')
            cluster.wait_caught_up()
            wait_for(lambda: host.lookup(run, since).status == 503, "lookups to fail")
            self.assert_told_first(host, r"Lookups fail: .* a second; the last one: .*"
                                   "permission denied for table TaskRunExecutionSnapshot")

    def test_what_is_left_of_the_budget(self):
        """On the page, in the terminal and as a metric; one without a limit is told as such."""
        policy = {"policy": "replica_then_primary", "replica_retry_max_ms": 0,
                  "primary_budget_per_s": 1, "primary_budget_burst": 1000}

        def gauge(host, name):
            return host.metrics().value("snapshot_host_primary_budget_" + name,
                                        section="snapshots_since")

        def told(host):
            budget = host.admin("/status.json").json["primary_budget"]
            left = budget and budget["left"]
            words = "No budget bounds reads of the primary." if budget is None else \
                f"The primary's budget: {left} of {budget['burst']} left, with 1 more a second."
            texts = [html.unescape(host.admin(path).body.decode())
                     for path in ("/status", "/status.txt")]
            return budget if all(words in text for text in texts) else "changing"

        with with_admin(policy=policy) as host:
            self.assertEqual([gauge(host, name) for name in ("left", "burst", "per_second")],
                             [1000, 1000, 1])
            for _ in range(50):
                self.assertEqual(host.lookup(run, history.new_id()).status, 404)
            left = wait_for(lambda: told(host) != "changing" and told(host),
                            "a moment at which nothing is added")["left"]
            self.assertTrue(950 <= left < 1000, left)
            self.assertTrue(left <= gauge(host, "left") < 1000)
            host.reload({"policy": "replica_then_primary"})
            self.assertEqual([gauge(host, name) for name in ("left", "burst", "per_second")],
                             [math.inf] * 3)
            self.assertIsNone(told(host))

    def test_drawing_has_every_step(self):
        """Of each policy, as the plugin draws it: a card for each step, a line for each arrow."""
        for policy in ("replica_then_primary", "read_index", "replica_backoff", "primary_only",
                       "replica_only"):
            with self.subTest(policy), Host(cluster.primary, cluster.standbys,
                                            policy={"policy": policy},
                                            settings={"admin": {"port": free_port()}}) as host:
                dot = subprocess.run([testbed.BUILD + "/policy-check", "--plugin", testbed.PLUGIN,
                                      "--dot", host.policy_path], capture_output=True, text=True,
                                     check=True).stdout
                page = host.admin("/status").body.decode()
                steps = re.findall(r"^  (s\d+) \[", dot, re.MULTILINE)
                self.assertGreaterEqual(len(steps), 2)
                self.assertEqual(re.findall(r'<li id="(s\d+)">', page), steps)
                self.assertEqual(page.count('<span class="on">'), dot.count(" -> "))
                self.assertEqual(page.count("&rarr; <"), dot.count(" -> "))

    def test_texts_of_clients_are_texts(self):
        """A page for operators is a place where a client would like to have its script."""
        with with_admin() as host:
            host.lookup("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>')
            page = host.admin("/status")
            body = page.body.decode()
            self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", body)
            self.assertEqual(body.count("<script>"), 1)
            self.assertNotIn("<img", body)
            self.assertIn("default-src 'none'", page.headers["content-security-policy"])

    def test_in_a_terminal(self):
        with with_admin() as host:
            wait_for(lambda: self.first_problem(host) is None, "both links to each server")
            done = run_host("status", "-c", host.config_path)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"(?s)all is well.*primary +primary +1 .*replica +replica ")
            config = host.config_path
            host.write_config(ini_text({**host.settings, "auth": {"token_file": "nowhere"},
                                        "limits": {"max_lookups": 0}}))
            done = run_host("status", "-c", config)  # a host that runs is asked nevertheless
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("all is well", done.stdout)
            self.assertEqual(done.stderr.count("\n"), 2, done.stderr)
            host.write_config(ini_text(host.settings))
            with open(config, encoding="utf-8") as file:
                text = file.read()
            host.write_config(text.replace("[admin]\nport", "[log]\n; "))
            done = run_host("status", "-c", config)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("[admin] port: the listener to ask is not there", done.stderr)
            host.write_config(text.replace(f"[admin]\nport = {host.settings['admin']['port']}",
                                           f"[admin]\nport = {free_port()}"))
            done = run_host("status", "-c", config)
            self.assertEqual(done.returncode, 1)
            self.assertIn("Connection refused", done.stderr)

    def test_in_a_terminal_where_nobody_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            host = Host(cluster.primary, settings={"admin": {"port": silent.getsockname()[1]}})
            done = run_host("status", "-c", host.config_path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, r"^no answer from .*: Connection timed out\n$")

    def test_in_a_terminal_where_all_connections_are_taken(self):
        with with_admin() as host, contextlib.ExitStack() as connections:
            for _ in range(ADMIN_CONNECTIONS):
                connections.enter_context(RawConnection(host.settings["admin"]["port"]))
            done = run_host("status", "-c", host.config_path)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("no room for one more connection", done.stderr)


class Late(Relay):
    """Cuts off whoever comes in the first second."""

    def __init__(self, server):
        self.cut_off = 0
        self._until = None
        super().__init__(server)

    def _leads_to(self, server):
        now = time.monotonic()
        self._until = self._until or now + 1
        self.cut_off += now < self._until
        return now >= self._until


def connect_test(**conninfos):
    """`snapshot-host -t --connect` on [server.NAME] of these: its exit status, and what it says of the
    servers."""
    servers = {f"server.{name}": {"conninfo": conninfo} for name, conninfo in conninfos.items()}
    host = Host(cluster.primary, policy={"policy": "read_index"},
                settings={"primary": None, **servers})
    try:
        done = run_host("-t", "--connect", "-c", host.config_path)
    finally:
        host.kill()
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.partition("Asking the servers:\n")[2]


class Connect(LookupCase):
    """-t --connect: dials every server and says what it is."""

    def setUp(self):
        cluster.reset()

    def test_good_servers(self):
        status, text = connect_test(a=cluster.primary.conninfo(), b=cluster.standby.conninfo())
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"\nserver\.a: primary, timeline 1, at \w+/\w+, PostgreSQL 1")
        self.assertRegex(text, r"\nserver\.b: replica, timeline 1, at \w+/\w+, \d+\.\d s behind ")

    def test_two_names_of_one_server(self):
        standby = cluster.standby.conninfo()
        status, text = connect_test(a=cluster.primary.conninfo(), b=standby, c=standby)
        self.assertEqual(status, 0, text)
        self.assertIn("server.b and server.c are one server", text)
        self.assertNotIn("server.a and", text)

    def test_role_that_may_not_see(self):
        cluster.primary.execute("CREATE ROLE weak LOGIN")
        cluster.primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak")
        cluster.wait_caught_up()
        status, text = connect_test(a=cluster.primary.conninfo(),
                                    b=cluster.standby.conninfo(user="weak"))
        self.assertEqual(status, 0, text)  # hits are served; misses go to the primary
        self.assertRegex(text, r"\nserver\.b: replica, timeline unknown, .*\n"
                         r"  What its role may not see: .*GRANT pg_monitor TO")

    def test_database_without_the_schema(self):
        cluster.primary.execute("CREATE DATABASE empty")
        cluster.wait_caught_up()
        status, text = connect_test(a=cluster.primary.conninfo(),
                                    b=cluster.standby.conninfo(dbname="empty"))
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r'\nserver\.b: no link: the database has neither a table "_completed')

    def test_role_that_may_not_read_a_table(self):
        """Which shows in a lookup only, and not in every one."""
        cluster.primary.execute("CREATE ROLE reader LOGIN IN ROLE pg_monitor")
        cluster.primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        cluster.primary.execute('REVOKE SELECT ON "TaskRunCheckpoint" FROM reader')
        cluster.wait_caught_up()
        status, text = connect_test(a=cluster.primary.conninfo(),
                                    b=cluster.standby.conninfo(user="reader"))
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r"\nserver\.b: replica, .*\n"
                         r"  A lookup there fails: .*permission denied for table TaskRunCheckpoint")
        self.assertEqual(text.count("A lookup there"), 1)

    def test_server_that_is_away(self):
        status, text = connect_test(
            a=f"host=127.0.0.1 port={free_port()} dbname=postgres", b=cluster.standby.conninfo())
        self.assertEqual(status, 1, text)
        self.assertRegex(text, r"(?s)server\.a: no link: .*Connection refused.*No primary answers\.")

    def test_table_that_is_locked(self):
        with contextlib.closing(cluster.primary.connect()) as connection:
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            status, text = connect_test(a=cluster.primary.conninfo())
            connection.rollback()
        self.assertEqual(status, 1, text)
        self.assertIn("server.a: no link: the link's set-up was not answered in time: the server hangs, or a table "
                      "is locked", text)

    def test_link_that_comes_up_late(self):
        """After every server has answered or failed: it is tried like the others, and not blamed."""
        with Late(cluster.standby) as late:
            status, text = connect_test(a=cluster.primary.conninfo(), b=late.conninfo())
            self.assertGreater(late.cut_off, 0)
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"\nserver\.b: replica, timeline 1")

    def test_it_goes_with_t(self):
        done = run_host("--connect", "-c", "/nowhere.ini")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--connect goes with -t", done.stderr)

    def test_what_follows_status_is_named(self):
        done = run_host("status", "/nowhere.ini")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unexpected argument /nowhere.ini\n", done.stderr)


class Promotion(LookupCase):
    """On servers of its own, which it spoils."""

    def test_replica_that_was_promoted(self):
        with Cluster(standbys=("standby",)) as other:
            other.load(testbed.ROOT + "/tests/schema.sql")
            other.wait_caught_up()
            with Host(other.primary, other.standbys, policy={"policy": "read_index"},
                      settings={"admin": {"port": free_port()}}) as host:
                other.standby.promote()
                wait_for(lambda: host.admin("/status.json").json["problems"],
                         "the promotion to be told")
                wait_for(lambda: host.admin("/status.json").json["split"], "the split to be told")
                status = host.admin("/status.json").json
                self.assertRegex(status["problems"][0]["text"],
                                 r"^Split: .*primary \(timeline 1\), replica \(timeline 2\)\.")
                replica = status["servers"][1]
                self.assertEqual((replica["role"], replica["timeline"]), ("out", 2))
                self.assertTrue(replica["why"])
                self.assertEqual(host.metrics().select("snapshot_host_server_out"),
                                 [({"server": "replica", "why": replica["why"]}, 1)])
                self.assertEqual(host.admin("/readyz").json["error"],
                                 "No replica can be asked, and the policy lets no primary stand in: "
                                 f"replica: {replica['why']}")
            status, text = connect_test(a=other.primary.conninfo(), b=other.standby.conninfo())
            self.assertEqual(status, 1, text)
            self.assertIn("There is a split", text)

    def test_replica_of_a_primary_that_was_deposed(self):
        """It streams the older timeline. However far it comes, it has nothing of what the new primary wrote, and
        is not called level when that one is away."""
        with Cluster(standbys=("standby", "heir")) as other:
            other.load(testbed.ROOT + "/tests/schema.sql")
            other.wait_caught_up()
            standby, heir = other.standbys
            heir.promote()
            self.write_segments(heir, 2)
            with Host(heir, [standby], settings={"admin": {"port": free_port()}}) as host:
                def rows():
                    return host.admin("/status.json").json["servers"]
                wait_for(lambda: [row["timeline"] for row in rows()] == [2, 1], "both timelines")
                heir.stop("immediate")
                position = self.write_segments(other.primary, 3)
                wait_for(lambda: standby.has_replayed(position), "the standby to come further than the heir")
                wait_for(lambda: rows()[1]["position"] == standby.value("SELECT pg_last_wal_replay_lsn()"), "the host to see it")
                self.assertRegex(host.admin("/status.txt").body.decode(), r"replica +replica +1 +\S+ +unknown +\d+ of ")

    @staticmethod
    def write_segments(server, count):
        """Returns a position that whoever has replayed it has them all."""
        for _ in range(count):
            server.execute("SELECT pg_logical_emit_message(true, '', '')")
            server.execute("SELECT pg_switch_wal()")
        server.execute("SELECT pg_logical_emit_message(true, '', '')")
        return server.value("SELECT pg_current_wal_flush_lsn()")


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
        drain_s = 5
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

    def test_operators_are_answered_to_the_end(self):
        """Whichever thread has the last lookup: of eight, one answers operators, too."""
        with with_admin(policy={"policy": "primary_only"}, listen={"threads": 8}) as host, \
                contextlib.closing(cluster.primary.connect()) as blocker:
            cursor = blocker.cursor()
            cursor.execute('BEGIN; LOCK TABLE "TaskRunExecutionSnapshot"')
            future = host.begin_lookup(run, since)
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == 1,
                     "the lookup to hang")
            host.signal(signal.SIGTERM)
            wait_for(lambda: not self.listens(host.port), "the host to stop listening")
            for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
                self.assertEqual(host.admin(path).status, status)
            self.assertFalse(future.done())
            cursor.execute("ROLLBACK")
            self.assertEqual(future.result().status, 200)
            host.wait_stopped()

    def test_without_a_drain(self):
        with with_admin() as host:
            begun = time.monotonic()
            host.stop()
            self.assertLess(time.monotonic() - begun, 5)


if __name__ == "__main__":
    testbed.complain_if_not_built()
    unittest.main()
