"""Every run of the simulation's stories: what is computed again never differs; a fork without a change ends as it did.

Built as the simulation builds, in this process; the real kustomize is for the cases of the runbook.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import pytest

from replay import checking
from replay.forking.changes import Changes
from replay.forking.fork import fork
from replay.isolation.worker import BLOBS_BYTES_MAX, material_of
from replay.performing import tools
from replay.recompute.answers import recompute
from tests.replay import making
from tests.simulation import bases
from tests.simulation.ports import Renderer


def _renderer(_: Any) -> Renderer:
    return Renderer()


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in bases.BASES])
def test_nothing_differs_and_nothing_changed_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "Runner", _renderer)
    log = making.played(bases.BASES[name], seed=f"base/{name}")
    results: Counter[str] = Counter()
    for stream, run_id in making.runs(log):
        opened = checking.opened(io.BytesIO(making.bundle(log, stream, run_id)), blobs_bytes_max=BLOBS_BYTES_MAX)
        material = material_of(opened, None)
        again = recompute(opened.bundle.records, material)
        assert again.differs is None, (run_id, again.differs)
        results.update(one.result for one in again.answers)
        forked = fork(opened.bundle.records, material, Changes())
        assert forked.message == forked.recorded, (run_id, forked.question)
        assert {one.origin for one in forked.answers} <= {"recorded"}, run_id
        assert forked.question is None
    assert results["same"]
