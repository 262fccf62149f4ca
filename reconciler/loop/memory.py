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
from reconciler.loop.packing import packed, unpacked
from reconciler.state import State

PREFIX = "stageset/"
#: by stream; those that came to rest are packed
States = dict[str, State | bytes]
_decoder = msgspec.msgpack.Decoder(dict[str, bytes])


class StatesProjection:
    """All StageSets' states, by stream."""

    name = "stagesets"
    #: raise it whenever a fold would give another state for the same records
    version = 4

    def initial(self) -> States:
        return {}

    def apply(self, state: States, record: Record) -> States:
        stream = record.header.stream
        if stream.startswith(PREFIX):
            after = evolve(_state(state, stream), entry_of_record(record))
            state[stream] = packed(after) if after.resting else after
        return state

    def encode(self, state: States) -> bytes:
        return msgspec.msgpack.encode(
            {key: one if isinstance(one, bytes) else packed(one) for key, one in state.items()}
        )

    def decode(self, data: bytes) -> States:
        return dict(_decoder.decode(data))


def _state(states: States, stream: str) -> State:
    found = states.get(stream)
    if found is None:
        return State(stream=stream)
    return unpacked(found) if isinstance(found, bytes) else found


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
        state = _state(self._states, stream)
        self._states.pop(stream, None)
        return state, self._heads.pop(stream, Head())

    def put(self, stream: str, state: State, head: Head) -> None:
        """Keep a state for the time that its StageSet is not seen."""
        self._states[stream], self._heads[stream] = packed(state), head
