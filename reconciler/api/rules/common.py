"""Checks that several rules need: unique names, words that must not be empty, decimal numbers, label selectors.

Not rules of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from reconciler.api.problems import Problem, quoted
from reconciler.api.types import LabelSelector, MetricSource

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def required(value: str, *, path: str) -> Iterator[Problem]:
    """A string that must say something."""
    if not value.strip():
        yield Problem(path, "must not be empty")


def unique(names: Iterable[tuple[str, str]], *, what: str) -> Iterator[Problem]:
    """Names, each with its path, that must differ. Empty names are another rule's matter."""
    first: dict[str, str] = {}
    for path, name in names:
        if name and name in first:
            yield Problem(path, f"is {quoted(name)}, as is {first[name]}; {what} must differ: rename one")
        first.setdefault(name, path)


def exactly_one(found: Iterable[str], *, of: str, path: str) -> Iterator[Problem]:
    """Exactly one of some fields must be set; `found` are the ones that are."""
    names = list(found)
    if not names:
        yield Problem(path, f"must set exactly one of {of}, but sets none; add one")
    elif len(names) > 1:
        yield Problem(path, f"must set exactly one of {of}, but sets {' and '.join(names)}; keep one")


def number(text: str, *, path: str) -> Iterator[Problem]:
    """A decimal string."""
    if as_number(text) is None:
        yield Problem(path, f'must be a decimal number in quotes such as "0.95", not {quoted(text)}')


def as_number(text: str) -> float | None:
    """The number of a decimal string; None where it is none, or not finite."""
    value = float(text) if _NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def metric_source(source: MetricSource, *, path: str) -> Iterator[Problem]:
    """Exactly one provider, with everything that it needs."""
    given = [name for name, part in (("prometheus", source.prometheus), ("webhook", source.webhook)) if part]
    yield from exactly_one(given, of="prometheus and webhook", path=path)
    if source.prometheus:
        yield from required(source.prometheus.address, path=f"{path}.prometheus.address")
        yield from required(source.prometheus.query, path=f"{path}.prometheus.query")
    if source.webhook:
        yield from required(source.webhook.url, path=f"{path}.webhook.url")
        yield from required(source.webhook.json_path, path=f"{path}.webhook.jsonPath")
    for name, part in (("prometheus", source.prometheus), ("webhook", source.webhook)):
        if part and part.secret_ref:
            yield from required(part.secret_ref.name, path=f"{path}.{name}.secretRef.name")


def selector(value: LabelSelector, *, path: str) -> Iterator[Problem]:
    """A selector that selects something in particular, as the API's own check of selectors has it."""
    if not value.match_labels and not value.match_expressions:
        yield Problem(path, "must not be empty, because it would select every Pod; add matchLabels or matchExpressions")
    for index, part in enumerate(value.match_expressions):
        needs_values = part.operator in ("In", "NotIn")
        if needs_values != bool(part.values):
            at = f"{path}.matchExpressions[{index}].values"
            yield Problem(at, f"must {'not ' if needs_values else ''}be empty for operator {part.operator}")
