"""What a verification judged, in the form in which it may be recorded, and back.

Not the judgement. Invariant: what is recorded is judged as the live objects were, word for word, or is not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reconciler.compute import inputs
from reconciler.compute.assess import Targets, assess
from reconciler.compute.inputs import Inputs, Judged
from reconciler.compute.project import projected
from reconciler.ports.cluster import Object, Ref


class Sight(NamedTuple):
    """What was known of the objects at one moment."""

    objects: Mapping[Ref, Object | None]
    #: why one of them could not be read
    unreadable: Mapping[Ref, str]
    #: milliseconds since 1970
    now_ms: int


def recorded(sight: Sight, targets: Targets, *, message: str, scrub: Callable[[Any], Any]) -> Inputs | None:
    """The sight as it may be recorded; None where that would be judged otherwise than with `message`.

    `scrub` takes the values of Secrets out of a JSON value.
    """
    refs = [ref for ref in targets.refs if ref in sight.objects or ref in sight.unreadable]
    judged = tuple(_judged(ref, sight, words=_words(targets, ref), scrub=scrub) for ref in refs)
    found = Inputs(inputs=1, judged=judged, judged_ms=sight.now_ms)
    again = sight_of(found)
    told = assess(again.objects, targets=targets, now_ms=again.now_ms, unreadable=again.unreadable).message
    return found if scrub(told) == scrub(message) else None


def sight_of(found: Inputs) -> Sight:
    """The sight that was recorded."""
    objects: dict[Ref, Object | None] = {}
    unreadable: dict[Ref, str] = {}
    for one in found.judged:
        ref = Ref(*one.ref)
        if one.unreadable:
            unreadable[ref] = one.unreadable
        else:
            objects[ref] = one.object
    return Sight(objects, unreadable, found.judged_ms)


def _words(targets: Targets, ref: Ref) -> str:
    return "\n".join(
        f"{expr.current} {expr.in_progress} {expr.failed}" for judged, expr in targets.judged if judged == ref
    )


def _judged(ref: Ref, sight: Sight, *, words: str, scrub: Callable[[Any], Any]) -> Judged:
    live, named = sight.objects.get(ref), (ref.api_version, ref.kind, ref.namespace, ref.name)
    if live is None:
        return Judged(ref=named, unreadable=scrub(sight.unreadable.get(ref, "")))
    form = projected(live)
    if words and ref.kind != "Secret":
        form = inputs.merged(form, inputs.shown(live, kind=ref.kind, words=words))
    return Judged(ref=named, object=scrub({**form, "apiVersion": ref.api_version, "kind": ref.kind}))
