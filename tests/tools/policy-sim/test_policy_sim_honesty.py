#!/usr/bin/python3
"""policy-sim against a real primary and standby: does it predict what happens?

For each regime of lag a real host answers real lookups of rows that were just committed, while
`policy-sim record` records the standby's lag. The simulator then runs the same policies against that
trace, and its figures must match the real ones within these bounds:

  shares of lookups by who served them     0.10, absolute; 0.15 in bursts, where the lookups of one
                                           share its fate
  median of the latency added to a miss    10 ms and 15 %
  shares of a day replayed from its log    0.05 of first reads, a tenth of what is shed; and 0.15
                                           of what another host did with the other half of the day

Some hundred lookups of each policy give a share to 0.03 and, in bursts, where the latency may be
anything up to max_wait_ms, a median to 10 ms (one standard deviation). Apart from the trace, the
simulator is given only the rate of the lookups, how old their rows were when they were sent, and how
long lookups took meanwhile that had nothing to wait for: on a busy machine that is several ms, and
with a constant lag the share of a retry moves by 1/150 for each.
"""

import concurrent.futures
import os
import random
import signal
import statistics
import subprocess
import threading
import time
import unittest

from cluster import Cluster
from host import Host, ini_text
from simulator import PROGRAM, SimulatorCase, little_room, no_room, read_figures, run_program, simulate
from testbed import ROOT, clean_up_at_exit, no_longer_clean_up, wait_for

POLICIES = {
    "retry": {"policy": "replica_then_primary", "replica_retry_min_ms": 50,
              "replica_retry_max_ms": 200},
    "index": {"policy": "read_index", "max_wait_ms": 250},
}
SERVED_BY = ("replica", "replica_retry", "primary")
SHARE_BOUND = 0.10
BURSTS_BOUND = 0.15
OTHER_HALF_BOUND = 0.15
LATENCY_BOUND_MS, LATENCY_BOUND = 10, 0.15

INSERT = """INSERT INTO "TaskRunExecutionSnapshot"
    (id, "executionStatus", description, "runId", "runStatus", "environmentId")
    VALUES (%s, 'EXECUTING', 'fresh', %s, 'EXECUTING', 'env')"""
COMMITS_A_SECOND = 80
THREADS = 40  # never are more lookups than this under way at once

def setUpModule():
    global cluster
    cluster = Cluster()
    cluster.load(os.path.join(ROOT, "tests", "schema.sql"))
    cluster.wait_caught_up()


def tearDownModule():
    cluster.destroy()


class Recording:
    """policy-sim record, running beside a block; the trace is complete after it."""

    def __init__(self, path, seconds, interval="1ms"):
        self.path = path
        self._command = [PROGRAM, "record", "--primary", cluster.primary.conninfo(), "--replica",
                         cluster.standby.conninfo(), "--seconds", str(seconds), "--interval", interval,
                         "--out", path]
        self._part = path + ".part"  # until it is whole

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, text=True)
        clean_up_at_exit(self._process.kill)
        return self

    def __exit__(self, kind, _error, _trace):
        if kind is not None:
            self._process.kill()
        _, self.message = self._process.communicate()
        no_longer_clean_up(self._process.kill)
        if kind is None:
            assert self._process.returncode == 0, self.message

    def lags(self):
        """(time, lag) in seconds, as far as they are written. Of a line that is being written a reader may
        see the part before a page's end."""
        whole = os.path.exists(self.path)
        with open(self.path if whole else self._part, encoding="ascii") as file:
            text = file.read()
        assert not whole or text.endswith("\n"), text[-80:]
        lines = text[:text.rfind("\n") + 1].splitlines()
        assert lines[:1] in ([], ["time,lag"]), lines[0]
        return [tuple(float(word) for word in line.split(",")) for line in lines[1:]]


class Lookup:
    """One real lookup."""

    def __init__(self, host, identity, age):
        begun = time.monotonic()
        answer = host.lookup("run" + identity, identity)
        self.ms = (time.monotonic() - begun) * 1000
        self.age_ms = age * 1000
        self.status, self.served_by = answer.status, answer.served_by


def look_up_fresh_rows(hosts, seconds, age, seed=1):
    """Commits rows at random moments, each looked up `age(draw)` seconds after its commit by one of the
    hosts, however many lookups are still under way. Returns a list of lookups for each host."""
    draw = random.Random(seed)
    names = list(hosts)
    connection = cluster.primary.connect()

    def look_up(name, identity, committed, delay):
        time.sleep(max(0, committed + delay - time.monotonic()))
        return name, Lookup(hosts[name], identity, time.monotonic() - committed)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool, connection.cursor() as cursor:
        futures, begun, due = [], time.monotonic(), 0
        while due < seconds:
            time.sleep(max(0, begun + due - time.monotonic()))
            identity = f"s{time.monotonic_ns()}"
            cursor.execute(INSERT, (identity, "run" + identity))
            futures.append(pool.submit(look_up, draw.choice(names), identity, time.monotonic(),
                                       age(draw)))
            due += draw.expovariate(COMMITS_A_SECOND)
        results = [future.result() for future in futures]
    connection.close()
    return {name: [lookup for other, lookup in results if other == name] for name in names}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(max(int(share * len(ordered)), 0), len(ordered) - 1)]


def mean_age(ms):
    return f"{ms:.3f}ms"


class Honesty(SimulatorCase):

    def setUp(self):
        super().setUp()
        cluster.reset()

    def hosts(self):
        """A host for each policy, started."""
        hosts = {}
        for name, policy in POLICIES.items():
            hosts[name] = Host(cluster.primary, [cluster.standby], policy=policy).start()
            self.addCleanup(hosts[name].kill)
        return hosts

    def look_up_old_rows(self, hosts, done):
        """Until `done`: how long lookups take, in ms, whose row is everywhere; a list for each host."""
        identity = f"old{time.monotonic_ns()}"
        cluster.primary.execute(INSERT, (identity, "run" + identity))
        cluster.wait_caught_up()

        def look_up(host):
            ms = []
            while not done.wait(0.02):
                ms.append(Lookup(host, identity, 0).ms)
            return ms

        pool = concurrent.futures.ThreadPoolExecutor(len(hosts))
        return {name: pool.submit(look_up, host) for name, host in hosts.items()}

    def compare(self, age, model, seconds=6, during=None, typical=statistics.mean, bound=SHARE_BOUND):
        """Runs reality and simulation, and compares them. `model` makes the simulator's model for
        the ages from their mean in ms, which is measured: on a busy machine lookups are sent late.
        `typical` makes the simulator's read of the durations that are measured.
        Returns the simulator's figures."""
        hosts = self.hosts()
        done = threading.Event()
        old = self.look_up_old_rows(hosts, done)
        disturber = threading.Thread(target=during or done.wait, args=(done,) if during else ())
        with Recording(os.path.join(self.directory, "lag.csv"), seconds) as recording:
            disturber.start()
            try:
                lookups = look_up_fresh_rows(hosts, seconds, age)
            finally:
                done.set()
                disturber.join()
        for host in hosts.values():
            host.stop()
        undisturbed_ms = {name: typical(some.result()) for name, some in old.items()}
        reads = f"{statistics.mean(undisturbed_ms.values()):.3f}ms"
        everything = [lookup for some in lookups.values() for lookup in some]
        ages = model(statistics.mean(lookup.age_ms for lookup in everything))
        # The trace is repeated, with many more lookups than there really were, so that chance plays no
        # part there.
        rate = f"{len(everything) / seconds:.3f}"  # of the lookups, and so of the commits
        figures = simulate(self.file(ini_text(POLICIES)), "--replica", "trace:" + recording.path,
                           "--fresh", "1", "--age", ages, "--lookups", "40000", "--rate", rate,
                           "--commits", rate, "--replica-read", reads, "--primary-read", reads)
        for name, some in lookups.items():
            self.hold_against(name, some, undisturbed_ms[name], figures[name], bound)
        return figures

    def hold_against(self, name, lookups, undisturbed_ms, figures, bound):
        self.assertGreater(len(lookups), 100)
        self.assertEqual({lookup.status for lookup in lookups}, {200})
        real = {server: sum(lookup.served_by == server for lookup in lookups) / len(lookups)
                for server in SERVED_BY}
        simulated = {server: figures.share(server) for server in SERVED_BY}
        missed = [lookup.ms - undisturbed_ms for lookup in lookups if lookup.served_by != "replica"]
        real_ms = statistics.median(missed) if missed else 0
        simulated_ms = figures["missed_p50_us"] / 1000 - undisturbed_ms
        words = f"{name}, {len(lookups)} real lookups: " + ", ".join(
            f"{server} {real[server]:.3f} (simulated {simulated[server]:.3f})"
            for server in SERVED_BY)
        words += f", median added to a miss {real_ms:.1f} ms (simulated {simulated_ms:.1f} ms)"
        print(words)
        for server in SERVED_BY:
            self.assertAlmostEqual(simulated[server], real[server], delta=bound, msg=words)
        if len(missed) > 0.2 * len(lookups):
            # In bursts nearly half of the misses take all of the longest wait, and the rest any time
            # below: a few more of the one kind move the median far, though not far in their order.
            share = bound * len(lookups) / len(missed)
            low, high = percentile(missed, 0.5 - share), percentile(missed, 0.5 + share)
            allowed_ms = LATENCY_BOUND_MS + LATENCY_BOUND * real_ms
            self.assertGreaterEqual(simulated_ms, min(low, real_ms - allowed_ms), words)
            self.assertLessEqual(simulated_ms, max(high, real_ms + allowed_ms), words)

    # -- regimes -------------------------------------------------------------------------------

    def test_standby_beside_its_primary(self):
        figures = self.compare(lambda draw: 0.010, mean_age)
        self.assertGreater(figures["retry"].share("replica"), 0.5)

    def test_standby_a_constant_time_behind(self):
        cluster.standby.apply_delay(100)
        figures = self.compare(lambda draw: 0, mean_age, 9)
        # Few, not none: the delay counts from a commit's timestamp, so a commit whose write a busy disk
        # held up is replayed soon after it is seen.
        self.assertLess(figures["retry"].share("replica"), 0.01)
        self.assertGreater(figures["retry"].share("primary"), 0.2)
        self.assertLess(figures["index"].share("primary"), 0.01)

    def test_rows_of_any_age(self):
        cluster.standby.apply_delay(60)
        figures = self.compare(lambda draw: draw.uniform(0, 0.120),
                               lambda ms: f"uniform:{max(0, ms - 60):.3f}ms,{ms + 60:.3f}ms")
        self.assertGreater(figures["retry"].share("replica"), 0.3)
        self.assertGreater(figures["retry"].share("replica_retry"), 0.3)

    def test_bursts(self):
        def pause_now_and_then(done):
            draw = random.Random(5)
            while not done.wait(draw.uniform(0.2, 0.6)):
                cluster.standby.pause_replay()
                done.wait(draw.uniform(0.2, 0.6))
                cluster.standby.resume_replay()

        figures = self.compare(lambda draw: 0.010, mean_age, 15, pause_now_and_then, statistics.median,
                               BURSTS_BOUND)
        for server in SERVED_BY:
            self.assertGreater(figures["retry"].share(server), 0.03)


class ReplayedDay(SimulatorCase):
    """Two hosts share the lookups of one day, in which the standby stops. The access log of each tells
    what it did, and what the other did with its own half."""

    POLICIES = {
        "shed": {"policy": "replica_then_primary", "replica_retry_max_ms": 0, "primary_budget_per_s": 5,
                 "primary_budget_burst": 5},
        "index": {"policy": "read_index", "max_wait_ms": 1000}}

    def setUp(self):
        super().setUp()
        cluster.reset()

    def replay(self, host):
        log = self.file("\n".join(host.all_lines()) + "\n", "access.log")
        text = run_program("replay", "--csv", "--day", log, "--replica",
                           "trace:" + os.path.join(self.directory, "lag.csv"),
                           self.file(ini_text(self.POLICIES)))
        return read_figures(text)

    def test_the_day_again_and_under_the_other_policy(self):
        def stop(done):
            if not done.wait(2):
                cluster.standby.pause_replay()
                done.wait(3)
                cluster.standby.resume_replay()

        hosts = {}
        for name, policy in self.POLICIES.items():
            hosts[name] = Host(cluster.primary, [cluster.standby], policy=policy,
                               settings={"log": {"access": "yes"}}).start()
            self.addCleanup(hosts[name].kill)
        done = threading.Event()
        stopper = threading.Thread(target=stop, args=(done,))
        with Recording(os.path.join(self.directory, "lag.csv"), 8):
            stopper.start()
            try:
                lookups = look_up_fresh_rows(hosts, 7, lambda draw: 0)
            finally:
                done.set()
                stopper.join()
        for host in hosts.values():
            host.stop()
        for log in self.POLICIES:
            figures = self.replay(hosts[log])
            for name, some in lookups.items():
                self.hold_against(f"{name} from the log of {log}", some, figures[name], name == log)

    def hold_against(self, words, lookups, figures, own):
        served = {server: sum(lookup.served_by == server for lookup in lookups) / len(lookups)
                  for server in SERVED_BY}
        shed = sum(lookup.status == 429 for lookup in lookups) / len(lookups)
        words += f", {len(lookups)} real lookups: " + ", ".join(
            f"{server} {served[server]:.3f} (replayed {figures.share(server):.3f})"
            for server in SERVED_BY) + f", shed {shed:.3f} ({figures.share('shed'):.3f})"
        print(words)
        for server in SERVED_BY:
            self.assertAlmostEqual(figures.share(server), served[server], msg=words,
                                   delta=0.05 if own and server == "replica" else OTHER_HALF_BOUND)
        # Half of a day differs from the other half by chance; with its own log there is none of that.
        self.assertAlmostEqual(figures.share("shed"), shed, msg=words,
                               delta=0.1 * shed + 0.02 if own else OTHER_HALF_BOUND)


class Record(SimulatorCase):

    def setUp(self):
        super().setUp()
        cluster.reset()
        self.path = os.path.join(self.directory, "lag.csv")

    def test_constant_delay(self):
        cluster.standby.apply_delay(80)
        with Recording(self.path, 3) as recording:
            end = time.monotonic() + 2.8
            while time.monotonic() < end:
                cluster.commit_something()
        lags = recording.lags()
        self.assertGreater(len(lags), 50)
        self.assertEqual(sorted(lags), lags)
        self.assertAlmostEqual(statistics.median(lag for _, lag in lags), 0.080, delta=0.015)
        self.assertIn(f"{len(lags)} samples", recording.message)

    def test_standby_that_stands_still_and_an_interrupted_recording(self):
        recording = Recording(self.path, 60)
        with self.assertRaises(KeyboardInterrupt), recording:
            def first_lag():
                cluster.commit_something()
                return os.path.exists(self.path + ".part") and len(recording.lags()) > 0

            wait_for(first_lag, "the first lag")
            cluster.standby.pause_replay()
            cluster.commit_something()
            wait_for(lambda: recording.lags()[-1][1] > 0.7, "a lag of 0.7 s")
            raise KeyboardInterrupt
        with open(self.path + ".part", encoding="ascii") as file:
            self.assertTrue(file.read().endswith("\n"))
        lags = recording.lags()
        # It grows with the time, second by second, to the recording's end.
        before = next(sample for sample in lags if sample[1] > 0.2)
        self.assertAlmostEqual(lags[-1][1] - before[1], lags[-1][0] - before[0], delta=0.05)

    def test_servers_that_are_not_what_they_should_be(self):
        primary, standby = cluster.primary.conninfo(), cluster.standby.conninfo()
        for one, other, words in ((standby, standby, "primary: in recovery"),
                                  (primary, primary, "replica: not in recovery"),
                                  (primary, primary + " dbname=nowhere", "replica: ")):
            error = run_program("record", "--primary", one, "--replica", other, "--out", self.path,
                                "--seconds", "1", status=1)
            self.assertIn(words, error)

    def test_earlier_recording_stays_until_the_next_one_is_whole(self):
        def record(seconds, *options, **more):
            return run_program("record", "--primary", cluster.primary.conninfo(), "--replica",
                               cluster.standby.conninfo(), "--out", self.path, "--seconds", seconds,
                               *options, **more)

        with open(self.path, "w", encoding="ascii") as file:
            file.write("an earlier one\n")
        # One sample: no lag is known before the primary moved from one to the next. Servers move
        # without any commit, too (the background writer logs a snapshot for standbys).
        error = record("1", "--interval", "1s", status=1)
        self.assertIn("is there traffic?", error)
        with open(self.path, encoding="ascii") as file:
            self.assertEqual(file.read(), "an earlier one\n")
        with open(self.path + ".part", "w", encoding="ascii") as file:
            file.write("another one, interrupted\n")
        self.assertIn(f"{self.path}.part: File exists", record("1", status=1))
        with open(self.path + ".part", encoding="ascii") as file:
            self.assertEqual(file.read(), "another one, interrupted\n")
        os.remove(self.path + ".part")
        before = time.time()
        with Recording(self.path, 2) as recording:
            end = time.monotonic() + 1.8
            while time.monotonic() < end:
                cluster.commit_something()
        lags = recording.lags()
        self.assertEqual(os.listdir(self.directory), ["lag.csv"])
        self.assertGreater(lags[0][0], before)  # Unix time
        self.assertLess(lags[-1][0], time.time())

    def test_no_room_leaves_whole_lines(self):
        """Of a line that was cut, a smaller lag than it was would be read."""
        part = self.path + ".part"
        process = subprocess.Popen(
            [PROGRAM, "record", "--primary", cluster.primary.conninfo(), "--replica",
             cluster.standby.conninfo(), "--seconds", "60", "--interval", "1ms", "--out", self.path],
            stderr=subprocess.PIPE, text=True, preexec_fn=little_room)
        self.addCleanup(process.kill)

        def has_ended():
            cluster.commit_something()
            return process.poll() is not None

        wait_for(has_ended, "the recording to end", timeout_s=60)
        _, error = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, error)
        self.assertIn("cannot write: File too large", error)
        with open(part, encoding="ascii") as file:
            lines = file.read().splitlines(keepends=True)
        self.assertIn(f" {len(lines) - 1} samples are in {part}\n", error)
        self.assertGreater(len(lines), 50)
        self.assertRegex(lines[-1], r"^\d+\.\d{9},\d+\.\d{9}\n$")

    def test_no_room_from_the_start(self):
        done = subprocess.run(
            [PROGRAM, "record", "--primary", cluster.primary.conninfo(), "--replica",
             cluster.standby.conninfo(), "--seconds", "60", "--out", self.path],
            stderr=subprocess.PIPE, text=True, timeout=30, preexec_fn=no_room, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write: File too large", done.stderr)
        self.assertEqual(os.listdir(self.directory), [])

    def begun(self, part):
        """A recording of a minute that has samples."""
        process = subprocess.Popen(
            [PROGRAM, "record", "--primary", cluster.primary.conninfo(), "--replica",
             cluster.standby.conninfo(), "--seconds", "60", "--interval", "1ms", "--out", self.path],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)

        def recording():
            cluster.commit_something()
            return os.path.exists(part) and os.path.getsize(part) > 100

        wait_for(recording, "the recording to begin")
        return process

    def test_whoever_interrupts_it_knows_where_it_is(self):
        part = self.path + ".part"
        process = self.begun(part)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
        self.assertEqual(error, f"policy-sim: recording to {part}, which becomes {self.path} at the end\n")
        self.assertTrue(os.path.exists(part))

    def test_server_that_goes_away(self):
        part = self.path + ".part"
        process = self.begun(part)
        cluster.standby.stop("immediate")
        _, error = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn("policy-sim: replica: ", error)
        self.assertIn(f" samples are in {part}\n", error)
        with open(part, encoding="ascii") as file:
            self.assertTrue(file.read().endswith("\n"))


if __name__ == "__main__":
    unittest.main()
