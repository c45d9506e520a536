#!/usr/bin/python3
"""conf/proxy: nginx and HAProxy in front of two hosts, as shipped but for addresses and certificate. TLS ends
there, only lookups come through, and a host that goes costs no lookup."""

import http.client
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import unittest

from host import TOKEN, Host, lookup_path
from lookup_case import module_cluster
from testbed import ROOT, clean_up_at_exit, free_port, no_longer_clean_up, wait_for

NAME = "snapshots.example.com"
PATH = os.environ.get("PATH", "") + ":/usr/sbin"

cluster = None
run = None
since = None


def setUpModule():
    global cluster, run, since
    cluster, history = module_cluster("standby", seed=3)
    life = history.life_of_a_run()
    history.write(cluster.primary)
    cluster.wait_caught_up()
    run, since = life[0]["runId"], life[0]["id"]


def sample(name, replacements):
    """The shipped file with these parts of it replaced; each must be there."""
    with open(os.path.join(ROOT, "conf", "proxy", name), encoding="ascii") as file:
        text = file.read()
    for old, new in replacements.items():
        assert text.count(old) >= 1, f"{name} does not say {old!r}"
        text = text.replace(old, new)
    return text


class Traffic(threading.Thread):
    """A runner that asks without a pause over one connection, which it opens again where it is closed."""

    def __init__(self, proxy):
        super().__init__(daemon=True)
        self.statuses = {}
        self.faults = []
        self._proxy = proxy
        self._over = threading.Event()

    def run(self):
        connection = self._proxy.connect()
        while not self._over.is_set():
            try:
                status = self._proxy.ask(connection, lookup_path(run, since)).status
                self.statuses[status] = self.statuses.get(status, 0) + 1
            except (OSError, http.client.HTTPException) as fault:
                self.faults.append(repr(fault))
                connection.close()
                connection = self._proxy.connect()
        connection.close()

    def answered(self):
        return sum(self.statuses.values())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exception):
        self._over.set()
        self.join()


class Proxy:
    """Whichever it is: a process, and how to ask it."""

    def __init__(self, hosts):
        self.directory = tempfile.mkdtemp(prefix="proxy-")
        self.port = free_port()
        self.certificate = os.path.join(self.directory, "both.pem")
        key = os.path.join(self.directory, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                        "-keyout", key, "-out", self.certificate], check=True, capture_output=True)
        with open(key, encoding="ascii") as file, open(self.certificate, "a", encoding="ascii") as both:
            both.write(file.read())
        self._context = ssl.create_default_context(cafile=self.certificate)
        self._process = subprocess.Popen(self.command(hosts), stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        clean_up_at_exit(self.stop)

    def stop(self):
        no_longer_clean_up(self.stop)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def connect(self):
        """A connection whose certificate is checked, as a runner's."""
        context, port = self._context, self.port

        class Connection(http.client.HTTPSConnection):
            def connect(self):
                http.client.HTTPConnection.connect(self)
                self.sock = context.wrap_socket(self.sock, server_hostname=NAME)

        return Connection("127.0.0.1", port, timeout=20)

    def ask(self, connection, path, method="GET", token=TOKEN):
        connection.request(method, path, headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer

    def once(self, path, **how):
        connection = self.connect()
        try:
            return self.ask(connection, path, **how)
        finally:
            connection.close()

    def answers(self):
        try:
            return self.once("/readyz").status == 200
        except (OSError, http.client.HTTPException):
            return False


class Nginx(Proxy):
    program = shutil.which("nginx", path=PATH)

    def command(self, hosts):
        ports = "\n".join(f"server 127.0.0.1:{host.port} max_fails=1 fail_timeout=2s;" for host in hosts)
        inner = self.write("snapshot-host.conf", sample("nginx.conf", {
            "server 127.0.0.1:8080 max_fails=1 fail_timeout=2s;": ports,
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/nginx/snapshots.example.com.pem": self.certificate,
            "/etc/nginx/snapshots.example.com.key": self.certificate}))
        user = "user root;" if os.getuid() == 0 else ""
        temporary = "".join(f"{kind}_temp_path {self.directory}/{kind}; " for kind in
                            ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        outer = self.write("nginx.conf", f"{user} daemon off; pid {self.directory}/pid; error_log stderr;"
                           f"events {{}} http {{ access_log off; {temporary} include {inner}; }}")
        return [self.program, "-c", outer, "-e", "stderr"]


class HAProxy(Proxy):
    program = shutil.which("haproxy", path=PATH)

    def command(self, hosts):
        ports = "\n".join(f"    server {name} 127.0.0.1:{host.port}"
                          for name, host in zip("ab", hosts))
        path = self.write("haproxy.cfg", sample("haproxy.cfg", {
            "    server a 127.0.0.1:8080": ports,
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/haproxy/snapshots.example.com.pem": self.certificate}))
        return [self.program, "-db", "-f", path]


class InFront:
    """For both of them."""

    kind = None

    def setUp(self):
        if self.kind.program is None:
            self.skipTest(f"there is no {self.kind.__name__.lower()}")
        self.hosts = []
        for _ in range(2):
            host = Host(cluster.primary, cluster.standbys, policy={"policy": "read_index"}, settings={
                "admin": {"port": free_port()}, "limits": {"drain_ms": 2000}, "listen": {"threads": 2},
                "log": {"access": "yes"}}).start()
            self.addCleanup(host.kill)
            host.wait_for_links("primary", "replica")
            self.hosts.append(host)
        self.proxy = self.kind(self.hosts)
        self.addCleanup(self.proxy.stop)
        wait_for(self.proxy.answers, "the proxy to answer")

    def lookups(self, host):
        return host.metrics().total("snapshot_host_lookups_total")

    def test_what_comes_through(self):
        direct = self.hosts[0].lookup(run, since)
        answer = self.proxy.once(lookup_path(run, since))
        self.assertEqual((answer.status, answer.body), (200, direct.body))
        self.assertEqual(answer.headers["x-read-served-by"], "replica")
        self.assertRegex(answer.headers["x-read-position"], r"^[0-9A-F]+/[0-9A-F]+$")
        self.assertEqual(self.proxy.once(lookup_path(run, since), token="wrong").status, 401)
        self.assertEqual(self.proxy.once(lookup_path(run, "nothing")).status, 404)
        self.assertEqual(self.proxy.once(lookup_path(run, since), method="POST").status, 405)
        # Escapes stay what they are: a slash within an id ends no segment.
        escaped = lookup_path(run, since + "%2F..")
        self.assertEqual(self.proxy.once(escaped).status, self.hosts[0].request(
            "GET", escaped, {"authorization": "Bearer " + TOKEN}).status)
        for path in ("/metrics", "/status", "/healthz", "/", "/engine/v1/worker-actions/../../metrics"):
            self.assertIn(self.proxy.once(path).status, (400, 404), path)

    def test_connections_are_kept(self):
        before = sum(host.metrics().value("snapshot_host_http_connections_accepted_total")
                     for host in self.hosts)
        connection = self.proxy.connect()
        for _ in range(200):
            self.assertEqual(self.proxy.ask(connection, lookup_path(run, since)).status, 200)
        connection.close()
        after = sum(host.metrics().value("snapshot_host_http_connections_accepted_total")
                    for host in self.hosts)
        self.assertLess(after - before, 60)  # probes of the proxy among them

    def test_a_host_that_goes_costs_no_lookup(self):
        leaving, staying = self.hosts
        with Traffic(self.proxy) as one, Traffic(self.proxy) as other:
            wait_for(lambda: min(self.lookups(host) for host in self.hosts) > 50,
                     "both hosts to be asked")
            leaving.stop()
            answered, asked = one.answered() + other.answered(), self.lookups(staying)
            wait_for(lambda: one.answered() + other.answered() > answered + 500, "more answers")
            self.assertGreaterEqual(self.lookups(staying), asked + 400)
            for traffic in (one, other):
                self.assertEqual((set(traffic.statuses), traffic.faults), ({200}, []))

    def test_a_host_that_dies_and_comes_back(self):
        dying, staying = self.hosts
        port = dying.port
        with Traffic(self.proxy) as traffic:
            wait_for(lambda: min(self.lookups(host) for host in self.hosts) > 50,
                     "both hosts to be asked")
            dying.kill()
            answered = traffic.answered()
            wait_for(lambda: traffic.answered() > answered + 500, "more answers")
            again = Host(cluster.primary, cluster.standbys, policy={"policy": "read_index"},
                         settings={"listen": {"port": port}, "admin": {"port": free_port()}})
            again.port = port
            self.addCleanup(again.kill)
            again.start()
            wait_for(lambda: self.lookups(again) > 50, "the host to be asked again")
        # What was under way on it could be lost: GET is asked again where the proxy may do so.
        self.assertLessEqual(len(traffic.faults), 2, traffic.faults)
        self.assertGreater(traffic.statuses[200], 0.99 * traffic.answered(), traffic.statuses)
        self.assertTrue(staying.is_running())


class BehindNginx(InFront, unittest.TestCase):
    kind = Nginx

    def test_a_client_that_gives_up(self):
        """The proxy gives up too, and the host sees it."""
        connection = cluster.primary.connect()
        connection.autocommit = False
        policy = {"policy": "primary_only"}
        for host in self.hosts:
            host.reload(policy)
        connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
        client = self.proxy.connect()
        client.request("GET", lookup_path(run, since), headers={"authorization": "Bearer " + TOKEN})

        def waiting():
            return sum(host.metrics().value("snapshot_host_lookups_in_flight") for host in self.hosts)

        wait_for(lambda: waiting() == 1, "the lookup to hang")
        threading.Event().wait(0.3)
        client.close()
        wait_for(lambda: waiting() == 0, "the lookup to be given up", timeout_s=3)
        connection.close()
        wait_for(lambda: [line for host in self.hosts for line in host.log
                          if line.fields.get("status") == 499], "a line that says so")


class BehindHAProxy(InFront, unittest.TestCase):
    kind = HAProxy


if __name__ == "__main__":
    unittest.main()
