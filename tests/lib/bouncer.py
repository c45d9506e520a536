"""A PgBouncer in front of one server.

    with PgBouncer(cluster.standby, "default_pool_size = 4") as bouncer:
        with Host(cluster.primary, [bouncer]) as host:

To a Host it is a server like any other: only its `conninfo` is used.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile

import psycopg2

from cluster import loopback_conninfo
from testbed import clean_up_at_exit, free_port, no_longer_clean_up, wait_for

PROGRAM = "/usr/sbin/pgbouncer"

CONFIG = """[databases]
postgres = host=127.0.0.1 port={server} dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {directory}/users
admin_users = postgres
pool_mode = {mode}
{more}
"""


def forgets_sessions():
    """The settings by which it does, with their settings and prepared statements. The latter it can
    keep from 1.21 on, and does from 1.24 on."""
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.match(r"PgBouncer (\d+)\.(\d+)", told).groups()))
    settings = ("server_reset_query_always = 1", "server_reset_query = DISCARD ALL")
    return settings + ("max_prepared_statements = 0",) * (version >= (1, 21))


class PgBouncer:
    def __init__(self, server, *settings, mode="transaction"):
        self.port = free_port()
        self._directory = tempfile.mkdtemp(prefix="bouncer-")
        os.chmod(self._directory, 0o755)  # it does not run as root
        self._config = os.path.join(self._directory, "pgbouncer.ini")
        self._settings = {"port": self.port, "mode": mode, "directory": self._directory,
                          "more": "\n".join(settings)}
        with open(os.path.join(self._directory, "users"), "w", encoding="ascii") as file:
            file.write('"postgres" ""\n')
        self._write_config(server)
        user = ["-u", "postgres"] if os.geteuid() == 0 else []
        clean_up_at_exit(self.close)
        self._process = subprocess.Popen([PROGRAM, "-q", *user, self._config], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._listens, "PgBouncer to listen")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def _write_config(self, server):
        with open(self._config, "w", encoding="ascii") as file:
            file.write(CONFIG.format(server=server.port, **self._settings))

    def lead_to(self, server):
        """Connections lead to that server from their next transaction on, or, in session mode, once
        their clients have connected anew."""
        self._write_config(server)
        self.command("RELOAD")

    def _listens(self):
        with contextlib.suppress(psycopg2.OperationalError):
            self.command("SHOW VERSION")
            return True
        return False

    def conninfo(self, **more):
        return loopback_conninfo(self.port, **more)

    def connect(self, **more):
        connection = psycopg2.connect(self.conninfo(**more))
        connection.autocommit = True
        return connection

    def command(self, text):
        """On its console, such as PAUSE, RESUME, RECONNECT."""
        with contextlib.closing(self.connect(dbname="pgbouncer")) as console:
            console.cursor().execute(text)

    def close(self):
        no_longer_clean_up(self.close)
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)
