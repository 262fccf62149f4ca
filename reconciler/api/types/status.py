"""The status of a StageSet: a projection of the ledger, never read back as truth.

Not the projection itself. Field names and meanings are those that tools of the field read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Int32, Int64, Time, says
from reconciler.api.types.metadata import Condition

Phase = Literal["Pending", "Applying", "Pruning", "Verifying", "Ready", "Failed"]


class RestartBaseline(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Restarts of one check at the last promotion."""

    name: Annotated[str, says("Name of the check.")]
    restarts: Annotated[Int32, says("Restarts counted then.")] = 0


class AnalysisResult(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One reading of one metric."""

    name: Annotated[str, says("Name of the check.")]
    value: Annotated[str, says("Value read, a decimal string.")] = ""
    ok: Annotated[bool, says("Whether the value was within its bounds.")] = False
    error: Annotated[str, says("Why no value could be read.")] = ""


class LastAnalysis(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The last reading of all metrics."""

    time: Annotated[Time, says("When the metrics were read.")] = ""
    passed: Annotated[bool, says("Whether all checks passed.")] = False
    checks: Annotated[tuple[AnalysisResult, ...], says("The readings.")] = ()


class PromotionState(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where a stage stands on its way to being promoted."""

    phase: Annotated[str, says("Soaking, Analyzing, Blocked, AwaitingManual or Promoted.")] = ""
    since: Annotated[Time, says("When the phase began.")] = ""
    soak_until: Annotated[Time, says("When the soak ends.")] = ""
    analysis_failures: Annotated[Int32, says("Failed readings so far.")] = 0
    restart_check: Annotated[str, says("Restart check that was breached.")] = ""
    observed_restarts: Annotated[Int32, says("Restarts that breached it.")] = 0
    restart_baseline: Annotated[tuple[RestartBaseline, ...], says("Restarts at the last promotion.")] = ()
    event_check: Annotated[str, says("Event check that was breached.")] = ""
    observed_events: Annotated[Int32, says("Events that breached it.")] = 0
    aborted_revision: Annotated[str, says("Revision that was rolled back here.")] = ""
    last_analysis: Annotated[LastAnalysis | None, says("The last reading of all metrics.")] = None


class BudgetFreeze(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A freeze by an error budget."""

    remaining: Annotated[str, says("Remaining budget, a decimal string.")] = ""
    freeze_threshold: Annotated[str, says("Value below which it freezes.")] = ""
    resume_threshold: Annotated[str, says("Value at which it resumes.")] = ""
    since: Annotated[Time, says("When the freeze began.")] = ""
    dry_run: Annotated[bool, says("Whether it is only reported.")] = False


class StageStatus(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What was last seen of one stage."""

    name: Annotated[str, says("Name of the stage.")]
    phase: Annotated[Phase | None, says("What the stage is doing.")] = None
    applied_revision: Annotated[str, says("Revision that was last applied and verified.")] = ""
    entries_count: Annotated[Int64, says("Objects that the stage owns.")] = 0
    shards: Annotated[Int32, says("StageInventory objects of the stage.")] = 0
    message: Annotated[str, says("Operation and cause of a failure.")] = ""
    executed_actions: Annotated[tuple[str, ...], says("Actions done for ledgerRevision.")] = ()
    ledger_revision: Annotated[str, says("Revision that executedActions is for.")] = ""
    executed_version_actions: Annotated[tuple[str, ...], says("Actions done for ledgerVersion.")] = ()
    ledger_version: Annotated[str, says("Version that executedVersionActions is for.")] = ""
    held_actions: Annotated[
        tuple[str, ...], says("Actions that may or may not have run; the stage waits for an operator's answer.")
    ] = ()
    last_handled_reconcile_at: Annotated[str, says("Last handled token of reconcile-stage.")] = ""
    last_handled_promotion: Annotated[str, says("Last handled token of promote.")] = ""
    promotion_state: Annotated[PromotionState | None, says("Where the stage stands on its way to promotion.")] = None
    budget_freeze: Annotated[BudgetFreeze | None, says("Freeze by the stage's error budget.")] = None


class PendingMigration(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A migration that the next version change would run."""

    name: Annotated[str, says("Name of the migration.")]
    to: Annotated[str, says("Version that it leads to.")]
    from_: Annotated[str, says("Versions that it starts from.")] = ""
    stage: Annotated[str, says("Stage before which it runs.")] = ""
    actions: Annotated[tuple[str, ...], says("Verbs of its actions.")] = ()
    digest: Annotated[str, says("First 12 hex digits of the migration's digest.")] = ""


class StageSnapshot(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What a rollback would restore for one stage."""

    stage: Annotated[str, says("Name of the stage.")]
    url: Annotated[str, says("URL of the artifact.")]
    digest: Annotated[str, says("Digest of the artifact.")]
    revision: Annotated[str, says("Revision of the artifact.")] = ""
    substitution_digest: Annotated[str, says("Digest of the variables it was built with.")] = ""


class PendingUpdate(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A rollout that waits for a window."""

    revisions: Annotated[dict[str, str], says("New revisions by source.")] = {}
    next_window_opens: Annotated[Time, says("When the next window opens.")] = ""


class LedgerPosition(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The place in the ledger that the status was made from."""

    stream: Annotated[str, says("Stream of this StageSet.")] = ""
    version: Annotated[Int64, says("Position in the stream.", ge=0)] = 0
    head: Annotated[str, says("Hash of the record at that position.")] = ""


class StageSetStatus(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What was last seen of a StageSet."""

    observed_generation: Annotated[Int64, says("Generation of the spec that was last acted on.")] = 0
    conditions: Annotated[tuple[Condition, ...], says("Ready, Reconciling and Stalled.")] = ()
    ledger: Annotated[LedgerPosition | None, says("Place in the ledger that the status was made from.")] = None
    last_handled_reconcile_at: Annotated[str, says("Last handled value of reconcile.fluxcd.io/requestedAt.")] = ""
    handled_requests: Annotated[
        dict[str, str], says("Last handled request of each kind: reconcile-stage, resolve, reset-ledger.")
    ] = {}
    last_attempted_revisions: Annotated[
        dict[str, str], says("Revisions of the current or last run, by kind/namespace/name of the source.")
    ] = {}
    last_applied_revisions: Annotated[
        dict[str, str], says("Revisions of the last successful run, by kind/namespace/name of the source.")
    ] = {}
    stages: Annotated[tuple[StageStatus, ...], says("The stages, in the order of the spec.")] = ()
    version: Annotated[str, says("Deployed system version.")] = ""
    pending_version: Annotated[str, says("Version that waits for approval.")] = ""
    pending_migrations: Annotated[
        tuple[PendingMigration, ...], says("Migrations that the next version change would run.")
    ] = ()
    executed_migrations: Annotated[tuple[str, ...], says("Migrations done in the current version change.")] = ()
    executed_migration_actions: Annotated[tuple[str, ...], says("Migration actions done in it.")] = ()
    migration_failure_count: Annotated[Int32, says("Consecutive failures of migrations.")] = 0
    action_failure_count: Annotated[Int32, says("Consecutive failures of Lifetime actions.")] = 0
    last_applied_snapshot: Annotated[tuple[StageSnapshot, ...], says("What a rollback would restore.")] = ()
    pending_update: Annotated[PendingUpdate | None, says("Rollout that waits for a window.")] = None
    budget_freeze: Annotated[BudgetFreeze | None, says("Freeze by the error budget.")] = None
    last_handled_update_override: Annotated[str, says("Last handled value of update-now.")] = ""
    last_handled_reset_scope: Annotated[str, says("Last handled value of reset-scope.")] = ""
    last_handled_budget_override: Annotated[str, says("Last handled value of budget-override.")] = ""
