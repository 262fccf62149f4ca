"""The next decision, from the state alone; `None` where the world or time must speak first.

Not the bookkeeping (`evolve`) and not the doing (adapters). Called again after each of its own decisions, so each
function here makes one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from ledger import events as e
from ledger.envelope import Draft
from ledger.instant import to_text
from reconciler import digests
from reconciler.actions.deciding import breakable, litter, turn
from reconciler.folds.operations import OPERATION_WORDS
from reconciler.policy import read_policy
from reconciler.state import Failure, Owned, Run, StagePlan, State, plan_of, run_of
from reconciler.transitions import Phase

#: Operations that are not broken off: what they do to the cluster must be known before anything else happens.
UNBREAKABLE = frozenset({"apply", "replace", "prune", "action"})
_BACKOFF_DOUBLINGS_MAX = 20
CLAIMED_TWICE = "ClaimedTwice"
#: The stage's objects are on another cluster than the one that it is to go to.
TARGET_CHANGED = "TargetChanged"
#: How many owned objects are looked for to tell whether a cluster is the same.
_LOOKED_FOR_MAX = 5
#: Failures to connect that nobody mends while everything is being deleted; and how often they are believed to.
_HOPELESS = frozenset({"NotFound", "NoAccount", "KubeconfigMissing", "KubeconfigInvalid", "Forbidden", "Unauthorized"})
_HOPELESS_TRIES = 3
#: Operations, in the words of messages, whose failure calls for onFailure actions: something may have been applied.
_CLEANED_UP = frozenset({"apply", "verify", "prune", "post-action"})
#: Phases that follow an apply, done or failed half way.
_APPLIED = frozenset({Phase.APPLIED, Phase.CONFLICTED, Phase.FAILING})


def decide(state: State) -> Draft | None:
    """The next decision, or `None`."""
    if state.resting:
        return _at_rest(state)
    if state.phase in _APPLIED:
        # What was applied has changed hands, whatever becomes of the run.
        handed_over = _transfer(state, run_of(state))
        if handed_over is not None:
            return handed_over
    if _interruption(state) and not unbreakable(state):
        return _draft(state, e.RunSuperseded(reason=_interruption(state)))
    if state.pending is not None:
        return None
    return _NEXT[state.phase](state, run_of(state))


def unbreakable(state: State) -> bool:
    """Whether something is under way whose outcome must be known before anything else happens."""
    if state.shown and not state.deleting:
        # The world is ahead of what is pending: it was concluded there, in a way that is not on record.
        return False
    if state.phase == Phase.REPLACED:
        # What was deleted to be made anew exists again before anything else is looked at.
        return True
    if state.pending is None or state.pending.operation not in UNBREAKABLE:
        return False
    return state.pending.operation != "action" or not breakable(state)


def _interruption(state: State) -> str:
    """Why the run at work must make room; empty when it need not."""
    if state.waiting is not None:
        event = state.waiting.event
        assert isinstance(event, e.RunOpened)
        return event.trigger
    if state.suspended and not state.deleting:
        return "suspended"
    if state.asked and not state.deleting:
        # Nothing more is begun on what somebody has just asked to be done anew.
        return state.asked
    if state.blocked is not None:
        return state.blocked.reason
    return ""


def _at_rest(state: State) -> Draft | None:
    if state.phase != Phase.FAILED or state.retry_ms:
        return None
    pause_ms = _pause_ms(state)
    if state.deleting:
        left_ms = state.teardown_since_ms + read_policy(run_of(state).policy).teardown_ms - state.now_ms
        if left_ms <= 0 or hopeless(state):
            # A deletion that came before there was any failure to tell of has its own words.
            why = state.failure.message if state.failure is not None else "the time for a teardown is over"
            return _draft(state, e.StageSetReleased(left=_left(state), why=why))
        pause_ms = min(pause_ms, left_ms)
    return _draft(state, e.RunRetryScheduled(due=to_text(state.now_ms + pause_ms), failures=state.failures))


def hopeless(state: State) -> bool:
    """Whether a teardown cannot reach its objects, and nobody is going to change that."""
    failure = state.failure
    if failure is None or state.failures < _HOPELESS_TRIES:
        return False
    return failure.operation == OPERATION_WORDS["connect"] and failure.reason in _HOPELESS


def _left(state: State) -> list[e.Item]:
    """What a teardown leaves behind, each with the reason of its last failure."""
    why = state.failure.message if state.failure is not None else ""
    owned = [one for stage in state.stages.values() for one in stage.owned.values()]
    return [replace(item, message=why) for item in _items(owned)]


def _pause_ms(state: State) -> int:
    """Pause before the next try: exponential up to the retry interval; a permanent failure waits for the interval.

    The jitter of up to a tenth is derived from the run, so that a thousand failures of one minute spread out and a
    replay still decides the same.
    """
    run, failure = run_of(state), state.failure
    policy = read_policy(run.policy)
    pause_ms = policy.interval_ms
    if failure is None or failure.retryable:
        doublings = min(max(state.failures - 1, 0), _BACKOFF_DOUBLINGS_MAX)
        pause_ms = min(policy.retry_base_ms * 2**doublings, policy.retry_interval_ms)
    chance = int.from_bytes(hashlib.sha256(run.id.encode()).digest()[:4], "big") / 2**32
    return int(pause_ms * (1 + 0.1 * chance))


# ── between stages ───────────────────────────────────────────────────────────────────────────────────────────────


def _opened(state: State, run: Run) -> Draft:
    if run.done < len(run.plans):
        return _draft(state, e.StageStarted(), stage=run.plans[run.done].name)
    behind = next((plan.name for plan in run.plans if _doomed(state, run, plan.name)), "") if run.unseen else ""
    if behind:
        # What it dropped could not be told from what moved on; by now all stages were seen.
        return _draft(state, e.StageStarted(), stage=behind)
    if run.removals:
        return _draft(state, e.StageStarted(), stage=run.removals[0])
    if state.deleting:
        return _draft(state, e.StageSetReleased())
    return _draft(state, e.RunSucceeded())


def _started(state: State, run: Run) -> Draft:
    stage = state.stages[run.stage]
    if plan_of(run, run.stage) is None and not (stage.owned and stage.prune):
        return _draft(state, e.StageRemoved())
    anchors = [
        done.anchor for done in state.completions.values() if done.stage == run.stage and done.anchor is not None
    ]
    plan = plan_of(run, run.stage)
    kubeconfig = stage.kubeconfig if plan is None else plan.kubeconfig
    owned = _items(one for one in stage.owned.values() if one.uid) if kubeconfig != stage.kubeconfig else []
    event = e.ConnectIntended(
        service_account=stage.service_account,
        kubeconfig=kubeconfig,
        anchors=anchors,
        owned=owned[:_LOOKED_FOR_MAX],
    )
    return _draft(state, event)


# ── one stage ────────────────────────────────────────────────────────────────────────────────────────────────────


def _connected(state: State, run: Run) -> Draft | None:
    plan = plan_of(run, run.stage)
    if plan is None:
        return _draft(state, e.PruneIntended(objects=_items(state.stages[run.stage].owned.values())))
    if run.done == len(run.plans):
        return _draft(state, e.PruneIntended(objects=_items(_doomed(state, run, run.stage))))
    if plan.kubeconfig != state.stages[run.stage].kubeconfig:
        return _elsewhere(state, plan)
    over, draft = turn(state, "pre")
    return _unwitnessed(state, run) or (_draft(state, e.FetchIntended(pin=plan.pin)) if over else draft)


def _unwitnessed(state: State, run: Run) -> Draft | None:
    """A completed action whose witness is gone, or is another object by now, is not completed any more."""
    for seen in run.witnesses:
        for done in state.completions.values():
            anchor = done.anchor
            if done.stage != run.stage or anchor is None or anchor.id != seen.id or seen.action == "unreadable":
                continue
            if seen.action == "gone" or seen.uid != anchor.uid:
                what = "is gone" if seen.action == "gone" else f"has UID {seen.uid} by now, and had {anchor.uid}"
                why = f"its completionAnchor {readable(anchor.id)} {what}"
                return _draft(state, e.ActionRevoked(action=done.action, why=why))
    return None


def _elsewhere(state: State, plan: StagePlan) -> Draft:
    stage = state.stages[plan.name]
    there = [one for one in stage.owned.values() if one.uid]
    message = (
        f"the stage owns {len(there)} objects ({readable(there[0].id)}, …) on the cluster of "
        f"{_where(stage.kubeconfig)}, and none of them is on the cluster of {_where(plan.kubeconfig)}: they would be "
        "left behind. Remove the stage while spec.kubeConfig is as before, so that they are deleted there, then add it "
        "again; or make another StageSet"
    )
    failed = e.StageFailed(
        operation=OPERATION_WORDS["connect"], reason=TARGET_CHANGED, message=message, retryable=False
    )
    return _draft(state, failed)


def _where(kubeconfig: str) -> str:
    return f"Secret {kubeconfig}" if kubeconfig else "the controller itself"


def _fetched(state: State, run: Run) -> Draft:
    return _build(state, run, run.stage)


def _build(state: State, run: Run, stage: str) -> Draft:
    plan = plan_of(run, stage)
    assert plan is not None, "only stages of the spec are built"
    return _draft(state, e.BuildIntended(artifact=plan.pin.digest, path=plan.path), stage=stage)


def _built(state: State, run: Run) -> Draft:
    render = run.renders[run.stage]
    for plan in run.plans[: run.done]:
        twice = sorted(run.renders[plan.name].versions.keys() & render.versions.keys())
        if twice:
            return _claimed_twice(state, other=plan.name, ids=twice)
    return _replaced(state, run)


def _conflicted(state: State, run: Run) -> Draft:
    """What is in the way is replaced, once in a run."""
    again = [item for item in run.replacing if item.id in run.replaced]
    if again:
        message = (
            f"{readable(again[0].id)} was deleted and made anew in this run, and is refused again: {again[0].message}"
        )
        return _draft(
            state, e.StageFailed(operation="apply", reason="ImmutableField", message=message, retryable=False)
        )
    plan = plan_of(run, run.stage)
    assert plan is not None, "only stages of the spec are applied"
    deadline = to_text(state.now_ms + plan.verify_timeout_ms)
    return _draft(state, e.ReplaceIntended(objects=list(run.replacing), deadline=deadline))


def _replaced(state: State, run: Run) -> Draft:
    render = run.renders[run.stage]
    return _draft(state, e.ApplyIntended(manifests=render.manifests, objects=len(render.versions)))


def _claimed_twice(state: State, *, other: str, ids: list[str]) -> Draft:
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    message = (
        f"{readable(ids[0])}{more} is rendered by stage {other} and by stage {run_of(state).stage}: "
        "an object belongs to one stage; remove it from one of them"
    )
    return _draft(state, e.StageFailed(operation="apply", reason=CLAIMED_TWICE, message=message, retryable=False))


def readable(id: str) -> str:
    """An inventory id in people's words: `Deployment/shop/web`."""
    namespace, name, _, kind = id.split("_", 3) if id.count("_") == 3 else ("", id, "", "")
    return "/".join(part for part in (kind, namespace, name) if part)


def _applied(state: State, run: Run) -> Draft:
    plan = plan_of(run, run.stage)
    assert plan is not None, "only stages of the spec are applied"
    deadline = to_text(state.now_ms + plan.verify_timeout_ms)
    return _draft(state, e.VerifyIntended(deadline=deadline))


def _transfer(state: State, run: Run) -> Draft | None:
    """Objects that the stage at work has applied leave the stage that had them before."""
    mine = state.stages[run.stage].owned
    for other in state.stages.values():
        taken = [
            owned
            for key, owned in other.owned.items()
            # Whatever UID the other one remembers: there is one object of that name, and it has just been applied.
            if other.name != run.stage and key in mine and mine[key].uid
        ]
        if taken:
            return _draft(state, e.StageTransferred(source=other.name, objects=_items(taken)))
    return None


def _verified(state: State, run: Run) -> Draft | None:
    return _pruning(state, run) or _posted(state, run)


def _pruning(state: State, run: Run) -> Draft | None:
    """What is to be deleted of what the stage dropped; `None` where there is nothing, or it cannot be told."""
    render, stage = run.renders[run.stage], state.stages[run.stage]
    dropped = any(key not in render.versions and not owned.action for key, owned in stage.owned.items())
    if not dropped or not stage.prune:
        return None
    for plan in run.plans[run.done + 1 :]:
        # Before anything is deleted, see whether a later stage takes it over.
        if plan.name not in run.renders and plan.name not in run.unseen:
            return _draft(state, e.FetchIntended(pin=plan.pin), stage=plan.name)
    # Who cannot see what later stages render deletes nothing; the objects stay owned for the next success.
    doomed = [] if run.unseen else _doomed(state, run, run.stage)
    return _draft(state, e.PruneIntended(objects=_items([*doomed, *litter(state, run.stage)]))) if doomed else None


def _doomed(state: State, run: Run, stage: str) -> list[Owned]:
    """What a stage owns, may delete, and no stage renders."""
    known = state.stages[stage]
    if not known.prune:
        return []
    rendered = {key for render in run.renders.values() for key in render.versions}
    return [owned for key, owned in known.owned.items() if key not in rendered and not owned.action]


def _looking_fetched(state: State, run: Run) -> Draft:
    seen = {*run.renders, *run.unseen}
    ahead = next(plan for plan in run.plans[run.done + 1 :] if plan.name not in seen)
    return _build(state, run, ahead.name)


def _pruned(state: State, run: Run) -> Draft | None:
    if plan_of(run, run.stage) is None:
        return _draft(state, e.StageRemoved())
    over, draft = turn(state, "post")
    return _succeeded(state, run) if over else draft


def _posted(state: State, run: Run) -> Draft | None:
    over, draft = turn(state, "post")
    if not over:
        return draft
    left = litter(state, run.stage)
    return _draft(state, e.PruneIntended(objects=_items(left))) if left else _succeeded(state, run)


def _succeeded(state: State, run: Run) -> Draft:
    plan = plan_of(run, run.stage)
    assert plan is not None, "only stages of the spec succeed"
    return _draft(state, e.StageSucceeded(revision=plan.pin.revision))


# ── failure ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _failing(state: State, run: Run) -> Draft:
    failure = _failure(state)
    return _draft(
        state,
        e.StageFailed(
            operation=failure.operation,
            reason=failure.reason,
            message=failure.message,
            retryable=failure.retryable,
        ),
        stage=failure.stage,
    )


def _halted(state: State, run: Run) -> Draft | None:
    failure = _failure(state)
    if failure.operation in _CLEANED_UP and failure.reason != CLAIMED_TWICE:
        over, draft = turn(state, "onFailure")
        if not over:
            return draft
    reason = failure.reason if failure.reason == "ActionDirty" else "StageFailed"
    message = f"stage {failure.stage}: {failure.operation}: {failure.message}"
    return _draft(state, e.RunFailed(reason=reason, message=message), stage=failure.stage)


_NEXT: dict[Phase, Callable[[State, Run], Draft | None]] = {
    Phase.OPENED: _opened,
    Phase.STARTED: _started,
    Phase.CONNECTED: _connected,
    Phase.FETCHED: _fetched,
    Phase.BUILT: _built,
    Phase.CONFLICTED: _conflicted,
    Phase.REPLACED: _replaced,
    Phase.APPLIED: _applied,
    Phase.VERIFIED: _verified,
    Phase.LOOKING_FETCHED: _looking_fetched,
    Phase.PRUNED: _pruned,
    Phase.POSTED: _posted,
    Phase.FAILING: _failing,
    Phase.HALTED: _halted,
}


def _failure(state: State) -> Failure:
    assert state.failure is not None, "no failure to tell of"
    return state.failure


def _items(owned: Iterable[Owned]) -> list[e.Item]:
    items = [e.Item(id=o.id, v=o.v, uid=o.uid, digest=o.digest) for o in owned]
    return sorted(items, key=lambda item: item.id)


def _draft(state: State, event: e.Event, *, stage: str = "") -> Draft:
    run = run_of(state)
    return Draft(
        event=event,
        run=run.id,
        snapshot=run.snapshot,
        stage=stage or run.stage,
        req=digests.of(event) if e.tag_of(event).endswith(".intended") else "",
    )
