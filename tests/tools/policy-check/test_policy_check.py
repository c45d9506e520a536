#!/usr/bin/python3
"""policy-check: what it says about valid and invalid policy files, and what it prints from the plugin.

What the plugin's own tests show is not tested again, only that all of it arrives where it should, with
the right exit status, and in forms that other programs accept.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from testbed import BUILD, PLUGIN, ROOT

PROGRAM = os.path.join(BUILD, "policy-check")
SAMPLE = os.path.join(ROOT, "conf", "read-policy.ini")

GOOD = """\
[snapshots]
policy = replica_then_primary
replica_retry_min_ms = 20
replica_retry_max_ms = 77

[runs]
policy = read_index
max_wait_ms = 333
primary_budget_per_s = 44
"""

BAD = """\
[snapshots]
policy = replica_then_primry
replica_retry_max_ms = 99999

[runs]
polcy = read_index
"""


# A plugin that has only keys, and odd ones: KEYS of them, in a table of SIZE bytes.
ODD_PLUGIN = r"""
#include "read_policy.h"
static int32_t key(uint32_t index, struct rp_key *key) {
    if (index >= KEYS) {
        return RP_E_END;
    }
    key->type = RP_KEY_TEXT;
    key->min = 3;
    key->max = 4;
    key->name = "odd";
    key->default_value = NULL;
    key->unit = "";
    key->help = "A back\\slash and a pipe |. .Bl is no request here. 'and nor is this.";
    return RP_OK;
}
static int32_t open_set(const char *path, uint32_t can, struct rp_set **set, char *err, uint32_t length) {
    (void)path, (void)can, (void)set, (void)err, (void)length;
    return RP_E_CONFIG;
}
static int32_t reload(struct rp_set *set, char *err, uint32_t length) {
    (void)set, (void)err, (void)length;
    return RP_E_CONFIG;
}
static const struct rp_policy *policy(struct rp_set *set, const char *name) {
    (void)set, (void)name;
    return NULL;
}
static const struct rp_step *begin(const struct rp_policy *policy, const struct rp_request *request,
                                   struct rp_read *read) {
    (void)policy, (void)request, (void)read;
    return NULL;
}
static const struct rp_step *next(struct rp_read *read, const struct rp_report *report) {
    (void)read, (void)report;
    return NULL;
}
static int32_t metrics(const struct rp_set *set, uint32_t index, struct rp_metric *metric) {
    (void)set, (void)index, (void)metric;
    return RP_E_END;
}
static uint32_t words(const struct rp_policy *policy, char *text, uint32_t length) {
    (void)policy, (void)text, (void)length;
    return 0;
}
static void close_set(struct rp_set *set) {
    (void)set;
}
static const char *section(struct rp_set *set, uint32_t index) {
    (void)set, (void)index;
    return NULL;
}
static const struct rp_plugin table = {RP_PLUGIN_MAGIC, SIZE, RP_ABI_MAJOR, 0, "odd", "0.1",
                                       open_set, reload, policy, begin, next, metrics, words,
                                       close_set, section, key, words};
const struct rp_plugin *read_policy_plugin_v1(void);
const struct rp_plugin *read_policy_plugin_v1(void) {
    return &table;
}
"""


class PolicyCheck(unittest.TestCase):

    def setUp(self):
        self._directory = tempfile.TemporaryDirectory(prefix="policy-check-")
        self.addCleanup(self._directory.cleanup)

    def file(self, text, name="policies.ini"):
        path = os.path.join(self._directory.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_check(self, *arguments, status=0, program=PROGRAM):
        done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done)
        if status == 0:
            self.assertEqual(done.stderr, "")
        else:
            self.assertEqual(done.stdout, "")
            self.assertNotEqual(done.stderr, "")
        return done.stdout + done.stderr

    # -- files ---------------------------------------------------------------------------------

    def test_good_files(self):
        path = self.file(GOOD)
        self.assertEqual(self.run_check(path), f"{path}: good, 2 sections: [snapshots], [runs]\n")
        self.assertEqual(self.run_check(SAMPLE), f"{SAMPLE}: good, 1 section: [snapshots_since]\n")

    def test_all_errors_at_once_one_a_line(self):
        path = self.file(BAD)
        errors = sorted(self.run_check(path, status=1).splitlines())
        self.assertEqual([error.split(": ")[0] for error in errors],
                         [f"{path}:{line}" for line in (2, 3, 5, 6)])
        self.assertIn("replica_then_primary", errors[0])  # did you mean
        self.assertIn("60000", errors[1])

    def test_files_that_cannot_be_read(self):
        for path in (os.path.join(self._directory.name, "nowhere.ini"), self._directory.name):
            self.assertIn(path, self.run_check(path, status=1))

    def test_capabilities(self):
        path = self.file(GOOD)
        error = self.run_check("--no-positions", path, status=1)
        self.assertIn("read_index", error)
        self.run_check("--no-positions", self.file(GOOD.split("\n\n")[0] + "\n", "first.ini"))

    # -- words and pictures --------------------------------------------------------------------

    def test_describe(self):
        path = self.file(GOOD)
        paragraphs = self.run_check("--describe", path).splitlines()
        self.assertEqual(len(paragraphs), 2)
        self.assertIn("20 to 77 ms", paragraphs[0])
        self.assertIn("333 ms", paragraphs[1])
        self.assertIn("44 reads of the primary", paragraphs[1])
        self.assertEqual(self.run_check("--describe", "--section", "runs", path),
                         paragraphs[1] + "\n")

    def test_dot(self):
        path = self.file(GOOD)
        both = self.run_check("--dot", path)
        self.assertEqual(both.count("digraph"), 2)
        one = self.run_check("--dot", "--section=runs", path)
        self.assertEqual(one.count("digraph"), 1)
        self.assertTrue(both.endswith(one))
        self.assertIn("locate the primary", one)

    @unittest.skipUnless(shutil.which("dot"), "Graphviz is not installed")
    def test_dot_makes_pictures(self):
        for policy in ("replica_then_primary", "read_index", "replica_backoff", "primary_only",
                       "replica_only"):
            path = self.file(f"[one]\npolicy = {policy}\n")
            picture = subprocess.run(["dot", "-Tsvg"], input=self.run_check("--dot", path),
                                     capture_output=True, text=True, timeout=60, check=True)
            self.assertIn(policy, picture.stdout)
            self.assertEqual(picture.stderr, "")

    @unittest.skipUnless(shutil.which("dot"), "Graphviz is not installed")
    def test_dot_takes_any_name_of_a_section(self):
        for name in ('a"b', "a\\", 'a\\"b\\\\', "ä{|}<b>", "%s"):
            path = self.file(f"[{name}]\npolicy = primary_only\n")
            title = subprocess.run(
                ["gvpr", 'BEG_G { print($.label) }'], input=self.run_check("--dot", path),
                capture_output=True, text=True, timeout=60, check=True)
            shown = title.stdout.rstrip("\n").replace("\\\\", "\\")
            self.assertEqual(shown, f"[{name}] policy = primary_only")
            self.assertEqual(title.stderr, "")

    # -- what is set without effect ------------------------------------------------------------

    def test_keys_that_the_policy_does_not_use_are_noted(self):
        path = self.file("[one]\npolicy = primary_only\nfirst_ms = 3\n")
        done = subprocess.run([PROGRAM, "--dot", path], capture_output=True, text=True, timeout=60,
                              check=True)
        self.assertEqual(done.stderr,
                         f"note: {path}:3: [one] first_ms = 3: not used by policy = primary_only\n")
        self.assertTrue(done.stdout.startswith("digraph"))

    # -- policies ------------------------------------------------------------------------------

    def policy_names(self):
        words = self.run_check("--keys").splitlines()[1]
        return re.findall(r"\w+", words.split(":")[1].split(";")[0])

    def test_policies_as_text(self):
        lines = self.run_check("--policies").splitlines()
        self.assertEqual([line for line in lines if not line.startswith(" ")], self.policy_names())
        self.assertIn("    at most 36 steps; reads a replica first", lines)
        self.assertIn("    at most 1 step; reads the primary first", lines)
        self.assertIn("    at most 21 steps; reads a replica first; the host must be able to tell "
                      "positions", lines)
        self.assertEqual(lines.count("    keys: metric_prefix"), 1)
        self.assertEqual(self.run_check("--policies=text").splitlines(), lines)

    def test_policies_as_markdown_and_mdoc(self):
        rows = self.run_check("--policies=markdown").splitlines()[2:]
        self.assertEqual([re.match(r"\| `(\w+)` \|", row).group(1) for row in rows],
                         self.policy_names())
        body = self.run_check("--policies=mdoc")
        self.assertEqual(re.findall(r"^\.It Cm (\w+)$", body, re.MULTILINE), self.policy_names())

    def test_missing_section(self):
        path = self.file(GOOD)
        for mode in ([], ["--describe"], ["--dot"]):
            error = self.run_check(*mode, "--section", "nowhere", path, status=1)
            self.assertTrue(error.startswith(f"{path}: no section [nowhere]: "), error)
        self.assertTrue(error.endswith("[snapshots], [runs]\n"), error)

    # -- keys ----------------------------------------------------------------------------------

    def sample_keys(self):
        """The keys that the sample file documents, in its order."""
        with open(SAMPLE, encoding="utf-8") as file:
            return re.findall(r"^(?:; )?([a-z_]+) =", file.read(), re.MULTILINE)

    def test_keys_as_text(self):
        lines = self.run_check("--keys").splitlines()
        self.assertEqual([line for line in lines if not line.startswith(" ")], self.sample_keys())
        self.assertIn("    number: 0 to 60000 ms; default 200", lines)
        self.assertIn("    choice: miss | always; default miss", lines)
        self.assertIn("    text: at most 199 bytes; empty by default", lines)
        self.assertTrue(any(line.endswith("; required") for line in lines))
        self.assertEqual(self.run_check("--keys=text").splitlines(), lines)

    def test_keys_as_markdown(self):
        lines = self.run_check("--keys=markdown").splitlines()
        self.assertEqual([re.match(r"\| `(\w+)` \|", line).group(1) for line in lines[2:]],
                         self.sample_keys())
        for line in lines:
            self.assertEqual(len(re.findall(r"(?<!\\)\|", line)), 5, line)

    def test_keys_as_mdoc(self):
        body = self.run_check("--keys=mdoc")
        self.assertEqual(re.findall(r"^\.It Ic (\w+)$", body, re.MULTILINE), self.sample_keys())
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        page = ".Dd November 23, 2026\n.Dt KEYS 5\n.Os\n.Sh NAME\n.Nm keys\n.Nd of a section\n" \
               ".Sh DESCRIPTION\n" + body
        lint = subprocess.run(["mandoc", "-Tlint"], input=page, capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual((lint.stdout, lint.stderr), ("", ""))
        plain = subprocess.run(["mandoc", "-Tascii"], input=page, capture_output=True, text=True,
                               timeout=60, check=True).stdout
        plain = re.sub(r".\x08", "", plain)
        self.assertRegex(plain, r"One of\s+miss,\s+always;\s+default\s+miss\.")

    # -- standard input ------------------------------------------------------------------------

    def check_input(self, text):
        return subprocess.run([PROGRAM, "-"], input=text, capture_output=True, text=True, timeout=60,
                              check=False)

    def test_standard_input(self):
        done = self.check_input("[a]\npolicy = primary_only\n[b]\npolicy = replica_only\n")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "standard input: good, 2 sections: [a], [b]\n", ""))
        done = self.check_input("[a]\npolicy = primary_onyl\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertRegex(done.stderr, r"^standard input:2: \[a\] policy = primary_onyl: .*primary_only")
        for text in ("", "x" * (5 << 20)):
            self.assertEqual(self.check_input(text).returncode, 1)

    # -- the command line ----------------------------------------------------------------------

    def test_help_and_version(self):
        self.assertIn("--describe", self.run_check("--help"))
        self.assertRegex(self.run_check("--version"), r"^policy-check \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for arguments, words in (([], "FILE"), (["a", "b"], "b"), (["--nonsense", "a"], "nonsense"),
                                 (["--keys=html"], "html"), (["--keys", "a"], "a"),
                                 (["--policies=html"], "html"), (["--policies", "a"], "a"),
                                 (["--dot", "--describe", "a"], "at a time"),
                                 (["--section"], "section"),
                                 (["--plugin", "x" * 5000, "a"], "too long")):
            self.assertIn(words, self.run_check(*arguments, status=2))

    def test_plugins_that_are_none(self):
        path = self.file(GOOD)
        for plugin in ("/nowhere.so", path, self._directory.name, "/dev/null"):
            self.assertIn(plugin, self.run_check("--plugin", plugin, path, status=2))

    # -- odd plugins ---------------------------------------------------------------------------

    def odd_plugin(self, keys="1", size="sizeof(struct rp_plugin)"):
        source, plugin = self.file(ODD_PLUGIN, "odd.c"), os.path.join(self._directory.name, "odd.so")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", f"-DKEYS={keys}",
                        f"-DSIZE={size}", "-I", os.path.join(ROOT, "plugin"), "-o", plugin, source],
                       check=True)
        return plugin

    def test_odd_words_are_escaped(self):
        plugin = self.odd_plugin()
        mdoc = self.run_check("--plugin", plugin, "--keys=mdoc").splitlines()
        self.assertEqual(mdoc[2:5], ["A back\\eslash and a pipe |.", "\\&.Bl is no request here.",
                                     "\\&'and nor is this."])
        self.assertIn("a pipe \\|. ", self.run_check("--plugin", plugin, "--keys=markdown"))
        self.assertIn("text: 3 to 4 bytes; required", self.run_check("--plugin", plugin, "--keys"))

    def test_keys_without_end(self):
        self.assertIn("no end", subprocess.run(
            [PROGRAM, "--plugin", self.odd_plugin("UINT32_MAX"), "--keys"], capture_output=True,
            text=True, timeout=60, check=False).stderr)

    def test_plugin_that_is_too_old(self):
        plugin = self.odd_plugin(size="RP_PLUGIN_MIN_SIZE")
        for arguments in (["--keys"], [SAMPLE], ["--dot", SAMPLE]):
            self.assertIn("too old", self.run_check("--plugin", plugin, *arguments, status=2))

    def test_plugin_that_refuses_without_a_word(self):
        self.assertEqual(self.run_check("--plugin", self.odd_plugin(), SAMPLE, status=1),
                         f"{SAMPLE}: refused by the plugin, status 2\n")

    def test_plugin_is_looked_for_beside_the_program(self):
        path = self.file(GOOD)
        elsewhere = os.path.join(self._directory.name, "policy-check")
        shutil.copy(PROGRAM, elsewhere)
        shutil.copy(PLUGIN, self._directory.name)
        self.run_check(path, program=elsewhere)
        with open(os.path.join(self._directory.name, "read_policy.so"), "wb") as file:
            file.write(b"no ELF")
        self.assertIn(self._directory.name, self.run_check(path, program=elsewhere, status=2))
        self.run_check("--plugin", PLUGIN, path, program=elsewhere)

    def test_output_that_cannot_be_written(self):
        for argument in ("--keys", "--help", "--version"):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([PROGRAM, argument], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=60, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("cannot write", done.stderr)


if __name__ == "__main__":
    unittest.main()
