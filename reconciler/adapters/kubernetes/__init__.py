"""The Cluster port on a real API server, through `kubernetes.aio`'s configuration and rest layer.

Importing it costs a third of a second: command lines that work offline must not.
"""

from reconciler.adapters.kubernetes.lean import parents_unexecuted

with parents_unexecuted():
    from reconciler.adapters.kubernetes.cluster import KubernetesCluster
    from reconciler.adapters.kubernetes.connect import from_kubeconfig, in_cluster
    from reconciler.adapters.kubernetes.identity import ServiceAccountToken, TokenSource
    from reconciler.adapters.kubernetes.limits import Limits
    from reconciler.adapters.kubernetes.remote import Remotes

__all__ = [
    "KubernetesCluster",
    "Limits",
    "Remotes",
    "ServiceAccountToken",
    "TokenSource",
    "from_kubeconfig",
    "in_cluster",
]
