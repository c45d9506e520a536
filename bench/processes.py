"""What processes cost, according to the kernel: CPU time and memory."""

import glob


def cpu_ns(*pids):
    """Time on a CPU of all threads of these processes so far, by the scheduler's count."""
    total = 0
    for pid in pids:
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total


def memory_bytes(pid):
    """The process's own resident memory, without what is mapped from files."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/status has no RssAnon")


def backends(server, application):
    """The server's processes for the connections of that application_name."""
    return [pid for pid, in server.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s", (application,))]
