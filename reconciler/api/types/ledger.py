"""StageLedger: completions of Lifetime actions that outlive their StageSet.

Same namespace and name as its StageSet, and no owner. The spec is the operators', the status a projection of the
ledger.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Time, map_by, says
from reconciler.api.types.metadata import Condition, ObjectMeta
from reconciler.api.types.status import LedgerPosition


class BaselineEntry(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An action that counts as done although it never ran here."""

    stage: Annotated[str, says("Name of the stage.")]
    action: Annotated[str, says("Name of the action.")]


class StageLedgerSpec(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What an operator declares as done."""

    baseline: Annotated[tuple[BaselineEntry, ...], says("Actions that count as done.")] = ()


class Anchor(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The very object that witnessed a completion."""

    api_version: Annotated[str, says("Group and version of the witness.")]
    kind: Annotated[str, says("Kind of the witness.")]
    name: Annotated[str, says("Name of the witness.")]
    uid: Annotated[str, says("UID of the witness.")]


class CompletedAction(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A completion; its identity is (stage, action)."""

    stage: Annotated[str, says("Name of the stage.")]
    action: Annotated[str, says("Name of the action.")]
    origin: Annotated[Literal["Executed", "Baselined"], says("Whether it ran, or was declared.")]
    completed_at: Annotated[Time, says("When it was recorded.")]
    digest: Annotated[str, says("Digest of the action's spec.")] = ""
    anchor: Annotated[Anchor | None, says("Object that witnesses the completion.")] = None


class StageLedgerStatus(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What is recorded as done."""

    completed_actions: Annotated[tuple[CompletedAction, ...], says("Completions.")] = ()
    conditions: Annotated[tuple[Condition, ...], says("BaselineValid.", crd=map_by("type"))] = ()
    ledger: Annotated[LedgerPosition | None, says("Place in the ledger that the status was made from.")] = None


class StageLedger(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Remembers which Lifetime actions of a StageSet are done."""

    metadata: Annotated[ObjectMeta, says("Standard metadata.")]
    spec: Annotated[StageLedgerSpec, says("What an operator declares as done.")] = StageLedgerSpec()
    status: Annotated[StageLedgerStatus, says("What is recorded as done.")] = StageLedgerStatus()
    api_version: Annotated[str, says("Group and version: stages.metio.wtf/v1.")] = "stages.metio.wtf/v1"
    kind: Annotated[str, says("Kind: StageLedger.")] = "StageLedger"
