from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.api import crd

_ROOT = Path(__file__).parents[3]
_SCALARS = {"string", "integer", "boolean"}
_KNOWN = {
    "type", "description", "properties", "required", "items", "additionalProperties", "enum", "pattern", "format",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
}  # fmt: skip


def _schema(one: crd.Crd) -> dict[str, Any]:
    return dict(crd.document(one)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def _walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, part in node.get("properties", {}).items():
        yield from _walk(part, f"{path}.{name}")
    if "items" in node:
        yield from _walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from _walk(node["additionalProperties"], f"{path}{{}}")


def _at(one: crd.Crd, path: str) -> dict[str, Any]:
    return dict(_walk(_schema(one)))[path]


_STAGESET, _INVENTORY, _LEDGER = crd.CRDS


@pytest.mark.parametrize("one", crd.CRDS, ids=lambda one: one.kind)
def test_the_committed_manifest_is_the_generated_one(one: crd.Crd) -> None:
    committed = (_ROOT / "deploy" / "crds" / one.file_name).read_text(encoding="utf-8")
    assert committed == crd.text(one), "the types changed: run make docs"
    assert yaml.safe_load(committed) == crd.document(one)


@pytest.mark.parametrize("one", crd.CRDS, ids=lambda one: one.kind)
def test_the_schema_is_structural(one: crd.Crd) -> None:
    # https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    for path, node in _walk(_schema(one)):
        assert set(node) <= _KNOWN, path
        assert node["type"] in _SCALARS | {"object", "array"}, path
        assert (node["type"] == "array") == ("items" in node), path
        assert not {"properties", "additionalProperties"} <= set(node), path
        assert set(node.get("required", [])) <= set(node.get("properties", {})), path
        for key in node.get("x-kubernetes-list-map-keys", []):
            assert key in node["items"]["required"], path
            assert node["items"]["properties"][key]["type"] in _SCALARS, path
        if "default" in node:
            assert node["default"] in node["enum"], path


@pytest.mark.parametrize("one", crd.CRDS, ids=lambda one: one.kind)
def test_every_field_is_described(one: crd.Crd) -> None:
    bare = [
        path
        for path, node in _walk(_schema(one))
        if not node.get("description") and path != ".metadata" and not path.endswith(("[]", "{}"))
    ]
    assert bare == []


@pytest.mark.parametrize("one", crd.CRDS, ids=lambda one: one.kind)
def test_kubectl_can_apply_it_client_side(one: crd.Crd) -> None:
    assert len(json.dumps(crd.document(one))) < 200_000  # last-applied-configuration: 256 KiB for all annotations


def test_identity_of_the_stageset() -> None:
    found = crd.document(_STAGESET)
    assert found["metadata"] == {
        "name": "stagesets.stages.metio.wtf",
        "annotations": {"controller-gen.kubebuilder.io/version": "v0.21.0"},
    }
    spec = found["spec"]
    (version,) = spec.pop("versions")
    assert spec == {
        "group": "stages.metio.wtf",
        "names": {"kind": "StageSet", "listKind": "StageSetList", "plural": "stagesets", "singular": "stageset"},
        "scope": "Namespaced",
    }
    assert (version["name"], version["served"], version["storage"]) == ("v1", True, True)
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"] == [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Status", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].message'},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def test_identity_of_the_inventory() -> None:
    found = crd.document(_INVENTORY)
    (version,) = found["spec"]["versions"]
    assert found["metadata"]["name"] == "stageinventories.stages.metio.wtf"
    assert found["spec"]["names"]["listKind"] == "StageInventoryList"
    assert "subresources" not in version
    assert version["additionalPrinterColumns"] == [
        {"name": "Stage", "type": "string", "jsonPath": r".metadata.labels.stages\.metio\.wtf/stage"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def test_identity_of_the_stageledger() -> None:
    found = crd.document(_LEDGER)
    (version,) = found["spec"]["versions"]
    assert found["spec"]["names"] == {
        "kind": "StageLedger",
        "listKind": "StageLedgerList",
        "plural": "stageledgers",
        "singular": "stageledger",
        "shortNames": ["sledger"],
    }
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"] == [
        {"name": "Completed", "type": "string", "jsonPath": ".status.completedActions[*].action", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def test_a_bare_object_is_stored() -> None:
    assert all("required" not in _schema(one) for one in crd.CRDS)
    assert _at(_STAGESET, ".metadata") == {"type": "object"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec", {"required": ["stages"]}),
        (".spec.stages", {"minItems": 1}),
        (".spec.onTimeout", {"enum": ["Fail", "Hold", "Rollback"]}),
        (".spec.windowScope", {"enum": ["All", "Updates"]}),
        (".spec.stages[]", {"required": ["name", "sourceRef"]}),
        (".spec.stages[].name", {"pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}),
        (".spec.stages[].conflictPolicy.default", {"default": "Fail", "enum": ["Fail", "KeepExisting", "Recreate"]}),
        (".spec.stages[].actions.pre[].retries", {"minimum": 0, "maximum": 100, "format": "int32"}),
        (".spec.stages[].actions.pre[].http.expectedStatus[]", {"minimum": 100, "maximum": 599, "format": "int32"}),
        (".spec.stages[].promotion.analysis.checks", {"minItems": 1}),
        (
            ".spec.stages[].promotion.restartGate.checks",
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
        (
            ".spec.stages[].promotion.eventGate.checks",
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
        (".spec.updateWindows[].from", {"format": "date-time"}),
        (".spec.migrations[]", {"required": ["name", "to"]}),
        (".status.observedGeneration", {"format": "int64"}),
        (".status.stages[].phase", {"enum": ["Applying", "Failed", "Pending", "Pruning", "Ready", "Verifying"]}),
        (".status.conditions[].message", {"maxLength": 32768}),
        (".status.ledger.version", {"format": "int64", "minimum": 0}),
    ],
)
def test_limits_reach_the_schema(path: str, expected: dict[str, Any]) -> None:
    found = _at(_STAGESET, path)
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.baseline[]", {"required": ["action", "stage"]}),
        (".status.completedActions[]", {"required": ["action", "completedAt", "origin", "stage"]}),
        (".status.completedActions[].origin", {"enum": ["Baselined", "Executed"]}),
        (".status.completedActions[].anchor", {"required": ["apiVersion", "kind", "name", "uid"]}),
        (".status.conditions", {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
        (".status.ledger.version", {"format": "int64", "minimum": 0}),
    ],
)
def test_limits_of_the_stageledger(path: str, expected: dict[str, Any]) -> None:
    found = _at(_LEDGER, path)
    assert {key: found.get(key) for key in expected} == expected


def test_what_has_no_default_in_the_api_has_none_in_the_schema() -> None:
    assert [path for path, node in _walk(_schema(_STAGESET)) if "default" in node] == [
        ".spec.stages[].conflictPolicy.default"
    ]
    assert "enum" in _at(_STAGESET, ".spec.stages[].actions.pre[].scope")


def test_exactly_one_kubeconfig_is_a_rule_of_the_api_server() -> None:
    rules = [rule["rule"] for rule in _at(_STAGESET, ".spec.kubeConfig")["x-kubernetes-validations"]]
    assert rules == [
        "has(self.secretRef) || has(self.configMapRef)",
        "!has(self.secretRef) || !has(self.configMapRef)",
    ]


def test_every_duration_has_the_pattern() -> None:
    durations = [path for path, node in _walk(_schema(_STAGESET)) if "µs" in node.get("pattern", "")]
    assert {".spec.interval", ".spec.stages[].readyChecks.timeout", ".spec.stages[].promotion.soak"} <= set(durations)
    named = ("nterval", "imeout", "soak", "after", "duration")
    missing = [
        path
        for path, node in _walk(_schema(_STAGESET))
        if path.endswith(named) and "onTimeout" not in path and node["type"] == "string" and path not in durations
    ]
    assert missing == []
