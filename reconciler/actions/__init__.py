"""Actions in the core: what a run wants of them, what records make of them, and what is decided next.

Not their execution (adapters). Invariant: what is recorded as done under a key is never intended under it again.
"""
