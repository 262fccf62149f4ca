"""The states of all streams, folded from the ledger when the controller starts; from a checkpoint, only what is new.

Not a cache of the running state: a member takes its state from here once and is its owner from then on.
"""

from __future__ import annotations

import msgspec

from ledger.chain import Head
from ledger.envelope import Record
from ledger.fold import Checkpoints, Folder
from ledger.log import Reader
from reconciler.effects import entry_of_record
from reconciler.evolve import evolve
from reconciler.state import State

PREFIX = "stageset/"
States = dict[str, State]
_decoder = msgspec.msgpack.Decoder(States)


class StatesProjection:
    """All StageSets' states, by stream."""

    name = "stagesets"
    #: raise it whenever a fold would give another state for the same records
    version = 2

    def initial(self) -> States:
        return {}

    def apply(self, state: States, record: Record) -> States:
        stream = record.header.stream
        if stream.startswith(PREFIX):
            before = state.get(stream) or State(stream=stream)
            state[stream] = evolve(before, entry_of_record(record))
        return state

    def encode(self, state: States) -> bytes:
        return msgspec.msgpack.encode(state)

    def decode(self, data: bytes) -> States:
        return _decoder.decode(data)


class Memory:
    """States by stream."""

    def __init__(self) -> None:
        self._states: States = {}
        self._heads: dict[str, Head] = {}

    def load(self, reader: Reader, *, checkpoints: Checkpoints | None) -> int:
        """Fold the ledger; returns how many records were new. Raises `Unreadable` leaves."""
        folder: Folder[States] = Folder(reader, StatesProjection(), checkpoints=checkpoints)
        new = folder.catch_up()
        if new:
            folder.save()
        self._states, self._heads = folder.state, folder.chain.streams
        return new

    def take(self, stream: str) -> tuple[State, Head]:
        """The state of a stream and its head; the initial one for a stream that is new."""
        return self._states.pop(stream, None) or State(stream=stream), self._heads.pop(stream, Head())

    def put(self, stream: str, state: State, head: Head) -> None:
        """Keep a state for the time that its StageSet is not seen."""
        self._states[stream], self._heads[stream] = state, head
