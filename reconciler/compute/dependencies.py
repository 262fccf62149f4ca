"""The dependencies of StageSets: whom a spec names, who may be named, the circles among them, and what is told.

Not who is ready now, and not whose turn it is. Pure: edges and specs in, obstacles out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from reconciler.api import reasons
from reconciler.compute.status import ready_of
from reconciler.state import State
from reconciler.triggers import Obstacle

#: Namespace and name of a StageSet.
Key = tuple[str, str]
Edges = Mapping[Key, Sequence[Key]]


class _Dependency(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str = ""


class _Spec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    depends_on: tuple[_Dependency, ...] = ()


class Rules(NamedTuple):
    """Whom a StageSet may name."""

    #: the namespaces that the controller looks at; empty: all
    namespaces: tuple[str, ...] = ()
    cross_namespace: bool = True

    def refusal(self, own: Key, needed: Key) -> Obstacle | None:
        """Why `own` can never depend on `needed`; None where it can."""
        if needed[0] == own[0]:
            return None
        if not self.cross_namespace:
            return Obstacle(
                reasons.DEPENDENCY_NOT_READY,
                f"dependsOn: StageSet {words(needed)} is in another namespace: "
                "the controller runs with --no-cross-namespace-refs",
            )
        if self.namespaces and needed[0] not in self.namespaces:
            return Obstacle(
                reasons.DEPENDENCY_NOT_READY,
                f"dependsOn: StageSet {words(needed)} is in a namespace that this controller does not look at: "
                "add it to --watch-namespaces, or take the dependency out",
            )
        return None


def needs(spec: bytes, *, namespace: str) -> tuple[Key, ...]:
    """The StageSets that a spec (JSON) depends on, in its order, each once; nothing where it cannot be read."""
    if b'"dependsOn"' not in spec:
        return ()
    try:
        found = msgspec.json.decode(spec, type=_Spec)
    except msgspec.ValidationError:
        # Told as what it is, an invalid spec.
        return ()
    return tuple(dict.fromkeys((one.namespace or namespace, one.name) for one in found.depends_on))


def cycle(edges: Edges, start: Key) -> tuple[Key, ...]:
    """The shortest way from a StageSet along its dependencies back to itself, both ends included; empty: there is none.

    Looks at those alone that can be reached from it. Of several the first by the order of the specs.
    """
    came_from: dict[Key, Key] = {}
    reached = [start]
    for here in reached:
        for needed in edges.get(here, ()):
            if needed == start:
                return (*_way(came_from, here, start), start)
            if needed not in came_from:
                came_from[needed] = here
                reached.append(needed)
    return ()


def _way(came_from: Mapping[Key, Key], here: Key, start: Key) -> list[Key]:
    way = [here]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def is_ready(state: State, *, generation: int) -> bool:
    """Whether a StageSet of this generation may be built upon: Ready, and for the spec that it has now."""
    return ready_of(state)[0] == "True" and state.ready_generation == generation and not state.deleting


def circular(path: Sequence[Key]) -> Obstacle:
    """That a StageSet waits for itself."""
    shown = " -> ".join(map(words, path))
    return Obstacle(reasons.STALLED, f"dependsOn leads back to where it began: {shown}: take one of the steps out")


def missing(needed: Key) -> Obstacle:
    """That a dependency is not there."""
    return Obstacle(
        reasons.DEPENDENCY_NOT_READY,
        f"dependsOn: StageSet {words(needed)} does not exist: create it, or correct the dependency",
    )


def not_ready(needed: Key) -> Obstacle:
    """That a dependency is not ready. Not why: that changes often, and is its own message to tell."""
    return Obstacle(
        reasons.DEPENDENCY_NOT_READY,
        f"dependsOn: StageSet {words(needed)} is not ready with its newest spec and revisions: "
        "what depends on it starts as soon as it is",
    )


def elsewhere(needed: Key) -> Obstacle:
    """That a dependency in another namespace is not ready, or not there: which of them is not for everybody to know."""
    return Obstacle(
        reasons.DEPENDENCY_NOT_READY,
        f"dependsOn: StageSet {words(needed)} is not there, or not ready with its newest spec and revisions: "
        "what depends on it starts as soon as it is",
    )


def words(key: Key) -> str:
    """`namespace/name`."""
    return "/".join(key)
