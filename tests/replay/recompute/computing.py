"""Computing bundles again in this process: without guards, with the real kustomize."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest

from ledger.memory_log import MemoryLog
from replay import checking
from replay.bundle.export import Wanted, export
from replay.isolation.worker import BLOBS_BYTES_MAX, material_of
from replay.performing.kustomize import Workshop
from replay.performing.turns import Turn, turns
from replay.recompute import answers
from replay.recompute.answers import Material
from replay.recompute.result import Recomputed
from tests.replay.rollouts import STREAM, tool


def again(
    log: MemoryLog,
    run_id: str,
    *,
    kustomize: bool = True,
    artifact: bytes | None = None,
    forged: Callable[[Turn], Turn] = lambda turn: turn,
) -> Recomputed:
    """What comes of computing a run again. `artifact` replaces those that are pinned; empty: they are not there."""
    opened = checking.opened(io.BytesIO(b"".join(export(log, Wanted(STREAM, run_id)))), blobs_bytes_max=BLOBS_BYTES_MAX)
    assert checking.checked(opened).divergence is None
    with workshop() as shop, pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "turns", lambda records: map(forged, turns(records)))
        return answers.recompute(
            opened.bundle.records, _with(material_of(opened, shop if kustomize else None), artifact)
        )


@contextmanager
def workshop() -> Iterator[Workshop]:
    """The real kustomize, in a folder that is removed."""
    found, nothing = tool(), os.open(os.devnull, os.O_RDONLY)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Workshop(found.argv, found.identity, folder, nullcontext, nothing)
    finally:
        os.close(nothing)


def _with(material: Material, artifact: bytes | None) -> Material:
    if artifact is None:
        return material
    others = {name: data for name, data in material.blobs.items() if not data.startswith(b"\x1f\x8b")}
    given = {name: artifact for name in material.blobs if name not in others} if artifact else {}
    return material._replace(blobs=others | given)
