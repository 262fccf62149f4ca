"""How Jobs ended, judged again from what was kept of them: the recorded sentence, or another where it was forged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from ledger.events import ActionFinished
from ledger.upcast import decode
from replay.performing.recorded import NotRecorded
from replay.recompute import jobs
from tests.replay.recompute import cases
from tests.replay.rollouts import told


def failed(annotations: dict[str, str]) -> ActionFinished:
    """The answer of a Job action, recorded from a MemoryCluster."""
    job = cases.named(cases.JOB, "migrate", **annotations)
    log, _ = told(cases.acts({"job": cases.JOB_SOURCE, "timeout": "1h"}, db__act={"job.yaml": job}))
    events = [decode(stored).event for stored in log.read()]
    return next(event for event in events if isinstance(event, ActionFinished))


@pytest.fixture(scope="module")
def failure() -> ActionFinished:
    return failed(cases.FAILS)


def test_a_failure(failure: ActionFinished) -> None:
    found = jobs.judged(failure)
    assert found.answer.event == replace(failure, evidence={})
    assert found.answer.outcome == "failed"
    assert not found.without_log


def test_a_timeout() -> None:
    late = failed(cases.NEVER)
    assert late.reason == "JobTimeout"
    assert jobs.judged(late).answer.event == replace(late, evidence={})


def _evidence(event: ActionFinished, **parts: Any) -> ActionFinished:
    return replace(event, evidence={**event.evidence, **parts})


def test_evidence_of_something_else_gives_another_answer(failure: ActionFinished) -> None:
    (job,) = failure.evidence["objects"]
    ended = {"type": "Complete", "status": "True"}
    forged = _evidence(failure, objects=[{**job, "status": {"conditions": [ended]}}])
    assert [item.action for item in jobs.judged(forged).answer.event.objects] == ["complete"]  # type: ignore[attr-defined]
    (container, *_) = failure.evidence["containers"]
    forged = _evidence(failure, containers=[{**container, "exitCode": 137, "reason": "OOMKilled"}])
    assert "exited with 137 (OOMKilled)" in jobs.judged(forged).answer.event.message


@pytest.mark.parametrize("suffix", ["", "; 1 more failed too"])
def test_without_its_log_the_last_line_is_taken_as_it_is(failure: ActionFinished, suffix: str) -> None:
    """Logs are left out of a bundle unless they are asked for; the sentence with the last line stays."""
    (job,) = failure.evidence["objects"]
    (container, *_) = failure.evidence["containers"]
    ended = {**container, "exitCode": 3, "log": "one\ntwo: no such table"}
    objects = [job, {**job, "metadata": {**job["metadata"], "name": "other"}}] if suffix else [job]
    whole = _evidence(failure, containers=[ended], objects=objects)
    whole = replace(whole, message=jobs.judged(whole).answer.event.message)
    assert whole.message.endswith(f"exited with 3: two: no such table{suffix}")
    shortened = _evidence(whole, containers=[{key: value for key, value in ended.items() if key != "log"}])
    found = jobs.judged(shortened)
    assert (found.without_log, found.answer.event.message) == (True, whole.message)
    forged = replace(shortened, message=whole.message.replace("exited with 3", "exited with 4"))
    assert not jobs.judged(forged).without_log
    assert jobs.judged(forged).answer.event.message != forged.message


def test_what_is_not_kept_is_not_judged(failure: ActionFinished) -> None:
    with pytest.raises(NotRecorded, match="values of Secrets"):
        jobs.judged(_evidence(failure, objects=[]))
    late = replace(failure, reason="JobTimeout")
    with pytest.raises(NotRecorded, match="older revision"):
        jobs.judged(replace(late, objects=[]))
    with pytest.raises(NotRecorded, match="a watch"):
        jobs.judged(replace(late, message="Job a; the cluster could not be watched: no"))
