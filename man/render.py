#!/usr/bin/python3
"""Fills in a template of a manual page.

    man/render.py --build DIRECTORY [--set NAME=VALUE]... TEMPLATE > PAGE

@NAME@ within a line is a value that was set. A line @include PIECE@ becomes that piece, which comes
from the built programs or from the header, whichever is the authority:

    policy-keys       the keys of read-policy.ini, from policy-check; policy-kinds: its policies
    host-keys         the keys of snapshot-host.ini, from snapshot-host
    sim-options       the options of policy-sim, from its help; replay-options, advise-options,
                    record-options: of its commands
    header PART       plugin/read_policy.h; PART is a function of c_header.py
    guide PART        docs/writing-a-host.md; PART is a function of guide.py
"""

import argparse
import os
import re
import subprocess
import sys

import c_header
import guide
import mdoc

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r"@include ([a-z -]+)@")
OPTION = re.compile(r"  --([\w-]+)(?: (\w+))?(?:  \(default (.*)\))?")
VALUE = re.compile(r"@([A-Z_]+)@")


class Pieces:
    """Everything that a template may include."""

    def __init__(self, build):
        self._build = build
        self._header = None

    def _says(self, program, *arguments):
        result = subprocess.run([os.path.join(self._build, program), *arguments], check=True,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return result.stdout.splitlines()

    def get(self, name):
        if name.startswith("header "):
            self._header = self._header or c_header.Header(
                os.path.join(ROOT, "plugin", "read_policy.h"))
            return getattr(c_header, name.removeprefix("header "))(self._header)
        if name.startswith("guide "):
            with open(os.path.join(ROOT, "docs", "writing-a-host.md"), encoding="utf-8") as file:
                return getattr(guide, name.removeprefix("guide "))(file.read())
        return {"policy-keys": self.policy_keys, "policy-kinds": self.policy_kinds,
                "host-keys": self.host_keys,
                "sim-options": lambda: self.options("policy-sim", "--help"),
                "replay-options": lambda: self.options("policy-sim", "replay", "--help"),
                "advise-options": lambda: self.options("policy-sim", "advise", "--help"),
                "record-options": lambda: self.options("policy-sim", "record", "--help")}[name]()

    def policy_keys(self):
        return self._says("policy-check", "--keys=mdoc")

    def policy_kinds(self):
        return self._says("policy-check", "--policies=mdoc")

    def host_keys(self):
        """Lines are "[section]" or "key: what is accepted, default. Help."."""
        lines, in_list = [], False
        for line in self._says("snapshot-host", "--keys"):
            if line.startswith("["):
                lines += [".El"] * in_list + [f".Ss {line}", ".Bl -tag -width Ds"]
                in_list = True
                continue
            key, accepted, text = re.fullmatch(r"(\w+): (.*?)\. ([A-Z].*)", line).groups()
            lines += [f".It Ic {key}", *mdoc.prose(text), *mdoc.prose(f"Accepted: {accepted}.")]
        return lines + [".El"] * in_list

    def options(self, *command):
        """Lines are "  --name ARGUMENT  (default ...)", and below them, indented by 8, the help; in it,
        lines indented by 10 are "WORD text", continued by lines that are indented further."""
        lines, text, in_words = [".Bl -tag -width Ds"], [], False
        for line in [*self._says(*command), ""]:
            option = OPTION.fullmatch(line)
            depth, words = len(line) - len(line.lstrip()), line.split()
            if text and (depth < 8 or depth == 10 or (depth == 8 and in_words)):
                lines += mdoc.prose(" ".join(text))
                text = []
            if in_words and depth < 10:
                lines.append(".El")
                in_words = False
            if option:
                lines.append(_option_tag(*option.groups()))
            elif depth == 10:
                lines += [] if in_words else [".Bl -tag -width Ds -compact"]
                lines.append(f".It Cm {mdoc.argument(words[0])}")
                text, in_words = words[1:], True
            elif depth >= 8:
                text += words
        return lines + [".El"]


def _option_tag(name, argument, default):
    return f".It Fl -{name}" + (f" Ar {argument}" if argument else "") \
        + (f" Pq default {mdoc.argument(default)}" if default else "")


def render(template, values, pieces):
    """The lines of the page. KeyError and AttributeError name a value or a piece that does not
    exist."""
    lines = []
    for line in template:
        include = INCLUDE.fullmatch(line)
        lines += pieces.get(include[1]) if include else \
            [VALUE.sub(lambda match: values[match[1]], line)]
    return lines


def main():
    parser = argparse.ArgumentParser(description="Fills in a template of a manual page.")
    parser.add_argument("--build", required=True, help="where the programs are")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("template")
    arguments = parser.parse_args()
    values = dict(pair.split("=", 1) for pair in arguments.set)
    with open(arguments.template, encoding="utf-8") as file:
        template = file.read().splitlines()
    sys.stdout.write("\n".join(render(template, values, Pieces(arguments.build))) + "\n")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failure:
        words = (failure.stderr or "").strip() or "it said nothing"
        sys.exit(f"render.py: {' '.join(failure.cmd)} ended with {failure.returncode}: {words}")
    except OSError as failure:
        sys.exit(f"render.py: {failure}")
    except (KeyError, AttributeError) as failure:
        sys.exit(f"render.py: {sys.argv[-1]} names a value or a piece that is not there: {failure}")
