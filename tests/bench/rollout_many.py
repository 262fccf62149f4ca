"""Memory of a controller that starts on ten thousand StageSets at rest.

Rolling so many out would take longer than the whole bench: one is, and the others are copies of it: of its events,
under other names and uids in the same ledger, and of its objects in the cluster. The controller folds and watches all.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from ledger.envelope import Actor, Draft, Stored, decode_header
from ledger.log import Appended, Batch, Selection
from ledger.sqlite_log import SqliteLog
from ledger.upcast import decode_event
from tests.bench import rollout_world as world
from tests.bench.rollout import Stage, quiet, staged
from tests.bench.rollout_processes import resident_mib
from tests.bench.row import Named, Row, not_measured, row

MANY = 10_000
#: Inventories are listed by namespace: no fleet of this size lives in one.
NAMESPACES = 100
_AT_ONCE = 500
_AT = "2030-01-31T12:00:00.000Z"
NAMED = Named(
    name=f"resident memory, {MANY:,} StageSets at rest", unit="MiB", against="192 MiB", target=1.0, bound="at most"
)


def remembering_many(folder: Path) -> list[Row]:
    """The row."""
    with staged(folder / "many") as stage:
        return [row(NAMED, [asyncio.run(_remember(stage))], [192.0])]


def many_on_request(_: Path) -> list[Row]:
    """The row of a bench that was not asked for it."""
    return [not_measured(NAMED, "not measured: takes five minutes; run `python -m tests.bench many`")]


async def _remember(stage: Stage) -> float:
    async with world.client(stage.server.kubeconfig) as cluster:
        await world.prepare(cluster, served=stage.served, host=stage.host, after_s=0)
        controller = stage.controller()
        try:
            await world.roll_out(cluster, count=1)
            controller.end()
            copies = stage.folder / "copies.json"
            copies.write_text(json.dumps(_copy_events(stage.folder / "ledger.db")))
            stage.server.ask(f"copy {copies}")
            controller = stage.controller()
            await quiet(controller, within_s=600.0)
            return resident_mib(controller.pid)
        finally:
            controller.kill()


def _copy_events(path: Path) -> dict[str, tuple[str, str, str]]:
    """Append the copies' events; returns namespace, uid and head of the stream of each, by name."""
    log = SqliteLog(path, replica="bench", at=_AT)
    try:
        epoch = log.open_epoch(actor=Actor(kind="controller", id="bench"), at=_AT, reason="copies", software="bench")
        stored = list(log.read(Selection(stream_prefix="stageset/")))
        uid = decode_header(stored[0].header).stream.rpartition("/")[2]
        made: dict[str, tuple[str, str, str]] = {}
        for first in range(1, MANY, _AT_ONCE):
            copies = [_identity(number) for number in range(first, min(first + _AT_ONCE, MANY))]
            batches = [_batch(stored, one, uid=uid, epoch=epoch) for one in copies]
            for one, done in zip(copies, log.append_many(batches), strict=True):
                assert isinstance(done, Appended), done
                made[one.name] = (one.namespace, one.uid, done.stream.hash)
        return made
    finally:
        log.close()


class _Copy(NamedTuple):
    name: str
    namespace: str
    uid: str


def _identity(number: int) -> _Copy:
    uid = f"{number:08x}-0000-4000-8000-000000000000"
    return _Copy(f"release-{number:05}", f"fleet-{number % NAMESPACES:02}", uid)


def _batch(stored: list[Stored], one: _Copy, *, uid: str, epoch: int) -> Batch:
    """All events of a stream, under another name and uid."""
    stream = f"stageset/{one.namespace}/{one.name}/{one.uid}"
    return Batch(stream=stream, expected=0, epoch=epoch, at=_AT, drafts=[_draft(record, one, uid) for record in stored])


def _draft(record: Stored, one: _Copy, uid: str) -> Draft:
    def renamed(raw: bytes) -> bytes:
        return raw.replace(b"release-00000", one.name.encode()).replace(uid.encode(), one.uid.encode())

    header = decode_header(renamed(record.header))
    event = decode_event(header, None if record.body is None else renamed(record.body))
    return Draft(
        event=event, actor=header.actor, run=header.run, snapshot=header.snapshot, stage=header.stage,
        outcome=header.outcome, intent=header.intent, req=header.req, res=header.res, state=header.state,
        blobs=tuple(header.blobs),
    )  # fmt: skip
