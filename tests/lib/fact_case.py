"""What tests share in which servers tell of themselves: hosts, and rows that a primary has just
acknowledged. An honest error about such a row may be right; a 404 never is."""

import collections
import os
import random
import threading
import time
import unittest

import psycopg2

import testbed
from cluster import Cluster
from history import History
from host import Host
from lookup_case import LookupCase
from testbed import wait_for

READ_INDEX = {"policy": "read_index", "max_wait_ms": 2000}
TO_PRIMARY = {**READ_INDEX, "on_replica_failure": "primary"}
ALWAYS = {**TO_PRIMARY, "when": "always"}
# Of hosts beside a witness: a late standby is waited for briefly, for the tests are long enough.
BRIEF = [{**policy, "max_wait_ms": 50} for policy in (TO_PRIMARY, ALWAYS)]
# Left to `make cluster-test`, which sets this: a minute altogether is enough of `make check`.
campaign = unittest.skipUnless(os.environ.get("LINEAGES") == "all", "part of make cluster-test")


class Named:
    """A server, reached under another role."""

    def __init__(self, server, user):
        self._server, self._user = server, user

    def conninfo(self, **more):
        return self._server.conninfo(**{**more, "user": self._user})


class Facts(LookupCase):
    def cluster(self, *standbys, **settings):
        testbed.complain_if_not_built()
        cluster = Cluster(standbys=standbys, **settings)
        self.addCleanup(cluster.destroy)
        cluster.load(testbed.ROOT + "/tests/schema.sql")
        cluster.wait_caught_up()  # a host that finds no tables takes the standby for one that has failed
        self.history = History()
        return cluster

    def host(self, *arguments, **more):
        host = Host(*arguments, **more).start()
        self.addCleanup(host.kill)
        host.wait_for_links(*(name for name, keys in host.settings.items()
                              if keys and "conninfo" in keys))
        return host

    def acknowledged(self, server):
        run = self.history.new_run()
        snapshot = self.history.snapshot(run)
        self.history.write(server)
        return run, snapshot["id"]

    def ask(self, host, server, count=15):
        """Statuses, and who served, of rows that this server has just acknowledged."""
        answers = collections.Counter()
        for _ in range(count):
            answer = host.lookup(*self.acknowledged(server))
            answers[answer.status, answer.served_by] += 1
        return answers

    def assert_no_404(self, answers):
        self.assertEqual([key for key in answers if key[0] == 404], [], answers)

    def made_up(self, host):
        return host.lookup(self.history.new_id(), self.history.new_id())

    def wait_proven(self, host, meanwhile=lambda: None):
        """Until the host needs no primary to know that an id is nobody's."""
        answers = collections.deque(maxlen=5)

        def is_proven():
            answers.append(self.made_up(host))
            return answers[-1].served_by == "replica_retry"
        try:
            wait_for(lambda: meanwhile() or is_proven(), "absence to be proven", every_s=0.05)
        except TimeoutError as error:
            self.fail(f"{error}: {list(answers)}, {host.log[-20:]}")

    @staticmethod
    def reads(host, server):
        return int(host.metrics().value("snapshot_host_reads_total", server=server))

    @staticmethod
    def go_ahead(server, megabytes=1):
        server.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))"
                       f" FROM generate_series(1, {megabytes})")

    @staticmethod
    def position(server):
        return server.value("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
                            " ELSE pg_current_wal_insert_lsn() END")

    @staticmethod
    def wait_out(host, server, words):
        return host.wait_for_log(lambda line: line.fields.get("server") == server and
                                 " is out: " in line.text and words in line.text,
                                 f"{server} to be out: {words}")


class Witness:
    """A thread that commits rows on whoever is the true primary, and asks every host for each of them
    as soon as it is acknowledged, and for earlier ones; with the last answer's position every other
    time. Used as `with`; afterwards `wrong` must be empty."""

    def __init__(self, *hosts, seed=77):
        self.answers = collections.Counter()  # (host's index, status, served by)
        self.not_written = 0
        self.wrong = []
        self._hosts = hosts
        self._history = History(seed=seed)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = None
        self._rows = []
        self._floors = [None] * len(hosts)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._over.set()
        self._thread.join()

    def write_to(self, server):
        """Another server from now on; None: nobody. Rows are kept: the new one has them."""
        with self._lock:
            self._server = server

    def forget(self):
        """The history in which the rows so far were acknowledged is lost."""
        with self._lock:
            self._rows.clear()
            self._floors = [None] * len(self._hosts)

    def found(self):
        return sum(count for (_, status, _), count in self.answers.items() if status == 200)

    def __repr__(self):
        return f"{dict(self.answers)}, {self.not_written} not written"

    def wait_for_more(self, count=10):
        """Until so many more were found, through each host."""
        def each():
            return [sum(number for (host, status, _), number in list(self.answers.items())
                        if (host, status) == (index, 200)) for index in range(len(self._hosts))]

        before = each()
        wait_for(lambda: self.wrong or all(now >= then + count for now, then in zip(each(), before)),
                 "acknowledged rows to be found", 60)

    def _run(self):
        while not self._over.wait(0.005):
            with self._lock:
                self._step()

    def _step(self):
        if self._server is None:
            return
        run = self._history.new_run()
        row = run, self._history.snapshot(run)["id"]
        try:
            self._history.write(self._server)
        except psycopg2.Error:
            self.not_written += 1
            time.sleep(0.05)
            return
        self._rows.append(row)
        for each in (row, self._random.choice(self._rows)):
            for index, host in enumerate(self._hosts):
                self._ask(index, host, *each)

    def _ask(self, index, host, run, since):
        floor = self._floors[index] if self._random.random() < 0.5 else None
        answer = host.lookup(run, since, position=floor)
        self.answers[index, answer.status, answer.served_by] += 1
        if answer.status == 404:
            self.wrong.append((index, floor, answer))
        elif answer.status == 200:
            self._floors[index] = answer.headers["x-read-position"]


class Witnessed(Facts):
    """Clusters to which things happen, while a witness asks hosts for the rows that it commits."""

    SETTINGS = ""  # of every server

    def begin(self, *standbys, settings=""):
        self.servers = self.cluster(*standbys, settings=self.SETTINGS + settings)
        self.primary = self.servers.primary

    def listed(self, *servers, **keys):
        """Two hosts that list these servers, of which one is current; with more keys of their policies."""
        settings = {f"server.{name}": {"conninfo": server.conninfo()}
                    for name, server in zip("abcdef", servers)}
        hosts = [Host(policy={**policy, **keys}, settings=settings).start() for policy in BRIEF]
        for host in hosts:
            self.addCleanup(host.kill)
            wait_for(lambda one=host: self.made_up(one).status == 404, "the host to decide")
        return hosts

    def witness(self, *hosts):
        witness = Witness(*hosts)
        self.addCleanup(lambda: self.assertEqual(witness.wrong, []))
        return witness

    def wait_proven(self, host, meanwhile=lambda: None):
        """Until the host needs no primary to know that an id is nobody's, whichever its policy."""
        def proven():
            return host.counters().get("proven_absent", 0)

        before = proven()
        wait_for(lambda: (meanwhile(), self.made_up(host)) and proven() > before,
                 "absence to be proven", every_s=0.05, timeout_s=60)
