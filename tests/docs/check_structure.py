#!/usr/bin/env python3
"""Arrows run one way: no circle between files, and every room takes only from the rooms that it may,
and from each of these something.

A file is NAME.c and NAME.h of one folder together. It takes from another what it includes by a quoted
path, and what nm says that its object has from the other's. Run after the programs are built; BUILD
is their folder.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")

# From the ground up: each room, and those below it that it may take from. A file that is a room by
# itself is listed by its path. Other rooms may see only the plugin's public header.
PLUGIN = "plugin/read_policy"
ROOMS = {
    "strict-ini": [],
    "plugin/read_policy": [],
    "plugin": ["strict-ini", PLUGIN],
    "policies": ["plugin"],
    "loader": [PLUGIN],
    "host-sample/config": ["strict-ini"],
    "host-sample/base": ["strict-ini", PLUGIN],
    "host-sample/http": ["host-sample/base"],
    "host-sample/postgres": ["host-sample/base"],
    "host-sample/snapshots": ["host-sample/base", "host-sample/postgres"],
    "host-sample/servers": ["host-sample/config", "host-sample/base", "host-sample/postgres",
                            "host-sample/snapshots", PLUGIN],
    "host-sample/lookups": ["strict-ini", "host-sample/config", "host-sample/base", "host-sample/http",
                            "host-sample/postgres", "host-sample/snapshots", "host-sample/servers",
                            PLUGIN],
    "host-sample/host": ["host-sample/config", "host-sample/base", "host-sample/lookups", "host-sample/servers"],
    "host-sample/operate": ["strict-ini", "host-sample/host", "host-sample/base", "host-sample/http",
                            "host-sample/postgres", "host-sample/servers", "host-sample/lookups",
                            "host-sample/config"],
    "host-sample": ["host-sample/operate", "host-sample/host", "host-sample/base",
                    "host-sample/http", "host-sample/postgres", "host-sample/servers",
                    "host-sample/snapshots", "host-sample/lookups", "host-sample/config",
                    "strict-ini", "loader", PLUGIN],
    "tools/policy-check": ["loader", PLUGIN],
    "tools/policy-sim/model": [PLUGIN],
    "tools/policy-sim/report": ["tools/policy-sim/model"],
    "tools/policy-sim/engine": ["tools/policy-sim/model", "tools/policy-sim/report", PLUGIN],
    "tools/policy-sim/record": ["tools/policy-sim/model"],
    "tools/policy-sim/day": ["tools/policy-sim/model"],
    "tools/policy-sim": ["tools/policy-sim/model", "tools/policy-sim/report",
                         "tools/policy-sim/engine", "tools/policy-sim/record", "tools/policy-sim/day",
                         "loader"],
    "hosts/minimal": [PLUGIN],
    "hosts/nginx": [PLUGIN],
    "bindings/node": [PLUGIN],
}

# What a room may take from above, or from the file that holds it together: the plugin its list of
# policies, filled in where they are; the parts of an nginx module the module's table, by which nginx
# finds their settings; and those that the plugin is linked into, its entry.
HOOKS = {("plugin", "policies/registry"), ("hosts/nginx", "hosts/nginx/module"),
         ("hosts/nginx", "plugin/entry"), ("bindings/node", "plugin/entry")}

FOLDERS = ("strict-ini", "plugin", "policies", "loader", "host-sample", "tools", "hosts", "bindings")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def unit_of(path: pathlib.PurePath) -> str:
    return path.with_suffix("").as_posix()


def sources() -> list[pathlib.Path]:
    """All C files of the product, by their paths from the root."""
    return sorted(path.relative_to(ROOT) for folder in FOLDERS
                  for path in (ROOT / folder).rglob("*.[ch]") if "node_modules" not in path.parts)


def room_of(unit: str) -> str | None:
    matches = [room for room in ROOMS if unit == room or unit.startswith(room + "/")]
    return max(matches, key=len) if matches else None


def included(path: pathlib.Path) -> set[str]:
    """The product's files that this one includes. One that is nowhere is another's, or generated."""
    found = set()
    for name in INCLUDE.findall((ROOT / path).read_text(encoding="utf-8")):
        for spelled in (path.parent / name, name):
            candidate = pathlib.PurePath(os.path.normpath(spelled))
            if (ROOT / candidate).is_file():
                found.add(unit_of(candidate))
                break
    return found


def symbols(objects: dict[str, pathlib.Path]) -> dict[str, tuple[set[str], set[str]]]:
    """What each object defines for others, and what it takes from others."""
    found: dict[str, tuple[set[str], set[str]]] = {unit: (set(), set()) for unit in objects}
    units = {str(path): unit for unit, path in objects.items()}
    listing = subprocess.run(["nm", "--extern-only", "--print-file-name", *units], check=True,
                             text=True, stdout=subprocess.PIPE).stdout
    for line in listing.splitlines():
        path, _, rest = line.partition(":")
        *_, kind, name = rest.split()
        if name != "main":
            found[units[path]][kind == "U"].add(name)
    return found


def arrows() -> dict[tuple[str, str], str]:
    """(from, to) -> one reason for it."""
    files = sources()
    found = {(unit_of(path), unit): f"includes {unit}.h" for path in files for unit in included(path)}
    objects = {unit_of(path): BUILD / "obj" / path.with_suffix(".o") for path in files
               if path.suffix == ".c"}
    built = {unit: path for unit, path in objects.items() if path.is_file()}
    if not {room_of(unit) for unit in built} >= {"plugin", "host-sample", "tools/policy-sim"}:
        sys.exit(f"{BUILD}: no objects to look at; build first")
    read = symbols(built)
    homes: dict[str, list[str]] = {}
    for unit, (defined, _) in read.items():
        for name in defined:
            homes.setdefault(name, []).append(unit)
    for unit, (_, taken) in read.items():
        for name in taken:
            if len(homes.get(name, [])) == 1:
                found[unit, homes[name][0]] = f"uses {name}"
    return {(one, other): why for (one, other), why in found.items() if one != other}


def circles(graph: dict[str, list[str]]) -> list[list[str]]:
    """Strongly connected groups of more than one (Tarjan, 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(unit: str) -> None:
        order[unit] = low[unit] = len(order)
        stack.append(unit)
        for other in graph.get(unit, []):
            if other not in order:
                visit(other)
            if other in stack:
                low[unit] = min(low[unit], low[other])
        if low[unit] == order[unit]:
            group = stack[stack.index(unit):]
            del stack[stack.index(unit):]
            if len(group) > 1:
                found.append(group)

    for unit in graph:
        if unit not in order:
            visit(unit)
    return found


def faults() -> list[str]:
    said = []
    for room, below in ROOMS.items():
        known = list(ROOMS)[:list(ROOMS).index(room)]
        said += [f"the table: {room} takes from {other}, which is not below it"
                 for other in below if other not in known]
    found = {(one, other): why for (one, other), why in arrows().items()
             if (room_of(one), other) not in HOOKS}
    taken = {(room_of(one), room_of(other)) for one, other in found}
    said += [f"the table: {room} takes nothing from {other}, and need not be allowed to"
             for room, below in ROOMS.items() for other in below if (room, other) not in taken]
    said += [f"{path}: its room is not in the table" for path in sources()
             if room_of(unit_of(path)) is None]
    graph: dict[str, list[str]] = {}
    for (one, other), why in sorted(found.items()):
        graph.setdefault(one, []).append(other)
        above, below = room_of(one), room_of(other)
        if None not in (above, below) and above != below and below not in ROOMS[above]:
            said.append(f"{one} {why}: {above} may not take from {below} ({other})")
    for group in circles(graph):
        said.append("a circle of files: " + "; ".join(
            f"{one} {why}" for (one, other), why in sorted(found.items())
            if one in group and other in group))
    return said


def main() -> int:
    said = faults()
    for line in said:
        print(line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
