#!/usr/bin/python3
"""Two schemas of one database that have the same tables: which of them a host reads, whatever a
search_path leads to, its own or one that another client has left behind in a pooler."""

import contextlib
import copy
import functools
import os
import re
import unittest

import testbed
from bouncer import PROGRAM, PgBouncer, forgets_sessions
from clients import Asking
from cluster import Cluster
from host import Host, run_host
from lookup_case import LookupCase
from testbed import free_port, wait_for

READ_INDEX = {"policy": "read_index", "max_wait_ms": 2000, "on_replica_failure": "primary"}
# The tables that are meant, and those that are not.
RIGHT, WRONG = 'My "own" schéma', "public"
RUN, SINCE, ONLY_RIGHT, NOWHERE = "r1", "s1", "s0", "s9"

# What is found before that of pg_catalog gives another answer, where it is taken for it.
DECOYS = [
    "CREATE DOMAIN astray.text AS pg_catalog.int4; CREATE DOMAIN astray.int8 AS pg_catalog.text",
    """CREATE FUNCTION astray.never(text, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR astray.= (FUNCTION = astray.never, LEFTARG = text, RIGHTARG = text)""",
    """CREATE FUNCTION astray.ago(timestamptz, timestamptz) RETURNS text LANGUAGE sql AS $$SELECT 'ago'$$;
    CREATE OPERATOR astray.- (FUNCTION = astray.ago, LEFTARG = timestamptz, RIGHTARG = timestamptz)""",
    *(f"""CREATE FUNCTION astray.times({one}, {other}) RETURNS {gives} LANGUAGE sql AS $$SELECT {what}$$;
    CREATE OPERATOR astray.* (FUNCTION = astray.times, LEFTARG = {one}, RIGHTARG = {other})"""
      for one, other, gives, what in (("numeric", "int", "float8", "random()"),
                                      ("float8", "int", "float8", "random()"),
                                      ("int", "numeric", "text", "'much'"),
                                      ("int", "float8", "text", "'much'"))),
]

cluster = None


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def setUpModule():
    global cluster
    testbed.complain_if_not_built()
    cluster = Cluster()
    unittest.addModuleCleanup(cluster.destroy)
    with open(testbed.ROOT + "/tests/schema.sql", encoding="utf-8") as file:
        tables = file.read()
    for name in (RIGHT, WRONG):
        cluster.primary.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)};"
                                f" SET search_path = {quoted(name)}; {tables}")
        for number, snapshot in enumerate((ONLY_RIGHT, SINCE, "s2")):
            if (name, snapshot) != (WRONG, ONLY_RIGHT):
                cluster.primary.execute(
                    'INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus", description, "runId",'
                    ' "runStatus", "environmentId", "createdAt") VALUES (%s, \'EXECUTING\', %s, %s,'
                    " 'EXECUTING', 'e1', timestamp '2026-01-01' + %s * interval '1 s')",
                    (snapshot, name, RUN, number))
    cluster.primary.execute("RESET search_path")
    cluster.wait_caught_up()


def tables(name):
    return {"tables": {"schema": name}}


class Schema(LookupCase):
    def setUp(self):
        cluster.reset()

    def host(self, servers=None, settings=None, policy=READ_INDEX):
        primary, *replicas = servers or (cluster.primary, cluster.standby)
        return Host(primary, replicas, policy=policy, settings=settings)

    def assert_answers(self, host, name, count=5):
        """Which rows there are, what they say, and that nobody has one, are all of that schema."""
        wait_for(lambda: host.lookup(RUN, SINCE).served_by == "replica", "the replica to be read")
        for _ in range(count):
            answer = host.lookup(RUN, SINCE)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual([one["snapshot"]["description"] for one in answer.json["snapshots"]], [name])
            self.assertEqual(host.lookup(RUN, ONLY_RIGHT).status, 200 if name == RIGHT else 404)
            self.assertEqual(host.lookup(RUN, NOWHERE).status, 404)

    def connect_test(self, settings):
        """`-t --connect`: its exit status and what it prints."""
        host = self.host(settings=settings)
        try:
            done = run_host("-t", "--connect", "-c", host.config_path)
        finally:
            host.kill()
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    # -- where a search_path leads ---------------------------------------------------------------

    def led_to(self, name, schema=None):
        """Settings of a host whose connection strings have a search_path."""
        return self.led_by(quoted(name), schema)

    def led_by(self, path, schema=None):
        path = path.replace(" ", r"\\ ").replace("'", r"\'")
        settings = {section: {"conninfo": server.conninfo(options=f"'-c search_path={path}'")}
                    for section, server in (("primary", cluster.primary), ("replica", cluster.standby))}
        return {**settings, **(tables(schema) if schema else {})}

    def test_search_path_of_the_connection_string(self):
        for path, schema, read in ((WRONG, None, WRONG), (RIGHT, None, RIGHT), (WRONG, RIGHT, RIGHT),
                                   (RIGHT, WRONG, WRONG), ("nowhere", RIGHT, RIGHT)):
            for prepared in ("yes", "no"):
                with self.subTest(path=path, schema=schema, prepared=prepared):
                    settings = self.led_to(path, schema)
                    for section in ("primary", "replica"):
                        settings[section]["prepared"] = prepared
                    with self.host(settings=settings) as host:
                        host.wait_for_links("primary", "replica")
                        self.assert_answers(host, read)

    def test_search_path_of_the_role(self):
        cluster.primary.execute(f"ALTER ROLE postgres SET search_path = {quoted(WRONG)}")
        self.addCleanup(cluster.primary.execute, "ALTER ROLE postgres RESET search_path")
        cluster.wait_caught_up()
        with self.host(settings=tables(RIGHT)) as host:
            host.wait_for_links("primary", "replica")
            self.assert_answers(host, RIGHT)
            # While it is served.
            cluster.primary.execute("ALTER ROLE postgres SET search_path = nowhere")
            cluster.wait_caught_up()
            for server in (cluster.primary, cluster.standby):
                server.end_clients()
            wait_for(lambda: host.lookup(RUN, SINCE).status == 200, "links to come up again")
            host.wait_for_links("primary", "replica")
            self.assert_answers(host, RIGHT)

    def test_a_table_that_comes_to_be_first(self):
        """Under statements that were prepared before it was there, and that read on in the one behind it."""
        self.addCleanup(cluster.primary.execute, "DROP SCHEMA IF EXISTS earlier CASCADE")
        for prepared in ("yes", "no"):
            cluster.primary.execute("DROP SCHEMA IF EXISTS earlier CASCADE; CREATE SCHEMA earlier")
            cluster.wait_caught_up()
            settings = self.led_by("earlier, public")
            for section in ("primary", "replica"):
                settings[section]["prepared"] = prepared
            with self.host(settings=settings) as host:
                host.wait_for_links("primary", "replica")
                self.assert_answers(host, WRONG)
                table = '"TaskRunExecutionSnapshot"'
                cluster.primary.execute(f"CREATE TABLE earlier.{table} (LIKE public.{table} INCLUDING ALL);"
                                        f" INSERT INTO earlier.{table} SELECT * FROM public.{table};"
                                        f" UPDATE earlier.{table} SET id = '{ONLY_RIGHT}' WHERE id = '{SINCE}'")
                cluster.wait_caught_up()
                for _ in range(5):
                    self.assertEqual(host.lookup(RUN, ONLY_RIGHT).status, 200)
                    self.assertEqual(host.lookup(RUN, NOWHERE).status, 404)

    def test_operators_and_types_before_those_of_the_catalog(self):
        """As extensions have them that imitate other databases, in a schema that their manuals put before
        pg_catalog. What servers are asked of themselves is told all the same."""
        self.addCleanup(cluster.primary.execute, "DROP SCHEMA IF EXISTS astray CASCADE")
        for decoys in DECOYS:
            with self.subTest(decoys):
                cluster.primary.execute("DROP SCHEMA IF EXISTS astray CASCADE; CREATE SCHEMA astray; " + decoys)
                cluster.wait_caught_up()
                with self.host(settings=self.led_by("astray, pg_catalog", RIGHT)) as host:
                    host.wait_for_links("primary", "replica")
                    self.assert_answers(host, RIGHT)
                    wait_for(lambda one=host: one.lookup(RUN, NOWHERE).served_by == "replica_retry",
                             "absence to be proven")

    @unittest.skipUnless(os.path.exists(PROGRAM), "pgbouncer is not installed")
    def test_search_path_that_a_pooler_keeps(self):
        """What another client has set leads statements elsewhere that do not name their schema, in whatever
        moment, and with those that do it does not matter."""
        unprepared = {name: {"prepared": "no"} for name in ("primary", "replica")}
        one = ("default_pool_size = 1", "server_lifetime = 3600", "query_wait_timeout = 60")
        with PgBouncer(cluster.primary, *one) as first, PgBouncer(cluster.standby, *one) as second:
            def leave_behind(path):
                for bouncer in (first, second):
                    with contextlib.closing(bouncer.connect()) as another:
                        another.cursor().execute(f"SET search_path = {path}")

            def leads_elsewhere():
                """Servers from 18 on tell of a path, and newer poolers give each client its own."""
                with contextlib.closing(first.connect()) as another, another.cursor() as cursor:
                    cursor.execute("SHOW search_path")
                    return cursor.fetchone()[0] != '"$user", public'

            with self.host((first, second), unprepared) as by_path, \
                    self.host((first, second), {**unprepared, **tables(RIGHT)}) as named:
                for host in (by_path, named):
                    host.wait_for_links("primary", "replica")
                for path, read in ((quoted(RIGHT), RIGHT), (quoted(WRONG), WRONG),
                                   (f"{quoted(RIGHT)}, pg_catalog", RIGHT)):
                    leave_behind(path)
                    self.assert_answers(named, RIGHT)
                    self.assert_answers(by_path, read if leads_elsewhere() else WRONG)
                leave_behind("nowhere")
                self.assert_answers(named, RIGHT)

    @unittest.skipUnless(os.path.exists(PROGRAM), "pgbouncer is not installed")
    def test_statements_that_another_host_has_prepared(self):
        """On a connection that a pooler lends to both: they are of another schema, and not executed."""
        keeps = tuple(one for one in forgets_sessions() if one.startswith("max_prepared"))
        with PgBouncer(cluster.primary, "default_pool_size = 2", *keeps) as bouncer:
            def host(name):
                return Host(bouncer, settings={"primary": {"links": 1}, **tables(name)})

            with host(WRONG) as other:
                other.wait_for_links("primary")
                self.assertEqual(other.lookup(RUN, ONLY_RIGHT).status, 404)
            with contextlib.closing(bouncer.connect()) as first, \
                    contextlib.closing(bouncer.connect()) as second:
                first.cursor().execute("BEGIN")  # lends the connection that the other one has used
                with host(RIGHT) as one:
                    one.wait_for_links("primary")
                    self.assertEqual(one.lookup(RUN, ONLY_RIGHT).status, 200)
                    second.cursor().execute("BEGIN")
                    first.cursor().execute("ROLLBACK")
                    wait_for(lambda: self.is_found(one, ONLY_RIGHT), "its own statements to be prepared")
                    self.assertEqual(self.description(one), RIGHT)

    def is_found(self, host, snapshot):
        """It may fail where statements are prepared for others, but nobody says that it is not there."""
        status = host.lookup(RUN, snapshot).status
        self.assertIn(status, (200, 503))
        return status == 200

    # -- what is not there -----------------------------------------------------------------------

    def test_schema_that_is_not_there(self):
        """It is told as tables are that are not there, and as soon as it is there all is well."""
        said = r'the database has no schema "not \\?"there\\?"", or neither a table '
        settings = {"admin": {"port": free_port()}, **tables('not "there"')}
        status, text = self.connect_test(settings)
        self.assertEqual(status, 1, text)
        for server in ("primary", "replica"):
            self.assertRegex(text, rf"\n{server}: no link: {said}")
        self.assertIn('Reads the tables of schema "not "there"".\n', text)
        with self.host(settings=settings) as host:
            for server in ("primary", "replica"):
                line = host.wait_for_log(lambda one, server=server: one.fields.get("server") == server
                                         and "no schema" in one.text, "why there is no link")
                self.assertEqual(line.level, "WARN")
                self.assertRegex(line.fields["message"], said)
            self.assertEqual(host.lookup(RUN, SINCE).status, 503)
            self.assertRegex(host.admin("/status.txt").body.decode(), said)
            self.assertRegex(host.admin("/status.json").body.decode(), said.replace('"', r'\\?"'))
            cluster.primary.execute(f'ALTER SCHEMA {quoted(RIGHT)} RENAME TO "not ""there"""')
            self.addCleanup(cluster.primary.execute,
                            f'ALTER SCHEMA "not ""there""" RENAME TO {quoted(RIGHT)}')
            wait_for(lambda: host.lookup(RUN, SINCE).status == 200, "the schema to be found")

    def test_schema_that_lacks_a_table(self):
        cluster.primary.execute("CREATE SCHEMA half")
        self.addCleanup(cluster.primary.execute, "DROP SCHEMA half CASCADE")
        cluster.primary.execute('CREATE TABLE half."_completedWaitpoints" AS'
                                ' SELECT * FROM public."_completedWaitpoints"')
        cluster.wait_caught_up()
        for prepared in ("yes", "no"):
            with self.subTest(prepared=prepared):
                keys = {name: {"prepared": prepared} for name in ("primary", "replica")}
                status, text = self.connect_test({**keys, **tables("half")})
                self.assertEqual(status, 1, text)
                self.assertRegex(text, r'relation "half\.TaskRun\w+" does not exist')
        with self.host(settings=tables("half")) as host:
            host.wait_for_log(lambda one: re.search(r'relation \\"half\.TaskRun\w+\\" does not', one.text),
                              "why there is no link")
            self.assertEqual(host.lookup(RUN, SINCE).status, 503)

    def test_schema_that_a_role_may_not_use(self):
        cluster.primary.execute("CREATE ROLE stranger LOGIN IN ROLE pg_monitor")
        cluster.wait_caught_up()
        settings = {"primary": {"conninfo": cluster.primary.conninfo(user="stranger")},
                    "replica": {"conninfo": cluster.standby.conninfo(user="stranger")}}
        status, text = self.connect_test({**settings, **tables(RIGHT)})
        self.assertEqual(status, 1, text)
        self.assertIn(f"no link: permission denied for schema {RIGHT}", text)

    # -- reloads ---------------------------------------------------------------------------------

    def test_reload(self):
        """New links read the other schema; nothing that is asked meanwhile fails."""
        with self.host() as host:
            host.wait_for_links("primary", "replica")
            self.assert_answers(host, WRONG)
            settings = copy.deepcopy(host.settings)
            for name, read in ((RIGHT, RIGHT), (WRONG, WRONG), (RIGHT, RIGHT), ("", WRONG)):
                with Asking(functools.partial(self.ask, host)):
                    host.reload(settings={**settings, **tables(name)})
                    wait_for(lambda read=read: self.description(host) == read, "the other schema's rows")
                    wait_for(lambda: cluster.primary.value(
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'host-under-test'"
                        ) == 2, "the old links to go")
                self.assert_answers(host, read)
            lines = [line.fields.get("changed") for line in host.log
                     if line.fields["message"] == "configuration reloaded"]
            self.assertEqual(lines, ["[tables] schema"] * 4)

    @staticmethod
    def description(host):
        return host.lookup(RUN, SINCE).json["snapshots"][0]["snapshot"]["description"]

    def ask(self, host):
        answer = host.lookup(RUN, SINCE)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json["snapshots"]), 1, answer)

    def test_reload_with_an_error(self):
        with self.host(settings=tables(RIGHT)) as host:
            host.wait_for_links("primary", "replica")
            host.reload(settings={**host.settings, **tables("x" * 64)})
            line = host.wait_for_log(lambda one: "not reloaded" in one.text, "the refusal")
            self.assertIn(f"[tables] schema = {'x' * 64}: too long", line.text)
            self.assert_answers(host, RIGHT)

    def test_threads(self):
        """Each has texts of its own."""
        with self.host(settings={**tables(RIGHT), "listen": {"threads": 3}}) as host:
            host.wait_for_links("primary", "replica")
            wait_for(lambda: host.metrics().value("snapshot_host_links_up", server="replica") == 6, "links")
            answers = [host.begin_lookup(RUN, SINCE) for _ in range(60)]
            for answer in answers:
                self.assertEqual(answer.result().json["snapshots"][0]["snapshot"]["description"], RIGHT)
            host.reload(settings={**host.settings, **tables(WRONG)})
            wait_for(lambda: {one.result().json["snapshots"][0]["snapshot"]["description"] for one in
                              [host.begin_lookup(RUN, SINCE) for _ in range(60)]} == {WRONG},
                     "all threads to read the other schema")


if __name__ == "__main__":
    unittest.main()
