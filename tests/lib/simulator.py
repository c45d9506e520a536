"""policy-sim for tests: a policy file, a scenario, and the resulting figures."""

import csv
import io
import os
import resource
import signal
import subprocess
import tempfile
import unittest

from testbed import BUILD

PROGRAM = os.path.join(BUILD, "policy-sim")

# A world in which only waiting takes time, for figures that can be computed by hand.
INSTANT = ["--replica-read", "0", "--primary-read", "0", "--position-read", "0",
           "--question-read", "0", "--links", "0"]


class Figures(dict):
    """One section's line of the CSV output: numbers by column."""

    def share(self, *columns):
        return sum(self[column] for column in columns) / self["lookups"]


def run_program(*arguments, status=0, **more):
    """Runs policy-sim; its standard output if it ended well, else its standard error."""
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=240, check=False, **more)
    assert done.returncode == status, done
    assert (done.stderr == "") == (status == 0), done
    return done.stdout if status == 0 else done.stderr


def little_room(size=4096):
    """For preexec_fn: a file that is written may have so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def no_room():
    """For preexec_fn: nothing can be written to files."""
    little_room(0)


def read_figures(text):
    """The figures of each section, by its name, of CSV output."""
    rows = csv.DictReader(io.StringIO(text))
    return {row.pop("section"): Figures((column, float(value)) for column, value in row.items())
            for row in rows}


def simulate(path, *arguments):
    """The figures of each section, by its name."""
    return read_figures(run_program("--csv", *arguments, path))


class SimulatorCase(unittest.TestCase):
    """A test case with its own directory for files."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="policy-sim-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def file(self, text, name="policies.ini"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def policies(self, **sections):
        """A policy file; each argument is a section: a policy, or its keys."""
        text = ""
        for name, keys in sections.items():
            keys = {"policy": keys} if isinstance(keys, str) else keys
            text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
        return self.file(text)

    def figures(self, policy, *arguments):
        """The figures of one section; `policy` as for `policies`."""
        return simulate(self.policies(one=policy), *arguments)["one"]
