"""Who acts where: one client and one set of shared watches for each identity on each cluster.

Not the credentials themselves, and no decision about what is done with them.
"""

from reconciler.adapters.clusters.identities import IDLE_S, Clusters, Hand, Reach

__all__ = ["IDLE_S", "Clusters", "Hand", "Reach"]
