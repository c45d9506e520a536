#!/usr/bin/python3
"""Whatever is wrong with snapshot-host.ini, no secret of it is shown: not by -t, not at the start, not at
a reload, not in the log. Each secret here holds the same marker, which no output may have; mistakes are
listed, and made at random."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import unittest

import testbed
from host import run_host
from testbed import HOST_BINARY, PLUGIN, wait_for

MARKER = "Mk7s3CREt"
CONNINFO = f"host=127.0.0.1 port=1 dbname=postgres user=postgres password={MARKER}Pw"
URI = f"postgresql://postgres:{MARKER}Uri@127.0.0.1:1/postgres"
RANDOM_MISTAKES = 300
SEED = int(os.environ.get("SEED", "20261125"))
POLICY = "[snapshots_since]\npolicy = replica_then_primary\n"


def good_text(directory):
    return (f"[listen]\nport = 0\n"
            f"[auth]\ntoken = {MARKER}Tok\ndeployment_id = {MARKER}Dep\n"
            f"[primary]\nconninfo = {CONNINFO}\nlinks = 1\nprepared = yes\n"
            f"[replica]\nconninfo = {URI}\nlinks = 1\n"
            f"[plugin]\npath = {PLUGIN}\nconfig = {directory}/read-policy.ini\n"
            f"[limits]\nmax_lookups = 10\nlookup_timeout_ms = 100\n[log]\naccess = yes\n")


# (what, text to be replaced, by what)
LISTED = [
    ("a third token", f"token = {MARKER}Tok", f"token = {MARKER}Tok\n" * 2 + f"token = {MARKER}Tok2"),
    ("a doubled key", f"deployment_id = {MARKER}Dep", f"deployment_id = {MARKER}Dep\n" * 2),
    ("a typo in the key", "token =", "tokn ="),
    ("a typo far from any key", "token =", "secretword ="),
    ("a line too long", f"{MARKER}Tok", f"{MARKER}Tok" + "x" * 200),
    ("a comment behind the value", f"{MARKER}Tok", f"{MARKER}Tok ; mine"),
    ("a comment behind the value, with #", f"{MARKER}Tok", f"{MARKER}Tok # mine"),
    ("no =", "token = ", "token "),
    ("nothing but the secret", "token = ", ""),
    ("a secret that ends in =", f"token = {MARKER}Tok", f"{MARKER}Tok="),
    ("an indented line", "deployment_id =", " deployment_id ="),
    ("a doubled conninfo", "links = 1\nprepared", f"conninfo = {CONNINFO}\nprepared"),
    ("a typo in conninfo", "conninfo = host", "coninfo = host"),
    ("a password with a space", f"{MARKER}Pw", f"a {MARKER}Pw"),
    ("a password with a space and =", f"{MARKER}Pw", f"a {MARKER}=Pw"),
    ("a password with a quote", f"password={MARKER}", f"password='{MARKER}"),
    ("a bad escape", "postgres:", "postgres:%zz"),
    ("a bad escape in the password", f"{MARKER}Uri", f"{MARKER}%q1"),
    ("an @ in the password", f"{MARKER}Uri", f"p@{MARKER}Uri"),
    ("a / in the password", f"{MARKER}Uri", f"123/{MARKER}Uri"),
    ("a / behind the password's start", f"{MARKER}Uri", f"{MARKER}/Uri"),
    ("a ? in the password", f"{MARKER}Uri@", f"12?{MARKER}Uri"),
    ("a [ in the password", f"postgres:{MARKER}", f"[{MARKER}"),
    ("the password as sslmode", "user=postgres password=", "user=postgres sslmode="),
    ("the password as port", "port=1 dbname=postgres user=postgres password=", "port="),
    ("the password as service", "password=", "service="),
    ("the password as a word of session attributes", "password=", "target_session_attrs="),
    ("the password as a number", "password=", "connect_timeout="),
    ("the password in typographic quotes", f"{MARKER}Pw", f"\u201c{MARKER}Pw\u201d"),
    ("the conninfo in quotes", f"conninfo = {CONNINFO}", f'conninfo = "{CONNINFO}"'),
    ("the token in quotes", f"{MARKER}Tok", f'"{MARKER}Tok"'),
    ("the token in one quote", f"{MARKER}Tok", f"{MARKER}Tok'"),
    ("the token in the header", f"[auth]\ntoken = {MARKER}Tok", f"[auth] token = {MARKER}Tok"),
    ("the token in the brackets", f"[auth]\ntoken = {MARKER}Tok", f"[auth token = {MARKER}Tok]"),
    ("a header without its bracket", f"[auth]\ntoken = {MARKER}Tok", f"[auth token = {MARKER}Tok"),
    ("a header lost", "[auth]\n", ""),
    ("a header of another section", "[auth]", "[limits]"),
    ("a header with a typo", "[auth]", "[auht]"),
    ("everything before any section", "[listen]", f"token = {MARKER}\n[listen]"),
    ("a token file that is the token", "token =", "token_file ="),
    ("a token and a token file", "deployment_id =", "token_file ="),
    ("a password key of its own", "links = 1\nprepared", f"password = {MARKER}\nprepared"),
    ("a conninfo as another key's value", "links = 1\n[plugin]", f"links = {URI}\n[plugin]"),
    ("a password behind another key's value", "links = 1\nprepared",
     f"links = 1 password={MARKER}\nprepared"),
    ("a NUL", f"{MARKER}Tok", f"{MARKER}\0Tok"),
    ("a carriage return", f"{MARKER}Tok", f"{MARKER}\rTok"),
    ("bytes that are no UTF-8", f"{MARKER}Tok", f"\udcff{MARKER}\udcff"),
    ("a continued conninfo", " password=", "\n  password="),
    ("a continued conninfo at the line's start", " password=", "\npassword="),
]

SPECIAL = [" ", " ;", " #", "=", ":", "\"", "'", "[", "]", "\\", "%", "%zz", "@", "/", "?", "&", "\t", "\0",
           "\r", "\n", "\n ", "\u201c", "\u2019", "\udcff", ",", "://"]


def random_mistake(text, dice):
    """The text with one to three mistakes, most of them near a secret."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        lines = text.split("\n")
        secret = [n for n, line in enumerate(lines) if MARKER in line]
        # A secret that is given as a path is shown, as any file's name is that is not there.
        movable = [n for n, line in enumerate(lines) if not re.match(r"(path|config) *=", line)]
        number = dice.choice(secret or movable) if dice.random() < 0.8 else dice.choice(movable)
        line, place = lines[number], dice.randrange(len(lines[number]) + 1)
        kind = dice.randrange(9)
        if kind == 0:
            lines[number] = line[:place] + dice.choice(SPECIAL) + line[place:]
        elif kind == 1:
            lines[number] = line[:place] + line[place + dice.randrange(1, 4):]
        elif kind == 2:
            lines.insert(dice.randrange(len(lines)), line)
        elif kind == 3 and number + 1 < len(lines):
            lines[number:number + 2] = [line + lines[number + 1]]
        elif kind == 4:
            del lines[dice.randrange(len(lines))]
        elif kind == 5:
            other = dice.choice(movable)
            lines[number], lines[other] = lines[other], line
        elif kind == 6:
            other = dice.choice(movable)
            mine, theirs = line.partition("="), lines[other].partition("=")
            lines[number] = mine[0] + "=" + theirs[2]
            lines[other] = theirs[0] + "=" + mine[2]
        elif kind == 7:
            lines[number] = line.replace(MARKER, dice.choice(SPECIAL) + MARKER, 1)
        else:
            lines[number] = line[:place] + line[place:].swapcase() if MARKER not in line[place:] else \
                dice.choice((" ", "\t", "[", ";", "#", "x")) + line
        text = "\n".join(lines)
    return text


class Secrets(unittest.TestCase):
    def setUp(self):
        testbed.complain_if_not_built()
        self.directory = tempfile.mkdtemp(prefix="snapshot-host-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.config_path = os.path.join(self.directory, "snapshot-host.ini")
        with open(os.path.join(self.directory, "read-policy.ini"), "w", encoding="ascii") as file:
            file.write(POLICY)
        self.good = good_text(self.directory)

    def write(self, text):
        with open(self.config_path, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def assert_silent(self, output, text):
        """Neither the marker nor the rest of a secret that a special character was put into."""
        for piece in (MARKER, MARKER.swapcase(), MARKER[1:], MARKER[:-1]):
            if piece in output:
                at = output.index(piece)
                self.fail(f"a secret is shown: ...{output[max(at - 200, 0):at + 50]}\n\nof\n{text}")

    def check(self, text):
        self.write(text)
        done = run_host("-t", "-c", self.config_path)
        self.assertIn(done.returncode, (0, 1), done)
        self.assert_silent(done.stdout + done.stderr, text)
        return done

    def serve(self, text):
        """Starts the host, which ends by itself or tells of its servers, and gives what it wrote."""
        self.write(text)
        process = subprocess.Popen([HOST_BINARY, "-c", self.config_path], stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr))
        reader.start()
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: process.poll() is not None
                     or sum(b"no link" in line for line in lines) >= 2, "it", timeout_s=3)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        reader.join()
        process.stderr.close()
        output = b"".join(lines).decode("utf-8", "backslashreplace")
        self.assert_silent(output, text)
        return output

    def listed(self):
        for what, old, new in LISTED:
            text = self.good.replace(old, new, 1)
            self.assertNotEqual(text, self.good, what)
            yield what, text

    def test_the_good_file(self):
        self.assertEqual(self.check(self.good).returncode, 0)
        self.assertIn("no link", self.serve(self.good))

    def test_listed_mistakes(self):
        fine = []
        for what, text in self.listed():
            with self.subTest(what):
                if self.check(text).returncode == 0:
                    fine.append(what)
                self.serve(text)
        self.assertEqual(fine, ["a [ in the password", "bytes that are no UTF-8"],
                         "mistakes that none can tell from what was meant")

    def test_random_mistakes(self):
        dice = random.Random(SEED)
        refused = 0
        for number in range(RANDOM_MISTAKES):
            with self.subTest(seed=SEED, number=number):
                text = random_mistake(self.good, dice)
                bad = self.check(text).returncode != 0
                refused += bad
                if not bad or number % 10 == 0:
                    self.serve(text)
        self.assertGreater(refused, RANDOM_MISTAKES / 2)

    def test_at_a_reload(self):
        """Whether the host then reads this file again or not."""
        self.write(self.good)
        process = subprocess.Popen([HOST_BINARY, "-c", self.config_path], stderr=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr))
        reader.start()
        try:
            wait_for(lambda: any(b"listening" in line for line in lines), "it to listen")
            for _, text in self.listed():
                self.write(text)
                before = sum(b"reload" in line for line in lines)
                process.send_signal(signal.SIGHUP)
                wait_for(lambda n=before: sum(b"reload" in line for line in lines) > n, "the reload")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
            reader.join()
            process.stderr.close()
        self.assert_silent(b"".join(lines).decode("utf-8", "backslashreplace"), "a reload")


if __name__ == "__main__":
    unittest.main()
