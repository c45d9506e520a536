#!/usr/bin/python3
"""bindings/python as a host of the kit, over psycopg2: python_binding.py INI SECTION REPLICA PRIMARY TABLE"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "bindings", "python"))
os.environ.setdefault("READ_POLICY_PLUGIN", os.path.join(ROOT, os.environ.get("BUILD", "build"), "read_policy.so"))

import read_policy.psycopg2
from serve import serve

VERDICTS = {"not_found": "missing"}


def main():
    ini, section, replica, primary, table = sys.argv[1:]
    servers = {"replica": replica, "primary": primary}
    with read_policy.PolicySet.from_file(ini) as policies, \
            read_policy.psycopg2.connect(policies, servers) as cluster:

        def find(row, position):
            end = cluster.read(section, f"SELECT value FROM {table} WHERE id = %s", (row,), position=position)
            return VERDICTS.get(end.verdict, end.verdict), end.value and end.value[0][0], end.position
        serve(find)


if __name__ == "__main__":
    main()
