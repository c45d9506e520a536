#!/usr/bin/python3
"""TLS and credentials, as libpq has them, through the host: certificates that are checked in full, that
change, and that are of somebody else; SCRAM bound to its channel; a client's certificate; a password file
and a service file."""

import os
import shutil
import subprocess
import unittest

from framed import ResettingTls
from host import Host
from lookup_case import module_cluster
from testbed import wait_for

APPLICATION = "snapshot-host"  # the host's own name for its links: lines are short
PASSWORD = "Tr0ubadour"
HBA = """hostssl all scram all scram-sha-256
hostssl all holder all cert
hostssl all plain all reject
host all plain all trust
host all scram,holder all reject
"""

cluster = history = None
life = None


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=cluster.directory, check=True, capture_output=True)


def path(name):
    return os.path.join(cluster.directory, name)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")


def make_certificate(name, authority, subject, *extensions):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(path(f"{name}.ext"), "w", encoding="ascii") as file:
        file.write("".join(f"{one}\n" for one in extensions))
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey",
            f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out",
            f"{name}.crt")


def serve_with(name):
    """The server shows this certificate from now on, to those who connect."""
    for kind in ("crt", "key"):
        target = os.path.join(cluster.primary.data, f"server.{kind}")
        with open(path(f"{name}.{kind}"), "rb") as source, open(target, "wb") as file:
            file.write(source.read())
        os.chmod(target, 0o600)
        cluster.account.own(target)
    cluster.primary.execute("SELECT pg_reload_conf()")


def setUpModule():
    global cluster, history, life
    cluster, history = module_cluster()
    life = history.life_of_a_run()
    history.write(cluster.primary)
    for authority in ("ours", "theirs"):
        make_authority(authority)
    for name, authority in (("first", "ours"), ("second", "ours"), ("foreign", "theirs")):
        make_certificate(name, authority, "localhost", "subjectAltName=DNS:localhost")
    make_certificate("client", "ours", "holder", "extendedKeyUsage=clientAuth")
    hba = os.path.join(cluster.primary.data, "pg_hba.conf")
    with open(hba, encoding="ascii") as file:
        rest = file.read()
    with open(hba, "w", encoding="ascii") as file:
        file.write(HBA + rest)
    serve_with("first")
    for name, value in (("ssl", "on"), ("ssl_ca_file", path("ours.crt"))):
        cluster.primary.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    cluster.primary.execute("SELECT pg_reload_conf()")
    cluster.primary.execute(f"CREATE ROLE scram LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    cluster.primary.execute("CREATE ROLE holder LOGIN SUPERUSER")
    cluster.primary.execute("CREATE ROLE plain LOGIN SUPERUSER")


def to_server(**words):
    return cluster.primary.conninfo(**{
        "host": "localhost", "sslmode": "verify-full", "sslrootcert": path("ours.crt"), **words})


class Tls(unittest.TestCase):
    def setUp(self):
        serve_with("first")

    def write_service(self, conninfo):
        """The service named runs; what it says is longer than a line of the host's file may be."""
        with open(path("services"), "w", encoding="ascii") as file:
            file.write("[runs]\n" + conninfo.replace(" ", "\n") + "\n")
        os.environ["PGSERVICEFILE"] = path("services")
        self.addCleanup(os.environ.pop, "PGSERVICEFILE")

    def host(self, conninfo):
        return Host(policy={"policy": "primary_only"}, settings={"server.a": {"conninfo": conninfo}})

    def assert_serves(self, host):
        answer = host.lookup(life[0]["runId"], life[0]["id"])
        self.assertEqual(answer.status, 200, answer)

    def assert_refused(self, conninfo, why):
        with self.host(conninfo) as host:
            line = host.wait_for_log(lambda one: why in one.text, f"a line with {why!r}")
            self.assertNotIn(PASSWORD, line.text)
            self.assertEqual(host.lookup(life[0]["runId"], life[0]["id"]).status, 503)

    def end_links(self):
        cluster.primary.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                " WHERE application_name = %s", (APPLICATION,))

    def connects(self, host):
        return host.metrics().value("snapshot_host_connects_total", server="server.a")

    def test_a_certificate_that_is_rotated(self):
        with self.host(to_server()) as host:
            self.assert_serves(host)
            self.assertEqual(self.uses_tls(), [True])
            serve_with("second")
            before = self.connects(host)
            self.end_links()
            wait_for(lambda: self.connects(host) > before, "links with the new certificate")
            self.assert_serves(host)
            serve_with("foreign")
            self.end_links()
            host.wait_for_log(lambda one: "certificate verify failed" in one.text, "the refusal")
            self.end_links()  # one may have been made before the server had read its files again
            wait_for(lambda: self.uses_tls() is None, "the end of all links")
            self.assertEqual(host.lookup(life[0]["runId"], life[0]["id"]).status, 503)
            before = self.connects(host)
            serve_with("second")
            wait_for(lambda: self.connects(host) > before, "links again")
            wait_for(lambda: host.lookup(life[0]["runId"], life[0]["id"]).status == 200, "an answer")

    def uses_tls(self):
        return cluster.primary.value("SELECT array_agg(DISTINCT ssl) FROM pg_stat_ssl JOIN"
                                     " pg_stat_activity USING (pid) WHERE application_name = %s",
                                     (APPLICATION,))

    def test_a_file_that_hangs(self):
        """As on a disk of the network that does not answer; a FIFO that nobody writes to does the same."""
        os.mkfifo(path("hangs"))
        with self.host(to_server(sslrootcert=path("hangs"))) as host:
            host.wait_for_log(lambda one: "no connection within 3 s" in one.text and "hang a disk" in one.text,
                              "the reason")
            with open(path("hangs"), "wb") as fifo, open(path("ours.crt"), "rb") as certificate:
                fifo.write(certificate.read())
            os.unlink(path("hangs"))
            shutil.copy(path("ours.crt"), path("hangs"))
            wait_for(lambda: host.lookup(life[0]["runId"], life[0]["id"]).status == 200, "links at last")

    def test_preferred_where_it_is_reset(self):
        with ResettingTls(cluster.primary) as relay:
            relay.at = "handshake"
            with self.host(relay.conninfo(sslmode="prefer")) as host:
                self.assert_serves(host)  # libpq tries it again without
                self.assertGreater(relay.resets, 0)
                self.assertEqual(self.uses_tls(), [False])
                relay.at = "request"
                before = relay.resets
                self.end_links()
                wait_for(lambda: relay.resets > before + 2, "more attempts")
                self.assertIn(host.lookup(life[0]["runId"], life[0]["id"]).status, (200, 503))
                relay.at = None
                wait_for(lambda: host.lookup(life[0]["runId"], life[0]["id"]).status == 200,
                         "an answer")
            relay.at = "request"
            both = cluster.primary.conninfo(sslmode="prefer", host="127.0.0.1,127.0.0.1",
                                            port=f"{relay.port},{cluster.primary.port}")
            with self.host(both) as host:
                self.assert_serves(host)
                self.assertEqual(self.uses_tls(), [True])

    def test_preferred_where_it_is_rejected(self):
        with self.host(to_server(user="plain", sslmode="prefer")) as host:
            self.assert_serves(host)
            self.assertEqual(self.uses_tls(), [False])
        self.assert_refused(to_server(user="plain", sslmode="require"), "pg_hba.conf rejects connection")

    def test_a_wrong_host_name(self):
        self.assert_refused(to_server(host="127.0.0.1"), "does not match host name")

    def test_scram_bound_to_its_channel(self):
        with self.host(to_server(user="scram", password=PASSWORD, channel_binding="require")) as host:
            self.assert_serves(host)
        self.assert_refused(to_server(user="scram", password=PASSWORD + "x"),
                            "password authentication failed")
        self.assert_refused(to_server(user="scram", password=PASSWORD, sslmode="disable"),
                            "pg_hba.conf rejects connection")

    def test_a_client_certificate(self):
        os.chmod(path("client.key"), 0o600)
        self.write_service(to_server(user="holder", sslcert=path("client.crt"),
                                     sslkey=path("client.key")))
        with self.host("service=runs") as host:
            self.assert_serves(host)
        self.assert_refused(to_server(user="holder"), "certificate")

    def test_a_password_file_and_a_service_file(self):
        with open(path("passwords"), "w", encoding="ascii") as file:
            file.write(f"localhost:*:*:scram:{PASSWORD}\n")
        os.chmod(path("passwords"), 0o600)
        with self.host(to_server(user="scram", passfile=path("passwords"))) as host:
            self.assert_serves(host)
        self.write_service(to_server(user="scram", passfile=path("passwords")))
        with self.host("service=runs") as host:
            self.assert_serves(host)

    def test_files_named_by_relative_paths(self):
        """They are looked for where the host's file is, not where the host was started."""
        os.chmod(path("client.key"), 0o600)
        words = to_server(user="holder", sslcert="'it''s.crt'".replace("''", "\\'"), sslkey="of/holder.key",
                          sslrootcert="ours.crt")
        uri = (f"postgresql://holder@localhost:{cluster.primary.port}/postgres?sslmode=verify-full"
               "&sslrootcert=ours.crt&sslcert=it%27s.crt&sslkey=of%2Fholder.key")
        for conninfo in (words, uri):
            host = self.host(conninfo)
            os.mkdir(os.path.join(host.directory, "of"))
            for name, source in (("ours.crt", "ours.crt"), ("it's.crt", "client.crt"),
                                 ("of/holder.key", "client.key")):
                shutil.copy(path(source), os.path.join(host.directory, name))
            with self.subTest(conninfo=conninfo), host:
                self.assert_serves(host)


if __name__ == "__main__":
    unittest.main()
