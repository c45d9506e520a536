#!/usr/bin/python3
"""The manual pages: rendered from the programs as built now, without a warning from mandoc, and
mentioning everything that there is."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from testbed import BUILD, ROOT

RENDER = os.path.join(ROOT, "man", "render.py")
TEMPLATES = sorted(glob.glob(os.path.join(ROOT, "man", "*.in")))
HEADER = os.path.join(ROOT, "plugin", "read_policy.h")
WIDTH = 78
# What makes the pages, for values that can be told from those of any real prefix.
VALUES = {"VERSION": "9.8.7", "PLUGIN_DIR": "/somewhere/plugins", "SYSCONF": "/somewhere/etc",
          "BINDIR": "/somewhere/bin", "DOCDIR": "/somewhere/doc", "EXAMPLES_DIR": "/somewhere/examples",
          "HOST_EXAMPLES_DIR": "/somewhere/host-examples"}


def run(*command, status=0):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def render(template, values=None):
    values = VALUES if values is None else values
    return run("/usr/bin/python3", "-B", RENDER, "--build", BUILD,
               *(f"--set={name}={value}" for name, value in values.items()), template)


def setUpModule():
    global directory, pages
    if not shutil.which("mandoc"):
        raise unittest.SkipTest("there is no mandoc (Debian's package of that name)")
    directory = tempfile.mkdtemp(prefix="manuals-")
    unittest.addModuleCleanup(shutil.rmtree, directory)
    pages = {}  # name to path
    for template in TEMPLATES:
        name = os.path.basename(template).removesuffix(".in")
        pages[name] = os.path.join(directory, name)
        with open(pages[name], "w", encoding="utf-8") as file:
            file.write(render(template))


def text(page):
    """A page as a reader sees it, but in one line: the width of a terminal breaks no word."""
    plain = run("mandoc", "-Tascii", "-Owidth=1000", pages[page])
    return " ".join(re.sub(".\b", "", plain).split())


class Manuals(unittest.TestCase):

    def assert_mentioned(self, page, words, at_least):
        self.assertGreaterEqual(len(words), at_least, "the test found too little to look for")
        its_text = text(page)
        missing = [word for word in words
                   if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", its_text)]
        self.assertEqual(missing, [], page)

    def test_all_pages_are_there(self):
        self.assertEqual(sorted(pages), ["policy-check.1", "policy-sim.1", "read-policy-host.7",
                                         "read-policy.ini.5", "read_policy.h.3", "snapshot-host.8"])

    def test_mandoc_has_no_warning(self):
        for page, path in pages.items():
            with self.subTest(page):
                self.assertEqual(run("mandoc", "-Tlint", "-Wwarning", path), "")

    def test_a_terminal_shows_them_whole(self):
        for page, path in pages.items():
            if page == "read_policy.h.3":  # code of the header, which is 100 columns wide
                continue
            shown = re.sub(".\b", "", run("mandoc", "-Tutf8", f"-Owidth={WIDTH}", path))
            self.assertEqual([line for line in shown.splitlines() if len(line) > WIDTH], [], page)

    def test_every_value_and_piece_is_filled_in(self):
        for page, path in pages.items():
            with open(path, encoding="utf-8") as file:
                self.assertNotRegex(file.read(), r"@[A-Z_]+@|@include", page)
            self.assertIn("read-policy 9.8.7", text(page))

    def test_paths_are_those_of_the_installation(self):
        for page in pages:
            self.assertNotIn(ROOT, text(page))
        self.assertIn("/somewhere/etc/read-policy/snapshot-host.ini", text("snapshot-host.8"))
        self.assertIn("/somewhere/doc/docs/runbook.md", text("snapshot-host.8"))
        self.assertIn("/somewhere/plugins/read_policy.so", text("read_policy.h.3"))

    def test_pages_refer_to_pages_that_exist(self):
        others = {"dlopen(3)", "systemd(1)"}
        ours = {re.sub(r"\.(\d)$", r"(\1)", page) for page in pages}
        for page in pages:
            named = set(re.findall(r"\b[\w.-]+\([1-8]\)", text(page).replace("READ_POLICY.H(3)", "")))
            named = {name for name in named if name != name.upper()}
            self.assertLessEqual(named, ours | others, page)

    # -- everything that there is ----------------------------------------------------------------

    def test_every_key_of_the_policy_file(self):
        keys = re.split(r"\n(?=\w)", run(os.path.join(BUILD, "policy-check"), "--keys").strip())
        self.assertGreaterEqual(len(keys), 11)
        its_text = text("read-policy.ini.5")
        for key in keys:
            name, accepted, *help_lines = (line.strip() for line in key.split("\n"))
            default = accepted.split("; ")[-1]
            for said in (f" {name} " + " ".join(help_lines), default):
                self.assertTrue(said in its_text, said)

    def test_every_policy(self):
        line = run(os.path.join(BUILD, "policy-check"), "--keys").splitlines()[1]
        policies = re.findall(r"\w+", line.split(":")[1].split(";")[0])
        self.assert_mentioned("read-policy.ini.5", policies, 5)
        listed = run(os.path.join(BUILD, "policy-check"), "--policies")
        its_text = text("read-policy.ini.5")
        for line in listed.splitlines():
            if line.endswith("."):
                self.assertTrue(line.strip() in its_text, line)

    def test_every_key_of_the_host(self):
        keys = re.findall(r"^(\w+): (.*?)\. [A-Z]", run(os.path.join(BUILD, "snapshot-host"), "--keys"),
                          re.MULTILINE)
        self.assert_mentioned("snapshot-host.8", [key for key, _ in keys], 19)
        its_text = text("snapshot-host.8")
        for key, accepted in keys:
            self.assertIn(f"Accepted: {accepted}.", its_text, key)

    def test_every_option(self):
        for page, command, at_least in (("policy-check.1", ["policy-check", "--help"], 8),
                                        ("policy-sim.1", ["policy-sim", "--help"], 20),
                                        ("policy-sim.1", ["policy-sim", "record", "--help"], 6),
                                        ("policy-sim.1", ["policy-sim", "replay", "--help"], 15),
                                        ("policy-sim.1", ["policy-sim", "advise", "--help"], 15),
                                        ("snapshot-host.8", ["snapshot-host", "--help"], 4)):
            help_text = run(os.path.join(BUILD, command[0]), *command[1:])
            options = set(re.findall(r"(?<![\w-])-(-?[a-z][a-z-]*)", help_text))
            with open(pages[page], encoding="utf-8") as file:
                tags = re.findall(r"^\.It .*", file.read(), re.MULTILINE)
            explained = {option for tag in tags for option in re.findall(r"Fl (-?[\w-]+)", tag)}
            self.assertGreaterEqual(len(options), at_least)
            self.assertLessEqual(options, explained, page)

    def test_every_member_of_the_plugins_table(self):
        with open(HEADER, encoding="ascii") as file:
            table = re.search(r"struct rp_plugin \{(.*?)\n\};", file.read(), re.DOTALL).group(1)
        table = re.sub(r"/\*.*?\*/", "", table, flags=re.DOTALL)
        functions = re.findall(r"\(\*(\w+)\)", table)
        data = re.findall(r"(\w+);", re.sub(r"\([^;]*;", "", table))
        self.assertEqual(data, ["magic", "struct_size", "abi_major", "abi_minor", "name", "version",
                                "cluster"])
        self.assert_mentioned("read_policy.h.3", data + functions, 17)
        its_text = text("read_policy.h.3")
        for function in functions:
            self.assertIn(f"(*{function})(", its_text)

    def test_every_mistake_of_the_checklist(self):
        with open(os.path.join(ROOT, "docs", "writing-a-host.md"), encoding="utf-8") as file:
            guide = file.read()
        words = re.findall(r"^\| \*\*(.*?)\*\*", guide, re.MULTILINE) + re.findall(r"^\* \*\*([A-Z]+)\*\*", guide, re.MULTILINE)
        self.assertGreaterEqual(len(words), 20)
        its_text = text("read-policy-host.7")
        self.assertEqual([word for word in words if word.replace("`", "") not in its_text], [])

    def test_every_name_of_the_header(self):
        with open(HEADER, encoding="ascii") as file:
            code = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
        names = sorted(set(re.findall(r"\b(?:RP|rp)_\w+", code)))
        self.assert_mentioned("read_policy.h.3", names, 70)

    def test_every_sentence_of_the_header(self):
        with open(HEADER, encoding="ascii") as file:
            comments = re.findall(r"/\*(.*?)\*/", file.read(), re.DOTALL)[1:]
        its_text = re.sub(r"[\s.]+", "", text("read_policy.h.3"))
        for comment in comments:
            words = " ".join(re.sub(r"^\s*\* ?", "", line) for line in comment.split("\n"))
            if "----" not in words:
                self.assertTrue(re.sub(r"[\s.]+", "", words) in its_text, words)

    def test_every_kind_of_log_field(self):
        fields = set()
        for name in ("record.c", "access_log.c"):
            with open(os.path.join(ROOT, "host-sample", "lookups", name), encoding="ascii") as file:
                fields |= set(re.findall(r"LOG_(?:TEXT|NUMBER)\(\"(\w+)\"", file.read()))
        self.assert_mentioned("snapshot-host.8", sorted(fields), 15)

    def test_every_status(self):
        with open(os.path.join(ROOT, "host-sample", "http", "status.h"), encoding="ascii") as file:
            statuses = re.findall(r"\bHTTP_STATUS_\w+ = (\d+)", file.read())
        self.assert_mentioned("snapshot-host.8", statuses, 13)

    def test_a_piece_that_is_not_there_is_an_error(self):
        for line in ("@NOT_A_VALUE@", "@include not-a-piece@", "@include header nothing@"):
            path = os.path.join(directory, "bad.in")
            with open(path, "w", encoding="utf-8") as file:
                file.write(line + "\n")
            run("/usr/bin/python3", "-B", RENDER, "--build", BUILD, path, status=1)


if __name__ == "__main__":
    unittest.main()
