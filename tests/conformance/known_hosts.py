#!/usr/bin/python3
"""The hosts of this repository, as the kit starts them, and the kit run on them:

    known_hosts.py [NAME...]
"""

import os
import shutil
import sys

from conformance import INSERT, SCHEMA, UPDATE, try_host
from hosts import snapshot_host
from testbed import BUILD, ROOT, as_program

MINIMAL = "{plugin} {ini} {section} {replica} {primary} {table}"
HERE = os.path.dirname(os.path.abspath(__file__))
NODE_PLACE = os.path.join(BUILD, "npm", "conformance")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


# All of them find their tables in a database with both.
BOTH_SCHEMAS = f"{SCHEMA};\n" + read("tests", "schema.sql")


class Known:
    """A host: its command, how its rows are written, and what must be there for it to run."""

    def __init__(self, command, needs=(), insert=INSERT, update=UPDATE, prepare=lambda: None):
        self.command, self.insert, self.update, self.prepare = command, insert, update, prepare
        self._needs = needs

    def lacks(self):
        """What it needs and is not there; None: nothing."""
        return next((path for path in self._needs if not os.path.exists(path) and not shutil.which(path)), None)


def prepare_node():
    os.makedirs(NODE_PLACE, exist_ok=True)
    shutil.copy(os.path.join(HERE, "hosts", "node_binding.mjs"), NODE_PLACE)
    # A package of its own: what is above is named as the one that it is to find.
    with open(os.path.join(NODE_PLACE, "package.json"), "w", encoding="ascii") as file:
        file.write("{}\n")


def built(name):
    return os.path.join(BUILD, "hosts", name)


def python(*words):
    return " ".join([sys.executable, *words])


HOSTS = {
    "minimal-c": Known(f"{BUILD}/minimal-host {MINIMAL}", [f"{BUILD}/minimal-host"]),
    "minimal-python": Known(python(f"{ROOT}/hosts/minimal/minimal.py", MINIMAL)),
    "luajit": Known(f"luajit {ROOT}/hosts/luajit/host.lua {MINIMAL}", ["luajit", "cc"]),
    "go": Known(f"{built('go-host')} {MINIMAL}", [built("go-host")]),
    "rust": Known(f"{built('rust-host')} {MINIMAL}", [built("rust-host")]),
    "python-binding": Known(python(f"{HERE}/hosts/python_binding.py", "{ini} {section} {replica} {primary} {table}")),
    "node-binding": Known(f"node {NODE_PLACE}/node_binding.mjs {{ini}} {{section}} {{replica_port}} {{primary_port}}"
                          " {table}", [f"{BUILD}/npm/node_modules/read-policy/package.json"], prepare=prepare_node),
    "snapshot-host": Known(python(f"{HERE}/hosts/snapshot_host.py", "{ini} {replica} {primary}"),
                           [f"{BUILD}/snapshot-host"], snapshot_host.INSERT, snapshot_host.UPDATE),
}


def main():
    unknown = [name for name in sys.argv[1:] if name not in HOSTS]
    if unknown:
        return f"known_hosts.py: no host {unknown[0]}; there are {', '.join(HOSTS)}"
    wrong = {}
    for name in sys.argv[1:] or HOSTS:
        host, missing = HOSTS[name], HOSTS[name].lacks()
        print(f"== {name}{f': not tried, for there is no {missing}' if missing else ''}")
        if not missing:
            host.prepare()
            found = try_host(host.command, schema=BOTH_SCHEMAS, insert=host.insert, update=host.update)
            if found:
                wrong[name] = found
    for name, found in wrong.items():
        print(f"{name}: {', '.join(found)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    as_program(main)
