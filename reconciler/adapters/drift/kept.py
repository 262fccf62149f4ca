"""What is kept in memory of each watched object: whose it is, and marks to notice a change by.

Not the object: tens of thousands are kept. Marks are hashes of this process; they are never recorded. Invariant: a
change of the status alone changes no mark of a kind that counts generations.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from reconciler.adapters.operations.existing import Live
from reconciler.api import names
from reconciler.compute.fields import strings, text, whole
from reconciler.ports.cluster import Scope
from reconciler.state import Owned

#: Objects that any StageSet owns.
SELECTOR = names.LABEL_NAME
#: Written by the controllers of the cluster itself, whenever a release is rolled out.
_NOISE = "deployment.kubernetes.io/revision"


class Kept(NamedTuple):
    """Namespace and name of the StageSet, and marks."""

    namespace: str
    name: str
    #: of UID and generation, or of UID and resource version where generations are not counted
    version: int
    #: of labels and annotations, which no generation counts
    labels: int

    @property
    def owner(self) -> tuple[str, str]:
        return self.namespace, self.name


def is_kept(scope: Scope) -> bool:
    """Whether a scope is one of drift's."""
    return scope.metadata_only and scope.label_selector == SELECTOR


def kept_of(obj: Any) -> Kept:
    """What is kept of an object as a watch shows it."""
    labels, annotations = strings(obj, "metadata", "labels"), strings(obj, "metadata", "annotations")
    counted = whole(obj, "metadata", "generation") or text(obj, "metadata", "resourceVersion")
    return _kept(text(obj, "metadata", "uid"), counted, labels, annotations)


def kept_of_live(live: Live) -> Kept:
    """The same of one that was asked for."""
    return _kept(live.uid, live.generation or live.resource_version, live.labels, live.annotations)


def expected(owned: Owned) -> int:
    """The mark of an object that is as it was last applied."""
    return _version(owned.uid, owned.generation or owned.rv)


def _kept(uid: str, counted: int | str, labels: dict[str, str], annotations: dict[str, str]) -> Kept:
    told = frozenset(labels.items()), frozenset((k, v) for k, v in annotations.items() if k != _NOISE)
    return Kept(
        # Thousands share them.
        sys.intern(labels.get(names.LABEL_NAMESPACE, "")),
        sys.intern(labels.get(names.LABEL_NAME, "")),
        _version(uid, counted),
        hash(told),
    )


def _version(uid: str, counted: int | str) -> int:
    return hash((uid, counted))
