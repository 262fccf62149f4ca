"""Operations of a stage: their intents and their answers, and what they do to what the stage owns."""

from __future__ import annotations

from msgspec.structs import replace

from ledger import events as e
from reconciler.effects import Entry
from reconciler.state import Failure, Owned, Pending, Render, State, run_of
from reconciler.transitions import Phase, moved

#: Words of messages, by operation.
OPERATION_WORDS = {
    "connect": "connect to target cluster",
    "fetch": "fetch artifact",
    "build": "build",
    "apply": "apply",
    "replace": "apply",
    "verify": "verify",
    "prune": "prune",
}


def intended(state: State, entry: Entry) -> State:
    tag = e.tag_of(entry.event)
    pending = Pending(
        intent=entry.ver,
        operation=entry.event.OP,
        stage=entry.stage,
        event=entry.event,
        since_ms=entry.at_ms,
        key=entry.idem,
    )
    return replace(state, phase=moved(state.phase, tag), pending=pending)


def answered(state: State, entry: Entry, *, otherwise: str = "failed") -> State:
    """`otherwise`: what an answer that is not ok is to the table of phases."""
    assert state.pending is not None, "an answer without an intent"
    assert state.pending.intent == entry.intent, "an answer to another intent"
    tag = e.tag_of(entry.event)
    after = replace(state, phase=moved(state.phase, tag if entry.ok else f"{tag}:{otherwise}"), pending=None)
    if after.phase != Phase.FAILING:
        return after
    event = entry.event
    assert isinstance(event, e.Finished)
    failure = Failure(
        stage=entry.stage,
        operation=OPERATION_WORDS[state.pending.operation],
        reason=event.reason,
        message=event.message,
        retryable=event.retryable,
    )
    return replace(after, failure=failure)


def build_finished(state: State, entry: Entry) -> State:
    after, run, event = answered(state, entry), run_of(state), entry.event
    assert isinstance(event, e.BuildFinished)
    if entry.ok:
        render = Render(
            manifests=event.manifests,
            versions={item.id: item.v for item in event.objects},
            digests={item.id: item.digest for item in event.objects},
            variables=tuple(event.variables),
        )
        return replace(after, run=replace(run, renders={**run.renders, entry.stage: render}))
    if after.phase == Phase.VERIFIED:
        return replace(after, run=replace(run, unseen=(*run.unseen, entry.stage)))
    return after


def fetch_finished(state: State, entry: Entry) -> State:
    after, run = answered(state, entry), run_of(state)
    if after.phase == Phase.VERIFIED:
        return replace(after, run=replace(run, unseen=(*run.unseen, entry.stage)))
    return after


def apply_intended(state: State, entry: Entry) -> State:
    """From here on the objects may exist, whatever happens to us: they are claimed before they are made."""
    after, render = intended(state, entry), run_of(state).renders[entry.stage]
    owned = dict(state.stages[entry.stage].owned)
    for key, version in render.versions.items():
        if key not in owned:
            owned[key] = Owned(id=key, v=version)
    return _owning(after, entry.stage, owned)


def apply_finished(state: State, entry: Entry) -> State:
    event, run = entry.event, run_of(state)
    assert isinstance(event, e.ApplyFinished)
    after = answered(state, entry, otherwise="replace" if event.replace else "failed")
    after = replace(after, run=replace(run, replacing=tuple(event.replace)))
    owned = dict(state.stages[entry.stage].owned)
    for item in event.objects:
        if item.uid:
            owned[item.id] = Owned(
                id=item.id, v=item.v, uid=item.uid, rv=item.rv, generation=item.generation, digest=item.digest
            )
    return _owning(after, entry.stage, owned)


def replace_finished(state: State, entry: Entry) -> State:
    """What is gone stays owned: it is to exist again."""
    after, event, run = answered(state, entry), entry.event, run_of(state)
    assert isinstance(event, e.ReplaceFinished)
    gone = {item.id for item in event.objects if item.action in {"deleted", "gone"}}
    owned = {
        key: Owned(id=key, v=one.v) if key in gone else one for key, one in state.stages[entry.stage].owned.items()
    }
    replaced = (*run.replaced, *sorted(gone))
    return _owning(replace(after, run=replace(run, replacing=(), replaced=replaced)), entry.stage, owned)


def prune_finished(state: State, entry: Entry) -> State:
    after, event = answered(state, entry), entry.event
    assert isinstance(event, e.PruneFinished)
    gone = {item.id for item in event.objects if item.action in {"deleted", "gone", "released"}}
    owned = {key: value for key, value in state.stages[entry.stage].owned.items() if key not in gone}
    return _owning(after, entry.stage, owned)


def connect_finished(state: State, entry: Entry) -> State:
    after, event = answered(state, entry), entry.event
    assert isinstance(event, e.ConnectFinished)
    assert state.pending is not None, "an answer without an intent"
    intent = state.pending.event
    assert isinstance(intent, e.ConnectIntended)
    after = replace(after, run=replace(run_of(after), witnesses=tuple(event.anchors)))
    stage = after.stages[entry.stage]
    same = {(item.id, item.uid) for item in intent.owned} & {(item.id, item.uid) for item in event.owned}
    if not entry.ok or (intent.owned and not same) or stage.kubeconfig == intent.kubeconfig:
        return after
    reached = replace(stage, kubeconfig=intent.kubeconfig)
    return replace(after, stages={**after.stages, entry.stage: reached})


def _owning(state: State, stage: str, owned: dict[str, Owned]) -> State:
    return replace(state, stages={**state.stages, stage: replace(state.stages[stage], owned=owned)})
