"""The Members ports: a StageSet as its projections see it, and who is told of changes.

Not its driver: nothing here can make it do anything but look again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.chain import Head
from ledger.envelope import Draft
from ledger.events import DriftObserved
from reconciler.ports.hands import Target
from reconciler.state import State


class Observed(NamedTuple):
    """A StageSet as last seen. `spec` is JSON, so that ten thousand of them stay small."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: bytes
    requested_at: str
    deleting: bool
    finalizers: tuple[str, ...]
    #: mark of `.status`, to notice that somebody changed it
    status: str
    #: `.status.ledger`: version and hash of the head of the stream; of another stream, or without one: nothing
    ledger: tuple[int, str]
    #: annotations that ask for something once, by name
    requests: dict[str, str]
    #: status and reason of its Ready condition
    ready: tuple[str, str]

    @property
    def stream(self) -> str:
        """The stream of the ledger that remembers it."""
        return f"stageset/{self.namespace}/{self.name}/{self.uid}"


class Member(Protocol):
    """One StageSet: what is seen of it, and its state."""

    observed: Observed
    #: head of its stream
    head: Head
    target: Target

    @property
    def state(self) -> State: ...

    @property
    def cleared(self) -> bool:
        """Whether the ledger is known not to be older than the world: before that nothing is written over."""

    def inspected(self, *, outdated: bool) -> None:
        """What ready stages were made of was looked at: is any of it another by now?"""

    def drifted(self, stage: str, found: Sequence[DriftObserved]) -> None:
        """Objects of a ready stage differ from what was applied. Recorded soon, as far as it is news."""


class Outlet(Protocol):
    """Where projections go."""

    def changed(self, member: Member) -> None:
        """The status, the inventories, the finalizer or an event may be due."""


class Teller(Protocol):
    """Who is told what was recorded, for logs and metrics."""

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None: ...
