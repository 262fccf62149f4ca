"""Decides again: every recorded fact goes through the same `step`, and its decisions are held against those recorded.

Strict: order, bodies, requests, results, state digests, and nothing left over on either side. No clock, no chance, no
files: records in, verdict out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import msgspec

from ledger.envelope import Draft, Header, Record, Stored, decode_header
from ledger.errors import UnknownEvent
from ledger.events import Fact, RunOpened, tag_of
from ledger.upcast import decode
from reconciler import digests
from reconciler.effects import entry_of_record
from reconciler.state import State
from reconciler.step import step
from replay.bundle.environment import code_digest, folds_version
from replay.bundle.format import Environment
from replay.divergence import Class, Difference, Divergence, body_difference, header_difference, shown
from replay.errors import Incompatible, Incomplete, Invalid

#: Fields of a header that follow from a decision.
_DECIDED = ("stage", "run", "snapshot", "attempt", "outcome", "intent", "idem", "req", "res", "blobs", "actor", "state")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay found."""

    verdict: Literal["REPRODUCED", "DIVERGED"]
    stream: str
    facts: int
    decisions: int
    #: state digests that were compared
    states: int
    #: position of the last record that was looked at
    last_seq: int
    #: digest of the state after it
    state: str
    divergence: Divergence | None = None
    #: what was not compared, and why
    notes: tuple[str, ...] = ()


class _Diverged(Exception):
    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence.message)
        self.divergence = divergence


def replay(records: Sequence[Stored], environment: Environment, *, until: int = 0) -> Verdict:
    """Decide again on all records of a stream, or up to the append that has the position `until`.

    The records were proved. Raises `Incompatible` for what newer code recorded, `Incomplete` where a body was erased.
    """
    if environment.folds > folds_version():
        raise Incompatible(
            f"it was recorded with folds of version {environment.folds}, this version has {folds_version()}: use a "
            "newer stagesetctl"
        )
    replayer = _Replayer(records, environment)
    try:
        while not replayer.over(until):
            replayer.turn()
    except _Diverged as diverged:
        return replayer.verdict("DIVERGED", divergence=diverged.divergence)
    return replayer.verdict("REPRODUCED")


class _Replayer:
    def __init__(self, records: Sequence[Stored], environment: Environment) -> None:
        self._records = records
        self._same_code = environment.code == code_digest()
        # Another fold gives another state for the same records: its digests cannot be held against each other.
        self._same_folds = environment.folds == folds_version()
        # Without what was left out of it, the digest of a result cannot be computed.
        self._shortened = {one.seq for one in records if one.body is not None and one.salt is None}
        self._state = State(stream=decode_header(records[0].header).stream)
        self._at = self._facts = self._decisions = self._states = 0

    def over(self, until: int) -> bool:
        """Whether all records are read, or all up to `until`."""
        return self._at >= len(self._records) or (0 < until < self._records[self._at].seq)

    def verdict(self, word: Literal["REPRODUCED", "DIVERGED"], *, divergence: Divergence | None = None) -> Verdict:
        notes = () if self._same_folds else ("the folds have changed since: state digests were not compared",)
        if not self._same_code:
            notes = (*notes, "the code that decided now is not the code of the version that exported")
        if self._shortened:
            seqs = ", ".join(str(seq) for seq in sorted(self._shortened))
            notes = (*notes, f"log tails were left out of {seqs}: these records were not held against their digests")
        return Verdict(
            verdict=word,
            stream=self._state.stream,
            facts=self._facts,
            decisions=self._decisions,
            states=self._states,
            last_seq=self._records[self._at - 1].seq if self._at else 0,
            state=digests.of(self._state),
            divergence=divergence,
            notes=notes,
        )

    def turn(self) -> None:
        """One fact, and all that follows from it."""
        fact = self._take()
        if not isinstance(fact.event, Fact):
            first = Difference(field="header.type", recorded=shown(fact.header.type), decided="nothing")
            self._diverge(fact, fact.header, first, "it was recorded, and no fact before it causes it")
        self._facts += 1
        self._check_fact(fact)
        try:
            result = step(self._state, entry_of_record(fact))
        except Exception as error:  # noqa: BLE001 - recorded by whomever: whatever breaks on it is told, at its event
            first = Difference(field="body", recorded=shown(msgspec.to_builtins(fact.event)), decided="refused")
            self._diverge(fact, fact.header, first, f"it cannot follow what was recorded before it: {_words(error)}")
        for draft in result.decisions:
            self._compare(fact, draft)
        self._state = result.state

    def _take(self) -> Record:
        stored = self._records[self._at]
        try:
            record = decode(stored)
        except UnknownEvent as error:
            raise Incompatible(
                f"position {stored.seq} ({error.event_type}): {error.why}: use a newer stagesetctl", seq=stored.seq
            ) from error
        except RecursionError as error:
            raise Invalid("its body is nested too deep", seq=stored.seq) from error
        if record.event is None:
            raise Incomplete(
                f"the body of position {stored.seq} ({record.header.type}) was erased on order: nothing can be decided "
                "on it again",
                seq=stored.seq,
            )
        self._at += 1
        return record

    # ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_fact(self, fact: Record) -> None:
        """A fact's header must agree with its own body and with what it answers."""
        header, event = fact
        expected: dict[str, Any] = {"op": event.OP if event is not None else ""}
        if header.res and header.seq not in self._shortened:
            expected["res"] = digests.of(event)
        pending, run = self._state.pending, self._state.run
        if header.intent and run is not None:
            expected |= {"run": run.id, "snapshot": run.snapshot}
            if pending is not None:
                expected |= {"intent": pending.intent, "stage": pending.stage, "idem": pending.key}
        elif not isinstance(event, RunOpened):
            expected |= {"run": run.id if run is not None else ""}
        first = header_difference(header, expected)
        if first is not None:
            self._diverge(fact, header, first, "its header contradicts what it says and what it answers", kind="INPUT")

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────

    def _compare(self, fact: Record, draft: Draft) -> None:
        if self._at >= len(self._records):
            first = Difference(field="header.type", recorded="nothing", decided=shown(tag_of(draft.event)))
            self._diverge(fact, None, first, f"{tag_of(draft.event)} is decided now, and the recording ends before it")
        recorded = self._take()
        header = recorded.header
        tag = tag_of(draft.event)
        if header.type != tag:
            first = Difference(field="header.type", recorded=shown(header.type), decided=shown(tag))
            self._diverge(fact, header, first, f"{tag} is decided now in its place")
        body = body_difference(recorded, draft.event)
        if body is not None:
            self._diverge(fact, header, body, "it is decided otherwise now")
        first_of_header = header_difference(header, self._expected(fact.header, draft))
        if first_of_header is not None:
            self._diverge(fact, header, first_of_header, "it is decided otherwise now")
        self._decisions += 1
        self._states += bool(draft.state) and self._same_folds

    def _expected(self, fact: Header, draft: Draft) -> dict[str, Any]:
        offset = self._at - fact.ver
        expected: dict[str, Any] = {
            "op": draft.event.OP,
            "at": fact.at,
            "writer": fact.writer,
            "v": fact.v,
            "seq": fact.seq + offset,
            **{name: getattr(draft, name) for name in _DECIDED},
        }
        if not self._same_folds:
            del expected["state"]
        return expected

    def _diverge(
        self,
        fact: Record,
        header: Header | None,
        first: Difference,
        why: str,
        *,
        kind: Class | None = None,
    ) -> NoReturn:
        after = fact.header
        seq = header.seq if header is not None else self._records[-1].seq + 1
        named = header.type if header is not None else first.decided.strip('"')
        raise _Diverged(
            Divergence(
                kind=kind or self._kind(first),
                seq=seq,
                version=header.ver if header is not None else self._at + 1,
                type=named,
                stage=header.stage if header is not None else "",
                fact_seq=after.seq,
                fact_type=after.type,
                message=f"position {seq} ({named}): {why}",
                first=first,
            )
        )

    def _kind(self, first: Difference) -> Class:
        if self._same_code:
            # The same code decides the same on the same input, unless it is not deterministic: that is for probes.
            return "INPUT"
        return "SCHEMA" if first.field == "header.state" else "CODE"


def _words(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
