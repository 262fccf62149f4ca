"""SqliteLog against MemoryLog: the same operations, the same chance, and every byte and every refusal compared."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger import events
from ledger.audit import audit
from ledger.envelope import Actor, Draft
from ledger.errors import LedgerError
from ledger.log import HOUSEKEEPING, Batch, EventLog, Selection
from ledger.memory_log import MemoryLog
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, SHA, chance

STREAMS = st.sampled_from(["a", "b", "a/b", "ä", HOUSEKEEPING])
TEXTS = st.text(max_size=20)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "run": st.sampled_from(["", "r.1", "r.2"]) | TEXTS,
        "stage": st.sampled_from(["", "db"]) | TEXTS,
        "snapshot": st.sampled_from(["", SHA, "sha256:0"]),
        "attempt": st.integers(-1, 3) | st.just(2**53),
        "outcome": st.sampled_from(["", "ok", "failed", "odd"]),
        "actor": st.builds(Actor, kind=TEXTS, id=TEXTS),
    },
)
EVENTS = st.one_of(
    st.just(events.RunSucceeded()),
    st.builds(events.RunSuperseded, reason=TEXTS | st.just("x" * 5_000)),
    st.builds(
        events.VerifyFinished,
        evidence=st.dictionaries(
            TEXTS, st.none() | st.floats() | st.integers(-(2**70), 2**70) | st.lists(TEXTS), max_size=3
        ),
    ),
)
DRAFTS = st.lists(st.builds(lambda event, header: Draft(event=event, **header), EVENTS, HEADERS), max_size=4)
#: stream, drafts, and how far the expected version and the epoch are off
REQUESTS = st.tuples(STREAMS, DRAFTS, st.sampled_from([0] * 8 + [1, -1]), st.sampled_from([0] * 12 + [1, -1]))
CHUNKS = st.lists(st.binary(max_size=60), max_size=4)


def outcome(function: Callable[[], Any]) -> Any:
    """What a call returned, or what it raised."""
    try:
        return function()
    except LedgerError as error:
        return type(error), str(error)


class Logs(RuleBasedStateMachine):
    @initialize()
    def open_both(self) -> None:
        self.folder = TemporaryDirectory(prefix="ledger-model-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.path = Path(self.folder.name) / "l.db"
        self.chance = chance("one")
        drawn = iter([bytes(16)])
        self.sqlite = self._open(lambda count: next(drawn, None) or self.chance(count))
        self.memory = MemoryLog(ledger="0" * 32, at=AT, chance=chance("one"), replica="r")

    def _open(self, draw: Callable[[int], bytes]) -> SqliteLog:
        return SqliteLog(self.path, replica="r", at=AT, chance=draw, inline_bytes_max=40)

    def both(self, function: Callable[[EventLog], Any]) -> Any:
        ours, model = outcome(lambda: function(self.sqlite)), outcome(lambda: function(self.memory))
        assert ours == model
        return ours

    def batch(self, request: tuple[str, list[Draft], int, int]) -> Batch:
        stream, drafts, version_off, epoch_off = request
        return Batch(
            stream=stream,
            expected=self.memory.version(stream) + version_off,
            epoch=self.memory.epoch + epoch_off,
            at=AT,
            drafts=drafts,
        )

    @rule(request=REQUESTS)
    def append(self, request: tuple[str, list[Draft], int, int]) -> None:
        batch = self.batch(request)
        self.both(lambda log: log.append(batch))

    @rule(requests=st.lists(REQUESTS, max_size=5))
    def append_many(self, requests: list[tuple[str, list[Draft], int, int]]) -> None:
        batches = [self.batch(request) for request in requests]
        self.both(lambda log: [(type(result), str(result)) for result in log.append_many(batches)])

    @rule(reason=TEXTS, actor=st.builds(Actor, kind=TEXTS))
    def open_epoch(self, reason: str, actor: Actor) -> None:
        self.both(lambda log: log.open_epoch(actor=actor, at=AT, reason=reason))

    @rule(positions=st.lists(st.integers(-1, 40), max_size=3), told=st.booleans())
    def erase(self, positions: list[int], told: bool) -> None:
        named = positions if told else [*positions, 1]
        order = Draft(event=events.LedgerBodiesErased(positions=named, reason="asked"))
        batch = self.batch((HOUSEKEEPING, [order], 0, 0))
        self.both(lambda log: log.erase(positions, batch=batch))

    @rule(chunks=CHUNKS, limit_bytes=st.sampled_from([100, 1_000]))
    def put(self, chunks: list[bytes], limit_bytes: int) -> None:
        name = self.both(lambda log: log.blobs.put(chunks, limit_bytes=limit_bytes))
        if isinstance(name, str):
            self.both(lambda log: log.blobs.get(name))
            batch = self.batch(("with blobs", [Draft(event=events.RunSucceeded(), blobs=(name,))], 0, 0))
            self.both(lambda log: log.append(batch))

    @precondition(lambda self: self.memory.head().number > 1)
    @rule(
        selection=st.builds(
            Selection,
            stream=st.just("") | STREAMS,
            stream_prefix=st.sampled_from(["", "a", "led"]),
            run=st.sampled_from(["", "r.1"]),
            stage=st.sampled_from(["", "db"]),
            outcome=st.sampled_from(["", "ok"]),
            types=st.sampled_from([(), ("run.succeeded",), ("run.superseded", "verify.finished")]),
            after=st.integers(-1, 20),
            until=st.integers(0, 20),
        )
    )
    def read(self, selection: Selection) -> None:
        self.both(lambda log: list(log.read(selection)))

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = self._open(self.chance)

    @invariant()
    def same(self) -> None:
        self.both(lambda log: (list(log.read()), log.head(), log.epoch, log.ledger, list(log.blobs.digests())))
        self.both(lambda log: [log.erased(seq) for seq in range(log.head().number + 2)])
        self.both(lambda log: [log.version(stream) for stream in ("a", "b", "a/b", "ä", HOUSEKEEPING, "none")])

    def teardown(self) -> None:
        if not hasattr(self, "sqlite"):
            return
        try:
            report = self.both(audit)
            assert report.verdict == "VALID"
            self.sqlite.close()
            reader = SqliteReader(self.path)
            assert audit(reader) == report
            reader.close()
        finally:
            self.sqlite.close()
            self.folder.cleanup()


# Finding the smallest failing story takes longer than any test that passes.
TestLogs = pytest.mark.timeout(900)(Logs.TestCase)
TestLogs.settings = settings(
    max_examples=400 if os.environ.get("SOAK") else 40,
    stateful_step_count=30,
    deadline=None,
    derandomize=not os.environ.get("SOAK"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
