#!/usr/bin/python3
"""Checks what $BUILD/read_policy.so exports to other objects and imports from them.

It exports the entry symbol and nothing else; what it imports is listed in symbols.txt; it needs libc
and no other library (a plugin's libraries clash with its host's); it may be opened and unloaded
(libbsd-ctor, for one, would forbid that).
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENTRY = "read_policy_plugin_v1"
LIBRARIES = {"libc.so.6"}
# A sanitizer's own symbols, in builds with one.
SANITIZERS = re.compile(r"__(a|t|ub|l|m)san_|__sanitizer_|_?lib(a|t|ub|l)san\.so")
# Optional, for programs that are profiled or that use transactional memory.
WEAK = {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize",
        "__gmon_start__"}


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(plugin, option):
    """Names without their versions; the version's own name is absolute (A) and no symbol."""
    rows = [line.split() for line in output_of("nm", "-D", option, plugin).splitlines()]
    return {row[-1].split("@")[0] for row in rows if row[-2] != "A"}


def allowed_symbols():
    with open(os.path.join(ROOT, "tests", "plugin", "symbols.txt"), encoding="utf-8") as file:
        return {word for line in file if not line.startswith("#") for word in line.split()}


def plain(symbol):
    """The function behind a variant of it: __snprintf_chk, __isoc23_strtoimax."""
    variant = re.fullmatch(r"__(\w+)_chk|__isoc\d+_(\w+)", symbol)
    return (variant[1] or variant[2]) if variant else symbol


def main():
    plugin = os.path.join(ROOT, os.environ.get("BUILD", "build"), "read_policy.so")
    problems = []
    exported = symbols(plugin, "--defined-only")
    if exported != {ENTRY}:
        problems.append(f"exports {sorted(exported)}, not {ENTRY} alone")
    taken = {plain(symbol) for symbol in symbols(plugin, "--undefined-only") - WEAK
             if not SANITIZERS.match(symbol)}
    for symbol in sorted(taken - allowed_symbols()):
        problems.append(f"takes {symbol}, which is not in tests/plugin/symbols.txt")
    dynamic = output_of("readelf", "-d", "-W", plugin)
    needed = {name for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
              if not SANITIZERS.match(name)}
    for library in sorted(needed - LIBRARIES):
        problems.append(f"needs {library}")
    for flag in ("NODELETE", "NOOPEN"):
        if flag in dynamic:
            problems.append(f"is linked with {flag}")
    for problem in problems:
        print(f"FAIL {plugin} {problem}")
    if not problems:
        print(f"ok   one export, {len(taken)} symbols taken, all of them allowed; needs "
              f"{', '.join(sorted(needed))}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
