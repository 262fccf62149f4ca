"""Values that a log must refuse, and helpers of its contract."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Thread
from typing import Any

from ledger import events
from ledger.envelope import INTEGER_MAX, Actor, Header
from ledger.log import Selection
from tests.ledger.making import SHA

NOT_CANONICAL: dict[str, dict[str, Any]] = {
    "float": {"attempt": 1.0},
    "true": {"attempt": True},
    "negative": {"attempt": -1},
    "null": {"stage": None},
    "number for text": {"stage": 3},
    "too many digits": {"intent": INTEGER_MAX + 1},
    "more than 64 bits": {"intent": 2**70},
    "NUL": {"run": "a\x00b"},
    "line end": {"stage": "a\nb"},
    "escape character": {"idem": "\x1b[31m"},
    "backslash and line end": {"idem": "\\\\\n"},
    "DEL": {"idem": "\x7f"},
    "lone surrogate": {"run": "\ud800"},
    "lone surrogate in the actor": {"actor": Actor(kind="user", id="\udfff")},
    "control character in the actor": {"actor": Actor(kind="\t")},
    "short digest": {"req": "sha256:abc"},
    "capital digest": {"res": "sha256:" + "A" * 64},
    "long digest": {"state": SHA + "a"},
    "digest with line end": {"state": SHA + "\n"},
    "other digest": {"snapshot": "sha512:" + "a" * 64},
    "unknown outcome": {"outcome": "splendid"},
    "list of numbers": {"blobs": (1,)},
}

UNREADABLE_BODIES: dict[str, events.Event] = {
    "lone surrogate": events.RunSuperseded(reason="\ud800"),
    "not a number": events.RunOpened(
        trigger="spec", generation=1, spec={"a": [float("nan")]}, pins=[], policy={"b": {"c": float("inf")}}
    ),
    "infinite": events.VerifyFinished(evidence={"seconds": float("-inf")}),
    "an object": events.VerifyFinished(evidence={"what": object()}),
    "more digits than a number may have": events.VerifyFinished(evidence={"count": 10**9_999}),
    "keys that are no text": events.VerifyFinished(evidence={(1, 2): 1}),  # type: ignore[dict-item]
    "text for a number": events.ApplyIntended(manifests=SHA, objects="3"),  # type: ignore[arg-type]
    "unknown literal": events.RunOpened(trigger="mood", generation=1, spec={}, pins=[], policy={}),  # type: ignore[arg-type]
    "nothing for text": events.RunSuperseded(reason=None),  # type: ignore[arg-type]
}


def matches(header: Header, selection: Selection) -> bool:
    """Whether a record is selected, the long way."""
    wanted = [
        (selection.stream, header.stream == selection.stream),
        (selection.stream_prefix, header.stream[: len(selection.stream_prefix)] == selection.stream_prefix),
        (selection.run, header.run == selection.run),
        (selection.snapshot, header.snapshot == selection.snapshot),
        (selection.stage, header.stage == selection.stage),
        (selection.outcome, header.outcome == selection.outcome),
        (selection.types, header.type in selection.types),
        (selection.until, header.seq <= selection.until),
        (selection.since, header.at >= selection.since),
        (selection.before, header.at < selection.before),
    ]
    return header.seq > selection.after and all(fits for asked, fits in wanted if asked)


def noise(size_bytes: int) -> bytes:
    """Bytes that do not compress, the same in every run."""
    return random.Random(size_bytes).randbytes(size_bytes)


def together(work: Callable[[int], object], count: int) -> None:
    """Run it in threads; what one of them raises fails the test."""
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == []
