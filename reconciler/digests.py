"""Digests that identify what a run works on. Pure; the same on every machine.

A stage digest covers the stage's own pin and the pins of its actions; a snapshot digest covers the ordered stage
digests. Time-outs, intervals and retries are in neither: raising a timeout must not re-fire a migration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from ledger.events import Pin

_encode = msgspec.json.Encoder(order="deterministic").encode


def of(value: Any) -> str:
    """`sha256:<64 hex>` over the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(_encode(value)).hexdigest()


def stage_digest(name: str, pins: Iterable[Pin]) -> str:
    """Identity of what a stage rolls out: its pins, its actions' pins in order."""
    mine = [[pin.action, pin.source, pin.revision, pin.digest] for pin in pins if pin.stage == name]
    return of(["stage/1", name, mine])


def action_key(stream: str, stage: str, hook: str, action: str, scope: str) -> str:
    """Identity of an action in its scope, 64 hex digits: what is recorded as done under it is never done again."""
    return of(["action/1", stream, stage, hook, action, scope]).removeprefix("sha256:")


def snapshot_digest(stages: Iterable[str]) -> str:
    """Identity of what a run rolls out: the digests of its stages, in order."""
    return of(["snapshot/1", list(stages)])
