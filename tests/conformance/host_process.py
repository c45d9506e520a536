"""A host under test: a process that is asked for rows, one a line, and answers on its standard output.

    kit:   ROW [POSITION]
    host:  ROW VERDICT [position=POSITION] [value=VALUE] [anything]

VERDICT is found, missing, failed or shed. Answers may come in any order. The host ends when its standard
input does. Nothing else may be on its standard output; what it logs is kept, and shown where something is
wrong.
"""

import os
import re
import shlex
import subprocess
import tempfile
import threading
import time

VERDICTS = ("found", "missing", "failed", "shed")
POSITION = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}\Z")
PATIENCE_S = 20  # for a host to end, once its standard input has


class Answer:
    """What the host said about one row; a verdict of None is silence."""

    def __init__(self, row, verdict=None, words=()):
        self.row, self.verdict = row, verdict
        named = dict(word.split("=", 1) for word in words if "=" in word)
        self.value = named.get("value")
        position = named.get("position", "")
        self.position = position if POSITION.match(position) else None

    def __str__(self):
        return self.verdict or "no answer"


class HostEnded(Exception):
    """It does not take questions any more."""


class HostUnusable(Exception):
    """It does not answer while all is well; what is wrong has been said."""


class HostProcess:
    """Runs the command while a `with` block lasts. places: what its {words} stand for."""

    def __init__(self, command, places, environment=None):
        self.command = [self._filled(word, places) for word in shlex.split(command)]
        self.unexpected = []  # lines that are no answer
        self._environment = {**os.environ, **(environment or {})}
        self._answers = {}
        self._news = threading.Condition()
        self._log = tempfile.TemporaryFile("w+", errors="replace")
        self._process = None
        self._reader = None

    @staticmethod
    def _filled(word, places):
        for name, value in places.items():
            word = word.replace("{" + name + "}", str(value))
        return word

    def __enter__(self):
        self._process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            errors="replace", env=self._environment, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_exception):
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        self._end_session()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._log.close()

    def _end_session(self):
        """It, and whatever it started and left behind."""
        try:
            os.killpg(self._process.pid, 9)
        except ProcessLookupError:
            pass

    @property
    def pid(self):
        return self._process.pid

    def _read(self):
        for line in self._process.stdout:
            words = line.split()
            with self._news:
                if len(words) >= 2 and words[1] in VERDICTS:
                    self._answers.setdefault(words[0], []).append(Answer(words[0], words[1], words[2:]))
                elif words:
                    self.unexpected.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def ask(self, row, position=None):
        """Sends the question; `answer` has what comes of it."""
        with self._news:
            self._answers.pop(row, None)
        try:
            self._process.stdin.write(f"{row} {position}\n" if position else f"{row}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise HostEnded(self.log()) from None

    def answer(self, row, limit_s):
        """The first answer about the row since it was asked for; verdict None: none came in time."""
        deadline = time.monotonic() + limit_s
        with self._news:
            while row not in self._answers:
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    return Answer(row)
                self._news.wait(min(left, 0.2))
            return self._answers[row][0]

    def find(self, row, position=None, limit_s=10.0):
        self.ask(row, position)
        return self.answer(row, limit_s)

    def answers(self, row):
        """How many answers there were since it was asked for."""
        with self._news:
            return len(self._answers.get(row, ()))

    def log(self):
        """The end of what it wrote to standard error."""
        with open(f"/proc/self/fd/{self._log.fileno()}", encoding="utf-8", errors="replace") as file:
            return "\n".join(file.read().splitlines()[-12:])

    def shared_connections(self, ports):
        """Of its connections to these ports, those that two of its processes have: (pid, pid) each."""
        owners, shared = {}, set()
        wanted = _sockets_to(ports)
        for pid in _session(self.pid):
            for inode in _sockets_of(pid) & wanted:
                shared |= {(owner, pid) for owner in owners.get(inode, ())}
                owners.setdefault(inode, []).append(pid)
        return shared


def _session(leader):
    """The living processes of that session."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == leader:
                found.append(int(name))
        except ProcessLookupError:
            pass
    return sorted(found)


def _sockets_of(pid):
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found


def _sockets_to(ports):
    """The inodes of the sockets of this machine that are connected to one of the ports."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if int(words[2].rpartition(":")[2], 16) in ports:
                found.add(words[9])
    return found
