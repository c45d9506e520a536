"""What every test program here needs: where things are, free ports, waiting for a condition, and
clean-up that happens whatever happens."""

import atexit
import fcntl
import functools
import itertools
import os
import random
import signal
import socket
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Another build, one with sanitizers for instance, is tested by naming its directory.
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
HOST_BINARY = os.path.join(BUILD, "snapshot-host")
PLUGIN = os.path.join(BUILD, "read_policy.so")

# Below the range that the kernel gives to outgoing connections, so that none of them takes a port
# between our looking and our using it.
FIRST_PORT, LAST_PORT = 23000, 23999
PORTS_EACH = 100


@functools.lru_cache(maxsize=None)
def _own_ports():
    """A lock that this program holds until it ends, the ports that are its own meanwhile, and how many
    they are: a port is picked long before a server listens on it, and several test programs run at a
    time. All ports, and no lock, if there are as many programs as locks."""
    directory = os.path.join(tempfile.gettempdir(), f"read-policy-ports-{os.getuid()}")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for first in range(FIRST_PORT, LAST_PORT + 1, PORTS_EACH):
        lock = os.open(os.path.join(directory, str(first)), os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return lock, itertools.cycle(range(first, first + PORTS_EACH)), PORTS_EACH
    ports = range(FIRST_PORT, LAST_PORT + 1)
    return None, itertools.cycle(random.sample(ports, len(ports))), len(ports)


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now, and none of the last that were picked."""
    _, ports, count = _own_ports()
    for port in itertools.islice(ports, count):
        with socket.socket() as probe:
            # As the servers do: a connection of an earlier server in TIME_WAIT is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"none of {count} ports from {FIRST_PORT} on is free")


def wait_for(condition, what, timeout_s=20.0, every_s=0.002):
    """Asks `condition` until it gives something true, and returns that. Raises TimeoutError, naming
    `what` was waited for, when it has not come in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain for {what}")
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


def complain_if_not_built():
    """Ends the program with a plain sentence if what it tests has not been built."""
    for path in (HOST_BINARY, PLUGIN):
        if not os.path.exists(path):
            sys.exit(f"{os.path.relpath(path)} does not exist: run make first")
