"""What could be used instead: node with the original's statements, PgBouncer, Pgpool-II.

Each is a separate process on loopback, started and ended by a `with` block. The poolers run under the
cluster's account, since they refuse to run as root.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import measure
from testbed import clean_up_at_exit, free_port, no_longer_clean_up, wait_for


class Process:
    """A program that listens on `port`, from the start of a `with` block to its end."""

    def __init__(self, ground, name):
        self.port = free_port()
        self.name = name
        self.directory = os.path.join(ground.directory, f"{name}-{self.port}")
        self._account = ground.account
        self._process = None
        os.mkdir(self.directory, 0o700)
        self._account.own(self.directory)

    def command(self):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self._account.own(path)
        return path

    def __enter__(self):
        self._log = os.path.join(self.directory, "output")
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self.directory, **self._account.popen_arguments)
        clean_up_at_exit(self.end)
        wait_for(self._listens, f"{self.name} to listen")
        return self

    def _listens(self):
        if self._process.poll() is not None:
            with open(self._log, encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"{self.name} did not start:\n{file.read()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_exception):
        self.end()

    def end(self):
        no_longer_clean_up(self.end)
        if self._process.poll() is None:
            # Pgpool and PgBouncer take it to mean: now, without waiting for clients.
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    @property
    def pid(self):
        return self._process.pid


class Original(Process):
    """node http and pg: the original's four statements, one after the other, on 8 links."""

    def __init__(self, ground, server, token):
        super().__init__(ground, "node")
        self._arguments = [str(self.port), json.dumps(
            {"host": "127.0.0.1", "port": server.port, "user": "postgres", "database": "postgres"}),
            token]
        # In a place that the account running it can read, whoever owns the tree.
        shutil.copy(os.path.join(measure.BENCH, "original.js"), self.directory)
        shutil.copytree(os.path.join(measure.PROGRAMS, "node_modules"),
                        os.path.join(self.directory, "node_modules"))
        for path, directories, files in os.walk(self.directory):
            for name in directories + files:
                self._account.own(os.path.join(path, name))

    @staticmethod
    def is_there():
        return bool(shutil.which("node")) and os.path.isdir(
            os.path.join(measure.PROGRAMS, "node_modules"))

    def command(self):
        return [shutil.which("node"), os.path.join(self.directory, "original.js"), *self._arguments]


class PgBouncer(Process):
    """One process between the clients and one server. pooling: session or transaction."""

    PROGRAM = "/usr/sbin/pgbouncer"

    def __init__(self, ground, server, pooling):
        super().__init__(ground, f"pgbouncer-{pooling}")
        prepares = "max_prepared_statements = 100" if self.can_prepare() else ""
        users = self.write("users", '"postgres" ""\n')
        self._config = self.write("pgbouncer.ini", f"""[databases]
postgres = host=127.0.0.1 port={server.port} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {pooling}
default_pool_size = 16
max_client_conn = 100
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
{prepares}
""")

    @classmethod
    def is_there(cls):
        return os.path.exists(cls.PROGRAM)

    @classmethod
    def can_prepare(cls):
        """Whether prepared statements work with transaction pooling: from version 1.21 on."""
        text = measure.run([cls.PROGRAM, "--version"])
        major, minor = re.search(r"PgBouncer (\d+)\.(\d+)", text).groups()
        return (int(major), int(minor)) >= (1, 21)

    def command(self):
        return [self.PROGRAM, "-q", self._config]


class Pgpool(Process):
    """One process per client, which parses every statement and sends reads to the standby."""

    PROGRAM = "/usr/sbin/pgpool"

    def __init__(self, ground):
        super().__init__(ground, "pgpool")
        self._config = self.write("pgpool.conf", f"""backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {self.port}
socket_dir = '{self.directory}'
unix_socket_directories = '{self.directory}'
pcp_listen_addresses = ''
pcp_port = {free_port()}
pcp_socket_dir = '{self.directory}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {ground.primary.port}
backend_weight0 = 0
backend_flag0 = 'DISALLOW_TO_FAILOVER'
backend_hostname1 = '127.0.0.1'
backend_port1 = {ground.standby.port}
backend_weight1 = 1
backend_flag1 = 'DISALLOW_TO_FAILOVER'
enable_pool_hba = off
pool_passwd = ''
num_init_children = 20
max_pool = 1
connection_cache = on
load_balance_mode = on
sr_check_period = 10
sr_check_user = 'postgres'
sr_check_database = 'postgres'
health_check_period = 0
work_dir = '{self.directory}'
logdir = '{self.directory}'
pid_file_name = '{self.directory}/pgpool.pid'
""")
        self._hba = self.write("pool_hba.conf", "")
        self._pcp = self.write("pcp.conf", "")

    @classmethod
    def is_there(cls):
        return os.path.exists(cls.PROGRAM)

    def command(self):
        return [self.PROGRAM, "-n", "-f", self._config, "-a", self._hba, "-F", self._pcp]
