"""Server-side apply: ownership, conflicts, removal, lists by key (KEP-555)."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import BadRequest, ClusterError, Conflict, Invalid, NotFound
from reconciler.ports.cluster import Object, Ref
from tests.contract.bench import Bench, config, config_ref, deployment, deployment_ref, refused


def _owned(obj: Object, manager: str, operation: str = "Apply") -> Any:
    for entry in obj["metadata"].get("managedFields") or ():
        if (entry["manager"], entry["operation"]) == (manager, operation):
            return entry["fieldsV1"]
    return None


async def apply_creates_and_owns(bench: Bench) -> None:
    made = await bench.cluster.apply(config(bench, "a", labels={"x": "y"}), manager="one")
    assert made["data"] == {"a": "1"}
    assert _owned(made, "one") == {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}
    entry = made["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["fieldsType"]) == ("v1", "FieldsV1")


async def equal_apply_writes_nothing(bench: Bench) -> None:
    for obj in (config(bench, "a"), deployment(bench)):
        one = await bench.cluster.apply(obj, manager="one")
        two = await bench.cluster.apply(obj, manager="one")
        assert two["metadata"]["managedFields"][0] == one["metadata"]["managedFields"][0]
        assert two["metadata"].get("generation") == one["metadata"].get("generation")
    one = await bench.cluster.apply(config(bench, "a"), manager="one")
    two = await bench.cluster.apply(config(bench, "a"), manager="one")
    assert two["metadata"]["resourceVersion"] == one["metadata"]["resourceVersion"]


async def apply_changes_and_bumps(bench: Bench) -> None:
    one = await bench.cluster.apply(deployment(bench, replicas=1), manager="one")
    two = await bench.cluster.apply(deployment(bench, replicas=2), manager="one")
    assert two["metadata"]["resourceVersion"] != one["metadata"]["resourceVersion"]
    assert two["metadata"]["generation"] == 2
    assert two["metadata"]["uid"] == one["metadata"]["uid"]


async def fields_no_longer_applied_go(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1", "y": "2"}, labels={"l": "1"}), manager="one")
    made = await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one")
    assert made["data"] == {"x": "1"}
    assert "labels" not in made["metadata"]
    assert _owned(made, "one") == {"f:data": {"f:x": {}}}


async def fields_of_others_stay(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one")
    made = await bench.cluster.apply(config(bench, "a", {"y": "2"}), manager="two")
    assert made["data"] == {"x": "1", "y": "2"}
    made = await bench.cluster.apply(config(bench, "a", {}), manager="one")
    assert made["data"] == {"y": "2"}


async def shared_fields_stay_until_the_last_owner_leaves(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one")
    await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="two", force=False)
    made = await bench.cluster.apply(config(bench, "a", {}), manager="one")
    assert made["data"] == {"x": "1"}
    made = await bench.cluster.apply(config(bench, "a", {}), manager="two")
    assert not made.get("data")


async def conflicts_name_manager_and_field(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one")
    error = await refused(Conflict, bench.cluster.apply(config(bench, "a", {"x": "2"}), manager="two", force=False))
    assert error.message == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert error.causes == [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}]
    await bench.cluster.apply(config(bench, "a", {"x": "1", "y": "1"}), manager="one")
    error = await refused(
        Conflict, bench.cluster.apply(config(bench, "a", {"x": "2", "y": "2"}), manager="two", force=False)
    )
    assert error.message == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.x\n- .data.y'


async def force_takes_the_field(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1", "y": "1"}), manager="one")
    made = await bench.cluster.apply(config(bench, "a", {"x": "2"}), manager="two", force=True)
    assert made["data"] == {"x": "2", "y": "1"}
    assert _owned(made, "one") == {"f:data": {"f:y": {}}}
    assert _owned(made, "two") == {"f:data": {"f:x": {}}}
    made = await bench.cluster.apply(config(bench, "a", {"y": "1"}), manager="one")
    assert made["data"] == {"x": "2", "y": "1"}


async def updates_take_ownership_and_conflict(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", {"x": "1", "y": "1"}), manager="one")
    ref = config_ref(bench, "a")
    made = await bench.cluster.patch(ref, {"data": {"x": "2"}}, type="merge", manager="hand")
    assert _owned(made, "hand", "Update") == {"f:data": {"f:x": {}}}
    assert _owned(made, "one") == {"f:data": {"f:y": {}}}
    error = await refused(
        Conflict, bench.cluster.apply(config(bench, "a", {"x": "1", "y": "1"}), manager="one", force=False)
    )
    assert 'conflict with "hand" using v1' in error.message
    assert error.causes[0]["field"] == ".data.x"


async def same_name_updating_and_applying_are_two_managers(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a"))
    ref = config_ref(bench, "a")
    await bench.cluster.patch(ref, {"data": {"a": "2"}}, type="merge", manager="me")
    await refused(Conflict, bench.cluster.apply(config(bench, "a", {"a": "3"}), manager="me", force=False))


async def creators_own_what_they_create(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a", labels={"x": "y"}))
    entry = made["metadata"]["managedFields"][0]
    assert entry["operation"] == "Update"
    assert entry["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}, "f:metadata": {"f:labels": {".": {}, "f:x": {}}}}


async def dry_run_shows_and_writes_nothing(bench: Bench) -> None:
    made = await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one", dry_run=True)
    assert made["data"] == {"x": "1"}
    await refused(NotFound, bench.cluster.get(config_ref(bench, "a")))
    real = await bench.cluster.apply(config(bench, "a", {"x": "1"}), manager="one")
    made = await bench.cluster.apply(config(bench, "a", {"x": "2"}), manager="one", dry_run=True)
    assert made["data"] == {"x": "2"}
    assert await bench.cluster.get(config_ref(bench, "a")) == real


async def dry_run_finds_what_would_be_refused(bench: Bench) -> None:
    await bench.cluster.apply(deployment(bench), manager="one")
    other = deployment(bench, selector={"matchLabels": {"app": "web", "x": "y"}})
    other["spec"]["template"]["metadata"]["labels"]["x"] = "y"
    error = await refused(Invalid, bench.cluster.apply(other, manager="one", dry_run=True))
    assert "field is immutable" in error.message


def _containers(obj: Object) -> dict[str, Object]:
    return {item["name"]: item for item in obj["spec"]["template"]["spec"]["containers"]}


async def containers_and_env_merge_by_name(bench: Bench) -> None:
    obj = deployment(bench)
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
    await bench.cluster.apply(obj, manager="one")
    side: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": bench.namespace},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "side", "image": "example.test/side:1"},
                        {"name": "web", "env": [{"name": "B", "value": "2"}]},
                    ]
                }
            }
        },
    }
    made = await bench.cluster.apply(side, manager="two", force=False)
    found = _containers(made)
    assert list(found) == ["side", "web"] or list(found) == ["web", "side"]
    assert [item["name"] for item in found["web"]["env"]] in (["A", "B"], ["B", "A"])
    side["spec"]["template"]["spec"]["containers"] = [{"name": "side", "image": "example.test/side:2"}]
    made = await bench.cluster.apply(side, manager="two", force=False)
    assert [item["name"] for item in _containers(made)["web"]["env"]] == ["A"]
    made = await bench.cluster.apply({**side, "spec": {}}, manager="two", force=False)
    assert list(_containers(made)) == ["web"]


async def list_order_follows_the_applier(bench: Bench) -> None:
    obj = deployment(bench)
    env = [{"name": name, "value": "1"} for name in ("A", "B", "C")]
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = env
    await bench.cluster.apply(obj, manager="one")
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [env[2], {"name": "D", "value": "1"}, env[0]]
    made = await bench.cluster.apply(obj, manager="one")
    assert [item["name"] for item in _containers(made)["web"]["env"]] == ["C", "D", "A"]


async def ports_merge_by_port_and_default_protocol(bench: Bench) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": bench.namespace},
        "spec": {"ports": [{"name": "a", "port": 80}]},
    }
    await bench.cluster.apply(service, manager="one")
    service["spec"] = {"ports": [{"name": "b", "port": 81, "protocol": "UDP"}]}
    made = await bench.cluster.apply(service, manager="two", force=False)
    assert sorted((port["port"], port["protocol"]) for port in made["spec"]["ports"]) == [(80, "TCP"), (81, "UDP")]
    owned = _owned(made, "one")["f:spec"]["f:ports"]
    assert list(owned) == ['k:{"port":80,"protocol":"TCP"}']
    service["spec"] = {"ports": [{"name": "a", "port": 80, "targetPort": 8080}]}
    made = await bench.cluster.apply(service, manager="one")
    assert sorted(port["port"] for port in made["spec"]["ports"]) == [80, 81]
    obj = deployment(bench)
    obj["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80}]
    await bench.cluster.apply(obj, manager="one")
    obj["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "name": "http"}]
    made = await bench.cluster.apply(obj, manager="one")
    assert _containers(made)["web"]["ports"] == [{"containerPort": 80, "name": "http", "protocol": "TCP"}]


async def atomic_lists_are_replaced(bench: Bench) -> None:
    obj = deployment(bench)
    obj["spec"]["template"]["spec"]["containers"][0]["args"] = ["a", "b"]
    await bench.cluster.apply(obj, manager="one")
    other = deployment(bench)
    other["spec"]["template"]["spec"]["containers"][0]["args"] = ["c"]
    error = await refused(Conflict, bench.cluster.apply(other, manager="two", force=False))
    assert error.causes[0]["field"] == '.spec.template.spec.containers[name="web"].args'
    made = await bench.cluster.apply(other, manager="two", force=True)
    assert _containers(made)["web"]["args"] == ["c"]


async def unset_fields_fall_back_to_defaults(bench: Bench) -> None:
    await bench.cluster.apply(deployment(bench, replicas=3), manager="one")
    made = await bench.cluster.apply(deployment(bench), manager="one")
    assert made["spec"]["replicas"] == 1


async def replicas_may_belong_to_another(bench: Bench) -> None:
    await bench.cluster.apply(deployment(bench), manager="one")
    await bench.cluster.patch(deployment_ref(bench), {"spec": {"replicas": 4}}, type="merge", manager="scaler")
    made = await bench.cluster.apply(deployment(bench), manager="one", force=True)
    assert made["spec"]["replicas"] == 4


async def finalizers_and_owners_merge(bench: Bench) -> None:
    await bench.cluster.apply(config(bench, "a", finalizers=["example.test/one"]), manager="one")
    made = await bench.cluster.apply(config(bench, "a", finalizers=["example.test/two"]), manager="two")
    assert sorted(made["metadata"]["finalizers"]) == ["example.test/one", "example.test/two"]
    made = await bench.cluster.apply(config(bench, "a"), manager="two")
    assert made["metadata"]["finalizers"] == ["example.test/one"]
    made = await bench.cluster.apply(config(bench, "a"), manager="one")
    assert "finalizers" not in made["metadata"]


async def undeclared_fields_are_refused(bench: Bench) -> None:
    obj = deployment(bench, replicaz=3)
    error = await _any_refusal(bench.cluster.apply(obj, manager="one"))
    assert ".spec.replicaz: field not declared in schema" in error.message
    assert "failed to create typed patch object" in error.message
    error = await _any_refusal(bench.cluster.apply(deployment(bench, replicas="three"), manager="one"))
    assert ".spec.replicas: expected numeric (int or float), got string" in error.message
    error = await _any_refusal(bench.cluster.apply(config(bench, "a", labels={"x": 1}), manager="one"))
    assert ".metadata.labels.x: expected string, got &value.valueUnstructured{Value:1}" in error.message
    error = await _any_refusal(bench.cluster.apply(deployment(bench, template="x"), manager="one"))
    assert ".spec.template: expected map, got &{x}" in error.message
    twice = deployment(bench)
    twice["spec"]["template"]["spec"]["containers"] *= 2
    error = await _any_refusal(bench.cluster.apply(twice, manager="one"))
    assert 'duplicate entries for key [name="web"]' in error.message


async def _any_refusal(attempt: Any) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        await attempt
    return caught.value


async def managed_fields_cannot_be_applied(bench: Bench) -> None:
    made = await bench.cluster.apply(config(bench, "a"), manager="one")
    error = await refused(BadRequest, bench.cluster.apply(made, manager="one"))
    assert error.message == "metadata.managedFields must be nil"


async def stale_resource_version_is_refused(bench: Bench) -> None:
    made = await bench.cluster.apply(config(bench, "a"), manager="one")
    await bench.cluster.apply(config(bench, "a", {"a": "2"}), manager="one")
    stale = config(bench, "a", {"a": "3"}, resourceVersion=made["metadata"]["resourceVersion"])
    await refused(Conflict, bench.cluster.apply(stale, manager="one"))


async def a_uid_that_is_gone_is_refused(bench: Bench) -> None:
    stale = config(bench, "a", uid="00000000-0000-4000-8000-ffffffffffff")
    error = await refused(Conflict, bench.cluster.apply(stale, manager="one"))
    assert "uid mismatch" in error.message


async def config_maps_may_be_empty(bench: Bench) -> None:
    made = await bench.cluster.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": bench.namespace}},
        manager="one",
    )
    assert "managedFields" not in made["metadata"] or _owned(made, "one") in (None, {})
    assert await bench.cluster.get(Ref("v1", "ConfigMap", bench.namespace, "a"))
