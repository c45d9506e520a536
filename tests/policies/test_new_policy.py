#!/usr/bin/python3
"""Adds a policy as docs/HACKING.md says, in a copy of the tree, and sees that everything knows it.

new_policy/1-the-policy.patch is one file and one line of the registry: diagram, description, lists and
manual follow, and the explorer and the tables complain of what they do not know. 2-its-proof.patch gives
the explorer settings for it, the tables rows, and the mutants one of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from testbed import ROOT

PATCHES = os.path.join(ROOT, "tests", "policies", "new_policy")
NAME = "replica_or_primary"
SECTION = f"[s]\npolicy = {NAME}\nfirst_ms = 3\n"
LEFT_OUT = shutil.ignore_patterns("build", ".git", "node_modules", "__pycache__", "corpus", "results")


class NewPolicy(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="read-policy-new-")
        cls.addClassCleanup(cls.directory.cleanup)
        cls.tree = os.path.join(cls.directory.name, "tree")
        shutil.copytree(ROOT, cls.tree, ignore=LEFT_OUT, symlinks=True)
        with open(os.path.join(cls.directory.name, "policy.ini"), "w", encoding="utf-8") as file:
            file.write(SECTION)

    def run_there(self, *command, status=0):
        """In the copy, which is built as this tree is not: without its options."""
        kept = {"PATH", "CC", "LANG", "LC_ALL", "TMPDIR", "HOME"}
        environment = {name: value for name, value in os.environ.items() if name in kept}
        done = subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, text=True,
                              timeout=300, check=False)
        self.assertEqual(done.returncode, status, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def apply_patch(self, name):
        self.run_there("patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", os.path.join(PATCHES, name))

    def build(self):
        self.run_there("make", "-j2", "CFLAGS=-O1", "build/read_policy.so", "build/policy-check",
                       "build/tests/policies/explorer", "build/tests/policies/test_policies")

    def check_policy(self, *arguments):
        file = os.path.join(self.directory.name, "policy.ini")
        return self.run_there("build/policy-check", *arguments, file)

    def test_the_checklist(self):
        self.apply_patch("1-the-policy.patch")
        self.build()
        with self.subTest("diagram"):
            diagram = self.check_policy("--dot")
            self.assertIn(f"policy = {NAME}", diagram)
            self.assertIn("missed on the replica, served by the primary", diagram)
        with self.subTest("description and notes"):
            described = self.check_policy("--describe")
            self.assertIn("a miss goes to the primary at once.", described)
            self.assertIn("A failure of the replica is an error", described)
            self.assertIn(f"first_ms = 3: not used by policy = {NAME}", described)
        with self.subTest("lists and manual"):
            self.assertIn(NAME, self.run_there("build/policy-check", "--keys"))
            page = self.run_there(sys.executable, "-B", "man/render.py", "--build", "build",
                                  *(f"--set={value}=x" for value in ("VERSION", "PLUGIN_DIR", "SYSCONF",
                                                                    "BINDIR", "EXAMPLES_DIR",
                                                                    "HOST_EXAMPLES_DIR")),
                                  "man/read-policy.ini.5.in")
            self.assertIn(f".It Cm {NAME}\nReads go to a replica; a miss goes to the primary at once.\n"
                          "At most 2 steps", page)
        with self.subTest("the explorer complains"):
            self.assertIn(f"VIOLATED: I21: every policy of the plugin is explored: {NAME}",
                          self.run_there("build/tests/policies/explorer", status=1))
        with self.subTest("its rows are missed"):
            self.assertIn(f"all_policies lacks {NAME}",
                          self.run_there("build/tests/policies/test_policies", status=1))

        self.apply_patch("2-its-proof.patch")
        self.build()
        with self.subTest("explored"):
            self.assertIn(f"{NAME} 2", self.run_there("build/tests/policies/explorer", NAME))
        with self.subTest("its rows"):
            self.run_there("build/tests/policies/test_policies")
        with self.subTest("mutants"):
            said = self.run_there(sys.executable, "tests/plugin/mutants.py",
                                  f"{NAME} gives a partial answer")
            self.assertIn("1 of 1 mutations caught", said)


if __name__ == "__main__":
    unittest.main()
