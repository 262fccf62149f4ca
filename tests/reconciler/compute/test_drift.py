"""Which differences count, in which words they are told, and what of them is news."""

from __future__ import annotations

import msgspec
import pytest

from ledger import events as e
from ledger.envelope import Draft
from reconciler.api.types import DriftDetection
from reconciler.compute import drift
from reconciler.folds.drift import FLAPPING_TIMES
from reconciler.ports.cluster import Ref
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, ids, opened

WEB = Ref("apps/v1", "Deployment", "shop", "web")
REPLICAS, IMAGE = ("spec", "replicas"), ("spec", "template", "spec", "containers", 0, "image")


def rules(**raw):
    return drift.rules_of(msgspec.convert(raw, DriftDetection))


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_rules_everything_is_corrected():
    found = drift.rules_of(None)
    assert (found.mode, found.counted(WEB, [REPLICAS])) == ("Correct", [REPLICAS])


@pytest.mark.parametrize(
    ("target", "matches"),
    [
        (None, True),
        ({}, True),
        ({"kind": "Deployment", "name": "web", "namespace": "shop", "apiVersion": "apps/v1beta1"}, True),
        ({"kind": "ConfigMap"}, False),
        ({"name": "api"}, False),
        ({"namespace": "other"}, False),
        ({"apiVersion": "v1"}, False),
    ],
)
def test_whom_a_rule_is_for(target, matches):
    found = rules(ignore=[{"paths": ["/spec/replicas"]} | ({} if target is None else {"target": target})])
    assert found.counted(WEB, [REPLICAS, IMAGE]) == ([IMAGE] if matches else [REPLICAS, IMAGE])
    whole = rules(ignore=[{} if target is None else {"target": target}])
    assert whole.pointers(WEB) == (None if matches else [])
    assert whole.counted(WEB, [REPLICAS]) == ([] if matches else [REPLICAS])


def test_a_rule_is_for_all_below_it_and_rules_add_up():
    found = rules(ignore=[{"paths": ["/spec/template"]}, {"paths": ["/metadata/labels/a~1b"]}])
    assert found.counted(WEB, [IMAGE, ("metadata", "labels", "a/b"), REPLICAS]) == [REPLICAS]


# ── what is applied ──────────────────────────────────────────────────────────────────────────────────────────────

DESIRED = {"spec": {"replicas": 3, "containers": [{"name": "a", "image": "x"}]}}


def managed(manager, fields):
    return {"metadata": {"managedFields": [{"manager": manager, "operation": "Apply", "fieldsV1": fields}]}}


def test_what_others_have_changed_is_left_out():
    theirs = managed("ours", {"f:spec": {"f:containers": {}}})
    assert drift.spared(DESIRED, theirs, [("spec", "replicas")], own="ours") == {
        "spec": {"containers": DESIRED["spec"]["containers"]}
    }
    assert drift.spared(DESIRED, managed("hpa", {}), [("spec", "containers", "0", "image")], own="ours") == {
        "spec": {"replicas": 3, "containers": [{"name": "a"}]}
    }
    assert drift.spared(DESIRED, managed("hpa", {}), [("spec", "containers", "0")], own="ours")["spec"] == {
        "replicas": 3,
        "containers": [],
    }


@pytest.mark.parametrize("pointed", [("spec", "no"), ("no", "such"), ("spec", "containers", "7", "x"), ()])
def test_what_is_not_rendered_changes_nothing(pointed):
    assert drift.spared(DESIRED, managed("hpa", {}), [pointed], own="ours") == DESIRED


def test_what_nobody_else_has_touched_is_applied():
    ours = managed("ours", {"f:spec": {"f:replicas": {}}})
    assert drift.spared(DESIRED, ours, [("spec", "replicas")], own="ours") == DESIRED


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fields_and_managers_are_named():
    assert drift.words([REPLICAS], manager="hpa") == "/spec/replicas, by hpa"
    assert drift.words([REPLICAS, IMAGE], manager="") == "/spec/replicas, /spec/template/spec/containers/0/image"
    many = drift.words([("data", str(number)) for number in range(9)], manager="x")
    assert many == "/data/0, /data/1, /data/2, /data/3, /data/4 and 4 more fields, by x"
    assert len(drift.words([("data", "x" * 5000)], manager="")) == drift.PATH_CHARS_MAX


# ── news ─────────────────────────────────────────────────────────────────────────────────────────────────────────

A, B = ids("a", "b")


def ready() -> Stream:
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    return stream.rest()


def found(*keys: str, mode="Correct", manager="hpa", message="/data/x, by hpa", action="changed"):
    items = [e.Item(id=key, v="v1", action=action, message=message) for key in keys]
    return e.DriftObserved(objects=items, manager=manager, mode=mode)


def test_a_finding_is_news():
    assert drift.news(ready().state, "db", found(A, B)) == found(A, B)


def test_what_has_been_overtaken_is_none():
    state = ready().state
    for changed in ({"phase": Phase.STARTED}, {"suspended": True}, {"stages": {}}):
        assert drift.news(msgspec.structs.replace(state, **changed), "db", found(A)) is None
    assert drift.news(state, "db", found("another")) is None


def test_what_is_not_corrected_is_news_once_for_each_difference():
    stream = ready()
    stream.fact(found(A, mode="Warn"), stage="db")
    assert drift.news(stream.state, "db", found(A, mode="Warn")) is None
    assert drift.news(stream.state, "db", found(A, B, mode="Warn")).objects == found(B).objects
    assert drift.news(stream.state, "db", found(A, mode="Warn", message="/data/y")) is not None
    assert drift.news(stream.state, "db", found(A, mode="Warn", manager="another")) is not None
    # Asked to correct it by now.
    assert drift.news(stream.state, "db", found(A)) is not None


def test_that_it_is_over_is_news_where_it_was_told():
    stream = ready()
    over = found(A, mode="Warn", action="restored", message="", manager="")
    assert drift.news(stream.state, "db", over) is None
    stream.fact(found(A, mode="Warn"), stage="db")
    assert drift.news(stream.state, "db", over) == over
    stream.fact(over, stage="db")
    assert stream.state.drifts == {}
    assert drift.news(stream.state, "db", over) is None


def flapping() -> Stream:
    stream = ready()
    for _ in range(FLAPPING_TIMES):
        assert drift.news(stream.state, "db", found(A)) is not None
        stream.fact(found(A), stage="db")
        if stream.state.asked:
            stream.fact(opened("db", trigger="drift"))
            stream.rest()
    return stream


def test_what_flaps_is_told_and_no_news_any_more():
    stream = flapping()
    assert drift.news(stream.state, "db", found(A)) is None
    reason, text = drift.told(stream.state)
    assert reason == "DriftFlapping"
    assert text.startswith("1 object differs from what was applied; not corrected any more, because each correction")
    assert text.endswith("(/data/x, by hpa)")
    assert drift.since_ms(stream.state) == stream.state.now_ms


def test_what_is_corrected_is_not_told_in_the_status():
    stream = ready()
    stream.fact(found(A), stage="db")
    assert drift.told(stream.state) == ("", "")


def test_what_is_only_warned_of_is_told():
    stream = ready()
    stream.fact(found(A, B, mode="Warn"), stage="db")
    reason, text = drift.told(stream.state)
    assert reason == "DriftDetected"
    assert text.startswith("2 objects differ from what was applied: ")
    assert text.count("(/data/x, by hpa)") == 2


# ── corrected ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_apply_had_to_change_was_corrected():
    stream = ready()
    stream.fact(found(A), stage="db")
    stream.fact(opened("db", trigger="drift"))
    applied = [e.Item(id=A, v="v1", action="configured"), e.Item(id=B, v="v1", action="unchanged")]
    draft = Draft(event=e.ApplyFinished(objects=applied), stage="db")
    while stream.state.pending is not None and stream.state.pending.operation != "apply":
        stream.answer()
    assert [item.id for item in drift.corrected(stream.state, draft)] == [A]
    assert drift.subjects(stream.state, applied[:1]).endswith("(/data/x, by hpa)")
    assert drift.corrected(ready().state, draft) == []
