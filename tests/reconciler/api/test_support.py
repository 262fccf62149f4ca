from __future__ import annotations

from typing import Any

import pytest

from reconciler.api import decode, schema, support
from reconciler.api.support import NOT_YET, NotYet
from reconciler.api.types import StageSet
from tests.reconciler.api.objects import SUPPORTED, example, stage, stageset, with_stage

_ACTION = {"name": "a", "wait": {"duration": "1s"}}
_BUDGET = {"source": {"webhook": {"url": "https://a", "jsonPath": "{.a}"}}, "freezeThreshold": "1"}


def _refused(raw: dict[str, Any], **arguments: Any) -> list[str]:
    return [str(problem) for problem in support.unsupported(decode.stageset(raw).spec, **arguments)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decryption", {"provider": "sops"}),
        ("version", {"value": "1.0.0"}),
        ("migrations", [{"name": "a", "to": "1.0.0"}]),
        ("migrationsSourceRef", {"sourceRef": {"name": "a"}}),
        ("rollbackOnFailure", True),
        ("onRollback", [_ACTION]),
        ("updateWindows", [{"type": "Deny", "from": "2006-01-02T15:04:05Z", "to": "2007-01-02T15:04:05Z"}]),
        ("windowScope", "Updates"),
        ("errorBudget", _BUDGET),
    ],
)
def test_a_field_of_the_spec_is_refused_by_name(name: str, value: Any) -> None:
    assert _refused(stageset(**{name: value})) == [f"spec.{name} is not supported yet"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("promotion", {"soak": "1m"}),
        ("errorBudget", _BUDGET),
        ("migrationAnchor", "db"),
        ("applyHelmHookResources", True),
        ("applyHelmHookResources", False),
    ],
)
def test_a_field_of_a_stage_is_refused_by_name_and_place(name: str, value: Any) -> None:
    raw = stageset(stages=[stage("first"), stage("second", **{name: value})])
    assert _refused(raw) == [f"spec.stages[1].{name} is not supported yet"]


def test_a_version_of_a_dependency_is_refused_and_the_dependency_is_not() -> None:
    needed = [{"name": "a"}, {"name": "b", "namespace": "c", "minVersion": "1.0.0"}]
    assert _refused(stageset(dependsOn=needed)) == ["spec.dependsOn[1].minVersion is not supported yet"]


def test_values_that_are_not_supported_are_refused_by_value() -> None:
    assert _refused(stageset(onTimeout="Hold")) == ["spec.onTimeout: Hold is not supported yet"]
    assert _refused(with_stage(onTimeout="Rollback")) == ["spec.stages[0].onTimeout: Rollback is not supported yet"]


@pytest.mark.parametrize(
    "raw",
    [
        stageset(dependsOn=[], rollbackOnFailure=False, onTimeout="Fail", migrations=[], onRollback=[]),
        with_stage(force=False, actions={}, conflictPolicy={}, migrationAnchor="", onTimeout="Fail"),
        with_stage(actions={"pre": [], "post": [], "onFailure": []}, conflictPolicy={"default": "Fail", "rules": []}),
    ],
)
def test_what_holds_anyway_may_be_said(raw: dict[str, Any]) -> None:
    assert _refused(raw) == []


@pytest.mark.parametrize("name", SUPPORTED)
def test_the_supported_examples_are_supported(name: str) -> None:
    assert _refused(example(name)) == []


def test_the_full_example_meets_every_line_of_the_list() -> None:
    raw = example("full-api")
    full = decode.stageset(raw).spec
    refused = {feature.path for feature in NOT_YET if support.unsupported(full, [feature])}
    assert {feature.path for feature in NOT_YET} - refused == {"spec.migrationsSourceRef"}  # excludes migrations


def test_deleting_a_line_supports_the_field() -> None:
    raw = with_stage(promotion={"soak": "1m"}, migrationAnchor="db")
    without = [feature for feature in NOT_YET if feature.path != "spec.stages[].promotion"]
    assert _refused(raw, features=without) == ["spec.stages[0].migrationAnchor is not supported yet"]


def test_every_line_names_a_field_of_the_types() -> None:
    for feature in NOT_YET:
        node = schema.of(StageSet)
        for part in feature.path.split("."):
            node = node.fields[part.removesuffix("[]")].node
            assert (node.kind == "array") >= part.endswith("[]"), feature.path
            node = node.item if part.endswith("[]") and node.item else node
        assert set(feature.values) <= set(node.enum), feature.path


def test_a_line_covers_what_is_inside_the_field() -> None:
    entry = NotYet("spec.stages[].actions")
    assert support.not_yet("spec.stages[].actions", [entry]) is entry
    assert support.not_yet("spec.stages[].actions.pre[].name", [entry]) is entry
    assert support.not_yet("spec.stages[].actionsAndMore", [entry]) is None
    assert support.not_yet("spec.migrations[].name", [NotYet("spec.migrations")]) == NotYet("spec.migrations")
