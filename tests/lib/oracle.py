"""What a snapshot lookup must answer: computed from the rows alone, by the documented field table.

It shares no code with the host and never asks a database. `expected_answer` gives None for a miss.
`differences` compares an answer with it, and lists every deviation.
"""

import datetime
import re

NEWEST = 50
DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


class CurrentTime:
    """The time of the answer: equal to any printed date close to now."""

    TOLERANCE = datetime.timedelta(seconds=30)

    def __eq__(self, other):
        if not isinstance(other, str) or not DATE.fullmatch(other):
            return False
        moment = datetime.datetime.fromisoformat(other[:-1])
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return abs(now - moment) < self.TOLERANCE

    def __repr__(self):
        return "<the current time>"


def friendly(prefix, identity):
    return identity if identity.startswith(prefix + "_") else f"{prefix}_{identity}"


def expected_answer(rows, run, since, environment=None):
    """The whole answer for the snapshots of `run` since `since`, or None if that is a miss."""
    def visible(row):
        return row["runId"] == run and environment in (None, row["environmentId"])

    anchor = rows.snapshots.get(since)
    if anchor is None or not visible(anchor):
        return None
    newer = [row for row in rows.snapshots.values()
             if visible(row) and row["isValid"] and row["createdAt"] > anchor["createdAt"]]
    newer.sort(key=lambda row: (row["createdAt"], row["id"]))
    newer = newer[-NEWEST:]
    return {"snapshots": [_snapshot(rows, row, row is newer[-1]) for row in newer]}


def _date(moment):
    return moment.isoformat(timespec="milliseconds") + "Z"


def _reference(prefix, identity):
    return {"id": identity, "friendlyId": friendly(prefix, identity)}


def _snapshot(rows, row, is_latest):
    answer = {
        "version": "1",
        "snapshot": {**_reference("snapshot", row["id"]), "executionStatus": row["executionStatus"],
                     "description": row["description"], "createdAt": _date(row["createdAt"])},
        "run": {**_reference("run", row["runId"]), "status": row["runStatus"]},
        "completedWaitpoints": _waitpoints(rows, row) if is_latest else [],
    }
    if row["attemptNumber"] is not None:
        answer["run"]["attemptNumber"] = row["attemptNumber"]
    if row["batchId"]:
        answer["batch"] = _reference("batch", row["batchId"])
    checkpoint = rows.checkpoints.get(row["checkpointId"])
    if checkpoint is not None:
        answer["checkpoint"] = {key: checkpoint[key] for key in
                                ("id", "friendlyId", "type", "location", "imageRef")}
        if checkpoint["reason"] is not None:
            answer["checkpoint"]["reason"] = checkpoint["reason"]
    return answer


def _waitpoints(rows, snapshot):
    """Every linked waitpoint that exists, as often as the order names it."""
    entries = []
    order = snapshot["completedWaitpointOrder"] or []
    for a, b in sorted(rows.links):
        waitpoint = rows.waitpoints.get(b)
        if a != snapshot["id"] or waitpoint is None:
            continue
        places = [place for place, identity in enumerate(order) if identity == b]
        for place in places or [None]:
            entry = _waitpoint(waitpoint, snapshot)
            if place is not None:
                entry["index"] = place
            entries.append(entry)
    return entries


def _waitpoint(row, snapshot):
    entry = {key: row[key] for key in ("id", "friendlyId", "type", "outputType", "outputIsError")}
    completed = row["completedAt"]
    entry["completedAt"] = CurrentTime() if completed is None else _date(completed)
    if row["userProvidedIdempotencyKey"] and not row["inactiveIdempotencyKey"]:
        entry["idempotencyKey"] = row["idempotencyKey"]
    if row["completedByTaskRunId"]:
        entry["completedByTaskRun"] = _reference("run", row["completedByTaskRunId"])
        if snapshot["batchId"]:
            entry["completedByTaskRun"]["batch"] = _reference("batch", snapshot["batchId"])
    if row["completedAfter"] is not None:
        entry["completedAfter"] = _date(row["completedAfter"])
    if row["completedByBatchId"]:
        entry["completedByBatch"] = _reference("batch", row["completedByBatchId"])
    if row["output"] is not None:
        entry["output"] = row["output"]
    return entry


# -- comparing ---------------------------------------------------------------------------------


def differences(actual, expected):
    """Every place where the answer is not as expected, as text; none if it is. The order of different
    waitpoints is free, that of one waitpoint's entries is not, and they must be adjacent."""
    if not isinstance(actual, dict) or not isinstance(actual.get("snapshots"), list):
        return [f"no list of snapshots: {_short(actual)}"]
    found, snapshots = [], []
    for number, snapshot in enumerate(actual["snapshots"]):
        if isinstance(snapshot, dict) and isinstance(snapshot.get("completedWaitpoints"), list):
            entries, complaints = _in_order(snapshot["completedWaitpoints"])
            snapshot = {**snapshot, "completedWaitpoints": entries}
            found += [f"snapshots[{number}]: {complaint}" for complaint in complaints]
        snapshots.append(snapshot)
    actual = {**actual, "snapshots": snapshots}
    _compare(actual, expected, "answer", found)
    return found


def _in_order(entries):
    """The entries grouped by waitpoint id in the order of the ids, and what is wrong with them."""
    groups, complaints, last = {}, [], None
    for entry in entries:
        identity = str(entry.get("id")) if isinstance(entry, dict) else ""
        if identity in groups and identity != last:
            complaints.append(f"the entries of waitpoint {identity} are not adjacent")
        groups.setdefault(identity, []).append(entry)
        last = identity
    return [entry for identity in sorted(groups) for entry in groups[identity]], complaints


def _short(value):
    text = repr(value)
    return text if len(text) < 160 else f"{text[:150]}... ({len(text)} characters)"


def _compare(actual, expected, where, found):
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if key not in actual:
                found.append(f"{where}.{key} is absent, expected {_short(expected[key])}")
            elif key not in expected:
                found.append(f"{where}.{key} is {_short(actual[key])}, expected none")
            else:
                _compare(actual[key], expected[key], f"{where}.{key}", found)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            found.append(f"{where} has {len(actual)} entries, expected {len(expected)}")
        for number, (one, other) in enumerate(zip(actual, expected)):
            _compare(one, other, f"{where}[{number}]", found)
    elif type(expected) is not type(actual) and not isinstance(expected, CurrentTime) \
            or expected != actual:
        found.append(f"{where} is {_short(actual)}, expected {_short(expected)}")
