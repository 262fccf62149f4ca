"""Requests to hosts that StageSets name: guarded name resolution, and one call for an http action.

Not the artifacts' fetcher, which is built on the same guarded sessions. Invariant: no connection to an address that
the guard did not pass, whoever led there.
"""

from __future__ import annotations

from reconciler.adapters.requests.call import CallLimits, place
from reconciler.adapters.requests.caller import Caller
from reconciler.ports.requests import Call, CallError, Reply

__all__ = ["Call", "CallError", "CallLimits", "Caller", "Reply", "place"]
