"""Computes recorded answers again with the shipped hands, and holds them against the recording.

Not a replay of decisions: that came before. Invariants: what the recording does not hold is never made up; an answer
that could not be compared is neither reproduced nor diverged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ledger.envelope import Stored, Writer
from ledger.events import (
    ActionFinished,
    BuildFinished,
    ConnectFinished,
    FetchFinished,
    FetchIntended,
    Finished,
    VerifyFinished,
)
from reconciler.adapters.hands import Performer
from reconciler.adapters.hands.verify import targets_in, unready
from reconciler.adapters.operations.failures import unscrubbed
from reconciler.compute import fetching, inputs
from reconciler.compute.assess import assess
from reconciler.compute.judging import sight_of
from reconciler.errors import OperationError
from reconciler.ports.hands import Answer
from reconciler.state import State, run_of
from replay.performing.kustomize import Workshop
from replay.performing.loop import InstantClock, Stuck, run
from replay.performing.recorded import NotRecorded, RecordedCalling, RecordedClusters, RecordedFetching, Recording
from replay.performing.tools import Blobs, Ports, tools
from replay.performing.turns import Turn, order_of, target_of, turns
from replay.recompute import jobs
from replay.recompute.holding import Held, hold
from replay.recompute.result import Again, Recomputed

#: What an API server said of what was done to it: nothing of it was computed.
_OTHERS = ("apply", "replace", "prune")
_HOOKS = {"pre": "pre-action", "post": "post-action", "onFailure": "on-failure action"}
#: Of an answer: what was seen beside it, or is by design another thing in a replay.
_BESIDE = ("evidence", "kept")
_NEVER_KEPT = "what it was made of was not recorded: by a version before 0.6, or it was too much"


class Material(NamedTuple):
    """What a replay has to compute with."""

    run: str
    blobs: dict[str, bytes]
    #: artifacts in which stand-ins stand for values of Secrets, and whether names are made of what was replaced
    derived: dict[str, bool]
    #: why a blob is not there, by digest
    omitted: dict[str, str]
    #: who recorded what, by version in the stream
    writers: dict[int, Writer]
    workshop: Workshop | None


def recompute(records: Sequence[Stored], material: Material) -> Recomputed:
    """Compute the answers of a run again, as far as something was computed for them."""
    found: list[Again] = []
    others = 0
    asked = State(stream="")
    for turn in turns(records):
        if turn.before.pending is not None and (
            asked.pending is None or asked.pending.intent != turn.before.pending.intent
        ):
            asked = turn.before
        if not turn.answers or turn.fact.header.run != material.run:
            continue
        again = _again(turn, material, asked)
        others += again is None
        found += [again] if again is not None else []
    tool = material.workshop.identity if material.workshop is not None else ""
    return Recomputed(answers=tuple(found), others=others, tool=tool)


def _again(turn: Turn, material: Material, asked: State) -> Again | None:
    """One answer, or None where nothing was computed for it. `asked` is the state when it was asked for first."""
    header, event = turn.fact
    pending = turn.before.pending
    assert pending is not None, "an answer answers what is pending"
    assert isinstance(event, Finished)
    is_good = header.outcome in ("ok", "skipped")
    if pending.operation in _OTHERS or (is_good and pending.operation not in ("fetch", "build")):
        return None
    about = _About(turn, material, asked)
    try:
        return about.held(about.answer())
    except NotRecorded as absent:
        return about.unrecorded(absent)
    except Stuck as stuck:
        return about.unknown(f"it cannot be computed here: {stuck}", missing=False)
    except _Missing as missing:
        return about.without(missing.why)
    except Exception as error:  # noqa: BLE001 - recorded by whomever: what breaks a hand is told, at its answer
        return about.unknown(f"it cannot be computed here: {type(error).__name__}: {error}", missing=False)


class _Missing(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _About:
    """One recorded answer, and what it was made of."""

    def __init__(self, turn: Turn, material: Material, asked: State) -> None:
        event, pending = turn.fact.event, turn.before.pending
        assert isinstance(event, Finished)
        assert pending is not None
        self._turn, self._material, self._event, self._pending = turn, material, event, pending
        #: as it was when nothing of the answer had been observed yet
        self._asked = asked
        told = [one for name in turn.fact.header.blobs if (one := inputs.decode(self._blob(name) or b"")) is not None]
        items = getattr(event, "objects", ())
        version = event.server if isinstance(event, ConnectFinished) else ""
        self._recording = Recording(told, items=items, version=version)
        self._blobs = Blobs(material.blobs)
        self._without_log = False

    def answer(self) -> Answer:
        """The answer, computed now."""
        event = self._event
        match event:
            case FetchFinished() if self._is_good:
                return self._checked()
            case ActionFinished() if event.reason in jobs.REASONS:
                found = jobs.judged(event)
                self._without_log = found.without_log
                return found.answer
            case VerifyFinished() if event.reason in ("VerifyFailed", "VerifyTimeout"):
                return self._assessed(late=event.reason == "VerifyTimeout")
            case BuildFinished():
                self._need_blob(run_of(self._turn.before), self._pending.stage)
        return run(self._performed)

    def held(self, answer: Answer) -> Again:
        """The computed answer against the recorded one."""
        header = self._turn.fact.header
        held = hold(self._comparable(self._event), self._comparable(answer.event), "body")
        if held.first is None and answer.outcome != header.outcome:
            held = hold(header.outcome, answer.outcome, "header.outcome")
        if held.first is None and isinstance(self._event, BuildFinished) and self._event.manifests:
            objects = self._held_manifests(answer)
            held = Held(objects.first, held.assumed or objects.assumed)
        if held.first is not None and self._recording.is_odd:
            return self.unknown("it depends on the form of a Secret's value, which was withheld", missing=False)
        if held.first is not None and self._is_derived:
            return self.unknown("the artifact has stand-ins in the place of values of Secrets", missing=False)
        other = self._other_tool()
        if held.first is not None and other:
            return self.unknown(other, missing=False)
        if held.first is None and self._without_log:
            return self._made("partly", why="the log was left out of the bundle (--with-logs): its last line is taken")
        if held.first is not None:
            return self._made("differs", why=f"{held.first.field} is computed otherwise now", first=held.first)
        withheld = held.assumed or self._recording.withholds or self._is_derived
        why = "values of Secrets were withheld: stand-ins were used, and tokens taken for equal" if withheld else ""
        return self._made("partly" if withheld else "same", why=why)

    def without(self, why: str) -> Again:
        """Where something is not in the bundle. What could not be read there either was read when it was exported."""
        if not self._is_good and self._event.message and why.endswith(self._event.message):
            told = "the artifact was left out of the bundle: reading it failed in these very words when it was exported"
            return self._made("partly", why=told)
        return self.unknown(why, missing=True)

    def unrecorded(self, absent: NotRecorded) -> Again:
        """Where nothing at all was recorded of what it was made of, it is the recording that is incomplete."""
        if not self._recording.inputs and self._material.workshop is not None:
            return self.unknown(_NEVER_KEPT, missing=True)
        return self.unknown(f"the recording does not tell {absent.what}", missing=False)

    def unknown(self, why: str, *, missing: bool) -> Again:
        return self._made("unknown", why=why, missing=missing)

    # ── computing ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _performed(self) -> Answer:
        """By the very hands, on recorded ports, from the moment of the intent on."""
        clusters = RecordedClusters(self._recording)
        recording = self._recording
        clock = InstantClock(self._pending.since_ms)
        ports = Ports(clusters, RecordedFetching(recording), RecordedCalling(recording), clock)
        hands = Performer(tools(ports, blobs=self._blobs, workshop=self._material.workshop))
        try:
            # Whoever was at it for the first time knew nothing of what was observed on the way.
            return await hands.perform(order_of(self._asked if self._first else self._turn.before, first=self._first))
        finally:
            await clusters.close()
            await hands.close()

    def _checked(self) -> Answer:
        """The digest of the artifact that is in the bundle."""
        intent = self._pending.event
        assert isinstance(intent, FetchIntended)
        body = self._body(intent.pin.digest)
        if intent.pin.digest in self._material.derived:
            raise NotRecorded("the artifact byte for byte: stand-ins are in the place of values of Secrets")
        try:
            found = hashlib.sha256(body).hexdigest()
            fetching.check(intent.pin.url, intent.pin.digest, found=found, size_bytes=len(body))
        except OperationError as error:
            return Answer(FetchFinished(reason=error.reason, message=error.message), "failed")
        return Answer(FetchFinished(size_bytes=len(body)), "ok")

    def _assessed(self, *, late: bool) -> Answer:
        """Readiness, by kstatus and CEL, of the objects as they were judged."""
        told = next((one for one in self._recording.inputs if one.judged_ms), None)
        if told is None:
            raise _Missing(_NEVER_KEPT)
        sight, state = sight_of(told), self._turn.before
        known = {(ref.api_version, ref.kind): bool(ref.namespace) for ref in (*sight.objects, *sight.unreadable)}
        recording = Recording(self._recording.inputs, scopes=known)

        async def judged() -> Answer:
            clusters = RecordedClusters(recording)
            namespace = target_of(state.stream).namespace
            hand = await clusters.hand(namespace, "")
            targets = await targets_in(hand.cluster, state, self._pending.stage, namespace=namespace)
            found = assess(sight.objects, targets=targets, now_ms=sight.now_ms, unreadable=sight.unreadable)
            return Answer(unready(found, late=late, scrub=unscrubbed), "failed")

        return run(judged)

    def _held_manifests(self, answer: Answer) -> Held:
        """The rendered objects, one by one; their digest says the same where no token is in them."""
        event = self._event
        assert isinstance(event, BuildFinished)
        assert isinstance(answer.event, BuildFinished)
        if event.manifests == answer.event.manifests:
            return Held(None, assumed=False)
        recorded, computed = self._blob(event.manifests), self._blobs.found[answer.event.manifests]
        if recorded is None:
            raise _Missing(self._absent(event.manifests))
        held = hold(msgspec.json.decode(recorded), msgspec.json.decode(computed), "manifests")
        if held.first is None and not held.assumed:
            return hold(event.manifests, answer.event.manifests, "body/manifests")
        return held

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_good(self) -> bool:
        return self._turn.fact.header.outcome in ("ok", "skipped")

    @property
    def _first(self) -> bool:
        """Whether whoever answered had intended it: then nothing was done for it before."""
        intended = self._material.writers.get(self._pending.intent)
        return intended == self._turn.fact.header.writer

    @property
    def _is_derived(self) -> bool:
        """Whether it was built from an artifact that is not as it was."""
        plans = run_of(self._turn.before).plans
        pins = [pin for plan in plans if plan.name == self._pending.stage for pin in plan.pins]
        return not isinstance(self._event, FetchFinished) and any(pin.digest in self._material.derived for pin in pins)

    def _need_blob(self, run_at_work: Any, stage: str) -> None:
        plan = next(plan for plan in run_at_work.plans if plan.name == stage)
        self._body(plan.pin.digest)

    def _body(self, name: str) -> bytes:
        found = self._blob(name)
        if found is None:
            raise _Missing(self._absent(name))
        return found

    def _blob(self, name: str) -> bytes | None:
        return self._material.blobs.get(name)

    def _absent(self, name: str) -> str:
        return f"{name} is not in the bundle: {self._material.omitted.get(name, 'it was not exported')}"

    def _other_tool(self) -> str:
        """Why a difference may be kustomize's; empty where it cannot be."""
        then, shop = self._recording.tool, self._material.workshop
        now = shop.identity if shop is not None else ""
        if not isinstance(self._event, BuildFinished | ActionFinished) or not then or then == now:
            return ""
        return f"it was built by {then}, and here is {now or 'no kustomize'}: use the same version"

    def _comparable(self, event: Finished) -> dict[str, Any]:
        known: dict[str, Any] = msgspec.to_builtins(event)
        left_out = {*_BESIDE, *(("manifests",) if isinstance(event, BuildFinished) else ())}
        plain = {key: value for key, value in known.items() if key not in left_out}
        if isinstance(event, BuildFinished):
            # Their digests are over the recorded form, tokens included: the objects themselves are held instead.
            plain["objects"] = [{**item, "digest": ""} for item in plain.get("objects", ())]
        return plain

    def _made(self, result: Any, **fields: Any) -> Again:
        header, event = self._turn.fact.header, self._event
        named = (
            (_HOOKS[event.hook], event.action) if isinstance(event, ActionFinished) else (self._pending.operation, "")
        )
        return Again(
            seq=header.seq,
            stage=header.stage,
            operation=named[0],
            action=named[1],
            outcome=header.outcome,
            result=result,
            message=event.message if not self._is_good else "",
            **fields,
        )
