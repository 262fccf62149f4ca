"""What must hold at every moment and at the end; each violation is an `AssertionError` with its name from DESIGN §3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ledger import events as e
from ledger.audit import audit
from ledger.envelope import Draft, Record
from ledger.instant import to_ms
from ledger.log import EVERYTHING, Batch, EventLog
from ledger.upcast import decode
from reconciler import digests, invariants
from reconciler.api import names
from reconciler.compute.inventory import entry_id
from reconciler.effects import entry_of_draft, entry_of_record
from reconciler.evolve import evolve
from reconciler.ports.cluster import Object, Ref
from reconciler.state import State
from reconciler.step import step
from tests.simulation.outside import Deed, Intent, Outside

#: Kinds that the controller writes as projections, which need no intent.
PROJECTED = frozenset({"StageSet", "StageInventory", "StageLedger", "Event"})


class Monitor:
    """Sees every commit and every write on the cluster, across all incarnations of the controller."""

    def __init__(self) -> None:
        #: the fold of each stream, at this moment
        self.states: dict[str, State] = {}
        #: incarnation whose epoch is the newest
        self.current = 0
        self.requests: Counter[str] = Counter()
        self.appends = 0
        self.violations: list[str] = []
        #: what the world saw of actions
        self.outside = Outside()
        self.outside.violations = self.violations
        #: incarnations that were stopped: what they had begun may still arrive when they go on
        self.stopped: set[int] = set()

    def committed(self, batch: Batch, incarnation: int) -> None:
        """An append is durable."""
        self.appends += 1
        if incarnation != self.current:
            self.violations.append(f"I2: incarnation {incarnation} appended after {self.current} had taken over")
        state = self.states.get(batch.stream) or State(stream=batch.stream)
        for offset, draft in enumerate(batch.drafts):
            entry = entry_of_draft(draft, at_ms=to_ms(batch.at), ver=batch.expected + 1 + offset)
            after = evolve(state, entry)
            invariants.check_move(state, entry, after)
            state = after
            self._no_bug(draft)
            self.outside.recorded(batch.stream, draft, state, entry.ver)
        self.states[batch.stream] = state

    def refold(self, log: EventLog) -> None:
        """The controller is given another ledger."""
        self.states = restep(log)

    def _no_bug(self, draft: Draft) -> None:
        if getattr(draft.event, "reason", "") == "InternalError" and "(Unavailable)" not in draft.event.message:
            self.violations.append(f"a bug of ours failed stage {draft.stage}: {draft.event}")

    def writes(self, verb: str, ref: Ref, obj: Object | None, incarnation: int) -> Deed | None:
        """A write is about to take effect: is there a committed intent for it (I2)? Returns what an action does."""
        if incarnation != self.current and incarnation not in self.stopped:
            self.violations.append(f"I2: incarnation {incarnation} wrote {ref} after {self.current} had taken over")
        if ref.kind in PROJECTED:
            return None
        deleting = ("prune", "replace") if verb == "delete" else ()
        if any(self._covers(state, wanted, ref) for wanted in deleting for state in self.states.values()):
            return None
        intent = self.outside.intent_of(verb, ref)
        if intent is not None and (incarnation != self.current or self._acts(intent)):
            return self.outside.writing(verb, ref, intent, incarnation)
        wanted = "apply" if verb == "apply" else "prune"
        if incarnation == self.current and not any(self._covers(state, wanted, ref) for state in self.states.values()):
            self.violations.append(f"I2: {verb} {ref} without a committed intent")
        if verb == "apply" and obj is not None:
            self._claimed(obj, ref)
        return None

    def sends(self, action: str, method: str, key: str, incarnation: int) -> None:
        """An http request of an action arrives."""
        intent = self.outside.intents.get(action)
        if incarnation == self.current and not (intent is not None and self._acts(intent)):
            self.violations.append(f"I2: {method} of {action} is sent without a pending intent")
        self.outside.received(action, method, key, incarnation)

    def _acts(self, intent: Intent) -> bool:
        """Whether an action is intended and unanswered; one that is recorded as done may not be (I3)."""
        state = self.states[intent.stream]
        if self.outside.done(state, intent):
            self.violations.append(f"I3: {intent.action} is performed, and recorded as done")
        return state.pending is not None and state.pending.key == intent.key

    def _covers(self, state: State, wanted: str, ref: Ref) -> bool:
        pending, key = state.pending, entry_id(ref)
        if pending is None or pending.operation != wanted or state.run is None:
            return False
        if isinstance(pending.event, e.PruneIntended | e.ReplaceIntended):
            return any(item.id == key for item in pending.event.objects)
        return key in state.run.renders[pending.stage].versions

    def _claimed(self, obj: Object, ref: Ref) -> None:
        """I7: what is made is owned by its stage before it is made."""
        labels = obj["metadata"]["labels"]
        stage = labels[names.LABEL_STAGE]
        prefix = f"stageset/{labels[names.LABEL_NAMESPACE]}/{labels[names.LABEL_NAME]}/"
        states = [state for stream, state in self.states.items() if stream.startswith(prefix)]
        if not any(stage in s.stages and entry_id(ref) in s.stages[stage].owned for s in states):
            self.violations.append(f"I7: {ref} is made and no stage owns it")


def records(log: EventLog) -> Iterator[Record]:
    return (decode(stored) for stored in log.read(EVERYTHING))


def restep(log: EventLog) -> dict[str, State]:
    """Feed the recorded facts to `step`; raise where it decides otherwise than what is recorded (I9).

    Returns the state of each stream at its end.
    """
    streams: dict[str, list[Record]] = {}
    for record in records(log):
        if record.header.stream.startswith("stageset/"):
            streams.setdefault(record.header.stream, []).append(record)
    return {stream: _restep(stream, found) for stream, found in streams.items()}


def _restep(stream: str, found: list[Record]) -> State:
    state = State(stream=stream)
    position = 0
    while position < len(found):
        record = found[position]
        assert isinstance(record.event, e.Fact), f"I9: {stream} version {position + 1} is a decision without a fact"
        result = step(state, entry_of_record(record))
        position += 1
        for draft in result.decisions:
            assert position < len(found), f"I9: {stream} ends before {e.tag_of(draft.event)}"
            _same(draft, found[position], stream)
            position += 1
        state = result.state
    folded = State(stream=stream)
    for record in found:
        folded = evolve(folded, entry_of_record(record))
    assert digests.of(folded) == digests.of(state), f"I9: fold and step of {stream} differ"
    return state


def _same(draft: Draft, record: Record, stream: str) -> None:
    header = record.header
    where = f"I9: {stream} version {header.ver}"
    assert record.event == draft.event, f"{where}: recorded {record.event}, decided {draft.event}"
    for field in ("req", "state", "stage", "run", "snapshot", "outcome", "intent"):
        recorded, decided = getattr(header, field), getattr(draft, field)
        assert recorded == decided, f"{where}: {field} is {recorded!r}, decided {decided!r}"


def check_ledger(log: EventLog, monitor: Monitor) -> None:
    """The chain holds, the log re-steps, and the live fold is the recorded one."""
    report = audit(log)
    assert report.valid, f"I1: {report}"
    for stream, state in restep(log).items():
        assert digests.of(state) == digests.of(monitor.states[stream]), f"I9: the live state of {stream} differs"


def labelled(objects: Iterable[Object]) -> Iterator[tuple[Object, str, str, str]]:
    """Objects with owner labels: object, namespace, name, stage."""
    for obj in objects:
        labels = obj["metadata"].get("labels") or {}
        if names.LABEL_NAME in labels and names.LABEL_STAGE in labels:
            yield obj, labels.get(names.LABEL_NAMESPACE, ""), labels[names.LABEL_NAME], labels[names.LABEL_STAGE]


def id_of(obj: Object) -> str:
    metadata = obj["metadata"]
    return entry_id(Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata["name"]))


def story(log: EventLog, *, last: int = 40) -> str:
    """The end of the ledger, a line for each record."""
    lines = []
    for record in records(log):
        header, event = record
        told: dict[str, Any] = {
            key: getattr(event, key)
            for key in ("trigger", "generation", "operation", "reason", "message", "revision", "source", "due")
            if getattr(event, key, "")
        }
        stream = header.stream.removeprefix("stageset/")[:24]
        lines.append(
            f"{header.seq:5} {header.at[11:23]} {stream:24} {header.ver:4} {header.type:20} {header.stage:8} "
            f"{header.outcome:8} {' '.join(f'{key}={str(value)[:150]}' for key, value in told.items())}"
        )
    return "\n".join(lines[-last:])
