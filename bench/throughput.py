#!/usr/bin/python3
"""The host over HTTP, against the plain statement in pgbench, the original in node, and poolers.

Three parts, each a CSV file of its own:
  throughput          lookups per second of every subject, in turn, for each answer throughput-clients
  the host alone by number of clients, threads and answer, with its CPU time throughput-latency  one
  client, one lookup at a time: over HTTP and as bare statements on one
                      connection, with the server's CPU time of each statement
"""

import contextlib
import csv
import os

import loads
import measure
import processes
from alternatives import Original, PgBouncer, Pgpool
from ground import ANSWERS, Ground
from host import APPLICATION, TOKEN, Host
from measure import BENCH, COLOURS

HTTP_CLIENTS = 32
CLIENTS = (1, 8, 32, 128)
PGBENCH = tuple((clients, jobs) for clients in (4, 8, 16) for jobs in (1, 2))
POOLER_CLIENTS = 8
HOST, NODE = "snapshot-host", "node, 4 statements"
BEST, BEST_ONE_THREAD = "pgbench, best", "pgbench, best of 1 thread"
DIRECT, UNPREPARED = "pgbench, 8 clients", "pgbench, 8 clients, not prepared"


def start_host(ground, threads=1, admin=None):
    """admin: the port of a listener for operators."""
    return Host(primary=ground.primary, replicas=[ground.standby],
                policy={"policy": "replica_then_primary"},
                settings={"listen": {"threads": threads}, **({"admin": {"port": admin}} if admin else {})})


# -- against the alternatives ----------------------------------------------------------------------


def start_poolers(ground, stack):
    """(name, port, pgbench's mode) of each pooler that is installed."""
    poolers = []
    if PgBouncer.is_there():
        for pooling in ("session", "transaction"):
            mode = "prepared" if pooling == "session" or PgBouncer.can_prepare() else "extended"
            name = f"PgBouncer, {pooling}" + ("" if mode == "prepared" else ", not prepared")
            poolers.append((name, stack.enter_context(PgBouncer(ground, ground.standby, pooling)),
                            mode))
    if Pgpool.is_there():
        poolers.append(("Pgpool-II", stack.enter_context(Pgpool(ground)), "prepared"))
    return poolers


def subjects_for(ground, answer, dose, host, node, poolers):
    """Maps names to functions that load the subject for a slice and return its rate."""
    seconds, targets = dose.whole_seconds, ground.targets_file(answer)
    script = loads.pgbench_script(ground, answer)
    port = ground.standby.port

    def over_http(its_port):
        return lambda: loads.wrk(its_port, TOKEN, targets, HTTP_CLIENTS, seconds).rate

    def bench(its_port, clients, jobs=1, mode="prepared"):
        return lambda: loads.pgbench(ground, its_port, [script], clients, seconds, jobs, mode).rate

    subjects = {}
    if loads.has_wrk():
        subjects[HOST] = over_http(host.port)
        if node:
            subjects[NODE] = over_http(node.port)
    for clients, jobs in PGBENCH[:1 if dose.smoke else None]:
        subjects[f"pgbench -c {clients} -j {jobs}"] = bench(port, clients, jobs)
    if poolers:
        subjects[UNPREPARED] = bench(port, POOLER_CLIENTS, mode="extended")
    for name, process, mode in poolers:
        subjects[name] = bench(process.port, POOLER_CLIENTS, mode=mode)
    return subjects


def compare(ground, answer, dose, host, node, poolers):
    """Rows of rates and ratios for one answer."""
    rates = measure.in_turn(subjects_for(ground, answer, dose, host, node, poolers), dose.rounds)
    benches = {name: each for name, each in rates.items() if name.startswith("pgbench -c")}
    best, best_one_thread = (
        max((name for name in benches if name.endswith(jobs)),
            key=lambda name: measure.median(benches[name])) for jobs in ("", "-j 1"))
    direct = benches.get(f"pgbench -c {POOLER_CLIENTS} -j 1")
    rates = {name: each for name, each in rates.items() if name not in benches}
    rates[BEST], rates[BEST_ONE_THREAD] = benches[best], benches[best_one_thread]
    if direct:
        rates[DIRECT] = direct
    rows = []
    for name, each in rates.items():
        rows.append({
            "answer": answer.name, "subject": name, "lookups/s": measure.median(each),
            "to pgbench's best": measure.ratio(each, benches[best]),
            "snapshot-host to it": measure.ratio(rates[HOST], each) if HOST in rates else None,
            "note": {BEST: best, BEST_ONE_THREAD: best_one_thread}.get(name, ""),
        })
    return rows


def measure_against(ground, dose):
    answers = [ANSWERS["0 rows"]] if dose.smoke else ANSWERS.values()
    rows = []
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(start_host(ground))
        node = None
        if Original.is_there() and not dose.smoke:
            node = stack.enter_context(Original(ground, ground.standby, TOKEN))
        poolers = [] if dose.smoke else start_poolers(ground, stack)
        for answer in answers:
            rows += compare(ground, answer, dose, host, node, poolers)
    return rows


def draw_against(rows):
    answers = list(dict.fromkeys(row["answer"] for row in rows))
    order = (NODE, "Pgpool-II", "PgBouncer, transaction", "PgBouncer, session", BEST, HOST)
    names = [next((row["subject"] for row in rows if row["subject"].startswith(name)), None)
             for name in order]
    names = [name for name in names if name]
    rates = {(row["answer"], row["subject"]): row["lookups/s"] for row in rows}
    data = [(answer, *(rates.get((answer, name)) for name in names)) for answer in answers]
    bars = ", \\\n     ".join(
        f"$data using {column}:xtic(1) title '{name}' lc rgb '{colour}'"
        for column, (name, colour) in enumerate(
            zip(names, ("#bbbbbb", "#d9a441", "#9ecae1", "#56b4e9", "#009e73", "#0072b2")), 2))
    measure.plot("throughput", f"""
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 1 noborder
set boxwidth 0.9
set logscale y
set ylabel 'lookups a second'
set key outside bottom center horizontal
plot {bars}
""", {"data": data}, size=(1000, 480))


# -- the host by clients ---------------------------------------------------------------------------


def slice_of_host(ground, host, answer, clients, threads, dose):
    server_pids = processes.backends(ground.standby, APPLICATION)
    own, servers = processes.cpu_ns(host.pid), processes.cpu_ns(*server_pids)
    load = loads.wrk(host.port, TOKEN, ground.targets_file(answer), clients, dose.whole_seconds,
                     threads)
    lookups = load.rate * dose.whole_seconds
    return (load.rate, load.p50_us, load.p99_us,
            (processes.cpu_ns(host.pid) - own) / lookups / 1000,
            (processes.cpu_ns(*server_pids) - servers) / lookups / 1000)


def measure_clients(ground, dose):
    rows = []
    for threads in (1, 2):
        with start_host(ground, threads) as host:
            for answer in ANSWERS.values():
                found = measure.in_turn(
                    {clients: lambda clients=clients: slice_of_host(ground, host, answer, clients,
                                                                    threads, dose)
                     for clients in CLIENTS}, max(1, dose.rounds // 2))
                for clients, slices in found.items():
                    rate, p50, p99, own, server = map(measure.median, zip(*slices))
                    rows.append({"answer": answer.name, "threads": threads, "clients": clients,
                                 "lookups/s": rate, "p50 us": p50, "p99 us": p99,
                                 "host cpu us": own, "server cpu us": server})
    return rows


def draw_clients(rows):
    blocks, curves = {}, []
    for number, answer in enumerate(dict.fromkeys(row["answer"] for row in rows)):
        for threads in (1, 2):
            block = f"a{number}_{threads}"
            blocks[block] = [(row["clients"], row["lookups/s"]) for row in rows
                             if (row["answer"], row["threads"]) == (answer, threads)]
            curves.append(f"${block} using 1:2 with linespoints lc rgb '{COLOURS[number]}' "
                          f"dt {threads} pt {5 + 2 * threads} title '{answer}, "
                          f"{threads} thread{'s' if threads > 1 else ''}'")
    measure.plot("throughput-clients", """
set logscale xy
set xrange [0.9:150]
set xtics (1, 8, 32, 128)
set xlabel 'HTTP clients'
set ylabel 'lookups a second'
set key outside right top
plot """ + ", \\\n     ".join(curves), blocks)


# -- one client ------------------------------------------------------------------------------------


def measure_one_client(ground, dose):
    answers = list(ANSWERS.values())[:1 if dose.smoke else None]
    files = [word for answer in answers for word in (answer.name, ground.targets_file(answer))]
    with start_host(ground) as host:
        out = measure.run([
            measure.program("one_client"), ground.standby.conninfo(), host.port, TOKEN,
            os.path.join(BENCH, "plain.sql"), dose.rounds * (1 if dose.smoke else 4),
            50 if dose.smoke else 200, *files])
    p50s, cpus = {}, {}
    for answer, subject, p50, cpu in csv.reader(out.splitlines()):
        p50s.setdefault((answer, subject), []).append(float(p50))
        cpus.setdefault((answer, subject), []).append(float(cpu) if cpu else None)
    rows = []
    for answer, subject in p50s:
        key, http = (answer, subject), subject == "http"
        rows.append({
            "answer": answer, "subject": subject, "p50 us": measure.median(p50s[key]),
            "p50, http to it": measure.ratio(p50s[(answer, "http")], p50s[key]),
            "server cpu us": None if http else measure.median(cpus[key]),
            "server cpu, to known row": None if http else measure.ratio(
                cpus[key], cpus[(answer, "known row")]),
        })
    return rows


def draw_one_client(rows):
    answers = list(dict.fromkeys(row["answer"] for row in rows))
    names = ("known row", "host statement", "plain", "http")
    p50 = {(row["answer"], row["subject"]): row["p50 us"] for row in rows}
    data = [(answer, *(p50[(answer, name)] for name in names)) for answer in answers]
    bars = ", \\\n     ".join(f"$data using {column}:xtic(1) title '{name}' lc rgb '{colour}'"
                              for column, (name, colour) in enumerate(zip(names, COLOURS), 2))
    measure.plot("throughput-latency", f"""
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 0.9 noborder
set logscale y
set ylabel 'p50 of one client, us'
plot {bars}
""", {"data": data})


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=5, seconds=2)
    with Ground() as ground:
        against = measure_against(ground, dose)
        measure.print_table(f"Lookups a second; {HTTP_CLIENTS} HTTP clients, 1 thread", against)
        measure.write_csv("throughput", against)
        draw_against(against)
        clients = measure_clients(ground, dose)
        measure.print_table("The host by clients", clients)
        measure.write_csv("throughput-clients", clients)
        draw_clients(clients)
        one = measure_one_client(ground, dose)
        measure.print_table("One client, one lookup at a time", one)
        measure.write_csv("throughput-latency", one)
        draw_one_client(one)


if __name__ == "__main__":
    measure.as_program(main)
