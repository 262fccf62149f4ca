"""What the world outside saw of actions: requests, Jobs by UID, changes, deletions; and how many of each are allowed.

Counted where the effect happens, across all incarnations of the controller and all ledgers that it was given. An action
is known by its name, which is that of its target too, so no two actions of a world may share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from ledger import events as e
from ledger.envelope import Draft
from reconciler.ports.cluster import Object, Ref
from reconciler.state import State, completion_key

#: By the verb of an action, the requests with which it touches the cluster.
_REQUESTS = {
    "patch": frozenset({"patch"}),
    "job": frozenset({"create", "patch", "delete"}),
    "delete": frozenset({"delete"}),
    "apply": frozenset({"apply"}),
}


class Intent(NamedTuple):
    """The newest intent of an action."""

    stream: str
    stage: str
    action: str
    verb: str
    scope: str
    key: str
    ver: int


class Deed(NamedTuple):
    """An effect that the world saw, or a request that is about to have one."""

    #: http, create, patch, delete, apply; of a Job: make (it does not run yet), start, delete
    what: str
    action: str
    key: str
    #: version of the intent
    ver: int
    incarnation: int
    #: UID and resource version before it; of an http request its method
    uid: str = ""
    before: str = ""
    #: of a Job: whether it ran, or was to run, before
    ran: bool = False


class Outside:
    """The deeds of a world."""

    def __init__(self) -> None:
        #: reads an object as an administrator
        self.peek: Callable[[Ref], Object | None] = lambda _: None
        self.intents: dict[str, Intent] = {}
        #: effects in order: only what changed something, and every request that was received
        self.deeds: list[Deed] = []
        #: by key: attempts that are recorded as failed, and answers that it was not done
        self.excused: Counter[str] = Counter()
        #: keys of actions that may be sent again with the same key
        self.repeatable: set[str] = set()
        #: outcomes that nobody knew, and actions that were held
        self.doubts = 0
        self.violations: list[str] = []

    # ── what is recorded ─────────────────────────────────────────────────────────────────────────────────────────

    def recorded(self, stream: str, draft: Draft, state: State, ver: int) -> None:
        event = draft.event
        if isinstance(event, e.ActionIntended):
            self.intents[event.action] = Intent(
                stream, draft.stage, event.action, event.verb, event.scope, draft.idem, ver
            )
            self._note(state, draft.idem)
        elif draft.outcome == "indeterminate":
            self.doubts += 1
        elif isinstance(event, e.ActionFinished) and draft.outcome in {"failed", "refused"}:
            self.excused[draft.idem] += 1
        elif isinstance(event, e.OperatorResolved) and event.answer == "not-done":
            known = self.intents.get(event.action)
            if known is not None:
                self.excused[known.key] += 1

    def _note(self, state: State, key: str) -> None:
        plans = state.run.plans if state.run is not None else ()
        if any(action.key == key and action.repeatable for plan in plans for action in plan.actions):
            self.repeatable.add(key)

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────

    def intent_of(self, verb: str, ref: Ref) -> Intent | None:
        """The action that touches an object, by its name."""
        known = self.intents.get(ref.name) or self.intents.get(ref.name[:-9])
        return known if known is not None and verb in _REQUESTS.get(known.verb, ()) else None

    def writing(self, verb: str, ref: Ref, intent: Intent, incarnation: int) -> Deed:
        live = self.peek(ref) or {}
        metadata: dict[str, Any] = live.get("metadata", {})
        uid, version = metadata.get("uid", ""), metadata.get("resourceVersion", "")
        ran = bool(live) and not _is_suspended(live)
        return Deed(verb, intent.action, intent.key, intent.ver, incarnation, uid, version, ran)

    def wrote(self, deed: Deed, ref: Ref) -> None:
        """The server has answered: did it change anything?"""
        live = self.peek(ref) or {}
        after = live.get("metadata", {})
        if after.get("resourceVersion", "") == deed.before:
            return
        what = deed.what
        if ref.kind == "Job" and what != "delete":
            what = "make" if deed.ran or _is_suspended(live) else "start"
        self._saw(deed._replace(what=what, uid=deed.uid or after.get("uid", "")))

    def received(self, action: str, method: str, key: str, incarnation: int) -> None:
        """A server got a request."""
        intent = self.intents.get(action)
        if intent is None:
            self.violations.append(f"I2: {method} of {action} without an intent")
            return
        # A key that is not of the newest intent is of one before: it was on its way for long.
        self._saw(Deed("http", action, key, intent.ver if key == intent.key else 0, incarnation, before=method))

    def _saw(self, deed: Deed) -> None:
        self.deeds.append(deed)
        if deed.key not in self.repeatable and self.seen(deed.action, deed.key) > 1 + self.excused[deed.key]:
            same = [one for one in self.deeds if one.key == deed.key]
            self.violations.append(f"I3: {deed.action} took effect more often than it may: {same}")

    def done(self, state: State, intent: Intent) -> bool:
        """Whether it is recorded as done."""
        if intent.scope == "Lifetime":
            return completion_key(intent.stage, intent.action) in state.completions and intent.key not in state.acts
        return intent.key in state.done

    # ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────

    def of(self, action: str) -> list[Deed]:
        """What was seen of an action. Of a Job it is that it runs: making or deleting one is not what it is for."""
        verb = self.intents[action].verb if action in self.intents else ""
        return [one for one in self.deeds if one.action == action and (verb != "job" or one.what == "start")]

    def seen(self, action: str, key: str) -> int:
        """How often an action took effect under a key."""
        return sum(one.key == key for one in self.of(action))

    def count(self, action: str) -> int:
        """How often an action took effect; a repeatable request counts once for each key."""
        found = self.of(action)
        keys = {one.key for one in found if one.key in self.repeatable and one.what == "http"}
        return len(keys) + sum(one.key not in self.repeatable or one.what != "http" for one in found)


def _is_suspended(obj: Object) -> bool:
    return bool(obj.get("spec", {}).get("suspend"))
