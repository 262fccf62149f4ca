"""Metrics: what is counted, what is looked up, and that the series of a StageSet go with it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger import events as e
from ledger.chain import Head
from ledger.envelope import Draft
from ledger.errors import DiskFull, StaleEpoch
from ledger.log import Appended, Batch
from reconciler.adapters.metrics import STUCK_S, MeasuredJournal, Metrics, Sight
from reconciler.adapters.watches import WatchReport
from reconciler.ports.cluster import Scope
from reconciler.ports.hands import Target
from reconciler.ports.members import Observed
from reconciler.state import Failure, Render, Run, StagePlan, StageState, State
from reconciler.transitions import Phase

LABELS = ("namespace", "name", "stageset", "stage", "reason", "mode", "outcome")


class FakeMember:
    """A StageSet of two stages, the first of which is ready."""

    def __init__(self, name: str = "release", *, trigger: e.Trigger = "snapshot", manifests: str = "m1") -> None:
        self.target = Target("shop", name, "uid")
        self.head = Head()
        self.observed = Observed("shop", name, "uid", 1, "7", b"{}", "", False, (), "", (0, ""), {}, ("", ""))
        plans = tuple(
            StagePlan(name=stage, pin=e.Pin(stage=stage, source="s", digest="d"), digest="d", verify_timeout_ms=1)
            for stage in ("one", "two")
        )
        run = Run(
            id="r", trigger=trigger, snapshot="s", generation=1, opened_ms=0, spec={}, policy={}, plans=plans, done=1,
            stage="two", renders={"two": Render(manifests="m1", versions={}, digests={})},
        )  # fmt: skip
        stages = {name: StageState(name=name, manifests=manifests) for name in ("one", "two")}
        self.state = State(stream="x", phase=Phase.APPLIED, run=run, stages=stages)

    def inspected(self, *, drifted: bool) -> None:
        raise AssertionError("metrics only look")


def _shown(metrics: Metrics, *members: FakeMember, reports: tuple[WatchReport, ...] = ()) -> dict[str, Any]:
    metrics.look_at(Sight(members=lambda: members, busy=lambda: 2, watches=lambda: reports, builds=lambda: 3))
    return {
        ",".join(
            [sample.name.removeprefix("stageset_"), *(sample.labels[key] for key in LABELS if key in sample.labels)]
        ): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name.startswith("stageset_")
    }


def _apply(*actions: str, outcome: str = "ok") -> Draft:
    items = [e.Item(id=str(number), v="v1", action=action) for number, action in enumerate(actions)]
    return Draft(event=e.ApplyFinished(objects=items), stage="two", outcome=outcome)


def test_runs_are_counted_by_how_they_ended():
    metrics, member = Metrics(), FakeMember()
    failed = e.RunFailed(reason="StageFailed", message="")
    blocked = e.RunBlocked(reason="InvalidSpec", message="", generation=1)
    metrics.recorded(member, (Draft(event=e.RunSucceeded()), Draft(event=failed)))
    metrics.recorded(member, (Draft(event=failed), Draft(event=blocked), Draft(event=e.StageStarted())))
    shown = _shown(metrics, member)
    assert shown["reconcile_total,shop,release,Succeeded"] == 1
    assert shown["reconcile_total,shop,release,StageFailed"] == 2
    assert shown["reconcile_total,shop,release,InvalidSpec"] == 1


def test_applied_stages_are_counted_and_failed_ones_are_not():
    metrics, member = Metrics(), FakeMember()
    metrics.recorded(member, (_apply("created"), _apply("failed", outcome="failed")))
    assert _shown(metrics, member)["stage_applied_total,shop,release,two"] == 1


@pytest.mark.parametrize(
    ("member", "counted"),
    [
        (FakeMember(trigger="drift"), 2),
        (FakeMember(trigger="snapshot"), None),
        (FakeMember(trigger="drift", manifests="other variables"), None),
    ],
    ids=["drift", "new revision", "changed variables"],
)
def test_drift_is_what_had_to_be_changed_though_it_renders_the_same(member, counted):
    metrics = Metrics()
    metrics.recorded(member, (_apply("created", "configured", "unchanged"),))
    assert _shown(metrics, member).get("drift_corrected_total,shop,release,two") == counted


def test_readiness_of_stages_is_looked_up():
    shown = _shown(Metrics(), FakeMember())
    assert (shown["stage_ready,shop,release,one"], shown["stage_ready,shop,release,two"]) == (1, 0)


def test_watches_by_mode_builds_and_what_is_busy():
    reports = tuple(
        WatchReport(scope=Scope("v1", kind), mode=mode, subscribers=1, objects=0)
        for kind, mode in (("A", "watching"), ("B", "watching"), ("C", "polling"))
    )
    shown = _shown(Metrics(), reports=reports)
    assert {key: shown[f"watches,{key}"] for key in ("watching", "polling", "failing")} == {
        "watching": 2,
        "polling": 1,
        "failing": 0,
    }
    assert (shown["kustomize_builds_total"], shown["busy"]) == (3, 2)


@pytest.mark.parametrize("released", [True, False], ids=["released", "deleted without its finalizer"])
def test_the_series_of_a_stageset_go_with_it(released):
    metrics, member, other = Metrics(), FakeMember(), FakeMember("other")
    for one in (member, other):
        metrics.recorded(one, (Draft(event=e.RunSucceeded()), _apply("created")))
    if released:
        metrics.recorded(member, (Draft(event=e.StageSetReleased()),))
    shown = _shown(metrics, other, *([member] if released else []))
    assert not [key for key in shown if ",release," in key and "stage_ready" not in key]
    assert shown["reconcile_total,shop,other,Succeeded"] == 1


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (Failure(stage="one", operation="connect to target cluster", reason="Forbidden", message=""), "permanent"),
        (
            Failure(stage="one", operation="connect to target cluster", reason="Unauthorized", message=""),
            "unauthorized",
        ),
        (Failure(stage="one", operation="prune", reason="Terminating", message=""), "timed_out"),
        (None, "timed_out"),
    ],
)
def test_a_teardown_that_was_given_up_stays_counted(failure, why):
    metrics, member = Metrics(), FakeMember()
    member.state = msgspec.structs.replace(member.state, failure=failure, failures=3)
    left = [e.Item(id="shop_a__ConfigMap", v="v1")]
    metrics.recorded(member, (Draft(event=e.StageSetReleased(left=left)),))
    assert _shown(metrics)[f"teardown_force_drop_total,shop,release,{why}"] == 1


def test_nothing_is_shown_before_there_is_something_to_look_at():
    assert b"stageset_" not in Metrics().render()


class FakeJournal:
    """Answers appends with what a test says, when it says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.go = asyncio.Event()
        self.go.set()

    async def append(self, batch: Batch) -> Appended:
        await self.go.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def put_blob(self, chunks: bytes) -> str:
        return "sha256:" + chunks.decode()

    async def get_blob(self, digest: str) -> bytes | None:
        return digest.encode()


DONE = Appended(1, Head(), Head())
BATCH = Batch(stream="s", expected=0, epoch=1, at="", drafts=(Draft(event=e.StageStarted()),) * 3)


def test_appends_are_counted_timed_and_judged():
    async def run() -> None:
        metrics = Metrics()
        journal = MeasuredJournal(
            FakeJournal(DONE, DiskFull("l.db"), StaleEpoch(given=1, current=2), DONE), registry=metrics.registry
        )
        assert journal.problem == ""
        await journal.append(BATCH)
        with pytest.raises(DiskFull):
            await journal.append(BATCH)
        assert "l.db" in journal.problem
        with pytest.raises(StaleEpoch):
            await journal.append(BATCH)
        await journal.append(BATCH)
        assert journal.problem == ""
        shown = _shown(metrics)
        assert {key: shown[f"ledger_appends_total,{key}"] for key in ("ok", "failed", "refused")} == {
            "ok": 2,
            "failed": 1,
            "refused": 1,
        }
        assert shown["ledger_records_total"] == 6
        assert shown["ledger_append_seconds_count"] == 2
        assert await journal.put_blob(b"x") == "sha256:x"
        assert await journal.get_blob("d") == b"d"

    asyncio.run(run())


def test_an_append_that_does_not_come_back_is_a_problem(monkeypatch):
    async def run() -> None:
        loop = asyncio.get_running_loop()
        fake = FakeJournal(DONE)
        fake.go.clear()
        journal = MeasuredJournal(fake, registry=Metrics().registry)
        task = asyncio.ensure_future(journal.append(BATCH))
        await asyncio.sleep(0)
        assert journal.problem == ""
        later = loop.time() + STUCK_S + 1
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda: later)
            assert "has not come back" in journal.problem
        fake.go.set()
        await task
        assert journal.problem == ""

    asyncio.run(run())


def test_a_standby_shows_that_it_does_not_lead():
    metrics, leads = Metrics(), [False]
    metrics.leads(lambda: leads[0])
    assert "\nstageset_leader 0.0\n" in metrics.render().decode()
    leads[0] = True
    assert "\nstageset_leader 1.0\n" in metrics.render().decode()
