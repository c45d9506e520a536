"""What every measurement here shares: taking turns, medians and spreads, tables, CSV files, pictures.

Figures that are compared are measured in turn in one run, back and forth (A B, B A, A B, ...), so that
a machine that is faster or slower for a while is so for all of them. A ratio is the median of the
rounds' ratios, and its spread is the middle half of them; absolute figures are shown beside it.
"""

import argparse
import contextlib
import csv
import os
import statistics
import subprocess
import sys
import threading
from dataclasses import dataclass

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from testbed import BUILD, as_program  # noqa: E402, F401

RESULTS = os.environ.get("BENCH_RESULTS") or os.path.join(BENCH, "results")
PROGRAMS = os.path.join(BUILD, "bench")


@dataclass
class Dose:
    """How much to measure: rounds, seconds of each slice of a round, and whether every case is measured
    or, for a smoke test, one of each kind."""

    rounds: int
    seconds: float
    smoke: bool = False

    @property
    def whole_seconds(self):
        return max(1, round(self.seconds))


SMOKE = Dose(rounds=2, seconds=0.1, smoke=True)


@contextlib.contextmanager
def beside(*jobs):
    """Runs each job in a thread of its own meanwhile; it gets an event, and returns when that is set."""
    end = threading.Event()
    threads = [threading.Thread(target=job, args=(end,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def dose_of_arguments(description, rounds, seconds):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    parser.add_argument("--seconds", type=float, default=seconds,
                        help=f"of each slice of a round, default {seconds:g}")
    parser.add_argument("--smoke", action="store_true", help="the shortest dose")
    arguments = parser.parse_args()
    return SMOKE if arguments.smoke else Dose(arguments.rounds, arguments.seconds)


def program(name):
    return os.path.join(PROGRAMS, name)


def run(command, **more):
    """Runs a program to its end and returns its standard output. Anything but success is an error."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}"
                           f"{done.stderr[-2000:]}")
    return done.stdout


# -- rounds ----------------------------------------------------------------------------------------


def in_turn(subjects, rounds):
    """subjects: maps names to functions that measure once. Each list of results is in the order of the
    rounds."""
    results = {name: [] for name in subjects}
    for number in range(rounds):
        names = list(subjects)
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(subjects[name]())
    return results


def median(values):
    return statistics.median(values)


def percentile(values, share):
    """The value that this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Ratio:
    """Of two subjects, round by round: median, and the middle half of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self):
        return f"{self.median:.3g} ({self.low:.3g}-{self.high:.3g})"


def ratio(values, reference):
    each = [a / b for a, b in zip(values, reference)]
    return Ratio(median(each), percentile(each, 0.25), percentile(each, 0.75))


# -- output ----------------------------------------------------------------------------------------


def short(value):
    """A figure with three or four significant digits."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


def print_table(title, rows):
    """rows: dictionaries with the same keys; numbers are right-aligned."""
    print(f"\n{title}")
    texts = [[short(value) for value in row.values()] for row in rows]
    head = list(rows[0])
    widths = [max(len(line[i]) for line in [head, *texts]) for i in range(len(head))]
    numeric = [all(not isinstance(list(row.values())[i], str) for row in rows)
               for i in range(len(head))]
    for line in [head, *texts]:
        print("  " + "  ".join(text.rjust(width) if right else text.ljust(width)
                               for text, width, right in zip(line, widths, numeric)).rstrip())
    sys.stdout.flush()


def write_csv(name, rows):
    """NAME.csv in bench/results, or in $BENCH_RESULTS; a Ratio takes three columns."""
    os.makedirs(RESULTS, exist_ok=True)
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(column for row in flat for column in row))
    with open(os.path.join(RESULTS, name + ".csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _flat(row):
    flat = {}
    for name, value in row.items():
        if isinstance(value, Ratio):
            flat.update({name: f"{value.median:.4g}", name + " low": f"{value.low:.4g}",
                         name + " high": f"{value.high:.4g}"})
        else:
            flat[name] = f"{value:.6g}" if isinstance(value, float) else value
    return flat


def read_csv(name):
    """The rows of bench/results/NAME.csv, or none if it was not measured yet."""
    path = os.path.join(RESULTS, name + ".csv")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


LOOK = """
set encoding utf8
set border 3 lc rgb '#444444'
set tics nomirror
set grid ytics lc rgb '#dddddd' lt 1
set key top left reverse Left samplen 2
"""
# Can be told apart by people who do not see all colours, and in black and white.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")


def plot(name, script, blocks, size=(900, 480)):
    """bench/results/NAME.png by gnuplot. blocks: maps names, $name in the script, to rows of values."""
    data = ""
    for block, rows in blocks.items():
        lines = "\n".join(" ".join(_word(value) for value in row) for row in rows)
        data += f"${block} << END\n{lines}\nEND\n"
    head = (f"set terminal pngcairo size {size[0]},{size[1]} font 'sans,11'\n"
            f"set output '{os.path.join(RESULTS, name + '.png')}'\n")
    done = subprocess.run(["gnuplot"], input=head + LOOK + data + script, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0 or "warning" in done.stderr.lower():
        raise RuntimeError(f"gnuplot: {done.stderr}")


def _word(value):
    if value is None:
        return "NaN"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
