"""MemoryCluster: an API server's behaviour in process, behind the Cluster port.

Not a Kubernetes distribution: nothing runs, time passes only by the given clock, and what is not imitated is refused
with `Unsupported`. The same inputs in the same order give the same objects, uids and resource versions.
"""
