"""A Patroni cluster with its etcd, as an operator runs one, on loopback: Debian's patroni and
etcd-server. Members are named n1, n2, ...

    with PatroniCluster(3) as cluster:
        cluster.switchover(to="n2")
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

import psycopg2

from cluster import Account, postgres_binaries
from testbed import clean_up_at_exit, free_port, no_longer_clean_up, wait_for

ETCD = """--name default --data-dir {data} --listen-client-urls http://127.0.0.1:{client}
 --advertise-client-urls http://127.0.0.1:{client} --listen-peer-urls http://127.0.0.1:{peer}
 --initial-advertise-peer-urls http://127.0.0.1:{peer}
 --initial-cluster default=http://127.0.0.1:{peer}"""

MEMBER = """
scope: under-test
name: {name}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{host: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 5
    maximum_lag_on_failover: 33554432
    postgresql:
      use_pg_rewind: true
      parameters: {{fsync: "off", max_connections: 100, shared_buffers: 32MB, wal_keep_size: 256MB,
                   wal_log_hints: "on", hot_standby: "on"}}
  initdb: [{{encoding: UTF8}}, data-checksums, {{auth-host: trust}}, {{auth-local: trust}}]
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
postgresql:
  listen: "127.0.0.1:{port}"
  connect_address: "127.0.0.1:{port}"
  data_dir: {data}
  bin_dir: {bin}
  parameters: {{unix_socket_directories: "{directory}"}}
  authentication:
    replication: {{username: postgres}}
    superuser: {{username: postgres}}
    rewind: {{username: postgres}}
"""


def is_installed():
    return all(shutil.which(program) for program in ("patroni", "etcd", "haproxy"))


class Member:
    """One Patroni member and the PostgreSQL server that it runs. Created by PatroniCluster only."""

    def __init__(self, cluster, name):
        self.name, self.port, self.rest = name, free_port(), free_port()
        self.data = os.path.join(cluster.directory, name)
        self._cluster = cluster
        self._process = None

    def conninfo(self, **more):
        words = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres", "user": "postgres"}
        words.update(more)
        return " ".join(f"{key}={value}" for key, value in words.items())

    def start(self):
        path = self.data + ".yml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(MEMBER.format(name=self.name, rest=self.rest, etcd=self._cluster.etcd_port,
                                     port=self.port, data=self.data, bin=self._cluster.bin,
                                     directory=self._cluster.directory))
        self._process = self._cluster.run(["patroni", path], self.name)

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def processes(self):
        """Patroni's and the server's, the server's children last."""
        with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as file:
            postmaster = int(file.readline())
        with open(f"/proc/{postmaster}/task/{postmaster}/children", encoding="ascii") as file:
            return [self._process.pid, postmaster, *map(int, file.read().split())]

    def signal(self, number):
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill9(self):
        self.signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        """Patroni, and then its server, which a Patroni that is killed leaves running."""
        if self.is_running():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=15)
        with contextlib.suppress(OSError, ValueError):
            self.signal(signal.SIGKILL)
        if self.is_running():
            self._process.kill()
            self._process.wait()

    # -- Patroni's REST interface ----------------------------------------------------------------

    def ask(self, path, body=None):
        """Status and body of the answer; (0, b"") if there is none."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.rest}{path}", None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60 if body is not None else 2) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def leads(self):
        return self.ask("/leader")[0] == 200

    def is_well(self):
        """It leads, or streams as a replica that may be read."""
        return self.leads() or self.ask("/replica")[0] == 200


class PatroniCluster:
    def __init__(self, members=3):
        self.bin, self.major = postgres_binaries()
        self.account = Account()
        self.directory = tempfile.mkdtemp(prefix="patroni-", dir="/tmp")
        self.account.own(self.directory)
        self.etcd_port, peer = free_port(), free_port()
        self._others = []
        clean_up_at_exit(self.destroy)
        self.members = [Member(self, f"n{number + 1}") for number in range(members)]
        self.run(["etcd", *ETCD.format(data=self.directory + "/etcd", client=self.etcd_port,
                                       peer=peer).split()], "etcd")
        self.members[0].start()
        wait_for(self.members[0].leads, "the first member to lead", timeout_s=90, every_s=0.2)
        for member in self.members[1:]:
            member.start()
        self.wait_whole()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.destroy()

    def run(self, command, name):
        # Debian's patroni is a Python program: with our PYTHONPATH it would import this file.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with open(os.path.join(self.directory, name + ".log"), "ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                env={**environment, "HOME": self.directory,
                     "PATH": self.bin + ":" + os.environ["PATH"]},
                start_new_session=True, **self.account.popen_arguments)
        self._others.append(process)
        return process

    def balance(self, path):
        """A port of HAProxy that leads to the members for which this path of Patroni's says 200, as
        Patroni's manual has it."""
        port, name = free_port(), "haproxy" + path.replace("/", "-")
        config = os.path.join(self.directory, name + ".cfg")
        with open(config, "w", encoding="utf-8") as file:
            file.write("defaults\n mode tcp\n timeout connect 2s\n timeout client 1h\n"
                       " timeout server 1h\n timeout check 2s\n"
                       f"listen members\n bind 127.0.0.1:{port}\n option httpchk OPTIONS {path}\n"
                       " http-check expect status 200\n default-server inter 1s fall 2 rise 2"
                       " on-marked-down shutdown-sessions\n")
            file.writelines(f" server {one.name} 127.0.0.1:{one.port} check port {one.rest}\n"
                            for one in self.members)
        self.run([shutil.which("haproxy") or "haproxy", "-db", "-f", config], name)
        return port

    # -- who leads -----------------------------------------------------------------------------

    def leader(self, but=None):
        """The member that holds the lock in etcd, and says that it leads; None if there is none. Of one
        that has just been continued the second alone is old news. But is not asked."""
        for member in self.members:
            if member is not but:
                status, body = member.ask("/cluster")
                if status == 200:
                    names = [one["name"] for one in json.loads(body)["members"]
                             if one["role"] == "leader"]
                    return next((one for one in self.members
                                 if one is not but and one.name in names and one.leads()), None)
        return None

    def replicas(self):
        leader = self.leader()
        return [member for member in self.members if member is not leader]

    def wait_leader(self, but):
        """The leader, once it is another than that."""
        return wait_for(lambda: self.leader(but), "another leader", timeout_s=120, every_s=0.1)

    def wait_whole(self):
        wait_for(lambda: all(member.is_well() for member in self.members),
                 "all members to be well", timeout_s=180, every_s=0.2)

    def connect_to_leader(self):
        """Not by one conninfo with several hosts, where one that hangs would end the attempt."""
        error = None
        for member in self.members:
            try:
                connection = psycopg2.connect(member.conninfo(target_session_attrs="read-write",
                                                              connect_timeout=2))
                connection.autocommit = True
                return connection
            except psycopg2.OperationalError as another:
                error = another
        raise error

    # -- what operators and fate do --------------------------------------------------------------

    def switchover(self):
        """To another member, which is returned when it leads."""
        leader = self.leader()
        candidate = self.replicas()[0]
        status, body = leader.ask("/switchover",
                                  {"leader": leader.name, "candidate": candidate.name})
        assert status == 200, body
        return self.wait_leader(leader)

    def reinitialize(self):
        """One replica from scratch."""
        replica = self.replicas()[0]
        status, body = replica.ask("/reinitialize", {"force": True})
        assert status == 200, body

    def destroy(self):
        no_longer_clean_up(self.destroy)
        for member in self.members:
            member.stop()
        for process in self._others:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
