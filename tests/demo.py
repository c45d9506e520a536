#!/usr/bin/python3
"""A walk through read-policy for newcomers: real servers, real requests, real answers.

    tests/demo.py         shows everything, checks it, and ends by itself (make demo)
    tests/demo.py --up    starts the same servers, leaves them running, and says what to try

Everything is temporary: the servers live in their own directory, on free ports, and are stopped and
removed at the end. The exit status is 1 if any answer was not as it should be.
"""

import argparse
import contextlib
import os
import re
import sys
import textwrap
import time

import testbed
from cluster import Cluster
from history import History
from host import APPLICATION, Host, lookup_path
from oracle import differences, expected_answer
from scrape import prometheus_command

WIDTH = 98
ROLES = {"server.a": "primary", "server.b": "replica"}
TOKEN = "demo-token"  # as in conf/snapshot-host.ini


# -- text ----------------------------------------------------------------------------------------


def _styled(code, text):
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"\033[{code}m{text}\033[0m"


def say(text=""):
    """A paragraph, wrapped and indented under its act's title."""
    print(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent="   ",
                        subsequent_indent="   "))


def show(label, text):
    """One labelled line about what really happened, cut to the width of a terminal."""
    text = f"   {label + ':':<10}{text}"
    print(text if len(text) <= WIDTH else text[:WIDTH - 3] + "...", flush=True)


def show_whole(label, pieces):
    """The same for a text that is shown whole, in lines that break only between its pieces."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece) > WIDTH - 13:
            lines.append("")
        lines[-1] += piece
    show(label, lines[0])
    for line in lines[1:]:
        print(" " * 13 + line)


def edit_ini(text, changes):
    """The text of an INI file with other values: changes is {section: {key: value}}. A key that is
    not there, or only in a comment, is added under its section's header."""
    lines, section, missing = [], None, {name: dict(keys) for name, keys in changes.items()}
    for line in text.splitlines():
        header = re.fullmatch(r"\[(.+)\]", line)
        key = line.partition("=")[0].strip()
        if header:
            section = header.group(1)
        elif not line.startswith(";") and key in missing.get(section, {}):
            line = f"{key} = {missing[section].pop(key)}"
        lines.append(line)
    for name, keys in missing.items():
        place = lines.index(f"[{name}]") + 1
        lines[place:place] = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def sample(name, changes):
    with open(os.path.join(testbed.ROOT, "conf", name), encoding="utf-8") as file:
        return edit_ini(file.read(), changes)


# -- the servers ---------------------------------------------------------------------------------


class Stage:
    """The servers, the host and the run history that all acts use."""

    def __init__(self):
        self.cluster = Cluster()
        self.cluster.load(os.path.join(testbed.ROOT, "tests", "schema.sql"))
        self.primary, self.standby = self.cluster.primary, self.cluster.standby
        self.history = History(seed=7)
        self.life = self.history.life_of_a_run()
        self.other_life = self.history.life_of_a_run()
        self.history.write(self.primary)
        self.cluster.wait_caught_up()
        # The minimum wait gives a busy machine time to let the standby catch up in act 2.
        policy = sample("read-policy.ini", {"snapshots_since": {"replica_retry_min_ms": 100}})
        self.host = Host(self.primary, [self.standby], policy=policy,
                         settings={"auth": {"token": TOKEN}, "admin": {"port": testbed.free_port()}})
        self.host.write_config(sample("snapshot-host.ini", {
            "listen": {"port": self.host.port},
            "admin": self.host.settings["admin"],
            "server.a": {"conninfo": self.primary.conninfo(application_name=APPLICATION)},
            "server.b": {"conninfo": self.standby.conninfo(application_name=APPLICATION)},
            "plugin": {"path": testbed.PLUGIN, "config": self.host.policy_path}}))
        self.host.start()

    def new_snapshots(self):
        """The run goes on: two snapshots that a paused standby does not see; gives the first."""
        run = self.life[0]["runId"]
        first = self.history.snapshot(run, "EXECUTING", "EXECUTING")
        self.history.snapshot(run, "EXECUTING_WITH_WAITPOINTS", "EXECUTING")
        self.history.write(self.primary)
        return first["id"]

    @contextlib.contextmanager
    def paused_standby(self):
        """Within the block the standby takes WAL but does not replay it: the lag, made to order."""
        self.standby.pause_replay()
        try:
            yield
        finally:
            self.standby.resume_replay()
            self.cluster.wait_caught_up()

    def reads(self, server):
        return int(self.host.metrics().value("snapshot_host_reads_total", server=server))


# -- the acts ------------------------------------------------------------------------------------


class Demo:
    """Runs the acts; remembers what was not as it should be."""

    def __init__(self, stage):
        self._stage = stage
        self._act = 0
        self._wrong = []
        self._expected_log = []
        self._expected_counters = {}
        self.run = stage.life[0]["runId"]

    def title(self, text):
        self._act += 1
        print("\n" + _styled("1", f"{self._act}. {text}"), flush=True)

    def expect(self, found, expected, what):
        if found != expected:
            complaint = f"{what} is {found!r}, should be {expected!r}"
            self._wrong.append(f"act {self._act}: {complaint}")
            print(_styled("31", f"   NOT AS IT SHOULD BE: {complaint}"))

    def ask(self, snapshot, status, served_by, log=None, release=False):
        """One lookup, shown and checked. log: (level, failed_during) of the line that it must
        write. release: let the standby replay again as soon as it has been asked."""
        stage = self._stage
        show_whole("request", re.split("(?=/snapshots)", f"GET {lookup_path(self.run, snapshot)}"))
        reads = {name: stage.reads(name) for name in ("server.a", "server.b")}
        if release:
            with stage.host.until_read("server.b"):
                future = stage.host.begin_lookup(self.run, snapshot)
            stage.standby.resume_replay()
        else:
            future = stage.host.begin_lookup(self.run, snapshot)
        answer = future.result()
        served = f", served by {answer.served_by}" if answer.served_by else ""
        show("answer", _styled("1", f"{answer.status}{served}, {answer.milliseconds:.1f} ms"))
        show("body", answer.body.decode())
        if answer.status == 200:
            states = [entry["snapshot"]["executionStatus"] for entry in answer.json["snapshots"]]
            show("newer", " > ".join(states))
        asked = [name for name, count in reads.items() if stage.reads(name) > count]
        show("read", " and ".join(f"the {ROLES[name]}" for name in asked))
        self.expect(answer.status, status, "the status")
        self.expect(answer.served_by, served_by, "x-read-served-by")
        if answer.status == status == 200 and served_by != "replica":
            expected = expected_answer(stage.history.rows(), self.run, snapshot)
            self.expect(differences(answer.json, expected), [], "the list of wrong fields")
        self.show_log(snapshot, log)
        return answer

    def show_log(self, snapshot, log):
        if log is None:
            show("log", "nothing")
            return
        self._expected_log.append((*log, snapshot))
        line = self._stage.host.wait_for_log(
            lambda line: line.names(snapshot) and line.level == log[0], f"a {log[0]} line")
        show_whole("log", re.split('(?<=,)(?=")', line.text))

    def count(self, **more):
        for name, value in more.items():
            self._expected_counters[name] = self._expected_counters.get(name, 0) + value

    def play(self):
        """All acts; returns the list of what was wrong."""
        self.caught_up()
        self.short_lag()
        self.long_lag()
        self.bogus_ids()
        self.other_policies()
        self.read_index()
        self.counters()
        self._stage.host.stop()
        self.expect([(line.level, line.failed_during) for line in self._stage.host.lookup_log()],
                    [(level, during) for level, during, _ in self._expected_log], "the whole log")
        return self._wrong

    def caught_up(self):
        self.title("The replica is caught up")
        say("""A runner asks every few seconds: what has happened to my run since the snapshot that
            I know? The replica answers, and the primary is not touched.""")
        self.ask(self._stage.life[4]["id"], 200, "replica")

    def short_lag(self):
        self.title("The replica lags for a moment")
        say("""The runner has just learned of a snapshot that the replica has not replayed yet. It
            misses there, waits between 100 and 200 ms, and asks the replica again, which has caught
            up by then: here it is let go as soon as it has been asked.""")
        with self._stage.paused_standby():
            self.ask(self._stage.new_snapshots(), 200, "replica_retry", release=True)
        self.count(replica_retry=1)

    def long_lag(self):
        self.title("The replica lags for longer than that")
        say("""The retry misses as well, so the primary serves the row that is known to exist. That
            is the event worth knowing about: it is counted, and logged as a warning.""")
        with self._stage.paused_standby():
            self.ask(self._stage.new_snapshots(), 200, "primary", log=("WARN", None))
        self.count(primary=1)

    def bogus_ids(self):
        self.title("An id that does not exist")
        say("""Nobody has it. The answer is 404, and the lag counters stay as they are: made-up ids
            must not look like lag.""")
        error = ("ERROR", "primary_fallback")
        self.ask(self._stage.history.new_id(), 404, "primary", log=error)
        self.title("An id of another run")
        say("""The snapshot exists, but it belongs to somebody else's run, so for this run it does
            not exist.""")
        self.ask(self._stage.other_life[2]["id"], 404, "primary", log=error)

    def other_policies(self):
        stage = self._stage
        with stage.paused_standby():
            snapshot = stage.new_snapshots()
            self.title("The same lag under policy = replica_only")
            say("""What it was like before there was a fallback: an existing row is reported as
                absent. The policy file was edited, and SIGHUP made the host read it again.""")
            stage.host.reload({"policy": "replica_only"})
            self.ask(snapshot, 404, "replica", log=("ERROR", None))
            self.title("The same lag under policy = primary_only")
            say("""Never a wrong answer, but now every poll of every runner is the primary's.""")
            stage.host.reload({"policy": "primary_only"})
            self.ask(snapshot, 200, "primary")

    def read_index(self):
        stage = self._stage
        stage.host.reload({"policy": "read_index", "max_wait_ms": 2000})
        self.title("A short lag under policy = read_index")
        say("""As in act 2, but with no guessed wait: the host asks the primary for its log
            position, and reads the replica as soon as it has replayed that far. The primary's
            tables are not read.""")
        with stage.paused_standby():
            self.ask(stage.new_snapshots(), 200, "replica_retry", release=True)
        self.count(replica_retry=1)
        self.title("An id that does not exist, under policy = read_index")
        say("""The replica has replayed all that the primary had when we asked, and the row is not
            there: it is proven absent. Made-up ids cannot be used to hammer the primary any
            more.""")
        self.ask(stage.history.new_id(), 404, "replica_retry", log=("ERROR", "replica_retry"))
        self.count(proven_absent=1)

    def counters(self):
        self.title("What was counted")
        say("""From /metrics: misses by what found the row, and the plugin's other counters. They
            survived all changes of the policy.""")
        answer = self._stage.host.admin("/metrics")
        for line in answer.body.decode().splitlines():
            if line.startswith("run_engine_"):
                print("   " + line)
        self.expect(self._stage.host.counters(), self._expected_counters, "the counters")


# -- staying up ----------------------------------------------------------------------------------


def stay_up(stage):
    """Says what to try, then shows the host's log until Ctrl-C."""
    run, host = stage.life[0]["runId"], stage.host
    base = f"http://127.0.0.1:{host.port}"
    operators = f"http://127.0.0.1:{host.settings['admin']['port']}"
    curl = f"curl -si -H 'authorization: Bearer {TOKEN}' \\\n     "
    psql = "psql -X -h 127.0.0.1 -U postgres -p"
    columns = ('"id", "executionStatus", "description", "runId", "runStatus", "environmentId",'
               ' "createdAt"')
    insert = (f'INSERT INTO "TaskRunExecutionSnapshot" ({columns}) VALUES (:\'id\', \'EXECUTING\','
              f" 'by hand', '{run}', 'EXECUTING', 'env0production', now() AT TIME ZONE 'UTC')")
    commands = [
        ("What has happened since a snapshot that the replica has:",
         curl + base + lookup_path(run, stage.life[4]["id"])),
        ("An id that does not exist:", curl + base + lookup_path(run, "doesnotexist")),
        ("Make the replica lag:", f"{psql} {stage.standby.port} -c 'SELECT pg_wal_replay_pause()'"),
        ("Commit a snapshot meanwhile, and ask for what is newer than it:",
         f"{psql} {stage.primary.port} -v id=mine1 <<'END'\n     {insert};\nEND\n  "
         + curl + base + lookup_path(run, "mine1")),
        ("Let the replica catch up:",
         f"{psql} {stage.standby.port} -c 'SELECT pg_wal_replay_resume()'"),
        ("Try another policy (replica_only, primary_only, read_index):",
         f"sed -i 's/^policy = .*/policy = read_index/; /^replica_retry/d' {host.policy_path}\n"
         f"  kill -HUP {host.pid}"),
        ("The counters:", f"curl -s {operators}/metrics | grep ^run_engine"),
        ("A page to look at, in a browser:", f"{operators}/status"),
        ("Watch it with Prometheus (package prometheus), then on http://127.0.0.1:9090/alerts:",
         " \\\n     ".join(prometheus_command(host.directory, host.settings["admin"]["port"], 9090))),
    ]
    for what, command in commands:
        print(f"\n{_styled('1', what)}\n  {command}")
    print("\nCtrl-C stops everything and removes it. The host's log:", flush=True)
    shown = 0
    try:
        while host.is_running():
            for line in host.log[shown:]:
                shown += 1
                print(line.text, flush=True)
            time.sleep(0.1)
        return ["snapshot-host has ended:\n" + "\n".join(host.all_lines())]
    except KeyboardInterrupt:
        print("\nStopping.")
        host.stop()
        return []


def main():
    parser = argparse.ArgumentParser(description="A walk through read-policy on real servers.")
    parser.add_argument("--up", action="store_true", help="leave the servers running until Ctrl-C")
    arguments = parser.parse_args()
    testbed.complain_if_not_built()
    begun = time.monotonic()
    print(_styled("1", "read-policy: where should a read go while the replica lags?"))
    say("Starting a primary, a streaming standby and snapshot-host ...")
    stage = Stage()
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(stage.cluster.destroy)
        cleanup.callback(stage.host.kill)
        say(f"""Up after {time.monotonic() - begun:.1f} s: primary on port {stage.primary.port},
            standby on {stage.standby.port}, host on {stage.host.port}.""")
        wrong = stay_up(stage) if arguments.up else Demo(stage).play()
    if wrong:
        print("\nNot everything was as it should be:\n  " + "\n  ".join(wrong))
        return 1
    if not arguments.up:
        print(f"\nAll answers were as they should be. Took {time.monotonic() - begun:.1f} s;"
              " everything is stopped and removed.")
    return 0


if __name__ == "__main__":
    testbed.as_program(main)
