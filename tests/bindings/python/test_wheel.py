#!/usr/bin/python3
"""What `make wheel` builds: its tag, its contents, installed where there is no network; the sdist, built to a
wheel; and the package's types."""

import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

from package import FOLDER
from testbed import BUILD, PLUGIN

PLACE = os.path.join(BUILD, "python")

USE = """
import read_policy, read_policy.asyncio
with read_policy.PolicySet.from_text("[a]\\npolicy = replica_only\\n") as policies:
    print(policies.policy("a").read(lambda _replica: "row", lambda: "none").served_by,
          read_policy.__file__)
"""

TYPED = """
from read_policy import Budget, End, PolicySet
import read_policy.psycopg

with PolicySet.from_file("x.ini") as policies:
    cluster = read_policy.psycopg.connect(policies, {"a": "host=x"})
    def count(connection: object) -> int:
        return 1
    end: End[int] = cluster.read("section", count)
    value: int = end.unwrap()
    position: str = end.position
    budget: Budget | None = policies.policy("section").budget()
    left: int = 0 if budget is None else budget.left
"""


def run(*command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=200, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def clean_environment(**more):
    """Without the variables by which these tests find the package in the tree."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("READ_POLICY_PLUGIN", "PYTHONPATH")}
    return {**kept, **more}


class Wheel(unittest.TestCase):
    def setUp(self):
        (self.wheel,) = glob.glob(os.path.join(PLACE, "read_policy-*.whl"))
        (self.sdist,) = glob.glob(os.path.join(PLACE, "read_policy-*.tar.gz"))
        self.scratch = tempfile.TemporaryDirectory(prefix="read-policy-wheel-")
        self.addCleanup(self.scratch.cleanup)

    def pip(self, *arguments, **more):
        return run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments,
                   "--no-index", "--no-deps", "--no-cache-dir", "--quiet",
                   env=clean_environment(PIP_ROOT_USER_ACTION="ignore", **more))

    def use(self, wheel):
        """Installs it, and reads by it."""
        place = os.path.join(self.scratch.name, "installed")
        self.pip("install", "--target", place, wheel)
        said = run(sys.executable, "-c", USE, env=clean_environment(PYTHONPATH=place), cwd="/")
        self.assertEqual(said.split(), ["replica", os.path.join(place, "read_policy", "__init__.py")])

    def test_its_tag_is_the_oldest_glibc_that_it_runs_on(self):
        name = os.path.basename(self.wheel)
        self.assertRegex(name, r"^read_policy-[0-9.]+-py3-none-manylinux_2_\d+_\w+\.whl$")
        versions = re.findall(r"GLIBC_2\.(\d+)", run("objdump", "-T", PLUGIN))
        self.assertEqual(int(re.search(r"manylinux_2_(\d+)_", name)[1]), max(17, *map(int, versions)))

    def test_contents(self):
        with zipfile.ZipFile(self.wheel) as archive:
            names = archive.namelist()
            with open(PLUGIN, "rb") as plugin:
                self.assertEqual(archive.read("read_policy/read_policy.so"), plugin.read())
            metadata = archive.read([name for name in names if name.endswith("/METADATA")][0]).decode()
        for name in os.listdir(os.path.join(FOLDER, "read_policy")):
            if name.endswith(".py"):
                self.assertIn(f"read_policy/{name}", names)
        self.assertIn("read_policy/py.typed", names)
        self.assertRegex(metadata, r"(?m)^Version: \d+\.\d+\.\d+$")

    def test_installs_without_a_network(self):
        self.use(self.wheel)

    def test_a_wheel_from_the_sdist(self):
        self.pip("wheel", "--wheel-dir", self.scratch.name, self.sdist, CFLAGS="-O0")
        (built,) = glob.glob(os.path.join(self.scratch.name, "read_policy-*.whl"))
        self.assertEqual(os.path.basename(built).split("-")[:3],
                         os.path.basename(self.wheel).split("-")[:3])
        self.use(built)

    def test_the_same_input_gives_the_same_files(self):
        code = "import sys, build_backend as b; b.build_wheel(sys.argv[1]); b.build_sdist(sys.argv[1])"
        run(sys.executable, "-B", "-c", code, self.scratch.name,
            env=clean_environment(PYTHONPATH=FOLDER, READ_POLICY_OBJECT=PLUGIN))
        for path in (self.wheel, self.sdist):
            again = os.path.join(self.scratch.name, os.path.basename(path))
            with open(path, "rb") as one, open(again, "rb") as other:
                self.assertEqual(one.read(), other.read(), path)


class Types(unittest.TestCase):
    def mypy(self, *arguments):
        done = subprocess.run(
            ["mypy", "--python-executable", sys.executable, "--cache-dir",
             os.path.join(BUILD, "mypy"), "--config-file", os.path.join(FOLDER, "pyproject.toml"),
             *arguments], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=200, check=False)
        return done.stdout

    def test_the_package(self):
        self.assertRegex(self.mypy("read_policy"), "^Success")

    def test_who_uses_it(self):
        said = self.mypy("-c", TYPED)
        # A position may be unknown; everything else is as it says.
        self.assertRegex(said, r'expression has type "(Optional\[str\]|str \| None)", variable has type "str"')
        self.assertIn("Found 1 error", said)


if __name__ == "__main__":
    unittest.main()
