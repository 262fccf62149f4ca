from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.envelope import Record
from replay import comparing
from replay.comparing import Comparison, Side, compare
from replay.payloads import NOTHING, Manifests
from replay.report.subject import Subject
from tests.replay import making
from tests.replay.told import last_failed, subject


@cache
def _failures() -> bytes:
    log = making.failures()
    return making.bundle(log, *last_failed(log))


@cache
def _subject() -> Subject:
    return subject(_failures())


def _side(at: int) -> Side:
    told = _subject()
    run = told.runs[at]
    return Side(run, [one for one in told.records if one.header.run == run.id], told.manifests)


def _with(side: Side, tag: str, **fields: Any) -> Side:
    """The side with other fields of the first event of a kind."""
    at = next(at for at, one in enumerate(side.records) if one.header.type == tag)
    records = list(side.records)
    records[at] = Record(records[at].header, replace(records[at].event, **fields))
    return side._replace(records=records)


def test_a_run_is_the_same_as_itself() -> None:
    found = compare(_side(0), _side(0))
    assert found.same
    assert (found.inputs, found.manifests, found.first, found.parting, found.outcome) == ((), (), None, None, None)
    assert [block.on for block in found.sequence] == ["both"]
    assert all(one.a_ms == one.b_ms >= 0 for one in found.timings)


def test_two_runs_that_end_otherwise() -> None:
    found = compare(_side(0), _side(1))
    assert not found.same
    assert [one.name for one in found.inputs] == ["pin two"]
    assert "v1 sha256:" in found.inputs[0].a
    assert "v2 sha256:" in found.inputs[0].b
    assert found.first is not None
    assert found.first.field == "/pin/digest"
    assert found.parting is not None
    assert (found.parting.a and found.parting.a.type) == "build.intended"
    assert (found.parting.b and found.parting.b.type) == "stage.failed"
    assert found.parting.b is not None
    assert found.parting.b.after.startswith("fetch.finished failed: DigestMismatch")
    assert found.outcome is not None
    assert found.outcome.a == "succeeded"
    assert found.outcome.b.startswith("failed: stage two: fetch artifact: ")
    assert [(one.a_ms >= 0, one.b_ms >= 0) for one in found.timings if (one.stage, one.what) == ("two", "build")] == [
        (True, False)
    ]


@pytest.mark.parametrize(
    ("tag", "fields", "where"),
    [
        ("apply.intended", {"objects": 7}, "/objects"),
        ("stage.succeeded", {"revision": "other"}, "/revision"),
    ],
)
def test_a_decision_with_other_content_is_the_first_difference(tag: str, fields: dict[str, Any], where: str) -> None:
    found = compare(_side(0), _with(_side(0), tag, **fields))
    assert not found.same
    assert found.first is not None
    assert found.first.field == where
    assert (found.first.a and found.first.a.type) == tag
    assert found.parting is None


def test_what_is_never_the_same_does_not_count() -> None:
    side = _side(1)
    later = [
        Record(
            replace(one.header, at=one.header.at.replace("2030-01-01", "2030-01-02"), seq=one.header.seq + 1), one.event
        )
        for one in side.records
    ]
    other = _with(side._replace(records=later), "run.retry.scheduled", due="2031-01-01T00:00:00.000Z")
    verify = next(one for one in later if one.header.type == "verify.intended")
    assert verify.event is not None
    other = _with(other, "verify.intended", deadline=verify.event.deadline.replace("2030-01-01", "2030-01-02"))  # type: ignore[attr-defined]
    assert compare(side, other).same
    found = compare(side, _with(other, "verify.intended", deadline="2030-01-02T00:09:00.000Z"))
    assert found.first is not None
    assert found.first.field == "/deadline"


def test_a_side_that_decides_less() -> None:
    side = _side(0)
    found = compare(side, side._replace(records=side.records[:-1]))
    assert found.first is not None
    assert (found.first.a and found.first.a.type, found.first.b) == ("run.succeeded", None)


def test_a_changed_spec_is_named_by_its_path() -> None:
    side = _side(0)
    opened = side.records[0].event
    assert opened is not None
    spec = msgspec.json.decode(msgspec.json.encode(opened.spec))  # type: ignore[attr-defined]
    spec["stages"][1]["path"] = "deploy"
    found = compare(side, _with(side, "run.opened", spec=spec))
    assert [(one.name, one.a, one.b) for one in found.inputs] == [("spec/stages/two/path", "", "deploy")]


def _built(side: Side, digest: str, manifests: Manifests) -> Side:
    return side._replace(run=replace(side.run, built={"one": digest}), manifests=manifests)


def _both(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Comparison:
    manifests = Manifests({"a": before, "b": after}, {})
    return compare(_built(_side(0), "a", manifests), _built(_side(0), "b", manifests))


def test_manifests_are_compared_object_by_object() -> None:
    def obj(name: str, value: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}}

    found = _both(
        [obj("same", "1"), obj("gone", "1"), obj("other", "1")], [obj("new", "1"), obj("other", "2"), obj("same", "1")]
    )
    assert [(one.object, one.what) for one in found.manifests] == [
        ("ConfigMap gone", "removed"),
        ("ConfigMap new", "added"),
        ("ConfigMap other", "changed"),
    ]
    assert [line for line in found.manifests[2].diff if line[0] in "+-"] == ["-  k: '1'", "+  k: '2'"]
    assert not found.same


def test_without_manifests_the_digests_of_the_records_tell() -> None:
    one, other = _built(_side(0), "a", NOTHING), _built(_side(-1), "b", NOTHING)
    found = compare(one, other)
    assert [(change.object, change.what, change.diff) for change in found.manifests] == [
        ("shop_config__ConfigMap", "changed", ())
    ]
    assert found.manifests[0].why == "its text is not shown: it is not in the bundle"


def test_what_is_too_much_is_said_and_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "DIFFS_MAX", 1)
    monkeypatch.setattr(comparing, "_ALIGNED_MAX", 3)
    objects = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in "abc"]
    found = _both([], objects)
    assert [bool(one.diff) for one in found.manifests] == [True, False, False]
    assert found.manifests[1].why == "too many differ to show them all"
    assert found.sequence == ()
    assert not found.same


def test_rounds_of_one_operation_are_added_up() -> None:
    side = _side(0)
    intent = next(one for one in side.records if one.header.type == "verify.intended")
    answer = next(one for one in side.records if one.header.intent == intent.header.ver)
    again = [
        Record(replace(intent.header, ver=10_000), intent.event),
        Record(replace(answer.header, ver=10_001, intent=10_000), answer.event),
    ]
    (one,) = [
        one for one in compare(side, side._replace(records=[*side.records, *again])).timings
        if (one.stage, one.what) == (intent.header.stage, "verify")
    ]  # fmt: skip
    assert one.b_ms == 2 * one.a_ms > 0
