#!/usr/bin/python3
"""A name with several addresses is as many servers, which come and go with it, and no lookup is lost.

The name is in /etc/hosts of a mount namespace that this program makes for itself and its children. Each
address leads to a standby of its own, by a forwarder on it: of one name all servers have one port.
"""

import contextlib
import ctypes
import os
import signal
import socket
import tempfile
import threading
import time
import unittest

import test_reload_servers as reloads
from fact_case import TO_PRIMARY, Facts
from host import APPLICATION, Host, run_host
from test_reload_servers import Load, links_of, role_of, running, server
from testbed import free_port, wait_for

NAME = "standbys.example"
SILENT = "silent.example"  # of which nothing is ever heard
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x20000, 0x4000, 1 << 18, 4096

# It is asked by these hosts only, and waited for as long as a resolver can be told to.
NAME_SERVER = "127.0.0.153"
RESOLVER = f"nameserver {NAME_SERVER}\noptions timeout:30 attempts:5\n"

hosts = None


def own_files(texts):
    """These files of /etc with a text of their own, and their paths outside of it; None where this is
    not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return None
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    paths = []
    for name, text in texts.items():
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        unittest.addModuleCleanup(os.unlink, file.name)
        if libc.mount(file.name.encode(), name.encode(), None, MS_BIND, None) != 0:
            return None
        paths.append(file.name)
    return paths


def setUpModule():
    global hosts
    paths = own_files({"/etc/hosts": "127.0.0.1 localhost\n", "/etc/resolv.conf": RESOLVER,
                       "/etc/nsswitch.conf": "hosts: files dns\n"})
    if paths is None:
        raise unittest.SkipTest("needs root, for a mount namespace")
    hosts = paths[0]
    reloads.setUpModule()


class NameServer:
    """Silent, until it is told what to answer those who have asked for NAME and those who will."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((NAME_SERVER, 53))
        self._lock = threading.Lock()
        self._address = None
        self._unanswered = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        with contextlib.suppress(OSError):  # once it is closed
            while (question := self._socket.recvfrom(512))[0]:
                with self._lock:
                    if NAME.split(".")[0].encode() in question[0]:
                        self._unanswered.append(question)
                        self._answer()

    def _answer(self):
        while self._address and self._unanswered:
            question, client = self._unanswered.pop()
            end = question.index(b"\0", 12) + 5
            is_v4 = question[end - 4:end - 2] == b"\0\1"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(self._address)
            self._socket.sendto(question[:2] + b"\x81\x80\0\1\0" + bytes([is_v4]) + b"\0\0\0\0"
                                + question[12:end] + (record if is_v4 else b""), client)

    def speak(self, address):
        with self._lock:
            self._address = address
            self._answer()

    def fall_silent(self):
        with self._lock:
            self._address = None

    def is_waited_for(self):
        with self._lock:
            return bool(self._unanswered)

    def close(self):
        with contextlib.suppress(OSError):  # it has no peer, but this wakes who listens
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def name_leads_to(*addresses):
    """In place: a bind mount is of the file, not of its name."""
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n" + "".join(f"{one} {NAME}\n" for one in addresses))


def forward(address, port, to_port):
    """Everything that comes there goes to that port of 127.0.0.1."""
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def carry(client):
        with client, socket.create_connection(("127.0.0.1", to_port)) as server_side:
            back = threading.Thread(target=pump, args=(server_side, client), daemon=True)
            back.start()
            pump(client, server_side)
            back.join()

    def accept():
        with contextlib.suppress(OSError):  # once it is closed
            while True:
                threading.Thread(target=carry, args=listener.accept()[:1], daemon=True).start()

    listener = socket.create_server((address, port))
    threading.Thread(target=accept, daemon=True).start()
    return listener


class Addresses(unittest.TestCase):
    def test_they_come_and_go(self):
        b, c = reloads.cluster.standbys
        port = free_port()
        for address, which in (("127.0.0.2", b), ("127.0.0.3", c)):
            self.addCleanup(forward(address, port, which.port).close)
        name_leads_to("127.0.0.2")
        conninfo = (f"host={NAME} port={port} dbname=postgres user=postgres "
                    f"application_name={APPLICATION}")
        first, second = "server.s/127.0.0.2", "server.s/127.0.0.3"
        with running(2, a=server(reloads.cluster.primary),
                     s={"conninfo": conninfo, "addresses": "all"}) as host, Load(host) as load:
            load.wait()
            self.assertEqual(role_of(host, first), "replica")
            self.assertIsNone(role_of(host, "server.s"))
            name_leads_to("127.0.0.2", "127.0.0.3")
            wait_for(lambda: role_of(host, second) == "replica", "the second address")
            load.wait()
            name_leads_to("127.0.0.3")
            wait_for(lambda: role_of(host, first) is None, "the first address to go")
            wait_for(lambda: links_of(b) == 0, "its links to go")
            load.wait()
            name_leads_to()  # nothing is known: what was found last stays
            host.reload()
            load.wait()
            self.assertEqual(role_of(host, second), "replica")

    def test_a_name_server_that_is_silent_holds_nothing_up(self):
        """Neither the start nor a reload nor the end, nor other names; and what it says of one at last is
        taken over."""
        name_leads_to()
        name_server = NameServer()
        self.addCleanup(name_server.close)
        port = free_port()
        standby = reloads.cluster.standbys[0]
        self.addCleanup(forward("127.0.0.2", port, standby.port).close)
        conninfo = f"host={NAME} port={port} dbname=postgres user=postgres application_name={APPLICATION}"
        silent = conninfo.replace(NAME, SILENT)
        found = "server.s/127.0.0.2"
        with running(a=server(reloads.cluster.primary), b=server(standby),
                     s={"conninfo": conninfo, "addresses": "all"},
                     t={"conninfo": silent, "addresses": "all"}) as host, Load(host) as load:
            load.wait()
            self.assertTrue(name_server.is_waited_for())
            name_server.speak("127.0.0.2")
            wait_for(lambda: role_of(host, found) == "replica", "the address to be known")
            name_server.fall_silent()
            wait_for(name_server.is_waited_for, "the name to be looked up again", timeout_s=30)
            host.reload()
            load.wait()
            self.assertEqual(role_of(host, found), "replica")

    def test_reloads_do_not_put_the_end_off(self):
        """Each waits for the name for so long that the next one has come by then."""
        name_server = NameServer()
        self.addCleanup(name_server.close)
        silent = f"host={SILENT} port=1 dbname=postgres user=postgres"
        with running(a=server(reloads.cluster.primary),
                     t={"conninfo": silent, "addresses": "all"}) as host:
            ended = threading.Event()

            def reload_on_and_on():
                while not ended.wait(0.01):
                    host.signal(signal.SIGHUP)

            reloading = threading.Thread(target=reload_on_and_on)
            reloading.start()
            self.addCleanup(reloading.join)
            self.addCleanup(ended.set)
            wait_for(lambda: host.metrics().value("snapshot_host_reloads_total") > 1, "reloads")
            host.stop()

    def test_what_cannot_be_looked_up(self):
        with running(a=server(reloads.cluster.primary)) as host:
            for conninfo in ("host=/tmp", "host=a,b", "host=a hostaddr=127.0.0.1", "port=1"):
                text = f"[server.a]\nconninfo = {conninfo}\naddresses = all\n"
                with self.subTest(conninfo):
                    host.write_config(text)
                    done = run_host("-t", "-c", host.config_path)
                    self.assertIn("has no name to be looked up", done.stderr)


class Remembered(Facts):
    def test_who_was_deposed_is_so_still(self):
        """The heir starts anew at another address, and the old primary is not fenced. That a name has other
        addresses is no operator's word on which of them counts."""
        servers = self.cluster("heir", settings="listen_addresses = '127.0.0.1, 127.0.0.2, 127.0.0.3'\n")
        heir = servers.standby
        name_leads_to("127.0.0.2")
        host = Host(policy=TO_PRIMARY, settings={
            "server.a": {"conninfo": servers.primary.conninfo()},
            "server.s": {"conninfo": f"host={NAME} port={heir.port} dbname=postgres user=postgres",
                         "addresses": "all"}}).start()
        self.addCleanup(host.kill)
        before, now = "server.s/127.0.0.2", "server.s/127.0.0.3"
        wait_for(lambda: role_of(host, before) == "replica", "the standby")
        heir.promote()
        wait_for(lambda: role_of(host, before) == "primary", "the heir")
        rows = [self.acknowledged(heir) for _ in range(5)]
        heir.stop()
        name_leads_to("127.0.0.3")
        wait_for(lambda: role_of(host, before) is None, "the address to go", timeout_s=30)
        until = time.monotonic() + 2.5  # everybody is asked more than once
        while time.monotonic() < until:
            self.assertEqual({host.lookup(*row).status for row in rows}, {503}, host.log[-10:])
        heir.start()
        wait_for(lambda: role_of(host, now) == "primary", "the heir to be back")
        self.assertEqual({host.lookup(*row).status for row in rows}, {200})


if __name__ == "__main__":
    unittest.main()
