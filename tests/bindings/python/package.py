"""The package as it stands in the tree, with the plugin that was built; imported before it."""

import os
import sys

from testbed import HOST_PLUGIN, ROOT

FOLDER = os.path.join(ROOT, "bindings", "python")

POLICIES = """
[retry]
policy = replica_then_primary
replica_retry_min_ms = 20
replica_retry_max_ms = 30
on_replica_failure = primary
[index]
policy = read_index
max_wait_ms = 5000
[index_briefly]
policy = read_index
max_wait_ms = 20
[always]
policy = read_index
when = always
[backoff]
policy = replica_backoff
[primary]
policy = primary_only
[replica]
policy = replica_only
[budget]
policy = replica_then_primary
replica_retry_max_ms = 0
primary_budget_per_s = 1
primary_budget_burst = 2
"""

sys.path.insert(0, FOLDER)
os.environ["READ_POLICY_PLUGIN"] = HOST_PLUGIN
