#!/usr/bin/python3
"""Links that heal by themselves: migrations under load, schemas of two kinds, databases of other
encodings and defaults, poolers that make mistakes, TLS records of any size."""

import collections
import concurrent.futures
import contextlib
import functools
import os
import subprocess
import tempfile
import time
import unittest

import psycopg2

from clients import Asking
from cluster import TABLES, postgres_binaries
from framed import LostEnds, OtherEncoding, RowsOfOthers, RowsTooFewOrMany, SuperfluousErrors, TlsRecords
from host import Host, run_host
from lookup_case import NO_WAIT, LookupCase, module_cluster
from oracle import differences, expected_answer
from testbed import ROOT, wait_for

cluster = None
history = None

STEPS = [
    # As a migration tool removes a value from an enum.
    """BEGIN;
    CREATE TYPE "Status_new" AS ENUM ('RUN_CREATED', 'QUEUED', 'QUEUED_EXECUTING',
        'PENDING_EXECUTING', 'EXECUTING', 'EXECUTING_WITH_WAITPOINTS', 'SUSPENDED',
        'PENDING_CANCEL', 'FINISHED', 'DELAYED');
    ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "executionStatus" TYPE "Status_new"
        USING ("executionStatus"::text::"Status_new");
    ALTER TYPE "TaskRunExecutionStatus" RENAME TO "Status_old";
    ALTER TYPE "Status_new" RENAME TO "TaskRunExecutionStatus";
    DROP TYPE "Status_old";
    COMMIT""",
    'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "batchId" TYPE varchar(64)',
    """BEGIN;
    ALTER TABLE "TaskRunCheckpoint" RENAME TO old;
    CREATE TABLE "TaskRunCheckpoint" (LIKE old INCLUDING ALL);
    INSERT INTO "TaskRunCheckpoint" SELECT * FROM old;
    DROP TABLE old;
    COMMIT""",
    'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "attemptNumber" TYPE bigint',
    'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "attemptNumber" TYPE smallint',
    'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "attemptNumber" TYPE integer',
]

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'"

# What an operator may do to sessions or to what they read, and how it is undone.
MISHAPS = [
    ("ALTER DATABASE postgres SET search_path = 'nowhere'; " + END_SESSIONS,
     "ALTER DATABASE postgres RESET search_path; " + END_SESSIONS),
    ('REVOKE SELECT ON "TaskRunExecutionSnapshot" FROM reader',
     'GRANT SELECT ON "TaskRunExecutionSnapshot" TO reader'),
    # Sessions of the old role stay, and may do nothing any more.
    ("DROP OWNED BY reader; DROP ROLE reader",
     "CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader;"
     " GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"),
    ("REVOKE pg_monitor FROM reader", "GRANT pg_monitor TO reader"),
    ("ALTER ROLE reader NOLOGIN; " + END_SESSIONS, "ALTER ROLE reader LOGIN"),
    ("ALTER ROLE reader CONNECTION LIMIT 0; " + END_SESSIONS, "ALTER ROLE reader CONNECTION LIMIT -1"),
    ("ALTER SCHEMA public RENAME TO away", "ALTER SCHEMA away RENAME TO public"),
    ('ALTER TABLE "TaskRunExecutionSnapshot" RENAME TO away',
     'ALTER TABLE away RENAME TO "TaskRunExecutionSnapshot"'),
    ('ALTER TABLE "TaskRunExecutionSnapshot" RENAME COLUMN "runStatus" TO away',
     'ALTER TABLE "TaskRunExecutionSnapshot" RENAME COLUMN away TO "runStatus"'),
    ('ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "attemptNumber" TYPE real',
     'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "attemptNumber" TYPE integer'),
]
TO_NEWER_SCHEMA = """
    ALTER TABLE "_completedWaitpoints" RENAME TO "CompletedWaitpoint";
    ALTER TABLE "CompletedWaitpoint" RENAME "A" TO "snapshotId";
    ALTER TABLE "CompletedWaitpoint" RENAME "B" TO "waitpointId"
"""
TO_OLDER_SCHEMA = """
    ALTER TABLE "CompletedWaitpoint" RENAME "snapshotId" TO "A";
    ALTER TABLE "CompletedWaitpoint" RENAME "waitpointId" TO "B";
    ALTER TABLE "CompletedWaitpoint" RENAME TO "_completedWaitpoints"
"""


def setUpModule():
    global cluster, history
    cluster, history = module_cluster("standby")


class Healing(LookupCase):
    def setUp(self):
        self.begin_with_a_run(cluster, history)

    def assert_right(self, answer, run, since):
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(differences(answer.json, expected_answer(history.rows(), run, since)), [])

    def ask(self, host):
        """What a failure says, here and in the log, is all that tells of a rare one."""
        answer = host.lookup(self.run_id, self.life[0]["id"])
        self.assertEqual(answer.status, 200, (answer, host.log[-20:]))
        self.assert_right(answer, self.run_id, self.life[0]["id"])

    def test_a_migration_under_load_costs_no_lookup(self):
        for prepared in ("yes", "no"):
            settings = {name: {"prepared": prepared} for name in ("primary", "replica")}
            with Host(cluster.primary, [cluster.standby], settings=settings) as host:
                host.wait_for_links("primary", "replica")
                with Asking(functools.partial(self.ask, host), 8) as asking:
                    for step in STEPS:
                        cluster.primary.execute(step)
                        cluster.wait_caught_up()
                        asking.wait_for_more()

    def ask_for_both(self, host):
        """A row that is there, and one that is not: each is told as it is, or honestly not at all."""
        answer = host.lookup(self.run_id, self.life[0]["id"])
        self.assertIn(answer.status, (200, 503), answer)
        if answer.status == 200:
            self.assert_right(answer, self.run_id, self.life[0]["id"])
        self.assertIn(host.lookup(self.run_id, history.new_id()).status, (404, 503))

    def is_well(self, host):
        return host.lookup(self.run_id, self.life[0]["id"]).served_by == "replica" and \
            host.lookup(self.run_id, history.new_id()).status == 404

    def test_mishaps_to_sessions(self):
        """No answer is wrong meanwhile, and all is well once they are over."""
        cluster.primary.execute("CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader;"
                                " GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        self.addCleanup(cluster.primary.execute, "DROP OWNED BY reader; DROP ROLE reader")
        settings = {name: {"conninfo": server.conninfo(user="reader"),
                           "prepared": prepared}
                    for name, server, prepared in (("primary", cluster.primary, "no"),
                                                   ("replica", cluster.standby, "yes"))}
        with Host(settings=settings, policy={"policy": "read_index",
                                             "on_replica_failure": "primary"}) as host:
            host.wait_for_links("primary", "replica")
            with Asking(functools.partial(self.ask_for_both, host)) as asking:
                for mishap, cure in MISHAPS:
                    with self.subTest(mishap):
                        cluster.primary.execute(mishap)
                        cluster.wait_caught_up()
                        if END_SESSIONS in mishap:
                            cluster.standby.execute(END_SESSIONS)
                        asking.wait_for_more()
                        cluster.primary.execute(cure)
                        cluster.wait_caught_up()
                        wait_for(lambda: self.is_well(host), "all to be well", every_s=0.02)

    @staticmethod
    def connects(host, server):
        return host.metrics().value("snapshot_host_connects_total", server=server)

    def test_a_table_that_no_standby_can_read(self):
        """A new session would not do better: each read fails at once, with the reason, on the links that
        are up, and works on them when the table is what it was."""
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
            host.wait_for_links("primary", "replica")
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 200)
            before = self.connects(host, "replica")
            cluster.primary.execute('ALTER TABLE "TaskRunCheckpoint" SET UNLOGGED')
            try:
                cluster.wait_caught_up()
                for _ in range(20):
                    self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
            finally:
                cluster.primary.execute('ALTER TABLE "TaskRunCheckpoint" SET LOGGED')
            cluster.wait_caught_up()
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 200)
            self.assertEqual(self.connects(host, "replica"), before)
        self.assertIn("unlogged", host.lookup_log()[0].fields["error"])

    def test_a_row_policy_that_fails(self):
        """So it is with an error of the kind that a migration makes, in a session that is new; one that
        is not makes way for a new one, once."""
        self.row_policy("""current_setting('app.environment') <> ''""")
        settings = {name: {"conninfo": server.conninfo(user="reader"), "links": 2}
                    for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        with Host(settings=settings, policy=NO_WAIT) as host:
            host.wait_for_links("primary", "replica")
            begun = time.monotonic()
            for _ in range(50):
                self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
            seconds = time.monotonic() - begun
            self.assertLessEqual(self.connects(host, "replica"), 4 + 2 * seconds)
            cluster.primary.execute('ALTER TABLE "TaskRunExecutionSnapshot" DISABLE ROW LEVEL SECURITY')
            cluster.wait_caught_up()
            wait_for(lambda: host.lookup(self.run_id, self.life[0]["id"]).status == 200, "all to be well")
        self.assertIn("app.environment", host.lookup_log()[0].fields["error"])

    def test_a_row_that_fails_as_a_connection_does(self):
        """As one of a foreign table whose server is away: its lookups cost hardly a session, or all others would
        have to wait for new ones."""
        cluster.primary.execute("""CREATE FUNCTION away() RETURNS boolean STABLE LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'of the row' USING ERRCODE = current_setting('app.code'); END$$""")
        self.addCleanup(cluster.primary.execute,
                        "DROP FUNCTION away; ALTER DATABASE postgres RESET app.code")
        self.row_policy("away()")
        for code, prepared in (("08001", "yes"), ("08006", "no"), ("08P01", "yes"), ("26000", "yes")):
            cluster.primary.execute(f"ALTER DATABASE postgres SET app.code = '{code}'")
            cluster.wait_caught_up()
            settings = {name: {"conninfo": server.conninfo(user="reader"), "prepared": prepared, "links": 1}
                        for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
            with self.subTest(code), Host(settings=settings, policy=NO_WAIT) as host:
                host.wait_for_links("primary", "replica")
                begun = time.monotonic()
                for _ in range(50):
                    self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
                seconds = time.monotonic() - begun
                self.assertLessEqual(self.connects(host, "replica"), 2 + seconds)
            self.assertIn("of the row", host.lookup_log()[0].fields["error"])

    def test_a_row_policy_that_fails_over_a_text(self):
        """Such an error is of a row, not of the id, whatever its context says, with a dollar in it or with
        all parameters: the row is not absent."""
        cluster.primary.execute("""CREATE FUNCTION "check$1"(of text) RETURNS boolean STABLE LANGUAGE plpgsql
            AS $$BEGIN RAISE EXCEPTION 'of a text' USING ERRCODE = '22P05'; END$$;
            ALTER DATABASE postgres SET log_parameter_max_length_on_error = -1""")
        self.addCleanup(cluster.primary.execute, """DROP FUNCTION "check$1";
            ALTER DATABASE postgres RESET log_parameter_max_length_on_error""")
        self.row_policy('"check$1"(description)')
        settings = {name: {"conninfo": server.conninfo(user="reader")}
                    for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        for told in (-1, 0):
            cluster.primary.execute(f"ALTER DATABASE postgres SET log_parameter_max_length_on_error = {told}")
            cluster.wait_caught_up()
            for policy in (NO_WAIT, {"policy": "read_index"}):
                with Host(settings=settings, policy=policy) as host:
                    host.wait_for_links("primary", "replica")
                    self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)

    def test_a_row_policy_that_nobody_meant_for_the_host(self):
        """What it hides is absent, unless the role says that nothing may be hidden from it."""
        self.row_policy("false")
        settings = {name: {"conninfo": server.conninfo(user="reader")}
                    for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        with Host(settings=settings, policy=NO_WAIT) as host:
            host.wait_for_links("primary", "replica")
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 404)
        cluster.primary.execute("ALTER ROLE reader SET row_security = off")
        cluster.wait_caught_up()
        with Host(settings=settings, policy=NO_WAIT) as host:
            for name in ("primary", "replica"):
                host.wait_for_log(lambda line, name=name: line.fields.get("server") == name and
                                  "row-level security" in line.text, "the reason")
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
            cluster.primary.execute('ALTER TABLE "TaskRunExecutionSnapshot" DISABLE ROW LEVEL SECURITY')
            cluster.wait_caught_up()
            wait_for(lambda: host.lookup(self.run_id, self.life[0]["id"]).status == 200, "all to be well")
            cluster.primary.execute('ALTER TABLE "TaskRunExecutionSnapshot" ENABLE ROW LEVEL SECURITY')
            cluster.wait_caught_up()
            self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)

    def test_a_domain_over_what_is_no_text(self):
        """Is an error, as that is itself: its bytes are no text. One over a text is a text."""
        history.resumed_snapshot(self.run_id, [history.waitpoint(output="{}")])
        history.write(cluster.primary)
        output = 'ALTER TABLE "Waitpoint" ALTER COLUMN output TYPE {0} USING output::{0}'
        self.addCleanup(cluster.primary.execute, output.format("text") + "; DROP DOMAIN IF EXISTS of_text, of_json")
        cluster.primary.execute("CREATE DOMAIN of_text AS text; CREATE DOMAIN of_json AS jsonb")
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
            host.wait_for_links("primary", "replica")
            for of, status in (("of_text", 200), ("text", 200), ("jsonb", 503), ("of_json", 503), ("text", 200)):
                cluster.primary.execute(output.format(of))
                cluster.wait_caught_up()
                answer = host.lookup(self.run_id, self.life[0]["id"])
                self.assertEqual(answer.status, status, (of, answer))
                if status == 200:
                    self.assert_right(answer, self.run_id, self.life[0]["id"])

    def test_values_that_no_answer_can_have(self):
        """The line names the column."""
        waitpoint = history.waitpoint(output="o")
        last = history.resumed_snapshot(self.run_id, [waitpoint])
        history.write(cluster.primary)
        snapshots, waitpoints = ('"TaskRunExecutionSnapshot"', last["id"]), ('"Waitpoint"', waitpoint["id"])
        for (table, identity), column, value, good in (
                (snapshots, '"createdAt"', "infinity", "2026-12-01"),
                (snapshots, '"createdAt"', "10000-01-01", "2026-12-01"),
                (snapshots, '"completedWaitpointOrder"', "{{a}}", "{}"),
                (waitpoints, '"completedAt"', "0044-03-15 BC", "2026-12-01")):
            with self.subTest(value), Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
                host.wait_for_links("primary", "replica")
                for one, status in ((value, 503), (good, 200)):
                    cluster.primary.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", (one, identity))
                    cluster.wait_caught_up()
                    self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, status)
            self.assertIn(column, host.lookup_log()[0].fields["error"])

    @unittest.skipIf(postgres_binaries()[1] < 15, "the database has no ICU")
    def test_ids_that_are_equal_and_not_the_same(self):
        """For the database, by their collation or type: nobody's rows are given for another's, links stay, and
        the reason is told."""
        run = 'ALTER TABLE "TaskRunExecutionSnapshot" ALTER COLUMN "runId" TYPE '
        self.addCleanup(cluster.primary.execute, run + "text; DROP COLLATION any_case")
        cluster.primary.execute("CREATE COLLATION any_case (PROVIDER = icu, LOCALE = 'und-u-ks-level2',"
                                " DETERMINISTIC = false)")
        for of, asked, own in (("text COLLATE any_case", self.run_id.upper(), 200), ("char(80)", self.run_id, 503)):
            cluster.primary.execute(run + of)
            cluster.wait_caught_up()
            with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host:
                host.wait_for_links("primary", "replica")
                before = self.connects(host, "replica")
                self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, own)
                self.assertEqual(host.lookup(asked, self.life[0]["id"]).status, 503)
                self.assertEqual(self.connects(host, "replica"), before)
            self.assertIn("call different ones equal", host.lookup_log()[-1].fields["error"])

    def test_a_role_that_may_read_only_what_is_read(self):
        """Of tables that have other columns, too."""
        waiting = history.resumed_snapshot(self.run_id, [history.waitpoint(output="o")])
        history.write(cluster.primary)
        self.addCleanup(cluster.primary.execute, "DROP OWNED BY reader; DROP ROLE reader")
        cluster.primary.execute("CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader")
        for table in TABLES:
            columns = cluster.primary.value("SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
                                            " WHERE attrelid = %s::regclass AND attnum > 0", (f'"{table}"',))
            cluster.primary.execute(f'GRANT SELECT ({columns}) ON "{table}" TO reader;'
                                    f' ALTER TABLE "{table}" ADD COLUMN secret text')
            self.addCleanup(cluster.primary.execute, f'ALTER TABLE "{table}" DROP COLUMN secret')
        cluster.wait_caught_up()
        for prepared in ("yes", "no"):
            settings = {name: {"conninfo": server.conninfo(user="reader"), "prepared": prepared}
                        for name, server in (("primary", cluster.primary), ("replica", cluster.standby))}
            with Host(settings=settings, policy={"policy": "read_index"}) as host:
                host.wait_for_links("primary", "replica")
                wait_for(lambda one=host: self.is_well(one), "all to be well")
                answer = host.lookup(self.run_id, self.life[0]["id"])
                self.assert_right(answer, self.run_id, self.life[0]["id"])
                self.assertEqual(answer.json["snapshots"][-1]["snapshot"]["id"], waiting["id"])

    def test_a_pooler_that_speaks_another_encoding(self):
        """An id would be another one, and nobody's. Links to it are refused, and it is told."""
        accented = history.snapshot(self.run_id, id="caf\u00e9" + history.new_id())
        history.write(cluster.primary)
        cluster.wait_caught_up()
        with OtherEncoding(cluster.standby) as standby, OtherEncoding(cluster.primary) as primary, \
                Host(primary, [standby], policy=NO_WAIT) as host:
            for name in ("primary", "replica"):
                host.wait_for_log(lambda line, name=name: line.fields.get("server") == name and
                                  "client_encoding is LATIN1, not UTF8" in line.text, "the reason")
            self.assertEqual(host.lookup(self.run_id, accented["id"]).status, 503)
            primary.encoding = standby.encoding = "UTF8"
            wait_for(lambda: host.lookup(self.run_id, accented["id"]).status == 200, "all to be well")

    def test_a_session_that_turns_to_another_encoding(self):
        """As one does that a pooler lends to others as well. A link that hears of it is given up, and so is one
        that misses a row in a session that keeps it to itself: it has looked for other ids. Texts that it
        finds are no UTF-8."""
        plain = history.life_of_a_run()
        accented = history.snapshot(self.run_id, id="caf\u00c1" + history.new_id())
        history.write(cluster.primary)
        cluster.wait_caught_up()
        with OtherEncoding(cluster.standby, "UTF8") as standby, \
                OtherEncoding(cluster.primary, "UTF8") as primary, \
                Host(primary, [standby], policy=NO_WAIT) as host:
            host.wait_for_links("primary", "replica")
            self.assertEqual(host.lookup(self.run_id, accented["id"]).status, 200)
            primary.told = standby.told = "LATIN1"
            for _ in range(4):
                host.lookup(self.run_id, accented["id"])
            host.wait_for_log(lambda line: "another client_encoding by now" in line.text, "the reason")
            primary.told = standby.told = "UTF8"
            wait_for(lambda: host.lookup(self.run_id, accented["id"]).status == 200, "all to be well")
        for encoding in ("LATIN1", "WIN1252"):  # the latter has no character of the id's second byte
            with OtherEncoding(cluster.standby, encoding, told="UTF8") as standby, \
                    OtherEncoding(cluster.primary, encoding, told="UTF8") as primary:
                for policy in (NO_WAIT, {"policy": "read_index"}, {"policy": "read_index", "when": "always"},
                               {"policy": "replica_only"}):
                    with self.subTest(encoding, policy=policy), \
                            Host(primary, [standby], policy=policy,
                                 settings={"limits": {"lookup_timeout_ms": 500}}) as host:
                        host.wait_for_links("primary", "replica")
                        self.assertEqual(host.lookup(plain[0]["runId"], plain[0]["id"]).status, 200)
                        self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
                        for _ in range(3):
                            self.assertEqual(host.lookup(self.run_id, accented["id"]).status, 503)

    def test_plans_that_are_compiled(self):
        """A read of one row is not worth it, however much its plan is said to cost."""
        if not cluster.primary.value("SELECT pg_jit_available()"):
            self.skipTest("the servers compile nothing")
        cluster.primary.execute("ALTER DATABASE postgres SET enable_nestloop = off;"
                                " ALTER DATABASE postgres SET jit = on")
        self.addCleanup(cluster.primary.execute, "ALTER DATABASE postgres RESET enable_nestloop;"
                        " ALTER DATABASE postgres RESET jit")
        cluster.wait_caught_up()
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT) as host, \
                concurrent.futures.ThreadPoolExecutor(16) as pool:
            host.wait_for_links("primary", "replica")
            for answer in pool.map(lambda one: host.lookup(self.run_id, one["id"]), self.life[:-1] * 10):
                self.assertEqual(answer.status, 200, answer)

    def row_policy(self, condition):
        """Until the test's end, for a role named reader."""
        table = '"TaskRunExecutionSnapshot"'
        cluster.primary.execute(
            "CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA"
            f" public TO reader; CREATE POLICY rows ON {table} USING ({condition}); ALTER TABLE {table}"
            " ENABLE ROW LEVEL SECURITY")
        self.addCleanup(cluster.primary.execute, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
                        f" DROP POLICY rows ON {table}; DROP OWNED BY reader; DROP ROLE reader")
        cluster.wait_caught_up()

    @unittest.skipIf(postgres_binaries()[1] < 15, "no version is kept")
    def test_a_collation_that_sorts_otherwise(self):
        """An index is of no use then, and no answer shows it; the server says so when it is connected to."""
        cluster.primary.execute("UPDATE pg_database SET datcollversion = '0.1' WHERE datname = 'postgres'")
        try:
            cluster.wait_caught_up()
            with Host(cluster.primary, [cluster.standby], settings={"replica": {"links": 3}}) as host:
                for server in ("primary", "replica"):
                    host.wait_for_log(lambda line, server=server: line.fields.get("server") == server and
                                      "collation version mismatch" in line.text, "the server's warning")
                wait_for(lambda: host.metrics().value("snapshot_host_links_up", server="replica") == 3,
                         "all links")
            said = [line for line in host.log if "mismatch" in line.text]
            self.assertEqual([line.level for line in said], ["WARN"] * 2, said)
        finally:
            cluster.primary.execute("ALTER DATABASE postgres REFRESH COLLATION VERSION")

    def test_the_shortest_time_for_lookups(self):
        """Is no limit of what links ask for themselves: they come up, and stay."""
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT,
                  settings={"limits": {"lookup_timeout_ms": 1}}) as host:
            host.wait_for_links("primary", "replica")
            wait_for(lambda: host.lookup(self.run_id, self.life[0]["id"]).status == 200,
                     "a lookup that is quick enough")

    def test_the_join_table_of_the_newer_schema(self):
        waiting = history.resumed_snapshot(self.run_id, [history.waitpoint(output="o")])
        lacking_run = history.new_run()
        anchor = history.snapshot(lacking_run)
        lacking = history.snapshot(lacking_run)
        history.write(cluster.primary)
        cluster.primary.execute('INSERT INTO "_completedWaitpoints" VALUES (%s, %s)',
                                (lacking["id"], "elsewhere"))
        self.addCleanup(cluster.primary.execute, 'DELETE FROM "_completedWaitpoints"'
                        ' WHERE "B" = \'elsewhere\'')
        with Host(cluster.primary, [cluster.standby]) as host:
            host.wait_for_links("primary", "replica")
            cluster.primary.execute(TO_NEWER_SCHEMA)
            try:
                cluster.wait_caught_up()
                for _ in range(3):  # on the links that came up before
                    answer = host.lookup(self.run_id, self.life[0]["id"])
                    self.assert_right(answer, self.run_id, self.life[0]["id"])
                    self.assertEqual(answer.served_by, "replica")
                    self.assertEqual(answer.json["snapshots"][-1]["snapshot"]["id"], waiting["id"])
                    self.assertEqual(len(answer.json["snapshots"][-1]["completedWaitpoints"]), 1)
                # A waitpoint that this database lacks is asked of the primary, and then not there.
                answer = host.lookup(lacking_run, anchor["id"])
                self.assertEqual((answer.status, answer.served_by), (200, "primary"))
                cluster.primary.execute('ALTER TABLE "CompletedWaitpoint" RENAME TO gone')
                cluster.wait_caught_up()

                def is_said():
                    """By a new session, which a link begins for a doubt once its own is a second old."""
                    self.assertEqual(host.lookup(self.run_id, self.life[0]["id"]).status, 503)
                    return any("neither a table" in line.text for line in list(host.log))

                wait_for(is_said, "why no link is up")
                cluster.primary.execute('ALTER TABLE gone RENAME TO "CompletedWaitpoint"')
                cluster.wait_caught_up()
                wait_for(lambda: host.lookup(self.run_id, self.life[0]["id"]).status == 200,
                         "the host to find the table again")
            finally:
                cluster.primary.execute('ALTER TABLE IF EXISTS gone RENAME TO "CompletedWaitpoint"')
                cluster.primary.execute(TO_OLDER_SCHEMA)

    def test_a_second_join_table_that_appears(self):
        """Sessions that were there before see what is linked in it at once, though no statement of theirs
        fails: of a run with few snapshots and of one with many, in either direction."""
        few, many = history.new_run(), history.new_run()
        runs = [[history.snapshot(run) for _ in range(count)] for run, count in ((few, 2), (many, 9))]
        waitpoint = history.waitpoint(output="o")
        history.write(cluster.primary)
        self.see_another_table(runs, waitpoint, "CompletedWaitpoint", "snapshotId", "waitpointId")
        cluster.primary.execute(TO_NEWER_SCHEMA)
        try:
            self.see_another_table(runs, waitpoint, "_completedWaitpoints", "A", "B")
            self.see_another_table(runs, waitpoint, "_completedWaitpoints", "A", "B", prepared="no")
        finally:
            cluster.primary.execute(TO_OLDER_SCHEMA)

    def see_another_table(self, runs, waitpoint, table, *columns, prepared="yes"):
        cluster.wait_caught_up()
        settings = {name: {"prepared": prepared} for name in ("primary", "replica")}
        with Host(cluster.primary, [cluster.standby], policy=NO_WAIT, settings=settings) as host:
            host.wait_for_links("primary", "replica")
            self.assert_waitpoints(host, runs, 0)
            cluster.primary.execute('CREATE TABLE "{}" ("{}" text, "{}" text)'.format(table, *columns))
            try:
                for run in runs:
                    cluster.primary.execute(f'INSERT INTO "{table}" VALUES (%s, %s)',
                                            (run[-1]["id"], waitpoint["id"]))
                cluster.wait_caught_up()
                self.assert_waitpoints(host, runs, 1)
            finally:
                cluster.primary.execute(f'DROP TABLE "{table}"')

    def assert_waitpoints(self, host, runs, count):
        for run in runs:
            answer = host.lookup(run[0]["runId"], run[0]["id"])
            self.assertEqual((answer.status, answer.served_by), (200, "replica"), answer)
            self.assertEqual(len(answer.json["snapshots"][-1]["completedWaitpoints"]), count, answer)

    @contextlib.contextmanager
    def database_of(self, name, encoding, fill):
        """Another database of the cluster, with the tables and what `fill` does; the host's settings for it."""
        cluster.primary.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
                                " LOCALE 'C'" + (" LOCALE_PROVIDER libc"
                                                 if cluster.major >= 15 else ""))
        connection = psycopg2.connect(cluster.primary.conninfo(dbname=name))
        connection.autocommit = True
        with connection.cursor() as cursor, open(ROOT + "/tests/schema.sql",
                                                 encoding="utf-8") as schema:
            cursor.execute(schema.read())
            for statement in fill:
                cursor.execute(statement)
        connection.close()
        cluster.wait_caught_up()
        yield {of: {"conninfo": server.conninfo(dbname=name)}
               for of, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        cluster.primary.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def test_ids_that_a_database_cannot_hold(self):
        """None of its rows has them. Before version 14 a server does not say that it is the id, and no row's
        text, that cannot be converted: not known, and so no 404."""
        of_strange = 404 if cluster.major >= 14 else 503
        rows = ('INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus",'
                ' description, "runId", "runStatus", "environmentId") VALUES'
                " ('caf' || chr(233), 'EXECUTING', 'caf' || chr(233), 'r', 'EXECUTING',"
                " 'e')")
        with self.database_of("latin", "LATIN1", [rows]) as settings, \
                Host(settings=settings, policy={"policy": "replica_then_primary",
                                                "replica_retry_max_ms": 0}) as host:
            host.wait_for_links("primary", "replica")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                ids = ["caf\u00e9" if i % 4 else "s\U0001F600" for i in range(100)]
                answers = list(pool.map(lambda one: host.lookup("r", one), ids))
            for identity, answer in zip(ids, answers):
                self.assertEqual(answer.status, 200 if identity == "caf\u00e9" else of_strange, answer)
                if answer.status != 503:
                    self.assertRegex(answer.headers.get("x-read-position", ""), r"^[0-9A-F]+/[0-9A-F]+$")

    def test_ids_that_come_back_in_other_characters(self):
        """U+00A6 and U+FFE4 are one in this encoding. Which of them a row has nobody knows, and who asks for
        it costs others nothing."""
        rows = ('INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus", description, "runId",'
                " \"runStatus\", \"environmentId\") SELECT id, 'EXECUTING', '', 'r', 'EXECUTING', 'e'"
                " FROM unnest(ARRAY['s\u00a6', 'caf\u5165', 'plain']) id")
        with self.database_of("japanese", "EUC_JP", [rows]) as settings, \
                Host(settings=settings, policy={"policy": "read_index"}) as host:
            host.wait_for_links("primary", "replica")
            before = self.connects(host, "replica")
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                ids = ["s\u00a6", "caf\u5165", "plain", "t\u00a6", "s\uffe4"] * 20
                answers = list(pool.map(lambda one: host.lookup("r", one), ids))
            for identity, answer in zip(ids, answers):
                self.assertEqual(answer.status, 503 if "\u00a6" in identity else 200, answer)
            self.assertEqual(self.connects(host, "replica"), before)

    def test_a_row_that_cannot_be_told(self):
        """Its text is no UTF-8. An error that tells its parameters does not say that the id is."""
        rows = ('INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus",'
                ' description, "runId", "runStatus", "environmentId", "createdAt")'
                " SELECT 's' || n, 'EXECUTING', convert_from('\\xe9', 'SQL_ASCII'), 'r',"
                " 'EXECUTING', 'e', now() + n * interval '1 s'"
                " FROM generate_series(1, 2) n")
        tells = "ALTER DATABASE ascii SET log_parameter_max_length_on_error = -1"
        with self.database_of("ascii", "SQL_ASCII", [rows, tells]) as settings:
            for policy in ({"policy": "read_index"}, {"policy": "read_index", "when": "always"}):
                with Host(settings=settings, policy=policy) as host:
                    host.wait_for_links("primary", "replica")
                    self.assertEqual(host.lookup("r", "s2").status, 200)
                    self.assertEqual(host.lookup("r", "s1").status, 503)

    def test_a_default_of_serializable(self):
        cluster.primary.execute("ALTER DATABASE postgres SET default_transaction_isolation ="
                                " 'serializable'")
        self.addCleanup(cluster.primary.execute, "ALTER DATABASE postgres RESET"
                        " default_transaction_isolation")
        cluster.wait_caught_up()
        with Host(cluster.primary, [cluster.standby]) as host:
            host.wait_for_links("primary", "replica")
            answer = host.lookup(self.run_id, self.life[0]["id"])
            self.assert_right(answer, self.run_id, self.life[0]["id"])
            self.assertEqual(answer.served_by, "replica")

    def test_superfluous_errors(self):
        """Answers are shifted by one: nobody gets another's."""
        for sqlstate in ("08006", "XX000", "22012"):
            with self.subTest(sqlstate=sqlstate), SuperfluousErrors(cluster.standby, sqlstate) as pooler:
                self.ask_through(pooler)

    def test_lost_ends_of_batches(self):
        """libpq would then take later answers for those of earlier statements: the link is given up."""
        with LostEnds(cluster.standby) as pooler, \
                Host(cluster.primary, [pooler], policy={**NO_WAIT, "on_replica_failure": "primary"}) as host:
            host.wait_for_links("replica")
            pooler.every = 5

            def is_given_up():
                self.assert_right(host.lookup(self.run_id, self.life[0]["id"]), self.run_id, self.life[0]["id"])
                return any("link lost: an answer came that is not due" in line.text for line in list(host.log))

            wait_for(is_given_up, "a link to be given up")

    def test_rows_of_another_question(self):
        """Well-formed, in place, and somebody else's: nobody is given them."""
        with RowsOfOthers(cluster.standby) as pooler:
            self.ask_through(pooler)

    def test_rows_too_few_or_many(self):
        """The server says how many there are."""
        for times in (0, 2):
            with self.subTest(times=times), RowsTooFewOrMany(cluster.standby, times) as pooler:
                self.ask_through(pooler)

    def ask_through(self, pooler):
        """Lookups of eight runs at once through a pooler with a fault: every answer is right."""
        lives = [history.life_of_a_run() for _ in range(8)]
        history.write(cluster.primary)
        cluster.wait_caught_up()

        def ask(number):
            life, until = lives[number], time.monotonic() + 1
            statuses = collections.Counter()
            while time.monotonic() < until or (pooler.sent <= 3 and time.monotonic() < until + 20):
                answer = host.lookup(life[0]["runId"], life[0]["id"],
                                     environment="env0production" if number % 2 else None)
                statuses[answer.status] += 1
                if answer.status == 200:
                    self.assert_right(answer, life[0]["runId"], life[0]["id"])
            return statuses

        with Host(cluster.primary, [pooler],
                  policy={"policy": "replica_then_primary", "on_replica_failure": "primary"}) as host, \
                concurrent.futures.ThreadPoolExecutor(8) as pool:
            host.wait_for_links("primary", "replica")
            pooler.every = 20
            statuses = sum(pool.map(ask, range(8)), collections.Counter())
            self.assertGreater(pooler.sent, 3)
            self.assertEqual(set(statuses), {200}, statuses)

    def test_tls_records_of_any_size(self):
        with tempfile.TemporaryDirectory() as directory:
            certificate, key = (os.path.join(directory, name) for name in ("c", "k"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                            "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                           check=True, capture_output=True)
            cases = []
            for size in range(20, 230, 5):  # so that the last record is of every length
                run = history.new_run()
                cases.append((run, history.snapshot(run)["id"]))
                history.resumed_snapshot(run, [history.waitpoint(output="x" * 200)
                                               for _ in range(size)])
            history.write(cluster.primary)
            for record in (16384, 8192, 1000):
                with TlsRecords(cluster.primary, certificate, key, record) as relay, \
                        Host(relay, policy={"policy": "primary_only"}) as host:
                    host.wait_for_links("primary")
                    for run, since in cases if record == 16384 else cases[::6]:
                        answer = host.lookup(run, since)
                        self.assert_right(answer, run, since)
                        self.assertLess(answer.milliseconds, 3000, "an answer that waited for an event")

    def test_a_password_file_that_is_too_open(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("*:*:*:*:secret\n")
            file.flush()
            os.chmod(file.name, 0o644)
            conninfo = cluster.primary.conninfo(passfile=file.name)
            with Host(settings={"primary": {"conninfo": conninfo, "links": 3}},
                      policy={"policy": "primary_only"}) as host:
                host.wait_for_links("primary")
                checked = run_host("-t", "-c", host.config_path)
            said = [line.text for line in host.log if "is open to group or others" in line.text]
            self.assertEqual(len(said), 1, host.log)
            self.assertRegex(checked.stdout, r"Note: \[primary\] password file .* is open to group")
            self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked)


if __name__ == "__main__":
    unittest.main()
