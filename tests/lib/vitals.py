"""What a running host holds: descriptors, memory, threads, links; and whether it released what a fault
or a client made it take."""

import os
import time

from cluster import postgres_binaries
from testbed import wait_for

# The address sanitizer keeps freed memory for a while (256 MB of it by default), which would look
# like growth.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=4")

PAGE = os.sysconf("SC_PAGE_SIZE")
REST_S = 0.15
# A forgotten timer that polls every 5 ms wakes a host 30 times in that span.
MAX_WAKES_AT_REST = 15


def descriptors(pid):
    """What each open descriptor is: a list of texts such as `socket:[123]`."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass  # closed in the meantime
    return found


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def _wakes(pid):
    """How often the process's threads have gone to sleep so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
                [line] = [line for line in file if line.startswith("voluntary_ctxt_switches")]
        except FileNotFoundError:
            continue
        total += int(line.split()[1])
    return total


class Vitals:
    """Taken from a host at rest with all its links up; `wait_restored` waits for the same state.

    No client but the caller may be connected, neither now nor then.
    """

    def __init__(self, host):
        self._host = host
        self._workers = int(host.settings["listen"]["threads"])
        self._links = self._configured_links()
        wait_for(lambda: self._what_is_under_way() is None, "the host to be at rest")
        self._descriptors = len(descriptors(host.pid))
        # From PostgreSQL 19 on a replica may be waited for on a link of its own, which comes with the
        # first wait and stays.
        waiting = postgres_binaries()[1] >= 19
        self._most_descriptors = self._descriptors + (self._workers * len(self._links) if waiting else 0)
        self._threads = threads(host.pid)

    def _configured_links(self):
        """Of each server's section, those of all threads together."""
        return {name: self._workers * int(keys.get("links", 2))
                for name, keys in self._host.settings.items()
                if keys and "conninfo" in keys}

    def _what_is_under_way(self):
        """What keeps the host from being at rest, as text; None if nothing does."""
        metrics = self._host.metrics()
        if metrics.value("snapshot_host_lookups_in_flight") != 0:
            return "lookups in flight"
        if metrics.value("snapshot_host_http_connections_open") != 1:
            return "connections of clients"
        if metrics.value("snapshot_host_http_unsent_bytes") != 0:
            return "answers not sent"
        for server, links in self._links.items():
            up = metrics.value("snapshot_host_links_up", server=server)
            if up != links:
                return f"{up:g} of {links} links to {server} up"
        return None

    def _what_is_left(self):
        problem = self._what_is_under_way()
        if problem is None and threads(self._host.pid) != self._threads:
            problem = f"{threads(self._host.pid)} threads, before {self._threads}"
        open_now = descriptors(self._host.pid)
        if problem is None and not self._descriptors <= len(open_now) <= self._most_descriptors:
            problem = f"{len(open_now)} descriptors, before {self._descriptors}: {sorted(open_now)}"
        # The host itself asks servers something now and then: a moment without statements suffices.
        if problem is None and \
                self._host.metrics().total("snapshot_host_statements_in_flight") != 0:
            problem = "statements in flight"
        if problem is None and self._wakes_at_rest() > MAX_WAKES_AT_REST:
            problem = "it does not come to rest"
        return problem

    def _wakes_at_rest(self):
        before = _wakes(self._host.pid)
        time.sleep(REST_S)  # not a wait for something: this is the span that is observed
        return _wakes(self._host.pid) - before

    def wait_restored(self, timeout_s=20.0):
        """Waits until the host holds what it held: every link up and no more of them, no lookup, no
        statement, no descriptor, no thread, no timer more than there was."""
        problem = "nothing"

        def restored():
            nonlocal problem
            problem = self._what_is_left()
            return problem is None

        try:
            wait_for(restored, "the host to give back what it took", timeout_s, every_s=0.01)
        except TimeoutError as error:
            raise AssertionError(f"{error}: {problem}") from None
