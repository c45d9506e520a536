#!/usr/bin/python3
"""Everything that can go wrong with servers and the links to them, while clients keep asking.

Faults are made on real servers, or by a relay between them and the host. What must hold each time:
every answer in the meantime was right or an honest error, and complete; afterwards the host answers as
before, without a restart, and holds no more links, descriptors, threads or timers than before.
"""

import concurrent.futures
import contextlib
import http.client
import os
import signal
import time
import unittest

import psycopg2

import testbed
from answer import Answer
from clients import Clients
from cluster import Cluster, postgres_binaries
from history import History
from host import APPLICATION, Host, lookup_path
from ledger import Question, Run
from oracle import differences, expected_answer
from relay import Relay
from testbed import PLUGIN, wait_for
from vitals import Vitals

SHORT_WAIT = {"policy": "replica_then_primary", "replica_retry_min_ms": 1,
              "replica_retry_max_ms": 5}
SHIFTED = {**SHORT_WAIT, "on_replica_failure": "primary"}
BACKOFF = {"policy": "replica_backoff", "max_wait_ms": 20}
READ_INDEX = {"policy": "read_index", "max_wait_ms": 20}
PRIMARY_ONLY = {"policy": "primary_only"}

ENDINGS = ("fast", "immediate", "kill9")

cluster = None
primary = None  # the relays to the cluster's servers
replica = None
runs = None  # known everywhere before any test, and complete
big = None
stranger = None  # a run that nobody has


def setUpModule():
    global cluster, primary, replica, runs, big, stranger
    testbed.complain_if_not_built()
    cluster = Cluster()
    cluster.load(testbed.ROOT + "/tests/schema.sql")
    primary, replica = Relay(cluster.primary), Relay(cluster.standby)
    runs, big, stranger = [Run(seed) for seed in range(8)], Run(100), Run(101)
    for run in runs:
        run.write_life(cluster.primary)
        run.write_step(cluster.primary)
        while run.is_partial(-1):  # which only the primary could answer
            run.write_step(cluster.primary)
    big.write_big(cluster.primary, waitpoints=20, size=20_000)


def tearDownModule():
    primary.close()
    replica.close()
    cluster.destroy()


# -- what clients ask for --------------------------------------------------------------------------


def hits(generator):
    """A row that every server has."""
    run = generator.choice(runs) if generator.random() < 0.95 else big
    return Question(run, generator.choice(run.snapshots))


def misses(generator):
    """An id that no server has, of a run that exists or not, or an id of another run."""
    other = generator.choice(runs).snapshots[0]
    return generator.choice((Question(runs[0], f"bogus{generator.random()}"),
                             Question(stranger, f"bogus{generator.random()}"),
                             Question(stranger, other), Question(big, other)))


def anything(generator):
    return (hits if generator.random() < 0.8 else misses)(generator)


def of(*wanted):
    """Rows of these runs."""
    def choose(generator):
        run = generator.choice(wanted)
        return Question(run, generator.choice(run.snapshots))
    return choose


def end(server, how):
    if how == "kill9":
        server.kill9()
    else:
        server.stop(how)


@contextlib.contextmanager
def with_its_log(host):
    """A failure within this block shows the last lines of the host's log."""
    try:
        yield host
    except Exception as error:
        error.add_note("\n".join(host.all_lines()[-20:]))
        raise


def kill_links(server):
    """Ends every link of the host to this server, as an operator does."""
    return server.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE application_name = %s", (APPLICATION,))


class FaultCase(unittest.TestCase):
    """A host between relays, with clients that ask all the time."""

    maxDiff = None

    def setUp(self):
        for relay, server in ((primary, cluster.primary), (replica, cluster.standby)):
            relay.pass_through()
            relay.lead_to(server)
        cluster.reset()

    @contextlib.contextmanager
    def host(self, policy, settings=None):
        """A host that has all its links, and has exactly these again at the end of the block."""
        with Host(primary, [replica], policy=policy, settings=settings) as host:
            with with_its_log(host):
                vitals = Vitals(host)
                yield host
                vitals.wait_restored()

    @contextlib.contextmanager
    def load(self, host, choose=anything, clients=4):
        """Clients during the block; none of their answers was wrong, and at its end none fails."""
        policy = {self.policy_of(host)}
        with Clients(host, choose, lambda begun, ended: policy, clients) as load:
            load.wait_until_calm()
            yield load
            load.wait_until_calm()
        self.assertEqual(load.complaints, [])
        self.assertEqual(load.sent, sum(load.statuses.values()))

    @staticmethod
    def policy_of(host):
        with open(host.policy_path, encoding="utf-8") as file:
            [line] = [line for line in file if line.startswith("policy = ")]
        return line.split(" = ")[1].strip()

    def assert_answer(self, answer, run, since):
        """The answer is complete and right, whoever gave it."""
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(differences(answer.json, run.expected(since, len(run.versions) - 1)), [])


class Standby(FaultCase):
    """The standby goes away, in every way, and comes back."""

    def test_replay_paused_and_resumed(self):
        for policy in (SHORT_WAIT, BACKOFF, READ_INDEX):
            with self.subTest(policy["policy"]), self.host(policy) as host:
                cluster.standby.pause_replay()
                fresh = Run(f"paused {policy['policy']}")
                fresh.write_life(cluster.primary)
                with self.load(host, of(fresh)) as load:
                    load.wait_for_more(200, 20, served_by="primary")
                    cluster.standby.resume_replay()
                    load.wait_for_more(200, 20, served_by="replica")
                    self.assertEqual(load.count(503), 0)

    def test_ended_and_started(self):
        with self.host(SHORT_WAIT) as host, self.load(host) as load:
            for how in ENDINGS:
                end(cluster.standby, how)
                load.wait_for_more(503, 5)
                cluster.standby.start()
                load.wait_until_calm()

    def test_ended_and_started_with_the_primary_allowed(self):
        """Nobody notices."""
        with self.host(SHIFTED) as host, self.load(host) as load:
            for how in ENDINGS:
                end(cluster.standby, how)
                load.wait_for_more(200, 20, served_by="primary")
                cluster.standby.start()
                load.wait_for_more(200, 20, served_by="replica")
            self.assertEqual(load.count(503), 0)

    def test_ended_under_read_index(self):
        cluster.standby.pause_replay()
        fresh = Run("ended under read_index")
        fresh.write_life(cluster.primary)
        with self.host(READ_INDEX) as host, self.load(host, of(fresh, *runs)) as load:
            end(cluster.standby, "kill9")
            load.wait_for_more(503, 5)
            cluster.standby.start()

    def test_a_server_process_dies(self):
        """PostgreSQL then ends all its connections and restarts by itself."""
        with self.host(SHORT_WAIT) as host, self.load(host) as load:
            victim = cluster.standby.value("SELECT max(pid) FROM pg_stat_activity WHERE"
                                           " application_name = %s", (APPLICATION,))
            os.kill(victim, signal.SIGKILL)
            load.wait_for_more(503)
            load.wait_until_calm()
        cluster.standby.disconnect()


class Primary(FaultCase):
    """The primary goes away and comes back; what a replica has is served all the time."""

    def test_ended_and_started(self):
        for policy in (SHORT_WAIT, READ_INDEX):
            with self.subTest(policy["policy"]), self.host(policy) as host, \
                    self.load(host, hits, clients=2) as known, \
                    self.load(host, misses, clients=2) as unknown:
                for how in ENDINGS:
                    end(cluster.primary, how)
                    unknown.wait_for_more(503, 5)
                    found = unknown.count(404)
                    known.wait_for_more(200, 50, served_by="replica")
                    self.assertEqual(unknown.count(404), found, "not found, though nobody knows")
                    cluster.primary.start()
                    unknown.wait_for_more(404, 5)
                self.assertEqual(known.count(503), 0)
            cluster.wait_caught_up()

    def test_in_recovery(self):
        """A row that a [primary] lacks which is a standby is not missing: that server has failed."""
        for policy in (SHORT_WAIT, READ_INDEX):
            with self.subTest(policy["policy"]), self.host(policy) as host, \
                    self.load(host, misses) as unknown:
                primary.lead_to(cluster.standby)
                wait_for(lambda: "in recovery" in self.error_of(host), "the primary's failure")
                before = unknown.count(404)
                unknown.wait_for_more(503, 50)
                self.assertEqual(unknown.count(404), before)
                primary.lead_to(cluster.primary)
                unknown.wait_for_more(404, 20)

    @staticmethod
    def error_of(host):
        host.lookup(stranger.id, "bogus")
        return host.lookup_log()[-1].text

    def test_in_recovery_and_behind(self):
        """Nor is a row missing which the false primary has not replayed yet."""
        cluster.standby.pause_replay()
        fresh = Run("in recovery and behind")
        fresh.write_life(cluster.primary)
        for policy in (SHORT_WAIT, READ_INDEX, PRIMARY_ONLY):
            with self.subTest(policy["policy"]), self.host(policy) as host, \
                    self.load(host, of(fresh)) as load:
                primary.lead_to(cluster.standby)
                load.wait_for_more(503, 20)
                primary.lead_to(cluster.primary)

    def test_in_recovery_until_the_address_moves(self):
        """Connections that survive the move do not keep the host with the false primary."""
        primary.lead_to(cluster.standby)
        with self.host(PRIMARY_ONLY) as host, \
                Clients(host, hits, lambda begun, ended: {PRIMARY_ONLY["policy"]}, 2) as load:
            load.wait_for_more(503, 20)
            primary.lead_new_ones_to(cluster.primary)
            load.wait_until_calm()
            self.assertEqual(load.complaints, [])

    def test_in_recovery_for_long(self):
        """The address is tried repeatedly, and the log does not report each attempt."""
        primary.lead_to(cluster.standby)
        with self.host(PRIMARY_ONLY) as host:
            links = host.metrics().value("snapshot_host_links_up", server="primary")
            wait_for(lambda: host.metrics().value("snapshot_host_connects_total",
                                                  server="primary") >= 2 * links,
                     "every link to be made anew", timeout_s=30, every_s=0.05)
            about = [line.text for line in host.log if '"primary"' in line.text]
            for what, times in (("link up", links), ("expected to be the primary", 1),
                                ("link lost", 0)):
                self.assertEqual(sum(what in text for text in about), times, about)
            # What comes then is logged as usual.
            primary.lead_to(cluster.primary)
            host.wait_for_log(lambda line: '"primary"' in line.text and "link lost" in line.text,
                              "the loss in the log")
            host.wait_for_log(lambda line: '"primary"' in line.text and
                              "primary is the primary" in line.text,
                              "the true primary in the log")


class LinkFaults:
    """Faults on one link's path. A subclass says which link, and what they lead to."""

    policy = None
    fails = True  # a lookup that the fault hits is answered 503
    choose = staticmethod(anything)
    good = 200  # an answer that this link has a part in
    SETTINGS = {"limits": {"lookup_timeout_ms": 600}}

    @property
    def relay(self):
        raise NotImplementedError

    @contextlib.contextmanager
    def asked(self, settings=None):
        with self.host(self.policy, settings or self.SETTINGS) as host, \
                self.load(host, self.choose) as load:
            yield host, load
        if not self.fails:
            self.assertEqual(load.count(503), 0)

    def wait_noticed(self, load):
        load.wait_for_more(*((503, 5) if self.fails else (200, 20, "primary")))

    def test_delayed(self):
        with self.asked() as (_, load):
            self.relay.delay(0.02)
            load.wait_for_more(self.good, 50)
            self.assertEqual(load.count(503), 0)
            self.relay.pass_through()

    def test_stalled(self):
        with self.asked() as (host, load):
            accepted = self.relay.accepted
            self.relay.stall()
            self.wait_noticed(load)
            wait_for(lambda: self.links_up(host) == 0, "the links to be given up")
            wait_for(lambda: self.relay.accepted > accepted, "an attempt to connect")
            self.wait_noticed(load)
            self.relay.pass_through()

    def test_cut_and_reset(self):
        with self.asked() as (host, load):
            for fault in (self.relay.cut, self.relay.reset, self.relay.cut):
                connects = self.connects(host)
                fault()
                wait_for(lambda n=connects: self.connects(host) >= n + 2, "new links")
                load.wait_for_more(self.good, 20)

    def links_up(self, host):
        return host.metrics().value("snapshot_host_links_up", server=self.section)

    def connects(self, host):
        return host.metrics().value("snapshot_host_connects_total", server=self.section)


class MoreLinkFaults(LinkFaults):
    """Those that do not depend on what the link is used for."""

    CUTS = ((0, 1, 5, 64), (700, 9_000, 150_000, 1_000_000))  # after how many bytes, for each host

    def test_refused(self):
        with self.asked() as (host, load):
            self.relay.refuse()
            self.relay.cut()
            self.wait_noticed(load)
            wait_for(lambda: host.metrics().value("snapshot_host_connect_failures_total",
                                                  server=self.section) >= 4, "failed attempts")
            self.relay.pass_through()

    def test_server_too_old(self):
        """What its links say about themselves is changed on the way."""
        version = str(postgres_binaries()[1]).encode()
        with self.asked() as (host, load):
            self.relay.replace(b"server_version\0" + version, b"server_version\0" + b"12")
            self.relay.cut()
            self.wait_noticed(load)
            host.wait_for_log(lambda line: "older than PostgreSQL 13" in line.text,
                              "a line that says why")
            self.relay.pass_through()

    def test_cut_in_mid_result(self):
        """After a number of bytes of the answers, wherever in them that is."""
        settings = {**self.SETTINGS, "primary": {"links": 1}, "replica": {"links": 1}}
        for counts in self.CUTS:
            with self.asked(settings) as (host, load):
                for count in counts:
                    cuts, connects = self.relay.cuts, self.connects(host)
                    self.relay.cut_after(count)
                    wait_for(lambda n=cuts: self.relay.cuts > n, f"the cut after {count} bytes")
                    wait_for(lambda n=connects: self.connects(host) > n, "a new link")
                    load.wait_for_more(self.good, 10)

    def test_cut_during_set_up(self):
        """New links are cut while they are being made, at every stage."""
        with self.asked() as (host, load):
            for count in (0, 1, 20, 300, 450):
                cuts = self.relay.cuts
                self.relay.cut()
                self.relay.cut_after(count)
                wait_for(lambda n=cuts: self.relay.cuts > n, f"the cut after {count} bytes")
            wait_for(lambda: self.links_up(host) == 2, "both links")
            load.wait_for_more(self.good, 10)


class ReplicaLink(MoreLinkFaults, FaultCase):
    policy = SHORT_WAIT
    section = "replica"

    @property
    def relay(self):
        return replica


class ReplicaLinkWithThePrimaryAllowed(ReplicaLink):
    policy = {**READ_INDEX, "on_replica_failure": "primary"}
    fails = False


class PrimaryLink(MoreLinkFaults, FaultCase):
    policy = PRIMARY_ONLY
    section = "primary"

    @property
    def relay(self):
        return primary


class LinkOfLocates(LinkFaults, FaultCase):
    """The primary's link where it serves locates, and reads only when those fail."""
    policy = READ_INDEX
    section = "primary"
    choose = staticmethod(misses)
    good = 404

    @property
    def relay(self):
        return primary


class BothLinks(FaultCase):
    """What concerns the host itself rather than its answers."""

    def test_corrupted(self):
        """Bits of the servers' answers are flipped. That may make an answer wrong, which is what TLS is
        for; but it breaks nothing."""
        class Unjudged(Question):
            def complaint(self, answer, policies):
                return None if answer.status in (200, 404, 503) else str(answer)

        def choose(generator):
            question = anything(generator)
            return Unjudged(question.run, question.since)

        # What is flipped looks like mistakes of the host's, so none is told here.
        settings = {"limits": {"lookup_timeout_ms": 600}, "plugin": {"path": PLUGIN}}
        with self.host({**READ_INDEX, "on_replica_failure": "primary"}, settings) as host, \
                self.load(host, choose) as load:
            for number, relay in enumerate((replica, primary)):
                flips = relay.flips
                relay.corrupt(seed=number)
                wait_for(lambda r=relay, n=flips: r.flips >= n + 10, "corrupted answers")
                relay.pass_through()
            # A bit may be one of the primary's start: two by one name are a split, for a minute after they
            # were last heard, or until SIGHUP. Most answers are good meanwhile: many in a row tell its end.
            host.reload()
            load.wait_until_calm(answers=1000)

    def test_started_while_a_server_is_silent(self):
        """The host waits for that server no longer than an attempt to connect may take."""
        replica.stall()
        with Host(primary, [replica], policy=SHIFTED,
                  settings={"limits": {"lookup_timeout_ms": 600}}) as host:
            with self.load(host) as load:
                load.wait_for_more(200, 20, served_by="primary")
                self.assertEqual(load.count(200, "replica"), 0)
                replica.pass_through()
                load.wait_for_more(200, 20, served_by="replica")
            Vitals(host).wait_restored()

    def test_stopped_while_all_are_silent(self):
        """Lookups are answered, and the host ends cleanly."""
        with Host(primary, [replica], policy=READ_INDEX,
                  settings={"limits": {"lookup_timeout_ms": 600}}) as host:
            host.wait_for_links("primary", "replica")
            primary.stall()
            replica.stall()
            futures = [host.begin_lookup(run.id, run.snapshots[0]) for run in runs]
            wait_for(lambda: host.metrics().value("snapshot_host_lookups_in_flight") == len(runs),
                     "the lookups to be under way")
            begun = time.monotonic()
            host.stop()
            self.assertLess(time.monotonic() - begun, 3)
            self.assertEqual({future.result().status for future in futures}, {503})


class Statements(FaultCase):
    """Statements that the server ends."""

    def setUp(self):
        super().setUp()
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=30)
        self.addCleanup(self.pool.shutdown)

    def ask(self, host, run):
        """A lookup of this run on its own connection, for that one request; returns a future."""
        def exchange():
            connection = http.client.HTTPConnection("127.0.0.1", host.port)
            with contextlib.closing(connection):
                connection.request("GET", lookup_path(run.id, run.snapshots[0]), headers={
                    "authorization": "Bearer " + host.settings["auth"]["token"]})
                response = connection.getresponse()
                headers = {name.lower(): value for name, value in response.getheaders()}
                return Answer(response.status, headers, response.read())
        return self.pool.submit(exchange)

    def test_recovery_conflict_in_mid_result(self):
        """A vacuum on the primary removes row versions which the statement under way on the standby
        may still see; it has sent a part of its rows by then. The lookups of its batch that were not
        to blame, aborted with it or in a group with it, are asked again, and nobody sees that."""
        small, huge = Run("small"), Run("huge")
        small.write_life(cluster.primary)
        # 12 MB are more than sockets hold, and three such answers less than the host keeps for slow readers.
        huge.write_big(cluster.primary, waitpoints=120)
        cluster.primary.execute("CREATE TABLE junk (a int)")
        self.addCleanup(cluster.primary.execute, "DROP TABLE junk")
        cluster.wait_caught_up()
        settings = {"replica": {"links": 1}, "limits": {"lookup_timeout_ms": 9000}}
        with cluster.standby.conflicts_at_once(), self.host(SHORT_WAIT, settings) as host:
            for _ in range(5):  # that they make one batch is likely, not certain
                answers = self.conflict_with_a_batch(host, small, huge)
                failed = [answer for answer in answers if answer.status == 503]
                self.assertLessEqual(len(failed), 1)
                for answer in answers:
                    if answer not in failed:
                        self.assert_answer(answer, huge, huge.snapshots[0])
                if failed:
                    self.assertIn("conflict with recovery", host.lookup_log()[-1].text)
                if host.metrics().value("snapshot_host_resends_total", server="replica") > 0:
                    break
            else:
                self.fail("no statement was sent again")

    def test_a_read_that_recovery_cancels_is_asked_again(self):
        """Once, and before the policy hears of it: it is no miss, and no failure of the replica."""
        huge = Run("huge again")
        huge.write_big(cluster.primary, waitpoints=200)
        cluster.primary.execute("CREATE TABLE junk (a int)")
        self.addCleanup(cluster.primary.execute, "DROP TABLE junk")
        cluster.primary.execute("INSERT INTO junk VALUES (1)")
        with cluster.standby.conflicts_at_once(), \
                self.host(SHORT_WAIT, {"limits": {"lookup_timeout_ms": 9000}}) as host:
            cluster.wait_caught_up()
            replica.hold_after(100_000)
            future = self.ask(host, huge)
            self.conflict_while_sending()
            answer = future.result()
            self.assert_answer(answer, huge, huge.snapshots[0])
            self.assertEqual(answer.served_by, "replica")
            self.assertEqual(host.counters(), {})
            # What the cluster has counted is shown a moment later.
            wait_for(lambda: host.metrics().value("snapshot_host_cluster_conflicts_total") == 1,
                     "the conflict to be counted")
            self.assertEqual(host.metrics().value("snapshot_host_reads_total", server="primary"), 0)
        self.assertEqual(host.lookup_log(), [])

    def test_a_read_whose_connection_recovery_ends_is_asked_again(self):
        """What recovery needs is held by a batch whose end has not come yet: then it is the connection that
        goes, with the reads behind it. The same holds for these."""
        run = Run("its batch is open")
        run.write_life(cluster.primary)
        table = "'\"TaskRunExecutionSnapshot\"'::regclass"
        settings = {"replica": {"links": 1}, "limits": {"lookup_timeout_ms": 9000, "poll_ms": 2000}}
        with cluster.standby.conflicts_at_once(), self.host(SHORT_WAIT, settings) as host:
            cluster.wait_caught_up()
            asked = self.polls(host)
            wait_for(lambda: self.polls(host) > asked, "questions, that none comes between")
            replica.hold_ends()
            futures = [self.ask(host, run)]
            wait_for(lambda: cluster.standby.value(
                f"SELECT count(*) FROM pg_locks WHERE relation = {table}"), "the read to hold its table")
            reads = self.reads(host)
            futures.append(self.ask(host, run))
            wait_for(lambda: self.reads(host) > reads, "another read to be sent")
            cluster.primary.execute('BEGIN; LOCK TABLE "TaskRunExecutionSnapshot"; COMMIT')
            position = cluster.commit_something()
            wait_for(lambda: cluster.standby.has_replayed(position), "replay to have had its way")
            replica.pass_through()
            for answer in [future.result() for future in futures]:
                self.assert_answer(answer, run, run.snapshots[0])
                self.assertEqual(answer.served_by, "replica")
            wait_for(lambda: host.metrics().value("snapshot_host_cluster_conflicts_total") == 1,
                     "the conflict to be counted")
            host.wait_for_log(lambda line: "link lost: terminating connection due to conflict" in line.text,
                              "the connection to have been ended")
        self.assertEqual(host.lookup_log(), [])

    @staticmethod
    def polls(host):
        return host.metrics().value("snapshot_host_cluster_polls_total")

    def conflict_while_sending(self):
        """A statement whose answer the relay holds, in the midst of it, is cancelled."""
        wait_for(lambda: cluster.standby.value(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            " AND wait_event = 'ClientWrite'", (APPLICATION,)), "the server to be sending")
        cluster.primary.execute("DELETE FROM junk")
        cluster.primary.execute("VACUUM junk")
        position = cluster.commit_something()
        wait_for(lambda: self.replay_is_there_or_waiting(position),
                 "replay to be in the statement's way")
        replica.pass_through()

    def conflict_with_a_batch(self, host, small, huge):
        """The answers of three lookups whose statement, or the first of them, is cancelled in
        mid-result."""
        cluster.primary.execute("INSERT INTO junk VALUES (1)")
        cluster.wait_caught_up()
        reads = self.reads(host)
        replica.hold_after(0)
        first = self.ask(host, small)  # with its answer held, those of the others come together
        wait_for(lambda: replica.holds, "the relay to hold an answer")
        futures = [self.ask(host, huge) for _ in range(3)]
        wait_for(lambda: self.reads(host) == reads + 4, "the lookups to be sent")
        replica.hold_after(100_000)
        self.conflict_while_sending()
        self.assert_answer(first.result(), small, small.snapshots[0])
        return [future.result() for future in futures]

    def test_silent_after_the_lean_statement(self):
        """A replica that answers that, and no more, is backed off from like one that says nothing."""
        since = big.snapshots[0]
        for _ in range(5):  # for a machine so slow that the replica is to be tried again already
            with self.host(SHIFTED, {"limits": {"lookup_timeout_ms": 1000}}) as host:
                replica.hold_after(20_000)
                answers = [host.lookup(big.id, since)]
                reads = self.reads(host)
                answers.append(host.lookup(big.id, since))
                is_left_alone = self.reads(host) == reads
                replica.pass_through()
                for answer in answers:
                    self.assert_answer(answer, big, since)
                    self.assertEqual(answer.served_by, "primary")
            if is_left_alone:
                return
        self.fail("the replica was asked again at once")

    @staticmethod
    def reads(host):
        return host.metrics().value("snapshot_host_reads_total", server="replica")

    def replay_is_there_or_waiting(self, position):
        try:
            return cluster.standby.has_replayed(position) or self.replay_is_waiting()
        except psycopg2.errors.SerializationFailure:
            return False  # this question was in the way, too

    @staticmethod
    def replay_is_waiting():
        """For a statement that notices its cancellation only once its client reads on: the startup
        process shows in its title, after half a second, that it waits."""
        pid = cluster.standby.value("SELECT pid FROM pg_stat_activity"
                                    " WHERE backend_type = 'startup'")
        with open(f"/proc/{pid}/cmdline", encoding="ascii") as file:
            return "waiting" in file.read()

    def test_more_lookups_than_end_in_time(self):
        """All wait for a lock until their time is over. The server ends their statements, one after the
        other; the links are not given up because of that."""
        settings = {"limits": {"lookup_timeout_ms": 500}}
        with self.host(PRIMARY_ONLY, settings) as host:
            connects = host.metrics().value("snapshot_host_connects_total", server="primary")
            connection = cluster.primary.connect()
            connection.autocommit = False
            connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
            futures = [self.ask(host, runs[0]) for _ in range(30)]
            self.assertEqual({future.result().status for future in futures}, {503})
            connection.close()
            with self.load(host):
                pass
            self.assertEqual(host.metrics().value("snapshot_host_connects_total", server="primary"),
                             connects)

    def test_a_question_does_not_wait_behind_a_lookup(self):
        """Lookups wait for a lock on links that were never asked, and others are idle: the server is no silent
        one, however many questions come."""
        settings = {"primary": {"links": 14}, "limits": {"lookup_timeout_ms": 9000}}
        with self.host(PRIMARY_ONLY, settings) as host:
            def told(name, **labels):
                return host.metrics().value("snapshot_host_" + name, server="primary", **labels)

            def asked():
                return told("statement_duration_seconds_count", kind="question")

            futures = []
            with contextlib.closing(cluster.primary.connect()) as connection:
                connection.autocommit = False
                connection.cursor().execute('LOCK TABLE "TaskRunExecutionSnapshot"')
                for count in range(12):
                    futures.append(self.ask(host, runs[0]))
                    wait_for(lambda least=count: told("statements_in_flight") > least, "it to be sent")
                enough = asked() + 5
                while asked() < enough:
                    self.assertEqual(told("server_answers"), 1)
            self.assertLessEqual({future.result().status for future in futures}, {200, 503})

    def test_links_are_ended_under_load(self):
        for policy in (SHORT_WAIT, READ_INDEX):
            with self.subTest(policy["policy"]), self.host(policy) as host, self.load(host) as load:
                for _ in range(4):
                    killed = kill_links(cluster.standby) + kill_links(cluster.primary)
                    self.assertGreater(killed, 0)
                    load.wait_for_more(200, 50)
                    host.wait_for_links("primary", "replica")


class Connections(FaultCase):
    """Servers that accept the host late, partly, or not at all."""

    def setUp(self):
        super().setUp()
        self.reader = f"reader_{self.id().rpartition('.')[2]}"
        cluster.primary.execute(f"CREATE ROLE {self.reader} LOGIN PASSWORD 'right'")
        cluster.primary.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {self.reader}")
        cluster.wait_caught_up()
        self.addCleanup(cluster.primary.execute, f"DROP OWNED BY {self.reader};"
                        f" DROP ROLE {self.reader}")

    def as_reader(self, **more):
        """Settings under which the replica's links are this role's, who is no superuser."""
        conninfo = replica.conninfo(user=self.reader, application_name=APPLICATION)
        return {"replica": {"conninfo": conninfo, **more}, "limits": {"lookup_timeout_ms": 2000}}

    @staticmethod
    def links_up(host):
        return host.metrics().value("snapshot_host_links_up", server="replica")

    def test_server_out_of_connections(self):
        """From the start, and until a connection is closed."""
        with contextlib.ExitStack() as others:
            with contextlib.suppress(psycopg2.OperationalError):
                for _ in range(200):
                    others.enter_context(contextlib.closing(psycopg2.connect(
                        cluster.standby.conninfo(user=self.reader))))
            with Host(primary, [replica], policy=SHORT_WAIT, settings=self.as_reader()) as host:
                self.assertEqual(host.lookup(runs[0].id, runs[0].snapshots[0]).status, 503)
                others.close()
                with self.load_once_up(host):
                    Vitals(host).wait_restored()

    @contextlib.contextmanager
    def load_once_up(self, host):
        wait_for(lambda: self.links_up(host) == 2, "both links")
        yield
        with self.load(host):
            pass

    def test_links_that_come_up_late(self):
        """The first question is over before there is a link that could carry it; clients are let in
        when the next one has been answered."""
        replica.delay(0.35)  # a link needs several answers, and a question has a second
        with Host(primary, [replica], policy=SHORT_WAIT) as host:
            self.assert_answer(host.lookup(runs[0].id, runs[0].snapshots[0]), runs[0],
                               runs[0].snapshots[0])

    def test_links_that_are_too_slow_for_any_question(self):
        """Clients are let in all the same."""
        replica.delay(1.1)  # a question has a second, and an attempt to connect three
        settings = {"replica": {"conninfo": replica.conninfo(sslmode="disable")}}
        with Host(primary, [replica], policy=SHORT_WAIT, settings=settings) as host:
            self.assertEqual(host.lookup(runs[0].id, runs[0].snapshots[0]).status, 503)
            wait_for(lambda: self.links_up(host) > 0, "a link that could carry one")
            replica.pass_through()
            with self.load(host):
                pass

    def test_more_links_than_the_server_allows(self):
        settings = {**self.as_reader(links=64), "listen": {"threads": 2}}
        with Host(primary, [replica], policy=SHORT_WAIT, settings=settings) as host:
            wait_for(lambda: self.links_up(host) >= 90, "nearly all links that the server allows")
            wait_for(lambda: host.metrics().value("snapshot_host_server_answers", server="replica"),
                     "both threads to know the replica")
            with self.load(host) as load:
                self.assertGreater(host.metrics().value("snapshot_host_connect_failures_total",
                                                        server="replica"), 0)
                load.wait_for_more(200, 100, served_by="replica")
                self.assertEqual(load.count(503), 0)
            self.assertLess(self.links_up(host), 128)

    def test_limit_of_the_role(self):
        self.alter_reader("CONNECTION LIMIT 1")
        with Host(primary, [replica], policy=SHORT_WAIT, settings=self.as_reader(links=4)) as host:
            with self.load(host) as load:
                load.wait_for_more(200, 100, served_by="replica")
                self.assertEqual(load.count(503), 0)
                self.assertEqual(self.links_up(host), 1)
                self.alter_reader("CONNECTION LIMIT -1")
                wait_for(lambda: self.links_up(host) == 4, "all links")
            Vitals(host).wait_restored()

    def alter_reader(self, what):
        cluster.primary.execute(f"ALTER ROLE {self.reader} {what}")
        cluster.wait_caught_up()

    def test_wrong_password(self):
        """Wrong until the role's password is changed to what the host has. It is in no line of the
        log."""
        hba = os.path.join(cluster.standby.data, "pg_hba.conf")
        with open(hba, encoding="utf-8") as file:
            before = file.read()
        self.write_hba(hba, f"host all {self.reader} 127.0.0.1/32 scram-sha-256\n" + before)
        self.addCleanup(self.write_hba, hba, before)
        settings = self.as_reader()
        settings["replica"]["conninfo"] += " password=s3cret-but-wrong"
        with Host(primary, [replica], policy=SHORT_WAIT, settings=settings) as host:
            self.assertEqual(host.lookup(runs[0].id, runs[0].snapshots[0]).status, 503)
            host.wait_for_log(lambda line: "password authentication failed" in line.text,
                              "the failed authentication")
            self.alter_reader("PASSWORD 's3cret-but-wrong'")
            with self.load_once_up(host):
                Vitals(host).wait_restored()
        self.assertNotIn("s3cret", "\n".join(host.all_lines()))

    @staticmethod
    def write_hba(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        cluster.standby.execute("SELECT pg_reload_conf()")

    def test_name_that_does_not_resolve(self):
        conninfo = "host=no-such-host.invalid dbname=postgres user=postgres"
        for policy, status in ((SHORT_WAIT, 503), (SHIFTED, 200)):
            with Host(primary, [replica], policy=policy,
                      settings={"replica": {"conninfo": conninfo}}) as host:
                for _ in range(20):
                    answer = host.lookup(runs[0].id, runs[0].snapshots[0])
                    self.assertEqual(answer.status, status)
                host.wait_for_log(lambda line: "no-such-host.invalid" in line.text, "its name")


class Promotion(unittest.TestCase):
    """A standby becomes a primary. Positions of one timeline say nothing about the other one, however
    great they are: they must not prove anything absent. Each test has its own cluster."""

    def start(self, *standbys):
        """A cluster with these standbys, of which the last one is the host's replica."""
        self.cluster = Cluster(standbys)
        self.addCleanup(self.cluster.destroy)
        self.cluster.load(testbed.ROOT + "/tests/schema.sql")
        self.cluster.wait_caught_up()
        self.history = History(seed=77)
        self.primary = Relay(self.cluster.primary)
        self.replica = Relay(self.cluster.standbys[-1])
        self.addCleanup(self.primary.close)
        self.addCleanup(self.replica.close)
        return self.cluster.standbys

    @contextlib.contextmanager
    def host(self):
        policy = {**READ_INDEX, "max_wait_ms": 200, "on_replica_failure": "primary"}
        with Host(self.primary, [self.replica], policy=policy) as host, with_its_log(host):
            yield host

    def written(self, server):
        """A new run on this server; returns its snapshots."""
        life = self.history.life_of_a_run()
        self.history.write(server)
        return life

    def assert_found(self, host, life, served_by):
        run, since = life[0]["runId"], life[0]["id"]
        answer = host.lookup(run, since)
        self.assertEqual((answer.status, answer.served_by), (200, served_by), answer)
        self.assertEqual(differences(answer.json,
                                     expected_answer(self.history.rows(), run, since)), [])

    def assert_absent(self, host, served_by):
        answer = host.lookup(self.history.new_run(), self.history.new_id())
        self.assertEqual((answer.status, answer.served_by), (404, served_by), answer)

    def assert_uncertain(self, host):
        answer = host.lookup(self.history.new_run(), self.history.new_id())
        self.assertEqual(answer.status, 503, answer)

    @staticmethod
    def advance(server):
        """Moves the server's WAL position on by more than all that tests write."""
        for _ in range(2):
            server.execute("SELECT pg_logical_emit_message(true, '', '')")
            server.execute("SELECT pg_switch_wal()")
        return server.value("SELECT pg_current_wal_lsn() - '0/0'")

    def test_the_replica_is_promoted(self):
        """It stops following its primary, whose new rows it then never gets."""
        [standby] = self.start("standby")
        growing = Run("promotion")
        growing.write_life(self.cluster.primary)

        def just_committed(generator):
            if generator.random() < 0.2:
                growing.write_step(self.cluster.primary)
            return Question(growing, growing.snapshots[growing.committed - 1])

        with self.host() as host:
            host.wait_for_links("primary", "replica")
            self.assert_absent(host, "replica_retry")
            with Clients(host, just_committed, lambda begun, ended: {"read_index"}, 3) as clients:
                clients.wait_until_calm()
                standby.promote()
                self.assertGreater(self.advance(standby), self.cluster.primary.value(
                    "SELECT pg_current_wal_lsn() - '0/0'"))
                clients.wait_for_more(200, 50, served_by="primary")
            self.assertEqual(clients.complaints, [])
            self.assertEqual(clients.count(404), 0)
            # With two primaries no absence is certain.
            self.assert_found(host, self.written(self.cluster.primary), "primary")
            self.assert_uncertain(host)
            self.replica.cut()  # and so it is over new links
            host.wait_for_links("replica")
            self.assert_found(host, self.written(self.cluster.primary), "primary")
            self.assert_uncertain(host)

    def test_failover_to_a_standby_that_has_less(self):
        """The other standby is ahead of the new primary, on a timeline that was abandoned."""
        new, ahead = self.start("new", "ahead")
        new.stop()
        self.advance(self.cluster.primary)
        self.cluster.wait_caught_up(ahead)
        with self.host() as host:
            self.assert_absent(host, "replica_retry")
            self.cluster.primary.kill9()
            new.start()
            new.promote()
            self.primary.lead_to(new)
            host.wait_for_links("primary")
            life = self.written(new)
            self.assertGreater(ahead.value("SELECT pg_last_wal_replay_lsn() - '0/0'"),
                               new.value("SELECT pg_current_wal_lsn() - '0/0'"))
            self.assert_found(host, life, "primary")
            self.assert_absent(host, "primary")

    def test_the_primary_is_promoted_under_its_links(self):
        """A [primary] in recovery fails until it is promoted; the replica then follows it, on the
        links that it has."""
        new, other = self.start("new", "other")
        self.primary.lead_to(new)
        with self.host() as host:
            Vitals(host)  # which waits for all its links
            connects = host.metrics().total("snapshot_host_connects_total")
            self.assertEqual(host.lookup(self.history.new_run(), "bogus").status, 503)
            self.cluster.primary.stop()
            new.promote()
            life = self.written(new)
            wait_for(lambda: host.lookup(life[0]["runId"], life[0]["id"]).status == 200,
                     "the host to believe the new primary")
            self.assert_found(host, self.written(new), "primary")
            self.assert_absent(host, "primary")
            other.execute(f"ALTER SYSTEM SET primary_conninfo = '{new.conninfo()}'")
            other.execute("SELECT pg_reload_conf()")
            wait_for(lambda: other.value("SELECT max(received_tli) FROM pg_stat_wal_receiver") == 2,
                     "it to follow")
            # Before its next restart point a standby cannot tell that it has crossed the promotion.
            new.execute("CHECKPOINT")
            position = new.value("SELECT pg_current_wal_flush_lsn()")
            wait_for(lambda: other.has_replayed(position), "it to catch up")
            other.execute("CHECKPOINT")
            wait_for(lambda: host.lookup(self.history.new_run(), "bogus").served_by
                     == "replica_retry", "absence to be proven on the new timeline")
            self.assert_found(host, life, "replica")
            self.assertEqual(host.metrics().total("snapshot_host_connects_total"), connects)


if __name__ == "__main__":
    unittest.main()
