"""read-policy: where each read of a row that is known to exist goes: replica, wait, replica again,
primary.

PolicySet loads a policy file; Policy.read takes decisions for reads of the caller's own. Clusters
read from PostgreSQL itself: read_policy.psycopg, .psycopg2, .django and .sqlalchemy, blocking;
read_policy.asyncio, over psycopg 3 or asyncpg.
"""

from ._cluster import Cluster
from ._end import (Busy, Closed, ConfigError, End, Missing, NotFound, ReadEnded, ReadFailed,
                   ReadPolicyError, Shed, UsageError)
from ._machine import ClusterInfo, ServerInfo, Settings
from ._policies import Budget, Metric, Policy, PolicySet

__all__ = ["Budget", "Busy", "Closed", "Cluster", "ClusterInfo", "ConfigError", "End", "Metric",
           "Missing", "NotFound", "Policy", "PolicySet", "ReadEnded", "ReadFailed",
           "ReadPolicyError", "ServerInfo", "Settings", "Shed", "UsageError"]
