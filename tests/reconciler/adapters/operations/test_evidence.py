from __future__ import annotations

import asyncio
import json
from typing import Any

from reconciler import errors
from reconciler.adapters.operations.evidence import BYTES_MAX, EVENTS_MAX, OBJECTS_MAX, PODS_MAX, evidence_of, headline
from reconciler.compute.assess import Assessment, Targets, assess
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Object
from tests.reconciler.adapters.operations.scripted import Scripted

NOW_MS = 1_700_000_000_000
APP = {"app": "web"}


def owned(kind: str, name: str, owner: str, **rest: Any) -> Object:
    owners = [{"apiVersion": "apps/v1", "kind": "X", "name": owner, "uid": f"uid-{owner}", "controller": True}]
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": APP, "ownerReferences": owners}
    return {"apiVersion": "apps/v1" if kind == "ReplicaSet" else "v1", "kind": kind, "metadata": metadata, **rest}


def deployment(name: str = "web") -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
    spec = {"replicas": 2, "selector": {"matchLabels": APP}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": spec,
        "status": {"replicas": 2},
    }


def pod(name: str, owner: str = "rs", *, ready: bool = False) -> Object:
    env = [{"name": "PASSWORD", "value": "hunter2"}]
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "could not log in with hunter2"}}
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [{"name": "app", "restartCount": 2, "state": state, "lastState": last}],
    }
    return owned("Pod", name, owner, spec={"containers": [{"name": "app", "env": env}]}, status=status)


def event(name: str, regarding: str, minute: int, **rest: Any) -> Object:
    made: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "type": "Warning",
        "reason": "BackOff",
        "message": f"event {name}",
        "count": 2,
        "lastTimestamp": f"2023-11-14T22:{minute:02d}:00Z",
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": regarding, "uid": f"uid-{regarding}"},
    }
    return made | rest


def gather(cluster: Scripted, *objects: Object, **options: Any) -> dict[str, Any]:
    refs = {ref_of(o): o for o in objects}
    verdict: Assessment = assess(refs, targets=Targets(wait=tuple(refs)), now_ms=NOW_MS)
    return asyncio.run(evidence_of(cluster, verdict, objects=refs, **options))


def test_a_failing_deployment_is_explained_by_its_pods_and_their_events() -> None:
    web = deployment()
    cluster = Scripted(
        web,
        owned("ReplicaSet", "rs", "web"),
        owned("ReplicaSet", "foreign", "other"),
        pod("p-fine", ready=True),
        pod("p-bad"),
        pod("p-foreign", "foreign"),
        event("e-old", "p-bad", 1),
        event("e-new", "p-bad", 5),
        event("e-foreign", "p-foreign", 6),
        event("e-normal", "p-bad", 7, type="Normal"),
    )
    found = gather(cluster, web)
    assert [(o["object"], o["message"]) for o in found["objects"]] == [
        ("Deployment shop/web", "0 of 2 replicas updated")
    ]
    assert found["objects"][0]["live"]["status"] == {"replicas": 2}
    assert [p["metadata"]["name"] for p in found["pods"]] == ["p-bad", "p-fine"]
    container = found["pods"][0]["status"]["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert [(e["note"], e["regarding"], e["count"]) for e in found["events"]] == [
        ("event e-new", "Pod shop/p-bad", 2),
        ("event e-old", "Pod shop/p-bad", 2),
    ]
    assert set(found) == {"objects", "pods", "events"}


def test_nothing_secret_is_kept() -> None:
    web = deployment()
    cluster = Scripted(web, owned("ReplicaSet", "rs", "web"), pod("p"), event("e", "p", 1, message="hunter2 refused"))
    found = gather(cluster, web, scrub=lambda words: words.replace("hunter2", "***"))
    assert "hunter2" not in json.dumps(found)
    assert "PASSWORD" not in json.dumps(found)
    assert found["events"][0]["note"] == "*** refused"


def test_events_in_their_new_form_and_about_objects_by_name() -> None:
    web = deployment()
    new_form: Object = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "n", "namespace": "shop"},
        "type": "Warning",
        "reason": "FailedCreate",
        "note": "quota",
        "series": {"count": 9, "lastObservedTime": "2023-11-14T22:13:20.000000Z"},
        "regarding": {"kind": "Deployment", "namespace": "shop", "name": "web"},
    }
    cluster = Scripted(web, new_form)
    cluster.kinds = (cluster.kinds - {("v1", "Event")}) | {("events.k8s.io/v1", "Event")}
    assert gather(cluster, web)["events"] == [
        {
            "regarding": "Deployment shop/web",
            "reason": "FailedCreate",
            "note": "quota",
            "count": 9,
            "last": "2023-11-14T22:13:20.000000Z",
        }
    ]


def test_items_and_bytes_are_bounded_and_what_is_left_out_is_counted() -> None:
    web = deployment()
    pods = [pod(f"p{i:03d}") for i in range(40)]
    events = [event(f"e{i:03d}", "p000", i % 60, message="x" * 5000) for i in range(200)]
    others = [deployment(f"d{i}") for i in range(20)]
    found = gather(Scripted(web, owned("ReplicaSet", "rs", "web"), *pods, *events), web, *others)
    assert [len(found[k]) for k in ("objects", "pods", "events")] == [OBJECTS_MAX, PODS_MAX, EVENTS_MAX]
    assert found["leftOut"] == {"objects": 11, "pods": 30, "events": 180}
    huge = [pod(f"p{i}") for i in range(10)]
    for one in huge:
        one["status"]["containerStatuses"] = [
            {"name": f"c{n}", "state": {"waiting": {"message": "m" * 600}}} for n in range(16)
        ]
    found = gather(Scripted(web, owned("ReplicaSet", "rs", "web"), *huge, *events), web)
    assert len(json.dumps(found)) < BYTES_MAX * 1.1
    assert len(found["objects"]) == 1
    assert 0 < len(found["pods"]) < 10
    assert found["leftOut"]["pods"] == 10 - len(found["pods"])


def test_what_cannot_be_read_is_a_note() -> None:
    cluster = Scripted(deployment())
    cluster.before = lambda verb, what: errors.Forbidden(f"{what.kind} is forbidden") if verb == "list" else None
    assert gather(cluster, deployment())["notes"] == [
        "the Pods of Deployment shop/web could not be read: Pod is forbidden",
        "the Events in namespace shop could not be read: Event is forbidden",
    ]


def test_where_replica_sets_cannot_be_read_the_selector_decides() -> None:
    cluster = Scripted(deployment(), pod("p"))
    cluster.before = lambda verb, what: errors.Forbidden("no") if what.kind == "ReplicaSet" else None
    assert len(gather(cluster, deployment())["pods"]) == 1


def test_a_pod_speaks_for_itself_and_a_missing_object_has_no_state() -> None:
    lone = pod("p")
    found = gather(Scripted(lone), lone)
    assert [p["metadata"]["name"] for p in found["pods"]] == ["p"]
    ref = ref_of(deployment())
    verdict = assess({ref: None}, targets=Targets(wait=(ref,)), now_ms=NOW_MS)
    found = asyncio.run(evidence_of(Scripted(), verdict, objects={ref: None}))
    assert found["objects"][0]["status"] == "NotFound"
    assert "live" not in found["objects"][0]


def test_the_headline_is_the_most_telling_line() -> None:
    web, bad = deployment(), pod("p")
    cluster = Scripted(web, owned("ReplicaSet", "rs", "web"), bad, event("e", "p", 1))
    assert headline(gather(cluster, web)) == "container app of Pod shop/p exited with code 3 (Error)"
    del bad["status"]["containerStatuses"][0]["lastState"]
    bad["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    cluster = Scripted(web, owned("ReplicaSet", "rs", "web"), bad, event("e", "p", 1))
    assert headline(gather(cluster, web)) == "container app of Pod shop/p cannot start: ErrImagePull: no such image"
    bad["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    cluster = Scripted(web, owned("ReplicaSet", "rs", "web"), bad, event("e", "p", 1))
    assert headline(gather(cluster, web)) == "Pod shop/p: BackOff: event e"
    assert headline({}) == ""
