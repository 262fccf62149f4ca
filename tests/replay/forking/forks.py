"""Forks in this process: without guards, with the real kustomize."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

from ledger.memory_log import MemoryLog
from reconciler.state import State
from replay import checking
from replay.bundle.export import Wanted, export
from replay.forking.changes import Changes
from replay.forking.fork import fork
from replay.forking.result import Forked
from replay.isolation.worker import BLOBS_BYTES_MAX, material_of
from replay.performing.kustomize import Workshop
from replay.performing.turns import Turn, turns
from tests.replay.recompute.cases import NEVER, acts, http, released
from tests.replay.rollouts import STREAM, Rollout, config, deployment, spec, told, tool

BROKEN = {"patches": [{"patch": "- {op: remove, path: /data/mode}", "target": {"name": "web"}}]}
FIXED = [{"patch": "- {op: remove, path: /data/a}", "target": {"name": "web"}}]


async def _two(rollout: Rollout) -> str:
    """The first stage never becomes ready, the second one has not been reached."""
    given = spec({}, {"name": "two"}, timeout="2s")
    return await rollout.release(given, db={"web.yaml": deployment(**NEVER)}, two={"two.yaml": config("two")})


async def _ready(rollout: Rollout) -> str:
    return await rollout.release(spec({}, timeout="2s"), db={"web.yaml": deployment()})


STORIES = {
    "patch": released(BROKEN),
    "never": _two,
    "host": acts(http("http://127.0.0.1:9/x")),
    "ready": _ready,
}


@cache
def story(name: str) -> tuple[MemoryLog, str]:
    return told(STORIES[name])


def data(name: str) -> bytes:
    log, run_id = story(name)
    return b"".join(export(log, Wanted(STREAM, run_id)))


@contextmanager
def workshop() -> Iterator[Workshop]:
    """The real kustomize in a folder of its own."""
    found, nothing = tool(), os.open(os.devnull, os.O_RDONLY)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Workshop(found.argv, found.identity, folder, nullcontext, nothing)
    finally:
        os.close(nothing)


def forked(name: str, *sets: tuple[str, Any], **changes: Any) -> Forked:
    """A story with changes."""
    opened = checking.opened(io.BytesIO(data(name)), blobs_bytes_max=BLOBS_BYTES_MAX)
    with workshop() as shop:
        return fork(opened.bundle.records, material_of(opened, shop), Changes(sets=sets, **changes))


@cache
def recorded(name: str) -> list[Turn]:
    """The facts of a story."""
    opened = checking.opened(io.BytesIO(data(name)), blobs_bytes_max=BLOBS_BYTES_MAX)
    return list(turns(opened.bundle.records))


def asking(name: str, operation: str) -> State:
    """A story's state when an operation was asked for the first time."""
    return next(
        turn.before
        for turn in recorded(name)
        if turn.answers and turn.before.pending is not None and turn.before.pending.operation == operation
    )


def answers(found: Forked) -> list[str]:
    """`operation outcome origin` of each answer."""
    return [f"{one.stage} {one.operation.split()[0]} {one.outcome} {one.origin}" for one in found.answers]
