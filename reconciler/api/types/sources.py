"""Where manifests come from: Flux sources and anything that produces an ExternalArtifact.

Not the effective defaults (`reconciler.api.defaults.source`).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from reconciler.api.fields import says


class SourceRef(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A source of manifests. Kinds other than the Flux sources are found by the ExternalArtifact that points back."""

    name: Annotated[str, says("Name of the source.")]
    kind: Annotated[
        str,
        says(
            "Kind of the source: ExternalArtifact, GitRepository, OCIRepository, Bucket, or any kind that produces an "
            "ExternalArtifact.",
            effective="ExternalArtifact",
        ),
    ] = ""
    api_version: Annotated[
        str,
        says(
            "Group and version of the source; required for kinds other than the Flux sources.",
            effective="source.toolkit.fluxcd.io/v1 for the Flux sources",
        ),
    ] = ""
    namespace: Annotated[str, says("Namespace of the source.", effective="the StageSet's namespace")] = ""


class MigrationsSourceRef(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A ladder of migrations kept in an artifact."""

    source_ref: Annotated[SourceRef, says("Artifact that holds the ladder; must be in the StageSet's namespace.")]
    path: Annotated[str, says("Folder in the artifact.", effective="the artifact's root")] = ""
