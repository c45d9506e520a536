#!/usr/bin/python3
"""snapshot-host as a host of the kit: snapshot_host.py INI REPLICA PRIMARY

A row is a snapshot of the one run CONFORMANCE; INSERT and UPDATE are for the kit, and tests/schema.sql is its schema.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path[:0] = [os.path.join(ROOT, "tests", "lib"), os.path.dirname(os.path.abspath(__file__))]

from host import Host
from serve import serve

RUN = "conformance"
INSERT = ('INSERT INTO "TaskRunExecutionSnapshot" (id, "executionStatus", description, "runId", "runStatus",'
          ' "environmentId") VALUES (%(id)s, \'EXECUTING\', %(value)s, \'' + RUN + "', 'EXECUTING', 'any')")
UPDATE = 'UPDATE "TaskRunExecutionSnapshot" SET description = %(value)s WHERE id = %(id)s'
VERDICTS = {200: "found", 404: "missing", 429: "shed"}


def main():
    ini, replica, primary = sys.argv[1:]
    with open(ini, encoding="ascii") as file:
        policy = file.read().replace("[rows]", "[snapshots_since]")
    settings = {"server.replica": {"conninfo": replica}, "server.primary": {"conninfo": primary}}
    with Host(policy=policy, settings=settings) as host:

        def find(row, position):
            answer = host.lookup(RUN, row, position=position)
            return VERDICTS.get(answer.status, "failed"), None, answer.headers.get("x-read-position")
        serve(find)


if __name__ == "__main__":
    main()
