"""Drift: what other hands did to owned objects, and whether it is worth correcting once more."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ledger import events as e
from reconciler.effects import Entry
from reconciler.state import Drift, State
from reconciler.transitions import Phase

#: An object that was changed this often within this time, each time by the same hand, is not corrected any more.
FLAPPING_TIMES, FLAPPING_MS = 5, 600_000
#: It is again as it was applied, by another hand: what is only told of is over.
RESTORED = "restored"


def drift_observed(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.DriftObserved)
    drifts = dict(state.drifts)
    for item in event.objects:
        if item.action == RESTORED:
            drifts.pop(item.id, None)
        else:
            drifts[item.id] = _seen_again(drifts.get(item.id), item, event=event, entry=entry)
    found = [drifts[item.id] for item in event.objects if item.id in drifts]
    wanted = event.mode == "Correct" and any(not drift.flapping for drift in found)
    asked = "drift" if wanted and state.phase == Phase.READY and not state.asked else state.asked
    return replace(state, drifts=drifts, asked=asked)


def _seen_again(before: Drift | None, item: e.Item, *, event: e.DriftObserved, entry: Entry) -> Drift:
    same = before is not None and before.manager == event.manager
    known = before.times_ms if before is not None and same else ()
    times_ms = (*(at for at in known if entry.at_ms - at < FLAPPING_MS), entry.at_ms)[-FLAPPING_TIMES:]
    return Drift(
        stage=entry.stage,
        manager=event.manager,
        message=item.message,
        mode=event.mode,
        times_ms=times_ms,
        flapping=event.mode == "Correct" and len(times_ms) >= FLAPPING_TIMES,
    )


def at_the_beginning(state: State, opened: Any) -> dict[str, Drift]:
    """What is remembered of drift when a run begins: all of it, unless somebody changed or asked for something."""
    return {} if opened.trigger in {"snapshot", "spec", "request", "deletion"} else state.drifts
