"""What measurements run on: a primary, a standby, and rows for answers of known sizes.

Ids are numbers of 19 digits, so that pgbench can compute a random one and every program here can
enumerate them: run N of an answer is RUN_BASE + N, and the snapshot to ask from is SNAPSHOT_BASE + N.
"""

import os
from dataclasses import dataclass

import measure
from cluster import Cluster
from testbed import ROOT

SCHEMA = os.path.join(ROOT, "tests", "schema.sql")

# Overrides the tests' awkward settings: a server that has its data in memory, does not change plans in
# the middle of a run, and cancels no read in favour of replay.
SETTINGS = {"shared_buffers": "256MB", "max_connections": "200", "max_standby_streaming_delay": "30s",
            "checkpoint_timeout": "1h", "max_wal_size": "4GB", "jit": "off",
            "datestyle": "ISO, MDY"}


@dataclass(frozen=True)
class Answer:
    """Runs whose answers are all of one kind."""

    name: str
    number: int  # among the answers
    runs: int
    older: int  # valid snapshots of the run before the one asked since
    newer: int
    checkpoints: bool = False  # every other newer snapshot has one
    waitpoints: int = 0  # completed ones of the latest
    output_rows: int = 1  # size of each waitpoint's output, about 60 bytes a row

    @property
    def run_base(self):
        return 1_000_000_000_000_000_000 + self.number * 1_000_000

    @property
    def snapshot_base(self):
        return 2_000_000_000_000_000_000 + self.number * 1_000_000

    def targets(self):
        """(run, snapshot) of every run, as text."""
        return [(str(self.run_base + n), str(self.snapshot_base + n)) for n in range(self.runs)]


ANSWERS = {answer.name: answer for answer in (
    Answer("0 rows", 0, runs=1000, older=9, newer=0),
    Answer("1 row", 1, runs=1000, older=9, newer=1),
    Answer("1 row, waitpoint", 2, runs=1000, older=9, newer=1, checkpoints=True, waitpoints=1),
    Answer("9 rows", 3, runs=500, older=2, newer=9, checkpoints=True, waitpoints=1),
    Answer("50 rows", 4, runs=100, older=2, newer=50),
    Answer("440 kB", 5, runs=10, older=9, newer=1, waitpoints=44, output_rows=133),
)}
THREE_ROWS = Answer("3 rows", 6, runs=500, older=9, newer=3)
# What pollers ask for in a day, in per cent.
MIX = {ANSWERS["0 rows"]: 40, ANSWERS["1 row"]: 40, THREE_ROWS: 15, ANSWERS["9 rows"]: 5}

ROWS_SQL = """
INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus", description, "runId", "runStatus",
    "attemptNumber", "environmentId", "completedWaitpointOrder", "checkpointId", "createdAt")
SELECT CASE WHEN k = %(older)s THEN %(snapshot_base)s + n
            ELSE 3000000000000000000 + (%(number)s * 1000000 + n) * 100 + k END::text,
       (enum_range(NULL::"TaskRunExecutionStatus"))[1 + k %% 10],
       'Run is in its state number ' || k, (%(run_base)s + n)::text,
       (enum_range(NULL::"TaskRunStatus"))[1 + k %% 17], 1, 'env0production',
       CASE WHEN k = %(older)s + %(newer)s AND %(waitpoints)s > 0 THEN
           (SELECT array_agg((4000000000000000000 + (%(number)s * 1000000 + n) * 100 + w)::text
                             ORDER BY w) FROM generate_series(1, %(waitpoints)s) w)
           ELSE '{}' END,
       CASE WHEN %(checkpoints)s AND k > %(older)s AND (k - %(older)s) %% 2 = 1
            THEN (%(run_base)s + n)::text END,
       timestamp '2026-11-20 08:15:30' + n * interval '1 second' + k * interval '137 ms'
FROM generate_series(0, %(runs)s - 1) n, generate_series(0, %(older)s + %(newer)s) k;

INSERT INTO "TaskRunCheckpoint" (id, "friendlyId", type, location, "imageRef", reason)
SELECT (%(run_base)s + n)::text, 'checkpoint_' || %(run_base)s + n, 'DOCKER',
       'registry.example/checkpoints/' || %(run_base)s + n, 'registry.example/app:v42',
       'WAIT_FOR_TASK'
FROM generate_series(0, %(runs)s - 1) n WHERE %(checkpoints)s;

INSERT INTO "Waitpoint" (id, "friendlyId", type, "completedAt", "idempotencyKey",
    "userProvidedIdempotencyKey", "completedByTaskRunId", output)
SELECT v.id, 'waitpoint_' || v.id, 'RUN', timestamp '2026-11-20 09:00:00', v.id, false,
       (%(run_base)s + n)::text,
       (SELECT json_agg(json_build_object('invoice', r, 'checksum', md5(v.id || r)))
        FROM generate_series(1, %(output_rows)s) r)
FROM generate_series(0, %(runs)s - 1) n, generate_series(1, %(waitpoints)s) w,
     LATERAL (SELECT (4000000000000000000 + (%(number)s * 1000000 + n) * 100 + w)::text AS id) v;

INSERT INTO "_completedWaitpoints" ("A", "B")
SELECT CASE WHEN %(newer)s = 0 THEN %(snapshot_base)s + n
            ELSE 3000000000000000000 + (%(number)s * 1000000 + n) * 100 + %(older)s + %(newer)s
            END::text,
       (4000000000000000000 + (%(number)s * 1000000 + n) * 100 + w)::text
FROM generate_series(0, %(runs)s - 1) n, generate_series(1, %(waitpoints)s) w;
"""


class Ground(Cluster):
    """A primary and its standbys with the rows of ANSWERS; `with Ground() as ground`."""

    def __init__(self, standbys=("standby",)):
        super().__init__(standbys)
        try:
            self._tune()
            self._fill()
        except BaseException:
            self.destroy()
            raise

    def _tune(self):
        for server in (self.primary, *self.standbys):
            for name, value in SETTINGS.items():
                server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        # A standby must allow at least as many connections as its primary, so the primary comes last.
        for server in (*self.standbys, self.primary):
            server.stop()
            server.start()

    def _fill(self):
        self.load(SCHEMA)
        for answer in (*ANSWERS.values(), THREE_ROWS):
            values = {"run_base": answer.run_base, "snapshot_base": answer.snapshot_base}
            self.primary.execute(ROWS_SQL, {**values, **vars(answer)})
        self.primary.execute("VACUUM ANALYZE")
        self.wait_caught_up()
        self._warm_up()

    def _warm_up(self):
        """Sets hint bits and the visibility map and brings all data into memory, so that the first
        measurement does not pay for it."""
        for server in (self.primary, *self.standbys):
            for table in ("TaskRunExecutionSnapshot", "TaskRunCheckpoint", "Waitpoint",
                          "_completedWaitpoints"):
                server.execute(f'SELECT count(t.*::text) FROM "{table}" t')

    def targets_file(self, answer):
        """A file of lines "run snapshot" for the C programs."""
        path = os.path.join(self.directory, f"targets-{answer.number}")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{run} {snapshot}\n" for run, snapshot in answer.targets())
        return path

    def file(self, name, text):
        """A file with that text, in the directory that is removed with the servers."""
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


def plain_sql():
    with open(os.path.join(measure.BENCH, "plain.sql"), encoding="utf-8") as file:
        return file.read()
