"""Deletion: preconditions, finalizers, cascades, namespaces."""

from __future__ import annotations

from reconciler.errors import AlreadyExists, Conflict, Forbidden, Invalid, NoSuchKind, NotFound
from reconciler.ports.cluster import Object, Ref, Scope
from tests.contract.bench import Bench, config, config_ref, deployment, deployment_ref, eventually, gone, refused

HOLD = "example.test/hold"


async def delete_removes(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a"))
    await bench.cluster.delete(config_ref(bench, "a"))
    await refused(NotFound, bench.cluster.get(config_ref(bench, "a")))
    error = await refused(NotFound, bench.cluster.delete(config_ref(bench, "a")))
    assert error.message == 'configmaps "a" not found'


async def preconditions_are_kept(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    ref = config_ref(bench, "a")
    error = await refused(Conflict, bench.cluster.delete(ref, uid="00000000-0000-4000-8000-ffffffffffff"))
    assert error.message == (
        'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition '
        f"(00000000-0000-4000-8000-ffffffffffff) does not match the UID in record ({made['metadata']['uid']}). "
        "The object might have been deleted and then recreated"
    )
    error = await refused(Conflict, bench.cluster.delete(ref, resource_version="1"))
    assert "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record" in error.message
    meta = made["metadata"]
    await bench.cluster.delete(ref, uid=meta["uid"], resource_version=meta["resourceVersion"])
    await refused(NotFound, bench.cluster.get(ref))


async def finalizers_hold(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a", finalizers=[HOLD]))
    ref = config_ref(bench, "a")
    await bench.cluster.delete(ref)
    held = await bench.cluster.get(ref)
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["uid"] == made["metadata"]["uid"]
    await bench.cluster.delete(ref)
    assert (await bench.cluster.get(ref))["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
    error = await refused(AlreadyExists, bench.cluster.create(config(bench, "a")))
    assert error.message == 'object is being deleted: configmaps "a" already exists'
    more = {"metadata": {"finalizers": [HOLD, "example.test/more"]}}
    error = await refused(Invalid, bench.cluster.patch(ref, more, type="merge"))
    assert "no new finalizers can be added if the object is being deleted" in error.message
    last = await bench.cluster.patch(ref, {"metadata": {"finalizers": None}}, type="merge")
    assert last["metadata"]["uid"] == made["metadata"]["uid"]
    await refused(NotFound, bench.cluster.get(ref))


async def _owned(bench: Bench, owner: Object, name: str, *, block: bool = True) -> None:
    meta = owner["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"]}
    reference |= {"blockOwnerDeletion": True, "controller": True} if block else {}
    await bench.cluster.create(config(bench, name, ownerReferences=[reference]))


async def background_deletes_dependents_afterwards(bench: Bench) -> None:
    owner = await bench.cluster.create(config(bench, "owner"))
    await _owned(bench, owner, "child")
    await bench.cluster.delete(config_ref(bench, "owner"), cascade="Background")
    await refused(NotFound, bench.cluster.get(config_ref(bench, "owner")))
    await gone(bench, config_ref(bench, "child"))


async def foreground_deletes_dependents_first(bench: Bench) -> None:
    owner = await bench.cluster.create(config(bench, "owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"],
                 "blockOwnerDeletion": True}  # fmt: skip
    await bench.cluster.create(config(bench, "child", ownerReferences=[reference], finalizers=[HOLD]))
    await bench.cluster.delete(config_ref(bench, "owner"), cascade="Foreground")

    async def child() -> Object:
        return await bench.cluster.get(config_ref(bench, "child"))

    await eventually(bench, child, lambda obj: "deletionTimestamp" in obj["metadata"])
    waiting = await bench.cluster.get(config_ref(bench, "owner"))
    assert "foregroundDeletion" in waiting["metadata"]["finalizers"]
    await bench.cluster.patch(config_ref(bench, "child"), {"metadata": {"finalizers": None}}, type="merge")
    await gone(bench, config_ref(bench, "child"))
    await gone(bench, config_ref(bench, "owner"))


async def orphan_leaves_dependents(bench: Bench) -> None:
    owner = await bench.cluster.create(config(bench, "owner"))
    await _owned(bench, owner, "child")
    await bench.cluster.delete(config_ref(bench, "owner"), cascade="Orphan")
    await gone(bench, config_ref(bench, "owner"))
    child = await bench.cluster.get(config_ref(bench, "child"))
    assert "ownerReferences" not in child["metadata"]


async def dependents_of_nobody_are_collected(bench: Bench) -> None:
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-4000-8000-ffffffffffff"}}
    await _owned(bench, ghost, "child", block=False)
    await gone(bench, config_ref(bench, "child"))


async def two_owners_both_must_go(bench: Bench) -> None:
    owners = [await bench.cluster.create(config(bench, name)) for name in ("one", "two")]
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        for owner in owners
    ]
    await bench.cluster.create(config(bench, "child", ownerReferences=references))
    await bench.cluster.delete(config_ref(bench, "one"))

    async def child() -> Object:
        return await bench.cluster.get(config_ref(bench, "child"))

    await eventually(bench, child, lambda obj: len(obj["metadata"]["ownerReferences"]) == 1)
    await bench.cluster.delete(config_ref(bench, "two"))
    await gone(bench, config_ref(bench, "child"))


async def deployments_take_their_pods_along(bench: Bench) -> None:
    await bench.cluster.create(deployment(bench, replicas=2))
    pods = Scope("v1", "Pod", bench.namespace, label_selector="app=web")

    async def count() -> int:
        return len((await bench.cluster.list(pods)).items)

    await eventually(bench, count, lambda found: found == 2)
    await bench.cluster.delete(deployment_ref(bench))
    await eventually(bench, count, lambda found: found == 0)


async def claims_are_protected_while_used(bench: Bench) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": bench.namespace},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "none",
        },
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "user", "namespace": bench.namespace, "annotations": bench.behaviour(outcome="never")},
        "spec": {
            "containers": [{"name": "c", "image": "example.test/c:1"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
            # Not scheduled: that needs a volume. It uses the claim all the same once it is on a node.
            "nodeName": "node-1",
        },
    }
    made = await bench.cluster.create(claim)
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    await bench.cluster.create(pod)
    ref = Ref("v1", "PersistentVolumeClaim", bench.namespace, "c")
    await bench.cluster.delete(ref)
    assert "deletionTimestamp" in (await bench.cluster.get(ref))["metadata"]
    await bench.cluster.delete(Ref("v1", "Pod", bench.namespace, "user"))
    await gone(bench, ref)


async def namespaces_take_everything_along(bench: Bench) -> None:
    name = f"{bench.namespace}-inner"[-63:].strip("-")
    await bench.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    obj = config(bench, "a", finalizers=[HOLD])
    obj["metadata"]["namespace"] = name
    await bench.cluster.create(obj)
    free = config(bench, "b")
    free["metadata"]["namespace"] = name
    await bench.cluster.create(free)
    space, inside = Ref("v1", "Namespace", "", name), Ref("v1", "ConfigMap", name, "a")
    await bench.cluster.delete(space)
    assert (await bench.cluster.get(space))["status"]["phase"] == "Terminating"
    await gone(bench, Ref("v1", "ConfigMap", name, "b"))
    late = config(bench, "c")
    late["metadata"]["namespace"] = name
    error = await refused(Forbidden, bench.cluster.create(late))
    assert f"unable to create new content in namespace {name} because it is being terminated" in error.message
    assert error.causes[0]["reason"] == "NamespaceTerminating"
    await bench.cluster.patch(inside, {"metadata": {"finalizers": None}}, type="merge")
    await gone(bench, space)


async def deletion_of_an_unknown_kind(bench: Bench) -> None:
    await refused(NoSuchKind, bench.cluster.delete(Ref("nope.example/v1", "Nope", bench.namespace, "x")))
