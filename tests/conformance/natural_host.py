#!/usr/bin/python3
"""What one writes by hand when there is a replica and no read_policy.so: one pair of connections, psycopg2, the replica
first, and after a miss its replay position against the primary's. For the conformance kit to be tried on: with a
mistake of its checklist as the fourth argument it makes that one; without, none.

    natural_host.py REPLICA PRIMARY TABLE [MISTAKE]
"""

import os
import select
import sys
import time

import psycopg2
from psycopg2 import extensions

REPLICA, PRIMARY = range(2)
MAX_WAIT_S, LIMIT_S, POLL_S = 1.0, 2.0, 0.01
INSERTED = ("SELECT pg_current_wal_insert_lsn(), ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))"
            "::bit(32)::int")
REACHED = "pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %(position)s::pg_lsn"
# On its timeline at least, by the control file, and at most, by the receiver.
ON_TIMELINE = (" AND (SELECT min_recovery_end_timeline FROM pg_control_recovery()) = %(timeline)s"
               " AND (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming') = %(timeline)s")


class Failed(Exception):
    """Nothing is known of the row."""


class TimedOut(Failed):
    """Because a server was silent."""


class Host:
    def __init__(self, replica, primary, table, mistake):
        self.conninfo = (replica, primary)
        self.table, self.mistake = table, mistake
        self.connections = {}
        self.kept = None
        self.first_value = None
        self.given_up = None
        self.given_up_for_good = False

    def connection(self, server, purpose="read"):
        if self.mistake != "other-connection" or server == PRIMARY:
            purpose = "read"
        known = self.connections.get((server, purpose))
        if known is None or known.closed:
            known = psycopg2.connect(self.conninfo[server], connect_timeout=2)
            if self.mistake != "default-isolation":
                known.set_session(isolation_level="REPEATABLE READ" if self.mistake == "old-snapshot"
                                  else "READ COMMITTED")
            self.connections[server, purpose] = known
        return known

    def ask(self, server, statement, values=None, purpose="read"):
        try:
            with self.connection(server, purpose).cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchone()
        except psycopg2.Error as error:
            if self.mistake != "aborted-session":
                self.connections.pop((server, purpose), None)
            raise (TimedOut if "in time" in str(error) else Failed)(str(error)) from None

    def end_transaction(self, server):
        for (other, _), connection in self.connections.items():
            if other == server and not connection.closed and not self.is_left(connection):
                connection.rollback()

    def is_left(self, connection):
        return (self.mistake == "aborted-session"
                and connection.info.transaction_status == extensions.TRANSACTION_STATUS_INERROR)

    def end_wait(self, server):
        """As frameworks with a transaction for each request do not."""
        if self.mistake not in ("old-snapshot", "default-isolation"):
            self.end_transaction(server)

    def read(self, server):
        # For a server that was promoted meanwhile; the primary has no row by it.
        guard = " AND pg_is_in_recovery()" if self.mistake == "guard-everywhere" else ""
        row = self.ask(server, f"SELECT pg_is_in_recovery(), (SELECT value FROM {self.table} WHERE id = %s{guard})",
                       (self.row,))
        in_recovery, value = row
        if self.mistake != "promoted-replica" and in_recovery != (server == REPLICA):
            self.given_up_for_good = self.mistake == "never-again"
            raise Failed("the server has another role")
        return value

    def locate(self):
        """Where the primary is, and on which timeline."""
        if self.mistake == "locate-kept" and self.kept:
            return self.kept
        statement = INSERTED.replace("insert_lsn", "flush_lsn") if self.mistake == "flushed-not-inserted" else INSERTED
        try:
            position, timeline = self.ask(PRIMARY, statement)
        except Failed:
            if self.mistake == "kept-when-down" and self.kept:
                return self.kept
            raise
        self.end_transaction(PRIMARY)
        self.kept = {"position": position, "timeline": timeline}
        return self.kept

    def has_reached(self, located):
        question = REACHED if self.mistake in ("other-timeline", "promoted-replica") else REACHED + ON_TIMELINE
        if self.mistake == "received-not-replayed":
            question = question.replace("replay_lsn", "receive_lsn")
        if self.mistake == "promoted-replica":
            question = question.replace("pg_is_in_recovery() AND pg_last_wal_replay_lsn()",
                                        "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
                                        " ELSE pg_current_wal_insert_lsn() END")
        return self.ask(REPLICA, f"SELECT {question}", located, "question")[0]

    def find(self, row, floor):
        """The row's value, or None: it is not there."""
        self.row = row
        if self.given_up_for_good:
            raise Failed("nobody has asked since")
        if floor and self.mistake != "floor-ignored":
            return self.read(PRIMARY)
        value = self.read(REPLICA)
        if value is not None:
            return value
        self.end_wait(REPLICA)
        located, end = self.locate(), time.monotonic() + MAX_WAIT_S
        while True:
            if self.mistake == "position-after":
                value, reached = self.read(REPLICA), self.has_reached(located)
            else:
                reached, value = self.has_reached(located), self.read(REPLICA)
            if value is not None or reached:
                return value
            if time.monotonic() > end:
                return None if self.mistake == "unproven" else self.read_primary(located)
            self.end_wait(REPLICA)
            time.sleep(POLL_S)

    def read_primary(self, located):
        """What the primary says, unless the replica follows another server: its address may have moved, and
        connections that were never closed lead to the old one."""
        timeline, = self.ask(REPLICA, "SELECT greatest((SELECT min_recovery_end_timeline FROM pg_control_recovery()),"
                             " (SELECT received_tli FROM pg_stat_wal_receiver))", purpose="question")
        if timeline > located["timeline"] and self.mistake != "stale-primary":
            self.connections.pop((PRIMARY, "read")).close()
            raise Failed("the replica follows another server than the primary")
        return self.read(PRIMARY)

    def spoilt(self, value):
        """What some of the mistakes make of it."""
        if value is None and self.mistake == "no-proof":
            raise Failed("nobody knows")
        if value is None and self.mistake == "made-up":
            return f"{self.row}.1"
        if value and self.mistake == "late-answer" and self.given_up:
            value, self.given_up = f"{self.given_up}.1", None
        if self.mistake == "answers-swapped":
            self.first_value = self.first_value or value
            return value and self.first_value
        return value

    def answer(self, row, floor=None):
        try:
            value = self.spoilt(self.find(row, floor))
            said = f"{row} missing" if value is None else f"{row} found value={value}"
            said += " position=0/1" if self.mistake == "position-too-old" else ""
        except (Failed, psycopg2.Error) as error:
            print(error, file=sys.stderr)
            self.given_up = row if isinstance(error, TimedOut) else None
            is_missing = self.mistake == "error-as-missing" or (
                self.mistake == "timeout-as-missing" and isinstance(error, TimedOut))
            said = f"{row} {'missing' if is_missing else 'failed'}"
        for server in (REPLICA, PRIMARY):
            try:
                self.end_transaction(server)
            except psycopg2.Error:
                pass
        print(said, flush=True)


def wait_in_time(connection):
    """psycopg2 calls this to wait; what it raises closes the connection."""
    end = time.monotonic() + LIMIT_S
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, end - time.monotonic())
        reading = [connection.fileno()] if state == extensions.POLL_READ else []
        writing = [connection.fileno()] if state == extensions.POLL_WRITE else []
        if not any(select.select(reading, writing, [], left)):
            raise psycopg2.OperationalError("no answer in time")


def main():
    replica, primary, table, mistake = (sys.argv[1:] + [None])[:4]
    if mistake != "no-limit":
        extensions.set_wait_callback(wait_in_time)
    host = Host(replica, primary, table, mistake)
    children = []
    while line := sys.stdin.readline():
        if mistake != "forked" or not host.connections:
            host.answer(*line.split())
            continue
        child = os.fork()
        if child == 0:
            host.answer(*line.split())
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
