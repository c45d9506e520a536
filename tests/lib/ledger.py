"""Keeps what was committed when, and so what an answer may say.

A run is written in steps, each one transaction; after each of them its rows are kept as the next
version of the run. A question notes how many versions were committed when it was asked. Its answer is
right if it is exactly what one of the versions committed by then gives, since a replica may be behind.
It is wrong if it says that a row is missing which was committed before the question, or if it shows a
snapshot without its waitpoints although they were committed before.

Only tests whose primary stays up may write here: the outcome of a transaction whose server dies is
unknown.
"""

import random
import threading

from history import History
from oracle import differences, expected_answer

# What a policy may do that the others may not.
MAY_MISS = {"replica_only"}  # its replica's view counts, however old
SERVERS = {"primary_only": {"primary"}, "replica_only": {"replica"}}
ALL_SERVERS = {"replica", "replica_retry", "primary"}

WAITING = "EXECUTING_WITH_WAITPOINTS"


class Run:
    """One run, its versions and its next steps. Any thread may read it and write its next step."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._history = History(seed=seed)
        self._writing = threading.Lock()
        self._unlinked = None  # a snapshot whose links come later, and its waitpoints
        self._expected = {}
        self.id = self._history.new_run()
        self.snapshots = []  # ids, the oldest first; the last ones may not be committed yet
        self.committed = 0  # how many of them are
        self.versions = []  # history.Rows, one for each commit

    # -- writing -------------------------------------------------------------------------------

    def write_step(self, server):
        """Commits the next step of this run."""
        with self._writing:
            self._make_step()
            self._commit(server)

    def write_life(self, server):
        """Commits a whole plausible run at once."""
        with self._writing:
            self._keep(self._history.life_of_a_run(self.id))
            self._commit(server)

    def write_big(self, server, waitpoints=20, size=100_000):
        """Commits a run that is resumed with that many waitpoints with outputs of this size."""
        with self._writing:
            first = self._history.snapshot(self.id, WAITING)
            done = [self._history.waitpoint(output=f"{number:07d}" + "x" * (size - 7))
                    for number in range(waitpoints)]
            self._keep([first, self._history.resumed_snapshot(self.id, done)])
            self._commit(server)

    def _keep(self, rows):
        self.snapshots += [row["id"] for row in rows]

    def _commit(self, server):
        self._history.write(server)
        self.versions.append(self._history.rows())
        self.committed = len(self.snapshots)

    def _make_step(self):
        if self._unlinked:
            self._history.link(*self._unlinked)
            self._unlinked = None
            return
        steps = (self._some_snapshots, self._suspension, self._resumption, self._late_links)
        self._random.choices(steps, weights=(5, 1, 2, 1))[0]()

    def _some_snapshots(self):
        count = self._random.choice((1, 1, 1, 2, 3, 60))
        self._keep([self._history.snapshot(self.id) for _ in range(count)])

    def _suspension(self):
        checkpoint = self._history.checkpoint(imageRef="registry.example/app:v7")
        self._keep([self._history.snapshot(self.id, "SUSPENDED", "WAITING_TO_RESUME",
                                           checkpointId=checkpoint["id"])])

    def _waitpoints(self):
        return [self._history.waitpoint("RUN", completedByTaskRunId=self._history.new_run(),
                                        output='{"total":%d}' % number)
                for number in range(self._random.randint(1, 4))]

    def _order(self, waitpoints):
        """As a batch has it: in any order, some of them more than once."""
        return self._random.choices([w["id"] for w in waitpoints], k=2) + [
            w["id"] for w in waitpoints]

    def _resumption(self):
        waitpoints = self._waitpoints()
        order = self._random.choice((None, [], self._order(waitpoints)))
        self._keep([self._history.snapshot(self.id, WAITING),
                    self._history.resumed_snapshot(self.id, waitpoints, order)])

    def _late_links(self):
        """A writer that commits a snapshot first, and its links with the next step."""
        waitpoints = self._waitpoints()
        latest = self._history.snapshot(self.id, completedWaitpointOrder=self._order(waitpoints))
        self._keep([latest])
        self._unlinked = (latest, *waitpoints)

    # -- reading -------------------------------------------------------------------------------

    def expected(self, since, number):
        """The answer of this version; None if it lacks the since row."""
        key = since, number
        if key not in self._expected:
            self._expected[key] = expected_answer(self.versions[number], self.id, since)
        return self._expected[key]

    def final_count(self):
        """How many versions there are once the step that is being written, if any, is committed."""
        with self._writing:
            return len(self.versions)

    def is_partial(self, number):
        """Whether this version's latest snapshot lacks links to waitpoints that it names."""
        rows = self.versions[number]
        latest = max(rows.snapshots.values(), key=lambda row: (row["createdAt"], row["id"]))
        links = {b for a, b in rows.links if a == latest["id"]}
        return not set(latest["completedWaitpointOrder"] or []) <= links


class Question:
    """A lookup about to be sent. `run` is the Run that is asked for, `since` any snapshot id."""

    headers = {}  # those that it adds to a client's own

    def __init__(self, run, since):
        self.run = run
        self.since = since
        self._known = len(run.versions)  # committed before the request was sent

    def complaint(self, answer, policies):
        """What is wrong with the answer, as text; None if nothing is. policies: the names of those
        that may have decided. A failure (503) or a refusal (429) is no wrong answer."""
        problem = self._bad_form(answer)
        if problem is None and answer.status == 404:
            problem = self._wrong_miss(answer, policies)
        elif problem is None and answer.status == 200:
            problem = self._wrong_rows(answer, policies)
        return problem and f"{self}: {problem}; {answer}"

    def __repr__(self):
        return f"run {self.run.id} since {self.since}, {self._known} versions committed before"

    def _bad_form(self, answer):
        if answer.status not in (200, 404, 429, 503):
            return "a status that no lookup has"
        if answer.headers.get("content-type") != "application/json":
            return "not JSON by its header"
        try:
            body = answer.json
        except ValueError as error:
            return f"not JSON: {error}"
        if answer.status != 200 and (list(body) != ["error"] or not body["error"].strip()):
            return "an error without its text"
        return None

    def _wrong_miss(self, answer, policies):
        if not self._is_served_by_one_of(answer, policies):
            return "served by a server that the policy does not ask"
        if policies & MAY_MISS or self._known == 0:
            return None
        if self.run.expected(self.since, self._known - 1) is not None:
            return "a row that was committed before is said to be missing"
        return None

    @staticmethod
    def _is_served_by_one_of(answer, policies):
        return answer.served_by in set().union(*(SERVERS.get(name, ALL_SERVERS)
                                                 for name in policies))

    def _matching_version(self, body):
        """The newest version that gives this answer, None if there is none."""
        for number in reversed(range(self.run.final_count())):
            expected = self.run.expected(self.since, number)
            # Comparing is costly, and the number of snapshots nearly always decides.
            if expected is not None and len(expected["snapshots"]) == len(body["snapshots"]) \
                    and not differences(body, expected):
                return number
        return None

    def _wrong_rows(self, answer, policies):
        if not self._is_served_by_one_of(answer, policies):
            return "served by a server that the policy does not ask"
        body = answer.json
        if not isinstance(body, dict) or not isinstance(body.get("snapshots"), list):
            return "no list of snapshots"
        number = self._matching_version(body)
        if number is None:
            return "an answer that no version makes"
        if number >= self._known - 1:
            return None
        if answer.served_by == "primary":
            return f"the primary answered with version {number}, which was no longer current"
        if not policies & MAY_MISS and self.run.is_partial(number):
            return f"the waitpoints of version {number} were committed and are not shown"
        return None
