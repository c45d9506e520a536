#!/usr/bin/python3
"""A walk through nginx with the module: a primary, a replica that lags, and what a client sees."""

import concurrent.futures
import time

from lagging_api import Api
from nginx_server import Nginx
from testbed import as_program

POLICIES = """[snapshots_since]
policy = replica_then_primary
replica_retry_min_ms = 50
replica_retry_max_ms = 200
primary_budget_per_s = 5
"""
LOCATION = """        location /runs/ {{
            read_policy snapshots_since;
            read_policy_replica http://127.0.0.1:{replica};
            read_policy_primary http://127.0.0.1:{primary};
        }}
"""
HTTP = """
    read_policy_file read-policy.ini;
    upstream next {{ server 127.0.0.1:{replica}; server 127.0.0.1:{primary} backup; }}
    server {{
        listen PORT;
{location}
        location /next/ {{
            proxy_pass http://next;
            proxy_next_upstream error timeout http_404;
        }}
        location = /metrics {{ read_policy_metrics; }}
    }}
"""


def show(nginx, what, path):
    began = time.monotonic()
    answer = nginx.get(path)
    took = 1000 * (time.monotonic() - began)
    _status, verdict, served_by, _during, _worker = nginx.told(path)
    print(f"  {what:<52} {answer.status}  {verdict:<9} {served_by:<13} {took:4.0f} ms")


def main():
    replica, primary = Api("replica"), Api("primary")
    ports = {"replica": replica.port, "primary": primary.port}
    location = LOCATION.format(**ports)
    nginx = Nginx(HTTP.format(location=location, **ports), {"read-policy.ini": POLICIES}).start()
    try:
        print(f"The location:\n\n{location}\nread-policy.ini:\n\n{POLICIES}\nWhat a client sees:\n")
        for api in (replica, primary):
            api.put("/runs/old")
            api.put("/runs/new", misses=api is replica)
        primary.put("/runs/newest")
        show(nginx, "a row that the replica has", "/runs/old")
        show(nginx, "a row that reaches the replica within the wait", "/runs/new")
        show(nginx, "a row that does not", "/runs/newest")
        show(nginx, "a row that nobody has", "/runs/bogus")
        show(nginx, "the first row again", "/runs/old")
        print("\nA flood of 40 made-up ids:\n")
        for where, name in (("/runs/", "read_policy"), ("/next/", "proxy_next_upstream http_404")):
            before = len(primary.asked())
            paths = [f"{where}made-up-{i}" for i in range(40)]
            with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
                statuses = [answer.status for answer in pool.map(nginx.get, paths)]
            print(f"  {name:<30} {len(primary.asked()) - before:>2} of them reached the primary; "
                  f"{statuses.count(429)} were answered 429")
        print("\nGET /metrics, with nginx reloaded meanwhile:\n")
        nginx.reload()
        for line in nginx.get("/metrics").body.decode().splitlines():
            if not line.startswith("#"):
                print(f"  {line}")
        print("\nerror.log:\n")
        for line in nginx.log().splitlines():
            if "read policy" in line and ("newest" in line or "bogus" in line):
                print(f"  {line}")
    finally:
        nginx.stop()


if __name__ == "__main__":
    as_program(main)
