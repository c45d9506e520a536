#!/usr/bin/python3
"""The kit that tries hosts names each mistake of its checklist, and finds none where there is none. And a dose of it for every
host of the tree; `make conformance` has the whole of it.
"""

import contextlib
import io
import sys
import unittest

import conformance  # before what it is about
import sanitizer
import scenarios
from host_process import HostProcess
from known_hosts import BOTH_SCHEMAS, HOSTS, Known
from mistakes import MISTAKES
from testbed import PLUGIN, ROOT

NATURAL = f"{sys.executable} {ROOT}/tests/conformance/natural_host.py {{replica}} {{primary}} {{table}} "
LIMIT_S = 5.0

# What the host written by hand does wrong, and the scenario that must tell.
SHOWN_BY = {
    "made-up": "all_is_well", "no-proof": "all_is_well", "position-too-old": "positions",
    "answers-swapped": "many_at_once", "unproven": "lacks_for_long", "guard-everywhere": "lacks_for_long",
    "locate-kept": "not_received", "received-not-replayed": "not_replayed", "old-snapshot": "comes_meanwhile",
    "default-isolation": "default_isolation", "flushed-not-inserted": "asynchronous_commits",
    "floor-ignored": "floor", "error-as-missing": "down", "no-limit": "silent_replica",
    "forked": "many_at_once", "other-connection": "balancer",
    "position-after": "comes_between", "timeout-as-missing": "silent_replica", "kept-when-down": "silent_primary",
    "late-answer": "silent_replica", "aborted-session": "cancelled",
    "never-again": "swapped",
    # These last: they leave a server in ruins.
    "promoted-replica": "promoted", "other-timeline": "other_timeline", "stale-primary": "moved_address",
}
# Those that the kit knows under another name.
NAMED = {"guard-everywhere": "unproven", "timeout-as-missing": "error-as-missing", "kept-when-down": "error-as-missing",
         "late-answer": "answers-swapped"}
# Commands that are none, and what is said of them.
NO_HOSTS = {"no-protocol": "/bin/cat", "ended": "/bin/true",
            "not-found": "sh -c 'while read row; do echo $row missing; done'"}
DOSE = ("all_is_well", "positions", "comes_meanwhile", "many_at_once", "floor", "lost_connections", "swapped")
# What the host written by hand does with a read that recovery cancels.
NO_SECOND_LOOK = [f"a read that recovery cancels ({sqlstate}) fails" for sqlstate in ("40P01", "40001")]


class OneKit(unittest.TestCase):
    """All tests of a class share the servers."""

    @classmethod
    def setUpClass(cls):
        cls.kit = cls.enterClassContext(conformance.Kit("", schema=BOTH_SCHEMAS, limit_s=LIMIT_S))

    def wrongs(self, name):
        """What the scenario says of the kit's host."""
        self.kit.run(getattr(scenarios, name))
        return self.kit.wrongs

    def assert_good(self, name):
        self.assertEqual(self.wrongs(name), [], name)


class Mistakes(OneKit):
    """Each is made by the host that is written by hand, and must be named first."""

    def test_named_one_and_all(self):
        self.kit.add_other()
        for mistake, name in SHOWN_BY.items():
            with self.subTest(mistake):
                self.kit.take(NATURAL + mistake)
                found = self.wrongs(name)
                self.assertTrue(found, "nothing was seen")
                self.assertEqual(found[0][0], NAMED.get(mistake, mistake), found)
        # Without a mistake, on what is left of the servers.
        self.kit.take(NATURAL)
        self.assert_good("other_timeline")
        self.assert_good("moved_address")

    def test_every_one_is_shown(self):
        self.assertEqual({NAMED.get(it, it) for it in SHOWN_BY} | set(NO_HOSTS), set(MISTAKES))


class Words(unittest.TestCase):
    """What users read."""

    def test_a_command_that_is_no_host(self):
        for mistake, command in NO_HOSTS.items():
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                found = conformance.try_host(command, limit_s=0.2, start_s=0.5)
            self.assertEqual(found, [mistake], said.getvalue())
            self.assertIn(MISTAKES[mistake], said.getvalue())
            self.assertIn("The rest is not tried", said.getvalue())

    def test_lines_that_are_no_answers(self):
        with HostProcess("sh -c 'read row; echo hello world; echo; echo $row found value=x position=nowhere more'", {}) as host:
            answer = host.find("row-1", limit_s=10)
            self.assertEqual((str(answer), answer.value, answer.position), ("found", "x", None))
            self.assertEqual(host.unexpected, ["hello world"])


@unittest.skipIf(sanitizer.is_in(PLUGIN), "the plugin is built with a sanitizer")
class Hosts(OneKit):
    """Every host of the tree."""


def add_host(name, host):
    def test(self):
        if host.lacks():
            self.skipTest(f"there is no {host.lacks()}")
        host.prepare()
        self.kit.take(host.command, host.insert, host.update)
        for scenario in DOSE:
            self.assert_good(scenario)
        self.assert_good("cancelled")
        asks_once = NO_SECOND_LOOK if name == "natural" else []
        self.assertEqual([text.partition(":")[0] for text in self.kit.remarks], asks_once)
    setattr(Hosts, f"test_{name.replace('-', '_')}", test)


for _name, _host in {**HOSTS, "natural": Known(NATURAL)}.items():
    add_host(_name, _host)

if __name__ == "__main__":
    unittest.main()
