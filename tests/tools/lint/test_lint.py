#!/usr/bin/python3
"""make lint, with tools that find what they are told to: each is asked for by its name and version, runs to
its end whatever the others find, and one finding of one of them is enough for a failure."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from testbed import ROOT

with open(os.path.join(ROOT, "mk", "lint.mk"), encoding="utf-8") as rules:
    VERSION = re.search(r"^LINT_LLVM := (\d+)$", rules.read(), re.MULTILINE)[1]
TOOLS = (f"clang-format-{VERSION}", f"clang-tidy-{VERSION}", "cppcheck", "shellcheck", f"clang-{VERSION}")
# FINDER: whose findings, in files whose name begins with FINDS_IN. TIDY_SAYS: clang-tidy's words on stderr.
TOOL = """#!/bin/sh
[ "$1" = --version ] && { echo 1; exit; }
name=${0##*/}
status=0
case $name in clang-tidy*) printf '%s\n' "[1/8] Processing file /a/b.c." "12 warnings generated." ${TIDY_SAYS:+"$TIDY_SAYS"} >&2 ;; esac
for file; do
    case "$name $file" in $FINDER\\ -*) ;; $FINDER\\ $FINDS_IN*) echo "$name found: ${file#./}"; status=1 ;; esac
done
exit $status
"""


class Lint(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="lint-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        for name in TOOLS:
            path = os.path.join(cls.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(TOOL)
            os.chmod(path, 0o755)

    def lint(self, *arguments, finder="*", finds_in="", **variables):
        """The status, and what each tool found. Nothing is installed: the tools are there."""
        status, output = self.lint_output(*arguments, FINDER=finder, FINDS_IN=finds_in, **variables)
        return status, {name: set(re.findall(rf"^{name} found: (\S+)$", output, re.MULTILINE)) for name in TOOLS}

    def lint_output(self, *arguments, **variables):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        environment.update(PATH=f"{self.directory}:{environment['PATH']}", **variables)
        done = subprocess.run(["make", f"BUILD={self.directory}/build", "lint", "BUILD_PACKAGES=",
                               "CHECK_PACKAGES=", "LINT_PACKAGES=", *arguments], cwd=ROOT, env=environment,
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=200)
        return done.returncode, done.stdout

    def test_each_says_all_that_it_finds(self):
        status, found = self.lint()
        self.assertEqual(status, 2)
        ours = {"plugin/entry.c", "policies/registry.c", "strict-ini/table.c", "host-sample/main.c",
                "host-sample/http/front.c", "tools/policy-sim/main.c"}  # far from each other
        for name in (TOOLS[0], TOOLS[1], TOOLS[4]):
            self.assertEqual(ours - found[name], set(), name)
        self.assertIn("plugin/read_policy.h", found[TOOLS[0]])
        self.assertIn("plugin", found["cppcheck"])
        self.assertIn("tools/install-packages", found["shellcheck"])

    def test_one_finding_is_enough(self):
        quick = "LINTS=lint-format lint-tidy lint-cppcheck lint-shell"
        self.assertEqual(self.lint(quick, finder="nobody")[0], 0)
        for finder, place in zip(TOOLS, ("./plugin/entry.c", "plugin/entry.c", "plugin", "tools/matrix-step")):
            with self.subTest(finder=finder):
                status, found = self.lint(quick, finder=finder, finds_in=place)
                self.assertEqual((status, found[finder]), (2, {place.removeprefix("./")}))

    def test_what_a_tool_cannot_read(self):
        """clang-tidy goes on without a configuration that it cannot parse, and ends with 0."""
        words = "Error parsing ./.clang-tidy: invalid argument"
        for says in ("", words):
            status, output = self.lint_output("LINTS=lint-tidy", FINDER="nobody", FINDS_IN="", TIDY_SAYS=says)
            with self.subTest(says=says):
                self.assertEqual((status, words in output), (2, True) if says else (0, False), output)
                self.assertNotIn("generated", output)


if __name__ == "__main__":
    unittest.main()
