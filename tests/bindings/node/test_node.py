#!/usr/bin/python3
"""The npm package: its own tests by node, on a real primary and standby; its types; its tarball, installed
where there is no network. Every file here is copied beside what npm installed, for node to find that."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from cluster import Cluster
from testbed import BUILD, ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
NPM = os.path.join(BUILD, "npm")
PLACE = os.path.join(NPM, "tests")
OLDEST_NODE = 18
# Of each platform the machine, as readelf has it, and its libc.
NATIVE = {
    "linux-x64-gnu": ("X86-64", {"libc.so.6"}),
    "linux-x64-musl": ("X86-64", {"libc.so"}),
    "linux-arm64-gnu": ("AArch64", {"libc.so.6", "ld-linux-aarch64.so.1"}),
}


def node_version():
    """The major version of the node that there is; 0: none."""
    node = shutil.which("node")
    if node is None:
        return 0
    said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.match(r"v(\d+)", said).group(1))


def run(*command, **more):
    return subprocess.run(command, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, check=False, **more)


@unittest.skipIf(node_version() < OLDEST_NODE, f"there is no node from version {OLDEST_NODE} on")
class NodeTest(unittest.TestCase):
    """What node runs. A failure shows all that node said."""

    @classmethod
    def setUpClass(cls):
        shutil.rmtree(PLACE, ignore_errors=True)
        shutil.copytree(HERE, PLACE, ignore=shutil.ignore_patterns("*.py", "__pycache__"))

    def run_node_tests(self, *files, **environment):
        done = run("node", "--expose-gc", "--test", "--test-reporter=tap", "--test-concurrency=1", *files,
                   env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"# pass [1-9]")

    def test_without_servers(self):
        self.run_node_tests("policy.test.mjs", "original.test.mjs")

    def test_on_a_pair(self):
        with Cluster() as cluster:
            cluster.load(os.path.join(HERE, "schema.sql"))
            cluster.wait_caught_up()
            servers = {server.name: {"port": server.port, "data": server.data}
                       for server in (cluster.primary, cluster.standby)}
            pair = json.dumps({"major": cluster.major, **servers})
            self.run_node_tests("cluster.test.mjs", PAIR=pair)
            cluster.primary.disconnect()
            cluster.standby.disconnect()
            cluster.wait_caught_up()
            self.run_node_tests("failover.test.mjs", PAIR=pair)

    def test_types(self):
        done = run("node", "../node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module",
                   "node16", "--target", "es2022", "--lib", "es2022", "--types", "node", "types.ts")
        self.assertEqual(done.returncode, 0, done.stdout)


@unittest.skipIf(node_version() < OLDEST_NODE, f"there is no node from version {OLDEST_NODE} on")
class PackageTest(unittest.TestCase):
    """The tarball, as people get it."""

    def setUp(self):
        self.tarball, = glob.glob(os.path.join(NPM, "read-policy-*.tgz"))

    def test_installs_without_a_network(self):
        with tempfile.TemporaryDirectory(prefix="read-policy-npm-") as folder:
            def here(*command):
                return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True,
                                      env={**os.environ, "npm_config_cache": os.path.join(folder, "cache"),
                                           "npm_config_registry": "http://127.0.0.1:9/"}).stdout
            here("npm", "install", "--offline", "--omit=peer", "--no-audit", "--no-fund", self.tarball)
            ask = "PolicySet.fromText('[a]\\npolicy = primary_only\\n').sections().join()"
            self.assertEqual(here("node", "-p", f"require('read-policy').{ask}"), "a\n")
            self.assertEqual(here("node", "--input-type=module", "-e",
                                  f"import {{ PolicySet }} from 'read-policy'; console.log({ask})"), "a\n")

    def test_has_the_version_and_no_more_than_it_should(self):
        with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as file:
            version = re.search(r"^VERSION\s*:= (\S+)", file.read(), re.MULTILINE).group(1)
        with open(os.path.join(NPM, "package", "package.json"), encoding="utf-8") as file:
            package = json.load(file)
        self.assertEqual(package["version"], version)
        self.assertNotIn("scripts", package)
        self.assertNotIn("dependencies", package)
        self.assertLess(os.path.getsize(self.tarball), 1 << 20)

    def test_addons_need_nothing_but_node_and_libc(self):
        addons = glob.glob(os.path.join(NPM, "package", "prebuilds", "*", "*.node"))
        self.assertTrue(addons)
        for addon in addons:
            dynamic = subprocess.run(["readelf", "--wide", "--dynamic", addon], check=True,
                                     capture_output=True, text=True).stdout
            needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
            machine, libraries = NATIVE[os.path.basename(os.path.dirname(addon))]
            self.assertLessEqual(needed, libraries, addon)
            header = subprocess.run(["readelf", "--file-header", addon], check=True, capture_output=True,
                                    text=True).stdout
            self.assertRegex(header, rf"Machine: .*{machine}", addon)
            symbols = subprocess.run(["readelf", "--wide", "--dyn-syms", addon], check=True,
                                     capture_output=True, text=True).stdout
            defined = {line.split()[-1] for line in symbols.splitlines()
                       if re.search(r" (GLOBAL|WEAK) .* \d+ \S+$", line)}
            self.assertEqual(defined, {"napi_register_module_v1", "node_api_module_get_api_version_v1"},
                             addon)

    def test_lock_file_names_no_host(self):
        with open(os.path.join(ROOT, "bindings", "node", "package-lock.json"), encoding="utf-8") as file:
            self.assertNotIn("resolved", file.read())


if __name__ == "__main__":
    unittest.main()
