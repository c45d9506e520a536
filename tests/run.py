#!/usr/bin/python3
"""Runs test programs, some at a time, and adds up what they report.

    tests/run.py [--limit SECONDS] [--jobs N] [--case PART] PROGRAM...

A PROGRAM is a command with its arguments in one word, such as "tests/check_exports.sh build", after
settings for its environment, such as "BUILD=build/other". What it is shows in its name and in its
output:

  *.py      runs under Debian's own Python
  test_*    a suite of many tests: a Check suite ("NN%: Checks: N, Failures: N, Errors: N") or
            Python's unittest ("Ran N tests"). One that reports no tests has failed.
  others    one test each, by exit status; 77 means skipped, as in automake.

--case runs those tests of the suites that have PART in their name, CASE.FUNCTION or CLASS.FUNCTION.
Suites without such a test are left out, and so is what is no suite. If there is none at all, it says
which tests there are and fails.

Shows a line for each program, the whole output of those that failed, and as the very last line
"N passed, N failed", with ", N skipped" if any were. The exit status is 0 if none failed.
"""

import argparse
import concurrent.futures
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"
SKIPPED_STATUS = 77
NOTHING_CHOSEN_STATUS = 78  # of a Check suite (tests/lib/suite.h)
NOTHING_RAN_STATUS = 5  # of unittest from Python 3.12 on; 0 before
LISTED = "has test: "  # before each test of such a suite
PATIENCE = 5  # times the limit of a Check test, which a busy machine and a sanitizer may need
GRACE_S = 20  # between asking a program that took too long to end and killing it

SETTING = re.compile(r"[A-Z_]+=")
CHECK_TOTALS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.MULTILINE)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)


@dataclass
class Result:
    """The result of one program, or of all together."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    tests: tuple = ()  # of a suite that has none of the name that was asked for

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def read_check(output):
    """Adds up the totals of a Check program, which may hold several suites."""
    totals = [[int(number) for number in match] for match in CHECK_TOTALS.findall(output)]
    if not totals:
        return None
    ran, failures, errors = (sum(column) for column in zip(*totals))
    return Result(passed=ran - failures - errors, failed=failures + errors)


def read_unittest(output):
    ran, end = UNITTEST_RAN.findall(output), UNITTEST_END.findall(output)
    if not ran or not end:
        return None
    counts = {key.strip(): int(value) for key, value in
              (part.split("=") for part in end[-1].split(",") if "=" in part)}
    failed = sum(counts.get(key, 0) for key in ("failures", "errors", "unexpected successes"))
    skipped = counts.get("skipped", 0)
    # A failing set-up counts as an error but not as a test that ran, so the rest may be negative.
    return Result(passed=max(int(ran[-1]) - failed - skipped, 0), failed=failed, skipped=skipped)


def has_chosen_nothing(status, output):
    """Of unittest. A set-up that fails runs no test either."""
    return status in (0, NOTHING_RAN_STATUS) and UNITTEST_RAN.findall(output) == ["0"]


def words_of(program):
    """Its settings, and its command."""
    settings, words = {}, shlex.split(program)
    while SETTING.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    return settings, words


def is_suite(command):
    return os.path.basename(command[0]).startswith("test_")


def tests_of(command, output):
    """The names of a suite's tests."""
    if command[0].endswith(".py"):
        lister = os.path.join(ROOT, "tests", "lib", "list_tests.py")
        output = subprocess.run([PYTHON, "-B", lister, command[0]], cwd=ROOT, env=environment({}),
                                capture_output=True, text=True, check=True).stdout
    return tuple(line.removeprefix(LISTED) for line in output.splitlines())


def judge(command, status, output):
    """The result of a program that ended by itself. status: as in subprocess."""
    result = read_check(output) or read_unittest(output)
    if result is None:
        if is_suite(command):
            result = Result(note="reported no tests")
        elif status == SKIPPED_STATUS:
            return Result(skipped=1)
        else:
            result = Result(passed=1 if status == 0 else 0)
    elif result.passed + result.failed + result.skipped == 0:
        result.note = "ran no test"
    if status != 0:
        how = f"exit status {status}" if status > 0 else signal.Signals(-status).name
        result.note = ", ".join(filter(None, [result.note, how]))
    if result.note and result.failed == 0:
        result.failed = 1
    return result


def end(process):
    """Ends a program that took too long, and what any has left in its process group: that would go on
    asking servers whose ports the next suite is given."""
    for number, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def environment(settings, case=""):
    """Without what PostgreSQL's clients and servers would read in it; PG_MAJOR is our own. Hosts load
    a plugin that tells their mistakes."""
    kept = {name: value for name, value in dict(os.environ, **settings).items()
            if not name.startswith("PG") or name == "PG_MAJOR"}
    build = os.path.join(ROOT, kept.get("BUILD", "build"))
    known = os.path.join(ROOT, "tests", "lib", "thread_sanitizer.supp")
    return dict(kept, HOST_PLUGIN=os.path.join(build, "tests", "strict_plugin.so"),
                TSAN_OPTIONS=kept.get("TSAN_OPTIONS", f"suppressions='{known}'"),
                CK_TIMEOUT_MULTIPLIER=str(PATIENCE),
                PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1",
                PYTHONPATH=os.path.join(ROOT, "tests", "lib"), TEST_CASE=case)


def run(program, limit, case, running):
    """Runs one program; returns what came of it and its output. It is in `running` meanwhile."""
    settings, command = words_of(program)
    arguments = command
    if command[0].endswith(".py"):
        arguments = [PYTHON, *command, *(["-k", case] if case else [])]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(arguments, cwd=ROOT, env=environment(settings, case),
                                       start_new_session=True,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        except OSError as error:
            return Result(failed=1, note=str(error)), ""
        running.add(process)
        try:
            status = process.wait(limit)
            timed_out = False
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            end(process)
            running.discard(process)
        output.seek(0)
        text = output.read().decode("utf-8", errors="backslashreplace")
    if timed_out:
        return Result(failed=1, note=f"not done after {limit:g} s"), text
    if case and (status == NOTHING_CHOSEN_STATUS or has_chosen_nothing(status, text)):
        return Result(tests=tests_of(command, text)), text
    return judge(command, status, text), text


def timed_run(program, limit, case, running):
    begun = time.monotonic()
    result, output = run(program, limit, case, running)
    return program, time.monotonic() - begun, result, output


def show(width, program, seconds, result, output):
    mark = "FAIL" if result.failed else "ok  "
    note = f" ({result.note})" if result.note else ""
    print(f"{mark} {program:<{width}} {seconds:6.1f} s  {result}{note}", flush=True)
    if result.failed:
        print("".join(f"     | {line}\n" for line in output.splitlines()), end="", flush=True)


def run_all(programs, limit, jobs, case):
    """Runs the programs, shows each as it ends, and returns the total and, of those that have no test
    of that name, the tests. An interrupt ends those that run and leaves out the others."""
    total, others = Result(), {}
    width = max(len(program) for program in programs)
    running = set()
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(timed_run, program, limit, case, running) for program in programs]
        try:
            for future in concurrent.futures.as_completed(futures):
                program, seconds, result, output = future.result()
                if result.tests:
                    others[program] = result.tests
                    continue
                total.add(result)
                show(width, program, seconds, result, output)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                end(process)
            raise
    return total, others


def main():
    parser = argparse.ArgumentParser(description="Runs test programs and adds up their results.")
    parser.add_argument("--limit", type=float, default=900, metavar="SECONDS",
                        help="time limit for each program (default 900)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="how many programs run at a time (default 1)")
    parser.add_argument("--case", default="", metavar="PART",
                        help="only the tests with this in their name")
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    arguments = parser.parse_args()
    programs, case = arguments.programs, arguments.case
    if case:
        programs = [program for program in programs if is_suite(words_of(program)[1])]
        if not programs:
            sys.exit(f"no suite to look for '{case}' in: {' '.join(arguments.programs)}")
    total, others = run_all(programs, arguments.limit, arguments.jobs, case)
    if len(others) == len(programs):
        for program in programs:
            print(f"{program}:", *others[program], sep="\n    ")
        sys.exit(f"no test has '{case}' in its name; those above are there")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    # As for Ctrl-C: so that the program under way is ended and cleans up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
