#!/usr/bin/python3
"""The words that the bindings give for the header's numbers, held against its enums: an enum that grows
fails here, in each list by itself."""

import os
import re
import sys
import unittest
from types import SimpleNamespace

from testbed import ROOT

sys.path.insert(0, os.path.join(ROOT, "bindings", "python"))
from read_policy import _abi, _end  # noqa: E402  pylint: disable=wrong-import-position

# enum of the header: its list in both bindings, its type in index.d.ts.
LISTS = {
    "rp_verdict": ("VERDICTS", "Verdict"),
    "rp_served_by": ("SERVED_BY", "ServedBy"),
    "rp_counted": ("COUNTED", "Counted"),
    "rp_log_level": ("LOG_LEVELS", "LogLevel"),
}


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def words_of(enum):
    """In the order of their numbers, which start at 0 without a gap; the first is `none`."""
    body, = re.findall(rf"enum {enum} {{(.*?)}};", text_of("plugin", "read_policy.h"), re.DOTALL)
    prefix = enum.replace("rp_log_level", "rp_log").upper()
    members = re.findall(rf"\b{prefix}_(\w+)\s*=\s*(\d+)", re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL))
    words = [word.lower() for word, _ in members]
    if [int(number) for _, number in members] != list(range(len(words))) or words[0] != "none":
        raise ValueError(f"enum {enum} is in another form: {body}")
    return words


class Words(unittest.TestCase):
    def test_python_has_a_word_for_each_number(self):
        for enum, (name, _) in LISTS.items():
            with self.subTest(enum):
                self.assertEqual([word or "none" for word in getattr(_abi, name)], words_of(enum))

    def test_node_has_a_word_for_each_number(self):
        script = text_of("bindings", "node", "lib", "native.js")
        for enum, (name, _) in LISTS.items():
            with self.subTest(enum):
                listed, = re.findall(rf"^const {name} = \[(.*?)\];", script, re.MULTILINE | re.DOTALL)
                words = [word.strip("' \n") for word in listed.split(",")]
                self.assertEqual(["none" if word == "null" else word for word in words], words_of(enum))

    def test_the_types_have_each_word(self):
        types = text_of("bindings", "node", "index.d.ts")
        for enum, (_, name) in LISTS.items():
            with self.subTest(enum):
                union, = re.findall(rf"^export type {name} =(.*?);", types, re.MULTILINE | re.DOTALL)
                words = re.findall(r"'(\w+)'", union)
                self.assertEqual(words if words[0] == "none" else ["none", *words], words_of(enum))

    def test_python_bears_a_number_without_a_word(self):
        done = SimpleNamespace(verdict=99, served_by=0, counted=99, log_level=0, failed_during=None,
                               message=b"of a later plugin")
        end = _end.end_of(done, "row", None)
        self.assertEqual((end.verdict, end.value, end.counted), ("failed", None, None))


if __name__ == "__main__":
    unittest.main()
