"""Whether a ledger is older than the world, or another one, by what the world shows of a stream.

Pure. Not what follows. Invariant: a ledger that has all that the world shows is never called behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.envelope import Head
from ledger.events import CompletionShown, StageShown
from reconciler.api import reasons
from reconciler.api.types import LedgerPosition
from reconciler.compute.stageledger import KIND, StageLedgerShown
from reconciler.ports.hands import Target
from reconciler.state import State


class Sighting(NamedTuple):
    """A place in a stream that the world shows, and where."""

    position: LedgerPosition
    #: for sentences
    where: str


def sighting(
    target: Target, *, stream: str, status: tuple[int, str], stageledger: StageLedgerShown | None
) -> Sighting | None:
    """What the world shows of a stream; None where it does not show it: it may be a new installation.

    `status` is the version and head in the StageSet's status (0: none of this stream), which is written with every
    record. Where that is gone, the StageLedger tells.
    """
    own = f"{target.namespace}/{target.name}"
    version, head = status
    if version:
        return Sighting(LedgerPosition(stream=stream, version=version, head=head), f"status.ledger of StageSet {own}")
    position = stageledger.position if stageledger is not None else None
    if position is not None and position.stream == stream:
        return Sighting(position, f"status.ledger of {KIND} {own}")
    return None


def behind(state: State, *, head: Head, shown: Sighting | None) -> str:
    """Why this ledger cannot be the one that the world was made from; empty where it may be. `head` is the stream's.

    A place before the head proves nothing by itself: the record there has to be compared.
    """
    if shown is None or shown.position.stream != state.stream or is_known(state, shown):
        return ""
    position = shown.position
    if position.version > state.version:
        has = f"has {state.version} records of it" if state.version else "has no record of it"
        return f"{shown.where} shows version {position.version} of stream {state.stream}, and this ledger {has}"
    if position.version == state.version and position.head != head.hash:
        return other(state, shown)
    return ""


def is_inside(state: State, shown: Sighting | None) -> bool:
    """Whether the place lies before the head: then it is this ledger only where the record there has the same hash."""
    if shown is None or shown.position.stream != state.stream or is_known(state, shown):
        return False
    return shown.position.version < state.version


def is_known(state: State, shown: Sighting) -> bool:
    """Whether this very place was found ahead before, and what the world showed was taken over."""
    return state.adopted == f"{shown.position.version}:{shown.position.head}"


def other(state: State, shown: Sighting) -> str:
    """The sentence for a place at which this ledger has another record."""
    return (
        f"{shown.where} shows another record as version {shown.position.version} of stream {state.stream} "
        "than this ledger has: it is another ledger, or both went on from a copy"
    )


def sentence(why: str, *, stages: Sequence[StageShown], completions: Sequence[CompletionShown]) -> str:
    """What was found, what it means, what was taken over and what to do; goes on from `why`."""
    objects, executed = sum(len(one.objects) for one in stages), sum(len(one.executed) for one in stages)
    taken = (
        f"{len(stages)} stages with {objects} objects, {executed} executed actions and {len(completions)} completed "
        "Lifetime actions"
    )
    return reasons.cut(
        f"{why}. So this ledger is older than the cluster, or not the cluster's: its volume was lost or replaced, or a "
        f"backup was restored. Taken over from what the cluster shows: {taken}. Every other action that must not run "
        "twice is held, because it may have run since: answer each with stagesetctl resolve, or stop the controller "
        "and put the newest ledger in place",
        chars_max=reasons.MESSAGE_CHARS_MAX,
    )
