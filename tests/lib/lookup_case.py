"""What tests of lookups share: a test case with assertions about an answer, a log line, and which
servers were read."""

import contextlib
import unittest

import testbed
from cluster import Cluster
from history import History
from host import Host
from oracle import differences, expected_answer

# Policies that many tests run under.
NO_WAIT = {"policy": "replica_then_primary", "replica_retry_max_ms": 0}


def module_cluster(*standbys, seed=None):
    """For setUpModule: a cluster with the schema, destroyed when the module's tests are done, and a
    History to write to it. Both are those of its ClusterCase, too."""
    testbed.complain_if_not_built()
    cluster = Cluster(standbys=standbys)
    unittest.addModuleCleanup(cluster.destroy)
    cluster.load(testbed.ROOT + "/tests/schema.sql")
    history = History() if seed is None else History(seed=seed)
    ClusterCase.cluster, ClusterCase.history = cluster, history
    return cluster, history


class LookupCase(unittest.TestCase):
    """Assertions about one host's answers, log and servers."""

    maxDiff = None

    def begin_with_a_run(self, cluster, history):
        """For setUp: all servers up and level, with self.life, the snapshots of run self.run_id."""
        cluster.reset()
        self.life = history.life_of_a_run()
        history.write(cluster.primary)
        cluster.wait_caught_up()
        self.run_id = self.life[0]["runId"]

    @contextlib.contextmanager
    def observed_host(self, cluster, replicas=None, **arguments):
        """Runs a host on the cluster. After the block `host.reads` has, by server's name, how many
        scans of the tables it caused there; a server that ended in the meantime has no entry."""
        before = {server.name: (server.value("SELECT pg_postmaster_start_time()"),
                                server.table_reads())
                  for server in [cluster.primary, *cluster.standbys] if server.is_running()}
        if replicas is None:
            replicas = cluster.standbys[:1]
        with Host(cluster.primary, replicas, **arguments) as host:
            host.reads = {}
            yield host
        for server in [cluster.primary, *cluster.standbys]:
            start, reads = before.get(server.name, (None, 0))
            if server.is_running() and server.value("SELECT pg_postmaster_start_time()") == start:
                host.reads[server.name] = server.table_reads() - reads

    def assert_headers(self, answer):
        self.assertEqual(answer.headers.get("content-type"), "application/json", answer)
        self.assertEqual(answer.headers.get("keep-alive"), "timeout=20", answer)

    def assert_found(self, answer, rows, run, since, served_by, environment=None):
        """The answer is the one that these rows give, and that server gave it."""
        self.assertEqual(answer.status, 200, answer)
        self.assert_headers(answer)
        expected = expected_answer(rows, run, since, environment)
        self.assertIsNotNone(expected, "the oracle says that this lookup is a miss")
        self.assertEqual(differences(answer.json, expected), [])
        self.assertEqual(answer.served_by, served_by, answer)

    def assert_error(self, answer, status, served_by=None):
        """An error of this status, with a body that says why; served_by is for a lookup's 404."""
        self.assertEqual(answer.status, status, answer)
        self.assert_headers(answer)
        self.assertEqual(list(answer.json), ["error"], answer)
        self.assertIsInstance(answer.json["error"], str)
        self.assertTrue(answer.json["error"].strip(), answer)
        self.assertEqual(answer.served_by, served_by, answer)

    def assert_logged(self, host, *expected):
        """The host, now ended, wrote exactly these lines about lookups:
        (level, failed_during or None, run id, snapshot id)."""
        lines = host.lookup_log()
        self.assertEqual([(line.level, line.failed_during) for line in lines],
                         [(level, during) for level, during, _, _ in expected], lines)
        for line, (_, _, run, snapshot) in zip(lines, expected):
            self.assertTrue(line.names(run) and line.names(snapshot), line)
            self.assertTrue({"time", "level", "message"} <= line.fields.keys(), line)

    def assert_reads(self, host, **expected):
        """Which servers were read: 0 for not at all, True for at least once."""
        for name, reads in expected.items():
            if reads is True:
                self.assertGreater(host.reads[name], 0, f"{name} was not read")
            else:
                self.assertEqual(host.reads[name], reads, f"scans of {name}")


class ClusterCase(LookupCase):
    """A test begins with all servers of the module's cluster up and level, and runs hosts of its own on
    runs of its own: (the run's id, its snapshots)."""

    cluster = None
    history = None

    def setUp(self):
        self.cluster.reset()

    def host(self, policy, **arguments):
        return self.observed_host(self.cluster, policy=policy, **arguments)

    def write_life(self):
        """A new run, on the primary at least."""
        life = self.history.life_of_a_run()
        self.history.write(self.cluster.primary)
        return life[0]["runId"], life

    def known_everywhere(self):
        """A new run that all servers have."""
        run, life = self.write_life()
        self.cluster.wait_caught_up()
        return run, life

    def known_to_primary(self, standbys=None):
        """A new run that the standbys (all, or these) do not have yet: their replay is paused."""
        for standby in standbys or self.cluster.standbys:
            standby.pause_replay()
        return self.write_life()
