"""Watches shared by all that wait on the same kind in the same place, on any implementation of the Cluster port.

Not a cache to decide by: what is handed out is the latest that was seen. Invariant: the number of watches depends on
the scopes that are looked at, never on how many look.
"""

from reconciler.adapters.watches.registry import Watches, WatchReport
from reconciler.adapters.watches.settings import WatchSettings
from reconciler.adapters.watches.store import Kept, Key, Projection, without_noise
from reconciler.adapters.watches.subscription import Change, Subscription

__all__ = [
    "Change",
    "Kept",
    "Key",
    "Projection",
    "Subscription",
    "WatchReport",
    "WatchSettings",
    "Watches",
    "without_noise",
]
