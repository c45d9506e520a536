#!/usr/bin/python3
"""The sample INI files document the keys: each is compared with the table that the program was built
with, both ways.

Every key of the table is in the sample, once in each section that has it, either set or commented out;
nothing else is. A key that is commented out shows its default. The comment above it (or above the same
key in an earlier section) names the bounds of a number and every word of a choice.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))

KEY_LINE = re.compile(r"(?P<off>; )?(?P<name>[a-z][a-z_]*) =(?: (?P<value>.*))?$")
# "name: 1 to 64 (ms), default 2. Help." as snapshot-host prints it.
HOST_KEY = re.compile(r"(?P<name>\w+): (?P<accepted>.*?)(?:, (?P<required>required)|, default "
                      r"(?P<default>.*?))\. ")
# "name", and below it "    number: 1 to 64 ms; default 2", as policy-check prints it.
POLICY_KEY = re.compile(r"^(?P<name>\w+)\n +\w+: (?P<accepted>.*?); (?:(?P<required>required)|default "
                        r"(?P<default>.*)|empty by default)$", re.MULTILINE)


@dataclass
class Key:
    accepted: str
    default: str | None  # None: required

    def documented_words(self):
        """What the comment must name."""
        if "bytes" in self.accepted:
            return []
        bounds = re.match(r"(\d+) to (\d+)", self.accepted)
        if bounds:
            return [rf"\b{bounds[1]} to {bounds[2]}\b"]
        return [rf"\b{word}\b" for word in re.split(r", | or | \| ", self.accepted)]


@dataclass
class Sample:
    """A key in a sample file."""

    line: int
    is_off: bool
    value: str
    comment: str


def output_of(program, *arguments):
    command = [os.path.join(BUILD, program), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def key_of(match):
    default = (match["default"] or "").replace("empty", "")
    return Key(match["accepted"], None if match["required"] else default)


def policy_keys():
    """{key: Key} of every section of read-policy.ini."""
    output = output_of("policy-check", "--keys")
    keys = {match["name"]: key_of(match) for match in POLICY_KEY.finditer(output)}
    names = re.findall(r"^\w+$", output, re.MULTILINE)
    if list(keys) != names:
        raise ValueError(f"policy-check prints keys in another form: {set(names) - set(keys)}")
    return keys


def host_keys():
    """{section: {key: Key}} of snapshot-host.ini. The sample has two servers; [primary] and [replica]
    have no key that those lack."""
    tables, sections = {}, []
    for line in output_of("snapshot-host", "--keys").splitlines():
        match = HOST_KEY.match(line)
        if line.startswith("["):
            sections = re.findall(r"\[([^]]*)\]", line)
            tables.update({section: {} for section in sections})
        elif match is None:
            raise ValueError(f"snapshot-host prints a line that is no key: {line}")
        for section in sections if match else []:
            tables[section][match["name"]] = key_of(match)
    server = tables.pop("server.NAME")
    for name in ("primary", "replica", "replica.NAME"):
        if tables.pop(name).keys() - server.keys():
            raise ValueError(f"[{name}] has keys that [server.NAME] lacks")
    tables["server.a"] = tables["server.b"] = server
    return tables


def read_sample(path):
    """{section: {key: [Sample]}} of a sample file. A comment holds for the keys up to the next empty
    line."""
    found, section, comment = {}, None, []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            match = KEY_LINE.match(line)
            if line.startswith("["):
                section, comment = line.strip("[]"), []
                found.setdefault(section, {})
            elif section is not None and match:
                found[section].setdefault(match["name"], []).append(
                    Sample(number, bool(match["off"]), match["value"] or "", " ".join(comment)))
            elif line.startswith(";"):
                comment.append(line[1:].strip())
            elif line == "":
                comment = []
    return found


def compare_key(where, key, sample, comments):
    if sample.is_off and key.default is None:
        yield f"{where}: it is required, so it must not be commented out"
    elif sample.is_off and sample.value != key.default:
        yield f"{where}: shows {sample.value!r}, its default is {key.default!r}"
    for words in key.documented_words():
        if not re.search(words, comments):
            yield f"{where}: its comment does not say {words}; accepted is {key.accepted}"


def compare_section(path, section, table, found):
    for name in sorted(table.keys() | found.keys()):
        samples = found.get(name, [])
        if name not in table:
            yield f"{path}:{samples[0].line}: [{section}] {name}: the program has no such key"
        elif len(samples) != 1:
            yield f"{path}: [{section}] {name} is there {len(samples)} times, not once"


def compare(path, found, tables):
    """Yields what is wrong with the sample."""
    comments = {}
    for section in sorted(tables.keys() - found.keys()):
        yield f"{path}: there is no section [{section}]"
    for section, keys in found.items():
        table = tables.get(section)
        if table is None:
            yield f"{path}: the program has no section [{section}]"
            continue
        yield from compare_section(path, section, table, keys)
        for name, samples in keys.items():
            comments[name] = comments.get(name, "") + " " + samples[0].comment
            if name in table:
                where = f"{path}:{samples[0].line}: [{section}] {name}"
                yield from compare_key(where, table[name], samples[0], comments[name])


def main():
    policy_sample = read_sample(os.path.join(ROOT, "conf", "read-policy.ini"))
    host_sample = read_sample(os.path.join(ROOT, "conf", "snapshot-host.ini"))
    policy_table = policy_keys()
    samples = (
        ("conf/read-policy.ini", policy_sample, {name: policy_table for name in policy_sample}),
        ("conf/snapshot-host.ini", host_sample, host_keys()),
    )
    failed = False
    for path, found, tables in samples:
        problems = list(compare(path, found, tables))
        for problem in problems:
            print(f"FAIL {problem}")
        if not problems:
            print(f"ok   {path} documents {sum(len(table) for table in tables.values())} keys")
        failed = failed or bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
