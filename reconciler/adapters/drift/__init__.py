"""Drift: what other hands do to objects that a ready stage owns is seen by watch, checked, and told to the loop.

Not the correction (a run) and not the decision to correct (the core). Invariant: nothing is recorded for an object
that is as it is rendered.
"""

from reconciler.adapters.drift.inspector import Inspector
from reconciler.adapters.drift.kept import SELECTOR, Kept, is_kept, kept_of
from reconciler.adapters.drift.sentry import Sentry, Sight

__all__ = ["SELECTOR", "Inspector", "Kept", "Sentry", "Sight", "is_kept", "kept_of"]
