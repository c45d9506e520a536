#!/usr/bin/python3
"""policy-sim against what can be computed by hand: shares, latencies, rates, budgets.

Its figures are compared with those of a real pair of servers in test_policy_sim_honesty.py.
"""

import csv
import hashlib
import io
import itertools
import math
import os
import shutil
import stat
import subprocess
import unittest
from unittest import mock

import sanitizer
from scarce_memory import ScarceMemory
from simulator import INSTANT, PROGRAM, SimulatorCase, little_room, run_program, simulate
from testbed import HOST_PLUGIN

SEED_POLICY = {"policy": "replica_then_primary", "replica_retry_min_ms": 50,
               "replica_retry_max_ms": 200}
AT_ONCE = {"policy": "replica_then_primary", "replica_retry_max_ms": 0}
ALL_POLICIES = {
    "seed": SEED_POLICY, "at_once": AT_ONCE, "index": "read_index",
    "always": {"policy": "read_index", "when": "always"}, "backoff": "replica_backoff",
    "primary": "primary_only", "replica": "replica_only",
    "budget": {"policy": "read_index", "max_wait_ms": 20, "primary_budget_per_s": 30},
}
ENDS = ("replica", "replica_retry", "primary", "absent_primary", "absent_replica", "failed", "shed",
        "refused")
FRESH = ["--fresh", "1"]


GOLDEN_DIGEST = "7d3073c907e5fea5ea23164244b982830aa24e44de7d30e725ca6f17b870c11c"


def spread(share, count):
    """Five standard deviations of a share counted over that many independent lookups: a correct program
    fails one check in two million. The seeds are fixed, so it fails always or never."""
    return 5 * math.sqrt(share * (1 - share) / count) + 1e-9


class OfHosts(SimulatorCase):
    """The simulated hosts are hosts of the cluster, too."""

    def test_they_make_no_mistake(self):
        path = self.policies(**ALL_POLICIES)
        for rehearsal in ("0", "1"):
            with mock.patch.dict(os.environ, FIRST_MISSES=rehearsal):
                run_program("--plugin", HOST_PLUGIN, "--seed", "3", "--replica", "exponential:20ms", "--replica",
                            "bursts:1ms,400ms,2s,1s", "--bogus", "5%", "--processes", "3", "--lookups", "5000", path)


class SameSeedSameOutput(SimulatorCase):

    def test_to_the_byte(self):
        path = self.policies(**ALL_POLICIES)
        scenario = ["--replica", "exponential:20ms", "--replica", "bursts:1ms,400ms,2s,1s",
                    "--bogus", "5%", "--fresh", "50%", "--age", "exponential:10ms", "--processes", "3",
                    "--replica-read", "exponential:0.3ms", "--lookups", "20000", path]
        for form in ([], ["--csv"]):
            outputs = {run_program(*form, "--seed", "7", *scenario) for _ in range(3)}
            self.assertEqual(len(outputs), 1)
            self.assertNotIn(run_program(*form, "--seed", "8", *scenario), outputs)

    def test_on_every_machine(self):
        # Integers throughout: these digits are the same wherever this runs, and only a change of the
        # simulator itself changes them: these two policies draw nothing, and how often the cluster polls
        # is left out.
        output = run_program(
            "--csv", "--lookups", "5000", "--links", "0", "--replica", "exponential:20ms", "--age", "exponential:5ms",
            "--bogus", "10%", "--fresh", "50%", "--replica-read", "exponential:0.3ms",
            self.policies(primary="primary_only", replica="replica_only"))
        rows = list(csv.reader(io.StringIO(output)))
        polls = rows[0].index("server_polls_per_s")
        text = "\n".join(",".join(row[:polls] + row[polls + 1:]) for row in rows)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.assertEqual(digest, GOLDEN_DIGEST, output)

    def test_sections_do_not_influence_each_other(self):
        path = self.policies(**ALL_POLICIES)
        scenario = ["--replica", "exponential:20ms", "--fresh", "50%", "--lookups", "5000"]
        together = simulate(path, *scenario)
        self.assertEqual(list(together), list(ALL_POLICIES))
        for name in ALL_POLICIES:
            self.assertEqual(simulate(path, *scenario, "--section", name), {name: together[name]})
        two = simulate(path, *scenario, "--section", "index", "--section", "seed")
        self.assertEqual(list(two), ["index", "seed"])

    def test_table_and_csv_agree(self):
        path = self.policies(**ALL_POLICIES)
        scenario = ["--replica", "exponential:20ms", "--fresh", "50%", "--lookups", "5000"]
        table = run_program(*scenario, path).splitlines()
        figures = simulate(path, *scenario)
        self.assertEqual(table[0].split(), list(ALL_POLICIES))
        rows = {line[:22].strip(): line[22:].split() for line in table[1:]}
        self.assertEqual(rows["lookups"], ["5000"] * len(ALL_POLICIES))
        self.assertEqual([int(word) for word in rows["a retry there"][::2]],
                         [figures[name]["replica_retry"] for name in ALL_POLICIES])
        self.assertEqual(rows["a retry there"][1],
                         f"{100 * figures['seed'].share('replica_retry'):.3f}%")
        self.assertEqual([float(word) for word in rows["primary reads"]],
                         [figures[name]["primary_reads_per_s"] for name in ALL_POLICIES])
        self.assertFalse([line for line in table if line != line.rstrip()])


class ByHand(SimulatorCase):
    """Closed forms."""

    LOOKUPS = 40000

    def run_one(self, policy, *arguments):
        figures = self.figures(policy, *INSTANT, "--lookups", str(self.LOOKUPS), *arguments)
        self.assertEqual(sum(figures[end] for end in ENDS), self.LOOKUPS)
        self.assertEqual(figures["lookups"], self.LOOKUPS)
        return figures

    def assert_share(self, figures, expected, *columns):
        self.assertAlmostEqual(figures.share(*columns), expected,
                               delta=spread(expected, self.LOOKUPS))

    def test_without_lag_nothing_is_missed(self):
        for policy in ALL_POLICIES.values():
            figures = self.run_one(policy, "--replica", "0", *FRESH)
            self.assertEqual(figures["missed"], 0)
            self.assertEqual(figures["added_max_us"], 0)
        self.assertEqual(figures.share("replica"), 1)

    def test_constant_lag_and_a_uniform_retry(self):
        # Missed for 100 ms. A wait of U(50, 200) ms is too short with probability 50 / 150.
        figures = self.run_one(SEED_POLICY, "--replica", "100ms", *FRESH)
        self.assertEqual(figures["missed"], self.LOOKUPS)
        self.assert_share(figures, 1 / 3, "primary")
        self.assert_share(figures, 2 / 3, "replica_retry")
        self.assertAlmostEqual(figures["added_p50_us"], 125000, delta=2000)
        self.assertAlmostEqual(figures["added_p90_us"], 185000, delta=2000)
        self.assertAlmostEqual(figures["added_p99_us"], 198500, delta=1000)
        self.assertLessEqual(figures["added_max_us"], 200000)
        self.assertEqual(figures["missed_p50_us"], figures["added_p50_us"])
        self.assertAlmostEqual(figures["primary_reads_per_s"], 1000 / 3, delta=15)
        self.assertAlmostEqual(figures["replica_reads_per_s"], 2000, delta=60)

    def test_constant_lag_and_rows_of_any_age(self):
        # Aged U(0, 200) ms: half of them missed at first. One of age a < 50 ms goes to the primary
        # with probability (50 - a) / 150: in all 1250 / 150 / 200.
        figures = self.run_one(SEED_POLICY, "--replica", "100ms", "--age", "uniform:0,200ms", *FRESH)
        self.assert_share(figures, 1 / 2, "missed")
        self.assert_share(figures, 1 / 24, "primary")
        self.assertEqual(figures["added_p50_us"] == 0, figures.share("replica") >= 0.5)

    def test_exponential_lag(self):
        # The lag at any moment is exponential, and so is the time until a row arrives.
        policy = {**SEED_POLICY, "replica_retry_min_ms": 30, "replica_retry_max_ms": 30}
        scenario = ["--replica", "exponential:50ms", "--rate", "20", *FRESH]
        figures = self.run_one(policy, *scenario)
        self.assertEqual(figures["missed"], self.LOOKUPS)
        self.assert_share(figures, math.exp(-30 / 50), "primary")
        figures = self.run_one(policy, *scenario, "--age", "20ms")
        self.assert_share(figures, math.exp(-20 / 50), "missed")
        self.assert_share(figures, math.exp(-50 / 50), "primary")
        figures = self.run_one(policy, "--rate", "20", "--replica", "exponential:50ms,40ms", "--age",
                               "45ms", *FRESH)
        self.assert_share(figures, math.exp(-5 / 50), "missed")

    def test_bursts(self):
        # Gaps of 2 s on average and bursts of 1 s, in which it does not move: a third of the time.
        figures = self.run_one("replica_only", "--replica", "bursts:0,1s,2s,1s", "--rate", "4", *FRESH)
        self.assertAlmostEqual(figures.share("missed"), 1 / 3, delta=0.03)
        # It follows at 300 ms once it is that far behind: rows of 400 ms are never missed.
        figures = self.run_one("replica_only", "--replica", "bursts:0,300ms,2s,1s", "--age", "400ms",
                               *FRESH)
        self.assertEqual(figures["missed"], 0)
        # Paused for 1 s, it is never more than 1 s behind, whatever distance it would follow at.
        figures = self.run_one("replica_only", "--replica", "bursts:0,10s,2s,1s", "--age", "1s", *FRESH)
        self.assertEqual(figures["missed"], 0)

    def test_read_index(self):
        figures = self.run_one("read_index", "--replica", "100ms", *FRESH)
        self.assertEqual(figures["replica_retry"], self.LOOKUPS)
        self.assertEqual(figures["primary_reads_per_s"], 0)
        self.assertGreaterEqual(figures["added_p50_us"], 99900)
        self.assertLessEqual(figures["added_max_us"], 106000)  # the next question, 1 or 5 ms later
        figures = self.run_one({"policy": "read_index", "max_wait_ms": 50}, "--replica", "100ms",
                               *FRESH)
        self.assertEqual(figures["primary"], self.LOOKUPS)
        self.assertEqual(figures["added_max_us"], 50000)

    def test_read_index_before_the_first_read(self):
        policy = {"policy": "read_index", "when": "always"}
        figures = self.run_one(policy, "--replica", "100ms", "--fresh", "0")
        self.assertEqual(figures["replica"], self.LOOKUPS)
        self.assertGreaterEqual(figures["added_p50_us"], 99900)
        self.assertEqual(figures["missed"], 0)

    def test_bogus_ids(self):
        bogus = ["--bogus", "20%", "--fresh", "0", "--replica", "1ms"]
        figures = self.run_one(SEED_POLICY, *bogus)
        self.assert_share(figures, 0.2, "absent_primary")
        self.assertEqual(figures["missed"], figures["absent_primary"])
        self.assertAlmostEqual(figures["primary_reads_per_s"], 200, delta=12)
        figures = self.run_one("read_index", *bogus)
        self.assert_share(figures, 0.2, "absent_replica")
        self.assertEqual(figures["primary_reads_per_s"], 0)
        self.assertGreater(figures["locates_per_s"], 100)
        self.assertEqual(figures["absent_wrong"], 0)

    def test_quiet_primary(self):
        # A replica has replayed what there is, and no more, however long ago that was written.
        figures = self.run_one("read_index", "--replica", "1ms", "--commits", "0.5", "--bogus", "20%",
                               "--fresh", "0")
        self.assert_share(figures, 0.2, "absent_replica")
        self.assertEqual(figures["primary_reads_per_s"], 0)

    def test_position_that_the_client_brings(self):
        """A fresh row's is beyond all that was heard, so it costs the locate that its miss would."""
        scenario = ["--replica", "3ms", *FRESH]
        without = self.run_one("read_index", *scenario)
        with_them = self.run_one("read_index", *scenario, "--positions", "1")
        self.assertGreater(without["locates_per_s"], 0)
        self.assertAlmostEqual(with_them["locates_per_s"], without["locates_per_s"], delta=30)
        self.assertEqual(with_them["replica_retry"], self.LOOKUPS)
        self.assertEqual(with_them["primary_reads_per_s"], 0)

    def test_no_replica(self):
        for policy in ALL_POLICIES.values():
            figures = self.run_one(policy, "--replica", "none", "--bogus", "10%")
            self.assert_share(figures, 0.1, "absent_primary")
            self.assertEqual(figures["replica_reads_per_s"], 0)
            self.assertEqual(figures["primary"] + figures["absent_primary"], self.LOOKUPS)

    def test_several_replicas(self):
        lags = ["--replica", "0", "--replica", "10s", *FRESH]
        same = self.run_one({**SEED_POLICY, "replica_pick": "same"}, *lags)
        self.assert_share(same, 0.5, "replica")
        self.assert_share(same, 0.5, "primary")
        other = self.run_one({**SEED_POLICY, "replica_pick": "next"}, *lags)
        self.assert_share(other, 0.5, "replica_retry")
        self.assertEqual(other["primary"], 0)

    def test_failures_of_the_replica(self):
        failures = ["--replica", "0", "--replica-failures", "0.25"]
        figures = self.run_one(SEED_POLICY, *failures)
        self.assert_share(figures, 0.25, "failed")
        figures = self.run_one({**SEED_POLICY, "on_replica_failure": "primary"}, *failures)
        self.assert_share(figures, 0.25, "primary")
        self.assertEqual(figures["failed"], 0)

    def test_timer_step(self):
        # A process that has nothing else to do sleeps for whole steps. Whatever else wakes it (a poll's
        # answer, another lookup) it sees what is due, and sleeps for whole steps from then on.
        policy = {**SEED_POLICY, "replica_retry_min_ms": 50, "replica_retry_max_ms": 50}
        for step, expected in ((0, 50000), (1, 50000), (7, 56000), (60, 60000)):
            scenario = [*INSTANT, "--replica", "10ms", "--timer-step", f"{step}ms", *FRESH]
            idle = self.figures(policy, *scenario, "--rate", "1", "--lookups", "2000")
            self.assertAlmostEqual(idle["added_p50_us"], expected, delta=expected / 1000)
            busy = self.figures(policy, *scenario, "--rate", "1000", "--lookups", "2000")
            for figures in (idle, busy):
                self.assertEqual(figures["replica_retry"], 2000)
                self.assertLessEqual(figures["added_max_us"], 50000 + 1000 * step)

    def test_nothing_that_exists_is_proven_absent(self):
        lags = ("0", "7ms", "exponential:5ms", "exponential:300ms", "bursts:1ms,800ms,2s,1500ms")
        policies = {name: keys for name, keys in ALL_POLICIES.items() if name != "replica"}
        for lag, pick in itertools.product(lags, ("same", "next")):
            picking = {name: {**({"policy": keys} if isinstance(keys, str) else keys),
                              "replica_pick": pick} for name, keys in policies.items()}
            figures = simulate(self.policies(**picking), "--replica", lag, "--replica",
                               "exponential:2ms", "--bogus", "30%", "--fresh", "70%", "--age",
                               "exponential:20ms", "--positions", "30%", "--processes", "2",
                               "--lookups", "20000")
            for name in policies:
                self.assertEqual(figures[name]["absent_wrong"], 0, (lag, pick, name))
        wrong = self.figures("replica_only", "--replica", "7ms", "--lookups", "2000", *FRESH)
        self.assertEqual(wrong["absent_wrong"], 2000)


class LoadOnServers(SimulatorCase):

    def test_budget_bounds_the_primary(self):
        # A flood that would all go to the primary. In T seconds a process may make burst + rate * T
        # reads, and a loaded one makes nearly as many.
        for processes, per_s, burst in ((1, 50, 50), (4, 10, 5), (7, 1, 1)):
            figures = self.figures(
                {**AT_ONCE, "primary_budget_per_s": per_s, "primary_budget_burst": burst},
                "--replica", "1h", "--lookups", "30000", "--rate", "1500", "--processes",
                str(processes), *FRESH)
            seconds = figures["lookups"] / 1500
            most = processes * (burst + per_s * seconds)
            served = figures["primary"]
            self.assertLessEqual(served, most * 1.02)
            self.assertGreaterEqual(served, most * 0.93)
            self.assertLessEqual(figures["primary_reads_peak"], processes * (burst + per_s))
            self.assertEqual(served + figures["shed"], figures["lookups"])

    def test_one_locate_is_shared_by_all_that_wait(self):
        scenario = ["--replica", "exponential:1ms", "--bogus", "100%", "--fresh", "0", "--rate", "2000",
                    "--lookups", "20000", "--position-read", "10ms", "--links", "0"]
        one = self.figures("read_index", *scenario)
        self.assertLessEqual(one["locates_per_s"], 100)
        self.assertGreater(one["locates_per_s"], 90)
        five = self.figures("read_index", *scenario, "--processes", "5")
        self.assertLessEqual(five["locates_per_s"], 500)
        self.assertGreater(five["locates_per_s"], 450)

    def test_replica_is_asked_for_its_position_by_one_watcher(self):
        # A lookup is always waiting; a question takes 1 ms and the pause after it 1 ms, later 5 ms.
        figures = self.figures("read_index", "--replica", "150ms", "--rate", "2000", "--lookups",
                               "20000", "--position-read", "1ms", "--links", "0", *FRESH)
        self.assertLess(figures["polls_per_s"], 500)
        self.assertGreater(figures["polls_per_s"], 1000 / 6 - 20)

    def test_links_queue(self):
        # One link, 10 ms each, 30 a second: an M/D/1 queue, free with probability 0.7.
        scenario = ["--replica-read", "10ms", "--rate", "30", "--lookups", "20000", "--fresh", "0"]
        queued = self.figures("replica_only", *scenario, "--links", "1")
        self.assertEqual(queued["added_p50_us"], 0)
        self.assertGreater(queued["added_p90_us"], 1000)
        for links in ("0", "50"):
            self.assertEqual(self.figures("replica_only", *scenario, "--links", links)["added_max_us"],
                             0)

    def test_overload(self):
        scenario = ["--replica-read", "10ms", "--links", "1", "--rate", "400", "--lookups", "20000",
                    "--fresh", "0"]
        refused = self.figures("replica_only", *scenario, "--max-lookups", "20")
        self.assertAlmostEqual(refused["replica_reads_per_s"], 100, delta=1)
        self.assertAlmostEqual(refused.share("refused"), 0.75, delta=0.02)
        self.assertLessEqual(refused["added_max_us"], 200000)
        late = self.figures("replica_only", *scenario, "--timeout", "100ms", "--max-lookups", "1000000")
        self.assertGreater(late["failed"], 0)
        self.assertLessEqual(late["added_max_us"], 100000)
        self.assertEqual(late["refused"], 0)

    def test_questions_come_before_reads(self):
        # The primary has a queue of 1.8 s: locates behind it would be given up after 1 s each.
        figures = self.figures({"policy": "read_index", "max_wait_ms": 20}, "--replica", "1h",
                               "--primary-read", "10ms", "--links", "1", "--rate", "400", "--lookups",
                               "10000", "--max-lookups", "180", *FRESH)
        self.assertGreater(figures["added_p50_us"], 1000000)
        self.assertGreater(figures["locates_per_s"], 30)

    def test_timeout(self):
        figures = self.figures(SEED_POLICY, "--replica-read", "6s", "--lookups", "1000", "--rate", "10")
        self.assertEqual(figures["failed"], 1000)

    def test_deadline_cuts_waits(self):
        figures = self.figures(SEED_POLICY, "--replica", "1s", "--timeout", "40ms", "--lookups", "1000",
                               "--rate", "10", *FRESH)
        self.assertEqual(figures["primary"], 1000)
        self.assertLess(figures["added_max_us"], 1000)

    def test_a_million_lookups(self):
        figures = self.figures("read_index", "--lookups", "1000000", "--replica", "exponential:5ms",
                               "--bogus", "1%", "--processes", "4")
        self.assertEqual(figures["lookups"], 1000000)


class Traces(SimulatorCase):

    def trace(self, *samples):
        return "trace:" + self.file("time,lag\n" + "".join(f"{t},{lag}\n" for t, lag in samples),
                                    "lag.csv")

    def test_level_trace_is_a_constant(self):
        scenario = ["--lookups", "5000", *FRESH]
        level = self.figures(SEED_POLICY, "--replica", self.trace((5, 0.1), (6.5, 0.1), (7, 0.1)),
                             *scenario)
        self.assertEqual(level, self.figures(SEED_POLICY, "--replica", "100ms", *scenario))

    def test_standing_still_and_catching_up(self):
        # Still from 1 to 3 s, of 5 s in all (the trace begins again 1 s after its end).
        lag = self.trace((10, 0), (11, 0), (13, 2), ("13.000001", 0), (14, 0))
        scenario = ["--replica", lag, "--rate", "200", "--lookups", "40000", *INSTANT, *FRESH]
        figures = self.figures("replica_only", *scenario)
        period = 4 + 4 / 4
        self.assertAlmostEqual(figures.share("missed"), 2 / period, delta=0.02)
        # A row of 1 s is missed from 2 to 3 s only.
        figures = self.figures("replica_only", *scenario, "--age", "1s")
        self.assertAlmostEqual(figures.share("missed"), 1 / period, delta=0.02)

    def test_falling_position_is_taken_as_standing_still(self):
        # From 1 to 2 s the lag jumps by 10 s: no replica goes back, so its position stays for 10 s.
        lag = self.trace((0, 0), (1, 0), (2, 10), (11, 10), (12, 10))
        figures = self.figures("replica_only", "--replica", lag, "--rate", "100", "--lookups", "20000",
                               "--age", "11s", *FRESH)
        self.assertEqual(figures["missed"], 0)

    def test_line_ends_and_decimals(self):
        path = self.file("\ufefftime,lag\r\n0,0.1\r\n1.123456789,0.1\r\n2,0.1", "crlf.csv")
        figures = self.figures(SEED_POLICY, "--replica", "trace:" + path, "--lookups", "5000", *FRESH)
        self.assertEqual(figures["missed"], 5000)

    def test_errors_name_file_and_line(self):
        path = self.policies(one="primary_only")
        for text, line, words in (
                ("time;lag\n", 1, '"time;lag": expected the header'), ("time,lag\n1\x1b[2J,2\n", 2, '"1?[2J,2"'),
                ("time,lag\n1,2\r3,4\n", 2, "seconds"), ("time,lag\n1,2\0 3\n", 2, "a 0 byte"),
                ("time,lag\n1,2\n1,3\n", 3, "not after"), ("time,lag\n1,2\n2,x\n", 3, "seconds"),
                ("time,lag\n1,2\n2\n", 3, "seconds"), ("time,lag\n-1,2\n", 2, "seconds"),
                ("time,lag\n1,2,3\n", 2, "seconds"), ("time,lag\n1,1e3\n", 2, "seconds"),
                ("time,lag\n1,2678401\n", 2, "seconds"), ("time,lag\n1,2\n\n", 3, "seconds"),
                ("time,lag\n1," + "2" * 300 + "\n", 2, "too long")):
            trace = self.file(text, "bad.csv")
            error = run_program("--replica", "trace:" + trace, path, status=2)
            self.assertIn(f"{trace}:{line}: ", error)
            self.assertIn(words, error)
        for text in ("", "time,lag\n", "time,lag\n1,2\n"):
            trace = self.file(text, "short.csv")
            self.assertIn(f"{trace}: expected at least two samples",
                          run_program("--replica", "trace:" + trace, path, status=2))
        error = run_program("--replica", "trace:" + self.directory, path, status=2)
        self.assertIn(f"{self.directory}: Is a directory", error)
        error = run_program("--replica", "trace:/nowhere.csv", path, status=2)
        self.assertIn("/nowhere.csv: No such file", error)
        error = run_program("--replica", "trace:/dev/zero", path, status=2)
        self.assertIn('/dev/zero:1: "": this is no text', error)


class CommandLine(SimulatorCase):

    def test_wrong_usage_is_explained(self):
        path = self.policies(one="primary_only")
        for arguments, words in (
                ([], "no FILE"), ([path, "more"], "more"), (["--nonsense", path], "--nonsense"),
                (["--rate"], "--rate"), (["--csv=x", path], "--csv"),
                (["-rate", "30", path], "-r: no such option; all begin with two dashes"),
                (["--rate", "0", path], "0.001 to 10000000"), (["--rate", "fast", path], '"fast"'),
                (["--lookups", "0", path], "1 to 1000000000"), (["--lookups", "1.5", path], "1.5"),
                (["--seed", "-1", path], "-1"), (["--seed", "4294967296", path], "4294967295"),
                (["--processes", "10001", path], "1 to 10000"), (["--links", "x", path], "--links"),
                (["--bogus", "1.1", path], "share"), (["--fresh", "101%", path], "share"),
                (["--bogus", "60%", "--fresh", "60%", path], "together"),
                (["--age", "5", path], "--age"), (["--age", "uniform:2ms,1ms", path], "uniform"),
                (["--age", "gauss:1ms", path], "exponential:MEAN"), (["--timeout", "0", path], "above 0"),
                (["--timeout", "32h1000", path], "--timeout"), (["--timeout", "745h", path], "up to 744h"),
                (["--replica", "5", path], "trace:FILE"), (["--replica", "bursts:1ms", path], "bursts"),
                (["--replica", "bursts:2ms,1ms,1s,1s", path], "peak"),
                (["--replica", "exponential:1us", path], "10us"),
                (["--replica", "none", "--replica", "1ms", path], "none"),
                (["--replica", "1ms", "--replica", "none", path], "none"),
                (["--replica", "1ms"] * 17 + [path], "at most 16"),
                (["--section", "one"] * 65 + [path], "at most 64"),
                (["--lookups", "1000000000", "--rate", "1", path], "31 days"),
                (["--plugin", "/nowhere.so", path], "/nowhere.so"),
                (["--plugin", path, path], path)):
            error = run_program(*arguments, status=2)
            self.assertIn(words, error, arguments)
            self.assertTrue(error.startswith("policy-sim: "), error)
            self.assertEqual(error.count("\n"), 1, error)

    def test_policy_files_with_errors(self):
        bad = self.file("[one]\npolicy = nonsense\nreplica_retry_max_ms = x\n", "bad.ini")
        error = run_program(bad, status=1)
        self.assertIn(f"{bad}:2", error)
        self.assertIn(f"{bad}:3", error)
        path = self.policies(one="primary_only", other="replica_only")
        self.assertIn("no section [two]; there is [one], [other]\n",
                      run_program("--section", "two", path, status=1))
        self.assertIn("/nowhere.ini", run_program("/nowhere.ini", status=1))

    def test_help_names_every_option_with_its_default(self):
        text = run_program("--help")
        for option, default in (("rate R", "1000"), ("replica LAG", "exponential:1ms"),
                                ("timer-step TIME", "0"), ("max-lookups N", "1024")):
            self.assertIn(f"--{option}  (default {default})", text)
        self.assertIn("--plot FILE\n", text)
        self.assertLess(max(len(line) for line in text.splitlines()), 100)
        self.assertIn("--interval TIME  (default 10ms)", run_program("record", "--help"))
        self.assertRegex(run_program("--version"), r"^policy-sim \d+\.\d+\.\d+\n$")

    def test_defaults_are_what_the_help_says(self):
        path = self.policies(one=SEED_POLICY)
        self.assertEqual(run_program(path), run_program(
            "--seed", "1", "--lookups", "100000", "--rate", "1000", "--processes", "1", "--replica",
            "exponential:1ms", "--fresh", "0.1", "--age", "0", "--bogus", "0", "--positions", "0",
            "--replica-read", "0.1ms", "--primary-read", "0.1ms", "--position-read", "0.05ms",
            "--question-read", "0.04ms",
            "--replica-failures", "0", "--links", "2", "--max-lookups", "1024", "--timeout", "5s",
            "--timer-step", "0", "--retries", "0", "--retry-wait", "uniform:1s,2s", path))

    def test_output_that_cannot_be_written(self):
        path = self.policies(one="primary_only")
        for arguments in ([path], ["--help"], ["replay", "--version"], ["record", "--help"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=60, check=False)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn("cannot write", done.stderr)

    @unittest.skipIf(sanitizer.is_in(PROGRAM), "a sanitizer has its own malloc")
    def test_memory_that_runs_out(self):
        """Wherever that is: an error, or the whole report, and never that of a part of the lookups."""
        path = self.policies(one="primary_only")
        memory = ScarceMemory(self.directory)
        command = [PROGRAM, "--lookups", "200", path]
        whole = run_program(*command[1:])
        for granted in range(60):
            memory.grant(granted)
            done = subprocess.run(command, env=memory.environment(all_from_there=True), capture_output=True,
                                  text=True, timeout=60, check=False)
            if done.returncode == 0:
                self.assertEqual(done.stdout, whole, granted)
            else:
                self.assertRegex(done.stderr, "memory", granted)

    def test_recording_that_cannot_be_done(self):
        nobody = "host=127.0.0.1 port=1 connect_timeout=5"
        out = os.path.join(self.directory, "out.csv")
        for arguments, status, words in (
                ([], 2, "--primary"), (["--primary", nobody], 2, "--replica"),
                (["--primary", nobody, "--replica", nobody], 2, "--out"),
                (["--seconds", "0"], 2, "--seconds"), (["--interval", "x"], 2, "--interval"),
                (["--primary", nobody, "--replica", nobody, "--out", out, "more"], 2, "more"),
                (["--primary", nobody, "--replica", nobody, "--out", "/nowhere/x"], 1, "/nowhere/x"),
                (["--primary", nobody, "--replica", nobody, "--out", self.directory], 1,
                 f"{self.directory}: is a directory"),
                (["--primary", "nonsense", "--replica", nobody, "--out", out], 1, "primary: "),
                (["--primary", nobody, "--replica", nobody, "--out", out], 1, "primary: ")):
            self.assertIn(words, run_program("record", *arguments, status=status))
        for secretive in ("postgresql://u:hidden@[::1", "postgresql://u:hid%zen@h/db", "password hidden = x",
                          "postgresql//u:hidden@h/db", "password hidden"):
            error = run_program("record", "--primary", nobody, "--replica", secretive, "--out", out, status=1)
            self.assertNotIn("hid", error)
            error = run_program("record", "--primary", secretive, "--replica", nobody, "--out", out, status=1)
            self.assertRegex(error, "primary: not a connection string.*accepted:.*postgresql://")
            self.assertNotIn("hid", error)


class Plots(SimulatorCase):

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_png(self):
        path = self.policies(**{**ALL_POLICIES, "it's \"odd\" \\ @1": "primary_only"})
        picture = os.path.join(self.directory, "it's a plot.png")
        run_program("--plot", picture, "--lookups", "2000", "--replica", "bursts:1ms,1s,100ms,1s", path)
        with open(picture, "rb") as file:
            self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        self.assertGreater(os.path.getsize(picture), 5000)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_picture_that_cannot_be_written(self):
        """It is told before a run that may take hours."""
        path = self.policies(one="primary_only")
        pipe = os.path.join(self.directory, "pipe")
        os.mkfifo(pipe)
        for name, complaint in (("/nowhere/plot.png", "/nowhere/plot.png.part: No such file"),
                                (pipe, f"{pipe}: is not a regular file"),
                                ("", "the name of the file to write is empty")):
            error = run_program("--plot", name, "--lookups", "1000000000", "--rate", "100000", path, status=1)
            self.assertIn(complaint, error)
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_earlier_picture_stays_where_there_is_no_room(self):
        picture = os.path.join(self.directory, "plot.png")
        with open(picture, "w", encoding="ascii") as file:
            file.write("earlier")
        error = run_program("--plot", picture, "--lookups", "100", self.policies(one="primary_only"),
                            status=1, preexec_fn=little_room)
        self.assertIn("not draw a whole picture", error)
        with open(picture, encoding="ascii") as file:
            self.assertEqual(file.read(), "earlier")
        self.assertEqual(sorted(os.listdir(self.directory)), ["plot.png", "policies.ini"])

    def test_without_gnuplot_it_says_so_before_it_begins(self):
        path = self.policies(one="primary_only")
        picture = os.path.join(self.directory, "plot.png")
        error = run_program("--plot", picture, "--lookups", "1000000000", "--rate", "100000", path,
                            status=1, env={"PATH": self.directory})
        self.assertIn("gnuplot, which is not installed", error)
        self.assertFalse(os.path.exists(picture))


if __name__ == "__main__":
    unittest.main()
