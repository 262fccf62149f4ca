"""The events that the benches write: those of a release, typed, of the usual size. And a ledger to write them to."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.envelope import Draft
from ledger.events import ApplyFinished, ApplyIntended, Item, VerifyFinished
from ledger.log import Batch, EventLog
from ledger.sqlite_log import SqliteLog

AT = "2030-01-31T12:00:00.000Z"
MESSAGE = "Deployment shop/backend: 3 of 3 replicas are ready"
_SNAPSHOT = "sha256:" + "5a" * 32
_ITEM = Item(id="shop_backend_apps_Deployment", v="v1", action="current")
_RUN = {"run": "checkout-1", "snapshot": _SNAPSHOT, "stage": "backend"}

VERIFIED = Draft(event=VerifyFinished(message=MESSAGE, objects=[_ITEM]), outcome="ok", intent=1, **_RUN)  # type: ignore[arg-type]
FAILED = Draft(event=VerifyFinished(reason="Timeout", message=MESSAGE), outcome="failed", intent=1, **_RUN)  # type: ignore[arg-type]
INTENT = Draft(event=ApplyIntended(manifests=_SNAPSHOT, objects=1), **_RUN)  # type: ignore[arg-type]
OUTCOME = Draft(event=ApplyFinished(objects=[_ITEM]), outcome="ok", intent=1, **_RUN)  # type: ignore[arg-type]


def open_log(path: Path) -> SqliteLog:
    """A new ledger."""
    return SqliteLog(path, replica="bench", at=AT, chance=os.urandom)


def batch(log: EventLog, stream: str, *drafts: Draft) -> Batch:
    """Drafts for the end of a stream."""
    return Batch(stream=stream, expected=log.version(stream), epoch=log.epoch, at=AT, drafts=drafts)
