#!/usr/bin/python3
"""Bash completion: what is offered behind each beginning of a command line. The options come from each
program's own --help, so each that it names is offered."""

import os
import re
import subprocess
import unittest

import testbed
from testbed import BUILD, ROOT

FUNCTIONS = {"policy-check": "_policy_check", "policy-sim": "_policy_sim",
             "snapshot-host": "_snapshot_host"}


def completions(program, *words):
    """What is offered for the last of the words."""
    script = ('. "$1"; shift; COMP_WORDS=("$@"); unset "COMP_WORDS[0]"; COMP_WORDS=("${COMP_WORDS[@]}")\n'
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "$1" "${COMP_WORDS[0]}"\n'
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(
        ["bash", "-c", script, "bash", f"{ROOT}/conf/bash-completion/{program}", FUNCTIONS[program],
         os.path.join(BUILD, program), *words], capture_output=True, text=True, timeout=30, check=True,
        cwd=ROOT)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


class Completion(unittest.TestCase):
    def setUp(self):
        testbed.complain_if_not_built()

    def test_every_option_is_offered(self):
        for program, *command in (("policy-check",), ("policy-sim",), ("policy-sim", "record"),
                                  ("policy-sim", "replay"), ("policy-sim", "advise"),
                                  ("snapshot-host",)):
            with self.subTest(program=program, command=command):
                text = subprocess.run([os.path.join(BUILD, program), *command, "--help"], check=True,
                                      capture_output=True, text=True).stdout
                options = set(re.findall(r"--[a-z][a-z-]*", text))
                self.assertGreaterEqual(len(options), 3)
                self.assertEqual(set(completions(program, *command, "--")), options)

    def test_beginnings(self):
        self.assertEqual(completions("policy-check", "--desc"), ["--describe"])
        self.assertEqual(completions("policy-sim", "rec"), ["record"])
        self.assertEqual(completions("snapshot-host", "stat"), ["status"])
        self.assertEqual(completions("snapshot-host", "-c", "stat"), [])
        self.assertEqual(completions("policy-sim", "re"), ["record", "replay"])
        self.assertEqual(completions("policy-sim", "adv"), ["advise"])
        self.assertEqual(completions("snapshot-host", "--key"), ["--keys"])
        self.assertIn("-t", completions("snapshot-host", "-"))
        self.assertEqual(completions("policy-sim", "--lookups", "5", "--rat"), ["--rate"])

    def test_files(self):
        for program in FUNCTIONS:
            self.assertEqual(completions(program, "conf/read-pol"), ["conf/read-policy.ini"])
        self.assertEqual(completions("policy-check", "--plugin", "conf/read-pol"),
                         ["conf/read-policy.ini"])

    def test_each_program_tells_help_and_version(self):
        for command in ("policy-check", "policy-sim", "policy-sim record", "policy-sim replay",
                        "policy-sim advise", "snapshot-host"):
            for option, word in (("--help", "usage: "), ("--version", command.split()[0])):
                program, *rest = command.split()
                done = subprocess.run([os.path.join(BUILD, program), *rest, option],
                                      capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done)
                self.assertTrue(done.stdout.startswith(word), done)


if __name__ == "__main__":
    unittest.main()
