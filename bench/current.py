#!/usr/bin/python3
"""What a current read costs: read_index with when = always, which first locates the primary, against a
read that takes what the replica has. Over HTTP, the primary idle and writing 1 000 rows a second."""

import contextlib
import subprocess

import loads
import measure
from ground import ANSWERS, Ground
from host import TOKEN, Host
from throughput import HTTP_CLIENTS

ROWS_PER_S = 1000
PLAIN = {"policy": "replica_then_primary"}
CURRENT = {"policy": "read_index", "when": "always"}


@contextlib.contextmanager
def writing(ground):
    """A client that commits so many rows a second, one by one."""
    ground.primary.execute("CREATE TABLE IF NOT EXISTS written (id bigserial, what text)")
    script = ground.file("writer.sql", "INSERT INTO written (what) VALUES (repeat('x', 200));\n")
    # As long as nobody ends it: an hour is more than any run takes.
    writer = subprocess.Popen(
        loads.pgbench_command(ground, ground.primary.port, [script], 4, "-M", "prepared", "-R",
                              ROWS_PER_S, "-T", 3600),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        if writer.poll() is not None:
            raise RuntimeError(f"the writer ended with {writer.returncode}")
    finally:
        writer.kill()
        writer.wait()


def rates(ground, plain, current, dose):
    targets = ground.targets_file(ANSWERS["0 rows"])

    def over_http(host):
        return lambda: loads.wrk(host.port, TOKEN, targets, HTTP_CLIENTS, dose.whole_seconds).rate
    return measure.in_turn({"plain": over_http(plain), "current": over_http(current)}, dose.rounds)


def measure_current(ground, dose):
    rows = []

    def host(policy):
        return Host(primary=ground.primary, replicas=[ground.standby], policy=policy)
    with host(PLAIN) as plain, host(CURRENT) as current:
        for primary, state in (("idle", contextlib.nullcontext), ("writing", lambda: writing(ground))):
            with state():
                found = rates(ground, plain, current, dose)
            rows.append({"primary": primary, "plain /s": measure.median(found["plain"]),
                         "current /s": measure.median(found["current"]),
                         "current/plain": measure.ratio(found["current"], found["plain"])})
    return rows


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=10, seconds=2)
    with Ground() as ground:
        rows = measure_current(ground, dose)
    measure.print_table(f"Current reads over HTTP, {HTTP_CLIENTS} clients", rows)
    measure.write_csv("current", rows)


if __name__ == "__main__":
    measure.as_program(main)
