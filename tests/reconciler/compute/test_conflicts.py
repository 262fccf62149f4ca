from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reconciler.api.types.stage import Stage
from reconciler.compute.conflicts import (
    addresses_wanted,
    as_new,
    choice_of,
    data_held,
    field_denied,
    fields_to_compare,
    fields_told,
    laid_over,
    marked,
)
from reconciler.ports.cluster import Ref

WEB = Ref("apps/v1", "Deployment", "shop", "web")
GEAR = Ref("example.test/v1", "Gear", "shop", "gear")
SERVICE = Ref("v1", "Service", "shop", "web")
CLAIM = Ref("v1", "PersistentVolumeClaim", "shop", "data")


def stage(**fields: Any) -> Stage:
    return msgspec.convert({"name": "s", "sourceRef": {"name": "s"}, **fields}, Stage)


def policy(*rules: dict[str, Any], default: str = "Fail", **fields: Any) -> Stage:
    return stage(conflictPolicy={"default": default, "rules": list(rules)}, **fields)


def rule(action: str, loss: bool = False, **target: str) -> dict[str, Any]:
    return {"target": target, "action": action, "allowDataLoss": loss}


def forced(value: str = "yes") -> dict[str, Any]:
    return {"metadata": {"annotations": {"stages.metio.wtf/force": value}}}


@pytest.mark.parametrize(
    ("given", "obj", "expected"),
    [
        (stage(), {}, ("Fail", False)),
        (stage(force=True), {}, ("Recreate", False)),
        (policy(force=True), {}, ("Fail", False)),
        (policy(default="KeepExisting"), {}, ("KeepExisting", False)),
        (policy(rule("Recreate"), rule("KeepExisting")), {}, ("Recreate", False)),
        (policy(rule("Recreate", kind="Job"), rule("KeepExisting")), {}, ("KeepExisting", False)),
        (policy(rule("Recreate", loss=True, kind="Deployment", name="web")), {}, ("Recreate", True)),
        (policy(rule("Recreate", apiVersion="apps/v1beta1"), default="KeepExisting"), {}, ("KeepExisting", False)),
        (policy(rule("Recreate", namespace="other")), {}, ("Fail", False)),
        (policy(rule("Recreate", namespace="shop")), {}, ("Recreate", False)),
        (stage(), forced(), ("Recreate", False)),
        (stage(), forced(""), ("Fail", False)),
        (policy(rule("KeepExisting")), forced(), ("Recreate", False)),
        (policy(rule("Fail", loss=True)), forced(), ("Recreate", True)),
        (policy(rule("Fail"), rule("Recreate", loss=True)), forced(), ("Recreate", False)),
    ],
)
def test_the_answer_is_the_annotations_the_rules_or_the_default(given: Stage, obj: Any, expected: Any) -> None:
    assert choice_of(given, obj, ref=WEB)[:2] == expected


def test_the_source_of_an_answer_is_told() -> None:
    rules = policy(rule("Recreate", kind="Job"), rule("Recreate"))
    assert choice_of(rules, {}, ref=WEB).source == "conflictPolicy.rules[1]"
    assert choice_of(rules, forced(), ref=WEB).source == "the annotation stages.metio.wtf/force"
    assert choice_of(stage(force=True), {}, ref=WEB).source == "force"
    assert choice_of(policy(default="Recreate"), {}, ref=WEB).source == "conflictPolicy.default"


def test_what_would_be_kept_is_marked() -> None:
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": {"a": "b"}}}
    kept = policy(rule("KeepExisting", kind="Service"))
    notes = {"a": "b", "stages.metio.wtf/keep-existing": "true"}
    assert marked(obj, stage=kept)["metadata"]["annotations"] == notes
    assert marked(obj, stage=stage()) is obj
    assert obj["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("ref", "held"),
    [
        (CLAIM, True),
        (Ref("v1", "PersistentVolume", "", "data"), True),
        (Ref("v1", "Namespace", "", "shop"), True),
        (Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gears.example.test"), True),
        (Ref("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "shop", "monday"), True),
        (Ref("example.test/v1", "PersistentVolume", "", "not-one"), False),
        (WEB, False),
        (Ref("v1", "Secret", "shop", "words"), False),
        (GEAR, False),
    ],
)
def test_what_holds_data(ref: Ref, held: bool) -> None:
    assert bool(data_held(ref, {})) == held


@pytest.mark.parametrize(
    ("policy_", "claims", "held"), [("Delete", 1, True), ("Retain", 1, False), ("", 1, False), ("Delete", 0, False)]
)
def test_a_stateful_set_holds_data_that_it_takes_with_it(policy_: str, claims: int, held: bool) -> None:
    spec = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": policy_}, "volumeClaimTemplates": [{}] * claims}
    assert bool(data_held(Ref("apps/v1", "StatefulSet", "shop", "db"), {"spec": spec})) == held


def cause(message: str, *, field: str = "spec.x", reason: str = "") -> dict[str, str]:
    said = "FieldValueForbidden" if message.startswith("Forbidden") else "FieldValueInvalid"
    return {"reason": reason or said, "field": field, "message": message}


@pytest.mark.parametrize(
    "message",
    [
        'Invalid value: {"a":"b"}: field is immutable',
        "Invalid value: null: field is immutable",
        "field is immutable",
        'Invalid value: ["None"]: may not change once set',
        "Invalid value: null: primary clusterIP can not be unset",
        "Invalid value: null: field cannot be modified once set",
        "Invalid value: rbac.RoleRef{}: cannot change roleRef",
        "Forbidden: field is immutable when `immutable` is set",
        "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
        "claims\n  core.PersistentVolumeClaimSpec{…}",
        "Forbidden: spec.persistentvolumesource is immutable after creation\n…",
        "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals' are forbidden",
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        "Forbidden: may not be changed in an update.",
        "Forbidden: field can not be less than status.capacity",
    ],
)
def test_words_that_prove_it(message: str) -> None:
    assert fields_told([cause(message)], ref=WEB) == ("spec.x",)
    # The words of a custom resource's rule are its author's.
    assert fields_told([cause(message)], ref=GEAR) == ()


@pytest.mark.parametrize(
    "message",
    [
        'Invalid value: "field is immutable": must be a DNS label',
        'Invalid value: "x: field is immutable"',
        "Invalid value: -1: must be greater than or equal to 0",
        'Unsupported value: "field is immutable": supported values: "Always"',
        "Forbidden: may not be used when `type` is 'ExternalName'",
        "Forbidden: the field is immutable",
        "Too long: may not be more than 63 bytes",
        "",
    ],
)
def test_words_that_prove_nothing(message: str) -> None:
    assert fields_told([cause(message)], ref=WEB) == ()
    both = [cause("Invalid value: 1: field is immutable"), cause(message, field="spec.y")]
    assert fields_told(both, ref=WEB) == ()


def test_no_causes_prove_nothing() -> None:
    assert fields_told([], ref=WEB) == ()
    assert fields_to_compare([], ref=GEAR) == ()
    assert fields_told([cause("Invalid value: 1: field is immutable", reason="FieldValueRequired")], ref=WEB) == ()


def test_every_field_is_named_once() -> None:
    causes = [cause("field is immutable", field=field) for field in ("spec.a", "spec.b", "spec.a")]
    assert fields_told(causes, ref=WEB) == ("spec.a", "spec.b")


def test_only_validation_of_custom_resources_is_compared() -> None:
    rule_ = cause("Invalid value: 13: teeth do not grow", field="spec.teeth")
    assert fields_to_compare([rule_], ref=GEAR) == ("spec.teeth",)
    assert fields_to_compare([rule_], ref=WEB) == ()
    # An admission policy has no field and no such reason; an unknown value is no change.
    assert fields_to_compare([rule_, {"message": "ValidatingAdmissionPolicy 'freeze' denied request"}], ref=GEAR) == ()
    assert fields_to_compare([cause("x", field="")], ref=GEAR) == ()
    assert fields_to_compare([cause("x", reason="FieldValueNotSupported")], ref=GEAR) == ()


def test_a_claim_that_may_not_grow() -> None:
    words = (
        'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the '
        "storageclass that provisions the pvc must support resize"
    )
    assert field_denied(words, ref=CLAIM) == ("spec.resources.requests.storage",)
    assert field_denied(words, ref=WEB) == ()
    assert field_denied('persistentvolumeclaims "data" is forbidden: exceeded quota', ref=CLAIM) == ()


def managed(manager: str, fields: dict[str, Any], operation: str = "Apply", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def gear(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.test/v1", "kind": "Gear", "metadata": {"name": "gear"}, "spec": spec}


def test_ours_is_laid_over_what_others_have() -> None:
    live = gear(teeth=12, colour="red", size=3, list=[1, 2], deep={"mine": 1, "theirs": 2})
    live["status"] = {"turning": True}
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "finalizers": ["f"], "labels": {"a": "b"}}
    ours = {"f:spec": {"f:teeth": {}, "f:colour": {}, "f:list": {}, "f:size": {}, "f:deep": {"f:mine": {}}}}
    live["metadata"]["managedFields"] = [
        managed("us", ours),
        managed("them", {"f:spec": {"f:size": {}, "f:deep": {".": {}, "f:theirs": {}}}}, "Update"),
        managed("us", {"f:status": {}}, "Apply", subresource="status"),
    ]
    made = laid_over(live, gear(teeth=13, paint="red", deep={"new": 3}), manager="us")
    # What we had applied and do not want any more is not there: colour, list and deep.mine; size is theirs too.
    assert made["spec"] == {"teeth": 13, "paint": "red", "size": 3, "deep": {"theirs": 2, "new": 3}}
    assert made["metadata"] == {"name": "gear", "labels": {"a": "b"}}
    assert "status" not in made
    assert live["spec"]["teeth"] == 12


def service(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def test_what_the_live_service_holds_is_not_asked_for_a_second_time() -> None:
    live = service(
        clusterIP="10.0.0.1",
        clusterIPs=["10.0.0.1"],
        healthCheckNodePort=30_002,
        ports=[{"port": 80, "nodePort": 30_001}],
    )
    again = service(clusterIP="10.0.0.1", healthCheckNodePort=30_002, ports=[{"port": 81, "nodePort": 30_001}])
    assert as_new(again, live, ref=SERVICE) == service(ports=[{"port": 81}])
    other = service(clusterIP="10.0.0.2", healthCheckNodePort=30_003, ports=[{"port": 80, "nodePort": 30_004}])
    assert as_new(other, live, ref=SERVICE) == other
    for mixed in (
        service(clusterIP="10.0.0.2", clusterIPs=["10.0.0.1"]),
        service(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1", "10.0.0.9"]),
        service(clusterIP="None"),
    ):
        assert as_new(mixed, live, ref=SERVICE) == mixed
    assert as_new(again, live, ref=WEB) is again


def test_addresses_that_somebody_else_may_have():
    live = service(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])
    wanted = service(clusterIP="10.0.0.2", clusterIPs=["10.0.0.2", "10.0.0.1"])
    assert [one.name for one in addresses_wanted(wanted, live, ref=SERVICE)] == ["10.0.0.2"]
    assert addresses_wanted(live, live, ref=SERVICE) == []
    assert addresses_wanted(service(clusterIP="None"), live, ref=SERVICE) == []
    assert addresses_wanted(wanted, live, ref=WEB) == []
