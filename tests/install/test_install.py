#!/usr/bin/python3
"""make install and make uninstall: every file is where it belongs, with the right paths in it; what is
installed runs; nothing is left behind; and files that are in use or edited are not harmed.

Works on a copy of the build, since another PREFIX is compiled into some of the programs.
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from testbed import BUILD, ROOT, clean_up_at_exit, no_longer_clean_up

# What is installed, from the prefix on.
FILES = """
bin/policy-check
bin/policy-sim
bin/snapshot-host
etc/read-policy/read-policy.ini
etc/read-policy/snapshot-host.ini
include/read_policy.h
lib/pkgconfig/read-policy.pc
lib/read-policy/read_policy.so
lib/systemd/system/snapshot-host.service
share/bash-completion/completions/policy-check
share/bash-completion/completions/policy-sim
share/bash-completion/completions/snapshot-host
share/doc/read-policy/CHANGELOG.md
share/doc/read-policy/LICENSE
share/doc/read-policy/README.md
share/doc/read-policy/examples/grafana/snapshot-host.json
share/doc/read-policy/examples/host.go
share/doc/read-policy/examples/host.lua
share/doc/read-policy/examples/host.rs
share/doc/read-policy/examples/minimal.c
share/doc/read-policy/examples/minimal.py
share/doc/read-policy/examples/prometheus/alerts.yml
share/doc/read-policy/examples/prometheus/scrape.yml
share/doc/read-policy/examples/proxy/haproxy.cfg
share/doc/read-policy/examples/proxy/nginx.conf
share/doc/read-policy/examples/read-policy.ini
share/doc/read-policy/examples/snapshot-host.ini
share/man/man1/policy-check.1
share/man/man1/policy-sim.1
share/man/man3/read_policy.h.3
share/man/man5/read-policy.ini.5
share/man/man7/read-policy-host.7
share/man/man8/snapshot-host.8
""".split()

# The guides too, except the one for those who change the source.
FILES += [f"share/doc/read-policy/docs/{os.path.basename(page)}"
          for page in glob.glob(os.path.join(ROOT, "docs", "*.md"))
          if not page.endswith("HACKING.md")]

SECRETIVE = "etc/read-policy/snapshot-host.ini"


def run(*command, status=0, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="backslashreplace",
                          timeout=250, check=False, **more)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def make(*arguments):
    return run("make", "-C", ROOT, "--no-print-directory", f"BUILD={build}", *arguments)


def files_below(directory):
    """The files, and the directories that have something of ours in their name, relative to it."""
    found = []
    for place, directories, names in os.walk(directory):
        found += [os.path.relpath(os.path.join(place, name), directory) for name in names]
        found += [os.path.relpath(os.path.join(place, name), directory) + "/"
                  for name in directories if "read-policy" in name]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def not_needed(place, names):
    """Of the build, to copy it: all that only tests and packages are made of."""
    if place == BUILD:
        return [name for name in names if name != "obj" and os.path.isdir(os.path.join(place, name))]
    return ["tests"] if place == os.path.join(BUILD, "obj") else []


def setUpModule():
    global directory, build, prefix
    directory = tempfile.mkdtemp(prefix="install-")
    clean_up_at_exit(lambda: shutil.rmtree(directory, ignore_errors=True))
    build, prefix = os.path.join(directory, "build"), os.path.join(directory, "prefix")
    shutil.copytree(BUILD, build, symlinks=True, ignore=not_needed)
    make("install", f"PREFIX={prefix}")


def tearDownModule():
    shutil.rmtree(directory)


def installed(path):
    return os.path.join(prefix, path)


class Installed(unittest.TestCase):

    def test_every_file_is_in_its_place(self):
        files = [name for name in files_below(prefix) if not name.endswith("/")]
        self.assertEqual(files, sorted(FILES))

    def test_modes(self):
        for path in FILES:
            mode = stat.S_IMODE(os.stat(installed(path)).st_mode)
            runs = path.startswith("bin/") or path.endswith(".py")
            expected = 0o755 if runs else 0o640 if path == SECRETIVE else 0o644
            self.assertEqual(oct(mode), oct(expected), path)

    def test_no_file_speaks_of_where_it_was_built(self):
        for path in FILES:
            if not path.startswith(("bin/", "lib/read-policy/")):  # whose debug information may
                self.assertNotIn(ROOT, read(installed(path)), path)
                self.assertNotIn("/usr/local", re.sub(
                    r"/usr/local/lib/read-policy/read_policy.so", "", read(installed(path)))
                    if path.endswith("README.md") else read(installed(path)), path)

    def test_the_host_takes_its_files_as_installed(self):
        said = run(installed("bin/snapshot-host"), "-t", "-c", installed(SECRETIVE), cwd="/")
        self.assertIn(installed("lib/read-policy/read_policy.so") + ": read-policy", said)
        self.assertIn(installed("etc/read-policy/read-policy.ini") + ": good", said)
        # The sample's token is public.
        self.assertIn("nobody is let in", said)

    def test_the_host_finds_its_configuration(self):
        config = installed(SECRETIVE)
        os.rename(config, config + ".away")
        self.addCleanup(os.rename, config + ".away", config)
        self.assertIn(f"{config}: No such file",
                      run(installed("bin/snapshot-host"), "status", status=1, cwd="/"))

    def test_the_samples_are_those_of_the_tree_but_for_paths_and_token(self):
        ours = read(os.path.join(ROOT, "conf", "snapshot-host.ini")).splitlines()
        theirs = read(installed(SECRETIVE)).splitlines()
        changed = {line.split(" =")[0] for line, other in zip(ours, theirs, strict=True)
                   if line != other}
        self.assertEqual(changed, {"path", "config", "token"})

    def test_policy_check_and_policy_sim_find_the_plugin(self):
        sample = installed("etc/read-policy/read-policy.ini")
        for program in ("policy-check", "policy-sim"):
            # A copy elsewhere has no plugin beside it.
            help_text = run(installed(f"bin/{program}"), "--help", cwd="/")
            self.assertIn(installed("lib/read-policy/read_policy.so"), " ".join(help_text.split()))
        self.assertIn("good", run(installed("bin/policy-check"), sample, cwd="/"))
        self.assertIn("snapshots_since",
                      run(installed("bin/policy-sim"), "--lookups", "100", sample, cwd="/"))

    def test_pkg_config_and_the_header_compile_the_example(self):
        config = ["env", "PKG_CONFIG_PATH=" + installed("lib/pkgconfig"), "pkg-config"]
        self.assertEqual(run(*config, "--variable=plugin", "read-policy").strip(),
                         installed("lib/read-policy/read_policy.so"))
        version = re.search(r"^VERSION +:= (\S+)", read(os.path.join(ROOT, "Makefile")), re.MULTILINE)
        self.assertEqual(run(*config, "--modversion", "read-policy").strip(), version.group(1))
        run(*config, "--validate", "read-policy")
        flags = run(*config, "--cflags", "--libs", "read-policy", "libpq").split()
        self.assertIn("-I" + installed("include"), flags)
        program = os.path.join(directory, "example")
        run("cc", "-Wall", "-Wextra", "-Werror", "-o", program,
            installed("share/doc/read-policy/examples/minimal.c"), *flags, "-ldl", cwd=directory)
        said = run(program, status=2)
        self.assertIn("usage:", said)

    def test_a_program_in_c_plus_plus_takes_the_header(self):
        source = os.path.join(directory, "host.cpp")
        write(source, "#include <read_policy.h>\n"
                      "int main() { return RP_ABI_MAJOR == 1 ? 0 : 1; }\n")
        run("g++", "-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror",
            "-I" + installed("include"), "-o", os.path.join(directory, "host"), source)
        run(os.path.join(directory, "host"))

    def test_half_a_configuration_is_not_kept(self):
        """Of a disk that was full: nothing would ever write it anew."""
        elsewhere = os.path.join(directory, "elsewhere")
        without_room = os.path.join(directory, "install-without-room")
        write(without_room, '#!/bin/sh\nfor last; do :; done\ncase $last in\n'
              '*/etc/*/snapshot-host.ini*) mkdir -p "${last%/*}"; echo "[listen" >"$last"; exit 1 ;;\n'
              'esac\nexec install "$@"\n')
        os.chmod(without_room, 0o755)
        where = ("install", f"PREFIX={prefix}", f"DESTDIR={elsewhere}")
        run("make", "-C", ROOT, "--no-print-directory", f"BUILD={build}", *where, f"INSTALL={without_room}", status=2)
        make(*where)
        self.assertEqual(read(elsewhere + installed(SECRETIVE)), read(installed(SECRETIVE)))
        self.assertFalse([name for name in files_below(elsewhere) if name.endswith(".new")])

    def test_the_unit_names_what_is_installed(self):
        unit = read(installed("lib/systemd/system/snapshot-host.service"))
        for path in re.findall(re.escape(prefix) + r"[\w./-]*", unit):
            self.assertTrue(os.path.exists(path), path)
        self.assertIn("ExecStart=" + installed("bin/snapshot-host"), unit)
        self.assertIn(installed(SECRETIVE), unit)


class Unit(unittest.TestCase):
    """The systemd unit, as far as it can be looked at without systemd running."""

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze")
        self.unit = installed("lib/systemd/system/snapshot-host.service")

    def test_systemd_understands_it(self):
        said = run("systemd-analyze", "verify", "--man=no", self.unit)
        self.assertNotIn("snapshot-host", said)

    def test_it_waits_for_the_longest_end(self):
        """Drained, and then with lookups under way that take as long as they may."""
        keys = run(installed("bin/snapshot-host"), "--keys")
        longest = sum(int(re.search(rf"^{key}: \d+ to (\d+) ", keys, re.MULTILINE)[1])
                      for key in ("drain_ms", "lookup_timeout_ms"))
        with open(self.unit, encoding="utf-8") as file:
            waits = int(re.search(r"^TimeoutStopSec=(\d+)$", file.read(), re.MULTILINE)[1])
        self.assertGreater(waits * 1000, longest)

    def test_it_is_hardened(self):
        said = run("systemd-analyze", "security", "--offline=yes", "--threshold=15", self.unit)
        self.assertIn("OK", said.splitlines()[-1])


class Running(unittest.TestCase):
    """The installed host, with the unit's command line, against no server at all."""

    def start(self, notify):
        config = os.path.join(directory, "running.ini")
        write(config, re.sub(r"(?m)^port = .*", "port = 0", read(installed(SECRETIVE))))
        process = subprocess.Popen([installed("bin/snapshot-host"), "-c", config], cwd="/",
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "NOTIFY_SOCKET": notify})
        clean_up_at_exit(process.kill)
        self.addCleanup(no_longer_clean_up, process.kill)
        self.addCleanup(process.kill)
        return process

    @staticmethod
    def wait_until_it_listens(process):
        """Returns the port. From then on SIGTERM ends the host cleanly."""
        for line in process.stderr:
            fields = json.loads(line)
            if fields["message"] == "listening":
                return fields["port"]
        raise AssertionError("the host ended without listening")

    def stop(self, process):
        """Returns the rest of the log."""
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        process.stderr.close()
        self.assertEqual(process.wait(timeout=60), 0, log)
        return [json.loads(line) for line in log.splitlines()]

    def listener(self, address):
        service_manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(service_manager.close)
        service_manager.bind(address)
        service_manager.settimeout(30)
        return service_manager

    def test_it_tells_the_service_manager_when_it_listens(self):
        path = os.path.join(directory, "notify")
        for notify, address in ((path, path), (f"@{path}", f"\0{path}")):
            with self.subTest(notify):
                service_manager = self.listener(address)
                process = self.start(notify)
                self.assertEqual(service_manager.recv(64), b"READY=1")
                # So a program that waited for that can connect.
                port = self.wait_until_it_listens(process)
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz",
                                            timeout=10) as answer:
                    self.assertEqual(answer.status, 200)
                self.stop(process)

    def test_a_service_manager_that_is_not_there_is_an_error_in_the_log(self):
        for notify in (os.path.join(directory, "nobody"), "@" + "x" * 200, "relative", "/", ""):
            with self.subTest(notify):
                process = self.start(notify)
                self.wait_until_it_listens(process)
                complaints = [line for line in self.stop(process)
                              if line["message"] == "cannot notify the service manager"]
                self.assertEqual([line["level"] for line in complaints], ["error"])


class InstalledAgain(unittest.TestCase):

    def test_files_in_use_are_not_written_in_place(self):
        paths = [installed(path) for path in FILES if not path.startswith("etc/")]
        before = {path: (os.stat(path).st_ino, open(path, "rb")) for path in paths}
        contents = {path: read_bytes(file) for path, (_, file) in before.items()}
        make("install", f"PREFIX={prefix}")
        for path, (inode, file) in before.items():
            self.assertNotEqual(os.stat(path).st_ino, inode, path)
            self.assertEqual(read_bytes(file), contents[path], path)
            file.close()
        self.assertEqual(glob.glob(prefix + "/**/*.new", recursive=True), [])

    def test_an_edited_configuration_is_kept(self):
        staged = os.path.join(directory, "edited")
        edited = os.path.join(staged, "etc/read-policy/read-policy.ini")
        make("install", f"PREFIX={prefix}", f"SYSCONF={os.path.join(staged, 'etc')}")
        write(edited, read(edited).replace("= 200", "= 100"))
        wanted = read(edited)
        make("install", f"PREFIX={prefix}", f"SYSCONF={os.path.join(staged, 'etc')}")
        self.assertEqual(read(edited), wanted)
        said = make("uninstall", f"PREFIX={prefix}", f"SYSCONF={os.path.join(staged, 'etc')}")
        self.assertEqual(read(edited), wanted)
        self.assertEqual(re.findall(".*kept because.*", said), ["kept because it was edited: " + edited])
        self.assertEqual(os.listdir(os.path.dirname(edited)), ["read-policy.ini"])
        make("install", f"PREFIX={prefix}")  # as it was


class Staged(unittest.TestCase):
    """With DESTDIR, as packagers do it."""

    def test_files_go_below_it_and_do_not_know_of_it(self):
        staged = os.path.join(directory, "staged here, for now")
        make("install", f"PREFIX={prefix}", f"DESTDIR={staged}")
        below = os.path.join(staged, prefix.lstrip("/"))
        self.assertEqual([name for name in files_below(below) if not name.endswith("/")],
                         sorted(FILES))
        for path in FILES:
            self.assertEqual(read_bytes(os.path.join(below, path)), read_bytes(installed(path)), path)
        make("uninstall", f"PREFIX={prefix}", f"DESTDIR={staged}")
        self.assertEqual(files_below(staged), [])
        make("uninstall", f"PREFIX={prefix}", f"DESTDIR={staged}")  # nothing to do is no error

    def test_where_the_system_keeps_its_configuration(self):
        for its_prefix, sysconf in (("/usr", "/etc"), ("/usr/local", "/usr/local/etc")):
            plan = make("-n", "install", f"PREFIX={its_prefix}", "DESTDIR=/nowhere")
            self.assertIn(f"/nowhere{sysconf}/read-policy/snapshot-host.ini", plan)


class Uninstalled(unittest.TestCase):

    def test_nothing_is_left(self):
        other = os.path.join(directory, "other")
        make("install", f"PREFIX={prefix}", f"DESTDIR={other}")
        foreign = os.path.join(other, prefix.lstrip("/"), "bin/somebody-elses")
        write(foreign, "")
        make("uninstall", f"PREFIX={prefix}", f"DESTDIR={other}")
        self.assertEqual(files_below(other), [os.path.relpath(foreign, other)])


def read_bytes(file):
    if isinstance(file, str):
        with open(file, "rb") as opened:
            return opened.read()
    file.seek(0)
    return file.read()


if __name__ == "__main__":
    if not os.path.exists(os.path.join(BUILD, "snapshot-host")):
        sys.exit("build/snapshot-host does not exist: run make first")
    unittest.main()
