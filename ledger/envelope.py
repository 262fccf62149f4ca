"""The envelope: a permanent header that is hashed as stored, and an erasable body that the header only commits to.

Not a store and not a clock: positions, previous hashes, time and salt are given. What `seal` returns never changes.
The header is restricted canonical JSON: keys in ASCII order, no white space, no floats, no nulls, integers within
2^53 - 1, no control characters. The rules of order, white space and escaping are those of RFC 8785.
"""

from __future__ import annotations

import hashlib
import math
import re
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ledger.errors import BodyTooLarge, HeaderTooLarge, NotCanonical, UnknownEvent
from ledger.events import BY_TAG, OPERATIONS, OUTCOMES, Event, tag_of

#: Version of the envelope, the header's `v`.
VERSION = 1
HEADER_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 8 * 1024 * 1024
SALT_BYTES = 16
INTEGER_MAX = 2**53 - 1

_AT = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# After JSON encoding a control character is an escape other than \" and \\, or a raw DEL.
_PLAIN = re.compile(rb'[^\\\x7f]*+(?:\\["\\][^\\\x7f]*+)*+')


class Actor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Who caused an event, and how that is known."""

    how: str = ""
    id: str = ""
    kind: str


class Writer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The replica that wrote a record, and its fencing epoch."""

    epoch: int
    replica: str


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What the chain keeps for ever. The fields stand in the order of their bytes; DESIGN §5 gives their meaning."""

    actor: Actor
    at: str
    attempt: int = 0
    blobs: tuple[str, ...] = ()
    body: str = ""
    gprev: str = ""
    idem: str = ""
    #: version, in the same stream, of the intent that an outcome answers
    intent: int = 0
    ledger: str
    op: str
    outcome: str = ""
    prev: str = ""
    req: str = ""
    res: str = ""
    run: str = ""
    seq: int
    snapshot: str = ""
    stage: str = ""
    state: str = ""
    stream: str
    type: str
    v: int
    ver: int
    writer: Writer


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An event that wants to be recorded, with what its header shall say beside the position."""

    event: Event
    actor: Actor = Actor(kind="controller")
    run: str = ""
    snapshot: str = ""
    stage: str = ""
    attempt: int = 0
    outcome: str = ""
    intent: int = 0
    idem: str = ""
    req: str = ""
    res: str = ""
    state: str = ""
    blobs: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where a record goes: its position in the ledger and in its stream, and what it follows."""

    ledger: str
    seq: int
    gprev: str
    stream: str
    ver: int
    prev: str
    writer: Writer
    at: str


class Stored(NamedTuple):
    """A record as it is stored. `body` and `salt` are `None` when there was no body, or it was erased."""

    seq: int
    header: bytes
    body: bytes | None
    salt: bytes | None


class Record(NamedTuple):
    """A record as it is read. `event` is `None` when its body was erased."""

    header: Header
    event: Event | None


def digest(data: bytes) -> str:
    """`sha256:<64 hex>` of bytes: of a stored header, and of a blob."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def body_digest(salt: bytes, body: bytes) -> str:
    """The header's commitment to a body: the salt keeps short bodies from being guessed after they were erased."""
    return "sha256:" + hashlib.sha256(b"body/1" + salt + body).hexdigest()


#: What the encoder raises for values that JSON has no place for.
_NOT_JSON = (ValueError, TypeError, OverflowError, RecursionError)
_encoder = msgspec.json.Encoder()
_header_decoder = msgspec.json.Decoder(Header)
# Made when a tag is first read: all of them together would cost a short command line a third of its start.
_body_decoders: dict[str, msgspec.json.Decoder[Event]] = {}
_tag_prefix = {tag: len(f'{{"type":"{tag}"') for tag in BY_TAG}


def seal(draft: Draft, place: Place, *, salt: bytes) -> Stored:
    """Make the stored form of a draft at a place.

    Raises `NotCanonical`, `HeaderTooLarge`, `BodyTooLarge`.
    """
    tag = tag_of(draft.event)
    body = _encode_body(tag, draft.event)
    header = Header(
        actor=draft.actor,
        at=place.at,
        attempt=draft.attempt,
        blobs=draft.blobs,
        body=body_digest(salt, body) if body is not None else "",
        gprev=place.gprev,
        idem=draft.idem,
        intent=draft.intent,
        ledger=place.ledger,
        op=draft.event.OP,
        outcome=draft.outcome,
        prev=place.prev,
        req=draft.req,
        res=draft.res,
        run=draft.run,
        seq=place.seq,
        snapshot=draft.snapshot,
        stage=draft.stage,
        state=draft.state,
        stream=place.stream,
        type=tag,
        v=VERSION,
        ver=place.ver,
        writer=place.writer,
    )
    return Stored(place.seq, encode_header(header), body, salt if body is not None else None)


def encode_header(header: Header) -> bytes:
    """The canonical bytes of a header. Raises `NotCanonical` and `HeaderTooLarge`."""
    _check(header)
    try:
        raw = _encoder.encode(header)
        same = _header_decoder.decode(raw) == header
    except (*_NOT_JSON, msgspec.MsgspecError) as error:
        raise NotCanonical(header.type, str(error)) from error
    if not same or not _is_plain(raw):
        raise NotCanonical(header.type, "only strings without control characters and whole numbers have a place in it")
    if len(raw) > HEADER_BYTES_MAX:
        raise HeaderTooLarge(header.type, size_bytes=len(raw), limit_bytes=HEADER_BYTES_MAX)
    return raw


def _is_plain(raw: bytes) -> bool:
    # Hardly any header has an escape: two looks for one cost a fortieth of the pattern.
    return (b"\\" not in raw and b"\x7f" not in raw) or _PLAIN.fullmatch(raw) is not None


def decode_header(raw: bytes) -> Header:
    """Read a stored header. Raises `UnknownEvent` with what does not fit."""
    try:
        return _header_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnknownEvent("header", str(error)) from error


def is_canonical(raw: bytes, header: Header) -> bool:
    """Whether `header`, written again, gives the same bytes."""
    try:
        return encode_header(header) == raw
    except (NotCanonical, HeaderTooLarge):
        return False


def decode_body(header: Header, body: bytes | None) -> Event | None:
    """Read the event of a record; `None` when its body was erased. Raises `UnknownEvent`."""
    decoder = _body_decoders.get(header.type) or _body_decoder(header.type)
    if decoder is None:
        raise UnknownEvent(
            header.type, "no event of this version has this tag: use a newer stagesetctl", seq=header.seq
        )
    if body is None:
        if header.body:
            return None
        body = b"{}"
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnknownEvent(header.type, str(error), seq=header.seq) from error


def _body_decoder(tag: str) -> msgspec.json.Decoder[Event] | None:
    cls = BY_TAG.get(tag)
    if cls is None:
        return None
    return _body_decoders.setdefault(tag, msgspec.json.Decoder(cls))


def _encode_body(tag: str, event: Event) -> bytes | None:
    try:
        raw = _encoder.encode(event)
    except (*_NOT_JSON, msgspec.MsgspecError) as error:
        raise NotCanonical(tag, f"its body is not JSON: {error}") from error
    # The header carries the tag; an event without fields has no body.
    rest = raw[_tag_prefix[tag] :]
    if rest == b"}":
        return None
    if len(raw) > BODY_BYTES_MAX:
        raise BodyTooLarge(tag, size_bytes=len(raw), limit_bytes=BODY_BYTES_MAX)
    body = b"{" + rest[1:]
    try:
        read = (_body_decoders.get(tag) or _body_decoders.setdefault(tag, msgspec.json.Decoder(type(event)))).decode(
            body
        )
    except (*_NOT_JSON, msgspec.MsgspecError) as error:
        raise NotCanonical(tag, f"its body could not be read again: {error}") from error
    if read != event and not _is_finite(msgspec.to_builtins(event)):
        raise NotCanonical(tag, "JSON has no place for infinite numbers and for what is not a number")
    return body


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


# The same snapshot and the same instant come again and again: in a batch, in a run.
@lru_cache(maxsize=1024)
def _is_digest(value: str) -> bool:
    return _DIGEST.fullmatch(value) is not None


@lru_cache(maxsize=256)
def _is_instant(value: str) -> bool:
    return _AT.fullmatch(value) is not None


def _check(header: Header) -> None:
    """Refuse values that the types alone let through. The order is that of likelihood, not of fields."""
    for value in (header.gprev, header.prev, header.body):
        if value and not _DIGEST.fullmatch(value):
            raise NotCanonical(header.type, f"{value[:80]!r} is not a sha256 digest")
    for value in (header.req, header.res, header.state, header.snapshot, *header.blobs):
        if value and not _is_digest(value):
            raise NotCanonical(header.type, f"{value[:80]!r} is not a sha256 digest")
    if "" in header.blobs:
        raise NotCanonical(header.type, "the empty text is not a sha256 digest")
    if not _is_instant(header.at):
        raise NotCanonical(header.type, f"{header.at[:40]!r} is not a time such as 2030-01-31T12:00:00.000Z")
    if header.outcome and header.outcome not in OUTCOMES:
        raise NotCanonical(header.type, f"{header.outcome!r} is not an outcome")
    if header.op not in OPERATIONS:
        raise NotCanonical(header.type, f"{header.op!r} is not an operation")
    for number in (header.attempt, header.intent, header.seq, header.ver, header.writer.epoch):
        if type(number) is not int or not 0 <= number <= INTEGER_MAX:
            raise NotCanonical(header.type, f"{number!r} is not a whole number from 0 to 2^53 - 1")
