#!/usr/bin/python3
"""SIGHUP reads both files: servers come, change and go, tokens are exchanged, limits move, under load.

Lookups of three kinds go on all the while: rows that every server has, rows that the primary alone has
(replay is paused), and rows that nobody has. Each must get the answer that it got before.

    tests/host-sample/test_reload_servers.py --rounds 200 --seed 7     a soak of random changes
"""

import argparse
import contextlib
import copy
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import unittest

from answer import strict_json
from host import APPLICATION, TOKEN, Host, ini_text, lookup_path
from load import LookupRequest, run_load
from lookup_case import module_cluster
from testbed import PLUGIN, wait_for

POLICY = {"policy": "replica_then_primary", "replica_retry_min_ms": 1, "replica_retry_max_ms": 10}
PER_SECOND = 300
OTHER_TOKEN = "the-next-token"
ROUNDS, SEED = 12, 5

cluster = history = None
level = ahead = nobody = None  # the paths of the three kinds


def setUpModule():
    global cluster, history, level, ahead, nobody
    cluster, history = module_cluster("b", "c")
    everywhere = history.life_of_a_run()
    history.write(cluster.primary)
    cluster.wait_caught_up()
    for standby in cluster.standbys:
        standby.pause_replay()
    only_there = history.life_of_a_run()
    history.write(cluster.primary)
    level = lookup_path(everywhere[0]["runId"], everywhere[0]["id"])
    ahead = lookup_path(only_there[0]["runId"], only_there[0]["id"])
    nobody = lookup_path(everywhere[0]["runId"], history.new_id())


class Load:
    """Lookups at a steady rate, until the block ends; then every answer has been the right one."""

    def __init__(self, host, tokens=(TOKEN,)):
        self._host = host
        self._tokens = tokens
        self._over = threading.Event()
        self._answers = {}  # (path, status, what it says): how often
        self._failure = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, _error, _trace):
        self._over.set()
        self._thread.join()
        if kind is None:
            self._check()

    def use(self, *tokens):
        self._tokens = tokens

    def answered(self):
        return sum(self._answers.values())

    def wait(self, count=60):
        """Until so many more have been answered."""
        enough = self.answered() + count
        wait_for(lambda: self._failure or self.answered() >= enough, "lookups to be answered")

    def _requests(self):
        number = 0
        while not self._over.is_set():
            tokens = self._tokens
            path = (level, level, level, ahead, nobody)[number % 5]
            yield LookupRequest(path, tokens[number % len(tokens)])
            number += 1

    def _take(self, request, status, _head, body):
        said = strict_json(body)
        key = (request.path, status,
               tuple(one["snapshot"]["id"] for one in said["snapshots"]) if status == 200
               else said.get("error"))
        self._answers[key] = self._answers.get(key, 0) + 1

    def _run(self):
        try:
            run_load(self._host.port, self._requests(), self._take, per_second=PER_SECOND)
        except Exception as error:  # of a thread; told by _check
            self._failure = error

    def _check(self):
        if self._failure is not None:
            raise self._failure
        answers = list(self._answers)
        if any("is not answering; backing off" in line for line in self._host.all_lines()):
            # On a machine this busy a standby may say nothing for a second, which is no reload's fault.
            answers = [one for one in answers if one[1] != 503]
        kinds = {(path, status) for path, status, _ in answers}
        if kinds != {(level, 200), (ahead, 200), (nobody, 404)} or len(answers) != 3:
            raise AssertionError("\n".join([str(self._answers), *self._host.all_lines()]))


def server(which, **more):
    return {"conninfo": which.conninfo(application_name=APPLICATION), **more}


def settings_of(host, **servers):
    """The host's settings with these servers and no others: a=..., b=... are [server.a], [server.b]."""
    settings = {name: keys for name, keys in copy.deepcopy(host.settings).items()
                if not name.startswith("server.")}
    settings.update({"server." + name: keys for name, keys in servers.items()})
    return settings


@contextlib.contextmanager
def running(threads=1, **servers):
    """A host with these servers."""
    host = Host(policy=POLICY, settings={"server." + name: keys for name, keys in servers.items()})
    host.settings["listen"]["threads"] = threads
    host.reload_to = lambda **them: host.reload(settings=settings_of(host, **them))
    host.reload_and_wait = lambda *gone, **them: _reload_and_wait(host, gone, them)
    host.write_config(ini_text(host.settings))
    with host:
        yield host


def links_of(which):
    return int(which.value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s", [APPLICATION + "%"]))


def _reload_and_wait(host, gone, servers):
    """Reloads to these servers; waits until each has its role, and those that went have no link."""
    host.reload_to(**servers)
    for name, keys in servers.items():
        if keys.get("state", "on") == "on":
            wait_for(lambda label="server." + name: role_of(host, label) in ("primary", "replica"),
                     f"{name} to have a role")
    for which in gone:
        wait_for(lambda one=which: links_of(one) == 0, f"the links to {which.name} to go")


def role_of(host, name):
    roles = host.metrics().select("snapshot_host_server_role", server=name)
    return next((labels["role"] for labels, value in roles if value), None)


def is_left_alone(host, load, name):
    """No lookup is read there; one that had begun before may wait for its second read."""
    before = reads(host, name)
    load.wait()
    return reads(host, name) == before and in_flight(host, name) == 0


class ServersComeAndGo(unittest.TestCase):
    """One step after the other, with lookups under way."""

    def setUp(self):
        self.a, self.b, self.c = cluster.primary, *cluster.standbys

    def test_add_drain_take_out_and_come_back(self):
        with running(a=server(self.a), b=server(self.b)) as host, Load(host) as load:
            everyone = {"a": server(self.a), "b": server(self.b), "c": server(self.c)}
            load.wait()
            host.reload_and_wait(**everyone)
            self.assertEqual(role_of(host, "server.c"), "replica")
            load.wait()
            host.reload_to(**{**everyone, "b": server(self.b, state="drain")})
            wait_for(lambda: is_left_alone(host, load, "server.b"), "the reads of before at b to end")
            self.assertGreater(links_of(self.b), 0)
            host.reload_and_wait(self.b, **{**everyone, "b": server(self.b, state="off")})
            self.assertIsNone(role_of(host, "server.b"))
            load.wait()
            host.reload_and_wait(**everyone)
            host.reload_and_wait(self.c, a=everyone["a"], b=everyone["b"])
            load.wait()
            self.assertGreater(reads(host, "server.b"), 0, "counted anew")

    def test_every_server_is_reached_in_another_way(self):
        for threads in (1, 3):
            with self.subTest(threads=threads), \
                    running(threads, a=server(self.a), b=server(self.b)) as host, \
                    Load(host) as load:
                load.wait()
                before = {name: reads(host, name) for name in ("server.a", "server.b")}
                again = {name: {"conninfo": which.conninfo(application_name=APPLICATION + "-2"),
                                "links": 3, "prepared": "no"}
                         for name, which in (("a", self.a), ("b", self.b))}
                host.reload_and_wait(**again)
                for which in (self.a, self.b):
                    wait_for(lambda one=which: old_links(one) == 0, "the old links to go")
                load.wait()
                self.assertEqual(links_of(self.a), 3 * threads)
                self.assertEqual(role_of(host, "server.a"), "primary")
                for name, count in before.items():
                    self.assertGreater(reads(host, name), count, "its counters go on")
                line = host.wait_for_log(lambda one: one.fields["message"] ==
                                         "configuration reloaded", "the line of the reload")
                self.assertEqual(line.fields["changed"], "[server.a] changed, [server.b] changed")
                self.assertEqual([one.text for one in host.log if " is out" in one.text or
                                  one.level == "WARN" and " is the primary" in one.text], [])

    def test_one_that_does_not_answer_holds_nothing_up(self):
        with running(a=server(self.a), b=server(self.b)) as host, Load(host) as load:
            load.wait()
            nowhere = {"conninfo": "host=127.0.0.1 port=1 user=postgres"}
            host.reload_to(a=server(self.a), c=server(self.c), d=nowhere)
            wait_for(lambda: links_of(self.b) == 0, "the links to b to go")
            load.wait()
            host.reload_and_wait(a=server(self.a), b=server(self.b))

    def test_the_primary_is_silent_for_a_moment(self):
        """For longer than a question may take, while everybody is asked anew. Its lookups wait for it,
        as they do without a reload: it is remembered, for nobody else says that he is it."""
        with running(a=server(self.a), b=server(self.b)) as host, Load(host) as load:
            load.wait()
            self.a.freeze()
            try:
                host.reload_to(a=server(self.a), b=server(self.b), c=server(self.c))
                wait_for(lambda: host.metrics().value("snapshot_host_primary_answers") == 0,
                         "its silence to be noticed")
            finally:
                self.a.thaw()
            load.wait()

    def test_sections_are_renamed(self):
        with running(a=server(self.a), b=server(self.b)) as host, Load(host) as load:
            load.wait()
            host.reload_and_wait(first=server(self.a), second=server(self.b))
            load.wait()
            wait_for(lambda: role_of(host, "server.a") is None, "the old names to go")
            self.assertEqual(role_of(host, "server.first"), "primary")


class TheRest(unittest.TestCase):
    """Tokens, limits, what cannot change, and what is wrong."""

    def setUp(self):
        self.servers = {"a": server(cluster.primary), "b": server(cluster.standbys[0])}

    def exchange(self, host, load, reload_with):
        """One token for the other, both good in between."""
        load.wait()
        reload_with(TOKEN, OTHER_TOKEN)
        load.use(TOKEN, OTHER_TOKEN)
        load.wait()
        load.use(OTHER_TOKEN)
        load.wait()
        reload_with(OTHER_TOKEN)
        load.wait()
        old = host.request("GET", level, {"authorization": "Bearer " + TOKEN})
        self.assertEqual(old.status, 401)

    def test_tokens_are_exchanged(self):
        with running(**self.servers) as host, Load(host) as load:
            def reload_with(*tokens):
                settings = copy.deepcopy(host.settings)
                settings["auth"]["token"] = list(tokens)
                host.reload(settings=settings)

            self.exchange(host, load, reload_with)
            for bad in ([TOKEN, OTHER_TOKEN, "x"], ["a", "a b\""]):
                reload_with(*bad)
                self.assertEqual(host.metrics().value("snapshot_host_last_reload_successful"), 0)
            text = "\n".join(host.all_lines())
            self.assertIn("accepted: each key once in a section, this one twice", text)
            self.assertNotIn(OTHER_TOKEN, text)

    def test_tokens_of_a_file_are_exchanged(self):
        with tempfile.NamedTemporaryFile("w", suffix=".token") as file, \
                running(**self.servers) as host, Load(host) as load:
            def reload_with(*tokens):
                file.seek(0)
                file.truncate()
                file.write("".join(f"{one}\n" for one in tokens))
                file.flush()
                settings = copy.deepcopy(host.settings)
                settings["auth"].update(token=None, token_file=file.name)
                host.reload(settings=settings)

            self.exchange(host, load, reload_with)
            reload_with(OTHER_TOKEN, TOKEN, "third")
            load.wait()
            self.assertEqual(host.metrics().value("snapshot_host_last_reload_successful"), 0)
            self.assertNotIn(OTHER_TOKEN, "\n".join(host.all_lines()))

    def test_a_token_file_that_is_a_fifo(self):
        """Nobody writes to it: the reload is refused, not waited for."""
        with tempfile.TemporaryDirectory() as directory, running(**self.servers) as host, \
                Load(host) as load:
            os.mkfifo(os.path.join(directory, "token"))
            settings = copy.deepcopy(host.settings)
            settings["auth"].update(token=None, token_file=os.path.join(directory, "token"))
            host.reload(settings=settings)
            load.wait()
            self.assertIn("it is not a regular file", "\n".join(host.all_lines()))

    def test_limits(self):
        with running(**self.servers) as host, Load(host) as load:
            settings = copy.deepcopy(host.settings)
            settings["limits"] = {"lookup_timeout_ms": 1000, "max_lookups": 2000,
                                  "max_connections": 500}
            load.wait()
            host.reload(settings=settings)
            wait_for(lambda: links_of(cluster.primary) == 2, "the old links to go")
            load.wait()
            line = host.wait_for_log(lambda one: one.fields["message"] == "configuration reloaded",
                                     "the line of the reload")
            self.assertEqual(line.fields["changed"], "[limits] max_lookups, [limits] "
                             "lookup_timeout_ms, [limits] max_connections")
            settings["limits"]["max_lookups"] = 1000000
            settings["listen"]["threads"] = 2
            settings["plugin"]["section"] = "another"
            settings["limits"]["poll_ms"] = 2000
            host.reload(settings=settings)
            line = host.wait_for_log(lambda one: "takes a restart" in one.fields["message"],
                                     "the line of what takes a restart")
            self.assertEqual(line.fields["keys"], "[listen] threads, [plugin] section, "
                             "[limits] poll_ms, [limits] max_lookups above 8192")
            load.wait()

    def test_another_plugin(self):
        """A new file at the path of the old one: a reload cannot load it, and says so."""
        message = "the plugin's file is another one by now, which takes a restart"
        with tempfile.TemporaryDirectory() as directory:
            path = shutil.copy(PLUGIN, os.path.join(directory, "read_policy.so"))
            with Host(cluster.primary, settings={"plugin": {"path": path}}) as host:
                host.reload(settings=host.settings)
                host.wait_for_log(lambda one: one.fields["message"].endswith("nothing has changed"),
                                  "the line that says so")
                self.assertFalse([line for line in host.all_lines() if message in line])
                os.replace(shutil.copy(PLUGIN, path + ".new"), path)
                host.reload(settings=host.settings)
                line = host.wait_for_log(lambda one: one.fields["message"] == message,
                                         "the line of the new file")
                self.assertEqual(line.fields["path"], path)

    def test_nothing_has_changed(self):
        with running(**self.servers) as host:
            before = links_of(cluster.primary)
            host.reload(settings=host.settings)
            host.wait_for_log(lambda one: one.fields["message"].endswith("nothing has changed"),
                              "the line that says so")
            self.assertEqual(links_of(cluster.primary), before)
            connects = host.metrics().value("snapshot_host_connects_total", server="server.a")
            self.assertEqual(connects, 2)

    def test_all_or_nothing(self):
        with running(**self.servers) as host, Load(host) as load:
            load.wait()
            bad = settings_of(host, a=self.servers["a"], b={"conninfo": "colour=red"})
            host.reload(policy={"policy": "primary_only"}, settings=bad)
            load.wait()
            self.assertEqual(served_by(host, level), "replica", "the policy is the old one")
            host.reload(policy={"policy": "no such one"}, settings=settings_of(host, **{
                "a": self.servers["a"]}))
            load.wait()
            self.assertEqual(role_of(host, "server.b"), "replica", "the servers are the old ones")
            self.assertEqual(host.metrics().value("snapshot_host_reload_failures_total"), 2)
            self.assertEqual(sum(one.fields["message"] == "configuration not reloaded, the previous "
                                 "one stays" for one in host.log), 2)


class AtRandom(unittest.TestCase):
    """Servers are added, changed, drained and taken out at random; the seed decides."""

    def test_a_short_dose(self):
        soak(ROUNDS, SEED)


def served_by(host, path):
    return host.request("GET", path, {"authorization": "Bearer " + TOKEN}).served_by


def reads(host, name):
    return host.metrics().value("snapshot_host_reads_total", server=name)


def in_flight(host, name):
    return host.metrics().value("snapshot_host_statements_in_flight", server=name)


def old_links(which):
    return int(which.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
                           [APPLICATION]))


def random_servers(dice):
    """The primary, which somebody must be, and standbys in any state and way."""
    def anyhow(which, **more):
        return {"conninfo": which.conninfo(application_name=APPLICATION,
                                           keepalives_idle=dice.choice((30, 60))),
                "links": dice.choice((1, 2)), "prepared": dice.choice(("yes", "no")), **more}

    servers = {"a": anyhow(cluster.primary)}
    for name, which in zip("bc", cluster.standbys):
        if dice.random() < 0.8:
            servers[name] = anyhow(which, state=dice.choice(("on", "on", "on", "drain", "off")))
    return servers


def soak(rounds, seed):
    """Changes before the last ones are through, too."""
    dice = random.Random(seed)
    print(f"seed {seed}, {rounds} rounds", file=sys.stderr)
    with running(2, **random_servers(dice)) as host, Load(host) as load:
        for _ in range(rounds):
            load.wait(dice.choice((0, 5, 60, 150)))
            servers = random_servers(dice)
            host.reload_to(**servers)
        load.wait()
        wanted = sum(2 * int(keys["links"]) for keys in servers.values()
                     if keys.get("state") != "off")
        wait_for(lambda: sum(links_of(one) for one in (cluster.primary, *cluster.standbys)) == wanted,
                 "the links to be those of the last configuration")


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options, rest = parser.parse_known_args()
    if options.rounds is None:
        unittest.main(argv=sys.argv[:1] + rest)
    setUpModule()
    try:
        soak(options.rounds, options.seed)
    finally:
        unittest.doModuleCleanups()


if __name__ == "__main__":
    main()
