#!/usr/bin/python3
"""The tools that make roots and end systems, called by somebody who wants to know what they are."""

import os
import subprocess
import tempfile
import unittest

from testbed import ROOT

# What would change the machine. Here it is only written down.
HARMFUL = ("systemctl", "journalctl", "debootstrap", "apt-get", "unshare")


class CarelessCalls(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        self.called = os.path.join(self.folder, "called")
        for name in HARMFUL:
            path = os.path.join(self.folder, name)
            with open(path, "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\necho {name} >> '{self.called}'\nexit 1\n")
            os.chmod(path, 0o755)

    def call(self, tool, *arguments):
        done = subprocess.run(
            [os.path.join(ROOT, "tools", tool), *arguments], cwd=self.folder, capture_output=True,
            text=True, timeout=60, check=False,
            env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "SUITES": "nowhere",
                 "ROOTS": os.path.join(self.folder, "roots")})
        self.assertFalse(os.path.exists(self.called), done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(HARMFUL))
        return done

    def test_help(self):
        for tool in ("matrix", "try-packages", "install-packages"):
            done = self.call(tool, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""), tool)
            self.assertRegex(done.stdout, f"^{tool} ")

    def test_an_argument_that_is_none(self):
        done = self.call("matrix", "trixie")
        self.assertEqual(done.returncode, 2)
        self.assertIn("trixie; SUITES", done.stderr)

    def test_a_system_is_ended_only_where_it_was_begun_for_that(self):
        for arguments in ((), ("--help",), ("result",)):
            done = self.call("try-service", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("try-packages only", done.stderr)


if __name__ == "__main__":
    unittest.main()
