#!/usr/bin/python3
"""The Debian packages on paper: what debian/ says agrees with the Makefile and with what make install
does. That they build, install, run and go is shown by make deb-try, which takes minutes."""

import fnmatch
import glob
import os
import re
import subprocess
import unittest

from testbed import ROOT

DEBIAN = os.path.join(ROOT, "debian")
MULTIARCH = "x86_64-linux-gnu"  # any will do: nothing is run


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def make_variable(name):
    """The words of a variable; of alternatives, the first."""
    value = re.search(rf"^{name} *:= *(.*)$", read("Makefile").replace("\\\n", " "), re.MULTILINE).group(1)
    return [word.strip("'").partition("|")[0] for word in value.split()]


def control():
    """The paragraphs of debian/control: lists of (field, value)."""
    paragraphs = []
    for text in read("debian", "control").strip().split("\n\n"):
        joined = re.sub(r"\n +", " ", text)
        paragraphs.append(dict(line.split(":", 1) for line in joined.splitlines()))
    return paragraphs


def packages():
    return {paragraph["Package"].strip(): paragraph for paragraph in control()[1:]}


def installed_files():
    """What make install would copy with the arguments that debian/rules gives it."""
    arguments = re.search(r"^ARGUMENTS = ((?:.*\\\n)*.*)", read("debian", "rules"), re.MULTILINE)
    words = arguments.group(1).replace("\\\n", " ").replace("$(DEB_HOST_MULTIARCH)", MULTIARCH)
    settings = [word for word in words.split() if re.match(r"[A-Z_]+=/", word)]
    plan = subprocess.run(["make", "-n", "-C", ROOT, "install", "install-nginx", *settings, "DESTDIR=/stage"],
                          capture_output=True, text=True, timeout=60, check=True).stdout
    copied = re.findall(r'^mv -f "\S+\.new" "/stage/(\S+)"$', plan, re.MULTILINE)
    return copied + re.findall(r'install -D -m \d+ \S+ "/stage/(etc/\S+)"', plan)


class Packages(unittest.TestCase):

    def test_the_version_is_the_makefiles(self):
        first = read("debian", "changelog").splitlines()[0]
        match = re.fullmatch(r"read-policy \(([^)-]+)-\d+\) \w+; urgency=\w+", first)
        self.assertEqual([match.group(1)], make_variable("VERSION"))

    def test_the_alert_rules_name_the_runbook_where_it_is(self):
        named = re.search(r"/usr/share/doc/(\S+?\.md)", read("conf", "prometheus", "alerts.yml")).group(1)
        self.assertIn("usr/share/doc/" + named, installed_files())
        self.assertIn("\tdh_compress -X.md\n", read("debian", "rules"))

    def test_what_the_build_needs_is_what_the_makefile_installs(self):
        needed = {re.sub(r"[ :].*", "", word.strip())
                  for word in control()[0]["Build-Depends"].split(",") if word.strip()}
        of_the_makefile = set(make_variable("BUILD_PACKAGES"))
        # gcc, libc and make are always there when a package is built.
        always = {"gcc", "libc6-dev", "make"}
        self.assertEqual(needed - {"debhelper-compat", "nginx-dev", "python3", "systemtap-sdt-dev"},
                         of_the_makefile - always - {"systemtap-sdt-dev"})

    def test_every_list_of_files_belongs_to_a_package(self):
        lists = {os.path.basename(path).removesuffix(".install")
                 for path in glob.glob(os.path.join(DEBIAN, "*.install"))}
        self.assertEqual(lists, set(packages()))

    def test_every_installed_file_is_in_exactly_one_package(self):
        patterns = [(name, line) for name in packages()
                    for line in read("debian", name + ".install").split()]
        patterns += [("", line) for line in read("debian", "not-installed").split()]
        files = installed_files()
        self.assertGreater(len(files), 20)
        used = set()
        for path in files:
            takers = [(name, line) for name, line in patterns
                      if fnmatch.fnmatch(path, line) or path.startswith(line + "/")]
            self.assertEqual(len(takers), 1, f"{path}: {takers}")
            used.update(takers)
        self.assertEqual(set(patterns) - used, set(), "these match nothing")

    def test_the_plugin_brings_no_library_that_could_clash_with_its_hosts(self):
        self.assertEqual(read("debian", "read-policy-plugin.install").split()[0],
                         "usr/lib/*/read-policy/read_policy.so")
        for name in ("policy-sim", "snapshot-host"):  # which are linked with libpq
            self.assertNotIn(name, read("debian", "read-policy-plugin.install"))

    def test_scripts_say_no_address_of_a_package_mirror(self):
        for path in ("tools/try-packages", "tools/try-service", "tools/install-packages", "mk/deb.mk",
                     "debian/rules"):
            self.assertNotRegex(re.sub(r"http://127\.0\.0\.1", "", read(path)), r"https?://|ftp://",
                                path)

    def test_descriptions(self):
        for name, paragraph in packages().items():
            synopsis = paragraph["Description"].strip()
            self.assertFalse(synopsis.startswith(("A ", "The ", name)), name)
            self.assertIn("${misc:Depends}", paragraph["Depends"], name)


if __name__ == "__main__":
    unittest.main()
