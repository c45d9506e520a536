#!/usr/bin/python3
"""The two smallest hosts, in C and in Python, on a real primary and standby.

Both must do what their comments promise, in the same way: where a read goes, what a miss costs, what a
proof of absence needs. The C one must also stay an example: under 250 lines.
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest

import sanitizer
from cluster import Cluster
from relay import Relay
from testbed import BUILD, HOST_PLUGIN, PLUGIN, ROOT, wait_for

POLICIES = """
[retry]
policy = replica_then_primary
replica_retry_min_ms = 50
replica_retry_max_ms = 60
[at_once]
policy = replica_then_primary
replica_retry_max_ms = 0
[index]
policy = read_index
max_wait_ms = 5000
[index_briefly]
policy = read_index
max_wait_ms = 20
[always]
policy = read_index
when = always
max_wait_ms = 5000
[backoff]
policy = replica_backoff
[primary]
policy = primary_only
[replica]
policy = replica_only
[failover]
policy = replica_then_primary
on_replica_failure = primary
[budget]
policy = replica_then_primary
replica_retry_max_ms = 0
primary_budget_per_s = 1
primary_budget_burst = 2
"""

BY_REPLICA = "served by the replica"
BY_RETRY = "missed on the replica, served by a retry there"
BY_PRIMARY = "missed on the replica, served by the primary"
DIRECT = "served by the primary"
ABSENT = "proven absent: not on the replica, which had reached the primary's position"
NOWHERE = "not found on the replica, nor on the primary"
SHED = "not served by the replica, and the primary's budget is used up"

NONE_IS_ASKED = "there are replicas, but none may be asked now"
BOTH_FAILED = "not served by the replica, and the read of the primary failed"
PRIMARY_FAILED = "the read of the primary failed"
# Of those that found nothing.
VERDICTS = {ABSENT: "missing", NOWHERE: "missing", "not found on the replica": "missing",
            "not found on the primary": "missing", SHED: "shed", NONE_IS_ASKED: "failed", BOTH_FAILED: "failed",
            PRIMARY_FAILED: "failed"}

C_HOST = [os.path.join(BUILD, "minimal-host")]
PYTHON_HOST = [sys.executable, os.path.join(ROOT, "hosts", "minimal", "minimal.py")]


def setUpModule():
    global cluster, policies, directory
    directory = tempfile.TemporaryDirectory(prefix="minimal-hosts-")
    policies = os.path.join(directory.name, "read-policy.ini")
    with open(policies, "w", encoding="ascii") as file:
        file.write(POLICIES)
    cluster = Cluster(settings="deadlock_timeout = 100ms\n")
    cluster.primary.execute("CREATE TABLE thing (id text PRIMARY KEY)")
    cluster.wait_caught_up()


def tearDownModule():
    cluster.destroy()
    directory.cleanup()


class Host:
    """What both hosts must do. The subclasses say which one it is."""

    command = None
    environment = {}

    def setUp(self):
        cluster.reset()
        self.numbers = iter(range(1000))

    def row(self):
        """A row that was just committed; its id."""
        identity = f"{type(self).__name__}-{self._testMethodName}-{next(self.numbers)}"
        cluster.primary.execute("INSERT INTO thing VALUES (%s)", (identity,))
        return identity

    def begin(self, section, *identities, replica=None, primary=None, plugin=HOST_PLUGIN, ini=None,
              stdin=subprocess.DEVNULL, **environment):
        return subprocess.Popen(
            [*self.command, plugin, ini or policies, section,
             replica or cluster.standby.conninfo(), primary or cluster.primary.conninfo(), "thing",
             *identities],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **self.environment, **environment})

    def end(self, process):
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def look_up(self, section, *identities, **arguments):
        """The messages, in the order of the ids."""
        status, out, err = self.end(self.begin(section, *identities, **arguments))
        self.assertEqual(status, 0, err)
        lines = [line.split(" ", 3) for line in out.splitlines()]
        self.assertEqual([line[0] for line in lines], list(identities))
        for _, verdict, position, message in lines:
            self.assertEqual(verdict, VERDICTS.get(message, "found"), message)
            self.assertRegex(position, "^position=[0-9A-F]+/[0-9A-F]+$")
        return [line[3] for line in lines]

    def test_replica_caught_up(self):
        row = self.row()
        cluster.wait_caught_up()
        for section in ("retry", "index", "always", "backoff", "replica"):
            self.assertEqual(self.look_up(section, row), [BY_REPLICA], section)
        self.assertEqual(self.look_up("primary", row), [DIRECT])

    def test_replica_never_gets_the_row(self):
        cluster.standby.pause_replay()
        row = self.row()
        for section in ("retry", "at_once", "backoff", "index_briefly"):
            self.assertEqual(self.look_up(section, row), [BY_PRIMARY], section)
        self.assertEqual(self.look_up("replica", row), ["not found on the replica"])

    def test_replica_catches_up_while_the_host_awaits_it(self):
        cluster.standby.pause_replay()
        row = self.row()
        process = self.begin("index", row)
        # The host awaits the position: it asks the standby for it again and again, far more often
        # than it asks who is there.
        asking = "SELECT max(query_start) FROM pg_stat_activity WHERE backend_type = 'client backend'" \
                 " AND pid <> pg_backend_pid()"
        moments = set()
        wait_for(lambda: moments.add(cluster.standby.value(asking)) or len(moments) > 20,
                 "the host to ask for the position")
        self.assertIsNone(process.poll())
        cluster.standby.resume_replay()
        status, out, err = self.end(process)
        self.assertEqual(status, 0, err)
        self.assertRegex(out, f"^{row} found position=\\S+ {BY_RETRY}\n$")

    @unittest.skipIf(HOST_PLUGIN == PLUGIN, "the plugin rehearses nothing")
    def test_rehearsal(self):
        """First hits count as misses: waiting, locating and reading again are seen to work."""
        row = self.row()
        cluster.wait_caught_up()
        for section in ("retry", "index", "backoff"):
            self.assertEqual(self.look_up(section, row, FIRST_MISSES="1"), [BY_RETRY], section)

    def test_always_awaits_before_the_first_read(self):
        cluster.standby.apply_delay(150)
        row = self.row()
        self.assertEqual(self.look_up("always", row), [BY_REPLICA])

    def test_bogus_ids(self):
        self.assertEqual(self.look_up("index", "bogus-1", "bogus-2"), [ABSENT, ABSENT])
        self.assertEqual(self.look_up("always", "bogus"), [ABSENT])
        self.assertEqual(self.look_up("retry", "bogus"), [NOWHERE])
        self.assertEqual(self.look_up("primary", "bogus"), ["not found on the primary"])

    def test_budget_is_the_process_own(self):
        bogus = [f"bogus-{number}" for number in range(4)]
        self.assertEqual(self.look_up("budget", *bogus), [NOWHERE, NOWHERE, SHED, SHED])

    def test_waits_last_as_long_as_they_say(self):
        """Thirty waits of at least 50 ms: no noise makes them shorter."""
        begun = time.monotonic()
        self.look_up("retry", *["bogus"] * 30)
        self.assertGreaterEqual(time.monotonic() - begun, 1.5)

    def test_connection_that_was_lost_is_dialled_anew_at_once(self):
        identity = self.row()
        cluster.wait_caught_up()
        with Relay(cluster.standby) as relay, \
                self.begin("replica", replica=relay.conninfo(), stdin=subprocess.PIPE) as process:
            for lose in (lambda: None, relay.cut, relay.reset):
                lose()
                process.stdin.write(identity + "\n")
                process.stdin.flush()
                self.assertIn(f"{identity} found ", process.stdout.readline())
            process.communicate(timeout=60)

    def assert_asked_again(self):
        """A read that replay on the standby cancels: it costs neither a failure nor a read of the primary."""
        identity = self.row()
        for _ in range(5):  # for a machine so slow that the server's own time limit comes first
            process, is_cancelled = cluster.cancel_a_read("thing", lambda: self.begin("replica", identity))
            status, out, err = self.end(process)
            self.assertEqual(status, 0, err)
            if is_cancelled:
                self.assertRegex(out, f"^{identity} found position=\\S+ {BY_REPLICA}\n$", err)
                return
        self.fail("no read was cancelled")

    def test_read_that_recovery_cancels_is_asked_again(self):
        with cluster.standby.conflicts_at_once():
            self.assert_asked_again()

    def test_read_in_a_deadlock_with_recovery_is_asked_again(self):
        self.assert_asked_again()

    def test_replica_is_down(self):
        row = self.row()
        nobody = "host=127.0.0.1 port=1 dbname=postgres user=postgres"
        self.assertEqual(self.look_up("retry", row, replica=nobody),
                         [NONE_IS_ASKED])
        self.assertEqual(self.look_up("failover", row, replica=nobody),
                         ["failed on the replica, served by the primary"])

    def test_primary_is_down(self):
        row = self.row()
        cluster.wait_caught_up()
        nobody = "host=127.0.0.1 port=1 dbname=postgres user=postgres"
        self.assertEqual(self.look_up("index", row, "bogus", primary=nobody), [BY_REPLICA, BOTH_FAILED])

    def test_standby_taken_for_the_primary_is_a_failure_not_a_miss(self):
        standby = cluster.standby.conninfo()
        self.assertEqual(self.look_up("at_once", "bogus", primary=standby),
                         [BOTH_FAILED])
        self.assertEqual(self.look_up("primary", "bogus", primary=standby),
                         [PRIMARY_FAILED])

    def test_primary_taken_for_the_replica_proves_nothing(self):
        self.assertNotEqual(self.look_up("index", "bogus", replica=cluster.primary.conninfo()),
                            [ABSENT])

    def test_wrong_arguments(self):
        broken = os.path.join(directory.name, "broken.ini")
        with open(broken, "w", encoding="ascii") as file:
            file.write("[retry]\npolicy = nonsense\n")
        for arguments, words in (({"plugin": "/nowhere.so"}, "/nowhere.so"),
                                 ({"plugin": "/etc/passwd"}, "/etc/passwd"),
                                 ({"ini": broken}, "nonsense")):
            status, out, err = self.end(self.begin("retry", "id", **arguments))
            self.assertGreater(status, 0, arguments)
            self.assertIn(words, err)
            self.assertEqual(out, "")
        status, out, err = self.end(self.begin("nothing", "id"))
        self.assertGreater(status, 0)
        self.assertRegex(err, r"no section \[?nothing\b")
        usage = subprocess.run(self.command, capture_output=True, text=True, check=False,
                               env={**os.environ, **self.environment})
        self.assertGreater(usage.returncode, 0)
        self.assertIn("usage", usage.stderr)


class CHost(Host, unittest.TestCase):
    command = C_HOST

    def test_is_under_250_lines(self):
        with open(os.path.join(ROOT, "hosts", "minimal", "minimal.c"), encoding="ascii") as file:
            self.assertLess(len(file.readlines()), 250)


class PythonHost(Host, unittest.TestCase):
    command = PYTHON_HOST

    @classmethod
    def setUpClass(cls):
        cls.environment = sanitizer.environment_for(PLUGIN)


if __name__ == "__main__":
    unittest.main()
