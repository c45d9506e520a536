#!/usr/bin/python3
"""docs/DESIGN.md lists every invariant that code, tests and pages name by its number, and the explorer of
policies checks all that it lists."""

import glob
import os
import re
import unittest

import testbed

ROW = re.compile(r"^\| \*\*([IC]\d+)\*\* \|", re.MULTILINE)
NUMBER = re.compile(r"\b(?:I\d\d?|C\d|C10)\b")  # C11 and C17 are languages
STATEMENT = re.compile(r'"(I\d+): ')
PLACES = ("docs/*.md", "plugin/*.[ch]", "plugin/cluster/*.[ch]", "policies/*.[ch]", "tests/plugin/mutants.toml",
          "tests/plugin/*.c", "tests/plugin/cluster/*.[ch]", "tests/policies/*.[ch]")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def files(*patterns):
    return [path for pattern in patterns for path in glob.glob(os.path.join(testbed.ROOT, pattern))]


class Invariants(unittest.TestCase):
    def setUp(self):
        self.listed = ROW.findall(read(os.path.join(testbed.ROOT, "docs/DESIGN.md")))

    def test_they_are_numbered_without_gaps(self):
        for letter in "IC":
            numbers = [int(name[1:]) for name in self.listed if name[0] == letter]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)), letter)

    def test_none_is_named_that_is_not_listed(self):
        for path in files(*PLACES):
            with self.subTest(file=os.path.relpath(path, testbed.ROOT)):
                self.assertEqual(set(NUMBER.findall(read(path))) - set(self.listed), set())

    def test_all_of_policies_are_explored(self):
        """But for I12: memory, locks and system calls are no matter of reports."""
        explored = {number for path in files("tests/policies/*.c")
                    for number in STATEMENT.findall(read(path))}
        self.assertEqual({name for name in self.listed if name[0] == "I"} - explored, {"I12"})


if __name__ == "__main__":
    unittest.main()
