#!/usr/bin/python3
"""The answer, field by field: rows of every shape on a real server, and the JSON that they must give.

The expectation comes from the oracle, which knows only the rows and the documented fields.
"""

import datetime
import os
import random
import unittest

from host import Host
from lookup_case import LookupCase, module_cluster
from oracle import differences, expected_answer, friendly

EXECUTION_STATUSES = ("RUN_CREATED", "QUEUED", "QUEUED_EXECUTING", "PENDING_EXECUTING", "EXECUTING",
                      "EXECUTING_WITH_WAITPOINTS", "SUSPENDED", "PENDING_CANCEL", "FINISHED",
                      "DELAYED")
RUN_STATUSES = ("DELAYED", "PENDING", "PENDING_VERSION", "WAITING_FOR_DEPLOY", "DEQUEUED",
                "EXECUTING", "WAITING_TO_RESUME", "RETRYING_AFTER_FAILURE", "PAUSED", "CANCELED",
                "INTERRUPTED", "COMPLETED_SUCCESSFULLY", "COMPLETED_WITH_ERRORS", "SYSTEM_FAILURE",
                "CRASHED", "EXPIRED", "TIMED_OUT")
WAITPOINT_TYPES = ("RUN", "DATETIME", "MANUAL", "BATCH")
CHECKPOINT_TYPES = ("DOCKER", "KUBERNETES", "COMPUTE")

AWKWARD_TEXTS = (
    "", " ", "null", 'say "hello"', "back\\slash", "\\u0041", "tab\tand\nnewline\r\n", "</script>",
    "".join(chr(code) for code in range(1, 0x20)), "\x7f\x80\x9f", "żółć Straße 東京", "\u2028\u2029",
    "🙂🏳️‍🌈", "\ufeff", "\uffff", "\U0010ffff", "é", "e\u0301", "'; DROP TABLE x; --", "%s %d $1 {}",
    '{"json":"inside \\"json\\""}', "{a,b}", "NULL", "\\x00", "a" * 9000,
)

cluster = None
history = None
host = None


def setUpModule():
    global cluster, history, host
    cluster, history = module_cluster(seed=2)
    host = Host(cluster.primary, policy={"policy": "primary_only"}).start()


def tearDownModule():
    host.stop()


class Answer(LookupCase):
    """A test makes rows, writes them, and looks at the answer."""

    def check(self, run, since, environment=None):
        """Writes new rows, looks up, compares with the oracle; returns the answer's snapshots."""
        history.write(cluster.primary)
        answer = host.lookup(run, since["id"], environment)
        self.assert_found(answer, history.rows(), run, since["id"], "primary", environment)
        return answer.json["snapshots"]

    @staticmethod
    def begun_run():
        run = history.new_run()
        return run, history.snapshot(run, "RUN_CREATED", "PENDING")


class Window(Answer):
    """Which snapshots are in the answer, and in what order."""

    def test_nothing_new(self):
        run, first = self.begun_run()
        self.assertEqual(self.check(run, first), [])

    def test_a_whole_life(self):
        life = history.life_of_a_run()
        for number, snapshot in enumerate(life):
            self.assertEqual(len(self.check(snapshot["runId"], snapshot)), len(life) - number - 1)

    def test_ties_are_ordered_by_id(self):
        run, first = self.begun_run()
        moment = history.moment()
        tied = [history.snapshot(run, createdAt=moment)["id"] for _ in range(7)]
        shown = self.check(run, first)
        self.assertEqual([entry["snapshot"]["id"] for entry in shown], sorted(tied))

    def test_the_latest_of_a_tie_has_the_waitpoints(self):
        run, first = self.begun_run()
        moment = history.moment()
        for identity in ("zzz" + run, "aaa" + run):  # the greater id is written first
            history.resumed_snapshot(run, [history.waitpoint()], id=identity, createdAt=moment)
        shown = self.check(run, first)
        self.assertEqual([len(entry["completedWaitpoints"]) for entry in shown], [0, 1])

    def test_a_tie_with_the_since_row_is_not_newer(self):
        run, first = self.begun_run()
        history.snapshot(run, createdAt=first["createdAt"])
        self.assertEqual(self.check(run, first), [])

    def test_the_newest_fifty(self):
        for newer in (49, 50, 51, 120):
            with self.subTest(newer=newer):
                run, first = self.begun_run()
                made = [history.snapshot(run)["id"] for _ in range(newer)]
                shown = self.check(run, first)
                self.assertEqual([entry["snapshot"]["id"] for entry in shown], made[-50:])

    def test_fifty_of_a_tie(self):
        run, first = self.begun_run()
        moment = history.moment()
        tied = [history.snapshot(run, createdAt=moment)["id"] for _ in range(60)]
        shown = self.check(run, first)
        self.assertEqual([entry["snapshot"]["id"] for entry in shown], sorted(tied)[-50:])

    def test_the_limit_cuts_through_a_tie(self):
        for untied in (0, 1, 40, 49):
            with self.subTest(untied=untied):
                run, first = self.begun_run()
                moment = history.moment()
                tied = [history.snapshot(run, createdAt=moment)["id"] for _ in range(15)]
                later = [history.snapshot(run)["id"] for _ in range(untied)]
                shown = self.check(run, first)
                self.assertEqual([entry["snapshot"]["id"] for entry in shown],
                                 (sorted(tied) + later)[-50:])

    def test_ids_are_ordered_as_clients_compare_them(self):
        """By code unit, whatever the collation: capitals first, accents last, no letter ignored."""
        run, first = self.begun_run()
        moment = history.moment()
        tied = [name + run for name in ("a", "B", "Z", "-b", "a-", "é", "0", "~", "A", "b")]
        for identity in tied:
            history.resumed_snapshot(run, [history.waitpoint()], id=identity, createdAt=moment)
        shown = self.check(run, first)
        self.assertEqual([entry["snapshot"]["id"] for entry in shown], sorted(tied))

    def test_invalid_snapshots_are_left_out(self):
        run, first = self.begun_run()
        valid = history.resumed_snapshot(run, [history.waitpoint("RUN", output="{}")])
        history.resumed_snapshot(run, [history.waitpoint("MANUAL")], isValid=False)
        [shown] = self.check(run, first)
        self.assertEqual(shown["snapshot"]["id"], valid["id"])
        self.assertEqual(len(shown["completedWaitpoints"]), 1)

    def test_an_invalid_snapshot_can_be_the_since_row(self):
        run = history.new_run()
        first = history.snapshot(run, isValid=False)
        history.snapshot(run)
        self.assertEqual(len(self.check(run, first)), 1)

    def test_environments(self):
        run = history.new_run()
        mine, other = history.new_environment(), history.new_environment()
        first = history.snapshot(run, environmentId=mine)
        history.snapshot(run, environmentId=other)
        history.snapshot(run, environmentId=mine)
        self.assertEqual(len(self.check(run, first)), 2)
        self.assertEqual(len(self.check(run, first, mine)), 1)
        self.assert_error(host.lookup(run, first["id"], other), 404, "primary")
        for blank in ("", " ", "\t "):
            self.assertEqual(len(host.lookup(run, first["id"], blank).json["snapshots"]), 2)

    def test_other_runs_are_not_shown(self):
        run, first = self.begun_run()
        history.life_of_a_run()
        self.assertEqual(self.check(run, first), [])

    def test_dates(self):
        run = history.new_run()
        moments = [datetime.datetime(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999000),
                   datetime.datetime(1970, 1, 1), datetime.datetime(1999, 12, 31, 23, 59, 59, 1000),
                   datetime.datetime(2000, 1, 1), datetime.datetime(2024, 2, 29, 12, 0, 0, 50000),
                   datetime.datetime(2026, 3, 29, 2, 30),  # does not exist in Europe's local time
                   datetime.datetime(2038, 1, 19, 3, 14, 8), datetime.datetime(2100, 2, 28, 23, 59),
                   datetime.datetime(9999, 12, 31, 23, 59, 59, 999000)]
        snapshots = [history.snapshot(run, createdAt=moment) for moment in moments]
        waitpoint = history.waitpoint("DATETIME", completedAt=moments[1], completedAfter=moments[3])
        history.link(snapshots[-1], waitpoint)
        shown = self.check(run, snapshots[0])
        self.assertEqual(shown[0]["snapshot"]["createdAt"], "1969-12-31T23:59:59.999Z")


class Fields(Answer):
    """What is in one snapshot of the answer."""

    def test_every_status(self):
        run, first = self.begun_run()
        for status in EXECUTION_STATUSES:
            history.snapshot(run, status)
        for run_status in RUN_STATUSES:
            history.snapshot(run, run_status=run_status)
        self.assertEqual(len(self.check(run, first)), 27)

    def test_attempt_numbers(self):
        run, first = self.begun_run()
        for number in (None, 0, 1, -1, 2147483647, -2147483648):
            history.snapshot(run, attemptNumber=number)
        shown = self.check(run, first)
        self.assertEqual([entry["run"].get("attemptNumber", "omitted") for entry in shown],
                         ["omitted", 0, 1, -1, 2147483647, -2147483648])

    def test_batches(self):
        run, first = self.begun_run()
        made = history.new_batch()
        for batch in (None, "", made, "batch_" + made, "batchy", "batch_"):
            history.snapshot(run, batchId=batch)
        shown = self.check(run, first)
        self.assertEqual([entry.get("batch", {}).get("friendlyId", "")[:6] for entry in shown],
                         ["", "", "batch_", "batch_", "batch_", "batch_"])
        self.assertEqual(shown[4]["batch"]["friendlyId"], "batch_batchy")

    def test_checkpoints(self):
        run, first = self.begun_run()
        for kind in CHECKPOINT_TYPES:
            for image in (None, "", "registry.example/app:1"):
                for reason in (None, "", "WAIT_FOR_TASK"):
                    checkpoint = history.checkpoint(type=kind, imageRef=image, reason=reason)
                    history.snapshot(run, checkpointId=checkpoint["id"])
        history.snapshot(run, checkpointId=checkpoint["id"])  # two snapshots may share one
        history.snapshot(run, checkpointId="a-checkpoint-that-is-gone")
        history.snapshot(run, checkpointId="")
        shown = self.check(run, first)
        self.assertIsNone(shown[0]["checkpoint"]["imageRef"])
        self.assertNotIn("reason", shown[0]["checkpoint"])
        self.assertEqual(shown[1]["checkpoint"]["reason"], "")
        self.assertNotIn("checkpoint", shown[-2])

    def test_prefixes_are_not_repeated(self):
        run, first = self.begun_run()
        history.snapshot(run, id="snapshot_" + history.new_id())
        waitpoint = history.waitpoint("RUN", completedByTaskRunId="run_" + history.new_id(),
                                      completedByBatchId="batch_" + history.new_id())
        history.resumed_snapshot(run, [waitpoint], id="snapshotless" + history.new_id(),
                                 batchId="batch_" + history.new_id())
        shown = self.check(run, first)
        self.assertTrue(shown[1]["snapshot"]["friendlyId"].startswith("snapshot_snapshotless"))

    def test_awkward_texts_everywhere(self):
        run, first = self.begun_run()
        for text in AWKWARD_TEXTS:
            checkpoint = history.checkpoint(friendlyId=text, location=text, imageRef=text,
                                            reason=text)
            history.snapshot(run, description=text, checkpointId=checkpoint["id"],
                             batchId=text[:50])
        waitpoints = [history.waitpoint(friendlyId=text, output=text, outputType=text,
                                        idempotencyKey=text, userProvidedIdempotencyKey=True,
                                        completedByTaskRunId=text, completedByBatchId=text)
                      for text in AWKWARD_TEXTS]
        history.resumed_snapshot(run, waitpoints)
        self.check(run, first)

    def test_awkward_ids(self):
        for identity in ("a b", "a+b", "a%2Bb", "a/b", "a?b#c", "..", "é東🙂", "'\"\\", "a;b", "A",
                         "a.", "$1", "x" * 124):
            with self.subTest(identity=identity):
                run = identity
                first = history.snapshot(run, id=identity[:119])
                history.snapshot(run)
                self.assertEqual(len(self.check(run, first)), 1)


class Waitpoints(Answer):
    """Completed waitpoints of the latest snapshot."""

    def test_only_on_the_latest(self):
        run, first = self.begun_run()
        for _ in range(3):
            history.resumed_snapshot(run, [history.waitpoint(output="[1]") for _ in range(2)])
        shown = self.check(run, first)
        self.assertEqual([len(entry["completedWaitpoints"]) for entry in shown], [0, 0, 2])

    def test_every_combination_of_columns(self):
        run, first = self.begun_run()
        waitpoints = []
        for kind in WAITPOINT_TYPES:
            for empty in (None, "", "c0mpleted"):
                waitpoints += [
                    history.waitpoint(kind, completedByTaskRunId=empty),
                    history.waitpoint(kind, completedByBatchId=empty),
                    history.waitpoint(kind, inactiveIdempotencyKey=empty,
                                      userProvidedIdempotencyKey=True),
                    history.waitpoint(kind, inactiveIdempotencyKey=empty,
                                      userProvidedIdempotencyKey=False),
                    history.waitpoint(kind, output=empty, outputIsError=empty == ""),
                    history.waitpoint(kind, completedAt=None, outputType="text/plain"),
                    history.waitpoint(kind, completedAfter=history.moment()),
                ]
        for batch in (history.new_batch(), None):
            history.resumed_snapshot(run, waitpoints, batchId=batch)
            [*_, latest] = self.check(run, first)
            self.assertEqual(len(latest["completedWaitpoints"]), len(waitpoints))

    def test_repeated_ids_in_the_order(self):
        run, first = self.begun_run()
        a, b, c = waitpoints = [history.waitpoint("RUN") for _ in range(3)]
        order = [waitpoint["id"] for waitpoint in (b, a, b, c, b, a)]
        history.resumed_snapshot(run, waitpoints, order)
        [latest] = self.check(run, first)
        places = {waitpoint["id"]: [entry["index"] for entry in latest["completedWaitpoints"]
                                    if entry["id"] == waitpoint["id"]] for waitpoint in waitpoints}
        self.assertEqual(places, {a["id"]: [1, 5], b["id"]: [0, 2, 4], c["id"]: [3]})

    def test_waitpoints_outside_the_order(self):
        for names_one in (True, False):
            with self.subTest(names_one=names_one):
                run, first = self.begun_run()
                one, other = history.waitpoint(), history.waitpoint()
                history.resumed_snapshot(run, [one, other], [one["id"]] if names_one else [])
                [latest] = self.check(run, first)
                places = {entry["id"]: entry.get("index")
                          for entry in latest["completedWaitpoints"]}
                self.assertEqual(places, {one["id"]: 0 if names_one else None, other["id"]: None})

    def test_no_order(self):
        run, first = self.begun_run()
        row = history.snapshot(run, completedWaitpointOrder=None)
        history.link(row, history.waitpoint(), history.waitpoint())
        [latest] = self.check(run, first)
        self.assertEqual([entry.get("index") for entry in latest["completedWaitpoints"]],
                         [None, None])

    def test_an_order_that_names_what_is_not_linked(self):
        run, first = self.begun_run()
        waitpoint = history.waitpoint()
        history.resumed_snapshot(run, [waitpoint], order=["gone", waitpoint["id"], "gone", ""])
        [latest] = self.check(run, first)
        self.assertEqual([entry["index"] for entry in latest["completedWaitpoints"]], [1])

    def test_an_order_with_other_bounds(self):
        """An array need not begin at 1 in PostgreSQL; the index is the place all the same."""
        run, first = self.begun_run()
        waitpoint = history.waitpoint()
        row = history.resumed_snapshot(run, [waitpoint], order=["gone", waitpoint["id"]])
        history.write(cluster.primary)
        cluster.primary.execute('UPDATE "TaskRunExecutionSnapshot" SET "completedWaitpointOrder" ='
                                " format('[5:6]={gone,%%s}', %s)::text[] WHERE id = %s",
                                (waitpoint["id"], row["id"]))
        self.check(run, first)

    def test_an_order_with_nulls(self):
        run, first = self.begun_run()
        waitpoint = history.waitpoint()
        history.resumed_snapshot(run, [waitpoint], order=[None, waitpoint["id"], None])
        [latest] = self.check(run, first)
        self.assertEqual([entry["index"] for entry in latest["completedWaitpoints"]], [1])

    def test_links_to_nothing_drop_out(self):
        run, first = self.begun_run()
        row = history.resumed_snapshot(run, [history.waitpoint()])
        history.link(row, {"id": "a-waitpoint-that-is-gone"})
        [latest] = self.check(run, first)
        self.assertEqual(len(latest["completedWaitpoints"]), 1)

    def test_one_waitpoint_of_several_snapshots(self):
        run, first = self.begun_run()
        shared = history.waitpoint("BATCH", output="{}")
        history.resumed_snapshot(run, [shared])
        history.resumed_snapshot(run, [shared, history.waitpoint()])
        self.check(run, first)

    def test_large_answers(self):
        for count, size in ((1, 440_000), (80, 100_000), (2000, 10)):
            with self.subTest(count=count, size=size):
                run, first = self.begun_run()
                outputs = ('"' + "ab\\\"é\n"[number % 3:] * (size // 5) for number in range(count))
                history.resumed_snapshot(run, [history.waitpoint(output=text) for text in outputs])
                [latest] = self.check(run, first)
                self.assertEqual(len(latest["completedWaitpoints"]), count)


class AtRandom(Answer):
    """Rows of random shape. The seed is in the name of a failed sub-test; SEED= repeats it."""

    def random_snapshot(self, dice, run, environments):
        waitpoints = [self.random_waitpoint(dice) for _ in range(dice.choice((0, 0, 1, 2, 5)))]
        order = [waitpoint["id"] for waitpoint in waitpoints] * dice.choice((0, 1, 1, 2))
        dice.shuffle(order)
        checkpoint = dice.choice((None, history.checkpoint(reason=dice.choice((None, "", "x")))))
        moment = history.moment(dice.choice((0, 0, 1, 999, 86_400_000)))
        return history.resumed_snapshot(
            run, waitpoints, order, status=dice.choice(EXECUTION_STATUSES),
            run_status=dice.choice(RUN_STATUSES), description=dice.choice(AWKWARD_TEXTS),
            isValid=dice.random() < 0.8, batchId=dice.choice((None, "", history.new_batch())),
            attemptNumber=dice.choice((None, 0, 3)), environmentId=dice.choice(environments),
            checkpointId=checkpoint and checkpoint["id"], createdAt=moment)

    @staticmethod
    def random_waitpoint(dice):
        return history.waitpoint(
            dice.choice(WAITPOINT_TYPES), output=dice.choice((None, *AWKWARD_TEXTS)),
            completedAt=dice.choice((None, history.moment())),
            completedAfter=dice.choice((None, history.moment())),
            userProvidedIdempotencyKey=dice.random() < 0.5,
            inactiveIdempotencyKey=dice.choice((None, "", "inactive")),
            completedByTaskRunId=dice.choice((None, "", history.new_run())),
            completedByBatchId=dice.choice((None, "", history.new_batch())),
            outputIsError=dice.random() < 0.5)

    def test_random_runs(self):
        seed = int(os.environ.get("SEED", random.randrange(2**32)))
        dice = random.Random(seed)
        environments = [history.new_environment() for _ in range(2)]
        snapshots = []
        for _ in range(40):
            run = history.new_run()
            snapshots += [self.random_snapshot(dice, run, environments)
                          for _ in range(dice.choice((1, 3, 8)))]
        history.write(cluster.primary)
        rows, wrong = history.rows(), []
        for snapshot in snapshots:
            environment = dice.choice((None, *environments))
            answer = host.lookup(snapshot["runId"], snapshot["id"], environment)
            expected = expected_answer(rows, snapshot["runId"], snapshot["id"], environment)
            if answer.status != (404 if expected is None else 200):
                wrong.append(f"{friendly('snapshot', snapshot['id'])}: status {answer.status}")
            elif expected is not None:
                wrong += differences(answer.json, expected)
        self.assertEqual(wrong, [], f"SEED={seed}")


if __name__ == "__main__":
    unittest.main()
