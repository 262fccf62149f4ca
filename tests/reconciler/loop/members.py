"""Members with scripted surroundings: sources that a test sets, and an outlet that counts."""

from __future__ import annotations

from typing import Any

from ledger.chain import Head
from reconciler.api import names
from reconciler.compute.dependencies import Rules
from reconciler.compute.observed import project_stageset
from reconciler.loop.controller import Controller
from reconciler.loop.driver import Parts
from reconciler.loop.member import Member, Shared
from reconciler.loop.memory import Memory
from reconciler.loop.ordering import Ordering
from reconciler.ports.cluster import Object, Scope
from reconciler.ports.members import Observed
from reconciler.ports.sources import Unknown
from reconciler.settings import Settings
from reconciler.state import State
from reconciler.triggers import Obstacle
from tests.reconciler.loop.scripted import Clock, Hands, Journal
from tests.reconciler.making import pins, spec

STAGESETS = Scope(names.API_VERSION, "StageSet")
NOT_READY = Obstacle("SourceNotReady", "stage db: its source is not ready")


def stageset(*stages: Any, name: str = "rel", uid: str = "0a1b2c3d", **fields: Any) -> Object:
    """A StageSet as the API server shows it; `spec` fields and `metadata` may be given."""
    metadata = {
        "namespace": "shop", "name": name, "uid": uid, "generation": 1, "resourceVersion": "1",
        "finalizers": [names.FINALIZER], **fields.pop("metadata", {}),
    }  # fmt: skip
    status = fields.pop("status", None)
    return {
        "apiVersion": names.API_VERSION,
        "kind": "StageSet",
        "metadata": metadata,
        "spec": spec(*(stages or ("db",)), **fields),
        **({"status": status} if status else {}),
    }


def kept(obj: Object) -> Observed:
    return project_stageset(STAGESETS, obj)


class Sources:
    """Every source stands for a revision, unless it is told otherwise."""

    def __init__(self) -> None:
        self.revision = "v1"
        self.instead: Obstacle | Unknown | None = None

    def resolve(self, source: Any, *, stage: str, action: str = "", own_namespace: str) -> Any:
        return self.instead if self.instead is not None else pins(stage, revision=self.revision)[0]


class Outlet:
    def __init__(self) -> None:
        self.told: list[Member] = []
        self.drafts: list[Any] = []

    def changed(self, member: Member) -> None:
        self.told.append(member)

    def recorded(self, member: Member, drafts: Any) -> None:
        self.drafts += drafts


class World:
    """What members share. Make it inside the running loop."""

    def __init__(self) -> None:
        self.clock, self.journal, self.sources, self.outlet = Clock(), Journal(), Sources(), Outlet()
        self.hands = Hands(self.journal)
        self.inspected: list[Member] = []
        self.recovering: list[Member] = []
        #: what is called for beside the spec
        self.beside: Any = None
        self.call: Any = None
        self.gone: list[Member] = []
        self.dispossessed: list[Exception] = []
        parts = Parts(
            journal=self.journal,
            hands=self.hands,
            clock=self.clock,
            epoch=self.journal.log.epoch,
            dispossessed=self.dispossessed.append,
        )
        self.shared = Shared(
            parts=parts,
            sources=self.sources,
            settings=Settings(),
            outlet=self.outlet,
            teller=self.outlet,
            inspect=self.inspected.append,
            recover=self.recovering.append,
            beside=lambda member, state: self.call() if self.call else self.beside,
        )
        self.memory = Memory()

    def member(self, obj: Object | None = None, state: State | None = None) -> Member:
        observed = kept(obj or stageset())
        found = Member(
            observed,
            state=state or State(stream=observed.stream),
            head=Head(),
            shared=self.shared,
            ordering=Ordering({}, rules=Rules(), absent=bool),
        )
        found.seen(observed)
        return found

    def controller(self) -> Controller:
        return Controller(shared=self.shared, memory=self.memory, gone=self.gone.append)
