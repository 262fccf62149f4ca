"""The failures of the runbook: made now, and as they were recorded once; each is reproduced, for ever."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import pytest

from ledger.memory_log import MemoryLog
from replay.bundle.format import SUFFIX
from replay.checking import check
from replay.isolation.corpus import bundles
from tests.cluster.rollout import pages
from tests.counted import REPLAYED
from tests.replay import freeze, making, many
from tests.replay.cases import CASES
from tests.replay.failing import Case, failures, kustomize, played
from tests.replay.told import subject

#: A bundle is downloaded with every clone.
BYTES_MAX = 40_000
FROZEN = bundles(freeze.GOLDEN)


@cache
def _runs(case: Case) -> tuple[MemoryLog, list[tuple[str, bytes]]]:
    """The ledger of a case, and a bundle of each of its runs."""
    log = played(case, kustomize=kustomize() if case.builds else None)
    return log, list(many.every_run(log))


@pytest.mark.parametrize("case", CASES, ids=[case.anchor for case in CASES])
def test_a_failure_of_the_runbook_is_reproduced(case: Case) -> None:
    log, runs = _runs(case)
    for _, data in runs:
        verdict = check(io.BytesIO(data))
        assert verdict.verdict == "REPRODUCED", verdict.divergence
        REPLAYED.update(runs=1, facts=verdict.facts, decisions=verdict.decisions)
    REPLAYED.update(ledgers=1)
    told = subject(making.bundle(log, *making.failed(log))).story
    assert told.failed is not None
    assert (told.failed.operation, told.failed.reason) == (case.operation, case.reason)
    # All stages have one kubeconfig: without it the first fails.
    stage = "database" if "kubeConfig" in case.spec else "backend"
    assert told.message.startswith(f"stage {stage}: {case.operation}: ")
    assert failures(log)[0].message == told.failed.message


@pytest.mark.slow
def test_all_of_them_are_reproduced_in_an_isolated_child() -> None:
    runs = [(f"{case.anchor}: {run}", data) for case in CASES for run, data in _runs(case)[1]]
    count, _, _ = many.reproduced("runbook", runs)
    REPLAYED.update(isolated=count)


def test_every_section_of_the_runbook_has_a_case() -> None:
    sections = {anchor for anchor, one in pages.sections("runbooks/stagefailed.md").items() if one.level == 3}
    cases = {case.anchor for case in CASES}
    assert len(cases) == len(CASES)
    assert sections - cases == set(), "sections without a case: add them to tests/replay/cases.py"
    assert all(one.startswith(("pre-action-", "post-action-")) for one in cases - sections)


@pytest.mark.skipif(not FROZEN, reason="NOT TESTED: tests/replay/golden is empty; run 'python -m tests.replay.freeze'")
class TestFrozen:
    def test_all_of_them_are_reproduced_in_an_isolated_child(self) -> None:
        """The code decides otherwise than it did: keep the old way for runs whose policy does not ask for the new."""
        runs, facts, decisions = many.reproduced("golden", ((path.name, path.read_bytes()) for path in FROZEN))
        assert runs == len(FROZEN)
        REPLAYED.update(ledgers=runs, runs=runs, isolated=runs, facts=facts, decisions=decisions)

    def test_every_case_has_one_and_none_was_lost(self) -> None:
        wanted = {freeze.path_of(case).name for case in CASES}
        assert wanted <= {path.name for path in FROZEN}, "run 'python -m tests.replay.freeze'"

    def test_they_are_small_and_nothing_but_bundles(self) -> None:
        files = [path for path in freeze.GOLDEN.rglob("*") if path.is_file()]
        assert all(path.suffix == SUFFIX for path in files)
        assert max(path.stat().st_size for path in files) < BYTES_MAX


def test_a_case_is_always_the_same() -> None:
    case = next(case for case in CASES if case.anchor == "verify-verifyfailed")
    again = played(case)
    log, runs = _runs(case)
    assert list(many.every_run(again)) == runs
    assert again.head() == log.head()


def test_freezing_leaves_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "GOLDEN", tmp_path / "a" / "b" / "golden")
    freeze.GOLDEN.mkdir(parents=True)
    case = next(case for case in CASES if case.anchor == "build-malformedmanifest")
    monkeypatch.setattr(freeze, "CASES", (case,))
    freeze.path_of(case).write_bytes(b"old")
    freeze.main()
    assert freeze.path_of(case).read_bytes() == b"old"
    freeze.path_of(case).unlink()
    freeze.main()
    assert check(io.BytesIO(freeze.path_of(case).read_bytes())).verdict == "REPRODUCED"
