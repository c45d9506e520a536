#!/usr/bin/python3
"""The soak for a primary and two standbys, any of which may be the primary later on.

    tests/host-sample/failover_soak.py --seconds 120 --seed 7

Beside what soak.py does, servers fail over: to the standby that has everything; the old primary is dead
by then, and comes back as a standby, cloned or by pg_rewind. Nothing is committed meanwhile, so that
each commit that was acknowledged is in the history that goes on; reads never stop. Clients pass
positions on: what one answer told is the floor of the next question, whose answer may then not be older.
"""

import collections
import contextlib
import threading
import time

import testbed
from cluster import Cluster, despite_conflicts
from host import APPLICATION, Host
from ledger import Question, Run
from relay import Relay
from soak import SETTINGS, Chaos, Runs, Soak, main
from testbed import wait_for

READ_INDEX = {"policy": "read_index", "max_wait_ms": 100}
CHOICES = (
    {**READ_INDEX, "replica_pick": "next", "on_replica_failure": "primary"},
    {**READ_INDEX, "replica_pick": "freshest"},
    {**READ_INDEX, "replica_pick": "freshest", "when": "always", "on_replica_failure": "primary"},
    {**READ_INDEX, "replica_pick": "next", "when": "always", "primary_budget_per_s": 200},
    {**READ_INDEX, "max_wait_ms": 20, "max_lag_ms": 500, "on_replica_failure": "primary"},
    {"policy": "replica_then_primary", "replica_retry_min_ms": 1, "replica_retry_max_ms": 20,
     "replica_pick": "freshest", "on_replica_failure": "primary"},
    {"policy": "replica_then_primary", "replica_retry_max_ms": 5, "replica_pick": "next",
     "primary_budget_per_s": 200},
    {"policy": "replica_backoff", "max_wait_ms": 40, "on_replica_failure": "primary"},
)
# Restartpoints come often, and pg_rewind can tell which pages changed.
SERVER_SETTINGS = "wal_log_hints = on\ncheckpoint_timeout = 30s\n"
AFTER_PROMOTION_S = 10.0
PASSED_ON = 0.9  # of the questions bring the position of their client's last answer


def number_of(position):
    """A WAL position as an integer."""
    high, _, low = position.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


class Gate:
    """Commits pass while it is open. Closing it waits for those under way."""

    def __init__(self):
        self._changed = threading.Condition()
        self._within = 0
        self._open = True

    @contextlib.contextmanager
    def passing(self):
        """Gives whether one may."""
        with self._changed:
            may = self._open
            self._within += may
        try:
            yield may
        finally:
            with self._changed:
                self._within -= may
                self._changed.notify_all()

    @contextlib.contextmanager
    def closed(self):
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: self._within == 0)
        try:
            yield
        finally:
            with self._changed:
                self._open = True


class CurrentPrimary:
    """Connects to whichever server is the primary."""

    def __init__(self, cluster):
        self._cluster = cluster

    def connect(self):
        return self._cluster.primary.connect()


class MarkedRun(Run):
    """A run that keeps, for each version, a position at which replay has it and when it was known."""

    def __init__(self, seed):
        super().__init__(seed)
        self.marks = []

    def _commit(self, server):
        super()._commit(server)
        with contextlib.closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_flush_lsn()")
            self.marks.append((number_of(cursor.fetchone()[0]), time.monotonic()))


class Chain:
    """What a client has learnt from answers each of which was given the position of the one before."""

    def __init__(self):
        self.floor = None
        self.since = 0.0  # when the floor was told
        self._seen = {}  # runs to versions

    def must_show(self, run):
        """The version that an answer about this run must not be older than; -1 if there is none."""
        told = number_of(self.floor)
        marked = sum(position <= told and moment < self.since for position, moment in run.marks) - 1
        return max(marked, self._seen.get(run, -1))

    def add(self, position, run, version):
        if version is not None:
            self._seen[run] = max(version, self._seen.get(run, -1))
        self.floor, self.since = position, time.monotonic()


class ChainedQuestion(Question):
    """One that brings the position of its client's last answer, if its chain has one."""

    def __init__(self, run, since, chain, tally):
        super().__init__(run, since)
        self._chain, self._tally = chain, tally
        self._floor = chain.floor
        self._least = -1 if self._floor is None else chain.must_show(run)
        if self._floor is not None:
            self.headers = {"x-read-position": self._floor}

    def complaint(self, answer, policies):
        problem = super().complaint(answer, policies)
        if problem is None and answer.status in (200, 404):
            problem = self._broken_promise(answer)
            self._tally.add(answer, policies, self._floor)
            problem = problem and f"{self}: {problem}; {answer}"
        return problem

    def __repr__(self):
        return f"{super().__repr__()}, floor {self._floor}, version {self._least} or later"

    def _broken_promise(self, answer):
        position = answer.headers.get("x-read-position")
        if position is None:
            self._tally.without_position += 1
        elif self._floor is not None and answer.served_by != "primary" and \
                number_of(position) < number_of(self._floor):
            return "below its floor"
        version = None
        if answer.status == 200:
            version = self._matching_version(answer.json)
            if version < self._least:
                return f"version {version} is older than what its floor has"
            version = self._oldest_alike(version)
        elif self._least >= 0 and self.run.expected(self.since, self._least) is not None:
            return "a row that its floor has is said to be missing"
        if position is not None:
            self._chain.add(position, self.run, version)
        return None

    def _oldest_alike(self, version):
        """Versions may differ in what an answer does not show; this one has been seen for certain."""
        same = self.run.expected(self.since, version)
        while version > 0 and self.run.expected(self.since, version - 1) == same:
            version -= 1
        return version


class Tally:
    """How absences were decided under read_index, and how many answers had a floor."""

    def __init__(self):
        self._lock = threading.Lock()
        self.absent = collections.Counter()  # (soon after a promotion, proven) to answers
        self.with_floor = 0
        self.without_position = 0
        self.promoted = -AFTER_PROMOTION_S  # when, last

    def add(self, answer, policies, floor):
        soon = time.monotonic() - self.promoted < AFTER_PROMOTION_S
        with self._lock:
            self.with_floor += floor is not None
            if answer.status == 404 and policies == {"read_index"}:
                self.absent[soon, answer.served_by != "primary"] += 1

    def lines(self):
        for soon, when in ((True, f"within {AFTER_PROMOTION_S:g} s of a promotion"),
                           (False, "at other times")):
            proven, asked = self.absent[soon, True], self.absent[soon, False]
            yield (f"absences under read_index {when}: {proven} of {proven + asked} proven"
                   f" ({100 * proven / max(1, proven + asked):.1f} %)")
        yield f"{self.with_floor} answers had a floor, {self.without_position} told no position"


class FailoverRuns(Runs):
    """Runs that grow while there is a primary to write to, and questions in chains."""

    def __init__(self, cluster, gate, tally, seed):
        self._gate, self._tally = gate, tally
        self._chains = {}  # threads to their Chain
        super().__init__(CurrentPrimary(cluster), seed, MarkedRun)

    def _grown(self, generator):
        with self._gate.passing() as may:
            return super()._grown(generator) if may else generator.choice(self._live)

    def newest(self):
        return self._live[-1]

    def choose(self, generator):
        run, since = self._pair(generator)
        me = threading.get_ident()
        if me not in self._chains or generator.random() > PASSED_ON:
            self._chains[me] = Chain()
        return ChainedQuestion(run, since, self._chains[me], self._tally)


class FailoverChaos(Chaos):
    """The same for several standbys, and failovers."""

    def __init__(self, soak, seed, say):
        super().__init__(soak, seed, say)
        self._actions.update({self._end_primary: 1, self._fail_over: 2, self._checkpoint: 2,
                              self._delay_replay: 2})

    def end(self):
        super().end()
        cluster = self._soak.cluster
        for server in cluster.standbys:
            despite_conflicts(lambda s=server: s.execute(
                "ALTER SYSTEM RESET recovery_min_apply_delay"))
            despite_conflicts(lambda s=server: s.execute("SELECT pg_reload_conf()"))
        despite_conflicts(cluster.wait_caught_up)
        self._checkpoint()

    def _end_primary(self):
        with self._soak.gate.closed():
            return "primary ended: " + self._end(self._soak.cluster.primary)

    def _checkpoint(self):
        """Which moves the lower bounds of the standbys' timelines."""
        cluster = self._soak.cluster
        for server in (cluster.primary, *cluster.standbys):
            despite_conflicts(lambda s=server: s.execute("CHECKPOINT"))
        return "checkpoint: everywhere"

    def _delay_replay(self):
        standby, milliseconds = self._standby(), self._random.choice((0, 0, 10, 50, 200))
        despite_conflicts(lambda: standby.execute(
            f"ALTER SYSTEM SET recovery_min_apply_delay = {milliseconds}"))
        despite_conflicts(lambda: standby.execute("SELECT pg_reload_conf()"))
        return f"replay delayed: {standby.name} by {milliseconds} ms"

    def _fail_over(self):
        cluster = self._soak.cluster
        how = self._random.choice(("fast", "immediate", "kill -9"))
        with self._soak.gate.closed():
            self._wait_until_all_have_everything()
            if how == "kill -9":
                cluster.primary.kill9()
            else:
                cluster.primary.stop(how)
            chosen = self._furthest()
            self._soak.tally.promoted = time.monotonic()
            old = cluster.fail_over(chosen)
            self._soak.tally.promoted = time.monotonic()
            self._paused.discard(chosen)
            chosen.execute("ALTER SYSTEM RESET recovery_min_apply_delay")
            chosen.execute("SELECT pg_reload_conf()")
        time.sleep(self._random.uniform(0, 0.5))  # the other standby is left alone for a while
        for other in cluster.standbys:
            despite_conflicts(lambda s=other: s.follow(chosen))
        time.sleep(self._random.uniform(0, 0.5))
        way = self._random.choice(("clone", "rewind"))
        getattr(cluster, way)(old)
        return f"failover: {old.name}, {how}, to {chosen.name}; the old one came back by {way}"

    def _wait_until_all_have_everything(self):
        """All that was committed, that is: what servers log of their own goes on."""
        cluster = self._soak.cluster
        for server in [it for it in self._paused if not self._streams(it)]:
            self._resume(server)  # while replay is paused no receiver is started again
        position = cluster.commit_something()
        wait_for(lambda: cluster.primary.value(
            "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= %s::pg_lsn",
            (position,)) == len(cluster.standbys), "the standbys to have every commit", 60)

    def _streams(self, standby):
        return despite_conflicts(lambda: standby.value(
            "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"))

    def _furthest(self):
        """The standby that has received most, now that no more comes."""
        standbys = self._soak.cluster.standbys
        for server in standbys:
            wait_for(lambda s=server: not self._streams(s), "the stream to end")
        received = {server: number_of(despite_conflicts(
            lambda s=server: s.value("SELECT pg_last_wal_receive_lsn()"))) for server in standbys}
        best = max(received.values())
        return self._random.choice([s for s in standbys if received[s] == best])


class FailoverSoak(Soak):
    """One run of it."""

    choices = CHOICES

    def run(self):
        self._say(f"soak with failovers: {self._seconds:g} s, seed {self._seed}")
        self.gate, self.tally = Gate(), Tally()
        with Cluster(("b", "c"), SERVER_SETTINGS) as cluster, contextlib.ExitStack() as stack:
            self.cluster = cluster
            self.relays = [stack.enter_context(Relay(server))
                           for server in (cluster.primary, *cluster.standbys)]
            cluster.load(testbed.ROOT + "/tests/schema.sql")
            cluster.primary.execute("CREATE TABLE junk (a int)")
            runs = FailoverRuns(cluster, self.gate, self.tally, self._seed)
            cluster.wait_caught_up()
            with self._host() as self.host:
                self._soak(runs)
                self._prove_once_more(runs)
            self._tally_log()
            self._hold_against_the_log()
        return not self.problems

    def _host(self):
        sections = {f"server.{name}": {"conninfo": relay.conninfo(application_name=APPLICATION)}
                    for name, relay in zip("abc", self.relays)}
        return Host(policy=self.choices[0], settings={**SETTINGS, **sections})

    def _chaos(self):
        return FailoverChaos(self, self._seed, self._say)

    def _hold_against_retries(self, counted, seen):
        """An answer that was below its floor is asked for again, and is no miss."""
        if counted > seen:
            self.problems.append(f"{counted} retries counted, {seen:g} seen")

    def _prove_once_more(self, runs):
        """When all is over the host is as good as new, without a restart."""
        run = runs.newest()
        try:
            wait_for(lambda: self.host.lookup(run.id, "bogus").served_by == "replica_retry",
                     "absence to be proven again")
        except TimeoutError as error:
            self.problems.append(str(error))

    def _report(self, chaos, clients, before, after):
        super()._report(chaos, clients, before, after)
        for line in self.tally.lines():
            self._say(line)


if __name__ == "__main__":
    testbed.as_program(lambda: main(FailoverSoak))
