"""The documents of a rendered text beside their shadows: the same documents with stand-ins for the secret values.

Not a judge of leaves: it pairs texts and objects, document by document, so that one document whose shape depends on
a Secret does not hide the others. Invariant: a document without a Secret in it is neither copied nor parsed twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.compute.manifests import Manifest, Object, parse
from reconciler.compute.standins import other_shape, same_shape
from reconciler.compute.substitution import substitute
from reconciler.errors import OperationError

_SEPARATOR = "\n---\n"


class Segment(NamedTuple):
    """One document of the unsubstituted text, the real objects from it, and the same objects under both stand-ins.

    `same` and `other` are None when that shadow is no manifest, or has another number of objects.
    """

    template: str
    manifests: Sequence[Manifest]
    unaffected: bool
    same: Sequence[Object] | None = None
    other: Sequence[Object] | None = None


def segments(
    text: str, real: Mapping[str, str], *, secrets: Sequence[str], manifests: Sequence[Manifest]
) -> Iterator[Segment]:
    """Pairs `manifests` (parsed from the whole text under the values `real`) with what they are under stand-ins.

    `secrets` are the names of the variables whose values are secret.
    """
    templates, wires = _split(text, real)
    shared = _by_document(wires, manifests)
    shadows = [_values(real, secrets, stand_in) for stand_in in (same_shape, other_shape)]
    for template, wire, own in zip(templates, wires, shared, strict=True):
        same, other = (substitute(template, values) for values in shadows)
        if same == wire and other == wire:
            yield Segment(template, own, unaffected=True)
        else:
            yield Segment(template, own, False, _objects(same, len(own)), _objects(other, len(own)))


def _split(text: str, real: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The documents before and after substitution; the whole text as one where an expression spans documents."""
    templates = text.split(_SEPARATOR)
    try:
        return templates, [substitute(template, real) for template in templates]
    except OperationError:
        return [text], [substitute(text, real)]


def _by_document(wires: Sequence[str], manifests: Sequence[Manifest]) -> list[list[Manifest]]:
    """The objects of each document, by the lines that the documents begin at."""
    starts, line = [], 1
    for wire in wires:
        starts.append(line)
        line += wire.count("\n") + _SEPARATOR.count("\n")
    shared: list[list[Manifest]] = [[] for _ in wires]
    for manifest in manifests:
        shared[bisect_right(starts, manifest.line) - 1].append(manifest)
    return shared


def _values(real: Mapping[str, str], secrets: Sequence[str], stand_in: Callable[[str], str]) -> dict[str, str]:
    return {**real, **{name: stand_in(real[name]) for name in secrets}}


def _objects(text: str, count: int) -> list[Object] | None:
    try:
        objects = parse(text)
    except OperationError:
        return None
    return objects if len(objects) == count else None
