"""Rules of the system version and its migrations (CONTRACT §1.2, rules 4, 5 and 6).

Not their planning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.api import semver
from reconciler.api.problems import Problem, one_of, quoted
from reconciler.api.rules import actions, common, sources
from reconciler.api.types import Migration, StageSetSpec, Version

MIGRATIONS_MAX: Final = 200
MIGRATION_ACTIONS_MAX: Final = 100
MIGRATION_RETRIES_MAX: Final = 10


def check(spec: StageSetSpec, *, namespace: str) -> Iterator[Problem]:
    """The version and the ladder. `namespace` is the StageSet's; empty where it is not known (a file without one)."""
    if spec.version:
        yield from _version(spec.version, path="spec.version")
    ladder = spec.migrations_source_ref
    if spec.migrations and ladder:
        yield Problem("spec.migrationsSourceRef", "and spec.migrations exclude each other; remove one")
    if (spec.migrations or ladder) and not spec.version:
        path = "spec.migrations" if spec.migrations else "spec.migrationsSourceRef"
        yield Problem(path, "needs spec.version; add it")
    if ladder:
        yield from sources.of_ref(ladder.source_ref, path="spec.migrationsSourceRef.sourceRef")
        elsewhere = ladder.source_ref.namespace
        if elsewhere and namespace and elsewhere != namespace:
            at = "spec.migrationsSourceRef.sourceRef.namespace"
            yield Problem(
                at, f"must be the StageSet's namespace {quoted(namespace)}, not {quoted(elsewhere)}; remove it"
            )
    if spec.migrations or ladder:
        yield from _anchors(spec)
    yield from _ladder(spec)


def _version(version: Version, *, path: str) -> Iterator[Problem]:
    parts = (("value", version.value), ("fromObject", version.from_object), ("fromArtifact", version.from_artifact))
    yield from common.exactly_one(
        (name for name, part in parts if part), of="value, fromObject and fromArtifact", path=path
    )
    if version.from_object:
        yield from common.required(version.from_object.kind, path=f"{path}.fromObject.kind")
        yield from common.required(version.from_object.name, path=f"{path}.fromObject.name")
    if version.from_artifact:
        yield from common.required(version.from_artifact.stage, path=f"{path}.fromArtifact.stage")
        yield from common.required(version.from_artifact.path, path=f"{path}.fromArtifact.path")


def _anchors(spec: StageSetSpec) -> Iterator[Problem]:
    """A migration names a stage by its name or its anchor, so all of these together must differ."""
    named = [(f"spec.stages[{index}].name", stage.name) for index, stage in enumerate(spec.stages)]
    anchored = [
        (f"spec.stages[{index}].migrationAnchor", stage.migration_anchor)
        for index, stage in enumerate(spec.stages)
        if stage.migration_anchor != stage.name
    ]
    names = {name for _, name in named}
    for path, anchor in anchored:
        if anchor in names:
            yield Problem(path, f"is {quoted(anchor)}, the name of another stage; choose another anchor")
    yield from common.unique(anchored, what="migration anchors")


def _ladder(spec: StageSetSpec) -> Iterator[Problem]:
    if len(spec.migrations) > MIGRATIONS_MAX:
        yield Problem("spec.migrations", f"must not have more than {MIGRATIONS_MAX} items; remove the oldest")
    named = ((f"spec.migrations[{index}].name", found.name) for index, found in enumerate(spec.migrations))
    yield from common.unique(named, what="the names of migrations")
    known = [name for stage in spec.stages for name in (stage.name, stage.migration_anchor) if name]
    for index, migration in enumerate(spec.migrations):
        yield from _migration(migration, path=f"spec.migrations[{index}]", known=known)


def _migration(migration: Migration, *, path: str, known: list[str]) -> Iterator[Problem]:
    yield from common.required(migration.name, path=f"{path}.name")
    if not semver.is_version(migration.to):
        yield Problem(f"{path}.to", f"must be a semantic version such as 1.2.3, not {quoted(migration.to)}")
    if migration.from_ and semver.is_version(migration.from_):
        text = migration.from_.removeprefix("v")
        yield Problem(f"{path}.from", f'must be a constraint, not the bare version {quoted(text)}; write "={text}"')
    elif migration.from_ and not semver.is_constraint(migration.from_):
        text = quoted(migration.from_)
        yield Problem(f"{path}.from", f'must be a semantic version constraint such as ">=1.2 <2", not {text}')
    if migration.stage and migration.stage not in known:
        text = f"must be the name or migrationAnchor of a stage ({one_of(known)}), not {quoted(migration.stage)}"
        yield Problem(f"{path}.stage", text)
    for direction, found in (("actions", migration.actions), ("down", migration.down)):
        at = f"{path}.{direction}"
        if len(found) > MIGRATION_ACTIONS_MAX:
            yield Problem(at, f"must not have more than {MIGRATION_ACTIONS_MAX} items; split the migration")
        yield from actions.of_separate_list(found, path=at, where="migration actions")
        for index, action in enumerate(found):
            if action.retries > MIGRATION_RETRIES_MAX:
                text = f"must be between 0 and {MIGRATION_RETRIES_MAX} in a migration, not {action.retries}"
                yield Problem(f"{at}[{index}].retries", text)
