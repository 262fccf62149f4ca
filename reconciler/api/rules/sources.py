"""Rules of source references (CONTRACT §1.2, rule 1).

Not whether a source exists.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.api import defaults
from reconciler.api.problems import Problem
from reconciler.api.rules import common
from reconciler.api.types import SourceRef


def of_ref(ref: SourceRef, *, path: str) -> Iterator[Problem]:
    """A name, and an apiVersion for kinds that are no Flux sources."""
    yield from common.required(ref.name, path=f"{path}.name")
    if not defaults.source(ref, namespace="").api_version:
        yield Problem(
            f"{path}.apiVersion",
            f"is required for kind {ref.kind}, which is not a Flux source; add its group and version",
        )
