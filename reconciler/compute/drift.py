"""Drift: which differences count by a stage's rules, in which words they are told, and which are news.

Not the looking, and not whether a correction is worth it once more (the core's). Invariant: a message names fields and
managers, never a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ledger import events as e
from ledger.envelope import Draft
from reconciler.api import names
from reconciler.api.types import DriftDetection, DriftTarget
from reconciler.compute.differences import Path, is_below, parts, pointer
from reconciler.compute.fieldmanagers import is_own
from reconciler.compute.fields import cut, dig, group_of
from reconciler.compute.order import some
from reconciler.folds.drift import RESTORED
from reconciler.ports.cluster import Object, Ref
from reconciler.state import Drift, State
from reconciler.transitions import Phase

#: Reasons of the Drifted condition and of Events.
DETECTED, FLAPPING, CORRECTED = "DriftDetected", "DriftFlapping", "DriftCorrected"
#: An object that was changed so that it differs, and one that is not there.
CHANGED, GONE = "changed", "gone"
PATHS_SHOWN_MAX = 5
OBJECTS_SHOWN_MAX = 10
PATH_CHARS_MAX = 200
_DEFAULT = DriftDetection()


class Rules(NamedTuple):
    """What a stage says of drift."""

    mode: str
    detection: DriftDetection

    def pointers(self, ref: Ref) -> list[tuple[str, ...]] | None:
        """Fields of an object that others may change; None: all of it."""
        found: list[tuple[str, ...]] = []
        for rule in self.detection.ignore:
            if rule.target is None or _matches(rule.target, ref):
                if not rule.paths:
                    return None
                found += [parts(path) for path in rule.paths]
        return found

    def counted(self, ref: Ref, found: Iterable[Path]) -> list[Path]:
        """The differences that no rule is for."""
        pointers = self.pointers(ref)
        if pointers is None:
            return []
        return [path for path in found if not any(is_below(path, above) for above in pointers)]


def rules_of(detection: DriftDetection | None) -> Rules:
    """The rules of a stage: without any, everything is corrected."""
    found = detection or _DEFAULT
    return Rules(found.mode, found)


def spared(desired: Object, live: Object, pointers: Iterable[Sequence[str]], *, own: str) -> Object:
    """What is applied of an object: without the fields that others may change and have changed.

    A field that the applier `own` still has is applied: left out, it would be removed.
    """
    left = desired
    for pointed in pointers:
        path = _path(desired, pointed)
        if path and dig_path(desired, path) is not None and not is_own(live, path, wanted=desired, own=own):
            left = _without(left, path)
    return left


def words(paths: Sequence[Path], *, manager: str) -> str:
    """Which fields, by whom: `/spec/replicas and 2 more fields, by kubectl-edit`."""
    shown = ", ".join(cut(pointer(path), PATH_CHARS_MAX) for path in paths[:PATHS_SHOWN_MAX])
    more = len(paths) - PATHS_SHOWN_MAX
    listed = f"{shown} and {more} more fields" if more > 0 else shown
    return f"{listed}, by {manager}" if manager else listed


def news(state: State, stage: str, found: e.DriftObserved) -> e.DriftObserved | None:
    """What of a finding is to be recorded, and nothing where all of it is known or a run has seen to it.

    What is not corrected is told once for each distinct difference, and once more when it is gone.
    """
    if state.phase != Phase.READY or state.suspended or stage not in state.stages:
        return None
    owned = state.stages[stage].owned
    objects = [item for item in found.objects if item.id in owned and _is_news(state.drifts.get(item.id), item, found)]
    return replace(found, objects=objects) if objects else None


def standing(state: State) -> dict[str, Drift]:
    """Objects that are not as they were applied, and are not corrected, by id."""
    return {key: drift for key, drift in state.drifts.items() if drift.flapping or drift.mode != "Correct"}


def told(state: State) -> tuple[str, str]:
    """Reason and sentence on objects that are not as they were applied and are left so; empty where there are none."""
    left = standing(state)
    if not left:
        return "", ""
    fought = {key: drift for key, drift in left.items() if drift.flapping}
    shown = [f"{_name(key)} ({drift.message})" for key, drift in (fought or left).items()]
    count = f"{len(left)} object{'s differ' if len(left) > 1 else ' differs'} from what was applied"
    if not fought:
        return DETECTED, f"{count}: {some(shown, items_max=OBJECTS_SHOWN_MAX)}"
    why = "not corrected any more, because each correction was undone"
    return FLAPPING, f"{count}; {why}: {some(shown, items_max=OBJECTS_SHOWN_MAX)}"


def since_ms(state: State) -> int:
    """When the last of them was seen, in milliseconds since 1970."""
    return max(max(drift.times_ms, default=0) for drift in standing(state).values())


def subjects(state: State, items: Iterable[e.Item]) -> str:
    """Objects as Events list them, with what was found of each."""
    found = [(item.id, state.drifts.get(item.id)) for item in items]
    listed = [_name(key) + (f" ({drift.message})" if drift else "") for key, drift in found]
    return some(listed, items_max=OBJECTS_SHOWN_MAX)


def corrected(state: State, draft: Draft) -> list[e.Item]:
    """Objects that an apply had to make or change although they are rendered as they last were."""
    run, event = state.run, draft.event
    if run is None or run.trigger != "drift" or not isinstance(event, e.ApplyFinished):
        return []
    stage, render = state.stages.get(draft.stage), run.renders.get(draft.stage)
    if stage is None or render is None or render.manifests != stage.manifests:
        return []
    return [item for item in event.objects if item.action in {"created", "configured"}]


def _is_news(known: Drift | None, item: e.Item, found: e.DriftObserved) -> bool:
    if item.action == RESTORED:
        return known is not None and known.mode != "Correct"
    if known is None or (found.mode == "Correct" and not known.flapping):
        return True
    return (known.message, known.manager) != (item.message, found.manager)


def _name(key: str) -> str:
    """`Kind/namespace/name`."""
    found = names.parse_inventory_id(key)
    return "/".join(filter(None, (found.kind, found.namespace, found.name))) if found else key


def _matches(target: DriftTarget, ref: Ref) -> bool:
    group = not target.api_version or group_of(target.api_version) == group_of(ref.api_version)
    given = ((target.kind, ref.kind), (target.name, ref.name), (target.namespace, ref.namespace))
    return group and all(not wanted or wanted == found for wanted, found in given)


def _path(obj: Any, pointed: Sequence[str]) -> Path:
    """The fields that a pointer names, with indexes as numbers."""
    found: list[str | int] = []
    for name in pointed:
        at: str | int = int(name) if isinstance(obj, list) and name.isdecimal() else name
        found.append(at)
        obj = dig_path(obj, (at,))
    return tuple(found)


def dig_path(obj: Any, path: Path) -> Any:
    """The value at a path, or None."""
    for part in path:
        if isinstance(part, int):
            obj = obj[part] if isinstance(obj, list) and part < len(obj) else None
        else:
            obj = dig(obj, part)
    return obj


def _without(obj: Any, path: Path) -> Any:
    """A copy without a field."""
    part, rest = path[0], path[1:]
    if isinstance(part, int):
        if part >= len(obj):
            return obj
        return [*obj[:part], *([_without(obj[part], rest)] if rest else []), *obj[part + 1 :]]
    if not rest:
        return {key: value for key, value in obj.items() if key != part}
    return {**obj, part: _without(obj[part], rest)} if part in obj else obj
