#!/usr/bin/python3
"""The commands of README.md, run exactly as written.

Left to others: `make demo` and `make check`, which cannot run within themselves, and bpftrace, which needs
a kernel that allows it (that the trace points are there is tested in test_tracing.py). The host that
serves is started, and stopped by SIGTERM.
"""

import os
import re
import shlex
import signal
import subprocess
import tempfile
import unittest

import sanitizer
import testbed
from testbed import wait_for

SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

# A sanitizer makes the simulated days take ten times as long.
LIMIT_S = 1200 if sanitizer.is_in(testbed.HOST_BINARY) else 120

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands():
    with open(os.path.join(testbed.ROOT, "README.md"), encoding="utf-8") as file:
        text = "".join(SHELL_BLOCK.findall(file.read())).replace("\\\n", " ")
    return [line.partition("#")[0].strip() for line in text.splitlines() if line.strip()]


class Readme(unittest.TestCase):
    def setUp(self):
        """A folder that looks like a clone after `make`, so that nothing is written into the real one."""
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name in ("conf", "tools"):
            os.symlink(os.path.join(testbed.ROOT, name), os.path.join(self.folder.name, name))
        os.symlink(testbed.BUILD, os.path.join(self.folder.name, "build"))

    def test_the_two_commands_are_there(self):
        self.assertEqual(commands()[:2], ["make demo", "make check"])

    def run_as_written(self, command):
        with self.subTest(command=command):
            done = subprocess.run(shlex.split(command), cwd=self.folder.name, capture_output=True,
                                  text=True, timeout=LIMIT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.strip())

    def test_tools(self):
        ran = 0
        for command in commands():
            words = shlex.split(command)
            serves = words[0] == "build/snapshot-host" and words[1] in ("-c", "status")
            if words[0] in ("make", "bpftrace") or serves:
                continue
            self.run_as_written(command)
            ran += 1
        self.assertGreaterEqual(ran, 3)
        self.assertGreater(os.path.getsize(os.path.join(self.folder.name, "day.png")), 10000)

    def test_python_imports_what_it_uses(self):
        """`import read_policy` alone brings no driver."""
        seen = 0
        for name in ("README.md", "bindings/python/README.md"):
            with open(os.path.join(testbed.ROOT, name), encoding="utf-8") as file:
                for block in PYTHON_BLOCK.findall(file.read()):
                    for module in re.findall(r"\b(read_policy\.[a-z0-9]+)\.", block):
                        self.assertIn(f"import {module}\n", block, name)
                        seen += 1
        self.assertGreaterEqual(seen, 2)

    def test_host(self):
        """As written it listens on ports 8080 and 8081, so this runs only where they are free."""
        command, status_command = (
            next(line for line in commands() if line.startswith("build/snapshot-host " + word))
            for word in ("-c", "status"))
        host = subprocess.Popen(shlex.split(command), cwd=self.folder.name, text=True,
                                stderr=subprocess.PIPE)
        try:
            lines = []
            wait_for(lambda: lines.append(host.stderr.readline()) or any(
                "listening" in line or "cannot listen" in line for line in lines[-1:]),
                "the host to listen")
            if "cannot listen" in lines[-1]:
                self.skipTest("port 8080 is in use")
            self.run_as_written(status_command)
        finally:
            host.send_signal(signal.SIGTERM)
            status = host.wait(timeout=30)
            host.stderr.close()
        self.assertEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
