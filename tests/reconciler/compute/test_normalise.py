"""Defaults and removals before an object is applied."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from reconciler.compute.normalise import normalise


def obj(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **fields}


PORTS = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
FILLED = [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]


def nested(path: tuple[str, ...], spec: dict[str, Any]) -> dict[str, Any]:
    for field in reversed(path):
        spec = {field: spec}
    return spec


@pytest.mark.parametrize(
    ("api_version", "kind", "path"),
    [
        ("v1", "Pod", ("spec",)),
        ("apps/v1", "Deployment", ("spec", "template", "spec")),
        ("apps/v1", "StatefulSet", ("spec", "template", "spec")),
        ("apps/v1", "DaemonSet", ("spec", "template", "spec")),
        ("apps/v1", "ReplicaSet", ("spec", "template", "spec")),
        ("batch/v1", "Job", ("spec", "template", "spec")),
        ("batch/v1", "CronJob", ("spec", "jobTemplate", "spec", "template", "spec")),
    ],
)
def test_port_protocols_of_pods(api_version: str, kind: str, path: tuple[str, ...]) -> None:
    given = obj(
        api_version, kind, **nested(path, {"containers": [{"ports": PORTS}], "initContainers": [{"name": "i"}]})
    )
    before = copy.deepcopy(given)
    spec: Any = normalise(given)
    for field in path:
        spec = spec[field]
    assert spec == {"containers": [{"ports": FILLED}], "initContainers": [{"name": "i"}]}
    assert given == before


def test_port_protocols_of_services_only() -> None:
    assert normalise(obj("v1", "Service", spec={"ports": [{"port": 80}]}))["spec"]["ports"] == [
        {"port": 80, "protocol": "TCP"}
    ]
    other = obj("x/v1", "Service", spec={"ports": [{"port": 80}]})
    assert normalise(other) == other


@pytest.mark.parametrize("spec", [None, [], "x", {"ports": "x"}, {"ports": ["x"]}])
def test_odd_shapes_are_left_to_the_api_server(spec: Any) -> None:
    assert normalise(obj("v1", "Service", spec=spec))["spec"] == spec
    assert normalise(obj("apps/v1", "Deployment", spec=spec))["spec"] == spec


def test_status_and_creation_timestamp() -> None:
    given = obj("v1", "X", status={"a": 1}) | {"metadata": {"name": "a", "creationTimestamp": None}}
    assert normalise(given) == obj("v1", "X")
    definition = obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", status={"a": 1})
    assert normalise(definition) == definition


def test_string_data() -> None:
    given = obj("v1", "Secret", data={"a": "eA==", "b": "eQ=="}, stringData={"b": "z"})
    assert normalise(given) == obj("v1", "Secret", data={"a": "eA==", "b": "eg=="})
    odd = obj("v1", "Secret", stringData={"b": 1})
    assert normalise(odd) == odd
    assert normalise(obj("x/v1", "Secret", stringData={"b": "z"}))["stringData"] == {"b": "z"}
