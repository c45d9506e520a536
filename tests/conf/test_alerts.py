#!/usr/bin/python3
"""The files in conf/ for Prometheus and Grafana: the alerts fire when they should, and everything
refers to metrics that a host really has."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

import yaml

from host import Host
from scrape import DIRECTORY, prometheus_command
from testbed import ROOT, clean_up_at_exit, free_port, no_longer_clean_up, wait_for

RULES = os.path.join(DIRECTORY, "alerts.yml")
RULE_TESTS = os.path.join(ROOT, "tests", "conf", "alerts_test.yml")
RUNBOOK = os.path.join(ROOT, "docs", "runbook.md")
DASHBOARDS = glob.glob(os.path.join(ROOT, "conf", "grafana", "*.json"))
# Where metrics are named in prose.
PROSE = [os.path.join(ROOT, "README.md"), RUNBOOK, *glob.glob(os.path.join(ROOT, "man", "*.in"))]

METRIC_IN_PROSE = re.compile(r"\b(?:snapshot_host|run_engine)_[a-z_]+\b(?!:)")
# What Prometheus adds to the metrics of the host.
ADDED_METRICS, ADDED_LABELS = {"up", "ALERTS"}, {"instance", "job"}
PROMQL_WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "bool", "offset", "Inf"}


class Away:
    """A server whose port nobody listens on."""

    @staticmethod
    def conninfo(**_settings):
        return "host=127.0.0.1 port=1 dbname=away user=nobody"


def setUpModule():
    if not shutil.which("promtool") or not shutil.which("prometheus"):
        print("test_alerts.py: skipped: there is no promtool (Debian's package prometheus)",
              file=sys.stderr)
        raise unittest.SkipTest("there is no promtool")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def rules():
    return [rule for group in yaml.safe_load(read(RULES))["groups"] for rule in group["rules"]]


def alerts():
    return [rule for rule in rules() if "alert" in rule]


def queries():
    """The expressions of all rules and dashboards: (where, expression)."""
    found = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    for path in DASHBOARDS:
        board = json.loads(read(path))
        found += [(f"panel {panel['title']}", target["expr"])
                  for panel in board["panels"] for target in panel.get("targets", [])]
        found += [(f"variable {variable['name']}", re.sub(r"label_values\((\w+),.*", r"\1",
                                                          variable["definition"]))
                  for variable in board["templating"]["list"] if variable["type"] == "query"]
    return found


def selectors(expression):
    """The (metric, [(label, operator, value)]) of a PromQL expression, in the parts of the language
    that are used here."""
    expression = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", expression)
    expression = re.sub(r"\[[^\]]*\]", " ", expression)
    expression = re.sub(r"\{__name__[^}]*\}", " ", expression)
    for match in re.finditer(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?", expression):
        name, rest = match.groups()
        if rest == "(" or name in PROMQL_WORDS or re.match(r"[\d.]", expression[match.start() - 1:]):
            continue
        yield name, re.findall(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"', rest or "")


class Rules(unittest.TestCase):

    def promtool(self, *arguments):
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=250,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_rules_are_well_formed(self):
        self.promtool("check", "rules", RULES)

    def test_the_alerts_fire_when_they_should_and_not_otherwise(self):
        self.promtool("test", "rules", RULE_TESTS)

    def test_the_scrape_configuration_is_well_formed(self):
        self.promtool("check", "config", os.path.join(DIRECTORY, "scrape.yml"))

    def test_the_queries_of_the_dashboards_are_well_formed(self):
        known = {"$__rate_interval": "5m", "$instance": ".*"}
        recorded = []
        for number, (_, expression) in enumerate(queries()):
            for variable, value in known.items():
                expression = expression.replace(variable, value)
            self.assertNotIn("$", expression)
            recorded.append({"record": f"query:{number}", "expr": expression})
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "queries", "rules": recorded}]}, file)
            file.flush()
            self.promtool("check", "rules", file.name)

    def test_every_alert_explains_itself(self):
        for alert in alerts():
            with self.subTest(alert["alert"]):
                self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
                self.assertEqual(set(alert["annotations"]), {"summary", "description", "runbook"})
                self.assertEqual(alert["annotations"]["runbook"],
                                 "docs/runbook.md#" + alert["alert"].lower())
                for kind in ("summary", "description"):
                    text = alert["annotations"][kind]
                    self.assertGreater(len(text.split()), 5, kind)
                    self.assertEqual(text[-1] == ".", kind != "summary", text)
                    # Half a one a second would be "500m".
                    self.assertNotRegex(text, r"humanize \}\}[^.]* a second")

    def test_every_alert_has_a_section_of_the_runbook_and_every_section_an_alert(self):
        sections = re.split(r"^#+ ", read(RUNBOOK), flags=re.MULTILINE)
        told = {}
        for section in sections:
            name, _, text = section.partition("\n")
            if name.startswith("SnapshotHost"):
                self.assertNotIn(name, told)
                told[name] = text
        self.assertEqual(list(told), [alert["alert"] for alert in alerts()])
        for name, text in told.items():
            with self.subTest(name):
                self.assertEqual(re.findall(r"^\*\*(.*?)\*\*", text, re.MULTILINE),
                                 ["Means", "Look at", "Do", "Over"])

    def test_every_alert_is_tested_with_the_labels_that_it_speaks_of(self):
        fired = {}  # alert to the labels of one firing
        for sample in re.findall(r"ALERTS\{(alertname=.*)\}", read(RULE_TESTS)):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', sample))
            fired[labels["alertname"]] = set(labels)
        self.assertEqual(set(fired), {alert["alert"] for alert in alerts()})
        for alert in alerts():
            spoken_of = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))
            self.assertLessEqual(spoken_of, fired[alert["alert"]], alert["alert"])


class Dashboards(unittest.TestCase):

    def test_they_can_be_imported(self):
        self.assertTrue(DASHBOARDS)
        for path in DASHBOARDS:
            board = json.loads(read(path))
            panels = board["panels"]
            identities = [panel["id"] for panel in panels]
            self.assertEqual(len(identities), len(set(identities)))
            self.assertTrue(board["title"] and board["uid"])
            self.assertNotIn("id", board)  # filled in by Grafana on import
            for panel in panels:
                with self.subTest(panel["title"]):
                    self.assertLessEqual(panel["gridPos"]["x"] + panel["gridPos"]["w"], 24)
                    if panel["type"] != "row":
                        self.assertTrue(panel["description"])
                        self.assertEqual(panel["datasource"]["uid"], "${datasource}")

    def test_no_panels_overlap(self):
        for path in DASHBOARDS:
            taken = set()
            for panel in json.loads(read(path))["panels"]:
                place = panel["gridPos"]
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, panel["title"])
                taken |= cells


class WithAHost(unittest.TestCase):
    """A host whose servers are all away: it has every series from the start."""

    @classmethod
    def setUpClass(cls):
        cls.host = Host(primary=Away, replicas=[Away, Away],
                        policy={"policy": "read_index", "primary_budget_per_s": 100}).start()
        cls.addClassCleanup(cls.host.kill)
        cls.metrics = cls.host.metrics()
        cls.names = {name for name, _ in cls.metrics.samples}

    def test_rules_and_dashboards_ask_for_series_that_exist(self):
        recorded = {rule["record"] for rule in rules() if "record" in rule}
        asked = 0
        for where, expression in queries():
            for name, matchers in selectors(expression):
                if name in recorded | ADDED_METRICS:
                    continue
                asked += 1
                self.assertIn(name, self.names, where)
                fixed = {label: value for label, operator, value in matchers
                         if operator == "=" and label not in ADDED_LABELS}
                self.assertTrue(self.metrics.select(name, **fixed), f"{where}: {name}{fixed}")
        self.assertGreater(asked, 40)

    def test_series_of_any_prefix_exist(self):
        """Those that metric_prefix and the section's name rename are asked for by how they end."""
        endings = {ending for _, expression in queries()
                   for ending in re.findall(r'__name__=~"([^"]*)"', expression)}
        self.assertGreaterEqual(len(endings), 3)
        for ending in endings:
            self.assertTrue(any(re.fullmatch(ending, name) for name in self.names), ending)
        for where, expression in queries():
            self.assertNotIn("run_engine_", expression, where)

    def test_rules_and_dashboards_group_by_labels_that_exist(self):
        labels = {label for _, pairs in self.metrics.samples for label, _ in pairs} | ADDED_LABELS
        for where, expression in queries():
            for grouping in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
                self.assertLessEqual(set(re.findall(r"\w+", grouping)), labels, where)

    def test_the_documentation_names_metrics_that_exist(self):
        families = set(self.metrics.kinds) | self.names
        for path in PROSE + [RULES]:
            for name in METRIC_IN_PROSE.findall(read(path)):
                self.assertIn(name, families, os.path.relpath(path, ROOT))

    def test_a_prometheus_scrapes_the_host_and_takes_the_rules(self):
        with tempfile.TemporaryDirectory(prefix="prometheus-") as directory:
            port = free_port()
            command = prometheus_command(directory, self.host.port, port, interval_s=1)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            clean_up_at_exit(process.kill)
            try:
                self.look_at(Prometheus(port))
            finally:
                process.kill()
                process.wait()
                no_longer_clean_up(process.kill)

    def look_at(self, prometheus):
        wait_for(lambda: prometheus.value("up") == "1", "Prometheus to scrape the host",
                 timeout_s=60, every_s=0.1)
        # No link, and so no position: unknown lag is NaN, which is not at least 0.
        lag = "snapshot_host_replica_lag_seconds"
        self.assertEqual(len(prometheus.ask(f"query?query={lag} unless {lag} >= 0")["result"]), 2)
        # What is told is that the servers are away, not that their lag is unknown.
        pending = {"SnapshotHostServerAway": 3, "SnapshotHostNoPrimary": 1}
        for alert, count in pending.items():
            wait_for(lambda name=alert, want=count: len(prometheus.ask(
                f'query?query=ALERTS{{alertname="{name}"}}')["result"]) == want,
                f"{count} {alert} to be pending", timeout_s=60, every_s=0.1)
        its_rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        self.assertEqual(len(its_rules), len(rules()))
        self.assertEqual({rule["health"] for rule in its_rules}, {"ok"}, its_rules)
        # A Prometheus that has just begun has scraped too seldom, for some seconds.
        wait_for(lambda: {alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]}
                 == set(pending), "no other alert to be pending", timeout_s=60, every_s=0.1)


class Demo(unittest.TestCase):

    def test_its_prometheus_scrapes_its_host(self):
        """As `make demo-up` prints it."""
        demo = subprocess.Popen([sys.executable, "-B", os.path.join("tests", "demo.py"), "--up"], cwd=ROOT,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        clean_up_at_exit(demo.kill)
        try:
            said = "".join(iter(demo.stdout.readline, "Ctrl-C stops everything and removes it. The host's log:\n"))
            configuration = yaml.safe_load(read(re.search(r"--config\.file=(\S+)", said)[1]))
            (target,) = configuration["scrape_configs"][0]["static_configs"][0]["targets"]
            with urllib.request.urlopen(f"http://{target}/metrics", timeout=20) as answer:
                self.assertIn(b"\nsnapshot_host_build_info{", answer.read())
        finally:
            demo.send_signal(signal.SIGINT)
            demo.communicate(timeout=60)
            no_longer_clean_up(demo.kill)
        self.assertEqual(demo.returncode, 0)


class Prometheus:
    """The HTTP interface of a Prometheus on this machine."""

    def __init__(self, port):
        self._base = f"http://127.0.0.1:{port}/api/v1/"

    def ask(self, path):
        address = self._base + urllib.parse.quote(path, safe="?=&/")
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query):
        """The value of the one series that the query returns; None if there is none yet."""
        try:
            result = self.ask("query?query=" + query)["result"]
        except OSError:
            return None
        return result[0]["value"][1] if len(result) == 1 else None


if __name__ == "__main__":
    unittest.main()
