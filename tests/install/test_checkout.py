#!/usr/bin/python3
"""What make prints and does with an unusual checkout: it is read-only, its path has spaces, a library
or the compiler has been replaced."""

import glob
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import unittest

from testbed import BUILD, ROOT

# Some small programs, a test among them: as many kinds of rules as there are.
TARGETS = ("read_policy.so", "policy-check", "tests/policies/test_policies")


class Checkout(unittest.TestCase):
    """A copy that its user cannot write to, below a path with spaces, built elsewhere."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="checkout-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.addClassCleanup(cls.make_writable)
        os.chmod(cls.directory, 0o755)
        cls.checkout = os.path.join(cls.directory, "with some spaces", "read policy")
        shutil.copytree(ROOT, cls.checkout, ignore=cls.not_of_the_source, symlinks=True)
        cls.build = os.path.join(cls.directory, "build")
        os.mkdir(cls.build)
        cls.as_user = {}
        if os.geteuid() == 0:  # who may write everywhere
            entry = pwd.getpwnam("nobody")
            os.chown(cls.build, entry.pw_uid, entry.pw_gid)
            cls.as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        cls.change_modes(lambda mode: mode & ~0o222 | 0o444 | (0o111 if mode & 0o100 else 0))
        cls.before = cls.files()

    @staticmethod
    def not_of_the_source(folder, names):
        """What git does not have, and what takes long to copy."""
        return [name for name in names if name in ("__pycache__", "corpus", "results")
                or (folder == ROOT and name in (".git", os.path.relpath(BUILD, ROOT), "build"))]

    @classmethod
    def change_modes(cls, change):
        for folder, _, names in os.walk(cls.checkout):
            for path in [folder, *(os.path.join(folder, name) for name in names)]:
                os.chmod(path, change(stat.S_IMODE(os.stat(path).st_mode)))

    @classmethod
    def make_writable(cls):
        cls.change_modes(lambda mode: mode | 0o200)

    @classmethod
    def files(cls):
        return sorted(glob.glob(os.path.join(glob.escape(cls.checkout), "**"), recursive=True))

    def run_there(self, *command, **more):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        environment["CCACHE_DISABLE"] = "1"  # another user cannot write to its folder
        done = subprocess.run(command, cwd=self.checkout, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=200, env={**environment, **more.pop("env", {})}, **self.as_user)
        return done.returncode, done.stdout

    def make(self, *arguments, **more):
        return self.run_there("make", f"BUILD={self.build}", "CFLAGS=-O0", *arguments, **more)

    def test_it_is_built_elsewhere_and_works(self):
        programs = [os.path.join(self.build, target) for target in TARGETS]
        status, output = self.make(*programs)
        self.assertEqual(status, 0, output)
        self.assertEqual(self.run_there(programs[1], "conf/read-policy.ini")[0], 0)
        status, output = self.run_there("/usr/bin/python3", "tests/run.py", programs[2],
                                        env={"BUILD": self.build})
        self.assertEqual(status, 0, output)
        self.assertEqual(self.files(), self.before)
        self.assert_quiet(programs)
        self.assert_rebuilt_for_another_version(programs)

    def assert_quiet(self, programs):
        """A line for each folder and each program; V=1 shows the commands."""
        status, quiet = self.make("-B", programs[1])
        self.assertEqual(status, 0)
        lines = quiet.splitlines()
        self.assertEqual(lines[-1].split(), ["LINK", programs[1]])
        self.assertEqual({line.split()[0] for line in lines[:-1]}, {"CC"})
        self.assertEqual(len(set(lines)), len(lines))
        shown = self.make("-B", "V=1", programs[1])[1]
        self.assertIn("-o " + programs[1], shown)
        self.assertNotIn("LINK", shown)

    def assert_rebuilt_for_another_version(self, programs):
        """Of the compiler, or of a library, as pkg-config tells it."""
        self.make(programs[1])
        self.assertEqual(self.make(programs[1]), (0, ""))
        tools = tempfile.mkdtemp(dir=self.directory)
        os.chmod(tools, 0o755)
        for name, program in (("cc", shutil.which("cc")), ("pkg-config", shutil.which("pkg-config"))):
            wrapper = os.path.join(tools, name)
            with open(wrapper, "w", encoding="utf-8") as file:
                # A compiler that is a cache looks for the real one in PATH, and would find this one.
                file.write(f'#!/bin/sh\nPATH={shlex.quote(os.environ["PATH"])}\ncase "$1" in'
                           f' --version|--modversion) echo 99.9;; *) exec {program} "$@";; esac\n')
            os.chmod(wrapper, 0o755)
            path = {"PATH": f"{tools}:{os.environ['PATH']}"}
            with self.subTest(name=name):
                status, output = self.make(programs[1], env=path)
                self.assertEqual(status, 0, output)
                self.assertIn("CC   tools/policy-check/", output)
            os.remove(wrapper)

    def test_names_that_make_cannot_have(self):
        for name in ("BUILD", "PREFIX", "MANDIR"):
            status, output = self.run_there("make", "-n", f"{name}=/some where")
            self.assertEqual(status, 2)
            self.assertIn(f"{name} may have no space in it: '/some where'", output)


if __name__ == "__main__":
    unittest.main()
