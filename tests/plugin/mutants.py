#!/usr/bin/python3
"""Breaks the plugin in small named ways and checks that the tests notice.

    tests/plugin/mutants.py [--all] [NAME...]

Without arguments only a few are tried, for make check; make mutants tries all. The test programs are
those in $BUILD, or build. Each mutation of mutants.toml is applied to a copy of the source, which is
built and given to the explorer or to the test program that the mutation names. Fails if one survives,
if one no longer applies or builds, or if an invariant of an explorer has no mutation that it catches.

Exit status 0 if all were caught; one line for each.
"""

import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
FOLDERS = ("plugin", "plugin/cluster", "policies", "strict-ini")
EXPLORER_SOURCES = ("policies/invariants.c", "policies/exploration.c", "policies/reload_exploration.c",
                    "policies/coverage.c", "plugin/cluster/play.c")
PACKAGES = ("inih", "libbsd-overlay")
LIMIT_S = 300


@dataclass
class Mutant:
    name: str
    file: str
    old: str
    new: str
    caught: str
    short: bool = False

    @property
    def by_explorer(self):
        return re.fullmatch(r"[IC]\d+|rules", self.caught) is not None

    def drift(self, text):
        """Why it does not apply to the text of its file; "": it does."""
        times = text.count(self.old)
        return "" if times == 1 else f"{self.file} has its text {times} times, not once"

    @property
    def program(self):
        if self.by_explorer:
            return "cluster/cluster_explorer" if self.caught[0] == "C" else "explorer"
        return self.caught


class Tree:
    """A copy of the plugin's source, built once; mutants rebuild what they touch."""

    def __init__(self, directory):
        self.directory = directory
        self.compiler = shlex.split(os.environ.get("CC", "cc"))
        config = subprocess.run(["pkg-config", "--cflags", *PACKAGES], check=True,
                                capture_output=True, text=True)
        libraries = subprocess.run(["pkg-config", "--libs", *PACKAGES], check=True,
                                   capture_output=True, text=True)
        self.flags = ["-std=c17", "-D_GNU_SOURCE", "-iquote", ".", "-O1", "-w", "-fPIC", "-fvisibility=hidden",
                      '-DREAD_POLICY_VERSION="0.0.0"', *config.stdout.split()]
        self.libraries = libraries.stdout.split()
        for folder in FOLDERS:
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(directory, folder),
                            dirs_exist_ok=True)
        self.objects = {source: self.compile(source) for source in self.sources()}

    def sources(self):
        return sorted(os.path.join(folder, name) for folder in FOLDERS
                      for name in os.listdir(os.path.join(self.directory, folder))
                      if name.endswith(".c"))

    def compile(self, source, suffix=".o"):
        target = source + suffix
        subprocess.run([*self.compiler, *self.flags, "-c", source, "-o", target], check=True,
                       cwd=self.directory)
        return target

    def link(self, objects, target):
        subprocess.run([*self.compiler, "-shared", "-Wl,-z,defs", "-o", target, *objects.values(),
                        *self.libraries], check=True, cwd=self.directory)
        return os.path.join(self.directory, target)

    def build(self, mutant):
        """The mutant's shared object. Raises ValueError if it does not apply."""
        path = os.path.join(self.directory, mutant.file)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if mutant.drift(text):
            raise ValueError(mutant.drift(text))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(mutant.old, mutant.new))
        try:
            changed = [mutant.file] if mutant.file.endswith(".c") else self.sources()
            objects = dict(self.objects)
            objects.update({source: self.compile(source, ".mutant.o") for source in changed})
            return self.link(objects, "mutant.so")
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


def run_test(mutant, plugin):
    """What the test reported about the mutant, or None if it noticed nothing."""
    program = mutant.program
    command = glob.glob(os.path.join(BUILD, "tests", "p*", program))
    if mutant.by_explorer:
        command.append(mutant.caught)
    ended = subprocess.run(command, env=dict(os.environ, READ_POLICY_SO=plugin), text=True,
                           capture_output=True, timeout=LIMIT_S, check=False, cwd=ROOT)
    if ended.returncode == 0:
        return None
    output = ended.stdout + ended.stderr
    pattern = rf"VIOLATED: ({mutant.caught}: .*)" if mutant.by_explorer else r":[FE]:(.*)"
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"{program} ended with status {ended.returncode}, and not by a test:\n"
                         + output)
    return found[1]


def try_mutant(tree, mutant):
    """Whether it was caught, and a line about it."""
    try:
        said = run_test(mutant, tree.build(mutant))
    except (ValueError, subprocess.SubprocessError) as error:
        return False, f"FAIL {mutant.name}: {error}"
    if said is None:
        return False, f"FAIL {mutant.name}: it survived {mutant.caught}"
    return True, f"ok   {mutant.name}: {'' if mutant.by_explorer else mutant.caught + ': '}{said}"


def uncovered_invariants(mutants):
    numbers = set()
    for name in EXPLORER_SOURCES:
        with open(os.path.join(ROOT, "tests", name), encoding="utf-8") as file:
            numbers |= set(re.findall(r'"([IC]\d+|rules): ', file.read()))
    return sorted(numbers - {mutant.caught for mutant in mutants})


def drifted(mutants):
    """Also of those that are not tried, or they would be missed only by the next run of all."""
    for mutant in mutants:
        with open(os.path.join(ROOT, mutant.file), encoding="utf-8") as file:
            why = mutant.drift(file.read())
        if why:
            yield f"FAIL {mutant.name}: {why}"


def main():
    parser = argparse.ArgumentParser(description="Sees to it that the tests catch mutations.")
    parser.add_argument("--all", action="store_true", help="all mutations, not only a few")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    arguments = parser.parse_args()
    with open(os.path.join(ROOT, "tests", "plugin", "mutants.toml"), "rb") as file:
        mutants = [Mutant(**entry) for entry in tomllib.load(file)["mutant"]]
    unknown = set(arguments.names) - {mutant.name for mutant in mutants}
    if unknown:
        parser.error(f"mutants.toml has no mutation of that name: {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in mutants
              if mutant.name in arguments.names
              or not arguments.names and (arguments.all or mutant.short)]
    gaps = [f"FAIL no mutation is caught by {number}"
            for number in uncovered_invariants(mutants)]
    gaps += drifted(mutant for mutant in mutants if mutant not in chosen)
    failures = []
    with tempfile.TemporaryDirectory(prefix="read-policy-mutants-") as directory:
        tree = Tree(directory)
        for mutant in chosen:
            caught, line = try_mutant(tree, mutant)
            print(line, flush=True)
            failures += [] if caught else [line]
    for failure in gaps + failures:
        print(failure)
    print(f"{len(chosen) - len(failures)} of {len(chosen)} mutations caught")
    return 1 if gaps or failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
