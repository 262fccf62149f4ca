from __future__ import annotations

from pathlib import Path

import pytest

from replay.isolation import corpus
from replay.isolation.corpus import Result, bundles, checked, jobs, worst
from tests.replay import making


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "good.stagereplay").write_bytes(data)
    (tmp_path / "cut.stagereplay").write_bytes(data[:-9])
    (tmp_path / "other.txt").write_text("no bundle")
    return tmp_path


def test_every_bundle_of_a_folder_is_checked_in_a_child(folder: Path) -> None:
    ticks = iter(range(100))
    paths = bundles(folder)
    assert [path.name for path in paths] == ["cut.stagereplay", "good.stagereplay"]
    found = {one.path.name: one for one in checked(paths, jobs=2, clock=lambda: float(next(ticks)))}
    good, cut = found["good.stagereplay"], found["cut.stagereplay"]
    assert (good.code, good.word, good.problem) == (0, "REPRODUCED", "")
    assert good.told.endswith(" decisions")
    assert (cut.code, cut.word, cut.verdict) == (3, "UNREADABLE", None)
    assert cut.told == cut.problem != ""
    assert all(one.took_s > 0 for one in found.values())
    assert worst(list(found.values())) == 3


def test_a_file_that_went_away(tmp_path: Path) -> None:
    (found,) = checked([tmp_path / "none.stagereplay"], jobs=1, clock=lambda: 0.0)
    assert (found.code, found.word) == (3, "UNREADABLE")


def test_the_worst_is_the_highest_code(tmp_path: Path) -> None:
    results = [Result(tmp_path, code, None, "", 0.0) for code in (0, 6, 1, 4)]
    assert worst(results) == 6
    assert worst([]) == 0
    assert [one.word for one in results] == ["FAILED", "ESCAPED", "FAILED", "INCOMPLETE"]


def test_as_many_as_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert jobs() >= 1
    monkeypatch.delattr(corpus.os, "sched_getaffinity")
    assert jobs() >= 1
