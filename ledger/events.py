"""The vocabulary: every kind of event that can be recorded, with its permanent tag.

A `Fact` came from outside, a `Decision` was made by us. A tag never changes its meaning; a field is only ever added,
with a default, or carried over by `ledger.upcast`. The fields here form the erasable body of a record; what the chain
must keep for ever (stage, operation, outcome, digests) stands in the header. The schema is frozen by a test.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

# Whoever reads events finds what they are made of beside them.
from ledger.kinds import Decision as Decision
from ledger.kinds import Event as Event
from ledger.kinds import Fact as Fact
from ledger.kinds import Finished as Finished
from ledger.kinds import Hook as Hook
from ledger.kinds import Operation as Operation
from ledger.kinds import Outcome as Outcome
from ledger.kinds import Trigger as Trigger
from ledger.values import CompletionShown as CompletionShown
from ledger.values import Item as Item
from ledger.values import Pin as Pin
from ledger.values import StageShown as StageShown

# ── the ledger itself ────────────────────────────────────────────────────────────────────────────────────────────


class LedgerCreated(Fact, frozen=True, kw_only=True, tag="ledger.created"):
    """The first record of every ledger."""

    OP: ClassVar[Operation] = "ledger"
    #: name and version of the program
    software: str = ""


class LedgerEpochOpened(Fact, frozen=True, kw_only=True, tag="ledger.epoch.opened"):
    """A writer took over; writers of older epochs can no longer append. The header has the new epoch."""

    OP: ClassVar[Operation] = "ledger"
    reason: str = ""
    #: name and version of the program
    software: str = ""


class LedgerBodiesErased(Fact, frozen=True, kw_only=True, tag="ledger.bodies.erased"):
    """Bodies were erased on somebody's order; their headers and digests stay."""

    OP: ClassVar[Operation] = "ledger"
    #: positions whose body and salt are gone
    positions: list[int]
    reason: str


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class RunOpened(Fact, frozen=True, kw_only=True, tag="run.opened"):
    """A run begins: why, with which spec, pins and policy."""

    OP: ClassVar[Operation] = "run"
    trigger: Trigger
    #: `metadata.generation` of the StageSet
    generation: int
    #: the spec as the API server returned it
    spec: dict[str, Any]
    #: every artifact the run may touch, resolved together
    pins: list[Pin]
    #: the settings and limits that decisions read
    policy: dict[str, Any]
    #: `reconcile.fluxcd.io/requestedAt` that this run answers
    requested_at: str = ""


class RunBlocked(Fact, frozen=True, kw_only=True, tag="run.blocked"):
    """No run can be opened: the spec is invalid, a source is not ready, the StageSet is suspended, …"""

    OP: ClassVar[Operation] = "run"
    reason: str
    message: str
    generation: int
    requested_at: str = ""


class RunSucceeded(Decision, frozen=True, kw_only=True, tag="run.succeeded"):
    """Every stage is ready on the run's snapshot."""

    OP: ClassVar[Operation] = "run"


class RunFailed(Decision, frozen=True, kw_only=True, tag="run.failed"):
    """The run ended at its first failed stage."""

    OP: ClassVar[Operation] = "run"
    reason: str
    message: str


class RunSuperseded(Decision, frozen=True, kw_only=True, tag="run.superseded"):
    """The run ended between two effects because something newer came."""

    OP: ClassVar[Operation] = "run"
    reason: str


class RunRetryScheduled(Decision, frozen=True, kw_only=True, tag="run.retry.scheduled"):
    """The same snapshot will be tried again at a time, or earlier when a cause changes."""

    OP: ClassVar[Operation] = "run"
    #: RFC 3339, UTC
    due: str
    failures: int = 0


class TimerFired(Fact, frozen=True, kw_only=True, tag="timer.fired"):
    """A wake-up time that a decision set has come."""

    OP: ClassVar[Operation] = "timer"
    #: verify, retry, interval, action, teardown, …
    timer: str
    #: RFC 3339, UTC
    due: str


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────────


class StageStarted(Decision, frozen=True, kw_only=True, tag="stage.started"):
    """The stage before it succeeded on the same snapshot, or it is the first."""

    OP: ClassVar[Operation] = "stage"


class StageSucceeded(Decision, frozen=True, kw_only=True, tag="stage.succeeded"):
    """Applied, verified, pruned, and its post actions are done."""

    OP: ClassVar[Operation] = "stage"
    revision: str = ""


class StageFailed(Decision, frozen=True, kw_only=True, tag="stage.failed"):
    """The run halts here; later stages keep what they have."""

    OP: ClassVar[Operation] = "stage"
    #: the operation in the words of a message, such as `fetch artifact`
    operation: str
    reason: str
    message: str
    retryable: bool = False


class StageRemoved(Decision, frozen=True, kw_only=True, tag="stage.removed"):
    """Everything that a stage owned is gone, after it left the spec or in a teardown."""

    OP: ClassVar[Operation] = "stage"


class StageTransferred(Decision, frozen=True, kw_only=True, tag="stage.transferred"):
    """Objects changed hands between two stages without being deleted."""

    OP: ClassVar[Operation] = "stage"
    #: the stage that owned them
    source: str
    objects: list[Item]


# ── connect, fetch, build ────────────────────────────────────────────────────────────────────────────────────────


class ConnectIntended(Decision, frozen=True, kw_only=True, tag="connect.intended"):
    """A client for the target cluster is to be made, and the witnesses of completed actions are to be looked at."""

    OP: ClassVar[Operation] = "connect"
    #: ServiceAccount to act as; empty for the controller's own identity
    service_account: str = ""
    #: `<Secret>/<key>` of the kubeconfig, a name alone for a ConfigMap; empty: the controller's own cluster
    kubeconfig: str = ""
    #: objects that witness completed Lifetime actions of the stage
    anchors: list[Item] = []
    #: objects that the stage owns, when it is reached another way than last time: is it the same cluster?
    owned: list[Item] = []


class ConnectFinished(Finished, frozen=True, kw_only=True, tag="connect.finished"):
    """The target cluster answered, or did not."""

    OP: ClassVar[Operation] = "connect"
    #: `gitVersion` of the API server
    server: str = ""
    #: what became of the witnesses: found (with the UID of now), gone, or unreadable
    anchors: list[Item] = []
    #: likewise of what the stage owns
    owned: list[Item] = []


class FetchIntended(Decision, frozen=True, kw_only=True, tag="fetch.intended"):
    """The pinned artifact is to be there as a blob."""

    OP: ClassVar[Operation] = "fetch"
    pin: Pin


class FetchFinished(Finished, frozen=True, kw_only=True, tag="fetch.finished"):
    """The artifact is a blob now, or could not be had."""

    OP: ClassVar[Operation] = "fetch"
    size_bytes: int = 0
    #: true when it was kept from before and no request was made
    kept: bool = False


class BuildIntended(Decision, frozen=True, kw_only=True, tag="build.intended"):
    """The artifact is to be rendered: kustomize, then substitution."""

    OP: ClassVar[Operation] = "build"
    artifact: str
    path: str = ""


class BuildFinished(Finished, frozen=True, kw_only=True, tag="build.finished"):
    """The rendered objects are a blob now (secret values as tokens), or the build failed."""

    OP: ClassVar[Operation] = "build"
    #: digest of the set of rendered objects, secret values as tokens
    manifests: str = ""
    objects: list[Item] = []
    #: `Kind/name@resourceVersion` of what the variables came from
    variables: list[str] = []


# ── apply, prune, verify ─────────────────────────────────────────────────────────────────────────────────────────


class ApplyIntended(Decision, frozen=True, kw_only=True, tag="apply.intended"):
    """The rendered objects are to be applied server-side."""

    OP: ClassVar[Operation] = "apply"
    manifests: str
    objects: int


class ApplyFinished(Finished, frozen=True, kw_only=True, tag="apply.finished"):
    """What the API server said of each object."""

    OP: ClassVar[Operation] = "apply"
    objects: list[Item] = []
    #: live objects (with their UID) that were proved to be in the way: immutable, and to be replaced by policy.
    #: Their replacements passed a dry-run; nothing was deleted
    replace: list[Item] = []


class ReplaceIntended(Decision, frozen=True, kw_only=True, tag="replace.intended"):
    """Live objects are to be deleted, each by its UID, so that the next apply creates them anew."""

    OP: ClassVar[Operation] = "replace"
    objects: list[Item]
    #: RFC 3339, UTC: until when it is waited for them to be gone
    deadline: str


class ReplaceFinished(Finished, frozen=True, kw_only=True, tag="replace.finished"):
    """They are gone, or what keeps them."""

    OP: ClassVar[Operation] = "replace"
    objects: list[Item] = []


class PruneIntended(Decision, frozen=True, kw_only=True, tag="prune.intended"):
    """Objects that are owned and no longer rendered are to be deleted."""

    OP: ClassVar[Operation] = "prune"
    objects: list[Item]


class PruneFinished(Finished, frozen=True, kw_only=True, tag="prune.finished"):
    """What became of each of them."""

    OP: ClassVar[Operation] = "prune"
    objects: list[Item] = []


class VerifyIntended(Decision, frozen=True, kw_only=True, tag="verify.intended"):
    """Readiness is awaited until the deadline."""

    OP: ClassVar[Operation] = "verify"
    #: RFC 3339, UTC
    deadline: str


class VerifyObserved(Fact, frozen=True, kw_only=True, tag="verify.observed"):
    """Progress worth showing while readiness is awaited."""

    OP: ClassVar[Operation] = "verify"
    message: str = ""
    objects: list[Item] = []


class VerifyFinished(Finished, frozen=True, kw_only=True, tag="verify.finished"):
    """Everything is ready, or something is not and never will be, or time ran out."""

    OP: ClassVar[Operation] = "verify"
    objects: list[Item] = []


class DriftObserved(Fact, frozen=True, kw_only=True, tag="drift.observed"):
    """Objects of a stage were changed or removed by another hand. The header has the stage."""

    OP: ClassVar[Operation] = "apply"
    #: `action`: changed or gone; `message`: which fields, and by which field manager
    objects: list[Item]
    #: field manager of the first of them, as far as it is known
    manager: str = ""
    #: Correct or Warn
    mode: str = "Correct"


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


class ActionIntended(Decision, frozen=True, kw_only=True, tag="action.intended"):
    """An action is about to act on the world. The header has its idempotency key."""

    OP: ClassVar[Operation] = "action"
    hook: Hook
    action: str
    #: patch, http, wait, job, delete, apply
    verb: str
    scope: str = "Revision"
    #: RFC 3339, UTC; empty without a limit
    deadline: str = ""


class ActionObserved(Fact, frozen=True, kw_only=True, tag="action.observed"):
    """What the action is about to touch, or has made, such as its Job with a UID. The header has its key."""

    OP: ClassVar[Operation] = "action"
    action: str
    objects: list[Item] = []
    message: str = ""


class ActionFinished(Finished, frozen=True, kw_only=True, tag="action.finished"):
    """The action's effect: done, failed, or unknown (`indeterminate`)."""

    OP: ClassVar[Operation] = "action"
    hook: Hook
    action: str
    objects: list[Item] = []
    #: the object that witnesses the completion of a Lifetime action
    anchor: Item | None = None


class ActionRetryScheduled(Decision, frozen=True, kw_only=True, tag="action.retry.scheduled"):
    """The action is known to have failed and has attempts left."""

    OP: ClassVar[Operation] = "action"
    hook: Hook
    action: str
    #: RFC 3339, UTC
    due: str


class ActionSkipped(Decision, frozen=True, kw_only=True, tag="action.skipped"):
    """The action is recorded as done in its scope and is not performed again."""

    OP: ClassVar[Operation] = "action"
    hook: Hook
    action: str
    why: str


class ActionHeld(Decision, frozen=True, kw_only=True, tag="action.held"):
    """Whether the action took effect is unknown; the stage waits for an operator's word."""

    OP: ClassVar[Operation] = "action"
    hook: Hook
    action: str
    message: str


class ActionAdopted(Fact, frozen=True, kw_only=True, tag="action.adopted"):
    """A completion that this ledger did not see, read from where it was shown. The header has the stage."""

    OP: ClassVar[Operation] = "action"
    action: str
    scope: str
    #: the object and field it was read from
    source: str
    #: RFC 3339, UTC; empty where it is not known
    completed_at: str = ""
    #: Executed, or Baselined where somebody declared it done
    origin: str = "Executed"
    #: the object that witnesses it
    anchor: Item | None = None


class ActionRevoked(Decision, frozen=True, kw_only=True, tag="action.revoked"):
    """A recorded completion counts no more: its witness is gone, or is another object by now."""

    OP: ClassVar[Operation] = "action"
    action: str
    why: str


# ── the StageSet and its operators ───────────────────────────────────────────────────────────────────────────────


class OperatorSuspended(Fact, frozen=True, kw_only=True, tag="operator.suspended"):
    """`spec.suspend` became true."""

    OP: ClassVar[Operation] = "run"


class OperatorResumed(Fact, frozen=True, kw_only=True, tag="operator.resumed"):
    """`spec.suspend` became false."""

    OP: ClassVar[Operation] = "run"


class OperatorRequested(Fact, frozen=True, kw_only=True, tag="operator.requested"):
    """Somebody asked for something once, by an annotation with a token."""

    OP: ClassVar[Operation] = "run"
    #: reconcile, reconcile-stage, …
    request: str
    token: str


class OperatorResolved(Fact, frozen=True, kw_only=True, tag="operator.resolved"):
    """Somebody answered for an action whose outcome was unknown."""

    OP: ClassVar[Operation] = "action"
    action: str
    answer: Literal["done", "not-done"]
    reason: str
    #: what the answer was asked with, so that it is taken once
    token: str = ""


class StageSetAdopted(Fact, frozen=True, kw_only=True, tag="stageset.adopted"):
    """The world shows more than this stream has recorded: the ledger is older than the world, or another one.

    What is shown is taken over; what it does not rule out counts as unknown.
    """

    OP: ClassVar[Operation] = "ledger"
    #: position and hash of the head of the stream, as `.status.ledger` shows them
    shown_version: int
    shown_head: str
    #: sentence for people
    why: str
    stages: list[StageShown] = []
    completions: list[CompletionShown] = []


class StageSetReleased(Decision, frozen=True, kw_only=True, tag="stageset.released"):
    """The teardown is over; the finalizer may go."""

    OP: ClassVar[Operation] = "run"
    #: what was left behind and why; empty after a complete teardown
    left: list[Item] = []
    #: why it was not waited for any longer; empty after a complete teardown
    why: str = ""


def _concrete(base: type[Event]) -> list[type[Event]]:
    found: list[type[Event]] = []
    for child in base.__subclasses__():
        found += [child] if child.__struct_config__.tag and "OP" in child.__dict__ else _concrete(child)
    return found


#: Every event type by its tag. Nothing outside this file adds to it.
BY_TAG: dict[str, type[Event]] = {str(cls.__struct_config__.tag): cls for cls in _concrete(Event)}
_TAGS = {cls: tag for tag, cls in BY_TAG.items()}
OUTCOMES: frozenset[str] = frozenset(get_args(Outcome))
OPERATIONS: frozenset[str] = frozenset(get_args(Operation))


def tag_of(event: Event) -> str:
    """The permanent tag of an event."""
    return _TAGS[type(event)]


def is_fact(event: Event) -> bool:
    """True for what came from outside."""
    return isinstance(event, Fact)
