"""Actions: steps around a stage, each with exactly one verb.

Not their execution. That exactly one verb is set is a rule of `reconciler.api.rules.actions`, not of the schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Duration, Int32, says
from reconciler.api.types.references import LabelSelector, ObjectReference, SecretKeyReference
from reconciler.api.types.sources import SourceRef

Scope = Literal["Revision", "Version", "Lifetime"]
HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
StatusCode = Annotated[Int32, says("HTTP status code.", ge=100, le=599)]


class CompletionAnchor(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object whose existence witnesses that a Lifetime action was done."""

    api_version: Annotated[str, says("Group and version of the witness.")]
    kind: Annotated[str, says("Kind of the witness.")]
    name: Annotated[str, says("Name of the witness.")]


class PatchTarget(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a patch action changes: one object by name, or all that a selector matches."""

    kind: Annotated[str, says("Kind of the object.")]
    api_version: Annotated[str, says("Group and version of the object.")] = ""
    namespace: Annotated[str, says("Namespace of the object.", effective="the StageSet's namespace")] = ""
    name: Annotated[str, says("Name of the object.")] = ""
    selector: Annotated[LabelSelector | None, says("Objects by label, instead of by name.")] = None


class PatchAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Patches objects of the target cluster."""

    target: Annotated[PatchTarget, says("What to patch.")]
    patch: Annotated[str, says("The patch, as YAML or JSON.")]
    type: Annotated[
        Literal["merge", "json6902"] | None,
        says(
            "Kind of patch: merge is a strategic merge for built-in kinds and a JSON merge for custom resources.",
            effective="merge",
        ),
    ] = None


class HttpAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Sends one HTTP request."""

    url: Annotated[str, says("http or https URL.")]
    method: Annotated[HttpMethod | None, says("Request method.", effective="POST")] = None
    body: Annotated[str, says("Request body.")] = ""
    body_from: Annotated[SecretKeyReference | None, says("Request body from a Secret; wins over body.")] = None
    headers_from: Annotated[
        tuple[SecretKeyReference, ...], says("Headers from Secrets: the key is the header's name.")
    ] = ()
    expected_status: Annotated[
        tuple[StatusCode, ...], says("Status codes that mean success.", effective="any 2xx")
    ] = ()
    idempotent: Annotated[
        bool,
        says(
            "The request may be sent again, with the same Idempotency-Key, where it is not known whether it arrived; "
            "GET and HEAD always may.",
            effective="false",
        ),
    ] = False


class WaitAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Waits for a time, or until an expression on an object holds."""

    duration: Annotated[Duration, says("How long to wait.")] = ""
    target: Annotated[ObjectReference | None, says("Object that expr looks at.")] = None
    expr: Annotated[str, says("CEL expression that must become true.")] = ""
    timeout: Annotated[Duration, says("How long to wait for expr.", effective="5m")] = ""


class JobAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Runs the Jobs of an artifact to their end."""

    source_ref: Annotated[SourceRef, says("Artifact that holds the Jobs.")]
    path: Annotated[str, says("Folder in the artifact.", effective="the artifact's root")] = ""


class DeleteAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Deletes one object; an absent one counts as deleted."""

    target: Annotated[ObjectReference, says("What to delete.")]
    cascade: Annotated[
        Literal["Background", "Foreground", "Orphan"] | None,
        says("What happens to the object's dependents.", effective="Background"),
    ] = None


class ApplyAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Applies the objects of an artifact, outside the stage's inventory."""

    source_ref: Annotated[SourceRef, says("Artifact that holds the objects.")]
    path: Annotated[str, says("Folder in the artifact.", effective="the artifact's root")] = ""
    wait: Annotated[bool, says("Wait until the objects are ready.", effective="false")] = False


class Action(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One step; exactly one of patch, http, wait, job, delete and apply."""

    name: Annotated[str, says("Name, unique among the actions of the stage; the key under which it is recorded.")]
    scope: Annotated[
        Scope | None,
        says("How often a completed action may run again; on pre and post actions only.", effective="Revision"),
    ] = None
    timeout: Annotated[Duration, says("Bound over all attempts.", effective="none")] = ""
    retries: Annotated[Int32, says("Further attempts after a failed one.", effective="0", ge=0, le=100)] = 0
    completion_anchor: Annotated[
        CompletionAnchor | None, says("Object that witnesses completion; with scope Lifetime only.")
    ] = None
    patch: Annotated[PatchAction | None, says("Patch objects.")] = None
    http: Annotated[HttpAction | None, says("Send an HTTP request.")] = None
    wait: Annotated[WaitAction | None, says("Wait.")] = None
    job: Annotated[JobAction | None, says("Run Jobs.")] = None
    delete: Annotated[DeleteAction | None, says("Delete an object.")] = None
    apply: Annotated[ApplyAction | None, says("Apply objects.")] = None
