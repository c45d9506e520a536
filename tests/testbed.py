"""What every test program here needs: where things are, free ports, waiting for a condition, and
clean-up that happens whatever happens."""

import atexit
import os
import random
import signal
import socket
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Another build, one with sanitizers for instance, is tested by naming its directory.
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
HOST_BINARY = os.path.join(BUILD, "snapshot-host")
PLUGIN = os.path.join(BUILD, "read_policy.so")

# Below the range that the kernel gives to outgoing connections, so that none of them takes a port
# between our looking and our using it.
FIRST_PORT, LAST_PORT = 23000, 23999


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now. Picked at random, so that two programs at
    once hardly ever pick the same one."""
    for port in random.sample(range(FIRST_PORT, LAST_PORT + 1), 200):
        with socket.socket() as probe:
            # As the servers do: a connection of an earlier server in TIME_WAIT is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port from {FIRST_PORT} to {LAST_PORT}")


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
