"""What can be computed again of each failure of the runbook, as a table; forks without a change end as they did."""

from __future__ import annotations

import io

import pytest

from replay import checking
from replay.forking.changes import Changes
from replay.forking.fork import fork
from replay.isolation.worker import BLOBS_BYTES_MAX, material_of
from replay.recompute.answers import recompute
from tests.replay.cases import CASES
from tests.replay.failing import Case
from tests.replay.freeze import bundle_of
from tests.replay.recompute.computing import workshop

#: Word for word where nothing is said here. partly: as far as it was recorded.
RESULTS = {
    # An archive that cannot be looked through for Secrets is not in the bundle; the exporter read it in the same words.
    "build-archiveinvalid": "partly",
    # Values of Secrets.
    "build-substitutefrominvalid": "partly",
    "build-secretidentity": "partly",
}


def expected(case: Case) -> set[str]:
    operation = case.anchor.partition("-")[0]
    return set() if operation in ("apply", "prune") else {RESULTS.get(case.anchor, "same")}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case.anchor for case in CASES])
def test_a_failure_of_the_runbook(case: Case) -> None:
    opened = checking.opened(io.BytesIO(bundle_of(case)), blobs_bytes_max=BLOBS_BYTES_MAX)
    with workshop() as shop:
        material = material_of(opened, shop)
        again = recompute(opened.bundle.records, material)
        forked = fork(opened.bundle.records, material, Changes())
    assert {one.result for one in again.answers if one.message} == expected(case)
    assert again.differs is None
    assert (forked.message, forked.question) == (forked.recorded, None)
    assert f"{case.operation}: " in forked.message


def test_the_table_names_cases_that_there_are() -> None:
    assert RESULTS.keys() <= {case.anchor for case in CASES}
