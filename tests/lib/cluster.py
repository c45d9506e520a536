"""A throwaway PostgreSQL primary with streaming standbys, for tests and the demo.

    with Cluster() as cluster:
        cluster.primary.execute("CREATE TABLE ...")
        cluster.wait_caught_up()
        cluster.standby.pause_replay()

Everything lives in one fresh temporary directory and is stopped and removed at the end, whatever
happens. PostgreSQL refuses to run as root: root runs the servers as user postgres, other users run them
themselves.

The servers' settings are quick to start with, and awkward where that finds mistakes: nothing that reads
UTC timestamps and ids may depend on the time zone, date style or collation.
"""

import contextlib
import ctypes
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

try:
    import psycopg2
except ImportError:
    sys.exit(f"{sys.executable} has no psycopg2: run it by /usr/bin/python3, after make deps")

from testbed import clean_up_at_exit, free_port, give_back_port, no_longer_clean_up, wait_for

OLDEST_MAJOR = 13
PR_SET_PDEATHSIG = 1
LONGEST_SOCKET_DIRECTORY = 80  # a socket's whole path may have 107 bytes

SETTINGS = """
listen_addresses = '127.0.0.1'
fsync = off
autovacuum = off
shared_buffers = 16MB
wal_level = replica
hot_standby = on
max_connections = 100
max_wal_senders = 10
wal_keep_size = 256MB
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1s
password_encryption = 'scram-sha-256'
timezone = 'Asia/Kolkata'
datestyle = 'German'
log_line_prefix = '%m [%p] %a '
log_min_messages = info
"""

TABLES = ("TaskRunExecutionSnapshot", "TaskRunCheckpoint", "Waitpoint", "_completedWaitpoints")

_libc = ctypes.CDLL(None)


def _die_with_parent():
    """In the child before exec: if this program is killed outright, its servers shut down."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def postgres_binaries():
    """The bin directory and major version of the PostgreSQL that all servers here are of: $PG_MAJOR,
    or else the newest that is installed."""
    found = {}
    for path in glob.glob("/usr/lib/postgresql/*/bin/postgres"):
        version = path.split("/")[4]
        if version.isdigit():
            found[int(version)] = os.path.dirname(path)
    usable = sorted(major for major in found if major >= OLDEST_MAJOR)
    wanted = os.environ.get("PG_MAJOR", "")
    if wanted and wanted not in map(str, usable):
        raise RuntimeError(f"PG_MAJOR={wanted} is not one of the PostgreSQL versions in"
                           f" /usr/lib/postgresql: {', '.join(map(str, usable)) or 'none'}")
    if not usable:
        raise RuntimeError(f"no PostgreSQL >= {OLDEST_MAJOR} in /usr/lib/postgresql (make deps)")
    major = int(wanted or usable[-1])
    return found[major], major


def _is_alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def despite_conflicts(statement):
    """Calls it until nothing that a standby replays, a vacuum for instance, cancels it."""
    while True:
        try:
            return statement()
        except psycopg2.errors.SerializationFailure:
            pass


def loopback_conninfo(own_port, **more):
    """A libpq connection string for what listens there; keyword arguments are added to it, or stand
    in place of its words (several hosts have several ports)."""
    words = {"host": "127.0.0.1", "port": own_port, "dbname": "postgres", "user": "postgres", **more}
    return " ".join(f"{key}={value}" for key, value in words.items())


class Account:
    """Who runs the servers: postgres if we are root, else the current user."""

    def __init__(self):
        self.popen_arguments = {"umask": 0o077}
        self.ids = None
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self.ids = (entry.pw_uid, entry.pw_gid)
            self.popen_arguments.update(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])

    def own(self, path):
        if self.ids:
            os.chown(path, *self.ids)


class Server:
    """One PostgreSQL server. Created by Cluster only."""

    def __init__(self, cluster, name):
        self.name = name
        self.port = free_port(kept=True)
        self.data = os.path.join(cluster.directory, name)
        self.log_path = self.data + ".log"
        self._cluster = cluster
        self.environment = {}  # beside the tests' own, for its next start
        self._process = None
        self._admin = None

    # -- life ----------------------------------------------------------------------------------

    def start(self, wait=True):
        """Starts the server and returns when it takes connections (a standby: read-only ones); or at
        once, for one that will take none."""
        assert not self.is_running()
        command = [os.path.join(self._cluster.bin, "postgres"), "-D", self.data,
                   "-p", str(self.port), "-k", self._cluster.directory]
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                cwd=self._cluster.directory, preexec_fn=_die_with_parent,
                env={**os.environ, **self.environment}, **self._cluster.account.popen_arguments)
        if wait:
            wait_for(self._is_ready, f"{self.name} to take connections", timeout_s=60)

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} did not start:\n{self.log()[-3000:]}")
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return False
        # The line that pg_ctl waits for. Its first line tells our server's file from an outdated one.
        return (len(lines) >= 8 and lines[0] == str(self._process.pid)
                and lines[7].strip() == "ready")

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self, mode="fast"):
        """Stops the server, by one of pg_ctl's modes: smart, fast, immediate. Waits for its end."""
        self.disconnect()
        if self.is_running():
            self._process.send_signal({"smart": signal.SIGTERM, "fast": signal.SIGINT,
                                       "immediate": signal.SIGQUIT}[mode])
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill9()
        self._process = None

    def kill9(self):
        """Kills the server with all its processes, as if the machine's memory had run out."""
        self.disconnect()
        if self.is_running():
            # Suspended first, so that it starts no process while its children are being listed.
            self._process.send_signal(signal.SIGSTOP)
            children = self._children()
            self._process.kill()
            self._process.wait()
            for child in children:
                try:
                    os.kill(child, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            wait_for(lambda: not any(_is_alive(child) for child in children),
                     f"the processes of {self.name} to end")
        self._process = None

    def freeze(self):
        """As a machine that hangs: connections stay, and nothing is answered."""
        self.disconnect()
        self._process.send_signal(signal.SIGSTOP)
        for child in self._children():
            os.kill(child, signal.SIGSTOP)

    def thaw(self):
        for child in self._children():
            os.kill(child, signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _children(self):
        path = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        with open(path, encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def promote(self):
        """Makes a standby a primary; returns when it is one."""
        assert despite_conflicts(lambda: self.value("SELECT pg_promote(false)"))
        wait_for(lambda: not despite_conflicts(
            lambda: self.value("SELECT pg_is_in_recovery()")), f"{self.name} to be promoted", 60)

    def follow(self, source):
        """Makes a standby stream from another server, or a relay to one, from now on."""
        self.execute("ALTER SYSTEM SET primary_conninfo = %s", (source.conninfo(),))
        self.execute("SELECT pg_reload_conf()")

    # -- access --------------------------------------------------------------------------------

    def conninfo(self, **more):
        """A libpq connection string; keyword arguments are added to it."""
        return loopback_conninfo(self.port, **more)

    def become_standby(self, source):
        """It follows the source as soon as it is started; it must not run."""
        signal_file = os.path.join(self.data, "standby.signal")
        with open(signal_file, "w", encoding="ascii"):
            pass
        self._cluster.account.own(signal_file)
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as file:
            file.write(f"primary_conninfo = '{source.conninfo()}'\n")

    def connect(self):
        """A connection of the caller's own, with autocommit."""
        connection = psycopg2.connect(self.conninfo())
        connection.autocommit = True
        return connection

    def disconnect(self):
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def execute(self, sql, values=None):
        """Runs a statement on a connection that is kept; returns its rows, if it gives any."""
        if self._admin is None or self._admin.closed:
            self._admin = self.connect()
        with self._admin.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def value(self, sql, values=None):
        return self.execute(sql, values)[0][0]

    def end_clients(self):
        """Ends the connections of all clients but our own; returns when they are gone. (Until 13
        pg_terminate_backend does not wait.)"""
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ended = [row[0] for row in self.execute(f"SELECT pid, pg_terminate_backend(pid) {others}")]
        wait_for(lambda: self.value(f"SELECT count(*) {others} AND pid = ANY (%s)", (ended,)) == 0,
                 f"the clients of {self.name} to be gone")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # -- replay of a standby -------------------------------------------------------------------

    def pause_replay(self):
        """Replay has stopped when this returns: what is committed from now on is not seen here."""
        self.execute("SELECT pg_wal_replay_pause()")
        # Until 13 no server tells that it has come to the pause; it may be at a last record.
        if self._cluster.major >= 14:
            wait_for(lambda: self.value("SELECT pg_get_wal_replay_pause_state()") == "paused",
                     f"{self.name} to pause its replay")

    def resume_replay(self):
        """It has been let go when this returns, and goes on at once."""
        self.execute("SELECT pg_wal_replay_resume()")
        # Until 13 the replaying process looks once a second whether it may go on; a signal wakes it.
        if self._cluster.major < 14:
            self.execute("SELECT pg_reload_conf()")

    @contextlib.contextmanager
    def conflicts_at_once(self):
        """Within the block replay cancels at once what is in its way on this standby, which is restarted
        for it. Otherwise it waits for 30 s, as by default: from version 19 on reads of the primary,
        too, write what cancels."""
        self._restart_with("SET max_standby_streaming_delay = 0")
        try:
            yield
        finally:
            self._restart_with("RESET max_standby_streaming_delay")

    def _restart_with(self, change):
        self.execute("ALTER SYSTEM " + change)
        self.stop()
        self.start()

    def apply_delay(self, milliseconds):
        """From now on this standby replays a commit this long after it was made; 0 ends that.

        The reload reaches the replaying process in its own time, and nothing shows when. So for a
        delay above 0 commits are made until the process is seen waiting for the delay to pass.
        """
        self.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = {int(milliseconds)}")
        self.execute("SELECT pg_reload_conf()")
        if milliseconds > 0:
            wait_for(self._delays_a_commit, f"the apply delay of {self.name} to be in force")
        else:
            self._cluster.wait_caught_up(self)

    def _delays_a_commit(self):
        position = self._cluster.commit_something()
        while not self.has_replayed(position):
            if self.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'startup'"
                          " AND wait_event = 'RecoveryApplyDelay'"):
                return True
        return False

    def has_replayed(self, position):
        return self.value("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,))

    # -- statistics ----------------------------------------------------------------------------

    def table_reads(self, timeout_s=10):
        """How many scans of the four tables this server has done since it started.

        A backend adds its counts to the shared ones when it goes idle, but not within a second of the
        last time, and then up to ten seconds later; no function makes *another* backend do it. What
        forces it is the backend's end: the counts are flushed (before_shmem_exit) before its entry
        leaves pg_stat_activity (on_shmem_exit). So this waits until no client backend but the one that
        asks is left. Callers stop the program under test first; if they forget, they run into the time
        limit instead of reading a number that is too low.
        """
        def others():
            return self.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type ="
                              " 'client backend' AND pid <> pg_backend_pid()") == 0

        self.disconnect()  # our own backend may have counts of its own
        wait_for(others, f"all clients of {self.name} to leave", timeout_s)
        if self._cluster.major < 15:
            self._wait_for_statistics_file()
        return int(self.value(
            "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0) FROM pg_stat_user_tables"
            " WHERE relname = ANY (%s)", (list(TABLES),)))

    def _wait_for_statistics_file(self):
        # Up to version 14 backends tell a collector process, which answers from a file that may be
        # half a second old.
        now = self.value("SELECT clock_timestamp()")
        wait_for(lambda: self.value("SELECT pg_stat_get_snapshot_timestamp() > %s", (now,)),
                 "fresh statistics", every_s=0.05)


class Cluster:
    """A primary and its standbys. `standbys` names them; `standby` is the first one. `settings` are
    lines of postgresql.conf for all of them; {directory} in it is the cluster's."""

    def __init__(self, standbys=("standby",), settings=""):
        self.bin, self.major = postgres_binaries()
        self.account = Account()
        self.directory = self._make_directory()
        self.primary = Server(self, "primary")
        self.standbys = []
        self._former = []  # primaries that were failed over from
        clean_up_at_exit(self.destroy)
        try:
            self._create_primary(settings)
            for name in standbys:
                self.add_standby(name)
        except BaseException:
            self.destroy()
            raise

    @property
    def standby(self):
        return self.standbys[0]

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.destroy()

    def _make_directory(self):
        directory = tempfile.mkdtemp(prefix="read-policy-")
        if len(directory) > LONGEST_SOCKET_DIRECTORY:
            os.rmdir(directory)
            directory = tempfile.mkdtemp(prefix="read-policy-", dir="/tmp")
        self.account.own(directory)
        return directory

    def _run(self, program, *arguments):
        done = subprocess.run([os.path.join(self.bin, program), *arguments], cwd=self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              **self.account.popen_arguments)
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def _create_primary(self, settings):
        # A collation that sorts ids differently from how clients compare them.
        collation = ["--locale-provider=icu", "--icu-locale=en"] if self.major >= 15 else []
        self._run("initdb", "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8",
                  "--locale=C.UTF-8", *collation, "--pgdata", self.primary.data)
        path = os.path.join(self.primary.data, "postgresql.conf")
        with open(path, "a", encoding="ascii") as file:
            file.write(SETTINGS + settings.format(directory=self.directory))
        self.primary.start()

    def add_standby(self, name, source=None):
        """A new standby that follows the primary, or another standby; it is started."""
        server = Server(self, name)
        self._copy_from(source or self.primary, server)
        self.standbys.append(server)
        server.start()
        return server

    def _copy_from(self, source, server):
        """pg_basebackup may be newer than the servers; what it would write of how to follow its source,
        with all the keywords that it knows, an older server could not read."""
        self._run("pg_basebackup", "--no-sync", "--checkpoint=fast", "--wal-method=stream",
                  "--no-manifest", "--pgdata", server.data, "--dbname", source.conninfo())
        server.become_standby(source)

    # -- failing over --------------------------------------------------------------------------

    def fail_over(self, standby):
        """Promotes this standby while the primary is stopped. The old one is no longer among the
        servers of this cluster until it is cloned or rewound; the other standbys still follow it."""
        assert not self.primary.is_running()
        standby.promote()
        return self.succeed(standby)

    def succeed(self, standby):
        """The same of one that was promoted already."""
        old, self.primary = self.primary, standby
        self.standbys = [it for it in self.standbys if it is not standby]
        self._former.append(old)
        return old

    def clone(self, server):
        """Makes a stopped former primary a standby, from nothing."""
        shutil.rmtree(server.data)
        self._copy_from(self.primary, server)
        self._take_back(server)

    def rewind(self, server):
        """Makes a stopped former primary a standby by pg_rewind, which needs wal_log_hints."""
        # Before version 16 it reads the new timeline from the control file.
        self.primary.execute("CHECKPOINT")
        if not os.path.exists(os.path.join(self.bin, "pg_rewind")):
            raise unittest.SkipTest(f"there is no pg_rewind of PostgreSQL {self.major}")
        self._run("pg_rewind", "--no-sync", "--write-recovery-conf", "--target-pgdata",
                  server.data, "--source-server", self.primary.conninfo())
        self._take_back(server)

    def _take_back(self, server):
        self._former.remove(server)
        self.standbys.append(server)
        server.start()

    def copy(self, source, target):
        """A copy of a data directory, whose server must not run."""
        subprocess.run(["cp", "-a", source, target], check=True)

    def load(self, path):
        """Runs an SQL file on the primary."""
        with open(path, encoding="utf-8") as file:
            self.primary.execute(file.read())

    def commit_something(self):
        """Commits a transaction that changes no table; returns a position that replay passes once
        that commit, and so all before it, has been replayed."""
        self.primary.execute("SELECT pg_logical_emit_message(true, '', '')")
        return self.primary.value("SELECT pg_current_wal_flush_lsn()")

    def wait_caught_up(self, *servers):
        """Returns when the standbys, all or those given, have replayed what is committed now."""
        position = self.commit_something()
        for server in servers or self.standbys:
            wait_for(lambda s=server: s.has_replayed(position), f"{server.name} to catch up")

    def cancel_a_read(self, table, begin):
        """begin() starts a read of the table by its primary key on the standby, and it is
        cancelled: replay waits for the table's lock, which the read holds, while the read waits for the index's,
        which replay holds.
        A deadlock (40P01), after the standby's deadlock_timeout, or under conflicts_at_once a conflict before
        that (40001). Returns what begin() returned, and whether a read was cancelled, and but once: one with a time
        limit of its own may have timed out first, and one that was in replay's way again has failed."""
        locks = ("SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation WHERE locktype = 'relation'"
                 " AND (NOT granted AND mode = 'AccessShareLock' AND relname = %s"
                 " OR granted AND mode = 'AccessExclusiveLock' AND relname = %s)")
        cancelled = (r"ERROR:  (?:canceling statement due to conflict with recovery|deadlock detected)"
                     r"|FATAL:  terminating connection due to conflict with recovery")
        before = len(re.findall(cancelled, self.standby.log()))
        holder = psycopg2.connect(self.primary.conninfo())
        try:
            with holder.cursor() as cursor:
                cursor.execute(f"REINDEX INDEX {table}_pkey")
                self.wait_caught_up(self.standby)
                begun = begin()
                with contextlib.suppress(TimeoutError):
                    wait_for(lambda: despite_conflicts(lambda: self.standby.value(locks, (f"{table}_pkey", ""))),
                             "the read to wait for the index", timeout_s=5)
                cursor.execute(f"LOCK TABLE {table}")
                self.commit_something()
                wait_for(lambda: despite_conflicts(lambda: self.standby.value(locks, ("", table))),
                         "replay to have the table")
                holder.commit()
        finally:
            holder.close()
        return begun, len(re.findall(cancelled, self.standby.log())) == before + 1

    def reset(self):
        """Brings every server up and every standby up to date, whatever a test did."""
        for server in [self.primary, *self.standbys]:
            if not server.is_running():
                server.start()
        for server in self.standbys:
            server.resume_replay()
            if server.value("SHOW recovery_min_apply_delay") != "0":
                server.apply_delay(0)
        self.wait_caught_up()

    def destroy(self):
        """Stops the servers and removes every file. May be called twice."""
        no_longer_clean_up(self.destroy)
        for server in [*self.standbys, self.primary, *self._former]:
            server.stop("immediate")
            give_back_port(server.port)
        shutil.rmtree(self.directory, ignore_errors=True)
