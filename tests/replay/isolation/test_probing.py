"""Planted non-determinism is found: the order of a set, a clock, a time zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from replay.isolation import parent
from replay.isolation.probing import probed
from tests.replay import making

#: Processes, real ones.
pytestmark = pytest.mark.slow

_PLANT = (
    "; import reconciler.decide as d, time; from msgspec.structs import replace as r; real = d._halted; "
    "d._NEXT[d.Phase.HALTED] = lambda s, run: (lambda x: x if 'RunFailed' not in type(x.event).__name__ else "
    "r(x, event=r(x.event, message={message})))(real(s, run)); main("
)
PLANTED = {
    "order of a set": "str(list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'}))",
    "clock": "str(time.time_ns())",
    "time zone": "time.strftime('%H %Z', time.localtime(0))",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    log = making.failures()
    path = tmp_path / "x.stagereplay"
    path.write_bytes(making.bundle(log, *making.failed(log)))
    return path


def test_without_any_the_answer_is_that_of_one(bundle: Path) -> None:
    found = probed(bundle, until=0, count=4).verdict
    assert found is not None
    assert found.verdict == "REPRODUCED"


@pytest.mark.parametrize("name", PLANTED)
def test_planted_non_determinism_is_found(bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(parent, "BOOT", parent.BOOT.replace("; main(", _PLANT.format(message=PLANTED[name])))
    found = probed(bundle, until=0, count=4).verdict
    assert found is not None
    assert found.divergence is not None
    assert found.divergence.kind == "NONDETERMINISM"
    assert found.divergence.type == "run.failed"


def test_an_unreadable_file_is_not_probed(bundle: Path) -> None:
    bundle.write_bytes(b"x")
    answer = probed(bundle, until=0, count=4)
    assert answer.problem is not None
    assert answer.problem.exit_code == 3
