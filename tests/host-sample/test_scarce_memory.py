#!/usr/bin/python3
"""A host whose memory is short for a moment: what it says is true, and what it has begun it completes."""

import itertools
import signal
import subprocess
import tempfile
import unittest

import sanitizer
from host import Host, ini_text
from lookup_case import module_cluster
from scarce_memory import ScarceMemory
from testbed import HOST_BINARY, ROOT, wait_for


def setUpModule():
    global cluster
    cluster, _ = module_cluster("standby")


class Case(unittest.TestCase):
    def setUp(self):
        if sanitizer.is_in(HOST_BINARY):
            self.skipTest("a sanitizer has its own malloc")
        directory = tempfile.TemporaryDirectory(prefix="scarce-memory-")
        self.addCleanup(directory.cleanup)
        self.memory = ScarceMemory(directory.name)


class Check(Case):
    def test_no_conninfo_is_called_wrong(self):
        """Whichever allocation it is that fails while the file is read: the connection strings, with files
        to be found beside it and a name to be looked up, are good."""
        settings = {"server.b": {"conninfo": "host=localhost passfile=p sslrootcert=certs/root.crt",
                                 "addresses": "all"}}
        host = Host(cluster.primary, settings=settings)
        self.addCleanup(host.kill)
        environment = self.memory.environment()
        for granted in itertools.count():
            self.memory.grant(granted)
            done = subprocess.run([HOST_BINARY, "-t", "-c", host.config_path], cwd=ROOT, env=environment,
                                  capture_output=True, text=True, timeout=30, check=False)
            if "[plugin] path" in done.stderr:
                break  # the file has been read
            self.assertIn((done.returncode, done.stderr),
                          ((1, "out of memory\n"), (1, f"{host.config_path}: out of memory\n"), (0, "")),
                          granted)
        self.assertGreater(granted, 50)


class Reload(Case):
    def test_a_server_is_added_later(self):
        """Each reload makes all links anew; wherever memory is short, they come up."""
        host = Host(cluster.primary)
        self.addCleanup(host.kill)
        with self.memory.within():
            host.start()
        for number, granted in enumerate(range(40, 120, 3)):
            wait_for(lambda: host.metrics().value("snapshot_host_links_up", server="primary") == 2,
                     "the links before")
            settings = {**host.settings, "limits": {"lookup_timeout_ms": 3000 + number % 2}}
            host.write_config(ini_text(settings))
            before = self.reloads(host)
            self.memory.grant(granted)
            host.signal(signal.SIGHUP)
            wait_for(lambda: self.reloads(host) > before, "the host to read its files again")
            self.memory.grant(-1)
            wait_for(lambda: self.links_of(host) == 2, f"links after {granted} allocations")
        host.stop()

    def test_all_of_it_is_gone_while_links_begin(self):
        """Those that cannot even be dialled are dialled later: nothing that has to be allocated says when."""
        for granted in (100, 150, 200, 350):
            with self.subTest(granted=granted):
                host = Host(cluster.primary)
                self.addCleanup(host.kill)
                with self.memory.within(all_from_there=True):
                    host.start()
                host.wait_for_links("primary")
                more = {"conninfo": cluster.standby.conninfo(), "links": 30}
                host.write_config(ini_text({**host.settings, "replica": more}))
                self.memory.grant(granted)
                host.signal(signal.SIGHUP)
                host.wait_for_log(lambda line: "no link" in line.fields["message"], "a link that fails")
                self.memory.grant(-1)
                wait_for(lambda: self.links_of(host, "replica") == 30, "all links")
                host.stop()

    @staticmethod
    def reloads(host):
        """By its log: an answer would take memory, too."""
        return sum("reloaded" in line.fields["message"] for line in list(host.log))

    @staticmethod
    def links_of(host, server="primary"):
        try:
            return host.metrics().value("snapshot_host_links_up", server=server)
        except KeyError:
            return 0  # there is no such server


if __name__ == "__main__":
    unittest.main()
