#!/usr/bin/python3
"""A short dose of every measurement: the programs run, and their figures are there and plausible. How
good the figures are does not matter here. Not before.py, which builds another tree."""

import time

import core
import current
import decision
import freshest
import growth
import hit
import lag
import loads
import measure
import mixed
import node_hit
import throughput
import watched
from alternatives import Original, PgBouncer, Pgpool
from ground import Ground

BEGUN = time.monotonic()


def check(name, rows, *columns):
    """Every row has these columns, above 0."""
    assert rows, f"{name}: no figures"
    for row in rows:
        for column in columns:
            value = row[column]
            value = value.median if isinstance(value, measure.Ratio) else value
            assert value is not None and 0 < value < float("inf"), f"{name}: {column} in {row}"
    print(f"bench-smoke: {name}: {len(rows)} rows, {time.monotonic() - BEGUN:.1f} s")


def main():
    dose = measure.SMOKE
    check("decision", decision.rows_of(dose, with_instructions=False), "bare ns", "plugin ns",
          "plugin/bare", "clock+plugin ns")
    check("core", core.rows_of(dose), "alone ns", "cluster ns", "added ns")
    with Ground(("standby", "paused")) as ground:
        check("hit", hit.measure_hits(ground, dose), "with /s", "without /s", "with/without")
        if loads.has_wrk():
            check("current", current.measure_current(ground, dose), "plain /s", "current /s")
            check("watched", watched.measure_watched(ground, dose), "alone", "watched")
            check("mixed", mixed.measure_mixed(ground, dose), "lookups/s", "snapshot-host to it")
        check("throughput", throughput.measure_against(ground, dose), "lookups/s")
        check("latency", throughput.measure_one_client(ground, dose), "p50 us", "p50, http to it")
        check("lag", lag.measure_lag(ground, dose), "lookups", "hit p50 ms", "replica reads")
        check("freshest", freshest.measure_picks(ground, dose), "lookups")
        check("waiting", growth.measure_waiting(ground, dose), "lookups")
        check("idle", growth.measure_idle(ground, dose)[1:], "idle connections")
        check("readers", growth.measure_slow_readers(ground, dose), "memory MB")
        if node_hit.is_there():
            check("node hit", node_hit.measure_node_hits(ground, dose), "reads/s", "cpu us")
        check("sections", growth.measure_sections(ground, dose), "load us", "hit ns")
    missing = [name for name, there in (
        ("wrk", loads.has_wrk()), ("node", Original.is_there()),
        ("the npm package", node_hit.is_there()),
        ("PgBouncer", PgBouncer.is_there()), ("Pgpool-II", Pgpool.is_there())) if not there]
    if missing:
        print(f"bench-smoke: not installed, so left out: {', '.join(missing)}")


if __name__ == "__main__":
    measure.as_program(main)
