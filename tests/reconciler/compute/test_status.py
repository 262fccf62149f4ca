"""`.status`: what people and tools read, for every situation that a StageSet can be in."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from ledger import events as e
from ledger.chain import Head
from ledger.instant import to_text
from reconciler.api.reasons import MESSAGE_CHARS_MAX, RUNBOOKS
from reconciler.compute.status import status_of
from tests.reconciler.actions.acting import Acted, http, with_actions
from tests.reconciler.making import START_MS, STREAM, Stream, items, opened, spec

CRD = Path(__file__).parents[3] / "deploy/crds/stages.metio.wtf_stagesets.yaml"
HEAD = Head(7, "sha256:" + "ab" * 32)
BOOK = f" (runbook: {RUNBOOKS}stagefailed/)"


def status(stream: Stream, *, generation: int = 1):
    return status_of(stream.state, generation=generation, head=HEAD)


def conditions(stream: Stream) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in status(stream)["conditions"]}


def phases(stream: Stream) -> dict[str, str]:
    return {stage["name"]: stage["phase"] for stage in status(stream)["stages"]}


def fresh() -> Stream:
    return Stream()


def running() -> Stream:
    stream = Stream()
    stream.fact(opened("db", "app"))
    return stream


def at(operation: str, name: str = "") -> Stream:
    return running().until(operation, name)


def ready() -> Stream:
    return running().rest()


def failed(*, retryable: bool = True) -> Stream:
    stream = at("apply", "app")
    stream.fail(retryable=retryable)
    return stream


def retrying() -> Stream:
    stream = failed()
    stream.fact(opened("db", "app", trigger="retry"))
    return stream.until("build", "db")


def suspended() -> Stream:
    stream = ready()
    stream.fact(e.OperatorSuspended())
    return stream


def held(reason: str) -> Stream:
    stream = ready()
    stream.fact(e.RunBlocked(reason=reason, message="why", generation=2))
    return stream


def tearing() -> Stream:
    stream = ready()
    stream.fact(opened(trigger="deletion", given=spec("db")))
    return stream.until("prune", "app")


INVALID = "InvalidSpec"
HELD_BOOK = f" (runbook: {RUNBOOKS}"
FAILURE = "stage app: apply: it broke"
AT_WORK = ("True", "Progressing")
TABLE = [
    # situation                             Ready                                        Reconciling    Stalled
    (fresh, ("Unknown", "Progressing", "waiting for the first run"), None, None),
    (running, ("Unknown", "Progressing", "stage db (1 of 2): connect to target cluster"), AT_WORK, None),
    (lambda: at("verify", "app"), ("Unknown", "Progressing", "stage app (2 of 2): verify"), AT_WORK, None),
    (ready, ("True", "Succeeded", "2 of 2 stages are ready"), None, None),
    (failed, ("False", "StageFailed", FAILURE + BOOK), AT_WORK, None),
    (lambda: failed(retryable=False), ("False", "StageFailed", FAILURE + BOOK), None, ("True", "StageFailed")),
    (retrying, ("False", "StageFailed", FAILURE + BOOK), AT_WORK, None),
    (suspended, ("False", "Suspended", "suspended: nothing is changed until spec.suspend is false"), None, None),
    (lambda: held("SourceNotReady"), ("False", "SourceNotReady", f"why{HELD_BOOK}sourcenotready/)"), AT_WORK, None),
    (lambda: held("Stalled"), ("False", "Stalled", f"why{HELD_BOOK}stalled/)"), None, ("True", "Stalled")),
    (lambda: held(INVALID), ("False", INVALID, f"why{HELD_BOOK}invalidspec/)"), None, ("True", INVALID)),
    (tearing, ("Unknown", "Progressing", "tearing down, 2 stages left"), AT_WORK, None),
]  # fmt: skip


@pytest.mark.parametrize(("situation", "ready", "reconciling", "stalled"), TABLE)
def test_conditions(situation, ready, reconciling, stalled):
    found = conditions(situation())
    assert found.pop("Ready") == ready
    # kstatus: Reconciling and Stalled are only there while they are true.
    assert {kind: value[:2] for kind, value in found.items()} == {
        kind: value for kind, value in (("Reconciling", reconciling), ("Stalled", stalled)) if value
    }


PHASES = [
    (running, {"db": "Applying", "app": "Pending"}),
    (lambda: at("fetch", "db"), {"db": "Applying", "app": "Pending"}),
    (lambda: at("build", "db"), {"db": "Applying", "app": "Pending"}),
    (lambda: at("apply", "db"), {"db": "Applying", "app": "Pending"}),
    (lambda: at("verify", "db"), {"db": "Verifying", "app": "Pending"}),
    (lambda: at("connect", "app"), {"db": "Ready", "app": "Applying"}),
    (ready, {"db": "Ready", "app": "Ready"}),
    (failed, {"db": "Ready", "app": "Failed"}),
    (retrying, {"db": "Applying", "app": "Failed"}),
    (suspended, {"db": "Ready", "app": "Ready"}),
    (tearing, {}),
]


@pytest.mark.parametrize(("situation", "expected"), PHASES)
def test_phases_of_stages(situation, expected):
    assert phases(situation()) == expected


def test_pruning_is_shown_while_it_happens():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db", "app"))
    stream.rest()
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", "app", revision="v2"))
    assert phases(stream.until("build", "app")) == {"db": "Pruning", "app": "Pending"}
    assert phases(stream.until("prune")) == {"db": "Pruning", "app": "Pending"}


def test_the_rest():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db", "app", requested_at="now"))
    stream.until("apply", "app").fail(objects=items("app", action="failed"))
    found = status(stream)
    assert found["lastHandledReconcileAt"] == "now"
    assert found["lastAttemptedRevisions"] == {"ExternalArtifact/shop/db": "v1", "ExternalArtifact/shop/app": "v1"}
    assert "lastAppliedRevisions" not in found
    assert found["ledger"] == {"stream": STREAM, "version": stream.state.version, "head": HEAD.hash}
    assert found["stages"] == [
        {"name": "db", "phase": "Ready", "appliedRevision": "v1", "entriesCount": 2},
        {"name": "app", "phase": "Failed", "entriesCount": 0, "message": "apply: it broke"},
    ]
    assert set(status(ready())["lastAppliedRevisions"]) == {"ExternalArtifact/shop/db", "ExternalArtifact/shop/app"}


def test_a_stage_that_was_not_reached_shows_the_revision_it_has():
    stream = ready()
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("apply", "db").fail()
    assert [(s["phase"], s["appliedRevision"]) for s in status(stream)["stages"]] == [
        ("Failed", "v1"),
        ("Pending", "v1"),
    ]
    assert status(stream)["lastAttemptedRevisions"]["ExternalArtifact/shop/db"] == "v2"
    assert status(stream)["lastAppliedRevisions"]["ExternalArtifact/shop/db"] == "v1"


def test_observed_generation_is_that_of_what_was_acted_on():
    assert status(fresh())["observedGeneration"] == 0
    assert status(ready(), generation=1)["observedGeneration"] == 1
    assert status(ready(), generation=2)["observedGeneration"] == 1
    assert status(held("InvalidSpec"), generation=2)["observedGeneration"] == 2
    # A generation that the API server does not show (any more) is never claimed.
    assert status(held("InvalidSpec"), generation=1)["observedGeneration"] == 1
    assert {c["observedGeneration"] for c in status(ready(), generation=5)["conditions"]} == {5}


def test_times_are_those_of_events_and_stay_while_nothing_changes():
    stream = ready()
    at_ms = to_text(START_MS)[:19] + "Z"
    assert {c["lastTransitionTime"] for c in status(stream)["conditions"]} == {at_ms}
    assert status(stream) == status(stream)
    stream = failed()
    red = status(stream)["conditions"][0]["lastTransitionTime"]
    stream.now_ms = stream.state.retry_ms
    stream.fact(opened("db", "app", trigger="retry"))
    assert status(stream)["conditions"][0]["lastTransitionTime"] == red


def test_messages_fit_into_the_api():
    stream = at("build", "db")
    stream.answer(e.BuildFinished(reason="Broken", message="é" * 50_000, retryable=True), outcome="failed")
    found = status(stream)
    ready = found["conditions"][0]["message"]
    assert len(ready) == MESSAGE_CHARS_MAX
    assert ready.endswith(BOOK)
    assert len(found["stages"][0]["message"]) <= 4096


def test_the_crd_keeps_every_field(crd_schema):
    for situation in (fresh, running, ready, failed, retrying, suspended, tearing, lambda: held("InvalidSpec")):
        unknown = _unknown(status(situation()), crd_schema)
        assert not unknown, unknown


@pytest.fixture
def crd_schema():

    crd = yaml.load(CRD.read_text(), Loader=yaml.CSafeLoader)
    return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]


def _unknown(value, schema, path="status") -> list[str]:
    if isinstance(value, list):
        return [one for item in value for one in _unknown(item, schema["items"], path)]
    if not isinstance(value, dict):
        return []
    if "additionalProperties" in schema:
        return []
    found = [f"{path}.{key}" for key in value if key not in schema.get("properties", {})]
    for key in value.keys() & schema.get("properties", {}).keys():
        found += _unknown(value[key], schema["properties"][key], f"{path}.{key}")
    return found


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def acted(**hooks) -> Acted:
    stream = Acted()
    stream.start(with_actions("db", **hooks), "app")
    return stream


def test_what_was_executed_is_shown_with_its_revision():
    stream = acted(pre=[http("one"), http("two")])
    stream.at("two")
    assert status(stream)["stages"][0]["executedActions"] == ["one"]
    stream.rest()
    shown = status(stream)["stages"][0]
    assert (shown["executedActions"], shown["ledgerRevision"]) == (["one", "two"], "v1")
    assert "executedActions" not in status(stream)["stages"][1]


def test_an_action_at_work_is_named():
    stream = acted(pre=[http("one", retries=1)], post=[http("check")])
    stream.at("one")
    assert conditions(stream)["Reconciling"][2] == "stage db (1 of 2): pre-action: one"
    stream.fail()
    assert conditions(stream)["Reconciling"][2] == "stage db (1 of 2): pre-action: one is tried again soon"


def test_a_post_action_is_a_part_of_verifying():
    stream = acted(post=[http("check")])
    stream.at("check")
    assert phases(stream)["db"] == "Verifying"


def test_a_failure_is_shown_while_what_follows_it_is_at_work():
    stream = acted(on_failure=[http("tell")])
    stream.until("verify").fail()
    assert phases(stream)["db"] == "Failed"
    assert conditions(stream)["Ready"][:2] == ("False", "StageFailed")


def test_what_is_held_is_listed():
    stream = acted(pre=[http("one")])
    stream.at("one").doubt()
    assert status(stream)["stages"][0]["heldActions"] == ["one"]
    assert "stagesetctl resolve rel -n shop" in conditions(stream)["Ready"][2]


def test_a_dirty_action_has_a_reason_of_its_own():
    stream = Acted()
    given = with_actions("db", pre=[http("seed", scope="Lifetime")])
    for _ in range(6):
        stream.start(given, trigger="retry")
        stream.rest() if len(stream.performed) == 5 else stream.at("seed").fail()
    assert conditions(stream)["Ready"][1] == "ActionDirty"


def test_requests_that_were_taken_up_are_shown():
    stream = acted()
    stream.rest()
    stream.fact(e.OperatorRequested(request="reconcile-stage", token="db@t1"))
    assert status(stream)["handledRequests"] == {"reconcile-stage": "db@t1"}
    assert [one.get("lastHandledReconcileAt") for one in status(stream)["stages"]] == ["db@t1", None]


def test_what_differs_is_told_and_stays_ready():
    stream = ready()
    (key,) = (one.id for one in items("db"))
    item = e.Item(id=key, v="v1", action="changed", message="/data/x, by hpa")
    stream.now_ms += 5_000
    stream.fact(e.DriftObserved(objects=[item], manager="hpa", mode="Warn"), stage="db")
    found = conditions(stream)
    text = "1 object differs from what was applied: ConfigMap/shop/db (/data/x, by hpa)"
    assert found["Ready"] == ("True", "Succeeded", f"2 of 2 stages are ready; {text}")
    assert found["Drifted"] == ("True", "DriftDetected", f"{text} (runbook: {RUNBOOKS}driftdetected/)")
    assert status(stream)["conditions"][-1]["lastTransitionTime"] == to_text(stream.now_ms)[:19] + "Z"
    assert "Stalled" not in found
    stream.fact(e.DriftObserved(objects=[replace(item, action="restored")], mode="Warn"), stage="db")
    assert set(conditions(stream)) == {"Ready"}
