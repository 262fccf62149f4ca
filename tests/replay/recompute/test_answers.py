"""`--recompute` on every failure of the runbook that a MemoryCluster can have: the recorded words, computed again."""

from __future__ import annotations

import base64

import pytest
from msgspec.structs import replace

from ledger.events import VerifyFinished
from reconciler.compute.inputs import decode
from reconciler.compute.standins import same_shape
from replay.performing.turns import Turn
from tests.replay.recompute.cases import CASES, NEVER, SECRETS, VARIABLES, Case, after, released, secret
from tests.replay.recompute.computing import again
from tests.replay.rollouts import archive, config, deployment, told


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_failure_is_computed_again_word_for_word(case: Case) -> None:
    log, run_id = told(case.story)
    found = again(log, run_id)
    failed = [one for one in found.answers if one.message]
    assert failed, (case.name, found)
    assert case.words in failed[-1].message
    assert {one.result for one in failed} == {case.result}, failed[-1]
    assert found.differs is None
    # An archive that is none cannot be looked through for Secrets, so it is not in the bundle.
    assert case.name == "build ArchiveInvalid" or found.missing is None


def test_what_was_withheld_is_told_and_neither_reproduced_nor_diverged() -> None:
    """Values of Secrets in the rendered objects, and one whose form cannot be known."""
    files = {"web.yaml": config(a="before ${tier} after", b="${count}")}
    log, run_id = told(after(secret(tier="gold-7", count="3"), released(SECRETS, files=files)))
    (build,) = [one for one in again(log, run_id).answers if one.operation == "build"]
    assert (build.result, build.first) == ("partly", None)
    assert "values of Secrets were withheld" in build.why
    odd = {"web.yaml": config(a="${tier}")}
    log, run_id = told(after(secret(tier="a: b"), released(SECRETS, files=odd)))
    (build,) = [one for one in again(log, run_id).answers if one.operation == "build"]
    assert build.result in ("partly", "unknown")
    assert build.first is None


def test_no_value_of_a_secret_is_in_what_is_recorded_for_it() -> None:
    canary = "canary-7f3a-hunter2"
    files = {"web.yaml": config(a="before ${tier} after")}
    log, run_id = told(after(secret(tier=canary, other=canary), released(SECRETS, files=files)))
    kept = b"".join(log.blobs.get(name) for name in log.blobs.digests())
    assert decode(next(data for name in log.blobs.digests() if decode(data := log.blobs.get(name)))) is not None
    for form in (canary.encode(), base64.b64encode(canary.encode()), same_shape(canary).encode()):
        assert form not in kept
    assert again(log, run_id).differs is None


def test_of_a_configmap_only_what_is_used_is_recorded() -> None:
    files = {"web.yaml": config(a="${used}")}
    log, _ = told(after(config("vars", used="x", idle="keep-this-out"), released(VARIABLES, files=files)))
    kept = b"".join(log.blobs.get(name) for name in log.blobs.digests())
    assert b"keep-this-out" not in kept


@pytest.mark.parametrize("field", ["message", "reason", "objects"])
def test_a_recorded_failure_that_is_another_differs(field: str) -> None:
    """A forger may repair the chain and what follows from it; the computation does not repeat the forgery."""
    log, run_id = told(released(files={"web.yaml": deployment(**NEVER)}, timeout="2s"))
    changed = {"message": "all is well", "reason": "VerifyFailed", "objects": []}[field]

    def forged(turn: Turn) -> Turn:
        if not isinstance(turn.fact.event, VerifyFinished):
            return turn
        return turn._replace(fact=turn.fact._replace(event=replace(turn.fact.event, **{field: changed})))

    found = again(log, run_id, forged=forged)
    assert found.differs is not None
    assert found.differs.first is not None
    assert found.differs.first.field.startswith(f"body/{field}" if field != "reason" else "body/")


def test_an_artifact_that_is_another_differs() -> None:
    log, run_id = told(released())
    other = archive({"web.yaml": config(a="c")})
    found = again(log, run_id, artifact=other)
    assert [(one.operation, one.result) for one in found.answers] == [("fetch", "differs"), ("build", "differs")]
    assert found.differs is not None
    assert found.differs.first is not None
    assert "DigestMismatch" in found.differs.first.decided or found.differs.first.field == "body/message"


def test_without_what_is_needed_it_says_so() -> None:
    log, run_id = told(released())
    assert {one.why for one in again(log, run_id, kustomize=False).answers if one.operation == "build"} == {
        "the recording does not tell there is no kustomize here: install kubectl or kustomize beside stagesetctl"
    }
    found = again(log, run_id, artifact=b"")
    assert found.missing is not None
    assert "is not in the bundle" in found.missing.why
