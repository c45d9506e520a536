"""What every test program here needs: where things are, free ports, waiting for a condition, and
clean-up that happens whatever happens."""

import atexit
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# To test another build, for instance one with sanitizers, name its directory.
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
HOST_BINARY = os.path.join(BUILD, "snapshot-host")
PLUGIN = os.path.join(BUILD, "read_policy.so")
# What hosts under test load: tests/run.py gives them the plugin that ends a host which makes a
# mistake (tests/lib/strict/). Benchmarks and demonstrations load the plugin itself.
HOST_PLUGIN = os.environ.get("HOST_PLUGIN") or PLUGIN

# What libpq and servers read from the environment (PGHOST, PGSERVICE, PGOPTIONS and so on) is the
# user's business, not the tests': it leads neither our connections nor our children's elsewhere.
for _name in [name for name in os.environ if name.startswith("PG") and name != "PG_MAJOR"]:
    del os.environ[_name]

# As in free_port.c. Below the range that the kernel gives to outgoing connections, so that none of
# them takes a port between our looking and our using it.
FIRST_PORT, LAST_PORT = 23000, 31999
PORTS_EACH = 100


def _bind(port, shared):
    """A socket bound to the port, or None. Servers share a port with an earlier server's connection
    in TIME_WAIT; who bound one to keep others off it shares it with nobody."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(shared))
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        return None
    return bound


@functools.lru_cache(maxsize=None)
def _own_ports():
    """A block of ports that is this program's until it ends: a port is picked long before a server
    listens on it, and several test programs run at a time, of other users and in other containers on
    this network, too. The lock is the block's first port, bound; where nobody ever listens."""
    for first in range(FIRST_PORT, LAST_PORT + 1, PORTS_EACH):
        lock = _bind(first, shared=False)
        if lock:
            return lock, itertools.cycle(range(first + 1, first + PORTS_EACH))
    raise RuntimeError(f"all ports from {FIRST_PORT} to {LAST_PORT} are other test programs'")


_kept_ports = set()


def free_port(kept=False):
    """A TCP port of 127.0.0.1 that nobody listens on now, and none of the last that were picked. One that is
    kept is not picked again until it is given back: for who stops listening there, and comes back."""
    _, ports = _own_ports()
    for port in itertools.islice(ports, PORTS_EACH - 1):
        probe = _bind(port, shared=True) if port not in _kept_ports else None
        if probe:
            probe.close()
            _kept_ports.update([port] if kept else [])
            return port
    raise RuntimeError(f"none of this program's {PORTS_EACH - 1} ports is free")


def give_back_port(port):
    _kept_ports.discard(port)


def wait_for(condition, what, timeout_s=20.0, every_s=0.002):
    """Calls `condition` until it returns something true, and returns that. Raises TimeoutError, naming
    `what` was waited for, if it takes too long."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up after {timeout_s:g} s of waiting for {what}")
        time.sleep(every_s)


def _interrupted(_signal, _frame):
    # Not SystemExit, which unittest would take for the failure of one test and go on.
    raise KeyboardInterrupt


def _ignore_signals():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def clean_up_at_exit(function):
    """Calls `function` when the program ends: normally, by an exception, or by SIGINT, SIGTERM or
    SIGHUP. Last registered, first called. Must be called from the main thread."""
    if not getattr(clean_up_at_exit, "prepared", False):
        clean_up_at_exit.prepared = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
    atexit.register(function)
    # Runs first: a second Ctrl-C must not stop the clean-up half-way.
    atexit.unregister(_ignore_signals)
    atexit.register(_ignore_signals)


def no_longer_clean_up(function):
    atexit.unregister(function)


def as_program(main):
    """Runs a program's main function and ends with what it returns. What goes wrong is told in the
    failure's own words, not by a traceback; TRACEBACK=1 shows that."""
    try:
        status = main()
    except KeyboardInterrupt:
        status = "interrupted"
    except Exception as error:
        if os.environ.get("TRACEBACK") == "1":
            raise
        status = f"{os.path.basename(sys.argv[0])}: {_words_of(error)}\n(TRACEBACK=1 shows where)"
    sys.exit(status)


def _words_of(error):
    place = error.__traceback__
    while place.tb_next:
        place = place.tb_next
    words = str(error).strip()
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        words += "\n" + error.stderr.strip()  # of a program whose output was read as text
    if words and isinstance(error, (RuntimeError, OSError, AssertionError, subprocess.SubprocessError)):
        return words
    return (f"{type(error).__name__}{': ' if words else ''}{words}, at line {place.tb_lineno} of"
            f" {os.path.relpath(place.tb_frame.f_code.co_filename)}")


def complain_if_not_built():
    """Ends the program with a plain sentence if what it tests has not been built."""
    for path in (HOST_BINARY, PLUGIN):
        if not os.path.exists(path):
            sys.exit(f"{os.path.relpath(path)} does not exist: run make first")
