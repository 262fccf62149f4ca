"""Fetches pinned artifacts over HTTP from the source controllers' servers.

Not a cache: the ledger's blobs are. Invariant: no connection to an address that the guard did not pass, and no byte
is returned whose digest is not the pinned one.
"""

from __future__ import annotations

from reconciler.adapters.artifacts.fetch import Fetcher, FetchLimits

__all__ = ["FetchLimits", "Fetcher"]
