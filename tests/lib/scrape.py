"""conf/prometheus/scrape.yml for a host that listens elsewhere than in the samples: in the demo and in
tests."""

import os

from testbed import ROOT

DIRECTORY = os.path.join(ROOT, "conf", "prometheus")
SAMPLE_TARGET = "127.0.0.1:8081"  # as in conf/snapshot-host.ini


def write_scrape_configuration(directory, port, interval_s):
    """Writes the sample with this port of the host, the rules by their full path, and another
    interval, into the directory; gives the file's path."""
    with open(os.path.join(DIRECTORY, "scrape.yml"), encoding="utf-8") as file:
        text = file.read()
    for sample, real in ((SAMPLE_TARGET, f"127.0.0.1:{port}"),
                         ("scrape_interval: 5s", f"scrape_interval: {interval_s}s"),
                         ("evaluation_interval: 5s", f"evaluation_interval: {interval_s}s"),
                         ("- alerts.yml", "- " + os.path.join(DIRECTORY, "alerts.yml"))):
        if text.count(sample) != 1:
            raise ValueError(f"scrape.yml does not say {sample!r} exactly once")
        text = text.replace(sample, real)
    path = os.path.join(directory, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def prometheus_command(directory, port, listen_port, interval_s=5):
    """What runs a Prometheus that scrapes the host on `port`, with all that it writes in the
    directory."""
    config = write_scrape_configuration(directory, port, interval_s)
    return ["prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={os.path.join(directory, 'prometheus')}",
            f"--web.listen-address=127.0.0.1:{listen_port}"]
