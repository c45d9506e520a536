"""Load generators: wrk for HTTP, pgbench for PostgreSQL."""

import os
import re
import shutil
from dataclasses import dataclass

import measure
from ground import plain_sql

WRK_SCRIPT = os.path.join(measure.BENCH, "wrk.lua")


@dataclass
class Load:
    """The result of a slice of load."""

    rate: float  # answers a second
    p50_us: float
    p99_us: float = None  # pgbench does not report it


def has_wrk():
    return shutil.which("wrk") is not None


def wrk(port, token, targets, connections, seconds, threads=1):
    """Lookups over that many HTTP connections; every answer must be a 200."""
    out = measure.run(["wrk", "-t", min(threads, connections), "-c", connections, "-d", f"{seconds}s",
                       "-s", WRK_SCRIPT, f"http://127.0.0.1:{port}/", "--", targets, token])
    words = re.search(r"^figures (.*)$", out, re.M).group(1).split()
    requests, took, p50, p99, bad, errors = (float(word) for word in words)
    if bad or errors or not requests:
        raise RuntimeError(f"{requests:.0f} answers, {bad:.0f} not 2xx, {errors:.0f} errors:\n{out}")
    return Load(requests / took, p50, p99)


def pgbench_script(ground, answer):
    """A script of the plain statement for random runs of an answer."""
    sql = "\n".join(line for line in plain_sql().splitlines() if not line.startswith("--"))
    sql = sql.replace("$1", ":snapshot").replace("$2", ":run")
    return ground.file(f"plain-{answer.number}.sql", f"""\\set n random(0, {answer.runs - 1})
\\set run {answer.run_base} + :n
\\set snapshot {answer.snapshot_base} + :n
{sql};
""")


def pgbench_command(ground, port, scripts, clients, *options):
    return [os.path.join(ground.bin, "pgbench"), "-n", "-c", str(clients), *map(str, options),
            *(word for script in scripts for word in ("-f", script)), "-h", "127.0.0.1", "-p",
            str(port), "-U", "postgres", "postgres"]


def pgbench(ground, port, scripts, clients, seconds, jobs=1, mode="prepared"):
    """The statement of a script, one after the other on each of that many connections. A script is its
    path, with @WEIGHT behind it where there are several."""
    out = measure.run(pgbench_command(ground, port, scripts, clients, "-M", mode, "-j",
                                      min(jobs, clients), "-T", seconds))
    failed = int(re.search(r"^number of failed transactions: (\d+)", out, re.M).group(1))
    rate = float(re.search(r"^tps = ([0-9.]+)", out, re.M).group(1))
    if failed or not rate:
        raise RuntimeError(f"{failed} statements failed:\n{out}")
    return Load(rate, 1e6 * clients / rate)
