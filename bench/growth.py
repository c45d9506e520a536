#!/usr/bin/python3
"""How costs grow: waiting lookups, idle connections, policy sections, replicas, slow readers."""

import csv
import resource
import socket
import time

import loads
import measure
import processes
from ground import ANSWERS, Ground
from host import TOKEN, Host, ini_text, lookup_path
from measure import COLOURS
from testbed import PLUGIN, wait_for

COUNTS = (1, 10, 100, 1000, 10000)
SECTIONS = (1, 2, 5, 10, 20, 50, 100)
REPLICAS = (1, 2, 4, 8)
# Long enough to send 10 000 requests and to look at the host for a while before the first wait ends.
WAIT_MS, LOOKUP_MS, LOOK_S = 8000, 9000, 3.0
# On loopback the kernel buffers a few megabytes for each of them before the host has to.
SLOW_READERS, ASKS_OF_A_SLOW_READER = (1, 10, 100, 200), 10


def open_files_allowed():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def counts_allowed(dose):
    # The host, which inherits the limit, needs a few descriptors for other things, and so do we.
    most = open_files_allowed() - 100
    return [count for count in (COUNTS[1:2] if dose.smoke else COUNTS) if count <= most]


# -- many connections ------------------------------------------------------------------------------


class Clients:
    """Keep-alive connections, each of which has been answered once."""

    def __init__(self, host, count, receive_buffer=None):
        """receive_buffer: bytes; small enough that a sender soon has to wait."""
        self.sockets = [socket.socket() for _ in range(count)]
        for each in self.sockets:
            if receive_buffer:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            each.connect(("127.0.0.1", host.port))
        self.ask(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        self.take_answers()

    def ask(self, request):
        for each in self.sockets:
            each.sendall(request)

    def look_up(self, run, snapshot):
        self.ask(f"GET {lookup_path(run, snapshot)} HTTP/1.1\r\nhost: x\r\n"
                 f"authorization: Bearer {TOKEN}\r\n\r\n".encode())

    def take_answers(self):
        """One for each; all are short."""
        for each in self.sockets:
            if not each.recv(65536).startswith(b"HTTP/1.1 "):
                raise RuntimeError("the host closed a connection")

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        for each in self.sockets:
            each.close()


def in_flight(host):
    return host.metrics().value("snapshot_host_lookups_in_flight")


def answered(host):
    return host.metrics().total("snapshot_host_lookups_total")


def cpu_share(host, seconds):
    """Percent of one core that the host uses over a while."""
    begun, cpu = time.monotonic(), processes.cpu_ns(host.pid)
    time.sleep(seconds)
    return 100 * (processes.cpu_ns(host.pid) - cpu) / 1e9 / (time.monotonic() - begun)


LIMITS = {"max_lookups": 20000, "lookup_timeout_ms": LOOKUP_MS, "max_connections": 20000}
WAITS = {
    "timer": {"policy": "replica_then_primary", "replica_retry_min_ms": WAIT_MS,
              "replica_retry_max_ms": WAIT_MS},
    "position": {"policy": "read_index", "max_wait_ms": WAIT_MS},
}


def waiting(ground, kind, count, dose):
    """A row: `count` lookups wait at once for a row that is not there: for the retry's timer, or for a
    position while the standby's replay is paused behind the primary."""
    with Host(primary=ground.primary, replicas=[ground.standby], policy=WAITS[kind],
              settings={"limits": LIMITS}) as host:
        own = processes.memory_bytes(host.pid)
        with Clients(host, count) as clients:
            time.sleep(0.2)
            idle = processes.memory_bytes(host.pid)
            idle_cpu = cpu_share(host, 0.1 if dose.smoke else 1.0)
            if kind == "position":
                ground.standby.pause_replay()
                ground.commit_something()
            try:
                begun = time.monotonic()
                clients.look_up("7", "7")
                wait_for(lambda: in_flight(host) == count, f"{count} lookups to wait")
                time.sleep(0.1)
                share = cpu_share(host, 0.2 if dose.smoke else LOOK_S)
                full = processes.memory_bytes(host.pid)
                if in_flight(host) != count or time.monotonic() - begun > WAIT_MS / 1000:
                    raise RuntimeError("the lookups did not wait all the time")
            finally:
                if kind == "position":
                    ground.standby.resume_replay()
    many = count >= 100  # fewer would drown in the noise of the allocator's pages
    return {"waiting for": kind, "lookups": count, "cpu %": share, "cpu % idle": idle_cpu,
            "bytes a lookup": (full - idle) / count if many else None,
            "bytes a connection": (idle - own) / count if many else None}


def measure_waiting(ground, dose):
    return [waiting(ground, kind, count, dose)
            for kind in WAITS for count in counts_allowed(dose)]


def measure_idle(ground, dose):
    """What idle connections cost the clients that ask."""
    targets = ground.targets_file(ANSWERS["0 rows"])
    rows = []
    with Host(primary=ground.primary, replicas=[ground.standby],
              policy={"policy": "replica_then_primary"}, settings={"limits": LIMITS}) as host:
        own = processes.memory_bytes(host.pid)
        for count in (0, *counts_allowed(dose)):
            with Clients(host, count):
                time.sleep(0.1)
                grown = processes.memory_bytes(host.pid) - own
                share = cpu_share(host, 0.1 if dose.smoke else 2.0)
                load = None
                if loads.has_wrk() and not dose.smoke:
                    load = loads.wrk(host.port, TOKEN, targets, 32, dose.whole_seconds)
            # A few connections would drown in the noise of the allocator's pages.
            rows.append({"idle connections": count,
                         "bytes each": grown / count if count >= 100 else None,
                         "cpu %": share, "lookups/s beside": load.rate if load else None,
                         "p50 us beside": load.p50_us if load else None})
    return rows


# -- slow readers ----------------------------------------------------------------------------------


def lookups_once_quiet(host):
    """Waits until no lookup has ended for a while, and returns how many have ended."""
    before = None
    while before != answered(host):
        before = answered(host)
        time.sleep(0.3)
    return before


def measure_slow_readers(ground, dose):
    """Clients that ask for 440 kB over and over and do not read: the host holds what the kernel does
    not buffer, and that must not grow with the number of clients."""
    run, snapshot = ANSWERS["440 kB"].targets()[0]
    rows = []
    for count in SLOW_READERS[:1 if dose.smoke else None]:
        with Host(primary=ground.primary, replicas=[ground.standby],
                  policy={"policy": "replica_then_primary"}, settings={"limits": LIMITS}) as host:
            own = processes.memory_bytes(host.pid)
            with Clients(host, count, receive_buffer=4096) as clients:
                for _ in range(ASKS_OF_A_SLOW_READER):
                    clients.look_up(run, snapshot)
                lookups = lookups_once_quiet(host)
                unsent = host.metrics().value("snapshot_host_http_unsent_bytes")
                rows.append({"slow readers": count, "answered": int(lookups),
                             "answers MB": lookups * 0.44, "held by the host MB": unsent / 1e6,
                             "memory MB": (processes.memory_bytes(host.pid) - own) / 1e6})
    return rows


# -- sections and replicas -------------------------------------------------------------------------


def measure_sections(ground, dose):
    """Load time and decision by number of sections, and of replicas to choose from."""
    cases = [(sections, 1) for sections in SECTIONS] + [(1, replicas) for replicas in REPLICAS[1:]]
    words = []
    for sections, replicas in cases:
        text = ini_text({f"s{i + 1}": {"policy": "replica_then_primary", "replica_pick": "next"}
                         for i in range(sections)})
        words += [ground.file(f"{sections}-{replicas}.ini", text), sections, replicas]
    out = measure.run([measure.program("sections"), PLUGIN, dose.rounds * (1 if dose.smoke else 40),
                       1000 if dose.smoke else 50000, *words])
    found = {}
    for path, load_us, hit_ns in csv.reader(out.splitlines()):
        found.setdefault(path, []).append((float(load_us), float(hit_ns)))
    rows = []
    for (sections, replicas), path in zip(cases, words[::3]):
        load, hit = zip(*found[path])
        first = [ns for _, ns in found[words[0]]]
        rows.append({"sections": sections, "replicas": replicas, "load us": measure.median(load),
                     "hit ns": measure.median(hit), "to 1 section, 1 replica":
                     measure.ratio(hit, first)})
    return rows


def measure_replicas(ground, dose):
    """The whole host with several replicas, all of them the same server."""
    targets = ground.targets_file(ANSWERS["0 rows"])
    hosts = {count: Host(primary=ground.primary, replicas=[ground.standby] * count,
                         policy={"policy": "replica_then_primary"}) for count in REPLICAS}
    for host in hosts.values():
        host.start()
    try:
        found = measure.in_turn(
            {count: lambda host=host: loads.wrk(host.port, TOKEN, targets, 32, dose.whole_seconds)
             for count, host in hosts.items()}, dose.rounds)
    finally:
        for host in hosts.values():
            host.stop()
    rates = {count: [load.rate for load in each] for count, each in found.items()}
    return [{"replicas": count, "links": 2 * count, "lookups/s": measure.median(rates[count]),
             "to 1 replica": measure.ratio(rates[count], rates[1]),
             "p50 us": measure.median([load.p50_us for load in found[count]])}
            for count in rates]


# -- pictures --------------------------------------------------------------------------------------


def draw(waits, idle):
    blocks = {"timer": [], "position": [], "idle": []}
    for row in waits:
        blocks[row["waiting for"]].append((row["lookups"], row["cpu %"], row["bytes a lookup"]))
    blocks["idle"] = [(row["idle connections"], row["bytes each"], row["lookups/s beside"])
                      for row in idle if row["idle connections"]]
    measure.plot("growth", f"""
set multiplot layout 1,3
set logscale x
set xtics (1, 10, 100, '1k' 1000, '10k' 10000)
set xlabel 'lookups waiting'
set ylabel 'CPU, % of one core'
set yrange [0:*]
plot $timer using 1:2 with linespoints lc rgb '{COLOURS[0]}' pt 7 title 'for a timer', \\
     $position using 1:2 with linespoints lc rgb '{COLOURS[1]}' pt 5 title 'for a position'
set ylabel 'bytes a lookup, connection'
set xlabel 'lookups waiting, connections'
set logscale y
set yrange [*:*]
set key top right
plot $timer using 1:3 with linespoints lc rgb '{COLOURS[0]}' pt 7 title 'a waiting lookup', \\
     $idle using 1:2 with linespoints lc rgb '{COLOURS[2]}' pt 9 title 'an idle connection'
unset logscale y
set yrange [0:*]
set xlabel 'idle connections'
set ylabel 'lookups a second of 32 others'
plot $idle using 1:3 with linespoints lc rgb '{COLOURS[2]}' pt 9 notitle
unset multiplot
""", blocks, size=(1200, 400))


def main():
    dose = measure.dose_of_arguments(__doc__, rounds=5, seconds=2)
    with Ground() as ground:
        parts = {"waiting": ("Lookups waiting at once", measure_waiting(ground, dose)),
                 "idle": ("Idle connections", measure_idle(ground, dose)),
                 "readers": ("Slow readers of 440 kB", measure_slow_readers(ground, dose)),
                 "sections": ("Sections and replicas, in the plugin", measure_sections(ground, dose)),
                 "replicas": ("Replicas, in the host", measure_replicas(ground, dose))}
    for name, (title, rows) in parts.items():
        measure.print_table(title, rows)
        measure.write_csv(f"growth-{name}", rows)
    draw(parts["waiting"][1], parts["idle"][1])


if __name__ == "__main__":
    measure.as_program(main)
