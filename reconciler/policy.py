"""The settings that decisions read, as they travel in `run.opened`. The core never asks settings, only this.

Not read from anywhere but the event: raising a limit changes the next run, never a recorded one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.api import defaults
from reconciler.api.types import StageSetSpec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and intervals of one run, in milliseconds."""

    #: pause after a permanent failure
    interval_ms: int
    #: longest pause between tries of the same snapshot
    retry_interval_ms: int
    #: first pause; doubles with every failure
    retry_base_ms: int = 5_000
    #: a teardown gives up after this
    teardown_ms: int = 3_600_000


def policy_of(spec: StageSetSpec, *, default_interval_ms: int, teardown_ms: int) -> dict[str, Any]:
    """The policy of a run with this spec, as `run.opened` carries it."""
    policy = Policy(
        interval_ms=defaults.interval_ms(spec, default_ms=default_interval_ms),
        retry_interval_ms=defaults.retry_interval_ms(spec, default_ms=default_interval_ms),
        teardown_ms=teardown_ms,
    )
    return msgspec.structs.asdict(policy)


def read_policy(policy: dict[str, Any]) -> Policy:
    """The policy inside a `run.opened`. Unknown keys of newer recordings are ignored."""
    return msgspec.convert(policy, Policy)
