#!/usr/bin/python3
"""The module in a real nginx with two workers, before a primary and replicas that lag."""

import concurrent.futures
import hashlib
import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from lagging_api import MISSING, Api
from nginx_server import Nginx, version
from testbed import ROOT, wait_for

POLICIES = """
[retry]
policy = replica_then_primary
replica_retry_min_ms = 200
replica_retry_max_ms = 300
[at_once]
policy = replica_then_primary
replica_retry_max_ms = 0
[failover]
policy = replica_then_primary
replica_retry_max_ms = 0
on_replica_failure = primary
[next]
policy = replica_then_primary
replica_retry_min_ms = 1
replica_retry_max_ms = 2
replica_pick = next
[backoff]
policy = replica_backoff
first_ms = 1
max_wait_ms = 10000
[replica]
policy = replica_only
[primary]
policy = primary_only
[budget]
policy = replica_then_primary
replica_retry_min_ms = 1
replica_retry_max_ms = 2
primary_budget_per_s = 1
primary_budget_burst = 7
"""

LOCATIONS = ("retry", "at_once", "failover", "next", "backoff", "replica", "primary", "budget")

HTTP = """
    read_policy_file read-policy.ini;
    upstream replica_api {{ server 127.0.0.1:{replica}; keepalive 8; }}
    upstream primary_api {{ server 127.0.0.1:{primary}; keepalive 8; }}
    map $upstream_http_content_range $is_empty {{ volatile; "*/0" 1; }}
    limit_req_zone $server_port zone=requests:64k rate=1r/m;
    map $upstream_http_x_rows $is_partial {{ volatile; "some" 1; }}
    server {{
        listen PORT;
        add_header X-Read-Served-By $read_policy_served_by always;
{sections}
        location /retry/two/ {{
            read_policy next;
            read_policy_replica http://replica_api;
            read_policy_replica http://127.0.0.1:{other};
            read_policy_primary http://primary_api;
        }}
        location /gone/ {{
            read_policy at_once;
            read_policy_missing 404 410 204;
            read_policy_missing_if $is_empty;
            read_policy_partial_if $is_partial;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location /moved/ {{
            read_policy at_once;
            read_policy_replica http://replica_api/from/replica/;
            read_policy_primary http://primary_api/from/primary/;
        }}
        location ~ ^/matched/(.*)$ {{
            read_policy at_once;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
            if ($arg_quiet) {{ access_log off; add_header X-Quiet yes always; }}
        }}
        location /pages/ {{
            read_policy budget;
            proxy_intercept_errors on;
            error_page 401 /page?of=401;
            error_page 404 /page?of=404;
            error_page 429 502 503 /page?of=error;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location /guarded/ {{
            auth_request /auth;
            limit_req zone=requests burst=3 nodelay;
            read_policy backoff;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location = /auth {{ internal; proxy_pass http://primary_api/auth; }}
        location /stays/ {{
            proxy_ignore_headers X-Accel-Redirect;
            read_policy at_once;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location /unheeded/ {{
            proxy_ignore_client_abort on;
            read_policy retry;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location @named {{ return 200 named; }}
        location /forced/ {{
            proxy_force_ranges on;
            read_policy at_once;
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location = /file {{ alias DIRECTORY/nginx.conf; }}
        location = /page {{ return 200 "a page of our own: $args"; }}
        location /included {{
            ssi on;
            ssi_types application/octet-stream;
            default_type text/html;
            return 200 '<!--# include virtual="/retry/part" -->+<!--# include virtual="/at_once/part" -->';
        }}
        location = /metrics {{ read_policy_metrics; }}
    }}
"""

SECTION = """
        location = /{name}/hangs {{
            proxy_read_timeout 300ms;
            read_policy {name};
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
        location /{name}/ {{
            read_policy {name};
            read_policy_replica http://replica_api;
            read_policy_primary http://primary_api;
        }}
"""


class Host(unittest.TestCase):
    listen = "PORT"

    @classmethod
    def setUpClass(cls):
        cls.replica, cls.other, cls.primary = Api("replica"), Api("other"), Api("primary")
        cls.http = HTTP.format(
            replica=cls.replica.port, other=cls.other.port, primary=cls.primary.port,
            sections="".join(SECTION.format(name=name) for name in LOCATIONS))
        cls.http = cls.http.replace("listen PORT", f"listen {cls.listen}")
        cls.nginx = Nginx(cls.http, {"read-policy.ini": POLICIES}).start()

    @classmethod
    def tearDownClass(cls):
        log = cls.nginx.log()
        cls.nginx.stop()
        bad = re.findall(r".*(?:\[crit\]|exited on signal (?!9)|AddressSanitizer).*", log)
        assert not bad, bad

    def miss_count(self, section, outcome):
        return self.nginx.metrics().value(f"run_engine_{section}_replica_miss_total",
                                          section=section, outcome=outcome)

    def counts(self, section):
        return [self.miss_count(section, outcome) for outcome in ("replica_retry", "primary")]


class WhoServes(Host):
    def test_a_hit_is_the_replicas(self):
        before = self.counts("retry")
        self.replica.put("/retry/hit", b"from the replica", **{"X-Of": "replica"})
        answer = self.nginx.get("/retry/hit")
        self.assertEqual((answer.status, answer.body), (200, b"from the replica"))
        self.assertEqual(answer.headers["X-Of"], "replica")
        self.assertEqual(answer.headers["X-Read-Served-By"], "replica")
        self.assertEqual(self.primary.asked("/retry/hit"), [])
        self.assertEqual(self.nginx.told("/retry/hit")[:4], ["200", "found", "replica", "-"])
        self.assertEqual(self.counts("retry"), before)

    def test_a_row_that_comes_late_is_the_retrys(self):
        before = self.counts("retry")
        self.replica.put("/retry/late", b"late", misses=1)
        began = time.monotonic()
        answer = self.nginx.get("/retry/late")
        self.assertGreaterEqual(time.monotonic() - began, 0.2)
        self.assertEqual((answer.status, answer.body), (200, b"late"))
        self.assertIsNone(answer.headers["X-Missed-By"])
        self.assertEqual(self.replica.asked("/retry/late"), ["GET", "GET"])
        self.assertEqual(self.primary.asked("/retry/late"), [])
        self.assertEqual(self.nginx.told("/retry/late")[:4], ["200", "found", "replica_retry", "-"])
        self.assertEqual(self.counts("retry"), [before[0] + 1, before[1]])
        self.assertNotIn("/retry/late", self.nginx.log())

    def test_a_row_that_does_not_come_is_the_primarys(self):
        before = self.counts("retry")
        self.primary.put("/retry/never", b"from the primary", **{"X-Of": "primary"})
        answer = self.nginx.get("/retry/never")
        self.assertEqual((answer.status, answer.body), (200, b"from the primary"))
        self.assertEqual((answer.headers["X-Of"], answer.headers["X-Missed-By"]), ("primary", None))
        self.assertEqual(len(answer.headers.get_all("Content-Length")), 1)
        self.assertEqual(self.counts("retry"), [before[0], before[1] + 1])
        self.assertRegex(self.nginx.log(), r"\[warn\].* read policy retry: missed on the replica, "
                                           r"served by the primary.*/retry/never")

    def test_a_row_that_nobody_has_is_the_primarys_own_404(self):
        before = self.counts("retry")
        answer = self.nginx.get("/retry/nowhere")
        self.assertEqual((answer.status, answer.body), (404, MISSING))
        self.assertEqual(answer.headers.get_all("X-Missed-By"), ["primary"])
        self.assertEqual(self.nginx.told("/retry/nowhere")[:4],
                         ["404", "not_found", "primary", "primary_fallback"])
        self.assertEqual(self.counts("retry"), before)
        self.assertRegex(self.nginx.log(), r"\[error\].* read policy retry: not found on the replica, "
                                           r"nor on the primary.*/retry/nowhere")

    def test_primary_only_and_replica_only(self):
        self.primary.put("/primary/x", b"p")
        self.replica.put("/primary/x", b"r")
        self.assertEqual(self.nginx.get("/primary/x").body, b"p")
        self.assertEqual(self.replica.asked("/primary/x"), [])
        self.primary.put("/replica/x", b"p")
        answer = self.nginx.get("/replica/x")
        self.assertEqual((answer.status, answer.headers["X-Missed-By"]), (404, "replica"))
        self.assertEqual(self.nginx.told("/replica/x")[:3], ["404", "not_found", "replica"])

    def test_of_two_replicas_the_next_is_asked(self):
        firsts = set()
        for i in range(40):
            path = f"/retry/two/{i}"
            self.primary.put(path)
            self.assertEqual(self.nginx.get(path).headers["X-Read-Served-By"], "primary")
            self.assertEqual((self.replica.asked(path), self.other.asked(path)), (["GET"], ["GET"]))
            self.other.put(path)
            answer = self.nginx.get(path)
            firsts.add(answer.headers["X-Read-Served-By"])
            self.assertEqual(self.other.asked(path), ["GET", "GET"])
        self.assertEqual(firsts, {"replica", "replica_retry"})

    def test_many_polls(self):
        """More than nginx allows internal redirects to a request."""
        self.replica.put("/backoff/late", b"at last", misses=11)
        answer = self.nginx.get("/backoff/late")
        self.assertEqual((answer.status, answer.body), (200, b"at last"))
        self.assertEqual(len(self.replica.asked("/backoff/late")), 12)
        self.assertEqual(self.counts("backoff"), [1, 0])


class WhatIsAMiss(Host):
    def test_statuses(self):
        for status in (410, 204, 404):
            path = f"/gone/{status}"
            self.replica.special[path] = lambda handler, status=status: handler.give(status, b"")
            self.primary.put(path, b"here")
            self.assertEqual(self.nginx.get(path).body, b"here")

    def test_other_statuses_pass(self):
        for status in (403, 410, 429, 304, 204):
            path = f"/at_once/{status}"
            self.replica.special[path] = lambda handler, status=status: handler.give(
                status, b"" if status in (204, 304) else b"as it is", {"X-Of": "replica"})
            answer = self.nginx.get(path)
            self.assertEqual((answer.status, answer.headers["X-Of"]), (status, "replica"))
            self.assertEqual(self.primary.asked(path), [])

    def test_conditions(self):
        """Both judge each answer anew: of the replica, of the primary."""
        empty = {"Content-Range": "*/0"}
        self.replica.put("/gone/empty", b"[]", **empty)
        self.primary.put("/gone/empty", b"[1]", **{"Content-Range": "0-0/1"})
        self.assertEqual(self.nginx.get("/gone/empty").body, b"[1]")
        self.replica.put("/gone/nowhere", b"[]", **empty)
        self.primary.put("/gone/nowhere", b"[ ]", **empty)
        self.assertEqual(self.nginx.get("/gone/nowhere").body, b"[ ]")
        self.assertEqual(self.nginx.told("/gone/nowhere")[1:3], ["not_found", "primary"])
        self.replica.put("/gone/some", b"half", **{"X-Rows": "some"})
        self.primary.put("/gone/some", b"whole", **{"X-Rows": "all"})
        self.assertEqual(self.nginx.get("/gone/some").body, b"whole")

    def test_the_answer_that_counts_may_lead_elsewhere(self):
        """By X-Accel-Redirect, but not before the policy has heard of it."""
        def lead(api, path, status, to):
            api.special[path] = lambda handler: handler.give(status, b"not this", {
                "X-Accel-Redirect": to, "X-Of": api.name, "Set-Cookie": f"of={api.name}", "Content-Type": "text/x"})
        for path in ("/at_once/led", "/at_once/ignored"):
            lead(self.replica, path, 404, "/page?of=replica")
        lead(self.primary, "/at_once/led", 200, "/page?of=primary")
        answer = self.nginx.get("/at_once/led")
        self.assertEqual((answer.status, answer.body), (200, b"a page of our own: of=primary"))
        self.assertEqual((answer.headers["X-Of"], answer.headers.get_all("Set-Cookie"), answer.headers["X-Missed-By"]),
                         (None, ["of=primary"], None))
        self.assertEqual(self.nginx.told("/at_once/led")[:4], ["200", "found", "primary", "-"])
        self.primary.put("/at_once/ignored", b"here")
        self.assertEqual(self.nginx.get("/at_once/ignored").body, b"here")
        lead(self.replica, "/failover/led", 500, "/page?of=replica")
        self.primary.put("/failover/led", b"here")
        self.assertEqual(self.nginx.get("/failover/led").body, b"here")
        # To a read of its own, to a named location, to nowhere.
        lead(self.replica, "/at_once/read", 200, "/retry/led_to")
        self.replica.put("/retry/led_to", b"late", misses=1)
        self.assertEqual(self.nginx.get("/at_once/read").body, b"late")
        self.assertEqual(self.nginx.told("/at_once/read")[1:3], ["found", "replica_retry"])
        lead(self.replica, "/at_once/name", 200, "@named")
        self.assertEqual(self.nginx.get("/at_once/name").body, b"named")
        lead(self.replica, "/at_once/unsafe", 200, "/../x")
        self.assertEqual(self.nginx.get("/at_once/unsafe").status, 404)
        lead(self.replica, "/stays/x", 200, "/page")
        self.assertEqual(self.nginx.get("/stays/x").body, b"not this")

    def test_what_it_leads_to_is_as_if_it_had_been_asked_itself(self):
        """An attempt's own answer takes no part in what it is compared with."""
        lead = lambda handler: handler.give(200, b"", {"X-Accel-Redirect": handler.headers["X-To"]})
        self.replica.special["/forced/x"] = lead
        known = {"If-None-Match": self.nginx.get("/file").headers["ETag"]}
        for path in ("/file", "/page"):
            for headers in ({}, known, {"Range": "bytes=1-2"}, {"Range": "bytes=1-2,4-6"}):
                own = self.nginx.get(path, headers=headers)
                led = self.nginx.get("/forced/x", headers={**headers, "X-To": path})
                for answer in (own, led):
                    del answer.headers["Date"], answer.headers["X-Read-Served-By"]
                    answer.body = re.sub(rb"\d{20}", b"BOUNDARY", answer.body)
                    answer.headers = re.sub(r"\d{20}", "BOUNDARY", str(answer.headers))
                self.assertEqual((led.status, led.headers, led.body), (own.status, own.headers, own.body))
        self.assertEqual(self.nginx.get("/file", headers=known).status, 304)

    def test_an_error_page_has_nothing_of_what_it_stands_for(self):
        for status in (401, 404):
            for api in (self.replica, self.primary):
                api.special["/pages/said"] = lambda handler, status=status: handler.give(
                    status, b"not this", {"Content-Encoding": "br", "Set-Cookie": "a=b", "ETag": '"x"',
                                          "WWW-Authenticate": "Basic realm=x"})
            answer = self.nginx.get("/pages/said")
            self.assertEqual((answer.status, answer.body), (status, b"a page of our own: of=%d" % status))
            self.assertEqual([answer.headers[name] for name in ("Content-Encoding", "Set-Cookie", "ETag")], [None] * 3)
            self.assertEqual(answer.headers.get_all("WWW-Authenticate"),
                             ["Basic realm=x"] if status == 401 else None)

    def test_what_an_if_in_the_location_says_of_answers(self):
        """As with proxy_pass: of hits, of what was dropped before, of nginx's own errors, of what is no read."""
        self.replica.put("/matched/hit?quiet=1")
        self.primary.put("/matched/miss?quiet=1")
        self.primary.special["/matched/posted?quiet=1"] = lambda handler: handler.give(201, b"done")
        for method, path, status in (("GET", "hit", 200), ("GET", "miss", 200), ("GET", "nowhere", 404),
                                     ("POST", "posted", 201)):
            answer = self.nginx.get(f"/matched/{path}?quiet=1", method)
            self.assertEqual((answer.status, answer.headers["X-Quiet"]), (status, "yes"), path)
        self.nginx.get("/matched/heard")
        self.nginx.told("/matched/heard")
        self.assertNotRegex(self.nginx.read("access.log"), r"/matched/\w+\?quiet=1")

    def test_paths(self):
        self.primary.put("/from/primary/x?a=b", b"moved")
        self.assertEqual(self.nginx.get("/moved/x?a=b").body, b"moved")
        self.assertEqual(self.replica.asked("/from/replica/x?a=b"), ["GET"])
        self.primary.put("/matched/%41%2fx?quiet=1", b"matched")
        self.assertEqual(self.nginx.get("/matched/%41%2fx?quiet=1").body, b"matched")
        self.assertEqual(self.replica.asked("/matched/%41%2fx?quiet=1"), ["GET"])


class Guards(Host):
    def test_run_once_however_many_attempts_there_are(self):
        self.primary.special["/auth"] = lambda handler: handler.give(204, b"")
        for i in range(4):
            self.replica.put(f"/guarded/{i}", misses=3)
            self.assertEqual(self.nginx.get(f"/guarded/{i}").status, 200)
            self.assertEqual(len(self.replica.asked(f"/guarded/{i}")), 4)
        self.assertEqual(len(self.primary.asked("/auth")), 4)
        self.assertEqual(self.nginx.get("/guarded/5").status, 503)
        self.primary.special["/auth"] = lambda handler: handler.give(403, b"")
        self.assertIn(self.nginx.get("/guarded/6").status, (403, 503))
        self.assertEqual(self.replica.asked("/guarded/6"), [])


class Failures(Host):
    def setUp(self):
        def fail(handler):
            handler.give(500, b"of its own", {"X-Of": "replica"})
        def hang(handler):
            time.sleep(3)
        def tear(handler):
            handler.wfile.write(b"HTTP/1.1 2")
            handler.close_connection = True
        for section in ("at_once", "failover"):
            self.replica.special[f"/{section}/fails"] = fail
            self.replica.special[f"/{section}/hangs"] = hang
            self.replica.special[f"/{section}/torn"] = tear

    def test_a_failure_is_an_error(self):
        for what, status in (("fails", 500), ("hangs", 504), ("torn", 502)):
            path = f"/at_once/{what}"
            self.primary.put(path, b"unasked")
            answer = self.nginx.get(path)
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.body == b"of its own", what == "fails")
            self.assertEqual(self.primary.asked(path), [])
            self.assertEqual(self.nginx.told(path)[:4], [str(status), "failed", "-", "-"])

    def test_or_the_primarys_where_that_is_allowed(self):
        before = self.counts("failover")
        for what in ("fails", "hangs", "torn"):
            path = f"/failover/{what}"
            self.primary.put(path, b"from the primary")
            answer = self.nginx.get(path)
            self.assertEqual((answer.status, answer.body), (200, b"from the primary"))
            self.assertIsNone(answer.headers["X-Of"])
        self.assertEqual(self.counts("failover"), before)

    def test_a_replica_that_is_away(self):
        self.replica.stop()
        try:
            self.primary.put("/failover/away", b"p")
            self.assertEqual(self.nginx.get("/failover/away").body, b"p")
            self.assertEqual(self.nginx.get("/at_once/away").status, 502)
        finally:
            self.replica.start()
        self.replica.put("/at_once/back", b"r")
        wait_for(lambda: self.nginx.get("/at_once/back").status == 200, "the replica to be used")

    def test_a_primary_that_is_away(self):
        self.primary.stop()
        try:
            self.replica.put("/at_once/hit", b"r")
            self.assertEqual(self.nginx.get("/at_once/hit").body, b"r")
            self.assertEqual(self.nginx.get("/at_once/missed").status, 502)
            self.assertEqual(self.nginx.told("/at_once/missed")[:4],
                             ["502", "failed", "-", "primary_fallback"])
            self.assertEqual(self.nginx.get("/pages/missed").body, b"a page of our own: of=error")
            self.assertEqual(self.nginx.told("/pages/missed")[1], "failed")
        finally:
            self.primary.start()

    def test_what_is_no_answer_is_a_failure(self):
        """An interim one, and what is no HTTP. From 1.29 on nginx looks for the answer after early hints."""
        said = {"early": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n",
                "continue": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
                "zero": b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
                "text": b"no such row\r\n"}
        for name, words in said.items():
            is_passed_over = name == "early" and version() >= (1, 29)
            for section in ("at_once", "failover"):
                path = f"/{section}/no/{name}"
                missed = is_passed_over or section == "failover"
                status, body = (200, b"from the primary") if missed else (502, None)
                def say(handler, words=words):
                    handler.wfile.write(words)
                    handler.close_connection = True
                self.replica.special[path] = say
                self.primary.put(path, b"from the primary", **{"X-Of": "primary"})
                with self.subTest(path):
                    answer = self.nginx.get(path)
                    self.assertEqual(answer.status, status)
                    self.assertEqual(answer.headers["X-Of"], "primary" if body else None)
                    if body:
                        self.assertEqual(answer.body, body)
                    self.assertEqual(self.nginx.told(path)[1], "found" if body else "failed")

    def test_an_answer_cut_off_in_its_body(self):
        """It was found, and sent in part: nobody else can be asked, and the client sees the cut."""
        def cut(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", "100000")
            handler.end_headers()
            handler.wfile.write(b"x" * 50000)
            handler.close_connection = True
        self.replica.special["/failover/cut"] = cut
        with self.assertRaises(http.client.IncompleteRead):
            self.nginx.get("/failover/cut")
        self.assertEqual(self.primary.asked("/failover/cut"), [])


class Bodies(Host):
    LARGE = os.urandom(1 << 20) * 24

    def check_large(self, path):
        with self.subTest(path):
            body = self.nginx.get(path).body
            self.assertEqual(hashlib.sha256(body).digest(), hashlib.sha256(self.LARGE).digest())

    def test_large(self):
        self.replica.put("/at_once/large", self.LARGE)
        self.primary.put("/retry/large", self.LARGE)
        self.check_large("/at_once/large")
        self.check_large("/retry/large")

    def test_chunked(self):
        def chunked(handler):
            handler.give_chunked(200, (self.LARGE[i:i + 70001] for i in
                                       range(0, len(self.LARGE), 70001)))
        self.replica.special["/at_once/chunked"] = chunked
        self.replica.special["/retry/chunked"] = lambda handler: handler.give_chunked(
            404, [b"missed"] * 100)
        self.primary.special["/retry/chunked"] = chunked
        self.check_large("/at_once/chunked")
        self.check_large("/retry/chunked")

    def test_a_large_miss_is_dropped(self):
        self.replica.special["/retry/big_miss"] = lambda handler: handler.give(404, self.LARGE)
        self.primary.put("/retry/big_miss", b"small")
        answer = self.nginx.get("/retry/big_miss")
        self.assertEqual((answer.status, answer.body), (200, b"small"))

    def test_a_miss_says_nothing_of_how_fast_the_answer_may_be_sent(self):
        self.replica.special["/at_once/fast"] = lambda handler: handler.give(404, b"", {"X-Accel-Limit-Rate": "10"})
        self.primary.put("/at_once/fast", b"f" * 400)
        began = time.monotonic()
        self.assertEqual(self.nginx.get("/at_once/fast").body, b"f" * 400)
        self.assertLess(time.monotonic() - began, 15)

    def test_the_beginning_comes_before_the_end(self):
        """Streamed, as plain proxy_pass would with buffering on."""
        may_end = threading.Event()
        def slow(handler):
            handler.give_chunked(200, self._slowly(may_end))
        self.primary.special["/at_once/slow"] = slow
        connection = self.nginx.connect()
        connection.request("GET", "/at_once/slow")
        response = connection.getresponse()
        self.assertEqual(response.read(5), b"first")
        may_end.set()
        self.assertEqual(response.read(), b"last")
        connection.close()

    @staticmethod
    def _slowly(may_end):
        yield b"first"
        may_end.wait(10)
        yield b"last"

    def test_head(self):
        self.primary.put("/retry/head", b"12345")
        connection = self.nginx.connect()
        answer = self.nginx.get("/retry/head", "HEAD", connection=connection)
        self.assertEqual((answer.status, answer.headers["Content-Length"], answer.body),
                         (200, "5", b""))
        self.assertEqual(self.replica.asked("/retry/head"), ["HEAD", "HEAD"])
        self.assertEqual(self.nginx.get("/retry/head", connection=connection).body, b"12345")
        self.assertEqual(self.nginx.get("/retry/nowhere", "HEAD", connection=connection).status, 404)
        connection.close()

    def test_connections_are_kept(self):
        """To the client, and to both servers: misses too leave theirs fit for use."""
        self.replica.special["/at_once/kept/chunked"] = lambda handler: handler.give_at_once(
            404, b"Transfer-Encoding: chunked", b"4\r\nmiss\r\n2\r\ned\r\n0\r\n\r\n")
        self.replica.special["/at_once/kept/empty"] = lambda handler: handler.give(404, b"")
        paths = [f"/at_once/kept/{name}" for name in ("short", "chunked", "empty")]
        for path in paths:
            self.primary.put(path)
        connection = self.nginx.connect()
        self.nginx.get(paths[0], connection=connection)
        before = self.replica.connections, self.primary.connections
        for path in paths * 10:
            self.assertEqual(self.nginx.get(path, connection=connection).status, 200)
        self.assertEqual((self.replica.connections, self.primary.connections), before)
        connection.close()

    def test_a_connection_with_something_left_is_not_kept(self):
        """What is behind an answer, or still to come, must not be taken for the next one's."""
        length, chunked = b"Content-Length: 4", b"Transfer-Encoding: chunked"
        spoilt = {
            "behind_length": (length, b"missHTTP/1.1 2", b"00 OK\r\nContent-Length: 3\r\n\r\nbad"),
            "behind_chunks": (chunked, b"4\r\nmiss\r\n0\r\n\r\nHTTP/1.1 2", b"00 OK\r\n\r\n"),
            "to_come": (length, b"mi", b"ss"),
            "chunks_to_come": (chunked, b"4\r\nmiss\r\n", b"0\r\n\r\n"),
        }
        self.replica.put("/at_once/spoilt/hit", b"hit")
        connection = self.nginx.connect()
        for name, (header, begins, ends) in spoilt.items():
            path, may_end = f"/at_once/spoilt/{name}", threading.Event()
            def answer(handler, header=header, begins=begins, ends=ends, may_end=may_end):
                handler.give_at_once(404, header, begins)
                may_end.wait(10)
                handler.wfile.write(ends)
            self.replica.special[path] = answer
            self.primary.put(path, b"whole")
            with self.subTest(name):
                self.assertEqual(self.nginx.get(path, connection=connection).body, b"whole")
                threading.Timer(0.05, may_end.set).start()
                self.assertEqual(
                    self.nginx.get("/at_once/spoilt/hit", connection=connection).body, b"hit")
        connection.close()

    def test_what_is_no_read_goes_to_the_primary(self):
        def echo(handler):
            handler.give(404, handler.command.encode() + b" " + handler.body, {"X-Of": "primary"})
        before = self.counts("at_once")
        self.primary.special["/at_once/echo"] = echo
        for method in ("POST", "PUT", "DELETE", "GET"):
            body = b"b" * 100000 if method != "DELETE" else None
            answer = self.nginx.get("/at_once/echo", method, body)
            self.assertEqual((answer.status, answer.body),
                             (404, method.encode() + b" " + (body or b"")))
            self.assertEqual(self.nginx.told("/at_once/echo")[:4], ["404", "-", "-", "-"])
        self.assertEqual(self.replica.asked("/at_once/echo"), [])
        self.assertEqual(self.counts("at_once"), before)


class Clients(Host):
    def leave(self, path, after):
        with socket.create_connection(("127.0.0.1", self.nginx.port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_for(after, "the moment to leave")

    def test_that_leave_while_the_read_waits(self):
        self.leave("/retry/left", lambda: self.replica.asked("/retry/left"))
        self.assertEqual(self.nginx.told("/retry/left")[0], "499")
        self.leave("/retry/left2", lambda: self.replica.asked("/retry/left2"))
        # The first one's time to ask again is over now.
        self.nginx.get("/retry/nowhere")
        self.assertEqual(self.replica.asked("/retry/left"), ["GET"])
        self.assertEqual(self.primary.asked("/retry/left"), [])

    def test_that_leave_where_that_is_ignored(self):
        """Half of a connection is enough to be answered."""
        self.replica.put("/unheeded/x", b"late", misses=1)
        with socket.create_connection(("127.0.0.1", self.nginx.port), 20) as connection:
            connection.sendall(b"GET /unheeded/x HTTP/1.0\r\n\r\n")
            wait_for(lambda: self.replica.asked("/unheeded/x"), "the first attempt")
            connection.shutdown(socket.SHUT_WR)
            self.assertTrue(connection.makefile("rb").read().endswith(b"late"))
        self.assertEqual(self.nginx.told("/unheeded/x")[:3], ["200", "found", "replica_retry"])

    def test_that_leave_during_an_attempt(self):
        gone = threading.Event()
        self.replica.special["/retry/busy"] = lambda handler: gone.wait(10)
        self.leave("/retry/busy", lambda: self.replica.asked("/retry/busy"))
        self.assertEqual(self.nginx.told("/retry/busy")[0], "499")
        gone.set()
        self.assertEqual(self.primary.asked("/retry/busy"), [])

    def test_that_speak_http2(self):
        nginx = Nginx(self.http.replace("listen PORT;", "listen PORT; listen unix:DIRECTORY/http2 http2;"),
                      {"read-policy.ini": POLICIES}).start()
        try:
            for i in range(6):
                self.primary.put(f"/retry/h2/{i}", b"%d." % i)
            self.replica.put("/retry/h2/0", b"hit.")
            clients = [subprocess.Popen(
                ["curl", "-s", "--http2-prior-knowledge", "--fail", "--unix-socket",
                 os.path.join(nginx.directory, "http2"), f"http://host/retry/h2/{i}"],
                stdout=subprocess.PIPE) for i in range(6)]
            bodies = [client.communicate(timeout=20)[0] for client in clients]
            self.assertEqual(bodies, [b"hit.", b"1.", b"2.", b"3.", b"4.", b"5."])
            self.assertNotIn("[alert]", nginx.log())
        finally:
            nginx.stop()

    def test_pages_that_include_reads(self):
        self.primary.put("/retry/part", b"one")
        self.replica.put("/at_once/part", b"other")
        self.assertEqual(self.nginx.get("/included").body, b"one+other")


class Budget(Host):
    listen = "PORT reuseport"  # the kernel spreads connections over the workers

    def test_all_workers_keep_one(self):
        paths = [f"/budget/{i}" for i in range(60)]
        for path in paths:
            self.primary.put(path)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(self.nginx.get, paths))
        took = time.monotonic() - began
        served = sum(answer.status == 200 for answer in answers)
        shed = [answer for answer in answers if answer.status == 429]
        self.assertEqual(served + len(shed), 60)
        self.assertGreaterEqual(served, 7)
        self.assertLessEqual(served, 7 + took + 1)
        self.assertEqual({answer.headers["Retry-After"] for answer in shed}, {"1"})
        self.assertEqual(sum(len(self.primary.asked(path)) for path in paths), served)
        self.assertEqual(len({self.nginx.told(path)[4] for path in paths}), 2, "one worker only")
        self.assertEqual({tuple(self.nginx.told(path)[:4]) for path in paths},
                         {("200", "found", "primary", "-"), ("429", "shed", "-", "primary_budget")})
        # Every worker tells the sum of all.
        for _ in range(10):
            metrics = self.nginx.metrics()
            self.assertEqual(metrics.value("run_engine_budget_primary_shed_total",
                                           section="budget"), len(shed))
            self.assertEqual(self.counts("budget"), [0, served])
        # A flood of sheds is one line a second for each worker.
        lines = re.findall(r"read policy budget: .*budget is used up \((\d+) shed", self.nginx.log())
        self.assertLessEqual(len(lines), 2 * (took + 2))
        self.reload_keeps_counters_and_debt(len(shed), served)
        self.pages_of_the_locations_own()

    def reload_keeps_counters_and_debt(self, shed, served):
        """And so does a worker that is killed."""
        worker = self.nginx.workers()[0]
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: worker not in self.nginx.workers() and len(self.nginx.workers()) == 2,
                 "another worker")
        self.nginx.reload()
        metrics = self.nginx.metrics()
        self.assertEqual(metrics.value("run_engine_budget_primary_shed_total", section="budget"),
                         shed)
        self.assertEqual(self.counts("budget"), [0, served])
        statuses = []
        for i in range(7):
            self.primary.put(f"/budget/again/{i}")
            statuses.append(self.nginx.get(f"/budget/again/{i}").status)
        self.assertIn(429, statuses)

    def pages_of_the_locations_own(self):
        def shed_page():
            return self.nginx.get("/pages/x").body == b"a page of our own: of=error"
        wait_for(shed_page, "a shed read's page")
        self.assertEqual(self.nginx.told("/pages/x")[1], "shed")
        self.replica.special["/pages/broken"] = lambda handler: handler.give(503, b"x")
        self.assertEqual(self.nginx.get("/pages/broken").body, b"a page of our own: of=error")
        self.assertEqual(self.nginx.told("/pages/broken")[1], "failed")
        self.primary.put("/pages/unlucky")
        wait_for(lambda: self.nginx.get("/pages/nowhere").body == b"a page of our own: of=404",
                 "the page of a row that nobody has")
        self.replica.put("/pages/hit", b"hit")
        self.assertEqual(self.nginx.get("/pages/hit").body, b"hit")


class Reload(Host):
    def test_under_load(self):
        """No request is lost, no count either, and the new policy holds."""
        for i in range(20):
            self.replica.put(f"/retry/{i}")
            self.primary.put(f"/next/{i}")
        stop, failures, made = threading.Event(), [], [0, 0]
        def load(kind):
            connection, i = self.nginx.connect(), 0
            while not stop.is_set():
                path = f"/retry/{i % 20}" if kind == 0 else f"/next/{i % 20}"
                try:
                    answer = self.nginx.get(path, connection=connection)
                    if answer.status != 200:
                        failures.append((path, answer.status))
                    made[kind] += 1
                except (OSError, http.client.HTTPException):
                    # nginx closes idle connections of workers that go; what was sent there then
                    # was not taken.
                    connection.close()
                i += 1
            connection.close()
        threads = [threading.Thread(target=load, args=(kind,)) for kind in (0, 1)]
        for thread in threads:
            thread.start()
        for i in range(4):
            asked = list(made)
            wait_for(lambda: made[0] > asked[0] + 50 and made[1] > asked[1] + 10, "load")
            self.nginx.reload()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.counts("next")[1], sum(
            len(self.primary.asked(f"/next/{i}")) for i in range(20)))
        self.change_the_policy()

    def change_the_policy(self):
        self.primary.put("/at_once/changed", b"p")
        self.replica.put("/at_once/changed", b"r")
        self.assertEqual(self.nginx.get("/at_once/changed").body, b"r")
        changed = POLICIES.replace("[at_once]\npolicy = replica_then_primary\n"
                                   "replica_retry_max_ms = 0", "[at_once]\npolicy = primary_only")
        before = self.counts("next")
        self.nginx.write("read-policy.ini", changed + "[new]\npolicy = replica_only\n")
        self.nginx.reload()
        self.assertEqual(self.nginx.get("/at_once/changed").body, b"p")
        self.assertEqual(self.counts("next"), before)
        self.assertEqual(self.counts("new"), [0, 0])
        self.nginx.write("read-policy.ini", "[at_once]\npolicy = replica_olny\n")
        self.nginx.reload()
        self.assertRegex(self.nginx.log(), r"\[emerg\].*read-policy.ini:2: .*replica_olny")
        self.assertEqual(self.nginx.get("/at_once/changed").body, b"p")

    def test_a_read_that_waits_is_finished_by_the_old_worker(self):
        self.nginx.write("read-policy.ini", POLICIES)
        self.nginx.reload()
        self.replica.put("/retry/waiting", b"late", misses=1)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.nginx.get("/retry/waiting")))
        thread.start()
        wait_for(lambda: self.replica.asked("/retry/waiting"), "the first attempt")
        self.nginx.reload()
        thread.join()
        self.assertEqual((answers[0].status, answers[0].body), (200, b"late"))
        self.assertNotIn(int(self.nginx.told("/retry/waiting")[4]), self.nginx.workers()[-2:])


    def test_one_that_is_refused_changes_nothing(self):
        """However late, and whoever is started after it: filters and shared memory outlive it."""
        nginx = Nginx(self.http, {"read-policy.ini": POLICIES}).start()
        def refuse(http_block, policies=POLICIES, module="load_module"):
            nginx.configure(http_block, {"read-policy.ini": policies})
            nginx.write("nginx.conf", nginx.read("nginx.conf").replace("load_module", module))
            count = nginx.log().count("[emerg]")
            nginx.reload()
            self.assertGreater(nginx.log().count("[emerg]"), count)
        try:
            refuse(self.http.replace("limit_req_zone $server_port", "limit_req_zone $server_name"),
                   POLICIES.replace("primary_budget_per_s = 1\n", "primary_budget_per_s = 100000\n"))
            began, paths = time.monotonic(), [f"/budget/refused/{i}" for i in range(30)]
            for path in paths:
                self.primary.put(path)
                nginx.get(path)
            self.assertLessEqual(sum(len(self.primary.asked(path)) for path in paths), 8 + time.monotonic() - began)
            refuse(self.http.replace("read_policy at_once", "read_policy nowhere"))
            self.worker_judges(nginx, "/at_once/after/1")
            refuse("server { listen PORT; access_log nowhere/x; }")
            self.worker_judges(nginx, "/at_once/after/2")
            refuse("server { listen PORT; access_log nowhere/x; }", module="#")
            self.worker_judges(nginx, "/at_once/after/3")
        finally:
            nginx.stop()

    def test_one_that_a_single_process_refuses_changes_nothing(self):
        """Where nothing is forked, what was refused is in force at once, or not at all."""
        nginx = Nginx(self.http, {"read-policy.ini": POLICIES})
        def configure(http_block):
            nginx.configure(http_block, {})
            nginx.write("nginx.conf", nginx.read("nginx.conf").replace("worker_processes", "master_process off;#"))
        configure(self.http)
        nginx.start()
        try:
            configure(self.http.replace("read_policy at_once", "read_policy nowhere"))
            nginx.reload()
            self.primary.put("/at_once/single", b"here")
            self.assertEqual(nginx.get("/at_once/single").body, b"here")
        finally:
            nginx.stop()

    def worker_judges(self, nginx, path):
        """One that is started now."""
        before = nginx.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: len(set(nginx.workers()) - set(before)) == 2, "other workers")
        self.primary.put(path, b"here")
        self.assertEqual(nginx.get(path).body, b"here")


class Configuration(unittest.TestCase):
    def check(self, http_block, policies="[s]\npolicy = replica_only\n"):
        nginx = Nginx(http_block, {"read-policy.ini": policies})
        try:
            return nginx.check()
        finally:
            nginx.stop()

    def refused(self, location, *expected, http_block="read_policy_file read-policy.ini;",
                policies="[s]\npolicy = replica_only\n"):
        text, status = self.check(
            f"{http_block}\nserver {{ listen PORT;\nlocation / {{\n{location}\n}} }}", policies)
        self.assertNotEqual(status, 0, text)
        for pattern in expected:
            self.assertRegex(text, pattern)

    SERVERS = "read_policy_replica http://127.0.0.1:1; read_policy_primary http://127.0.0.1:2;"

    def test_errors_of_the_policy_file(self):
        self.refused(f"read_policy s; {self.SERVERS}",
                     r"\[emerg\] \S*read-policy\.ini:3: .*replica_retry_mx_ms.* in \S*nginx\.conf:\d+",
                     r"\[emerg\] \S*read-policy\.ini:4: .*",
                     policies="[s]\npolicy = replica_then_primary\nreplica_retry_mx_ms = 2\n"
                              "primary_budget_per_s = lots\n")
        self.refused(f"read_policy s; {self.SERVERS}", "cannot be read|No such file",
                     http_block="read_policy_file nowhere.ini;")

    def test_a_policy_that_needs_positions(self):
        self.refused(f"read_policy s; {self.SERVERS}",
                     r"read-policy\.ini:2: \[s\] policy = read_index: it needs a host that can",
                     policies="[s]\npolicy = read_index\n")

    def test_a_section_that_is_not_there(self):
        self.refused(f"read_policy other; {self.SERVERS}",
                     r"read_policy other: the policy file has no section of that name in "
                     r"\S*nginx\.conf:\d+")

    def test_what_is_missing_or_too_much(self):
        servers = self.SERVERS
        self.refused(f"read_policy s; {servers}", "there is no read_policy_file", http_block="")
        self.refused("read_policy s; read_policy_replica http://127.0.0.1:1;",
                     "read_policy_primary is missing")
        self.refused(servers, "no read_policy that names the section")
        self.refused(f"read_policy s; read_policy s; {servers}", "duplicate")
        self.refused(f"read_policy s; {servers} read_policy_primary http://127.0.0.1:2;",
                     "duplicate")
        self.refused(f"read_policy s; {servers} proxy_pass http://127.0.0.1:2;", "proxy_pass")
        self.refused(f"proxy_pass http://127.0.0.1:2; read_policy s; {servers}", "proxy_pass")
        self.refused(f"read_policy s; {servers} proxy_cache c;", "proxy_cache cannot be used",
                     http_block="read_policy_file read-policy.ini;\n"
                                "proxy_cache_path cache keys_zone=c:1m;")
        self.refused(f"read_policy s; {servers}", "duplicate",
                     http_block="read_policy_file read-policy.ini;\n" * 2)
        for status in ("200", "500", "x", "304"):
            self.refused(f"read_policy s; {servers} read_policy_missing {status};",
                         f'"{status}" is no status that can say')
        self.refused("read_policy s; read_policy_replica ftp://x; read_policy_primary http://y;",
                     "invalid URL prefix")

    def test_the_example(self):
        """hosts/nginx/nginx.conf, as it stands but for the module's place."""
        nginx = Nginx("", {})
        with open(os.path.join(ROOT, "hosts", "nginx", "nginx.conf"), encoding="utf-8") as file:
            example = file.read()
        with open(os.path.join(ROOT, "hosts", "nginx", "read-policy.ini"), encoding="utf-8") as file:
            nginx.write("read-policy.ini", file.read())
        self.assertIn("load_module modules/", example)
        # From where make puts it.
        with tempfile.TemporaryDirectory(prefix="nginx-install-") as place:
            def make(target):
                subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={os.environ.get('BUILD', 'build')}", target,
                                f"DESTDIR={place}", "PREFIX=/usr", "NGINX_MODULES_DIR=/modules"], check=True,
                               capture_output=True, text=True)

            make("install-nginx")
            self.assertTrue(os.path.exists(f"{place}/usr/share/doc/read-policy/nginx/README.md"))
            nginx.write("nginx.conf", example.replace("load_module modules/", f"load_module {place}/modules/"))
            try:
                text, status = nginx.check()
                self.assertEqual(status, 0, text)
            finally:
                nginx.stop()
            make("uninstall-nginx")
            self.assertEqual([names for _, _, names in os.walk(place) if names], [])

    def test_the_module_alone_changes_nothing(self):
        text, status = self.check("server { listen PORT; location / { return 200; } }")
        self.assertEqual(status, 0, text)


if __name__ == "__main__":
    unittest.main()
