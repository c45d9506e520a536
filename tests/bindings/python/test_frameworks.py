#!/usr/bin/python3
"""Blocking clusters over Django's databases and SQLAlchemy's engines."""

import os
import unittest
from unittest import mock

import django
import django.conf
import django.core.exceptions
import sqlalchemy
import sqlalchemy.orm

from blocking_pair import Functions, Pair, Servers
from package import POLICIES
from testbed import wait_for

import read_policy.sqlalchemy
from read_policy import Closed, ReadFailed, Shed, UsageError

try:
    # By Django's own numbers, which depend on the driver that it finds.
    from django.db.backends.postgresql.psycopg_any import IsolationLevel
    READ_COMMITTED, REPEATABLE_READ = IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ
except ImportError:
    from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED as READ_COMMITTED
    from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ as REPEATABLE_READ


def setUpModule():
    global servers
    servers = Pair.servers = Servers()
    database = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "NAME": "postgres",
                "USER": "postgres", "OPTIONS": {"connect_timeout": 2}}
    django.conf.settings.configure(DATABASES={
        "default": {**database, "PORT": servers.cluster.primary.port},
        "replica": {**database, "PORT": servers.relay.port},
        "elsewhere": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()


def tearDownModule():
    servers.close()


Base = sqlalchemy.orm.declarative_base()


class Thing(Base):
    __tablename__ = "thing"
    id = sqlalchemy.Column(sqlalchemy.Text, primary_key=True)


class SQLAlchemy(Functions, unittest.TestCase):
    def open(self, settings):
        self.engines = {name: sqlalchemy.create_engine(
            f"postgresql+psycopg2://postgres@127.0.0.1:{server.port}/postgres", pool_size=10, connect_args={"connect_timeout": 2},
            isolation_level="REPEATABLE READ")
            for name, server in (("a", servers.cluster.primary), ("b", servers.relay))}
        self.addCleanup(lambda: [engine.dispose() for engine in self.engines.values()])
        return read_policy.sqlalchemy.connect(servers.policies, self.engines, settings=settings)

    @staticmethod
    def job(identity):
        return sqlalchemy.text("SELECT id FROM thing WHERE id = :id"), {"id": identity}

    @staticmethod
    def one(connection, statement):
        return connection.execute(sqlalchemy.text(statement)).scalar()

    @staticmethod
    def end_transaction(connection):
        connection.get_transaction().rollback()

    def test_what_is_no_engine_of_postgresqls_is_refused(self):
        for other in (sqlalchemy.create_engine("sqlite://"), "postgresql://postgres:hidden@127.0.0.1/postgres"):
            with self.assertRaisesRegex(UsageError, "server b: expected an engine of create_engine") as raised:
                read_policy.sqlalchemy.connect(servers.policies, {**self.engines, "b": other})
            self.assertNotIn("hidden", str(raised.exception))

    def test_an_entity(self):
        row = self.row()
        found = read_policy.sqlalchemy.get_known(self.pair, "index",
                                                 sqlalchemy.select(Thing).where(Thing.id == row))
        self.assertEqual((type(found), found.id), (Thing, row))
        self.assertTrue(sqlalchemy.inspect(found).detached)
        with self.assertRaises(sqlalchemy.exc.NoResultFound):
            read_policy.sqlalchemy.get_known(self.pair, "index",
                                             sqlalchemy.select(Thing).where(Thing.id == "bogus"))
        with self.assertRaises(sqlalchemy.exc.MultipleResultsFound):
            self.row()
            read_policy.sqlalchemy.get_known(self.pair, "primary", sqlalchemy.select(Thing))

    def test_a_query_that_is_not_read_says_nothing(self):
        with self.assertRaisesRegex(UsageError, "a Query does not say"):
            self.pair.read("retry", lambda connection: sqlalchemy.orm.Session(connection).query(Thing))

    def test_its_connections_go_back_as_they_were(self):
        self.read("retry", self.row())
        with self.engines["b"].connect() as connection:
            self.assertEqual(self.one(connection, "SHOW transaction_isolation"), "repeatable read")
            self.assertEqual(self.one(connection, "SHOW statement_timeout"), "0")

    def test_connections_that_the_program_has_kept_and_lost(self):
        """They were made long before, by others than the cluster, and say nothing of the server."""
        row = self.row()
        servers.cluster.wait_caught_up()
        kept = [self.engines["b"].connect() for _ in range(4)]
        for connection in kept:
            self.one(connection, "SELECT 1")
            connection.close()
        servers.cluster.standby.end_clients()
        end = self.read("replica", row)
        self.assertEqual((end.verdict, end.served_by), ("found", "replica"), end)


class Django(Pair, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from django.db import models

        class Thing(models.Model):
            id = models.TextField(primary_key=True)

            class Meta:
                app_label = "things"
                db_table = "thing"
                managed = False
        cls.model = Thing

    def setUp(self):
        super().setUp()
        self.addCleanup(self.end_of_thread)

    def open(self, settings):
        import read_policy.django
        self.module = read_policy.django
        return read_policy.django.connect(servers.policies, ["default", "replica"], settings=settings)

    def job(self, identity):
        things = self.model.objects.filter(pk=identity)
        return (lambda alias: list(things.using(alias)),)

    def ids(self, end):
        return [thing.pk for thing in end.value]

    def end_of_thread(self):
        from django.db import connections
        connections.close_all()

    def use(self, isolation=READ_COMMITTED):
        """The settings as a project has them."""
        from django.db import connections
        path = os.path.join(servers.cluster.directory, "read-policy.ini")
        with open(path, "w", encoding="ascii") as file:
            file.write(POLICIES)
        django.conf.settings.READ_POLICY = {"FILE": path, "DATABASES": ["default", "replica"]}
        for alias in ("default", "replica"):
            connections[alias].close()
            connections[alias].settings_dict["OPTIONS"]["isolation_level"] = isolation
        wait_for(lambda: self.module.cluster().info().replicas == 1, "the replica to be heard")

    def known(self, section, identity, **options):
        return self.module.get_known(section, self.model.objects.filter(pk=identity), **options)

    def test_databases_that_it_cannot_use_are_refused(self):
        for alias, words in (("replca", "DATABASES has no replca"), ("elsewhere", "elsewhere of DATABASES: expected an")):
            with self.assertRaisesRegex(django.core.exceptions.ImproperlyConfigured, words):
                read_policy.django.connect(servers.policies, ["default", alias])

    def test_a_setting_that_there_is_not_is_refused(self):
        with mock.patch.object(django.conf.settings, "READ_POLICY", {"FILE": "x", "EXPECTS": {}}, create=True):
            with self.assertRaisesRegex(django.core.exceptions.ImproperlyConfigured,
                                        "READ_POLICY has no EXPECTS; expected FILE, DATABASES, EXPECT, SETTINGS"):
                self.module._setting("FILE")

    def test_get_known(self):
        self.use()
        row = self.row()
        self.assertEqual(self.known("index", row).pk, row)
        with self.assertRaisesRegex(self.model.DoesNotExist, "proven absent"):
            self.known("index", "bogus")
        with self.assertRaises(self.model.DoesNotExist):
            self.known("budget", "bogus")
        with self.assertRaises(Shed):
            for _ in range(100):  # one more comes into the budget each second
                with self.assertRaises(self.model.DoesNotExist):
                    self.known("budget", "bogus")
        self.row()
        with self.assertRaises(self.model.MultipleObjectsReturned):
            self.module.get_known("primary", self.model.objects.all())

    def test_a_queryset_is_read_in_the_reads_transaction(self):
        from django.core.paginator import Paginator
        from django.db import connections
        row = self.row()
        inside = []

        def run(execute, sql, *arguments):
            if "FROM \"thing\"" in sql:
                inside.append(connections["default"].in_atomic_block)
            return execute(sql, *arguments)
        things = self.model.objects
        with connections["default"].execute_wrapper(run):
            for lazy in (lambda alias: things.using(alias).filter(pk=row),
                         lambda alias: things.db_manager(alias).raw("SELECT id FROM \"thing\" WHERE id = %s", (row,)),
                         lambda alias: Paginator(things.using(alias).filter(pk=row).order_by("pk"), 10).page(1)):
                inside.clear()
                end = self.pair.read("primary", lazy)
                self.assertEqual((self.ids(end), set(inside)), ([row], {True}))

    def test_in_an_atomic_block_it_sees_what_was_written_there(self):
        from django.db import transaction
        self.use()
        with transaction.atomic():
            self.model.objects.create(pk="uncommitted")
            self.assertEqual(self.known("index", "uncommitted").pk, "uncommitted")
            # The caller says that it is not among what it wrote: the replica is asked, and nobody has it.
            end = self.module.read_known("replica", self.model.objects.filter(pk="uncommitted"),
                                         in_transaction=False)
            self.assertEqual(end.verdict, "not_found")
            transaction.set_rollback(True)
        with self.assertRaises(self.model.DoesNotExist):
            self.known("index", "uncommitted")

    def test_repeatable_read_outside_a_block_is_not_its_own(self):
        self.use(REPEATABLE_READ)
        row = self.row()
        self.assertEqual(self.known("index", row).pk, row)
        for section in ("index", "primary"):
            with self.assertRaises(self.model.DoesNotExist):
                self.known(section, "bogus")

    def test_a_read_cannot_write(self):
        self.use()
        end = self.module.cluster().read("primary", lambda alias: self.model.objects.using(alias).create(pk="written"))
        self.assertEqual(end.verdict, "failed")
        self.assertIn("read-only", str(end.error))
        self.assertFalse(self.model.objects.filter(pk="written").exists())
        self.assertTrue(self.model.objects.create(pk="written"))

    def test_a_test_database_can_be_dropped_once_it_is_closed(self):
        """As a test runner does it: the questions have a connection of their own, of no request."""
        from django.db import connections
        self.use()
        servers.cluster.primary.execute("CREATE DATABASE made_for_tests")
        with mock.patch.dict(connections["default"].settings_dict, NAME="made_for_tests"), \
                mock.patch.dict(connections.databases["default"], NAME="made_for_tests"):
            self.module.close()
            opened = self.module.cluster()
            wait_for(lambda: opened.server("default").answers, "an answer of that database")
        self.assertEqual(self.clients_of("made_for_tests"), 1)
        self.module.close()
        servers.cluster.primary.execute("DROP DATABASE made_for_tests")
        self.assertIsNot(self.module.cluster(), opened)

    @staticmethod
    def clients_of(database):
        return servers.cluster.primary.value("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (database,))

    def test_settings_that_a_test_overrides(self):
        from django.test import override_settings
        self.use()
        loaded, opened = self.module.policies(), self.module.cluster()
        path = os.path.join(servers.cluster.directory, "other.ini")
        with open(path, "w", encoding="ascii") as file:
            file.write("[other]\npolicy = primary_only\n")
        row = self.row()
        with override_settings(READ_POLICY={"FILE": path, "DATABASES": ["default", "replica"]}):
            self.assertEqual(self.known("other", row).pk, row)
        self.assertEqual(self.known("index", row).pk, row)
        self.assertIsNot(self.module.policies(), loaded)
        with self.assertRaises(Closed):
            opened.info()

    def test_repeatable_read_around_it_proves_nothing(self):
        """As under ATOMIC_REQUESTS: the block has its snapshot, and the row comes afterwards."""
        from django.db import connections, transaction
        self.use(REPEATABLE_READ)
        with transaction.atomic(), transaction.atomic(using="replica"):
            for alias in ("default", "replica"):
                with connections[alias].cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM thing")
            row = self.row()
            servers.cluster.wait_caught_up()
            for options in ({}, {"in_transaction": False}):
                with self.assertRaises(ReadFailed):
                    self.known("index", row, **options)
        self.assertEqual(self.known("index", row).pk, row)

    def test_repeatable_read_around_it_keeps_no_position(self):
        """What is there in the block's snapshot may have changed by the commit that the position stands for."""
        from django.db import connections, transaction
        self.use(REPEATABLE_READ)
        known = self.row()
        with transaction.atomic():
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM thing")
                self.row()
                cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
                position, = cursor.fetchone()
            self.assertEqual(self.known("index", known).pk, known)
            with self.assertRaises(ReadFailed):
                self.known("index", known, position=position)
        self.assertEqual(self.known("index", known, position=position).pk, known)


if __name__ == "__main__":
    unittest.main()
