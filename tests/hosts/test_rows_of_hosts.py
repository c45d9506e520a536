#!/usr/bin/python3
"""Rows and ids that are unusual, for every host that is there to be copied: none is taken for missing, or for another one."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import sanitizer
from cluster import Cluster
from testbed import BUILD, HOST_PLUGIN, ROOT

POLICIES = "[index]\npolicy = read_index\n[primary]\npolicy = primary_only\n"
LONG = "x" * 8000


def setUpModule():
    global cluster, policies
    directory = tempfile.TemporaryDirectory(prefix="rows-of-hosts-")
    unittest.addModuleCleanup(directory.cleanup)
    policies = os.path.join(directory.name, "read-policy.ini")
    with open(policies, "w", encoding="ascii") as file:
        file.write(POLICIES)
    cluster = Cluster()
    unittest.addModuleCleanup(cluster.destroy)
    cluster.primary.execute("CREATE TABLE thing (id text PRIMARY KEY, value text)")
    # A part of the long one is a row of its own.
    cluster.primary.execute("INSERT INTO thing VALUES ('null', NULL), ('empty', ''), ('row', 'its value'), (%s, 'long'),"
                            " (%s, 'cut')", ("y" * 300, "y" * 255))
    cluster.wait_caught_up()


class Host:
    """What each must do. The subclasses say which one it is."""

    command = None
    environment = {}

    def run_host(self, section, lines):
        return subprocess.run([*self.command, HOST_PLUGIN, policies, section, cluster.standby.conninfo(),
                               cluster.primary.conninfo(), "thing"], input=lines, capture_output=True, timeout=60,
                              check=False, env={**os.environ, **self.environment})

    def answers(self, section, lines):
        done = self.run_host(section, lines)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {words[0]: words[1] for words in map(str.split, done.stdout.decode().splitlines())}

    def test_a_row_is_there_whatever_its_value_is(self):
        for section in ("index", "primary"):
            self.assertEqual(self.answers(section, b"null\nempty\nrow\nbogus\n"),
                             {"null": "found", "empty": "found", "row": "found", "bogus": "missing"}, section)

    def test_an_id_of_any_length(self):
        asked = "y" * 300
        self.assertEqual(self.answers("index", f"{asked}\n".encode()), {asked: "found"})

    def test_lines_of_other_systems(self):
        self.assertEqual(self.answers("index", b"row\r\nrow"), {"row": "found"})

    def test_an_id_with_a_nul_byte_is_none_that_ends_there(self):
        self.assertNotIn(b"found", self.run_host("index", b"row\0more\n").stdout)


class MinimalC(Host, unittest.TestCase):
    command = [os.path.join(BUILD, "minimal-host")]

    def test_a_line_that_is_too_long_is_not_two(self):
        done = self.run_host("index", f"{LONG}\n".encode())
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, b"")


class MinimalPython(Host, unittest.TestCase):
    command = [sys.executable, os.path.join(ROOT, "hosts", "minimal", "minimal.py")]
    environment = sanitizer.environment_for(HOST_PLUGIN)


@unittest.skipUnless(shutil.which("luajit") and shutil.which("cc"), "there is no luajit")
@unittest.skipIf(sanitizer.is_in(HOST_PLUGIN), "the plugin is built with a sanitizer")
class Luajit(Host, unittest.TestCase):
    command = ["luajit", os.path.join(ROOT, "hosts", "luajit", "host.lua")]

    @unittest.skip("io.lines ends a line at a NUL byte, and the host never sees it")
    def test_an_id_with_a_nul_byte_is_none_that_ends_there(self):
        pass


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, "hosts", "go-host")), "the host in Go is not built")
@unittest.skipIf(sanitizer.is_in(HOST_PLUGIN), "the plugin is built with a sanitizer")
class Go(Host, unittest.TestCase):
    command = [os.path.join(BUILD, "hosts", "go-host")]

    def test_a_line_that_is_too_long_is_told(self):
        done = self.run_host("index", b"row\n" + b"x" * 100000 + b"\nrow\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"too long", done.stderr)


@unittest.skipUnless(os.path.exists(os.path.join(BUILD, "hosts", "rust-host")), "the host in Rust is not built")
@unittest.skipIf(sanitizer.is_in(HOST_PLUGIN), "the plugin is built with a sanitizer")
class Rust(Host, unittest.TestCase):
    command = [os.path.join(BUILD, "hosts", "rust-host")]


if __name__ == "__main__":
    unittest.main()
