"""snapshot-host as a test sees it: a process with two INI files, an HTTP port and a log.

    with Host(primary=cluster.primary, replicas=[cluster.standby],
              policy={"policy": "replica_then_primary"}) as host:
        answer = host.lookup(run, snapshot)
    host.lookup_log()   # complete once the host has ended

Leaving the block stops the host as an operator does, with SIGTERM, and asserts that its exit status is
0, that every line of its log is a JSON object and that no sanitizer complained.
"""

import concurrent.futures
import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import prometheus
from answer import Answer, strict_json
from testbed import (HOST_BINARY, HOST_PLUGIN, ROOT, clean_up_at_exit, free_port, no_longer_clean_up,
                     wait_for)

TOKEN = "test-token"
APPLICATION = "host-under-test"  # the name of the host's links in pg_stat_activity
SANITIZER_REPORT = re.compile(r"Sanitizer|runtime error:|AddressSan|==\d+==")
STOP_LIMIT_S = 30
UNTRIED = b'{"error":"Not every server has been tried yet"}'  # what /readyz says until lookups begin


def ini_text(sections):
    """An INI file of sections that are dictionaries; None as a value leaves the key out, None as a
    section the whole section, and a list a line for each of its elements."""
    lines = []
    for name, keys in sections.items():
        if keys is not None:
            lines.append(f"[{name}]")
            lines += [f"{key} = {one}" for key, value in keys.items()
                      for one in (value if isinstance(value, list) else [value]) if one is not None]
    return "\n".join(lines) + "\n"


class LogLine:
    """One line of the host's log."""

    def __init__(self, text):
        self.text = text
        self.fields = strict_json(text.encode())

    @property
    def level(self):
        return str(self.fields.get("level", "")).upper()

    @property
    def failed_during(self):
        return self.fields.get("failed_during")

    def names(self, identity):
        """Whether one of the fields is this id, as the database or as clients write it."""
        return any(isinstance(value, str) and (value == identity or value.endswith("_" + identity))
                   for value in self.fields.values())

    def __repr__(self):
        return self.text


class Host:
    """One snapshot-host. Constructing it writes its files; `start`, or `with`, runs it.

    primary, replicas: cluster.Server each; replicas become [replica], [replica.b], [replica.c], ...
    policy: the keys of section snapshots_since, or the whole text of the policy file.
    settings: sections and keys of snapshot-host.ini that differ from those here, e.g.
    {"limits": {"max_lookups": 1}}; None removes a key or a section.
    binary: the program, if not the one that was built here.
    """

    def __init__(self, primary=None, replicas=(), policy=None, settings=None, binary=HOST_BINARY):
        self.port = free_port()
        self._binary = binary
        self.directory = tempfile.mkdtemp(prefix="snapshot-host-")
        self.config_path = os.path.join(self.directory, "snapshot-host.ini")
        self.policy_path = os.path.join(self.directory, "read-policy.ini")
        self.settings = self._settings(primary, replicas, settings or {})
        self.write_policy(policy or {"policy": "replica_then_primary"})
        self.write_config(ini_text(self.settings))
        self.log = []  # LogLine
        self.stray_lines = []  # lines on stderr that are not JSON objects
        self._process = None
        self._readers = []
        self._per_thread = threading.local()
        self._connections = []  # of all threads
        self._pool = None
        clean_up_at_exit(self.kill)

    def _settings(self, primary, replicas, changes):
        def server(it):
            return {"conninfo": it.conninfo(application_name=APPLICATION)}

        settings = {
            "listen": {"address": "127.0.0.1", "port": self.port, "threads": 1},
            "auth": {"token": TOKEN, "deployment_id": None},
            "primary": server(primary) if primary else None,
            "plugin": {"path": HOST_PLUGIN, "config": self.policy_path, "section": "snapshots_since"},
            "limits": {},
        }
        for number, replica in enumerate(replicas):
            settings["replica" + ("." + "abcdefgh"[number] if number else "")] = server(replica)
        for section, keys in changes.items():
            if keys is None or settings.get(section) is None:
                settings[section] = keys
            else:
                settings[section].update(keys)
        return settings

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def write_policy(self, policy):
        text = policy if isinstance(policy, str) else ini_text({"snapshots_since": policy})
        with open(self.policy_path, "w", encoding="utf-8") as file:
            file.write(text)

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, _error, _trace):
        if kind is None:
            self.stop()
        else:
            self.kill()

    def start(self, at_once=False):
        """Runs the host and returns when lookups begin; or at once, when it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", self.config_path], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT, start_new_session=True)
        reader = threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True)
        reader.start()
        self._readers.append(reader)
        wait_for(self._is_healthy, "snapshot-host to answer /healthz", timeout_s=30, every_s=0.005)
        if not at_once:
            wait_for(lambda: self.request("GET", "/readyz").body != UNTRIED,
                     "every server to be tried once", timeout_s=30, every_s=0.005)
        return self

    def _is_healthy(self):
        if self._process.poll() is not None:
            self._join_readers()
            raise AssertionError(f"snapshot-host ended with {self._process.returncode}:\n"
                                 + "\n".join(self.all_lines()))
        try:
            return self.request("GET", "/healthz").status == 200
        except OSError:
            return False

    def _read_log(self, stream):
        for line in stream:
            text = line.decode("utf-8", errors="backslashreplace").rstrip("\n")
            try:
                self.log.append(LogLine(text))
            except (ValueError, AttributeError):
                self.stray_lines.append(text)
        stream.close()

    def _join_readers(self):
        for reader in self._readers:
            reader.join()

    @property
    def pid(self):
        return self._process.pid

    def signal(self, number):
        self._process.send_signal(number)

    def reload(self, policy=None, settings=None):
        """Writes a new policy file, and new settings (all of them), where given, and sends SIGHUP;
        returns once both files have been read, valid or not, and all threads follow them."""
        def reloads():
            return self.metrics().value("snapshot_host_reloads_total")

        before = reloads()
        if policy is not None:
            self.write_policy(policy)
        if settings is not None:
            self.write_config(ini_text(settings))
        self.signal(signal.SIGHUP)
        wait_for(lambda: reloads() > before, "the host to read its files again", every_s=0.005)

    def stop(self):
        """Stops the host with SIGTERM and asserts that it ended well."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        self.wait_stopped()

    def wait_stopped(self):
        """Waits for the end of the host and asserts that it ended well."""
        try:
            status = self._process.wait(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"snapshot-host still runs {STOP_LIMIT_S} s after SIGTERM:\n"
                                 + "\n".join(self.all_lines()[-20:])) from None
        self._clean_up()
        reports = [line for line in self.stray_lines if SANITIZER_REPORT.search(line)]
        assert not reports, "a sanitizer complained:\n" + "\n".join(self.stray_lines)
        assert not self.stray_lines, "log lines that are no JSON objects:\n" + "\n".join(
            self.stray_lines)
        assert status == 0, f"snapshot-host ended with {status}:\n" + "\n".join(self.all_lines())

    def kill(self):
        """Kills the host, asserting nothing. Harmless when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._clean_up()

    def _clean_up(self):
        no_longer_clean_up(self.kill)
        self._join_readers()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    # -- HTTP ----------------------------------------------------------------------------------

    def admin(self, path, method="GET"):
        """One request to the listener for operators, settings["admin"]["port"], and its Answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings["admin"]["port"],
                                                timeout=20)
        begun = time.monotonic()
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, body, (time.monotonic() - begun) * 1000)

    def request(self, method, target, headers=None):
        """One request and its Answer, on a connection that each calling thread keeps, and reopens if
        the host has closed it in the meantime."""
        reused = getattr(self._per_thread, "connection", None) is not None
        if not reused:
            self._per_thread.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                                     timeout=20)
            self._connections.append(self._per_thread.connection)
        connection = self._per_thread.connection
        begun = time.monotonic()
        try:
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            body = response.read()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._close_connection()
            if reused:
                return self.request(method, target, headers)
            raise
        except BaseException:
            self._close_connection()
            raise
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, body, (time.monotonic() - begun) * 1000)

    def _close_connection(self):
        connection = getattr(self._per_thread, "connection", None)
        if connection is not None:
            connection.close()
            self._per_thread.connection = None

    def lookup(self, run, snapshot, environment=None, position=None, headers=None):
        """The snapshots of a run since one of them, over the worker route; database ids."""
        all_headers = {"authorization": "Bearer " + self.settings["auth"]["token"]}
        if environment is not None:
            all_headers["x-trigger-worker-environment-id"] = environment
        if position is not None:
            all_headers["x-read-position"] = position
        all_headers.update(headers or {})
        return self.request("GET", lookup_path(run, snapshot), all_headers)

    def begin_lookup(self, *arguments, **more):
        """The same in a separate thread; returns a future of the answer."""
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=32)
        return self._pool.submit(self.lookup, *arguments, **more)

    def wait_for_links(self, *servers):
        """Waits until every one of these servers (names of sections) has a link up."""
        wait_for(lambda: all(self.metrics().value("snapshot_host_links_up", server=server) > 0
                             for server in servers), f"links to {', '.join(servers)}")

    @contextlib.contextmanager
    def until_read(self, server="replica"):
        """Starts a lookup within the block; the block ends when it has read this server and has its
        answer. `server` is the name of a section; the host must have one thread."""
        def reads(metrics):
            return metrics.value("snapshot_host_reads_total", server=server)

        def has_read():
            metrics = self.metrics()
            return reads(metrics) > before and \
                metrics.value("snapshot_host_statements_in_flight", server=server) == 0

        before = reads(self.metrics())
        yield
        wait_for(has_read, f"a lookup to read the {server}", every_s=0.001)

    def metrics(self):
        has_own = "port" in self.settings.get("admin", {})
        answer = self.admin("/metrics") if has_own else self.request("GET", "/metrics")
        assert answer.status == 200, answer
        return prometheus.parse(answer.body.decode("utf-8"))

    def counters(self):
        """The policy's counters, which must all exist: outcome replica_retry and primary of missed
        rows, proven_absent, primary_shed. Those that are 0 are left out."""
        metrics, prefix, section = self.metrics(), "run_engine_snapshots_since_", "snapshots_since"
        values = {outcome: metrics.value(prefix + "replica_miss_total", section=section,
                                         outcome=outcome)
                  for outcome in ("replica_retry", "primary")}
        values.update((name, metrics.value(f"{prefix}{name}_total", section=section))
                      for name in ("proven_absent", "primary_shed"))
        return {name: int(value) for name, value in values.items() if value}

    # -- log -----------------------------------------------------------------------------------

    def all_lines(self):
        return self.stray_lines + [line.text for line in self.log]

    def lookup_log(self):
        """The lines about lookups. Complete only after the host has ended."""
        return [line for line in self.log if self._is_about_a_lookup(line)]

    @staticmethod
    def _is_about_a_lookup(line):
        return any(key.startswith("snapshot") for key in line.fields)

    def wait_for_log(self, predicate, what):
        """Waits for a line for which the predicate is true, and returns it."""
        return wait_for(lambda: next(filter(predicate, list(self.log)), None), what)


def lookup_path(run, snapshot, route="/engine/v1/worker-actions"):
    quoted = [urllib.parse.quote(identity, safe="") for identity in
              ("run_" + run, "snapshot_" + snapshot)]
    return f"{route}/runs/{quoted[0]}/snapshots/since/{quoted[1]}"


def run_host(*arguments, cwd=ROOT):
    """Runs the host with these arguments until it ends by itself; returns the finished process."""
    return subprocess.run([HOST_BINARY, *arguments], cwd=cwd, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="backslashreplace", timeout=30,
                          check=False)
