"""Rows of a run engine: what it writes during its runs, also kept here for the oracle.

    history = History()
    run = history.new_run()
    first = history.snapshot(run, "RUN_CREATED", "PENDING")
    history.write(cluster.primary)

Rows are dictionaries of column to value. They are made in memory, and written in one transaction by
`write`, which writes what has not been written yet. `rows()` is the result of all writes so far; taken
before the last one, it is what a standby sees that was paused in between.
"""

import copy
import datetime
import random
from dataclasses import dataclass, field

from psycopg2.extras import execute_values

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
FIRST_MOMENT = datetime.datetime(2026, 11, 20, 8, 15, 30, 1000)


@dataclass
class Rows:
    """What the four tables hold."""

    snapshots: dict = field(default_factory=dict)  # by id, as are the next two
    checkpoints: dict = field(default_factory=dict)
    waitpoints: dict = field(default_factory=dict)
    links: set = field(default_factory=set)  # (snapshot id, waitpoint id)


class History:
    """Creates rows and writes them. The same seed gives the same ids."""

    def __init__(self, seed=1):
        self._random = random.Random(seed)
        self._made = 0
        self._clock = FIRST_MOMENT
        self._new = Rows()
        self._written = Rows()

    # -- making rows ---------------------------------------------------------------------------

    def new_id(self):
        """An id like the engine's: a letter, time, four characters that count, twelve at random."""
        self._made += 1
        stamp, number = "", self._made
        for _ in range(4):
            stamp, number = ALPHABET[number % 36] + stamp, number // 36
        return "cm3q7x0b2" + stamp + "".join(self._random.choices(ALPHABET, k=12))

    new_run = new_environment = new_batch = new_id

    def moment(self, milliseconds=137):
        """The next timestamp of the history: strictly later than all before it."""
        self._clock += datetime.timedelta(milliseconds=milliseconds)
        return self._clock

    def snapshot(self, run, status="EXECUTING", run_status="EXECUTING", **columns):
        row = {
            "id": self.new_id(), "executionStatus": status, "description": f"Run is {status}",
            "isValid": True, "runId": run, "runStatus": run_status, "batchId": None,
            "attemptNumber": 1, "environmentId": "env0production", "completedWaitpointOrder": [],
            "checkpointId": None,
        }
        row.update(columns)
        row.setdefault("createdAt", self.moment())
        self._new.snapshots[row["id"]] = row
        return row

    def checkpoint(self, **columns):
        identity = self.new_id()
        row = {"id": identity, "friendlyId": "checkpoint_" + identity, "type": "DOCKER",
               "location": "registry.example/checkpoints/" + identity, "imageRef": None,
               "reason": None}
        row.update(columns)
        self._new.checkpoints[row["id"]] = row
        return row

    def waitpoint(self, kind="MANUAL", **columns):
        identity = self.new_id()
        row = {
            "id": identity, "friendlyId": "waitpoint_" + identity, "type": kind,
            "completedAt": self.moment(), "idempotencyKey": self.new_id(),
            "userProvidedIdempotencyKey": False, "inactiveIdempotencyKey": None,
            "completedByTaskRunId": None, "completedAfter": None, "completedByBatchId": None,
            "output": None, "outputType": "application/json", "outputIsError": False,
        }
        row.update(columns)
        self._new.waitpoints[row["id"]] = row
        return row

    def link(self, snapshot, *waitpoints):
        """Completed waitpoints of a snapshot, as links in the join table."""
        for waitpoint in waitpoints:
            self._new.links.add((snapshot["id"], waitpoint["id"]))

    def resumed_snapshot(self, run, waitpoints, order=None, **columns):
        """A snapshot that continues a run after waitpoints, linked to it; `order` as the engine
        keeps it: every id of a batch in its place, nothing for a single wait."""
        columns.setdefault("completedWaitpointOrder",
                           [w["id"] for w in waitpoints] if order is None else order)
        row = self.snapshot(run, **columns)
        self.link(row, *waitpoints)
        return row

    def life_of_a_run(self, run=None):
        """A whole plausible run, oldest snapshot first: it waits for a child run, is suspended with a
        checkpoint, continues with the child's output, and finishes."""
        run = run or self.new_run()
        checkpoint = self.checkpoint(imageRef="registry.example/app:v42", reason="WAIT_FOR_TASK")
        child = self.waitpoint("RUN", completedByTaskRunId=self.new_run(),
                               output='{"invoice":"2026-114","total":1299}')
        snapshots = [
            self.snapshot(run, "RUN_CREATED", "PENDING", attemptNumber=None),
            self.snapshot(run, "QUEUED", "PENDING", attemptNumber=None),
            self.snapshot(run, "PENDING_EXECUTING", "DEQUEUED", attemptNumber=None),
            self.snapshot(run, "EXECUTING", "EXECUTING"),
            self.snapshot(run, "EXECUTING_WITH_WAITPOINTS", "EXECUTING"),
            self.snapshot(run, "SUSPENDED", "WAITING_TO_RESUME", checkpointId=checkpoint["id"]),
            self.snapshot(run, "QUEUED", "WAITING_TO_RESUME", checkpointId=checkpoint["id"]),
        ]
        snapshots.append(self.resumed_snapshot(run, [child], checkpointId=checkpoint["id"]))
        snapshots.append(self.snapshot(run, "FINISHED", "COMPLETED_SUCCESSFULLY"))
        return snapshots

    # -- writing them --------------------------------------------------------------------------

    def rows(self):
        """A copy of everything written so far."""
        return copy.deepcopy(self._written)

    def write(self, server):
        """Writes everything new in one transaction, on a separate connection that is closed at once
        (see Server.table_reads). Inserts alone scan no table."""
        connection = server.connect()
        try:
            connection.autocommit = False
            with connection, connection.cursor() as cursor:
                for table, rows in (("TaskRunCheckpoint", self._new.checkpoints),
                                    ("Waitpoint", self._new.waitpoints),
                                    ("TaskRunExecutionSnapshot", self._new.snapshots)):
                    _insert(cursor, table, list(rows.values()))
                _insert(cursor, "_completedWaitpoints",
                        [{"A": a, "B": b} for a, b in sorted(self._new.links)])
        finally:
            connection.close()
        self._written.snapshots.update(self._new.snapshots)
        self._written.checkpoints.update(self._new.checkpoints)
        self._written.waitpoints.update(self._new.waitpoints)
        self._written.links |= self._new.links
        self._new = Rows()


def _insert(cursor, table, rows):
    if rows:
        columns = list(rows[0])
        names = ", ".join(f'"{column}"' for column in columns)
        execute_values(cursor, f'INSERT INTO "{table}" ({names}) VALUES %s',
                       [[row[column] for column in columns] for row in rows], page_size=1000)
