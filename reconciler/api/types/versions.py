"""The system version of a StageSet, and the migrations between versions.

Not their planning.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import says
from reconciler.api.types.actions import Action


class VersionFromObject(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The version is written on an object that a stage renders."""

    kind: Annotated[str, says("Kind of the object.")]
    name: Annotated[str, says("Name of the object.")]
    api_version: Annotated[str, says("Group and version of the object.")] = ""
    stage: Annotated[str, says("Stage that renders the object.", effective="the first stage")] = ""
    field_path: Annotated[
        str, says("kubectl JSONPath to the version.", effective="the label app.kubernetes.io/version")
    ] = ""


class VersionFromArtifact(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The version is the content of a file in a stage's artifact."""

    stage: Annotated[str, says("Stage whose artifact holds the file.")]
    path: Annotated[str, says("File in the artifact.")]


class Version(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The desired system version; exactly one of value, fromObject and fromArtifact."""

    value: Annotated[str, says("The version itself.")] = ""
    from_object: Annotated[VersionFromObject | None, says("Read it from a rendered object.")] = None
    from_artifact: Annotated[VersionFromArtifact | None, says("Read it from a file.")] = None
    require_migration_coverage: Annotated[
        bool, says("Refuse a major upgrade that has no migration.", effective="false")
    ] = False
    approval_mode: Annotated[
        Literal["Never", "OnMigrations", "Always"] | None,
        says("When a version change waits for approval.", effective="Never"),
    ] = None
    allow_downgrade: Annotated[bool, says("Allow a lower version than the deployed one.", effective="false")] = False


class Migration(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A step between two system versions."""

    name: Annotated[str, says("Name, unique in the ladder.")]
    to: Annotated[str, says("Version that the migration leads to, an exact semantic version.")]
    from_: Annotated[str, says("Versions that it starts from, a semantic version constraint.", effective="any")] = ""
    stage: Annotated[str, says("Stage or migrationAnchor before which it runs.", effective="the first stage")] = ""
    actions: Annotated[tuple[Action, ...], says("Steps of the upgrade, in order.")] = ()
    down: Annotated[tuple[Action, ...], says("Steps of the downgrade, in order; absent: it cannot be undone.")] = ()
