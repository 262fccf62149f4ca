"""The StageSet: an ordered list of stages that a release rolls through.

Not the effective values (`reconciler.api.defaults`) and not the rules between fields (`reconciler.api.validate`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Duration, cel, says
from reconciler.api.types.actions import Action
from reconciler.api.types.gates import ErrorBudget, Window
from reconciler.api.types.metadata import ObjectMeta
from reconciler.api.types.references import LocalObjectReference, SecretKeyReference
from reconciler.api.types.sources import MigrationsSourceRef
from reconciler.api.types.stage import OnTimeout, Stage
from reconciler.api.types.status import StageSetStatus
from reconciler.api.types.versions import Migration, Version


class Dependency(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Another StageSet that must be usable first."""

    name: Annotated[str, says("Name of the other StageSet.")]
    namespace: Annotated[str, says("Namespace of the other StageSet.", effective="the StageSet's namespace")] = ""
    min_version: Annotated[str, says("Smallest system version of the other StageSet, a semantic version.")] = ""


class KubeConfig(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Another cluster to roll out to; exactly one of the two."""

    secret_ref: Annotated[
        SecretKeyReference | None, says("Secret that holds a kubeconfig; its key is `value` unless given.")
    ] = None
    config_map_ref: Annotated[
        LocalObjectReference | None, says("ConfigMap that describes how to reach the cluster.")
    ] = None


class Decryption(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """How encrypted files of the stages' sources are decrypted."""

    provider: Annotated[Literal["sops"], says("Kind of encryption.")]
    secret_ref: Annotated[LocalObjectReference | None, says("Secret that holds the keys.")] = None


class StageSetSpec(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What should be rolled out, and how."""

    stages: Annotated[tuple[Stage, ...], says("The stages, in order.", min_length=1)]
    interval: Annotated[
        Duration, says("How often a healthy StageSet is looked at.", effective="--default-interval (10m)")
    ] = ""
    retry_interval: Annotated[
        Duration, says("Longest pause between attempts and between looks at a hold.", effective="interval")
    ] = ""
    drift_detection_interval: Annotated[
        Duration, says("How often drift is looked for; used when shorter than interval.", effective="interval")
    ] = ""
    timeout: Annotated[Duration, says("Bound of the verification of a stage.", effective="15m")] = ""
    on_timeout: Annotated[OnTimeout | None, says("What a timeout of the verification means.", effective="Fail")] = None
    suspend: Annotated[bool, says("Pause: start nothing.", effective="false")] = False
    service_account_name: Annotated[
        str,
        says(
            "ServiceAccount for the work on the target cluster and for reading what the spec names.",
            effective="the controller's identity",
        ),
    ] = ""
    depends_on: Annotated[tuple[Dependency, ...], says("StageSets that must be usable first.")] = ()
    kube_config: Annotated[
        KubeConfig | None,
        says(
            "Another cluster to roll out to.",
            effective="the controller's cluster",
            crd=cel(
                {
                    "one of secretRef and configMapRef is required": "has(self.secretRef) || has(self.configMapRef)",
                    "secretRef and configMapRef exclude each other": "!has(self.secretRef) || !has(self.configMapRef)",
                }
            ),
        ),
    ] = None
    decryption: Annotated[Decryption | None, says("How encrypted files are decrypted.")] = None
    version: Annotated[Version | None, says("The system version.", effective="no versioning")] = None
    migrations: Annotated[tuple[Migration, ...], says("Migrations between system versions.")] = ()
    migrations_source_ref: Annotated[
        MigrationsSourceRef | None, says("Artifact that holds the migrations, instead of listing them.")
    ] = None
    rollback_on_failure: Annotated[
        bool, says("Restore the last good revisions when a run fails.", effective="false")
    ] = False
    on_rollback: Annotated[tuple[Action, ...], says("Steps after a rollback, in order.")] = ()
    update_windows: Annotated[tuple[Window, ...], says("When new revisions may start.", effective="always")] = ()
    window_scope: Annotated[
        Literal["Updates", "All"] | None, says("What a closed window holds back.", effective="Updates")
    ] = None
    error_budget: Annotated[ErrorBudget | None, says("Budget that any new revision needs.")] = None


class StageSet(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Rolls a release out as an ordered list of stages; the first failure halts it."""

    metadata: Annotated[ObjectMeta, says("Standard metadata.")]
    spec: Annotated[StageSetSpec, says("What should be rolled out, and how.")]
    api_version: Annotated[str, says("Group and version: stages.metio.wtf/v1.")] = "stages.metio.wtf/v1"
    kind: Annotated[str, says("Kind: StageSet.")] = "StageSet"
    status: Annotated[StageSetStatus, says("What was last seen; a projection of the ledger.")] = StageSetStatus()
