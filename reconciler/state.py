"""The state of one StageSet: the fold of its stream, and nothing beside it.

Values only. Every field is derived from recorded events; losing a state loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Union

import msgspec

from ledger.events import BY_TAG, Event, Hook, Item, Pin, Trigger
from reconciler.transitions import RESTING, Phase

if TYPE_CHECKING:
    AnyEvent = Event
else:
    # So that a checkpoint can be read back: the tagged union of the whole vocabulary.
    AnyEvent = Union[tuple(BY_TAG.values())]  # noqa: UP007


class Owned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An object that belongs to a stage. Without a `uid` it was intended and may or may not exist."""

    #: `namespace_name_group_kind`
    id: str
    #: API version without its group
    v: str
    uid: str = ""
    #: resource version and generation after it was last applied
    rv: str = ""
    generation: int = 0
    #: digest of what was last applied
    digest: str = ""
    #: no longer rendered and not deleted: nobody expects it to be as it was applied
    dropped: bool = False
    #: key of the action that made it; the stage's own manifests do not render it
    action: str = ""


class StageState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a stage has, across runs."""

    name: str
    #: place in the spec when it was last seen there
    position: int = 0
    #: stage digest that was last ready
    digest: str = ""
    #: revision that was last ready
    revision: str = ""
    #: digest of the manifests that were last ready
    manifests: str = ""
    #: `Kind/name@resourceVersion` of what its variables were taken from
    variables: tuple[str, ...] = ()
    #: ServiceAccount that last worked for it
    service_account: str = ""
    #: how the cluster with its objects was last reached, as in `connect.intended`
    kubeconfig: str = ""
    #: whether its objects may be deleted when they, or it, are dropped
    prune: bool = True
    #: objects by id
    owned: dict[str, Owned] = {}


class ActionPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run wants of an action."""

    name: str
    hook: Hook
    #: patch, http, wait, job, delete, apply
    verb: str
    scope: str = "Revision"
    #: identity in its scope
    key: str
    retries: int = 0
    #: bound over all attempts; 0: none
    timeout_ms: int = 0
    #: bound of one attempt where there is no other; 0: none
    bound_ms: int = 0
    #: artifact of a job or apply action
    pin: Pin | None = None
    #: doing it twice is the same as doing it once
    repeatable: bool = False

    @property
    def operation(self) -> str:
        """The operation in the words of messages."""
        return {"pre": "pre-action", "post": "post-action"}.get(self.hook, "on-failure action")


class StagePlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run wants of a stage: the part of the spec that decisions read."""

    name: str
    pin: Pin
    digest: str
    path: str = ""
    service_account: str = ""
    #: how its cluster is reached, as in `connect.intended`
    kubeconfig: str = ""
    prune: bool = True
    verify_timeout_ms: int
    #: pre, post, onFailure, each in its order
    actions: tuple[ActionPlan, ...] = ()

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The stage's own pin, then those of its actions."""
        return (self.pin, *(action.pin for action in self.actions if action.pin is not None))


class Render(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a stage renders to in this run."""

    #: digest of the set of objects
    manifests: str
    #: object versions by id, digests by id
    versions: dict[str, str]
    digests: dict[str, str]
    #: `Kind/name@resourceVersion` of what its variables were taken from
    variables: tuple[str, ...] = ()


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The action at work: which attempt it is, since when there are attempts, and when the next one may begin."""

    key: str
    number: int
    begun_ms: int
    #: 0: no pause
    due_ms: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt to bring one snapshot to the cluster."""

    id: str
    trigger: Trigger
    snapshot: str
    generation: int
    opened_ms: int
    spec: dict[str, Any]
    policy: dict[str, Any]
    plans: tuple[StagePlan, ...]
    #: how many of the plans have succeeded; the next one is at work
    done: int = 0
    #: stages to take down, in order: all of them in a deletion, else those that left the spec
    removals: tuple[str, ...] = ()
    #: the stage at work; empty between two stages
    stage: str = ""
    renders: dict[str, Render] = {}
    #: later stages that could not be rendered ahead of their turn
    unseen: tuple[str, ...] = ()
    #: keys of actions that need not be looked at any more in this run
    passed: tuple[str, ...] = ()
    attempt: Attempt | None = None
    #: witnesses of completed actions of the stage at work, as they were found
    witnesses: tuple[Item, ...] = ()
    #: live objects that are in the way of the apply, to be replaced
    replacing: tuple[Item, ...] = ()
    #: ids of those that were replaced in this run
    replaced: tuple[str, ...] = ()


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An intent without an answer."""

    intent: int
    operation: str
    stage: str
    event: AnyEvent
    since_ms: int
    #: idempotency key of an action
    key: str = ""


class Act(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action that was begun in its scope and is not known to be done."""

    stage: str
    name: str
    #: what it touches or made, the newest that is known of each, by id
    objects: dict[str, Item] = {}
    #: version of the record that makes its outcome unknown; 0: it is known
    doubt: int = 0
    #: what was looked at in vain
    message: str = ""


class Completion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Lifetime action that is done, once and for all unless its witness goes."""

    stage: str
    action: str
    #: Executed, or Baselined
    origin: str = "Executed"
    #: RFC 3339, UTC
    at: str = ""
    #: where it was read; empty where it was seen here
    source: str = ""
    anchor: Item | None = None


class Reopened(msgspec.Struct, frozen=True, kw_only=True):
    """The Revision actions of one stage digest are to be performed once more."""

    digest: str
    token: str


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the world showed of a stage when this ledger knew less than it."""

    #: version of the record that says so
    ver: int
    executed: tuple[str, ...] = ()
    revision: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why the run halts, or why the last one did."""

    stage: str
    operation: str
    reason: str
    message: str
    retryable: bool = False


class Blocked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why no run can be opened."""

    reason: str
    message: str
    generation: int
    since_ms: int


class Drift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What another hand did to an object, and how often of late."""

    stage: str
    #: field manager, as far as it is known
    manager: str = ""
    message: str = ""
    #: Correct or Warn
    mode: str = "Correct"
    #: when it was seen, the newest ones
    times_ms: tuple[int, ...] = ()
    #: it comes back each time it is corrected, so it is not corrected any more
    flapping: bool = False


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that was opened while another was at work: it begins when that one has been superseded."""

    event: AnyEvent
    at_ms: int
    ver: int
    run: str


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fold of one stream."""

    stream: str
    version: int = 0
    #: time of the last event
    now_ms: int = 0
    phase: Phase = Phase.IDLE
    #: the run at work, or the last one
    run: Run | None = None
    pending: Pending | None = None
    waiting: Waiting | None = None
    stages: dict[str, StageState] = {}
    failure: Failure | None = None
    #: failed runs since the last success, request, new snapshot or new spec
    failures: int = 0
    #: when the run is tried again; 0: no such plan
    retry_ms: int = 0
    blocked: Blocked | None = None
    suspended: bool = False
    #: last `reconcile.fluxcd.io/requestedAt` that a run answered
    requested_at: str = ""
    #: when what people are shown last changed: a run was opened, succeeded, or failed for the first time
    since_ms: int = 0
    #: when the teardown began; 0: there is none
    teardown_since_ms: int = 0
    #: revisions by source that the last fully successful run brought
    applied: dict[str, str] = {}
    #: actions that were begun and are not known to be done, by key
    acts: dict[str, Act] = {}
    #: Revision actions that are done: version of the record that says so, by key. Kept for ever: once is once
    done: dict[str, int] = {}
    #: Lifetime actions that are done, by `stage/action`
    completions: dict[str, Completion] = {}
    #: version of the record that revoked a completion, by `stage/action`
    revoked: dict[str, int] = {}
    #: failures of a Lifetime action since its last success or the last request, by `stage/action`
    strikes: dict[str, int] = {}
    #: stages whose actions are performed once more, by name
    reopened: dict[str, Reopened] = {}
    #: last token of each kind of request that was taken up
    handled: dict[str, str] = {}
    #: a run is wanted whatever else is seen; empty: no
    asked: Trigger | Literal[""] = ""
    #: head that the world showed when this ledger was found to be behind, `version:hash`
    adopted: str = ""
    #: what it showed of each stage; read once by the next run
    shown: dict[str, Shown] = {}
    #: what a teardown that could not be finished left behind, and why
    left: tuple[Item, ...] = ()
    left_why: str = ""
    #: objects that another hand changed, by id
    drifts: dict[str, Drift] = {}
    #: snapshot and generation that were last ready
    ready_snapshot: str = ""
    ready_generation: int = 0

    @property
    def resting(self) -> bool:
        """Whether no run is at work."""
        return self.phase in RESTING

    @property
    def deleting(self) -> bool:
        """Whether the run at work, or the last one, is a teardown."""
        return self.run is not None and self.run.trigger == "deletion"


def run_of(state: State) -> Run:
    """The run at work."""
    assert state.run is not None, "no run is open"
    return state.run


def completion_key(stage: str, action: str) -> str:
    """Identity of a Lifetime action: it outlives the stage's revisions, and the hook that it stands in."""
    return f"{stage}/{action}"


def plan_of(run: Run, stage: str) -> StagePlan | None:
    """The plan of a stage; `None` for one that is being taken down."""
    return next((plan for plan in run.plans if plan.name == stage), None)
