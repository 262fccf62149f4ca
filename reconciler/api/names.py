"""Labels, annotations, identities and derived names that the outside world reads.

Not the objects themselves. Invariant: a derived name depends on its arguments alone, and two different owners never get
the same one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

GROUP: Final = "stages.metio.wtf"
API_VERSION: Final = "stages.metio.wtf/v1"
SOURCE_GROUP: Final = "source.toolkit.fluxcd.io"
SOURCE_API_VERSION: Final = "source.toolkit.fluxcd.io/v1"

FINALIZER: Final = "stages.metio.wtf/finalizer"
#: Field manager of every object that a stage or an `apply` action applies.
FIELD_MANAGER: Final = "stageset-controller"
#: Field manager of what the command line writes.
CLI_FIELD_MANAGER: Final = "stagesetctl"
#: `reportingController` of events, and part of the lease's name.
CONTROLLER: Final = "stageset-controller"
LEADER_LEASE: Final = "stageset-controller.stages.metio.wtf"

#: On every applied object: its StageSet. Also what the delete guard compares.
LABEL_NAME: Final = "stages.metio.wtf/name"
LABEL_NAMESPACE: Final = "stages.metio.wtf/namespace"
#: On objects that a stage applied, and on inventories.
LABEL_STAGE: Final = "stages.metio.wtf/stage"
#: On inventories.
LABEL_STAGE_SET: Final = "stages.metio.wtf/stage-set"
LABEL_SHARD: Final = "stages.metio.wtf/shard"
LABEL_APP_VERSION: Final = "app.kubernetes.io/version"

#: Label or annotation of a live object: `disabled` (any case) keeps it from being pruned.
PRUNE: Final = "stages.metio.wtf/prune"
FORCE: Final = "stages.metio.wtf/force"
KEEP_EXISTING: Final = "stages.metio.wtf/keep-existing"

REQUESTED_AT: Final = "reconcile.fluxcd.io/requestedAt"
RECONCILE_STAGE: Final = "stages.metio.wtf/reconcile-stage"
#: An operator's answer on an action that may or may not have run; a JSON object.
RESOLVE: Final = "stages.metio.wtf/resolve"
#: `<stage>/<action>@<token>`: a completed Lifetime action is to count as not done.
RESET_LEDGER: Final = "stages.metio.wtf/reset-ledger"
PROMOTE: Final = "stages.metio.wtf/promote"
APPROVED_VERSION: Final = "stages.metio.wtf/approved-version"
ROLLBACK_TO: Final = "stages.metio.wtf/rollback-to"
UPDATE_NOW: Final = "stages.metio.wtf/update-now"
BUDGET_OVERRIDE: Final = "stages.metio.wtf/budget-override"
RESET_SCOPE: Final = "stages.metio.wtf/reset-scope"
SKIP_IMAGE_VERIFICATION: Final = "stages.metio.wtf/skip-image-verification"
#: Annotations of a StageSet whose change is acted on at once.
WAKING_ANNOTATIONS: Final = (
    REQUESTED_AT,
    RECONCILE_STAGE,
    RESOLVE,
    RESET_LEDGER,
    APPROVED_VERSION,
    ROLLBACK_TO,
    PROMOTE,
)

#: RFC 1123 subdomain: the limit of object names.
NAME_CHARS_MAX: Final = 253
#: Values of labels; the name of a stage is one.
LABEL_CHARS_MAX: Final = 63
_HASH_CHARS = 10
_STAGE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class InventoryId(NamedTuple):
    """An owned object as an inventory names it; namespace and group may be empty, the version is kept beside it."""

    namespace: str
    name: str
    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.namespace}_{self.name}_{self.group}_{self.kind}"


class StageToken(NamedTuple):
    """An operator's request for one stage: acted on once per token."""

    stage: str
    token: str


def owner_labels(*, namespace: str, name: str) -> dict[str, str]:
    """Labels that say which StageSet an object belongs to."""
    return {LABEL_NAME: name, LABEL_NAMESPACE: namespace}


def stage_labels(*, namespace: str, name: str, stage: str) -> dict[str, str]:
    """Labels of an object that a stage applied."""
    return {**owner_labels(namespace=namespace, name=name), LABEL_STAGE: stage}


def inventory_labels(*, name: str, stage: str, shard: int) -> dict[str, str]:
    """Labels of a StageInventory: its StageSet, its stage and its number among the stage's shards."""
    return {LABEL_STAGE_SET: name, LABEL_STAGE: stage, LABEL_SHARD: str(shard)}


def inventory_selector(*, name: str, stage: str = "") -> str:
    """Label selector of a StageSet's inventories, or of one stage's."""
    return f"{LABEL_STAGE_SET}={name}" + (f",{LABEL_STAGE}={stage}" if stage else "")


def is_owned(labels: Mapping[str, str], *, namespace: str, name: str) -> bool:
    """The delete guard: whether both owner labels name this StageSet."""
    return labels.get(LABEL_NAME) == name and labels.get(LABEL_NAMESPACE) == namespace


def is_prune_disabled(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Whether a live object asks, by label or annotation, to be left alone when it would be deleted."""
    return any(where.get(PRUNE, "").lower() == "disabled" for where in (labels, annotations))


def inventory_name(stageset: str, stage: str, shard: int) -> str:
    """Name of a StageInventory: `<stageset>-<stage>-<NN>-<hash>`, at most 253 characters.

    The hash is over the parts with their lengths, so that (`a-b`, `c`) and (`a`, `b-c`) differ. Where the name would be
    too long, the readable part is cut and the hash kept.
    """
    exact = f"{len(stageset)}/{stageset}/{len(stage)}/{stage}/{shard}"
    suffix = "-" + hashlib.sha256(exact.encode()).hexdigest()[:_HASH_CHARS]
    readable = f"{stageset}-{stage}-{shard:02d}"
    if len(readable) + len(suffix) > NAME_CHARS_MAX:
        readable = readable[: NAME_CHARS_MAX - len(suffix)].rstrip("-")
    return readable + suffix


def parse_inventory_id(text: str) -> InventoryId | None:
    """The object that an inventory entry names; None where the text is malformed and the entry must be skipped.

    Namespaces, groups and kinds have no underscore, so a name with underscores (RBAC allows them) is read whole.
    """
    namespace, _, rest = text.partition("_")
    name, *tail = rest.rsplit("_", 2)
    if len(tail) < 2 or not name or not tail[1]:
        return None
    return InventoryId(namespace, name, *tail)


def is_stage_name(text: str) -> bool:
    """Whether a stage can be called so: the pattern of the API, which gives names no limit, and the limit of labels."""
    return len(text) <= LABEL_CHARS_MAX and _STAGE_NAME.fullmatch(text) is not None


def parse_stage_token(value: str) -> StageToken | None:
    """`<stage>@<token>`, split at the first `@`; None where a half is empty: such a value is ignored."""
    stage, _, token = value.partition("@")
    return StageToken(stage, token) if stage and token else None
