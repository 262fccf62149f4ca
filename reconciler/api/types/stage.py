"""A stage: one source, built, applied, pruned, verified, with actions and gates around it.

Not the effective values (`reconciler.api.defaults`), which may come from the StageSet.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Duration, default, says
from reconciler.api.types.actions import Action
from reconciler.api.types.gates import ErrorBudget, Promotion
from reconciler.api.types.references import ObjectReference
from reconciler.api.types.sources import SourceRef

OnTimeout = Literal["Fail", "Hold", "Rollback"]
ConflictAction = Literal["Fail", "Recreate", "KeepExisting"]
DriftMode = Literal["Correct", "Warn", "Ignore"]


class ConflictTarget(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Objects that a conflict rule is for; an unset field matches anything."""

    api_version: Annotated[str, says("Group and version.", effective="any")] = ""
    kind: Annotated[str, says("Kind.", effective="any")] = ""
    name: Annotated[str, says("Name.", effective="any")] = ""
    namespace: Annotated[str, says("Namespace.", effective="any")] = ""


class ConflictRule(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An answer to immutable conflicts of some objects."""

    target: Annotated[ConflictTarget, says("The objects.")]
    action: Annotated[ConflictAction, says("The answer.")]
    allow_data_loss: Annotated[bool, says("Allow Recreate where data is lost with the object.", effective="false")] = (
        False
    )


class ConflictPolicy(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What happens when the API server refuses a change of an immutable field."""

    default: Annotated[ConflictAction, says("Answer where no rule matches.", effective="Fail", crd=default("Fail"))] = (
        "Fail"
    )
    rules: Annotated[tuple[ConflictRule, ...], says("Answers for some objects; the first match wins.")] = ()


class DriftTarget(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Objects that an ignore rule is for; an unset field matches anything."""

    api_version: Annotated[str, says("Group and version; the version does not matter.", effective="any")] = ""
    kind: Annotated[str, says("Kind.", effective="any")] = ""
    name: Annotated[str, says("Name.", effective="any")] = ""
    namespace: Annotated[str, says("Namespace.", effective="any")] = ""


class DriftIgnore(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Fields that others may change."""

    target: Annotated[DriftTarget | None, says("The objects.", effective="all of the stage")] = None
    paths: Annotated[
        tuple[str, ...],
        says("JSON pointers (RFC 6901) of the fields, each with all that is below it; empty for the whole object."),
    ] = ()


class DriftDetection(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What happens when another hand changes or deletes an object of the stage while the stage is ready."""

    mode: Annotated[
        DriftMode,
        says("Correct it, only say so (Warn), or do not look (Ignore).", effective="Correct"),
    ] = "Correct"
    ignore: Annotated[tuple[DriftIgnore, ...], says("Fields that others may change.")] = ()


class PatchSelector(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Objects that a kustomize patch is for; an unset field matches anything."""

    group: Annotated[str, says("API group, a regular expression.", effective="any")] = ""
    version: Annotated[str, says("API version, a regular expression.", effective="any")] = ""
    kind: Annotated[str, says("Kind, a regular expression.", effective="any")] = ""
    name: Annotated[str, says("Name, a regular expression.", effective="any")] = ""
    namespace: Annotated[str, says("Namespace, a regular expression.", effective="any")] = ""
    label_selector: Annotated[str, says("Label selector in kubectl's form.", effective="any")] = ""
    annotation_selector: Annotated[str, says("Annotation selector in kubectl's form.", effective="any")] = ""


class Patch(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A kustomize patch, applied after the build's own."""

    patch: Annotated[str, says("A strategic merge patch or a JSON 6902 patch, as YAML or JSON.")]
    target: Annotated[
        PatchSelector | None, says("Objects to patch.", effective="the object that the patch itself names")
    ] = None


class SubstituteReference(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A ConfigMap or Secret whose keys become variables."""

    kind: Annotated[Literal["ConfigMap", "Secret"], says("ConfigMap or Secret.")]
    name: Annotated[str, says("Name of the object, in the StageSet's namespace.")]
    optional: Annotated[bool, says("Go on without it when it does not exist.", effective="false")] = False


class PostBuild(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Variables that are put into the rendered manifests."""

    substitute: Annotated[dict[str, str], says("Variables by name; they win over substituteFrom.")] = {}
    substitute_from: Annotated[
        tuple[SubstituteReference, ...], says("Objects with further variables; a later one wins over an earlier one.")
    ] = ()


class StageActions(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Steps around a stage."""

    pre: Annotated[tuple[Action, ...], says("Steps before the stage, in order.")] = ()
    post: Annotated[tuple[Action, ...], says("Steps after the stage is ready, in order.")] = ()
    on_failure: Annotated[tuple[Action, ...], says("Steps after the stage failed, in order.")] = ()


class ReadyExpression(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Readiness of one kind of object, in CEL over apiVersion, kind, metadata, spec and status."""

    api_version: Annotated[str, says("Group and version of the objects; the version does not matter.")]
    kind: Annotated[str, says("Kind of the objects.")]
    current: Annotated[str, says("True when the object is ready.")] = ""
    in_progress: Annotated[str, says("True while the object is on its way.")] = ""
    failed: Annotated[str, says("True when the object has failed for good.")] = ""


class ReadyChecks(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """When a stage counts as ready."""

    timeout: Annotated[Duration, says("Bound of the verification.", effective="the stage's timeout")] = ""
    disable_wait: Annotated[bool, says("Do not wait for the applied objects.", effective="false")] = False
    checks: Annotated[tuple[ObjectReference, ...], says("Further objects that must be ready.")] = ()
    exprs: Annotated[tuple[ReadyExpression, ...], says("Readiness in CEL, by kind.")] = ()


class Stage(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One stage of the rollout."""

    name: Annotated[
        str,
        says(
            "Name, unique in the StageSet.",
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            expects="lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
        ),
    ]
    source_ref: Annotated[SourceRef, says("Source of the stage's manifests.")]
    path: Annotated[str, says("Folder in the artifact to build.", effective="the artifact's root")] = ""
    service_account_name: Annotated[
        str,
        says("ServiceAccount that applies, prunes, verifies and runs actions.", effective="spec.serviceAccountName"),
    ] = ""
    prune: Annotated[
        bool, says("Delete objects that left the stage, and the stage's objects with the StageSet.", effective="true")
    ] = True
    timeout: Annotated[Duration, says("Bound of the verification.", effective="spec.timeout")] = ""
    on_timeout: Annotated[
        OnTimeout | None, says("What a timeout of the verification means.", effective="spec.onTimeout")
    ] = None
    force: Annotated[bool, says("Short for conflictPolicy.default: Recreate.", effective="false")] = False
    conflict_policy: Annotated[ConflictPolicy | None, says("Answers to immutable conflicts.")] = None
    drift_detection: Annotated[
        DriftDetection | None,
        says("What happens when another hand changes the stage's objects.", effective="they are corrected"),
    ] = None
    patches: Annotated[tuple[Patch, ...], says("Kustomize patches, applied in order after the build's own.")] = ()
    post_build: Annotated[PostBuild | None, says("Variables for the rendered manifests.")] = None
    ready_checks: Annotated[ReadyChecks | None, says("When the stage counts as ready.")] = None
    actions: Annotated[StageActions | None, says("Steps around the stage.")] = None
    promotion: Annotated[Promotion | None, says("What must hold before the next stage starts.")] = None
    error_budget: Annotated[ErrorBudget | None, says("Budget that a new revision needs to enter the stage.")] = None
    migration_anchor: Annotated[str, says("Name by which migrations refer to the stage.")] = ""
    apply_helm_hook_resources: Annotated[
        bool | None, says("Apply objects that are Helm hooks (true), or leave them out (false).")
    ] = None
