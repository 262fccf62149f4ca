"""Fields of the API that this controller does not act on yet: each is refused by name, none is ignored.

Not validation: the fields are right, the controller is not ready for them. To support a field, delete its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from reconciler.api import schema
from reconciler.api.problems import Problem
from reconciler.api.types import StageSetSpec


class NotYet(NamedTuple):
    """A field that is not supported yet, or some values of it. `[]` in the path stands for every item of a list."""

    path: str
    #: Only these values are refused; empty: every value but the one that holds when the field is absent.
    values: tuple[str, ...] = ()


NOT_YET: Final[tuple[NotYet, ...]] = (
    NotYet("spec.onTimeout", ("Hold", "Rollback")),
    NotYet("spec.dependsOn[].minVersion"),
    NotYet("spec.decryption"),
    NotYet("spec.version"),
    NotYet("spec.migrations"),
    NotYet("spec.migrationsSourceRef"),
    NotYet("spec.rollbackOnFailure"),
    NotYet("spec.onRollback"),
    NotYet("spec.updateWindows"),
    NotYet("spec.windowScope"),
    NotYet("spec.errorBudget"),
    NotYet("spec.stages[].onTimeout", ("Hold", "Rollback")),
    NotYet("spec.stages[].promotion"),
    NotYet("spec.stages[].errorBudget"),
    NotYet("spec.stages[].migrationAnchor"),
    NotYet("spec.stages[].applyHelmHookResources"),
)


class _Place(NamedTuple):
    path: str
    value: Any
    #: The value that holds when the field is absent.
    default: Any


def unsupported(spec: StageSetSpec, features: Sequence[NotYet] = NOT_YET) -> list[Problem]:
    """The fields of a spec that are set and not supported yet, in the order of `features`.

    A field that says what holds anyway (`force: false`, `actions: {}`) is not refused.
    """
    return [
        problem
        for feature in features
        for place in _places(feature.path.removeprefix("spec.").split("."), _Place("spec", spec, None))
        for problem in _refusal(feature, place)
    ]


def not_yet(path: str, features: Iterable[NotYet] = NOT_YET) -> NotYet | None:
    """The entry that covers a field or one around it, for documentation; `path` has `[]` for list items."""
    for feature in features:
        if path == feature.path or path.startswith((feature.path + ".", feature.path + "[]")):
            return feature
    return None


def _places(parts: list[str], place: _Place) -> Iterator[_Place]:
    """Every place that a path leads to. A name that the types do not have is a mistake in the list above."""
    if not parts:
        yield place
        return
    name, every = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    field = schema.of(type(place.value)).fields[name]
    value, path = getattr(place.value, field.attribute), f"{place.path}.{name}"
    if every:
        for index, item in enumerate(value):
            yield from _places(parts[1:], _Place(f"{path}[{index}]", item, None))
    elif len(parts) == 1 or isinstance(value, msgspec.Struct):
        yield from _places(parts[1:], _Place(path, value, field.default))


def _refusal(feature: NotYet, place: _Place) -> Iterator[Problem]:
    if feature.values:
        if place.value in feature.values:
            yield Problem(f"{place.path}: {place.value}", "is not supported yet")
    elif place.value != place.default and not _is_empty(place.value):
        yield Problem(place.path, "is not supported yet")


def _is_empty(value: Any) -> bool:
    """Whether an object says nothing: `{}`, or only what holds anyway."""
    if not isinstance(value, msgspec.Struct):
        return False
    fields = schema.of(type(value)).fields.values()
    return all(not field.required and getattr(value, field.attribute) == field.default for field in fields)
