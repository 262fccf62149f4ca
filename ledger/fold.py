"""Folding: state as the result of reading events in order, with checkpoints so that a start reads only what is new.

Not a cache to rely on: a checkpoint whose position and hash are not in the chain is ignored, and deleting all of them
loses only time. What is folded is proved on the way: a record that breaks a chain stops the fold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

import msgspec

from ledger.chain import Chain, Head
from ledger.envelope import Header, Record, digest
from ledger.events import Event
from ledger.log import Reader, Selection
from ledger.upcast import decode_event

S = TypeVar("S")
#: A checkpoint starts with the digest of what follows: a damaged one would be state that never was.
_MARK_BYTES = len(digest(b""))


# A named tuple without the detour through Python that its own constructor takes.
_record: Callable[[tuple[Header, Event | None]], Record] = partial(tuple.__new__, Record)


class Projection(Protocol[S]):
    """A fold over the whole ledger. Raise `version` whenever `apply` or the encoding changes."""

    name: str
    version: int

    def initial(self) -> S: ...

    def apply(self, state: S, record: Record) -> S: ...

    def encode(self, state: S) -> bytes: ...

    def decode(self, data: bytes) -> S: ...


class Checkpoints(Protocol):
    """Where checkpoints are kept: `(head, data)` by name."""

    def load(self, name: str) -> tuple[Head, bytes] | None: ...

    def save(self, name: str, head: Head, data: bytes) -> None: ...


class MemoryCheckpoints:
    """Checkpoints that last as long as the process."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Head, bytes]] = {}

    def load(self, name: str) -> tuple[Head, bytes] | None:
        return self._kept.get(name)

    def save(self, name: str, head: Head, data: bytes) -> None:
        self._kept[name] = (head, data)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    ledger: str
    streams: dict[str, Head]
    state: bytes


class Folder(Generic[S]):
    """A projection that follows a ledger."""

    def __init__(self, reader: Reader, projection: Projection[S], *, checkpoints: Checkpoints | None = None) -> None:
        self._reader = reader
        self._projection = projection
        self._checkpoints = checkpoints
        self.state: S = projection.initial()
        self.chain = Chain()
        if checkpoints is not None:
            self._resume(checkpoints)

    def catch_up(self) -> int:
        """Fold what is new and return how many records that was. Raises `Unreadable` leaves.

        Whatever it raises, nothing is folded then: the next call starts at the first record.
        """
        start = self.chain.head.number
        state, apply = self.state, self._projection.apply
        try:
            for header, body in self.chain.prove(self._reader.read(Selection(after=start))):
                state = apply(state, _record((header, decode_event(header, body))))
        except BaseException:
            self.state, self.chain = self._projection.initial(), Chain()
            raise
        self.state = state
        return self.chain.head.number - start

    def save(self) -> None:
        """Keep a checkpoint of what is folded so far."""
        if self._checkpoints is None:
            return
        envelope = _Envelope(
            version=self._projection.version,
            ledger=self.chain.ledger,
            streams=self.chain.streams,
            state=self._projection.encode(self.state),
        )
        data = msgspec.msgpack.encode(envelope)
        self._checkpoints.save(self._projection.name, self.chain.head, digest(data).encode() + data)

    def _resume(self, checkpoints: Checkpoints) -> None:
        found = checkpoints.load(self._projection.name)
        if found is None:
            return
        head, mark, data = found[0], found[1][:_MARK_BYTES], found[1][_MARK_BYTES:]
        if mark != digest(data).encode():
            return
        try:
            envelope = msgspec.msgpack.decode(data, type=_Envelope)
        except msgspec.MsgspecError:
            return
        if envelope.version != self._projection.version or not self._is_in_chain(head):
            return
        self.state = self._projection.decode(envelope.state)
        self.chain = Chain(ledger=envelope.ledger, head=head, streams=envelope.streams)

    def _is_in_chain(self, head: Head) -> bool:
        for stored in self._reader.read(Selection(after=head.number - 1, until=head.number)):
            return digest(stored.header) == head.hash
        return False
