"""Two runs held against each other: inputs, rendered manifests, decisions, timings, outcome.

A view of two recordings; nothing is decided again. Timings are shown and never count as a difference: no two runs take
equally long. Nor do ids, UIDs, resource versions and the times of next tries; deadlines count from their record on.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from ledger import instant
from ledger.envelope import Record
from ledger.events import Decision, Fact, Finished, RunOpened
from ledger.render import summary
from replay import rendering
from replay.payloads import Manifests, Object
from replay.runs import Run

#: Never the same twice: what the cluster numbers, and pauses that are jittered by the run's id.
_NEVER_THE_SAME = ("uid", "rv", "generation", "due")
_TEXT_MAX = 400
#: So many objects of a stage are shown with their differences.
DIFFS_MAX = 500
#: Longer sequences are not aligned: that takes the square of their length.
_ALIGNED_MAX = 2_000


class Side(NamedTuple):
    """One of the two runs."""

    run: Run
    #: the records of the run alone
    records: Sequence[Record]
    manifests: Manifests


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only one side has, or that the two have otherwise. Empty: not there."""

    name: str
    a: str
    b: str


class ObjectChange(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered object that differs."""

    stage: str
    object: str
    what: Literal["added", "removed", "changed"]
    #: unified diff; empty where the bundle does not have the manifests, and then `why` says so
    diff: tuple[str, ...] = ()
    why: str = ""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, and the fact that it followed."""

    seq: int
    type: str
    stage: str
    told: str
    #: the fact before it
    after: str


class First(msgspec.Struct, frozen=True, kw_only=True):
    """The first decision that is another one; None: that side has decided nothing more."""

    a: Decided | None
    b: Decided | None
    #: the field that differs where both decided the same kind of thing; JSON pointer into the body
    field: str = ""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions that follow each other on one side or both: kind and stage of each."""

    on: Literal["both", "a", "b"]
    decisions: tuple[str, ...]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long an operation took, in milliseconds; -1: it was not there, or had no answer."""

    stage: str
    what: str
    a_ms: int
    b_ms: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What two runs have in common, and what not."""

    same: bool
    a: Run
    b: Run
    inputs: tuple[Change, ...]
    manifests: tuple[ObjectChange, ...]
    #: how many decisions there were on each side
    a_decisions: int
    b_decisions: int
    first: First | None
    #: the first decision of another kind, where that comes after `first`: there the two go different ways
    parting: First | None
    #: empty where one side has decided too much for that
    sequence: tuple[Block, ...]
    timings: tuple[Timing, ...]
    outcome: Change | None


def compare(a: Side, b: Side) -> Comparison:
    """Hold two runs against each other."""
    decided_a, decided_b = list(_decisions(a.records)), list(_decisions(b.records))
    inputs, manifests = tuple(_inputs(a, b)), tuple(_manifests(a, b))
    first, parting = _first(decided_a, decided_b, kinds=False), _first(decided_a, decided_b, kinds=True)
    outcome = None
    if (a.run.outcome, a.run.message) != (b.run.outcome, b.run.message):
        outcome = Change(name="outcome", a=_ending(a.run), b=_ending(b.run))
    return Comparison(
        same=not (inputs or manifests or first or outcome),
        a=a.run,
        b=b.run,
        inputs=inputs,
        manifests=manifests,
        a_decisions=len(decided_a),
        b_decisions=len(decided_b),
        first=first,
        parting=parting if parting != first else None,
        sequence=tuple(_sequence(decided_a, decided_b)),
        timings=tuple(_timings(a.records, b.records)),
        outcome=outcome,
    )


def _ending(run: Run) -> str:
    return f"{run.outcome}: {run.message}" if run.message else run.outcome


# ── inputs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _inputs(a: Side, b: Side) -> Iterator[Change]:
    found = [_opened(side) for side in (a, b)]
    for name in sorted(found[0].keys() | found[1].keys()):
        one, other = (_text(side.get(name)) for side in found)
        if one != other:
            yield Change(name=name, a=one, b=other)


def _opened(side: Side) -> dict[str, Any]:
    """Pins, spec and policy of a run, each leaf by its name."""
    event = next((one.event for one in side.records if isinstance(one.event, RunOpened)), None)
    if event is None:
        return {}
    found: dict[str, Any] = {}
    for pin in event.pins:
        name = f"pin {pin.stage}/{pin.action}" if pin.action else f"pin {pin.stage}"
        found[name] = f"{pin.source} {pin.revision} {pin.digest}"
    found.update(_leaves("spec", event.spec))
    found.update(_leaves("policy", event.policy))
    return found


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Leaves of a value by path; elements of lists by their name where they have one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{path}/{key}", inner)
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            name = inner.get("name") if isinstance(inner, dict) else None
            yield from _leaves(f"{path}/{name if isinstance(name, str) else at}", inner)
    else:
        yield path, value


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        found = value or ""
    else:
        found = msgspec.json.encode(value, order="deterministic").decode()
    return found if len(found) <= _TEXT_MAX else found[: _TEXT_MAX - 1] + "…"


# ── manifests ────────────────────────────────────────────────────────────────────────────────────────────────────


def _manifests(a: Side, b: Side) -> Iterator[ObjectChange]:
    for stage in dict.fromkeys((*a.run.built, *b.run.built)):
        sets = [side.run.built.get(stage, "") for side in (a, b)]
        if sets[0] == sets[1]:
            continue
        if not all(sets):
            # One of them did not come to build it: the decisions tell why.
            continue
        found = [side.manifests.found.get(digest) for side, digest in zip((a, b), sets, strict=True)]
        if found[0] is None or found[1] is None:
            yield from _by_digest(stage, a, b)
        else:
            yield from object_changes(stage, found[0], found[1])


def object_changes(stage: str, before: list[Object], after: list[Object]) -> Iterator[ObjectChange]:
    """Each object that is not the same in both sets; the first `DIFFS_MAX` of them with their diffs."""
    old, new = rendering.by_identity(before), rendering.by_identity(after)
    shown_count = 0
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        shown, shown_count = rendering.named(other or one or {}), shown_count + 1
        if shown_count > DIFFS_MAX:
            yield ObjectChange(
                stage=stage, object=shown, what=_what(one, other), why="too many differ to show them all"
            )
            continue
        found = rendering.diff(rendering.text(one) if one else (), rendering.text(other) if other else ())
        yield ObjectChange(stage=stage, object=shown, what=_what(one, other), diff=found)


def _by_digest(stage: str, a: Side, b: Side) -> Iterator[ObjectChange]:
    """What the digests in the records tell where a bundle does not have the manifests."""
    withheld = a.manifests.withheld | b.manifests.withheld
    digests = (a.run.built[stage], b.run.built[stage])
    why = next((withheld[digest] for digest in digests if digest in withheld), "it is not in the bundle")
    old, new = (_items(side, stage) for side in (a, b))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            what = _what(old.get(name), new.get(name))
            yield ObjectChange(stage=stage, object=name, what=what, why=f"its text is not shown: {why}")


def _items(side: Side, stage: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in side.records:
        if record.header.type == "build.finished" and record.header.stage == stage:
            found = {item.id: item.digest for item in getattr(record.event, "objects", ())}
    return found


def _what(before: object, after: object) -> Literal["added", "removed", "changed"]:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


# ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────────


class _Made(NamedTuple):
    shown: Decided
    #: what is compared
    body: Any

    @property
    def kind(self) -> str:
        shown = self.shown
        action = self.body.get("action", "")
        return " ".join(filter(None, (shown.type, shown.stage, action)))


def _decisions(records: Sequence[Record]) -> Iterator[_Made]:
    after = ""
    for record in records:
        header, event = record
        if isinstance(event, Fact):
            told = f" {header.outcome}: {summary(event)}" if header.outcome else f": {summary(event)}"
            after = f"{header.type}{told}".removesuffix(": ")
        elif isinstance(event, Decision):
            shown = Decided(seq=header.seq, type=header.type, stage=header.stage, told=summary(event), after=after)
            yield _Made(shown, _body(msgspec.to_builtins(event), header.at))


def _body(value: Any, at: str) -> Any:
    """A body without what is never the same twice."""
    match value:
        case dict():
            return {
                key: _since(inner, at) if key == "deadline" and isinstance(inner, str) else _body(inner, at)
                for key, inner in value.items()
                if key not in _NEVER_THE_SAME
            }
        case list():
            return [_body(inner, at) for inner in value]
        case _:
            return value


def _since(text: str, at: str) -> str:
    """An instant as the time since the record that names it."""
    try:
        return f"{instant.to_ms(text) - instant.to_ms(at)} ms later"
    except (ValueError, OverflowError):
        return text


def _first(a: Sequence[_Made], b: Sequence[_Made], *, kinds: bool) -> First | None:
    """The first pair that differs, or differs in kind; what is left over on one side differs from nothing."""
    for one, other in zip(a, b, strict=False):
        if one.kind != other.kind or (not kinds and one.body != other.body):
            field = "" if one.kind != other.kind else _field("", one.body, other.body)
            return First(a=one.shown, b=other.shown, field=field)
    if len(a) == len(b):
        return None
    at = min(len(a), len(b))
    return First(a=a[at].shown if at < len(a) else None, b=b[at].shown if at < len(b) else None)


def _field(path: str, a: Any, b: Any) -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        key = next(key for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key))
        return _field(f"{path}/{key}", a.get(key), b.get(key))
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        at = next(at for at, pair in enumerate(zip(a, b, strict=True)) if pair[0] != pair[1])
        return _field(f"{path}/{at}", a[at], b[at])
    return path


def _sequence(a: Sequence[_Made], b: Sequence[_Made]) -> Iterator[Block]:
    """The kinds of decisions, in stretches that both have or one has."""
    kinds_a, kinds_b = [one.kind for one in a], [one.kind for one in b]
    if max(len(a), len(b)) > _ALIGNED_MAX:
        return
    matcher = difflib.SequenceMatcher(None, kinds_a, kinds_b, autojunk=False)
    for tag, from_a, to_a, from_b, to_b in matcher.get_opcodes():
        if tag == "equal":
            yield Block(on="both", decisions=tuple(kinds_a[from_a:to_a]))
            continue
        if to_a > from_a:
            yield Block(on="a", decisions=tuple(kinds_a[from_a:to_a]))
        if to_b > from_b:
            yield Block(on="b", decisions=tuple(kinds_b[from_b:to_b]))


# ── timings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _timings(a: Sequence[Record], b: Sequence[Record]) -> Iterator[Timing]:
    took_a, took_b = _took(a), _took(b)
    for key in dict.fromkeys((*took_a, *took_b)):
        yield Timing(stage=key[0], what=key[1], a_ms=took_a.get(key, -1), b_ms=took_b.get(key, -1))


def _took(records: Sequence[Record]) -> dict[tuple[str, str], int]:
    """Milliseconds by stage and operation; attempts of one action, and rounds of one operation, are added up."""
    intents = {one.header.ver: one for one in records if isinstance(one.event, Decision)}
    found: dict[tuple[str, str], int] = {}
    for record in records:
        intent = intents.get(record.header.intent) if isinstance(record.event, Finished) else None
        if intent is not None:
            action = getattr(record.event, "action", "")
            key = (record.header.stage, f"{record.header.op} {action}".rstrip())
            took_ms = instant.to_ms(record.header.at) - instant.to_ms(intent.header.at)
            found[key] = found.get(key, 0) + took_ms
    return found
