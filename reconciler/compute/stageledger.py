"""The StageLedger of a StageSet: what it should show of completed Lifetime actions, and what it shows that we lack.

Pure. Not the completions themselves: these are the fold of the ledger, and the object is their projection. It outlives
its StageSet, so a StageSet that is made again finds here what must not run again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ledger.envelope import Head
from ledger.events import ActionAdopted, CompletionShown, Item
from ledger.instant import to_text
from reconciler.api import instant, names, reasons
from reconciler.api.types import LedgerPosition
from reconciler.compute.fields import condition, maps, text, whole
from reconciler.compute.inventory import entry_id, ref_of_entry
from reconciler.ports.cluster import Object, Ref
from reconciler.state import Completion, State, completion_key

KIND = "StageLedger"
CONDITION = "BaselineValid"
ALL_RESOLVED, UNRESOLVED = "AllResolved", "Unresolved"
#: Type of the Event about a baseline that cannot be used.
BASELINE_INVALID = "BaselineInvalid"
#: Where nobody knows when: the field is required, and this instant says that it is none.
UNKNOWN_TIME = "1970-01-01T00:00:00Z"
#: Longer lists are cut in messages.
_LISTED_MAX = 10


class StageLedgerShown(msgspec.Struct, frozen=True, kw_only=True):
    """A StageLedger as the cluster shows it. Entries that cannot be read are left out."""

    namespace: str
    name: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    #: (stage, action) of `spec.baseline`
    baseline: tuple[tuple[str, str], ...] = ()
    completions: tuple[CompletionShown, ...] = ()
    #: place in a ledger that its status was made from
    position: LedgerPosition | None = None
    #: the whole status, for comparison
    status: dict[str, Any] = {}

    @property
    def ref(self) -> Ref:
        return Ref(names.API_VERSION, KIND, self.namespace, self.name)


def shown_of(obj: Object) -> StageLedgerShown:
    """Read a StageLedger that nobody vouches for."""
    namespace = text(obj, "metadata", "namespace")
    status = obj.get("status")
    return StageLedgerShown(
        namespace=namespace,
        name=text(obj, "metadata", "name"),
        uid=text(obj, "metadata", "uid"),
        generation=whole(obj, "metadata", "generation") or 0,
        resource_version=text(obj, "metadata", "resourceVersion"),
        baseline=tuple((text(one, "stage"), text(one, "action")) for one in maps(obj, "spec", "baseline")),
        completions=tuple(_completions(obj, namespace)),
        position=position_of(obj),
        status=status if isinstance(status, dict) else {},
    )


def position_of(obj: Object) -> LedgerPosition | None:
    """`.status.ledger` of a StageSet or a StageLedger; None where there is none that can be read."""
    stream, head = text(obj, "status", "ledger", "stream"), text(obj, "status", "ledger", "head")
    version = whole(obj, "status", "ledger", "version") or 0
    if not stream or version <= 0:
        return None
    return LedgerPosition(stream=stream, version=version, head=head)


def facts_of(state: State, *, shown: StageLedgerShown | None, spec: bytes) -> list[tuple[str, ActionAdopted]]:
    """Completions that the StageLedger shows or declares and the state does not know, each with its stage.

    `spec` is that of the StageSet, as JSON. First what is shown as done, then what the baseline declares; what this
    very stream has taken back since the status was written is not adopted again.
    """
    if shown is None:
        return []
    found: dict[str, tuple[str, ActionAdopted]] = {}
    for done in shown.completions:
        key = completion_key(done.stage, done.action)
        if key not in state.completions and not _is_taken_back(state, key, shown.position):
            found.setdefault(key, (done.stage, _adopted(shown, done)))
    if not shown.baseline:
        return list(found.values())
    lifetime = lifetime_actions(spec)
    for stage, action in shown.baseline:
        key = completion_key(stage, action)
        if (stage, action) in lifetime and key not in state.completions:
            source = f"{KIND} {shown.namespace}/{shown.name} spec.baseline"
            event = ActionAdopted(action=action, scope="Lifetime", source=source, origin="Baselined")
            found.setdefault(key, (stage, event))
    return list(found.values())


def desired(state: State, *, shown: StageLedgerShown | None, spec: bytes, head: Head) -> dict[str, Any] | None:
    """The status that the StageLedger should have; None where there should be none, or nothing is known yet.

    `spec` is that of the StageSet, as JSON, `head` that of its stream. Where only the place in the ledger would differ,
    the shown one is kept: a StageLedger is not written for every record.
    """
    lifetime = lifetime_actions(spec)
    if state.version == 0 or (shown is None and not lifetime and not state.completions):
        return None
    status: dict[str, Any] = {"conditions": [_condition(state, shown, lifetime)]}
    done = sorted(state.completions.values(), key=lambda one: (one.stage, one.action))
    if done:
        status["completedActions"] = [_entry(one) for one in done]
    position = shown.position if shown is not None else None
    if shown is not None and position is not None and position.stream == state.stream:
        kept = {**status, "ledger": shown.status["ledger"]}
        if kept == shown.status and position.version <= state.version:
            return kept
    return {**status, "ledger": {"stream": state.stream, "version": state.version, "head": head.hash}}


def invalid_baseline(status: dict[str, Any]) -> str:
    """What the condition says of a baseline that cannot be used; empty where it can."""
    found = condition({"status": status}, CONDITION)
    return text(found, "message") if found is not None and found.get("status") == "False" else ""


def observed_generation(shown: StageLedgerShown) -> int:
    """Generation of the StageLedger that its status was made from; 0 where there is none."""
    return whole(condition({"status": shown.status}, CONDITION), "observedGeneration") or 0


# ── the StageSet's spec ──────────────────────────────────────────────────────────────────────────────────────────


class _Action(msgspec.Struct, frozen=True):
    name: str
    scope: str | None = None


class _Actions(msgspec.Struct, frozen=True):
    pre: list[_Action] | None = None
    post: list[_Action] | None = None


class _Stage(msgspec.Struct, frozen=True):
    name: str
    actions: _Actions | None = None


class _Spec(msgspec.Struct, frozen=True):
    stages: list[_Stage] | None = None


_decoder = msgspec.json.Decoder(_Spec)


def lifetime_actions(spec: bytes) -> frozenset[tuple[str, str]]:
    """(stage, action) of the Lifetime actions around the stages of a spec; none of a spec that cannot be read.

    Only the names are read: what else may be wrong with the spec is no reason to forget what is done.
    """
    if b"Lifetime" not in spec:
        return frozenset()
    try:
        found = _decoder.decode(spec)
    except msgspec.MsgspecError:
        return frozenset()
    return frozenset(
        (stage.name, action.name)
        for stage in found.stages or ()
        if stage.actions is not None
        for action in (*(stage.actions.pre or ()), *(stage.actions.post or ()))
        if action.scope == "Lifetime"
    )


# ── parts of the status ──────────────────────────────────────────────────────────────────────────────────────────


def _completions(obj: Object, namespace: str) -> Iterator[CompletionShown]:
    for one in maps(obj, "status", "completedActions"):
        stage, action, at = text(one, "stage"), text(one, "action"), text(one, "completedAt")
        # The name stands in the header of a record, which takes nothing else.
        if names.is_stage_name(stage) and action:
            yield CompletionShown(
                stage=stage,
                action=action,
                origin="Baselined" if text(one, "origin") == "Baselined" else "Executed",
                completed_at=at if instant.is_valid(at) else "",
                anchor=_anchor_item(one.get("anchor"), namespace),
            )


def _anchor_item(anchor: Any, namespace: str) -> Item | None:
    """The witness. Its namespace is the StageSet's; for a kind without namespaces it does not matter."""
    version = text(anchor, "apiVersion").rpartition("/")[2]
    ref = Ref(text(anchor, "apiVersion"), text(anchor, "kind"), namespace, text(anchor, "name"))
    uid, key = text(anchor, "uid"), entry_id(ref)
    # Without what proves it, a completion is kept and its witness is not asked for.
    if not uid or ref_of_entry(key, version=version) != ref:
        return None
    return Item(id=key, v=version, uid=uid)


def _adopted(shown: StageLedgerShown, done: CompletionShown) -> ActionAdopted:
    return ActionAdopted(
        action=done.action,
        scope="Lifetime",
        source=f"{KIND} {shown.namespace}/{shown.name} status.completedActions",
        completed_at=done.completed_at,
        origin=done.origin,
        anchor=done.anchor,
    )


def _is_taken_back(state: State, key: str, position: LedgerPosition | None) -> bool:
    """Whether this stream revoked a completion after, or when, the status that shows it was written."""
    revoked = state.revoked.get(key)
    if revoked is None or position is None or position.stream != state.stream:
        return False
    return position.version <= revoked


def _entry(done: Completion) -> dict[str, Any]:
    found: dict[str, Any] = {
        "stage": done.stage,
        "action": done.action,
        "origin": done.origin,
        "completedAt": done.at or UNKNOWN_TIME,
    }
    ref = ref_of_entry(done.anchor.id, version=done.anchor.v) if done.anchor is not None else None
    if done.anchor is not None and ref is not None:
        found["anchor"] = {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "name": ref.name,
            "uid": done.anchor.uid,
        }
    return found


def _condition(state: State, shown: StageLedgerShown | None, lifetime: frozenset[tuple[str, str]]) -> dict[str, Any]:
    baseline = shown.baseline if shown is not None else ()
    wrong = [one for one in baseline if one not in lifetime and completion_key(*one) not in state.completions]
    status = "False" if wrong else "True"
    before = condition({"status": shown.status}, CONDITION) if shown is not None else None
    same = before is not None and before.get("status") == status
    return {
        "type": CONDITION,
        "status": status,
        "reason": UNRESOLVED if wrong else ALL_RESOLVED,
        "message": _unresolved(wrong) if wrong else "every entry of spec.baseline names a Lifetime action that is done",
        "lastTransitionTime": text(before, "lastTransitionTime") if same else to_text(state.now_ms)[:19] + "Z",
        "observedGeneration": shown.generation if shown is not None else 1,
    }


def _unresolved(wrong: list[tuple[str, str]]) -> str:
    listed = ", ".join(f"{stage}/{action}" for stage, action in wrong[:_LISTED_MAX])
    more = f" and {len(wrong) - _LISTED_MAX} more" if len(wrong) > _LISTED_MAX else ""
    return reasons.cut(
        f"spec.baseline: {listed}{more}: the StageSet has no pre or post action of that name with scope Lifetime in "
        "that stage; correct the entry, or take it out",
        chars_max=reasons.MESSAGE_CHARS_MAX,
    )
