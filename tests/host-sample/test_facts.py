#!/usr/bin/python3
"""What servers say of themselves decides what an answer proves: mistaken promotions, restored volumes,
other systems, roles without rights, deposed primaries, commits of every kind, on real servers.

In each test rows are acknowledged by the one true primary while the host is asked for them. An honest
error may be right; a 404 for such a row never is.
"""

import collections
import concurrent.futures
import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
import unittest

import psycopg2

from fact_case import ALWAYS, READ_INDEX, TO_PRIMARY, Facts, Named
from host import run_host
from relay import Relay, RoundRobin
from testbed import wait_for

KEPT = "archive_mode = on\narchive_command = 'cp %p {directory}/%f'\n" \
    "restore_command = 'cp {directory}/%f %p'\nmax_prepared_transactions = 10\n"
RIGHTS = ("pg_control_system()", "pg_control_checkpoint()", "pg_control_recovery()")


class MistakenPromotion(Facts):
    """A standby is promoted while the primary goes on; a third server follows the one or the other."""

    def setUp(self):
        self.servers = self.cluster("heir")
        self.primary, self.heir = self.servers.primary, self.servers.standby
        self.primary.execute("CREATE ROLE plain LOGIN")
        self.primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")

    def promote(self):
        self.heir.promote()
        self.go_ahead(self.heir)

    def test_replica_behind_it(self):
        third = self.servers.add_standby("third", self.heir)
        self.servers.wait_caught_up()
        host = self.host(self.primary, [third], policy=TO_PRIMARY)
        plain = self.host(Named(self.primary, "plain"), [Named(third, "plain")], policy=TO_PRIMARY)
        strict = self.host(self.primary, [third], policy=READ_INDEX)
        self.wait_proven(host)
        self.assert_error(self.made_up(plain), 404, "primary")
        granted = [line for line in plain.log if "GRANT pg_monitor" in line.text
                   and line.fields["server"] == "replica"]
        self.assertEqual([line.level for line in granted], ["WARN"])
        self.promote()
        for each in (host, plain):
            self.assertEqual(set(self.ask(each, self.primary, 30)), {(200, "primary")})
        self.assert_no_404(self.ask(strict, self.primary))
        self.wait_out(host, "replica", "above the primary's")
        self.wait_out(plain, "replica", "replayed more than the primary has written")
        line = host.wait_for_log(lambda one: "split" in one.text, "the split")
        self.assertEqual(line.level, "ERROR")
        self.assertEqual(host.metrics().value("snapshot_host_split"), 1)
        self.assert_error(self.made_up(host), 503)

    def test_heir_that_restarts(self):
        """The replica has nobody to stream from meanwhile. The one that it has followed is the newer one all
        the same."""
        third = self.servers.add_standby("third", self.heir)
        self.servers.wait_caught_up()
        hosts = [self.host(self.primary, [third], policy=policy) for policy in (TO_PRIMARY, ALWAYS)]
        self.promote()
        for host in hosts:
            self.wait_out(host, "replica", "above the primary's")
        third.pause_replay()
        rows = [self.acknowledged(self.heir) for _ in range(5)]
        self.heir.stop()
        wait_for(lambda: not third.execute("SELECT FROM pg_stat_wal_receiver"), "its receiver to end")
        until = time.monotonic() + 2.5  # everybody is asked more than once
        while time.monotonic() < until:
            for host in hosts:
                self.assertEqual({host.lookup(*row).status for row in rows}, {503})
        self.heir.start()
        third.resume_replay()
        for host in hosts:
            self.assertEqual(host.metrics().value("snapshot_host_split"), 1)
            self.assertFalse([line for line in host.log if "the split is over" in line.text])

    def test_deposed_primary_goes_on(self):
        """The cluster has moved to the heir; the old primary is not fenced, and the host's connections to
        it are never closed."""
        third = self.servers.add_standby("third")
        self.servers.wait_caught_up()
        with Relay(self.primary) as address:
            moved = self.host(address, [third], policy=TO_PRIMARY)
            fixed = self.host(self.primary, [self.heir], policy=TO_PRIMARY)
            self.assertEqual(set(self.ask(moved, self.primary, 5)) -
                             {(200, "replica"), (200, "replica_retry")}, set())
            run, since = self.acknowledged(self.primary)
            self.servers.wait_caught_up()
            self.promote()
            address.lead_new_ones_to(self.heir)
            third.follow(self.heir)
            wait_for(lambda: third.value("SELECT coalesce(max(received_tli), 0)"
                                         " FROM pg_stat_wal_receiver") == 2, "it to follow the heir")
            third.pause_replay()
            self.assert_no_404(self.ask(moved, self.heir))
            answers = self.ask(fixed, self.heir)
            self.assertEqual(set(answers), {(503, None)}, "what the configured primary lacks")
            self.assertEqual(fixed.lookup(run, since).status, 200, "found counts all the same")
            self.wait_out(fixed, "replica", "expected to be a replica")
            moved.wait_for_log(lambda line: "the split is over" in line.text, "the address to be dialled")
            third.resume_replay()
            self.assertEqual({status for status, _ in self.ask(moved, self.heir)}, {200})
            if self.servers.major < 19:  # no standby tells what it has replayed before a restart point
                self.assert_error(self.made_up(moved), 404, "primary")
                self.heir.execute("CHECKPOINT")
            self.wait_proven(moved, lambda: third.execute("CHECKPOINT"))

    def test_one_connection_to_the_deposed_primary_is_left(self):
        """The address has moved to the heir, and so has the other connection, which was lost. Both are busy,
        and so each is heard by turns."""
        self.let_one_connection_lead_to_the_heir("DESC", 9)

    def test_one_connection_to_the_heir_is_enough(self):
        """The same, where one connection would do for all, and it is the one to the deposed primary."""
        self.let_one_connection_lead_to_the_heir("ASC", 1)

    def let_one_connection_lead_to_the_heir(self, order, at_once):
        with Relay(self.primary) as address:
            host = self.host(policy={"policy": "primary_only"}, settings={
                "server.a": {"conninfo": Named(address, "plain").conninfo(), "links": 2}})
            links = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'plain'"
            wait_for(lambda: self.primary.value(links) == 2, "both links")
            self.servers.wait_caught_up()
            self.promote()
            address.lead_new_ones_to(self.heir)
            self.made_up(host)
            self.primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                 f" WHERE usename = 'plain' ORDER BY state_change {order} LIMIT 1")
            wait_for(lambda: self.heir.value(links) == 1, "the other link")
            rows = [self.acknowledged(self.heir) for _ in range(at_once)]

            def ask():
                return {each.result().status for each in [host.begin_lookup(*row) for row in rows]}

            host.wait_for_log(lambda line: "is the primary (timeline 2)" in line.text, "the heir to be heard")
            for _ in range(50):
                self.assertLessEqual(ask(), {200, 503})
            wait_for(lambda: ask() == {200} and self.primary.value(links) == 0, "both to lead to the heir",
                     timeout_s=60)

    def test_an_heir_that_only_some_threads_reach(self):
        self.let_few_threads_reach_the_heir()

    def test_such_an_heir_of_a_system_that_nobody_may_see(self):
        self.primary.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
        self.let_few_threads_reach_the_heir()

    def let_few_threads_reach_the_heir(self):
        """It has too few connections to give. The other threads hear of it from those that have one, or the
        old primary, which is not fenced, would be theirs for good."""
        def on_all_threads(row):
            """Statuses, by new connections, of which each of the threads has some."""
            together = threading.Barrier(40)

            def ask(_):
                together.wait()  # or one of the pool's, and its connection, would do for several
                return host.lookup(*row, headers={"connection": "close"}).status

            with concurrent.futures.ThreadPoolExecutor(together.parties) as pool:
                return set(pool.map(ask, range(together.parties)))

        def links_up():
            return host.metrics().value("snapshot_host_links_up", server="server.b")

        host = self.host(policy=TO_PRIMARY, settings={
            "listen": {"address": "127.0.0.1", "threads": 4},
            **{f"server.{name}": {"conninfo": Named(server, "plain").conninfo(), "links": 1}
               for name, server in zip("ab", (self.primary, self.heir))}})
        wait_for(lambda: links_up() == 4, "all links")
        self.primary.execute("ALTER ROLE plain CONNECTION LIMIT 2")
        self.servers.wait_caught_up()
        self.heir.end_clients()
        wait_for(lambda: links_up() == 2, "two links")
        host.wait_for_log(lambda line: "too many connections" in line.text, "the others to be refused")
        self.promote()
        self.primary.execute("ALTER ROLE plain CONNECTION LIMIT -1")  # a link that is lost comes back
        row = self.acknowledged(self.heir)
        wait_for(lambda: 404 not in on_all_threads(row), "all threads to know")
        self.assertNotIn(404, on_all_threads(self.acknowledged(self.heir)))
        # The promotion was a mistake: its traces are gone from all threads with a reload.
        self.heir.stop("immediate")
        host.reload()
        made_up = self.history.new_id(), self.history.new_id()
        wait_for(lambda: on_all_threads(made_up) == {404}, "the old primary to be the primary again")
        self.assertEqual(on_all_threads(self.acknowledged(self.primary)), {200})

    def test_configured_replica_is_the_primary(self):
        """However it is called, the writer gets at most the budget's reads."""
        with Relay(self.primary) as address:
            policy = {**TO_PRIMARY, "primary_budget_per_s": 20}
            host = self.host(address, [self.heir], policy=policy)
            self.primary.kill9()
            self.heir.promote()
            address.lead_to(self.heir)
            wait_for(lambda: self.made_up(host).status == 404, "the new primary to be known")
            self.wait_out(host, "replica", "out of recovery")
            wait_for(lambda: self.made_up(host).status == 429, "the budget to be used up")
            replica_reads = self.reads(host, "replica")
            begun = time.monotonic()
            statuses = collections.Counter(self.made_up(host).status for _ in range(500))
            self.assertLessEqual(statuses[404], 20 * (time.monotonic() - begun) + 2)
            self.assertEqual(set(statuses), {404, 429})
            self.assertEqual(self.reads(host, "replica"), replica_reads)


class OtherHistories(Facts):
    def test_restored_volume(self):
        """The primary comes back from an older copy; its standby is ahead."""
        servers = self.cluster("standby")
        primary = servers.primary
        primary.stop()
        copy = primary.data + ".copy"
        servers.copy(primary.data, copy)
        primary.start()
        self.go_ahead(primary, 4)
        servers.wait_caught_up()
        host = self.host(primary, [servers.standby], policy=TO_PRIMARY)
        self.wait_proven(host)
        primary.kill9()
        shutil.rmtree(primary.data)
        os.rename(copy, primary.data)
        primary.start()
        host.wait_for_links("primary")
        wait_for(lambda: self.ask(host, primary, 1) == {(200, "primary"): 1}, "the primary to be asked")
        self.assertEqual(set(self.ask(host, primary, 30)), {(200, "primary")})
        line = self.wait_out(host, "replica", "replayed more than the primary has written")
        self.assertEqual(line.level, "WARN")
        lag = host.metrics().value("snapshot_host_replica_lag_bytes", server="replica")
        self.assertNotEqual(lag, lag, "the lag of no replica is a number")
        self.assert_error(self.made_up(host), 404, "primary")

    def test_replay_past_the_fork(self):
        """A standby whose replay was late has received WAL of the old primary that the new one lacks."""
        servers = self.cluster("heir", "late", settings=KEPT)
        primary, heir, late = servers.primary, *servers.standbys
        with Relay(primary) as to_heir, Relay(primary) as to_late, Relay(primary) as address:
            heir.follow(to_heir)
            late.follow(to_late)
            primary.execute("SELECT pg_switch_wal()")
            servers.wait_caught_up()
            late.execute("CHECKPOINT")
            late.pause_replay()
            servers.commit_something()
            primary.execute("SELECT pg_switch_wal()")
            servers.wait_caught_up(heir)
            to_heir.refuse()
            to_heir.cut()
            wait_for(lambda: not heir.execute("SELECT FROM pg_stat_wal_receiver WHERE status ="
                                              " 'streaming'"), "the heir to be cut off")
            self.go_ahead(primary)
            end = primary.value("SELECT pg_current_wal_flush_lsn()")
            wait_for(lambda: late.value("SELECT pg_last_wal_receive_lsn() >= %s::pg_lsn", (end,)),
                     "the late one to receive it")
            primary.kill9()
            heir.promote()
            wait_for(lambda: os.path.exists(servers.directory + "/00000002.history"), "the history")
            to_late.lead_to(heir)
            late.resume_replay()
            address.lead_to(heir)
            wait_for(lambda: late.has_replayed(end), "it to replay past the fork")
            self.assertLess(self.ask_lag(late, heir), 0)
            host = self.host(address, [late], policy=TO_PRIMARY)
            self.assertEqual(set(self.ask(host, heir)), {(200, "primary")})
            self.wait_out(host, "replica", "")
            # The new primary is ahead of it some day: it is no replica for that.
            self.go_ahead(heir, 3)
            # Nobody waits long for a standby that comes no further.
            again = self.host(address, [late], policy={**TO_PRIMARY, "max_wait_ms": 50})
            for each in (host, again):
                self.assertEqual(set(self.ask(each, heir)), {(200, "primary")})

    @staticmethod
    def ask_lag(standby, primary):
        """How much the standby is behind, in bytes."""
        return int(standby.value("SELECT %s::pg_lsn - pg_last_wal_replay_lsn()",
                                 (Facts.position(primary),)))

    def hide(self, primary):
        primary.execute("CREATE ROLE plain LOGIN")
        primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        for function in RIGHTS:
            primary.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")

    def test_replica_of_another_system(self):
        """Whether the role may see that or not, and whichever is ahead."""
        others = self.cluster("standby")
        servers = self.cluster()
        for each in (others.primary, servers.primary):
            self.hide(each)
        self.go_ahead(others.primary)
        others.wait_caught_up()
        for user, words in (("plain", "replayed more"), ("postgres", "another system")):
            host = self.host(Named(servers.primary, user), [Named(others.standby, user)],
                             policy=TO_PRIMARY)
            self.assertEqual(set(self.ask(host, servers.primary, 30)), {(200, "primary")})
            self.wait_out(host, "replica", words)
            self.assertEqual(host.counters().get("proven_absent", 0), 0)
        self.go_ahead(servers.primary, 3)
        host = self.host(Named(servers.primary, "plain"), [Named(others.standby, "plain")],
                         policy=TO_PRIMARY)
        self.assertEqual(set(self.ask(host, servers.primary, 30)), {(200, "primary")})
        host.wait_for_log(lambda line: line.level == "WARN" and "pg_control_system()" in line.text,
                          "the grants that are missing")


class Catalogs(Facts):
    def test_a_partition_that_is_attached(self):
        """A read may follow others in its transaction, whose session has all its locks and hears of nothing
        new in the catalogs. What was replayed before its question is there for it all the same."""
        servers = self.cluster("standby")
        primary, standby = servers.primary, servers.standby
        for statement in ("CREATE TABLE whole (n int) PARTITION BY LIST (n)",
                          "CREATE TABLE first PARTITION OF whole FOR VALUES IN (0)",
                          "ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()"):
            (standby if "SYSTEM" in statement or "reload" in statement else primary).execute(statement)
        host = self.host(primary, [standby], policy=ALWAYS)
        self.wait_current(host)

        def questions():
            texts = re.findall(r"execute question_\w+: (SELECT 'rp1 .*)", standby.log())
            return {"replay_timestamp" in text: text for text in texts}

        wait_for(lambda: len(questions()) == 2, "both kinds of questions, short and full")
        for number, text in enumerate(questions().values(), start=1):
            with psycopg2.connect(standby.conninfo()) as reader, reader.cursor() as cursor:
                cursor.execute("PREPARE read AS SELECT count(*) FROM whole")
                cursor.execute("PREPARE question AS " + text)
                for statement in ("EXECUTE read", "EXECUTE question"):  # a new session has all to learn
                    cursor.execute(statement)
                reader.commit()
                cursor.execute("EXECUTE read")
                primary.execute(f"CREATE TABLE p{number} AS SELECT {number} AS n")
                primary.execute(f"ALTER TABLE whole ATTACH PARTITION p{number} FOR VALUES IN ({number})")
                servers.wait_caught_up()
                cursor.execute("EXECUTE question")
                self.assertRegex(cursor.fetchone()[0], "^rp1 .* c r ")
                cursor.execute("EXECUTE read")
                self.assertEqual(cursor.fetchone()[0], number, text)
            reader.close()

    def wait_current(self, host):
        wait_for(lambda: self.made_up(host).served_by == "replica", "current answers of the replica")


class OtherDatabases(Facts):
    def test_servers_that_are_read_in_different_ones(self):
        """Nothing else tells them apart: one system, one timeline, one position. No row that one of them
        lacks is absent, whoever is wrong; found is found, and all is well once they are the same."""
        servers = self.cluster("standby")
        servers.primary.execute("CREATE DATABASE other TEMPLATE postgres")
        rows = [self.acknowledged(servers.primary) for _ in range(5)]
        servers.wait_caught_up()
        for of_primary, of_standby in (("postgres", "other"), ("other", "postgres")):
            settings = {"server.a": {"conninfo": servers.primary.conninfo(dbname=of_primary)},
                        "server.b": {"conninfo": servers.standby.conninfo(dbname=of_standby)}}
            host = self.host(policy=TO_PRIMARY, settings=settings)
            self.wait_out(host, "server.b", "another database")
            for row in rows:
                self.assertEqual(host.lookup(*row).status, 200 if of_primary == "postgres" else 503)
            self.assertEqual(self.made_up(host).status, 503)
            if of_primary == "postgres":
                checked = run_host("-t", "--connect", "-c", host.config_path)
                self.assertEqual(checked.returncode, 1, checked)
                self.assertIn("all connection strings must name the same one", checked.stdout)
            for name in ("server.a", "server.b"):
                settings[name]["conninfo"] = settings[name]["conninfo"].replace("=other", "=postgres")
            host.reload(settings={**host.settings, **settings})
            self.wait_proven(host)
            self.assertEqual(host.lookup(*rows[0]).status, 200)

    @staticmethod
    def rename_without_clients(primary, before, after):
        """Clients that are faster to come again than this is have to go once more."""
        while True:
            primary.end_clients()
            with contextlib.suppress(psycopg2.errors.ObjectInUse):
                return primary.execute(f"ALTER DATABASE {before} RENAME TO {after}")

    def test_a_name_that_moves_to_another_one(self):
        """As after a restore beside the old database. The primary lets no session stay in one that is
        renamed; a standby does, and its sessions go on to read what nobody writes any more."""
        servers = self.cluster("standby")
        servers.primary.execute("CREATE DATABASE app TEMPLATE postgres")
        servers.primary.execute("CREATE DATABASE restored TEMPLATE postgres")
        servers.wait_caught_up()
        app = InDatabase(servers.primary, "app")
        for policy in (TO_PRIMARY, ALWAYS):
            host = self.host(app, [InDatabase(servers.standby, "app")], policy=policy)
            self.ask(host, app)
            self.wait_proven_by_any(host)
            if policy is ALWAYS:  # it will not hear of the move for a while; nor can it be in doubt
                servers.standby.pause_replay()
            self.rename_without_clients(servers.primary, "app", "old")
            for before, after in (("restored", "app"), ("old", "restored")):
                servers.primary.execute(f"ALTER DATABASE {before} RENAME TO {after}")
            self.assert_no_404(self.ask(host, app, 50))
            if policy is ALWAYS:
                wait_for(lambda: self.made_up(host).status == 404, "the primary's word to count")
                self.wait_out(host, "replica", "another database")
                servers.standby.resume_replay()
            self.wait_proven_by_any(host)
            self.assertIn((200, "replica"), self.ask(host, app))
            host.stop()

    def wait_proven_by_any(self, host):
        """Whichever the policy: a current read proves it without a second one."""
        wait_for(lambda: self.made_up(host).served_by in ("replica", "replica_retry"),
                 "absence to be proven", every_s=0.05)


class InDatabase:
    """A server, reached in this database."""

    def __init__(self, server, name):
        self._server, self._name = server, name

    def conninfo(self, **more):
        return self._server.conninfo(**{**more, "dbname": self._name})

    def connect(self):
        return psycopg2.connect(self.conninfo())


OTHER_ICU = """
void NAME(const void *collator, unsigned char version[4]);
void NAME(const void *collator, unsigned char version[4]) {
    (void)collator;
    version[0] = 250;
    version[1] = version[2] = version[3] = 0;
}
"""


class OtherCollation(Facts):
    """The standby's operating system has another version of ICU, which says so; it sorts as before."""

    def library(self, servers):
        """For a server to load before its own: of ICU the function that tells the version."""
        symbols = subprocess.run(["nm", "-D", servers.bin + "/postgres"], capture_output=True, text=True,
                                 check=True).stdout
        name = re.search(r"ucol_getVersion\w*", symbols)[0]
        path = servers.directory + "/other_icu.so"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-DNAME=" + name, "-x", "c", "-",
                        "-o", path], input=OTHER_ICU, text=True, check=True)
        os.chmod(path, 0o755)
        return path

    def test_a_standby_that_sorts_otherwise(self):
        servers = self.cluster("standby")
        if servers.major < 15:
            self.skipTest("before PostgreSQL 15 a database does not know the version of its collation")
        standby = servers.standby
        host = self.host(servers.primary, [standby], policy=READ_INDEX)
        self.wait_proven(host)
        standby.stop()
        standby.environment = {"LD_PRELOAD": self.library(servers)}
        standby.start()
        line = host.wait_for_log(lambda one: "sorts text by another version" in one.text, "the order")
        self.assertEqual((line.level, line.fields["server"]), ("WARN", "replica"))
        proven = host.counters().get("proven_absent", 0)
        self.assertEqual({status for status, _ in self.ask(host, servers.primary)}, {200})
        self.assert_error(self.made_up(host), 404, "primary")
        self.assertEqual(host.counters().get("proven_absent", 0), proven)
        standby.stop()
        standby.environment = {}
        standby.start()
        self.wait_proven(host)


class Commits(Facts):
    """However a row is committed, it is found once that is acknowledged, under the defaults."""

    def setUp(self):
        self.servers = self.cluster("standby", "second", settings=KEPT)

    def commits(self):
        """Functions that commit a row and give (run, snapshot), by name."""
        connection = psycopg2.connect(self.servers.primary.conninfo())
        self.addCleanup(connection.close)

        def insert(cursor):
            run, snapshot = self.history.new_run(), self.history.new_id()
            cursor.execute('INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus", description,'
                           ' "runId", "runStatus", "environmentId") VALUES (%s, \'EXECUTING\', \'\', %s,'
                           " 'EXECUTING', 'e')", (snapshot, run))
            return run, snapshot

        def by_level(level):
            def commit():
                with connection, connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL synchronous_commit = {level}")
                    return insert(cursor)
            return commit

        def prepared():
            name = self.history.new_id()
            with connection, connection.cursor() as cursor:
                row = insert(cursor)
                cursor.execute(f"PREPARE TRANSACTION '{name}'")
            self.servers.primary.execute(f"COMMIT PREPARED '{name}'")
            return row

        def many_subtransactions():
            with connection, connection.cursor() as cursor:
                for number in range(70):
                    cursor.execute(f"SAVEPOINT s{number}")
                    insert(cursor)
                return insert(cursor)

        levels = ("off", "local", "remote_write", "on", "remote_apply")
        return {**{level: by_level(level) for level in levels}, "prepared": prepared,
                "subtransactions": many_subtransactions}

    def test_every_kind(self):
        hosts = [self.host(self.servers.primary, self.servers.standbys[:1], policy=policy)
                 for policy in ({"policy": "read_index", "max_wait_ms": 2000},
                                {"policy": "read_index", "when": "always", "max_wait_ms": 2000})]
        for name, commit in self.commits().items():
            for host in hosts:
                with self.subTest(commit=name):
                    answers = [host.lookup(*commit()) for _ in range(15)]
                    self.assertEqual({answer.status for answer in answers}, {200})
        for host in hosts:
            self.assertEqual(self.reads(host, "primary"), 0)

    def insert_position(self):
        return int(self.servers.primary.value("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def is_behind_page_header(self):
        return self.insert_position() % 8192 in (24, 40)

    def fill_a_page(self):
        """The last record ends where a page does."""
        def emit(length):
            self.servers.primary.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', %s))",
                                         (length,))

        def length_of(length):
            begun = self.insert_position()
            emit(length)
            return self.insert_position() - begun

        # The least: a page's header, or what the server writes of its own, may come between.
        overhead = min(length_of(1000) for _ in range(5)) - 1000
        for _ in range(1000):
            room = 8192 - self.insert_position() % 8192
            emit(min(3000, room - overhead) if room > overhead else 500)
            if self.is_behind_page_header():
                return
        self.fail("no record ended where a page does")

    def test_position_behind_a_page_header(self):
        """An idle primary whose insert position is just past a page's header never writes up to it."""
        self.servers.primary.execute("CHECKPOINT")
        for more in ({}, {"when": "always"}):
            policy = {"policy": "read_index", "max_wait_ms": 3000, **more}
            host = self.host(self.servers.primary, self.servers.standbys[:1], policy=policy)
            for _ in range(20):  # servers write a little of their own now and then
                self.fill_a_page()
                answer = self.made_up(host)
                if self.is_behind_page_header():
                    break
            self.assertTrue(self.is_behind_page_header())
            self.assertEqual(answer.status, 404, (answer, host.log[-20:]))
            self.assertNotEqual(answer.served_by, "primary")
            self.assertLess(answer.milliseconds, 2900)

    def test_callers_position(self):
        """No answer is behind a position that the caller brings, under any policy."""
        primary, standby = self.servers.primary, self.servers.standby
        run, since = self.acknowledged(primary)
        self.servers.wait_caught_up()
        standby.pause_replay()
        newer = self.history.snapshot(run)["id"]
        self.history.write(primary)
        floor = str(primary.value("SELECT pg_current_wal_flush_lsn()"))
        for policy in ({"policy": "replica_then_primary"}, {"policy": "replica_backoff"},
                       {"policy": "read_index"}, {"policy": "read_index", "when": "always"},
                       {"policy": "primary_only"}, {"policy": "replica_only"}):
            host = self.host(primary, [standby], policy=policy)
            answer = host.lookup(run, since, position=floor)
            if policy["policy"] == "replica_only":
                self.assert_error(answer, 503)
            else:
                self.assertEqual((answer.status, answer.served_by), (200, "primary"), policy)
                self.assertEqual(answer.json["snapshots"][-1]["snapshot"]["id"], newer, policy)
            self.assertEqual(host.counters(), {}, policy)
        standby.resume_replay()
        self.servers.wait_caught_up()
        answer = host.lookup(run, since, position=floor)
        self.assertEqual((answer.status, answer.served_by), (200, "replica"))

    def test_position_is_passed_on(self):
        """Who brings the last answer's position sees no older state, whichever replica is asked."""
        late = self.servers.standbys[1]
        run, since = self.acknowledged(self.servers.primary)
        self.servers.wait_caught_up()
        host = self.host(self.servers.primary, self.servers.standbys,
                         policy={**TO_PRIMARY, "max_wait_ms": 20, "replica_pick": "next"})
        late.pause_replay()
        position, seen = None, 0
        for number in range(30):
            self.history.snapshot(run)
            self.history.write(self.servers.primary)
            if number % 10 == 9:
                late.resume_replay()
                self.servers.wait_caught_up(late)
                late.pause_replay()
            answer = host.lookup(run, since, position=position)
            self.assertEqual(answer.status, 200, answer)
            self.assertGreaterEqual(len(answer.json["snapshots"]), seen, number)
            position, seen = answer.headers["x-read-position"], len(answer.json["snapshots"])
        late.resume_replay()

    def test_balancer_over_standbys(self):
        """One [replica] leads to two standbys, of which one is late: each answer is judged by who gave
        it."""
        late = self.servers.standbys[1]
        with RoundRobin(*self.servers.standbys) as balancer:
            host = self.host(self.servers.primary, [balancer], policy={**TO_PRIMARY, "max_wait_ms": 50},
                             settings={"replica": {"links": 4}})
            always = self.host(self.servers.primary, [balancer], policy={**ALWAYS, "max_wait_ms": 50},
                               settings={"replica": {"links": 4}})
            late.pause_replay()
            for each in (host, always):
                # Several at once: or one link would do for all, and one standby.
                rows = [self.acknowledged(self.servers.primary) for _ in range(60)]
                futures = [each.begin_lookup(*row) for row in rows]
                self.assertEqual({future.result().status for future in futures}, {200})
                self.assertEqual({self.made_up(each).status for _ in range(20)}, {404})
            late.resume_replay()


class Lag(Facts):
    def test_a_name_that_is_led_to_a_late_standby(self):
        """It is as late as it says itself, whatever was behind the name before."""
        servers = self.cluster("standby", "late")
        primary, late = servers.primary, servers.standbys[1]
        run, since = self.acknowledged(primary)
        servers.wait_caught_up()
        late.pause_replay()
        servers.commit_something()
        with Relay(servers.standby) as name:
            host = self.host(primary, [name], policy={"policy": "replica_only", "max_lag_ms": 60000})
            wait_for(lambda: host.lookup(run, since).status == 200, "the one to be read")
            name.lead_to(late)

            def is_out():
                """And not just because its connections are new: it could be read within a second."""
                until = time.monotonic() + 1
                while time.monotonic() < until and host.lookup(run, since).status == 503:
                    time.sleep(0.01)
                return time.monotonic() >= until

            # The primary was there before the host began: for how long it has been, nobody knows. 60 s are not over.
            wait_for(is_out, "the other one to be out")
            late.resume_replay()
            wait_for(lambda: host.lookup(run, since).status == 200, "it to be read")


class Rights(Facts):
    def test_servers_whose_questions_fail(self):
        """As those of Aurora: it has the functions, and they tell nothing. What is there is found, on the
        primary too; a row that is nowhere is no proven absence."""
        servers = self.cluster("standby")
        primary, standby = servers.primary, servers.standby
        primary.execute("CREATE ROLE plain LOGIN")
        primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        primary.execute("REVOKE EXECUTE ON FUNCTION encode(bytea, text) FROM PUBLIC")
        servers.wait_caught_up()
        host = self.host(Named(primary, "plain"), [Named(standby, "plain")],
                         policy={"policy": "replica_backoff", "max_wait_ms": 50})
        for server in ("primary", "replica"):
            host.wait_for_log(lambda line, server=server: line.fields.get("server") == server and
                              "cannot be asked about itself" in line.text, "a line about that")
        wait_for(lambda: host.lookup(*self.acknowledged(primary)).status == 200, "what is there")
        standby.pause_replay()
        self.assertEqual(set(self.ask(host, primary)), {(200, "primary")})
        self.assertEqual(self.made_up(host).status, 503)
        standby.resume_replay()
        servers.wait_caught_up()
        wait_for(lambda: (200, "replica") in self.ask(host, primary), "the replica to be read")
        primary.execute("GRANT EXECUTE ON FUNCTION encode(bytea, text) TO PUBLIC")
        wait_for(lambda: self.made_up(host).status == 404, "them to tell of themselves")

    def test_functions_that_may_not_be_called(self):
        """One line names them, whichever it is; once it is granted all is as before."""
        servers = self.cluster("standby")
        primary = servers.primary
        primary.execute("CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader;"
                        " GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        host = self.host(Named(primary, "reader"), [Named(servers.standby, "reader")], policy=TO_PRIMARY)
        self.wait_proven(host)
        for name in ("pg_is_in_recovery", "pg_stat_get_wal_receiver"):
            host.log.clear()
            primary.execute(f"REVOKE EXECUTE ON FUNCTION {name}() FROM PUBLIC")
            line = host.wait_for_log(lambda one: "needs EXECUTE" in one.text, "what is missing")
            self.assertEqual(line.level, "WARN")
            self.assertIn(name, line.text)
            primary.execute(f"GRANT EXECUTE ON FUNCTION {name}() TO PUBLIC")
            self.wait_proven(host)
        for name in ["pg_database", *(["pg_stat_recovery"] if servers.major >= 19 else [])]:
            primary.execute(f"REVOKE SELECT ON {name} FROM PUBLIC")
            servers.wait_caught_up()
            again = self.host(Named(primary, "reader"), [Named(servers.standby, "reader")], policy=TO_PRIMARY)
            for each in (host, again):
                self.wait_proven(each)


if __name__ == "__main__":
    unittest.main()
