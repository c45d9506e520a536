#!/usr/bin/python3
"""What people type into snapshot-host.ini: each mistake is told with what would be right, and what may be
meant, but probably is not, with a note. No server is needed."""

import os
import shutil
import tempfile
import unittest
import unittest.mock

import testbed
from host import ini_text, run_host
from testbed import PLUGIN


class Typing(unittest.TestCase):
    def setUp(self):
        testbed.complain_if_not_built()
        self.directory = tempfile.mkdtemp(prefix="snapshot-host-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.write("read-policy.ini", b"[snapshots_since]\npolicy = replica_then_primary\n")
        self.settings = {
            "listen": {"port": 0}, "auth": {"token": "t"},
            "primary": {"conninfo": "host=127.0.0.1 port=1 dbname=a user=b"},
            "replica": {"conninfo": "host=127.0.0.1 port=2 dbname=a user=b"},
            "plugin": {"path": PLUGIN, "config": "read-policy.ini"}}

    def write(self, name, content):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def check(self, changes, environment=None):
        settings = dict(self.settings)
        for section, keys in changes.items():
            settings[section] = {**settings.get(section, {}), **keys}
        path = self.write("snapshot-host.ini", ini_text(settings).encode())
        with unittest.mock.patch.dict(os.environ, environment or {}):
            return run_host("-t", "-c", path)

    def assert_told(self, section, key, value, *texts, environment=None):
        with self.subTest(key=key, value=value):
            done = self.check({section: {key: value}}, environment)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done)
            for text in (f"[{section}] {key}", *texts):
                self.assertIn(text, done.stderr)

    def test_switches(self):
        for value, meant in (("on", "yes"), ("off", "no"), ("true", "yes"), ("False", "no"), ("1", "yes"),
                             ("0", "no"), ("Yes", "yes"), ("ye", "yes")):
            self.assert_told("primary", "prepared", value, f"did you mean {meant}?")

    def test_units(self):
        for value, meant in (("200ms", "200"), ("2s", "2000"), ("2 s", "2000"), ("200 # ms", "200")):
            self.assert_told("limits", "lookup_timeout_ms", value, f"did you mean {meant}?")
        self.assert_told("limits", "lookup_timeout_ms", "10s", "not a number")  # 9000 is the most
        self.assert_told("limits", "max_lookups", "5s", "not a number")

    def test_comments_and_quotes(self):
        self.assert_told("listen", "address", "127.0.0.1 # mine", "a line of its own")
        self.assert_told("primary", "conninfo", "host=a # mine", "a line of its own")
        for value in ('"t"', "'t'", "t'", '"t', "\u201ct\u201d", "\u2018t", "\u00abt\u00bb"):
            self.assert_told("auth", "token", value, "without quotes")
        self.assert_told("plugin", "config", '"read-policy.ini"', "without quotes")
        self.assert_told("primary", "conninfo", '"host=a"', "without quotes")
        self.assert_told("primary", "conninfo", "host=a password=\u201cb\u201d", "a quote")

    def test_conninfo(self):
        for conninfo, *texts in (
                ("host=a port=0", "port: ", "1 to 65535"), ("host=a port=65536", "1 to 65535"),
                ("host=a port=5432x", "1 to 65535"), ("host=a,b,c port=1,2", "one for each host"),
                ("host=a sslmode=on", "sslmode: ", "verify-full"),
                ("host=a sslmode=requier", "did you mean require?"),
                ("host=a target_session_attrs=readwrite", "did you mean read-write?"),
                ("host=a replication=database", "replication: ", "accepted: false"),
                ("host=a connect_timeout=2s", "connect_timeout: ", "without a unit"),
                ("host=a prot=5432", "did you mean port?"), ("host=a user", "without '='"),
                ("postgresql://u:p@h/d?schema=trigger", "does not know", "key schema of [tables]"),
                ("host=a schema=b", "key schema of [tables]"),
                ("postgresql://u:p@x@h/d", "%40"), ("postgresql://u:p%zz@h/d", "%25")):
            self.assert_told("primary", "conninfo", conninfo, *texts)
        for conninfo in ("host=a,b port=1,", "host=a,b port=1", "host=a port=1 sslmode=verify-ca",
                         "host=a replication=off", "host=a password='b c'", "postgresql://u:p%40x@h:1,g:2/d?sslmode=require",
                         "host=a target_session_attrs=prefer-standby options='-c a=\"b\"'"):
            with self.subTest(conninfo=conninfo):
                self.assertEqual(self.check({"primary": {"conninfo": conninfo}}).returncode, 0)

    def test_schema(self):
        """What PostgreSQL takes for a name, this file can say, but for blanks at its ends, " #" and " ;"."""
        for name in ("public", "Trigger", "my schema", 'say "x"', '"', "it's", "back\\slash", "'x\"", "a=b",
                     "caf\u00e9 \u20ac", "x" * 63, "\u20ac" * 21, ""):
            with self.subTest(name=name):
                done = self.check({"tables": {"schema": name}})
                self.assertEqual((done.returncode, done.stderr), (0, ""), done)
                said = f'Reads the tables of schema "{name}".\n'
                self.assertEqual(said in done.stdout, name != "", done)
        for name, *texts in (("x" * 64, f"= {'x' * 64}: too long", "0 to 63 bytes"),
                             ("\u20ac" * 22, "too long", "0 to 63 bytes"),
                             ('"Trigger"', 'schema = "Trigger": a name stands without quotes', "63 bytes"),
                             ("'a'", "without quotes"), ("a # b", "a line of its own"),
                             ("a ; b", "comment")):
            self.assert_told("tables", "schema", name, *texts)
        done = self.check({"tables": {"schema": "'host=a password=geheim'"}})
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("geheim", done.stderr)
        for value, text in ((b"caf\xe9", r"caf\\xe9: not UTF-8"), (b"a\0b", "NUL")):
            path = self.write("snapshot-host.ini", ini_text(self.settings).encode()
                              + b"[tables]\nschema = " + value + b"\n")
            done = run_host("-t", "-c", path)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf":\d+: \[tables\].*{text}")
        self.assertIn("did you mean [tables]?", self.check({"table": {"schema": "a"}}).stderr)

    def test_section_that_is_near_to_a_servers(self):
        for name in ("server", "server.", "Server.b", "servers"):
            self.assertIn("did you mean [server.NAME]?", self.check({name: {"conninfo": "host=a"}}).stderr)

    def test_service(self):
        services = {"PGSERVICEFILE": self.write("services", b"[known]\nhost=a\nport=5\n")}
        self.assert_told("primary", "conninfo", "service=unknown", "no such service",
                         environment=services)
        self.assert_told("primary", "conninfo", "service=known", "service file",
                         environment={"PGSERVICEFILE": "/nowhere/services"})
        done = self.check({"primary": {"conninfo": "service=known user=x"}}, services)
        self.assertEqual(done.returncode, 0, done)

    def test_names_that_are_not_utf8(self):
        for section, line in ((b"[caf\xe9]", 14), (b"[replica.\xc0\xaf]", 14),
                              (b"[replica.\xed\xa0\x80]", 14)):
            path = self.write("snapshot-host.ini",
                              ini_text(self.settings).encode() + b"\n\n" + section + b"\n")
            done = run_host("-t", "-c", path)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rf":{line}: .*not UTF-8")
        self.write("read-policy.ini", b"[snapshots_since]\npolicy = primary_only\n[caf\xe9]\n")
        done = self.check({})
        self.assertRegex(done.stderr, r"read-policy.ini:3: .*not UTF-8")
        self.write("read-policy.ini",
                   "[snapshots_since]\npolicy = primary_only\n[café]\npolicy = primary_only\n".encode())
        self.assertEqual(self.check({}).returncode, 0)

    def test_notes(self):
        self.assertNotIn("Note", self.check({}).stdout)
        same = {"conninfo": "dbname=a user=x password=y host=127.0.0.1 port=2"}
        self.assertIn("[replica] and [replica.b] are one server",
                      self.check({"replica.b": same}).stdout)
        self.assertIn("[primary] and [replica.b] are one server", self.check(
            {"primary": {"conninfo": "postgresql://u@h/d"}, "replica.b":
             {"conninfo": "host=h port=5432 dbname=d user=v"}}).stdout)
        for position in "flush", "insert": # a file of 1.0.0
            self.assertIn("[primary] position has no effect any more",
                          self.check({"primary": {"position": position}}).stdout)
        self.assertNotIn("position", run_host("--keys").stdout)
        self.assertRegex(self.check({"primary": {"zone": "a"}}).stderr, "known keys: (?!.*position)")
        self.write("read-policy.ini", b"[snapshots_since]\npolicy = replica_backoff\nmax_wait_ms = 900\n")
        self.assertNotIn("Note", self.check({}).stdout)
        self.assertIn("read-policy.ini:3: [snapshots_since] max_wait_ms = 900",
                      self.check({"limits": {"lookup_timeout_ms": 900}}).stdout)


if __name__ == "__main__":
    unittest.main()
