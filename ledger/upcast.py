"""Schema versions, step by step: old bodies become what today's types expect, before they are decoded.

Not a migration: stored bytes never change. An upcaster maps a raw dict to a raw dict and is registered with the tag and
the envelope version it reads; several of one tag run in order. Today's version is the first, so there are none yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ledger.envelope import VERSION, Header, Record, Stored, body_decoders, decode_body, decode_header
from ledger.errors import UnknownEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
#: (tag, envelope version it reads) → the body of the version after it.
UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}


def decode(stored: Stored) -> Record:
    """Read a stored record into today's types. Raises `UnknownEvent` with its position."""
    header = decode_header(stored.header)
    return Record(header, decode_event(header, stored.body))


def decode_event(header: Header, body: bytes | None) -> Any:
    """Read the body of a record into today's types; `None` when it was erased. Raises `UnknownEvent`."""
    if header.v == VERSION:
        decoder = body_decoders.get(header.type)
        if decoder is None or body is None:
            return decode_body(header, body)
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return decode_body(header, body)
    if not 1 <= header.v < VERSION:
        raise UnknownEvent(header.type, f"envelope version {header.v}: use a newer stagesetctl", seq=header.seq)
    return decode_body(header, raised(header, body, upcasters=UPCASTERS))


def raised(header: Header, body: bytes | None, *, upcasters: Mapping[tuple[str, int], Upcaster]) -> bytes | None:
    """The body as today's version would have written it; `None` when it was erased."""
    if body is None and header.body:
        return None
    value: dict[str, Any] = msgspec.json.decode(body or b"{}")
    for version in range(header.v, VERSION):
        step = upcasters.get((header.type, version))
        value = step(value) if step else value
    return msgspec.json.encode(value)
