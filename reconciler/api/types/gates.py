"""Gates: when a new revision may start, and what must hold before a stage counts as promoted.

Not their evaluation.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Duration, Int32, Time, map_by, says
from reconciler.api.types.metrics import MetricSource, Threshold
from reconciler.api.types.references import LabelSelector

GateFailure = Literal["Hold", "Rollback"]
SourceError = Literal["Allow", "Hold"]
_ON_FAILURE = "What a breach means: hold the rollout, or restore the stage's last good revision."


class Window(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A time in which new revisions may, or may not, start: recurring (schedule, duration) or fixed (from, to)."""

    type: Annotated[Literal["Allow", "Deny"], says("Whether rollouts are allowed or denied in the window.")]
    schedule: Annotated[str, says("Cron expression of five fields at which a recurring window opens.")] = ""
    duration: Annotated[Duration, says("How long a recurring window stays open.")] = ""
    time_zone: Annotated[str, says("IANA time zone of the schedule.", effective="UTC")] = ""
    from_: Annotated[Time, says("When a fixed window opens.")] = ""
    to: Annotated[Time, says("When a fixed window closes (exclusive).")] = ""


class ErrorBudget(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Freezes new revisions while a remaining error budget is too small."""

    source: Annotated[MetricSource, says("Where the remaining budget is read.")]
    freeze_threshold: Annotated[str, says("Freeze below this value, a decimal string.")]
    resume_threshold: Annotated[
        str, says("Resume at or above this value, a decimal string.", effective="freezeThreshold")
    ] = ""
    on_source_error: Annotated[SourceError | None, says("What an unreadable budget means.", effective="Allow")] = None
    interval: Annotated[
        Duration, says("How often a frozen budget is looked at.", effective="retryInterval, else interval")
    ] = ""
    dry_run: Annotated[bool, says("Report what would freeze, but do not freeze.", effective="false")] = False


class FastTrack(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Ends a soak early while a metric is good."""

    source: Annotated[MetricSource, says("Where the metric is read.")]
    max: Annotated[str, says("Largest value that counts as good, a decimal string.")]
    after: Annotated[Duration, says("Soak at least this long.", effective="0s")] = ""


class AnalysisCheck(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One metric with its bounds."""

    name: Annotated[str, says("Name, unique in the analysis.")]
    source: Annotated[MetricSource, says("Where the metric is read.")]
    threshold: Annotated[Threshold, says("Bounds of a passing value.")]


class Analysis(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Metrics that must stay within bounds."""

    checks: Annotated[tuple[AnalysisCheck, ...], says("The metrics; all must pass.", min_length=1)]
    interval: Annotated[Duration, says("How often the metrics are read.", effective="retryInterval, else interval")] = (
        ""
    )
    failure_limit: Annotated[Int32, says("Failed readings that are tolerated.", effective="0", ge=0)] = 0
    on_failure: Annotated[GateFailure | None, says(_ON_FAILURE, effective="Hold")] = None
    on_source_error: Annotated[SourceError | None, says("What an unreadable metric means.", effective="Hold")] = None
    dry_run: Annotated[bool, says("Report, but do not block.", effective="false")] = False


class RestartCheck(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A limit on container restarts of some Pods."""

    name: Annotated[str, says("Name, unique in the gate.")]
    selector: Annotated[LabelSelector, says("The Pods; must not be empty.")]
    max_restarts: Annotated[Int32, says("Restarts tolerated since the last promotion.", effective="0", ge=0)] = 0
    on_failure: Annotated[GateFailure | None, says(_ON_FAILURE, effective="the gate's onFailure")] = None


class RestartGate(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Blocks promotion while containers restart too often."""

    checks: Annotated[tuple[RestartCheck, ...], says("The checks; none may be breached.", crd=map_by("name"))]
    on_failure: Annotated[GateFailure | None, says(_ON_FAILURE, effective="Hold")] = None


class EventCheck(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A limit on Warning events about some Pods."""

    name: Annotated[str, says("Name, unique in the gate.")]
    selector: Annotated[LabelSelector, says("The Pods; must not be empty.")]
    reasons: Annotated[tuple[str, ...], says("Event reasons that count.", min_length=1)]
    max_events: Annotated[Int32, says("Events tolerated.", effective="0", ge=0)] = 0
    on_failure: Annotated[GateFailure | None, says(_ON_FAILURE, effective="the gate's onFailure")] = None


class EventGate(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Blocks promotion while Warning events pile up."""

    checks: Annotated[tuple[EventCheck, ...], says("The checks; none may be breached.", crd=map_by("name"))]
    on_failure: Annotated[GateFailure | None, says(_ON_FAILURE, effective="Hold")] = None


class Promotion(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What must hold after a stage is ready and before the next one starts."""

    soak: Annotated[Duration, says("How long the stage must stay ready.", effective="none")] = ""
    require_manual_promotion: Annotated[bool, says("Wait for an operator's word.", effective="false")] = False
    fast_track: Annotated[FastTrack | None, says("End the soak early while a metric is good; needs soak.")] = None
    analysis: Annotated[Analysis | None, says("Metrics that must stay within bounds.")] = None
    restart_gate: Annotated[RestartGate | None, says("Limit on container restarts.")] = None
    event_gate: Annotated[EventGate | None, says("Limit on Warning events.")] = None
