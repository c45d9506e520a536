#!/usr/bin/python3
"""Tries a host on a real primary and its standbys, and says what is wrong with it.

    make conformance HOST='COMMAND'
    tests/conformance/conformance.py [options] 'COMMAND'

COMMAND is whatever looks up rows: a program of yours, or a small one around your engine. It gets its rows on
standard input, one a line, and answers on standard output, in any order:

    in:    ROW [POSITION]
    out:   ROW VERDICT [position=POSITION] [value=VALUE] [anything]

ROW is the id of a row of the table {table}, VERDICT found, missing, failed or shed; POSITION a WAL position, in the
question one that the answer must not be behind, in the answer the server's; VALUE is the row's. What is in brackets may be
left out, and is not checked then. The words in braces stand for what the kit has prepared:

    {primary} {replica}                connection strings of libpq
    {primary_port} {replica_port}      on 127.0.0.1, database and user postgres, no password
    {ini} {section}                    a policy file for read_policy.so, and its section (read_index)
    {table} {plugin}                   the table (id text, value text), and build/read_policy.so

For example:

    build/minimal-host {plugin} {ini} {section} {replica} {primary} {table}

What happens to the host then: lag of every kind, commits of every kind, a balancer, many reads at once, positions handed
on, reads cancelled by recovery, lost connections, silent servers, servers that are down, mistaken promotions, a diverged timeline, a failover. The exit
status is 0 if nothing was wrong, 1 if something was.
"""

import argparse
import contextlib
import itertools
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import scenarios
from cluster import Cluster
from host_process import HostEnded, HostProcess, HostUnusable
from mistakes import MISTAKES
from relay import Relay
from testbed import PLUGIN, as_program, wait_for

POLICIES = """[rows]
policy = read_index
max_wait_ms = 1000
on_replica_failure = primary
"""
SCHEMA = "CREATE TABLE conformance_row (id text PRIMARY KEY, value text NOT NULL)"
INSERT = "INSERT INTO conformance_row VALUES (%(id)s, %(value)s)"
UPDATE = "UPDATE conformance_row SET value = %(value)s WHERE id = %(id)s"
SETTINGS = "log_statement = all\nwal_writer_delay = 200ms\ndeadlock_timeout = 100ms\n"
OTHER_ISOLATION = re.compile(r"\[(?!kit).*(REPEATABLE READ|SERIALIZABLE)", re.IGNORECASE)


class Kit:
    """The servers, and what the scenarios do with them."""

    failover_s = 10.0
    notice_s = 2.5  # so long a host may believe a primary that nobody has contradicted yet

    def __init__(self, command, schema=SCHEMA, insert=INSERT, update=UPDATE, limit_s=10.0, start_s=20.0):
        self.limit_s = limit_s
        self.start_s = start_s  # a host may take that long before it answers for the first time
        self.take(command, insert, update)
        self.wrongs, self.remarks = [], []  # (mistake, seen, log), text; of the scenario under way
        self._relays = []
        self.values = {}  # of the rows that were committed
        self._numbers = itertools.count(1)
        self._after = contextlib.ExitStack()
        self._directory = self._after.enter_context(tempfile.TemporaryDirectory(prefix="conformance-"))
        self._ini = os.path.join(self._directory, "read-policy.ini")
        with open(self._ini, "w", encoding="ascii") as file:
            file.write(POLICIES)
        self.cluster = self._after.enter_context(Cluster(settings=SETTINGS))
        self.writer = self.cluster.primary
        self.standby, self.other, self.third, self.promoted = self.cluster.standby, None, None, None
        self.writer.execute(schema)
        self.replication = self._relay(self.cluster.primary)
        self.standby.follow(self.replication)
        self.primary_relay = self._relay(self.cluster.primary)
        self.replica_relay = self._relay(self.standby)
        self.other_relay = self.third_relay = None

    def take(self, command, insert=INSERT, update=UPDATE):
        """From now on it is about this host, and its rows are written like this."""
        self.command, self._insert, self._update = command, insert, update

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._after.close()

    def _relay(self, server):
        relay = self._after.enter_context(Relay(server))
        self._relays.append(relay)
        return relay

    def run(self, one):
        """Runs a scenario; what it has found is in wrongs and remarks then."""
        self.wrongs, self.remarks = [], []
        try:
            one(self)
        except HostEnded as ended:
            self.wrongs.append(("ended", "it takes no more questions", str(ended)))
        except HostUnusable:
            pass
        for relay in self._relays:
            relay.pass_through()

    # -- what is said ----------------------------------------------------------------------------

    def wrong(self, mistake, seen, host):
        if not any(known == mistake for known, _, _ in self.wrongs):
            self.wrongs.append((mistake, seen, host.log()))

    def remark(self, text):
        self.remarks.append(text)

    def check_value(self, host, answer, seen):
        """A row is whose it says: its value, if it is told, is one that was written for that id."""
        if answer.value is not None and answer.value.rpartition(".")[0] != answer.row:
            self.wrong("answers-swapped", f"{seen}: asked for {answer.row}, and got {answer.value}", host)

    # -- the host --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def host(self, primary=None, replica=None, wait=True):
        """A host between these two, of Relay; the block begins when it has found a row."""
        primary, replica = primary or self.primary_relay, replica or self.replica_relay
        places = {"primary": primary.conninfo(), "replica": replica.conninfo(),
                  "primary_port": primary.port, "replica_port": replica.port, "ini": self._ini,
                  "section": "rows", "table": "conformance_row", "plugin": PLUGIN}
        self._ports = {primary.port, replica.port}
        row = self.commit() if wait else None
        with HostProcess(self.command, places) as host:
            if wait and not scenarios.wait_until(
                    lambda: host.find(row, limit_s=self.limit_s).verdict == "found", self.start_s):
                words = f"; it said {host.unexpected[0]!r}" if host.unexpected else ""
                self.wrong("no-protocol" if host.unexpected or not host.answers(row) else "not-found",
                           f"a row that both servers have is not found within {self.start_s:g} s of the"
                           f" host's start{words}", host)
                raise HostUnusable
            yield host

    def ports(self):
        return self._ports

    # -- rows ------------------------------------------------------------------------------------

    def bogus(self):
        return f"bogus-{next(self._numbers)}"

    def commit(self, asynchronous=False):
        """A new row, committed on the primary; its id."""
        row = f"row-{next(self._numbers)}"
        self.values[row] = f"{row}.1"
        self.writer.execute(f"SET synchronous_commit = {'off' if asynchronous else 'local'}")
        self.writer.execute(self._insert, {"id": row, "value": self.values[row]})
        return row

    def change(self, row):
        """Gives the row another value; the position from which on all have it."""
        self.values[row] = f"{row}.2"
        self.writer.execute("SET synchronous_commit = local")
        self.writer.execute(self._update, {"id": row, "value": self.values[row]})
        return self.writer.value("SELECT pg_current_wal_flush_lsn()")

    def is_before(self, position, other):
        return self.writer.value("SELECT %s::pg_lsn < %s::pg_lsn", (position, other))

    # -- servers ---------------------------------------------------------------------------------

    def catch_up(self, *servers):
        self.cluster.wait_caught_up(*(servers or [it for it in (self.standby, self.other) if it]))

    @contextlib.contextmanager
    def replay_paused(self, standby=None):
        """What is committed in this block is not seen on the standby before the end of it."""
        standby = standby or self.standby
        standby.pause_replay()
        try:
            yield
        finally:
            standby.resume_replay()

    def wait_received(self):
        position = self.writer.value("SELECT pg_current_wal_flush_lsn()")
        wait_for(lambda: self.standby.value("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn", (position,)),
                 "the standby to receive what was committed")

    @contextlib.contextmanager
    def replication_stalled(self):
        """What is committed in this block does not reach the standby before the end of it."""
        self.replication.stall()
        try:
            yield
        finally:
            self.replication.pass_through()

    @contextlib.contextmanager
    def default_isolation(self, level):
        self.writer.execute(f"ALTER ROLE postgres SET default_transaction_isolation = '{level}'")
        self.catch_up()
        self.disconnect()
        try:
            yield
        finally:
            self.writer.execute("ALTER ROLE postgres RESET default_transaction_isolation")
            self.catch_up()

    def disconnect(self):
        for server in (self.writer, self.standby):
            server.disconnect()

    @contextlib.contextmanager
    def slow_wal_writer(self):
        """Commits that do not wait for their WAL to be flushed: it is, after two seconds."""
        for value in ("2s", "200ms"):
            self.writer.execute(f"ALTER SYSTEM SET wal_writer_delay = '{value}'")
            self.writer.execute("SELECT pg_reload_conf()")
            if value == "2s":
                try:
                    yield
                except BaseException:
                    self.writer.execute("ALTER SYSTEM RESET wal_writer_delay")
                    raise

    def looks_for(self, row, server=None):
        """How often the replica, or that server, was asked for the row, by its log."""
        return len(re.findall(rf"\b{row}\b", (server or self.standby).log()))

    def has_own_table(self):
        """Whether the host's rows are in the kit's table, with its key."""
        return "conformance_row" in self._insert and self.writer.value(
            "SELECT to_regclass('conformance_row_pkey') IS NOT NULL")

    @staticmethod
    def holds(relay):
        return scenarios.wait_until(lambda: relay.holds, 2.0)

    def saw_other_isolation(self):
        """Whether anybody has asked a server for another isolation level, by the servers' logs."""
        return any(OTHER_ISOLATION.search(line) or "ISOLATION LEVEL REPEATABLE READ" in line.upper()
                   for server in (self.standby, self.cluster.primary) for line in server.log().splitlines())

    def add_other(self):
        """A second standby."""
        self.other = self.cluster.add_standby("other")
        self.other_relay = self._relay(self.other)

    def promote_other(self):
        """The second standby, which a third one follows, is a primary of its own, and writes more than the first
        one does."""
        self.third = self.cluster.add_standby("third", self.other)
        self.third_relay = self._relay(self.third)
        self.other.promote()
        other, self.other, self.promoted = self.other, None, self.other
        self.cluster.standbys = [self.standby]
        self.cluster._former += [other, self.third]
        other.execute("CREATE TABLE elsewhere AS SELECT i, repeat('x', 500) AS x FROM generate_series(1, 20000) i")
        end = other.value("SELECT pg_current_wal_flush_lsn()")
        wait_for(lambda: self.third.has_replayed(end), "the third standby to follow onto the new timeline", 60)

    @contextlib.contextmanager
    def elsewhere(self):
        """In this block rows are written to the standby that was promoted by mistake."""
        writer, self.writer = self.writer, self.promoted
        try:
            yield
        finally:
            self.writer = writer

    def fail_over(self):
        """The primary dies, and the first standby takes its place; its address is still the replica's."""
        self.catch_up()
        self.cluster.primary.stop("immediate")
        self._old = self.cluster.fail_over(self.standby)
        self.writer = self.cluster.primary

    def bring_old_primary_back(self):
        self._old.start()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="the host; one word, quoted")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="one scenario (may be given several times); --list names them")
    parser.add_argument("--list", action="store_true", help="the scenarios, and the mistakes that they tell")
    parser.add_argument("--schema", metavar="FILE", help="SQL for the table, in place of the kit's own")
    parser.add_argument("--insert", metavar="SQL", default=INSERT, help="adds a row: %%(id)s, %%(value)s")
    parser.add_argument("--update", metavar="SQL", default=UPDATE, help="changes its value")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=10.0,
                        help="how long a read may take, whatever the servers do (10)")
    arguments = parser.parse_args()
    known = [it.name for it in scenarios.SCENARIOS]
    unknown = [name for name in arguments.only if name not in known]
    if unknown:
        parser.error(f"no scenario {unknown[0]}; there are {', '.join(known)}")
    if not arguments.command and not arguments.list:
        parser.error("which host? Its command, in one word; see --help")
    return arguments


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


NEED_THIRD = (scenarios.other_timeline, scenarios.moved_address)
NEED_OTHER = (scenarios.balancer, scenarios.promoted, *NEED_THIRD)


def try_host(command, only=(), say=print, **settings):
    """Runs the scenarios; returns the mistakes that were seen, by their names, in that order."""
    chosen = [it for it in scenarios.SCENARIOS if not only or it.name in only]
    found = []
    with Kit(command, **settings) as kit:
        for one in chosen:
            if one in NEED_OTHER and kit.other is None and kit.third is None:
                kit.add_other()
            if one in NEED_THIRD and kit.third is None:
                kit.promote_other()
            kit.run(one)
            tell(one, kit, found, say)
            found += [mistake for mistake, _, _ in kit.wrongs if mistake not in found]
            if {"no-protocol", "not-found", "ended"} & set(found):
                say("      The rest is not tried: the host must work while all is well.")
                break
    return found


def tell(one, kit, found, say):
    """What came of a scenario. A mistake is explained once."""
    say(f"{'WRONG' if kit.wrongs else 'ok':6}{one.title}")
    for mistake, seen, log in kit.wrongs:
        say(f"      {mistake}: {seen}.")
        if found and mistake not in found:
            say(f"      (This may come of {' or '.join(found)}, above.)")
        if mistake not in found:
            say(f"      It looks like this: {MISTAKES[mistake]}")
            if log:
                say("      The host's log ends with:\n" + "\n".join(f"        | {line}" for line in log.splitlines()))
    for text in kit.remarks:
        say(f"      Note: {text}.")


def main():
    arguments = parse_arguments()
    if arguments.list:
        for one in scenarios.SCENARIOS:
            print(f"{one.name:22}{one.title}")
        print()
        for mistake, text in MISTAKES.items():
            print(f"{mistake:22}{text}")
        return 0
    settings = {"schema": read(arguments.schema)} if arguments.schema else {}
    found = try_host(arguments.command, arguments.only, insert=arguments.insert, update=arguments.update,
                     limit_s=arguments.limit, **settings)
    print(f"\n{len(found)} mistakes: {', '.join(found)}" if found else "\nNothing wrong was seen.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    as_program(main)
