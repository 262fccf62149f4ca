from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.types.stage import ReadyExpression
from reconciler.compute.assess import NAMED_MAX, Assessment, Targets, assess, targets_of
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Object, Ref

NOW_MS = 1_700_000_000_000
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
PHASE = ReadyExpression(
    api_version="example.com/v1beta1",
    kind="Widget",
    current="status.phase == 'Done'",
    in_progress="status.phase == 'Busy'",
    failed="status.phase == 'Broken'",
)


def config(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}}


def deployment(available: int, reason: str = "NewReplicaSetAvailable") -> Object:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": available, "readyReplicas": available}
    conditions = [
        {"type": "Progressing", "status": "True", "reason": reason},
        {"type": "Available", "status": "True"},
    ]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n"},
        "spec": {"replicas": 2},
        "status": {**counts, "conditions": conditions},
    }


def widget(phase: str = "", **status: Any) -> Object:
    status |= {"phase": phase} if phase else {}
    metadata = {"name": "w", "namespace": "n"}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "status": status}


def judge(
    *live: Object, exprs: tuple[ReadyExpression, ...] = (), disable_wait: bool = False, **rest: Any
) -> Assessment:
    refs = [ref_of(obj) for obj in live]
    targets = targets_of(refs, checks=(), exprs=exprs, disable_wait=disable_wait)
    return assess(dict(zip(refs, live, strict=True)), targets=targets, now_ms=NOW_MS, **rest)


def test_all_current_is_done() -> None:
    verdict = judge(config("a"), deployment(2))
    assert (verdict.done, verdict.ready, verdict.total, verdict.message) == (True, 2, 2, "2 of 2 objects ready")


def test_nothing_to_wait_for_is_done() -> None:
    assert judge() == Assessment(done=True, ready=0, total=0, message="no object to wait for")
    assert judge(deployment(0), disable_wait=True).done


def test_pending_objects_are_named_with_their_counts() -> None:
    verdict = judge(config("a"), deployment(1))
    assert not verdict.done
    assert not verdict.failed
    assert verdict.message == "1 of 2 objects ready; not ready: Deployment n/web: 1 of 2 replicas available"


def test_one_failed_object_fails_the_whole_and_comes_first() -> None:
    verdict = judge(widget(observedGeneration=1), deployment(0, "ProgressDeadlineExceeded"), exprs=(PHASE,))
    assert [u.ref.kind for u in verdict.failed] == ["Deployment"]
    assert verdict.message == (
        "0 of 2 objects ready; failed: Deployment n/web: made no progress for 600 s (ProgressDeadlineExceeded):"
        " 0 of 2 replicas available; not ready: Widget n/w: its current expression is not true"
        " (there is no field phase): status.phase == 'Done'"
    )


def test_missing_unread_and_unreadable_objects_are_pending() -> None:
    refs = (Ref("v1", "ConfigMap", "n", "gone"), Ref("v1", "ConfigMap", "n", "late"), Ref("v1", "Pod", "n", "secret"))
    verdict = assess(
        {refs[0]: None}, targets=Targets(wait=refs), now_ms=NOW_MS, unreadable={refs[2]: "pods is forbidden"}
    )
    assert [(u.status, u.reason, u.message) for u in verdict.pending] == [
        ("NotFound", "NotFound", "not found"),
        ("InProgress", "Unread", "has not been read yet"),
        ("InProgress", "Unreadable", "cannot be read: pods is forbidden"),
    ]


def test_expressions_judge_by_group_and_kind_and_in_addition_to_kstatus() -> None:
    assert judge(widget("Done"), exprs=(PHASE,)).done
    assert judge(widget("Done"), exprs=(PHASE,), disable_wait=True).done
    assert not judge(widget("Busy"), exprs=(PHASE,), disable_wait=True).done
    ready = [{"type": "Ready", "status": "False", "reason": "No"}]
    verdict = judge(widget("Done", conditions=ready), exprs=(PHASE,))
    assert [u.reason for u in verdict.pending] == ["No"]


def test_an_expression_can_fail_an_object_at_once() -> None:
    verdict = judge(widget("Broken"), exprs=(PHASE,))
    assert verdict.failed[0].message == "its failed expression is true: status.phase == 'Broken'"


def test_in_progress_is_told() -> None:
    assert judge(widget("Busy"), exprs=(PHASE,)).in_progress
    assert not judge(widget("Idle"), exprs=(PHASE,)).in_progress


def test_without_a_current_expression_progress_decides() -> None:
    only = ReadyExpression(api_version="example.com/v1", kind="Widget", in_progress="status.phase == 'Busy'")
    assert judge(widget("Idle"), exprs=(only,)).done
    assert judge(widget("Busy"), exprs=(only,)).pending[0].reason == "InProgressExpression"


def test_checks_come_after_the_applied_objects_and_each_object_once() -> None:
    a, b = Ref("v1", "Pod", "n", "a"), Ref("v1", "Pod", "n", "b")
    assert targets_of([b], checks=[a, b], exprs=[], disable_wait=False).refs == (b, a)
    assert targets_of([b], checks=[a], exprs=[], disable_wait=True).refs == (a,)


def test_the_message_is_bounded_and_says_how_much_it_leaves_out() -> None:
    refs = tuple(Ref("v1", "Pod", "n", f"p{i}") for i in range(500))
    verdict = assess(dict.fromkeys(refs), targets=Targets(wait=refs), now_ms=NOW_MS)
    assert verdict.message.count("not found") == NAMED_MAX
    assert verdict.message.endswith("; and 490 more")
    assert len(verdict.pending) == 500


def test_the_earliest_recheck_wins() -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": stamp, "creationTimestamp": stamp},
            "status": {"phase": "Pending", "conditions": [UNSCHEDULABLE]},
        }
        for stamp in ("2023-11-14T22:13:12Z", "2023-11-14T22:13:10Z")
    ]
    assert judge(*pods).recheck_ms == 5_000


def test_a_memo_changes_nothing_but_the_work() -> None:
    web, pod = deployment(1), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}}
    pod["metadata"]["creationTimestamp"] = "2023-11-14T22:13:10Z"
    pod["status"] = {"phase": "Pending", "conditions": [UNSCHEDULABLE]}
    refs = (ref_of(web), ref_of(pod))
    targets, memo = Targets(wait=refs), dict[Any, Any]()
    objects = dict(zip(refs, (web, pod), strict=True))
    for now_ms in (NOW_MS, NOW_MS + 1_000, NOW_MS + 60_000):
        assert assess(objects, targets=targets, now_ms=now_ms, memo=memo) == assess(
            objects, targets=targets, now_ms=now_ms
        )
    kept = memo[refs[0]]
    objects[refs[0]] = deployment(2)
    assert assess(objects, targets=targets, now_ms=NOW_MS, memo=memo).ready == 1
    assert memo[refs[0]] != kept


@given(phases=st.lists(st.sampled_from(["Done", "Busy", "Broken", ""]), max_size=6))
def test_counts_always_add_up(phases: list[str]) -> None:
    live = [{**widget(p), "metadata": {"name": f"w{i}", "namespace": "n"}} for i, p in enumerate(phases)]
    verdict = judge(*live, exprs=(PHASE,))
    assert verdict.ready + len(verdict.failed) + len(verdict.pending) == verdict.total == len(phases)
    assert verdict.done == (verdict.ready == verdict.total)
