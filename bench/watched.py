#!/usr/bin/python3
"""What it costs lookups that somebody looks on: the status page and its JSON as often as an open browser
asks for them, and the metrics as often as an impatient scraper does, against nobody who looks. One host,
in turn; rates over HTTP, and the host's CPU time for each lookup."""

import contextlib

import loads
import measure
import processes
from ground import ANSWERS, Ground
from host import TOKEN
from testbed import free_port
from throughput import HTTP_CLIENTS, start_host

# Seconds between two requests. The page refreshes itself every two seconds; most scrape every fifteen.
LOOKS = {"/status": 2.0, "/status.json": 2.0, "/metrics": 1.0}


@contextlib.contextmanager
def watching(host):
    failed = []

    def looking(path, every_s):
        def look(end):
            while not end.is_set():
                answer = host.admin(path)
                if answer.status != 200:
                    failed.append(f"{path}: {answer.status}")
                end.wait(every_s)
        return look
    with measure.beside(*(looking(*it) for it in LOOKS.items())):
        yield
    if failed:
        raise RuntimeError(", ".join(failed))


def slice_of(ground, host, seconds):
    own = processes.cpu_ns(host.pid)
    load = loads.wrk(host.port, TOKEN, ground.targets_file(ANSWERS["0 rows"]), HTTP_CLIENTS, seconds)
    return load.rate, (processes.cpu_ns(host.pid) - own) / load.rate / seconds / 1000, load.p99_us


def measure_watched(ground, dose):
    def watched_slice():
        with watching(host):
            return slice_of(ground, host, dose.whole_seconds)
    with start_host(ground, admin=free_port()) as host:
        found = measure.in_turn({"alone": lambda: slice_of(ground, host, dose.whole_seconds),
                                 "watched": watched_slice}, dose.rounds)
    rows = []
    for place, what in enumerate(("lookups/s", "host cpu us", "p99 us")):
        alone, watched = ([each[place] for each in found[name]] for name in ("alone", "watched"))
        rows.append({"what": what, "alone": measure.median(alone), "watched": measure.median(watched),
                     "watched/alone": measure.ratio(watched, alone)})
    return rows


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=20, seconds=2)
    with Ground() as ground:
        rows = measure_watched(ground, dose)
    measure.print_table("Lookups while somebody looks at the status page and takes the metrics", rows)
    measure.write_csv("watched", rows)


if __name__ == "__main__":
    measure.as_program(main)
