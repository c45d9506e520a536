"""A Pgpool-II in front of a primary and a standby, which sends each statement to either of them.

    with Pgpool(cluster.primary, cluster.standby) as pgpool:

To a Host it is a server like any other: only its `conninfo` is used.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from cluster import Account, loopback_conninfo
from testbed import clean_up_at_exit, free_port, no_longer_clean_up, wait_for

PROGRAM = shutil.which("pgpool", path=os.environ["PATH"] + ":/usr/sbin")

# Functions count as reads, but for those that write: what operators set who want them balanced.
CONFIG = """backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {port}
socket_dir = '{directory}'
unix_socket_directories = '{directory}'
pcp_port = {pcp_port}
pcp_socket_dir = '{directory}'
pcp_listen_addresses = ''
work_dir = '{directory}'
logdir = '{directory}'
pid_file_name = '{directory}/pgpool.pid'
num_init_children = 12
pool_passwd = ''
enable_pool_hba = off
health_check_period = 0
sr_check_user = 'postgres'
sr_check_database = 'postgres'
load_balance_mode = on
statement_level_load_balance = on
write_function_list = 'nextval,setval'
"""
BACKEND = """backend_hostname{number} = '127.0.0.1'
backend_port{number} = {port}
backend_weight{number} = 1
backend_flag{number} = 'DISALLOW_TO_FAILOVER'
"""


class Pgpool:
    def __init__(self, primary, standby):
        self.port = free_port()
        account = Account()
        self._directory = tempfile.mkdtemp(prefix="pgpool-", dir="/tmp")
        config = CONFIG.format(port=self.port, pcp_port=free_port(), directory=self._directory)
        for number, server in enumerate((primary, standby)):
            config += BACKEND.format(number=number, port=server.port)
        files = {"pgpool.conf": config, "pool_hba.conf": "", "pcp.conf": ""}
        for name, text in files.items():
            with open(self._path(name), "w", encoding="ascii") as file:
                file.write(text)
            account.own(self._path(name))
        account.own(self._directory)
        clean_up_at_exit(self.close)
        self._process = subprocess.Popen(
            [PROGRAM, "-n", "-f", self._path("pgpool.conf"), "-a", self._path("pool_hba.conf"), "-F",
             self._path("pcp.conf")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, **account.popen_arguments)
        wait_for(self._serves, "Pgpool to serve", timeout_s=30)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def _path(self, name):
        return os.path.join(self._directory, name)

    def _serves(self):
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.conninfo()).close()
            return True
        return False

    def conninfo(self, **more):
        return loopback_conninfo(self.port, **more)

    def close(self):
        no_longer_clean_up(self.close)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)
