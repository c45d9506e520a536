#!/usr/bin/python3
"""policy-sim replay and advise, clients that repeat, and what a run says of itself: days of which every
lookup is known, so that every figure can be counted."""

import csv
import datetime
import io
import json
import os
import random
import re
import subprocess
import unittest

from simulator import INSTANT, PROGRAM, Figures, SimulatorCase, little_room, run_program

AT_ONCE = {"policy": "replica_then_primary", "replica_retry_max_ms": 0}
BEGIN = 1764100000  # Unix time
STOP_BEGIN, STOP_END, RECORDED = 20, 30, 60  # seconds after it


def say(*arguments):
    """Standard output and standard error of a run that ends well."""
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done
    return done.stdout, done.stderr


class DayCase(SimulatorCase):

    def day(self, *lookups, name="day.csv"):
        """A day of (time, age or None, whether the row is there)."""
        lines = "".join(f"{at},{'' if age is None else age},{int(found)}\n" for at, age, found in lookups)
        return self.file("time,age,found\n" + lines, name)

    def replay(self, policy, day, *arguments):
        policies = self.policies(one=policy)
        text = run_program("replay", "--csv", "--day", day, *arguments, policies)
        row = next(csv.DictReader(io.StringIO(text)))
        row.pop("section")
        return Figures((column, float(value)) for column, value in row.items())

    def stopping_standby(self):
        """2 ms behind, but for a stop of ten seconds, from which it recovers at once."""
        samples = []
        for tenth in range(RECORDED * 10 + 1):
            at = tenth / 10
            stopped = STOP_BEGIN <= at <= STOP_END
            samples.append(f"{BEGIN + at:.3f},{at - STOP_BEGIN + 0.002 if stopped else 0.002:.3f}\n")
        return "trace:" + self.file("time,lag\n" + "".join(samples), "lag.csv")

    def access_log(self, lines):
        """Of (seconds after BEGIN, milliseconds, status, served by, client)."""
        text = '{"time":"2026-01-01T00:00:00.000Z","level":"info","message":"started"}\nnot JSON\n'
        for at, took, status, served_by, client in lines:
            ended = datetime.datetime.fromtimestamp(BEGIN + at + took / 1000, datetime.timezone.utc)
            fields = {"time": ended.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "level": "info",
                      "message": "access", "request": "snapshots since",
                      "request_run_id": f"run \"{client}\" \\ }}", "request_snapshot_id": f"s{client}",
                      "status": status, "milliseconds": took}
            if served_by:
                fields["served_by"] = served_by
            text += "<6>" + json.dumps(fields) + "\n"
        return self.file(text, "access.log")


class Replay(DayCase):

    def test_a_day_counted_by_hand(self):
        day = self.day((5, None, True), (5.5, 0.15, True), (6, 0.05, True), (6.5, None, False),
                       (7, 0.099, True), (7.5, 0.101, True))
        figures = self.replay("replica_only", day, "--replica", "100ms", *INSTANT)
        self.assertEqual((figures["lookups"], figures["replica"], figures["absent_wrong"],
                          figures["absent_replica"]), (6, 3, 2, 3))
        self.assertEqual(figures["span_s"], 2)
        figures = self.replay(AT_ONCE, day, "--replica", "100ms", *INSTANT)
        self.assertEqual((figures["replica"], figures["primary"], figures["absent_primary"]), (3, 2, 1))
        figures = self.replay("read_index", day, "--replica", "100ms", *INSTANT)
        self.assertEqual((figures["replica"], figures["replica_retry"], figures["absent_replica"]),
                         (3, 2, 1))
        self.assertAlmostEqual(figures["added_max_us"], 100000, delta=6000)

    def test_unix_time_lays_the_day_over_the_trace(self):
        # One lookup a second, a second old: those in the last nine seconds of the stop are missed.
        lookups = [(BEGIN + at, 1, True) for at in range(-10, RECORDED + 10)]
        for first in (0, 7):  # wherever the day begins
            day = self.day(*lookups[first:])
            figures = self.replay("replica_only", day, "--replica", self.stopping_standby(), *INSTANT)
            self.assertEqual(figures["lookups"], RECORDED + 1)
            self.assertEqual(figures["missed"], STOP_END - STOP_BEGIN)
        figures = self.replay("replica_only", self.day(*lookups[20:]), "--replica",
                              self.stopping_standby(), *INSTANT)
        self.assertEqual((figures["lookups"], figures["missed"]), (RECORDED - 9, STOP_END - STOP_BEGIN))
        out, _ = say("replay", "--day", self.day(*lookups), "--replica", self.stopping_standby(),
                     self.policies(one=AT_ONCE))
        self.assertIn("61 lookups in 60 s; 19 outside the recorded lag are left out\n", out)

    def test_access_log_gives_the_same_day_again(self):
        # The policy that was logged, replayed, does what was logged, and another one what it would have.
        lines, client = [], 0
        for tenth in range(RECORDED * 10):
            at, client = tenth / 10 + 0.05, client + 1
            stopped = STOP_BEGIN < at < STOP_END - 0.5
            lines.append((at, 0.25, 200, "primary" if stopped else "replica", client))
            if tenth % 20 == 0:
                lines.append((at, 0.5, 404, "primary", client + 100000))
        lines.append((1, 0.1, 400, None, 7))
        lines.append((2, 0.1, 404, None, 8))
        log = self.access_log(reversed(lines))
        primary = sum(line[3] == "primary" and line[2] == 200 for line in lines)
        lag = self.stopping_standby()
        figures = self.replay(AT_ONCE, log, "--replica", lag)
        self.assertEqual((figures["primary"], figures["absent_primary"], figures["replica"]),
                         (primary, 31, 600 - primary))
        figures = self.replay({"policy": "read_index", "max_wait_ms": 3000}, log, "--replica", lag)
        self.assertEqual(figures["replica"], 600 - primary)
        self.assertEqual(figures["absent_replica"] + figures["absent_primary"], 31)
        self.assertGreater(figures["absent_replica"], 20)
        self.assertAlmostEqual(figures["replica_retry"], 25, delta=2)  # of the last 3 s of the stop
        out, _ = say("replay", "--day", log, "--replica", lag, self.policies(one=AT_ONCE))
        self.assertIn(f"as logged: found by the replica {600 - primary}, by a retry there 0, by the "
                      f"primary {primary}, not found 31, shed 0, failed 0\n", out)

    def test_retries_bound_the_age_of_a_row(self):
        # Missed at 26 s, 6 s into the stop, and there at 30.1 s: it was committed between 20 and 26 s.
        log = self.access_log([(26, 4100, 200, "replica_retry", 1), (40, 0.1, 200, "replica", 2)])
        saved = os.path.join(self.directory, "saved.csv")
        for age, expected in (("0", 0), ("2s", 2), ("1h", 6)):
            run_program("replay", "--csv", "--day", log, "--replica", self.stopping_standby(), "--age",
                        age, "--save-day", saved, self.policies(one=AT_ONCE))
            with open(saved, encoding="ascii") as file:
                rows = file.read().splitlines()
            at, row_age, found = rows[1].split(",")
            self.assertAlmostEqual(float(at), BEGIN + 26, places=2)
            self.assertAlmostEqual(float(row_age), expected, delta=0.1)
            self.assertEqual((rows[0], found, rows[2].split(",")[1:]),
                             ("time,age,found", "1", ["", "1"]))
            os.remove(saved)

    def test_lag_between_its_samples(self):
        # It is catching up, at 3 s a second: missed at 10.5 s, where it was 4 s behind, and there at
        # 11.5 s, where it was 1.5 s behind.
        lag = "trace:" + self.file(f"time,lag\n{BEGIN},0\n{BEGIN + 5},0\n{BEGIN + 10},5\n"
                                   f"{BEGIN + 11},3\n{BEGIN + 12},0\n", "catching_up.csv")
        log = self.access_log([(1, 0.1, 200, "replica", 2), (10.5, 1000, 200, "replica_retry", 1)])
        saved = os.path.join(self.directory, "saved.csv")
        for age, expected in (("0", 0.5), ("2s", 2), ("1h", 4)):
            run_program("replay", "--csv", "--day", log, "--replica", lag, "--age", age, "--save-day", saved,
                        self.policies(one=AT_ONCE))
            with open(saved, encoding="ascii") as file:
                self.assertAlmostEqual(float(file.read().splitlines()[2].split(",")[1]), expected, delta=0.01)
            os.remove(saved)

    def test_saved_day_is_the_same_day(self):
        lines = [(at / 5, 0.25, 200, "primary" if 105 < at < 145 else "replica", at) for at in range(250)]
        log, lag = self.access_log(lines), self.stopping_standby()
        saved = os.path.join(self.directory, "saved.csv")
        first = self.replay("read_index", log, "--replica", lag, "--save-day", saved)
        self.assertEqual(self.replay("read_index", saved, "--replica", lag), first)
        self.assertEqual(os.listdir(self.directory).count("saved.csv.part"), 0)

    def test_what_cannot_be_replayed_is_explained(self):
        policies, lag = self.policies(one=AT_ONCE), self.stopping_standby()
        log = self.access_log([(26, 1, 200, "primary", 1)])
        day = self.day((1, None, True))
        bad = self.file("time,age,found\n1,2,1\n1,2,3\n", "bad.csv")
        for arguments, status, words in (
                ([], 2, "--day is needed"), (["--day", "/nowhere.csv"], 1, "/nowhere.csv: No such"),
                (["--day", bad], 1, f'{bad}:3: "1,2,3": expected'),
                (["--day", policies], 1, f"{policies}: no lookup"),
                (["--day", self.file("time,age,found\n1,,1\0x\n", "zero.csv")], 1, "zero.csv:2: "),
                (["--day", log], 1, "trace:FILE or constant:TIME"),
                (["--day", self.day((BEGIN - 5, None, True), name="early.csv"), "--replica", lag], 1,
                 "while the lag was recorded"),
                (["--day", self.day((1, None, True), (2700000, None, True), name="long.csv")], 1, "31 days: its "
                 "first lookup is of 1 s, its last one of 2700000 s"),
                (["--day", day, "--save-day", "/nowhere/x"], 1, "/nowhere/x.part"),
                (["--day", day, "--save-day", self.directory], 1, "is a directory"),
                (["--day", day, "--rate", "5"], 2, "--rate")):
            error = run_program("replay", *arguments, policies, status=status)
            self.assertIn(words, error, arguments)
            self.assertEqual(error.count("\n"), 1, error)

    def test_what_a_crash_left_in_a_log_is_passed_over(self):
        log = self.access_log([(at, 1, 200, "replica", at) for at in range(20)])
        with open(log, encoding="utf-8") as file:
            lines = file.read().splitlines(keepends=True)
        lines[10:10] = ["\0" * 5000 + lines[10], "x" * 100000 + "\n", lines[11].replace("T", "\0", 1),
                        lines[11].replace('"2025-', '"9999-', 1)]
        lines[-1] = lines[-1][:-20]
        damaged = self.file("\ufeff" + "".join(lines), "damaged.log")
        self.assertEqual(self.replay(AT_ONCE, damaged, "--replica", "1ms")["lookups"], 19)

    def test_no_part_of_a_day_stays_where_there_is_no_room(self):
        day = self.day(*[(at, None, True) for at in range(1000)])
        saved = os.path.join(self.directory, "saved.csv")
        error = run_program("replay", "--day", day, "--save-day", saved, self.policies(one=AT_ONCE), status=1,
                            preexec_fn=little_room)
        self.assertIn(f"{saved}: File too large", error)
        self.assertEqual([name for name in os.listdir(self.directory) if name.startswith("saved")], [])


class Repeats(DayCase):

    def test_clients_that_are_turned_away_come_again(self):
        # One token a second: of five made-up ids at once, one is served each second.
        day = self.day(*[(1, None, False)] * 5)
        policy = {**AT_ONCE, "primary_budget_per_s": 1, "primary_budget_burst": 1}
        scenario = [*INSTANT, "--replica", "1ms", "--retry-wait", "1s"]
        for retries, served, repeats in ((0, 1, 0), (2, 3, 7), (4, 5, 10), (5, 5, 10)):
            figures = self.replay(policy, day, *scenario, "--retries", str(retries))
            self.assertEqual((figures["absent_primary"], figures["repeats"], figures["given_up"],
                              figures["lookups"], figures["shed"]),
                             (served, repeats, 5 - served, 5 + repeats, 5 + repeats - served))
        self.assertEqual(figures["span_s"], 4)

    def test_failures_wait_twice_as_long_each_time(self):
        figures = self.replay(AT_ONCE, self.day((1, None, True)), *INSTANT, "--replica", "1ms",
                              "--replica-failures", "1", "--retries", "4")
        self.assertEqual((figures["failed"], figures["given_up"], figures["span_s"]), (5, 1, 7))

    def test_repeats_of_the_log_are_left_out(self):
        lines = [(1, 1, 429, None, 1), (2.5, 1, 429, None, 1), (2.6, 1, 429, None, 2),
                 (4, 1, 200, "primary", 1), (50, 1, 200, "replica", 1)]
        log, lag = self.access_log(lines), self.stopping_standby()
        self.assertEqual(self.replay(AT_ONCE, log, "--replica", lag)["lookups"], 5)
        self.assertEqual(self.replay(AT_ONCE, log, "--replica", lag, "--retries", "5")["lookups"], 3)

    def test_nobody_is_lost(self):
        figures = self.figures({**AT_ONCE, "primary_budget_per_s": 20}, "--bogus", "20%", "--retries", "3",
                               "--processes", "3", "--lookups", "20000")
        self.assertEqual(figures["lookups"], 20000 + figures["repeats"])
        answered = figures["lookups"] - figures["shed"] - figures["failed"] - figures["refused"]
        self.assertEqual(answered + figures["given_up"], 20000)
        self.assertGreater(figures["repeats"], 1000)


class Advise(DayCase):

    def incident(self):
        """Half of the lookups are of rows 100 ms old, and one in fifty of none."""
        return self.day(*[(BEGIN + at / 20, 0.1 if at % 2 else None, at % 50 != 0)
                          for at in range(RECORDED * 20)])

    def test_section_keeps_what_it_promises(self):
        day, lag = self.incident(), self.stopping_standby()
        for primary_reads, shed, latency in ((4, "100%", "5s"), (30, "0", "400ms"), (12, "10%", "1s")):
            out, _ = say("advise", "--day", day, "--replica", lag, "--max-primary-reads",
                         str(primary_reads), "--max-shed", shed, "--max-latency", latency)
            names = out.split("runner-up:\n\n")[1].splitlines()[0].split()
            self.assertEqual(len(set(names)), 2, out)
            lines = out[out.index("\n[") + 1:]
            self.assertTrue(lines.startswith(f"[{names[0]}]\npolicy = "), lines)
            text = run_program("replay", "--csv", "--day", day, "--replica", lag, self.file(lines))
            row = {name: float(value) for name, value in next(csv.DictReader(io.StringIO(text))).items()
                   if name != "section"}
            self.assertLessEqual(row["primary_reads_peak"], primary_reads)
            self.assertLessEqual(row["added_p99_us"], {"5s": 5e6, "400ms": 4e5, "1s": 1e6}[latency])
            self.assertLessEqual(row["shed"] / row["lookups"], float(shed.rstrip("%")) / 100)
            self.assertEqual(row["absent_wrong"], 0)

    def test_no_line_is_without_effect(self):
        """Of the primary alone, say, which has no budget: whoever is advised to set one believes in it."""
        day = self.day(*((BEGIN + second, None, second % 2 == 0) for second in range(RECORDED)))
        out, _ = say("advise", "--day", day, "--replica", self.stopping_standby(),
                     "--max-primary-reads", "50", "--max-latency", "300ms")
        lines = out[out.index("\n[") + 1:]
        self.assertIn("policy = primary_only\n", lines)
        check = subprocess.run([os.path.join(os.path.dirname(PROGRAM), "policy-check"), self.file(lines)],
                               capture_output=True, text=True, check=False)
        self.assertEqual((check.returncode, check.stderr), (0, ""))

    def test_a_lookup_more_outweighs_no_wait(self):
        """A few lookups more that are shed are chance; a fifth of a second that they all wait is not."""
        draw = random.Random(8)
        at, day = BEGIN, []
        while at < BEGIN + RECORDED:
            age = None if draw.random() < 0.5 else round(draw.uniform(0, 0.2), 3)
            day.append((round(at, 3), age, draw.random() < 0.98))
            at += draw.expovariate(50)
        out, _ = say("advise", "--day", self.day(*day), "--replica", self.stopping_standby(),
                     "--max-primary-reads", "20", "--max-latency", "300ms", "--max-shed", "30%")
        p99 = re.search(r"added latency.*?\n  p99 +([0-9.]+) +([0-9.]+)", out, re.DOTALL)
        shed = re.search(r"\n  shed +(\d+) +\S+ +(\d+)", out)
        lookups = int(re.search(r"\nlookups +(\d+)", out)[1])
        self.assertLessEqual(float(p99[1]), float(p99[2]), out)
        self.assertLessEqual(int(shed[1]) * 1000 // lookups, int(shed[2]) * 1000 // lookups, out)

    def test_goals_that_nobody_meets(self):
        done = subprocess.run(
            [PROGRAM, "advise", "--day", self.incident(), "--replica", self.stopping_standby(),
             "--max-primary-reads", "1", "--max-shed", "0", "--max-latency", "1ms"],
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 1)
        nearest = re.search(r"no candidate meets all goals; \[(\w+)\] comes nearest", done.stderr)[1]
        self.assertIn(f"\n[{nearest}]\n", done.stdout)

    def test_another_replica_is_a_candidate_where_there_is_one(self):
        lag = ["--replica", self.stopping_standby(), "--replica", "1ms"]
        out, _ = say("advise", "--day", self.incident(), *lag, "--max-primary-reads", "1", "--max-shed", "0")
        self.assertRegex(out, r"\nreplica_pick = (freshest|next)\n")
        self.assertIn("of 20 candidates", out)

    def test_wrong_usage(self):
        day = self.incident()
        for arguments, words in (([], "--day is needed"), (["--day", day, "x.ini"], "x.ini"),
                                 (["--day", day, "--max-primary-reads", "0"], "1 to 1000000"),
                                 (["--day", day, "--section", "x"], "--section")):
            self.assertIn(words, run_program("advise", *arguments, status=2))


class TheRun(SimulatorCase):

    def test_incident_that_was_not_met_is_warned_of(self):
        path = self.policies(one="replica_only")
        _, warnings = say("--replica", "1ms", "--replica", "bursts:1ms,2s,100h,2s", "--lookups", "1000", path)
        self.assertRegex(warnings, r"warning: replica 2 had no burst of lag in this run of [01] s, where one "
                                   r"in 360002 s is")
        out, warnings = say("--csv", "--replica", "bursts:1ms,2s,10s,2s", "--rate", "100", "--lookups",
                            "60000", path)
        self.assertEqual(warnings, "")
        row = next(csv.DictReader(io.StringIO(out)))
        self.assertAlmostEqual(int(row["bursts"]), 50, delta=25)
        self.assertAlmostEqual(int(row["span_s"]), 600, delta=20)
        self.assertAlmostEqual(int(row["lag_p50_us"]), 1000, delta=10)
        self.assertAlmostEqual(int(row["lag_max_us"]), 2000000, delta=101000)

    def test_run_is_as_long_as_the_trace(self):
        path = self.policies(one="replica_only")
        lag = "trace:" + self.file("time,lag\n0,0\n60,1\n90,0.5\n", "lag.csv")
        out, warnings = say("--csv", "--replica", lag, "--rate", "50", path)
        self.assertEqual(warnings, "")
        self.assertGreaterEqual(int(next(csv.DictReader(io.StringIO(out)))["span_s"]), 90)
        _, warnings = say("--replica", lag, "--rate", "50", "--lookups", "1000", path)
        self.assertRegex(warnings, r"warning: this run of \d+ s ends before replica 1's trace of 90 s")


if __name__ == "__main__":
    unittest.main()
