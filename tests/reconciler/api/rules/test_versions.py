# ruff: noqa: E501 - a sentence is compared whole
from __future__ import annotations

from typing import Any

import pytest

from tests.reconciler.api.objects import sentences, stage, stageset

_WAIT = {"wait": {"duration": "1s"}}
_VERSION = {"value": "2.0.0"}
_SOURCED = {"sourceRef": {"name": "ladder"}}


def _ladder(*migrations: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return stageset(version=_VERSION, migrations=list(migrations), **spec)


def _migration(name: str = "m", **fields: Any) -> dict[str, Any]:
    return {"name": name, "to": "2.0.0", **fields}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            stageset(version={}),
            "spec.version must set exactly one of value, fromObject and fromArtifact, but sets none; add one",
        ),
        (
            stageset(version={"value": "1", "fromArtifact": {"stage": "app", "path": "V"}}),
            "spec.version must set exactly one of value, fromObject and fromArtifact, but sets value and fromArtifact; "
            "keep one",
        ),
        (stageset(version={"fromObject": {"kind": "", "name": "a"}}), "spec.version.fromObject.kind must not be empty"),
        (stageset(version={"fromObject": {"kind": "A", "name": ""}}), "spec.version.fromObject.name must not be empty"),
        (
            stageset(version={"fromArtifact": {"stage": "", "path": "a"}}),
            "spec.version.fromArtifact.stage must not be empty",
        ),
        (
            stageset(version={"fromArtifact": {"stage": "app", "path": ""}}),
            "spec.version.fromArtifact.path must not be empty",
        ),
        (
            _ladder(_migration(), migrationsSourceRef=_SOURCED),
            "spec.migrationsSourceRef and spec.migrations exclude each other; remove one",
        ),
        (stageset(migrations=[_migration()]), "spec.migrations needs spec.version; add it"),
        (
            stageset(version=_VERSION, migrationsSourceRef={"sourceRef": {"name": ""}}),
            "spec.migrationsSourceRef.sourceRef.name must not be empty",
        ),
        (stageset(migrationsSourceRef=_SOURCED), "spec.migrationsSourceRef needs spec.version; add it"),
        (
            stageset(version=_VERSION, migrationsSourceRef={"sourceRef": {"name": "a", "namespace": "other"}}),
            'spec.migrationsSourceRef.sourceRef.namespace must be the StageSet\'s namespace "shop", not "other"; remove it',
        ),
        (
            _ladder(_migration(), stages=[stage("a", migrationAnchor="b"), stage("b")]),
            'spec.stages[0].migrationAnchor is "b", the name of another stage; choose another anchor',
        ),
        (
            _ladder(_migration(), stages=[stage("a", migrationAnchor="x"), stage("b", migrationAnchor="x")]),
            'spec.stages[1].migrationAnchor is "x", as is spec.stages[0].migrationAnchor; migration anchors must differ: '
            "rename one",
        ),
        (
            _ladder(_migration(), _migration()),
            'spec.migrations[1].name is "m", as is spec.migrations[0].name; the names of migrations must differ: rename one',
        ),
        (_ladder(_migration("")), "spec.migrations[0].name must not be empty"),
        (
            _ladder(_migration(to="next")),
            'spec.migrations[0].to must be a semantic version such as 1.2.3, not "next"',
        ),
        (
            _ladder(_migration(**{"from": "v1.2"})),
            'spec.migrations[0].from must be a constraint, not the bare version "1.2"; write "=1.2"',
        ),
        (
            _ladder(_migration(**{"from": "old"})),
            'spec.migrations[0].from must be a semantic version constraint such as ">=1.2 <2", not "old"',
        ),
        (
            _ladder(_migration(stage="c"), stages=[stage("a", migrationAnchor="x"), stage("b")]),
            'spec.migrations[0].stage must be the name or migrationAnchor of a stage (a, x or b), not "c"',
        ),
        (
            _ladder(*[_migration(f"m{index}") for index in range(201)]),
            "spec.migrations must not have more than 200 items; remove the oldest",
        ),
        (
            _ladder(_migration(down=[{"name": f"a{index}", **_WAIT} for index in range(101)])),
            "spec.migrations[0].down must not have more than 100 items; split the migration",
        ),
        (
            _ladder(_migration(actions=[{"name": "a", "retries": 11, **_WAIT}])),
            "spec.migrations[0].actions[0].retries must be between 0 and 10 in a migration, not 11",
        ),
        (
            _ladder(_migration(actions=[{"name": "a", **_WAIT}, {"name": "a", **_WAIT}])),
            'spec.migrations[0].actions[1].name is "a", as is spec.migrations[0].actions[0].name; the names of actions in '
            "one list must differ: rename one",
        ),
        (
            _ladder(_migration(actions=[{"name": "a", "scope": "Revision", **_WAIT}])),
            "spec.migrations[0].actions[0].scope is not allowed on migration actions; remove it",
        ),
    ],
)
def test_rules_of_versions_and_migrations(raw: dict[str, Any], sentence: str) -> None:
    assert sentences(raw) == [sentence]


@pytest.mark.parametrize(
    "raw",
    [
        stageset(version={"value": "anything"}),
        stageset(version={"fromObject": {"kind": "A", "name": "a"}}),
        stageset(version={"fromArtifact": {"stage": "app", "path": "VERSION"}}),
        stageset(version=_VERSION, migrationsSourceRef=_SOURCED),
        stageset(version=_VERSION, migrationsSourceRef={"sourceRef": {"name": "a", "namespace": "shop"}}),
        _ladder(_migration(to="v2"), _migration("n", **{"from": ">=1.2, <2"})),
        _ladder(_migration(stage="x"), stages=[stage("a", migrationAnchor="x"), stage("b", migrationAnchor="b")]),
        _ladder(_migration(actions=[{"name": "a", "retries": 10, **_WAIT}], down=[{"name": "a", **_WAIT}])),
        _ladder(*[_migration(f"m{index}") for index in range(200)]),
        # Anchors are nobody's business where nothing refers to them.
        stageset(stages=[stage("a", migrationAnchor="b"), stage("b", migrationAnchor="b")]),
    ],
)
def test_what_they_allow(raw: dict[str, Any]) -> None:
    assert sentences(raw) == []
