"""Tools for the shipped hands, without a world: blobs in memory, the loop's own time, a key that is nobody's."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from ledger.envelope import digest
from ledger.log import Appended, Batch
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands import Tools
from reconciler.adapters.kustomize import Builder
from reconciler.ports.clock import Clock
from reconciler.ports.requests import Calling, Fetching
from replay.performing.kustomize import Runner, Workshop

#: Tokens made with it are told from recorded ones by their place alone.
KEY = b"replay"


class Blobs:
    """The Journal port without a ledger: the bundle's blobs, and what is made here."""

    def __init__(self, found: dict[str, bytes]) -> None:
        self.found = dict(found)

    async def append(self, batch: Batch) -> Appended:
        raise AssertionError("a replay appends nothing")

    async def put_blob(self, chunks: bytes) -> str:
        name = digest(chunks)
        self.found[name] = chunks
        return name

    async def get_blob(self, digest: str) -> bytes | None:
        return self.found.get(digest)


class Ports(NamedTuple):
    """What answers the hands."""

    #: `Clusters`, as far as hands use them
    clusters: Any
    fetcher: Fetching
    caller: Calling
    clock: Clock


def tools(ports: Ports, *, blobs: Blobs, workshop: Workshop | None) -> Tools:
    """The tools of one operation."""
    return Tools(
        clusters=cast("Clusters", ports.clusters),
        fetcher=ports.fetcher,
        caller=ports.caller,
        builder=Builder(Runner(workshop)),
        tool=workshop.identity if workshop is not None else "",
        journal=blobs,
        clock=ports.clock,
        key=KEY,
    )
