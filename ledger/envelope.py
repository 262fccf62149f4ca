"""The envelope: a permanent header that is hashed as stored, and an erasable body that the header only commits to.

Not a store and not a clock: positions, previous hashes, time and salt are given. What `seal` returns never changes.
The header is restricted canonical JSON: keys in ASCII order, no white space, no floats, no nulls, integers within
2^53 - 1, no control characters. The rules of order, white space and escaping are those of RFC 8785.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

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
# Control characters, whose escapes JSON lets one choose, and halves of surrogate pairs, which UTF-8 cannot hold.
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


_TEXT = {str}


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


class Head(NamedTuple):
    """The last record of a ledger or of a stream: its number (`seq` or `ver`) and the hash of its header.

    Number 0 with an empty hash is where nothing was written yet.
    """

    number: int = 0
    hash: str = ""


class Stored(NamedTuple):
    """A record as it is stored. `body` and `salt` are `None` when there was no body, or it was erased."""

    seq: int
    header: bytes
    body: bytes | None
    salt: bytes | None


# A named tuple without the detour through Python that its own constructor takes.
_stored: Callable[[tuple[int, bytes, bytes | None, bytes | None]], Stored] = partial(tuple.__new__, Stored)


class Record(NamedTuple):
    """A record as it is read. `event` is `None` when its body was erased."""

    header: Header
    event: Event | None


class Packed(NamedTuple):
    """Content of a blob, hashed and compressed, on its way into a store."""

    digest: str
    size_bytes: int
    #: digest of the compressed form: flips that zstd would not notice are noticed; empty where it is stored already
    packed_digest: str
    #: the compressed form; `None` where it is on disk already
    data: bytes | None


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
#: Decoders of bodies by tag, each made when it is first needed: making all of them takes a third of a short command.
body_decoders: dict[str, msgspec.json.Decoder[Event]] = {}
_tag_prefix = {tag: len(f'{{"type":"{tag}"') for tag in BY_TAG}


#: What differs between two records of which the drafts say the same: `body`, `gprev`, `prev`, `seq` and `ver`.
_Slots = tuple[str, str, str, int, int]


class Sealer:
    """Makes the stored form of drafts for one stream, written by one writer at one instant.

    What is the same for all of them is looked at once. Raises `NotCanonical`.
    """

    __slots__ = ("_at", "_ledger", "_said", "_stream", "_template", "_writer")

    def __init__(self, *, ledger: str, stream: str, writer: Writer, at: str) -> None:
        _check_place("the record", ledger, stream, writer, at)
        self._ledger, self._stream, self._writer, self._at = ledger, stream, writer, at
        #: what the last draft said of itself, and the header of the drafts that say the same
        self._said: tuple[Any, ...] = ()
        self._template = b""

    def seal(
        self, drafts: Sequence[Draft], *, gprev: Head, prev: Head, salts: Sequence[bytes]
    ) -> tuple[list[Stored], str]:
        """The records of drafts that follow these heads of the ledger and of the stream, and the hash of the last one.

        Raises `NotCanonical`, `HeaderTooLarge`, `BodyTooLarge`.
        """
        rows: list[Stored] = []
        (seq, last), (ver, before) = gprev, prev
        for draft, salt in zip(drafts, salts, strict=True):
            seq += 1
            ver += 1
            tag = tag_of(draft.event)
            body = _encode_body(tag, draft.event)
            if body is None:
                rows.append(Stored(seq, self._header(tag, draft, ("", last, before, seq, ver)), None, None))
            else:
                slots = (body_digest(salt, body), last, before, seq, ver)
                rows.append(_stored((seq, self._header(tag, draft, slots), body, salt)))
            last = before = digest(rows[-1].header)
        return rows, last

    def _header(self, tag: str, draft: Draft, slots: _Slots) -> bytes:
        actor, run, snapshot, stage, attempt = draft.actor, draft.run, draft.snapshot, draft.stage, draft.attempt
        outcome, idem, req, res, state = draft.outcome, draft.idem, draft.req, draft.res, draft.state
        intent, blobs = draft.intent, draft.blobs
        said = (actor, run, snapshot, stage, outcome, idem, req, res, state, blobs, tag, attempt, intent)
        # 1, 1.0 and True are equal, and only the first is a whole number.
        again = said == self._said and type(attempt) is int is type(intent)
        body, gprev, prev, seq, ver = slots
        full = bool(body and gprev and prev)
        if again and full and self._template:
            raw = self._template % (body.encode(), gprev.encode(), prev.encode(), seq, ver)
        else:
            if not again:
                _check_run(tag, actor, run, snapshot, stage)
                _check_rest(tag, draft)
                _check_numbers(tag, attempt, intent)
            header = self._composed(tag, draft, slots)
            raw = _encoder.encode(header)
            # Making a template costs as much as two headers: it is worth it from the second like draft on.
            self._said, self._template = said, _template(header) if again and full else b""
        if len(raw) > HEADER_BYTES_MAX:
            raise HeaderTooLarge(tag, size_bytes=len(raw), limit_bytes=HEADER_BYTES_MAX)
        return raw

    def _composed(self, tag: str, draft: Draft, slots: _Slots) -> Header:
        body, gprev, prev, seq, ver = slots
        return Header(
            actor=draft.actor,
            at=self._at,
            attempt=draft.attempt,
            blobs=draft.blobs,
            body=body,
            gprev=gprev,
            idem=draft.idem,
            intent=draft.intent,
            ledger=self._ledger,
            op=draft.event.OP,
            outcome=draft.outcome,
            prev=prev,
            req=draft.req,
            res=draft.res,
            run=draft.run,
            seq=seq,
            snapshot=draft.snapshot,
            stage=draft.stage,
            state=draft.state,
            stream=self._stream,
            type=tag,
            v=VERSION,
            ver=ver,
            writer=self._writer,
        )


def _template(header: Header) -> bytes:
    """The canonical bytes of a header that was checked, with `%` slots for `body`, `gprev`, `prev`, `seq` and `ver`.

    Filling it takes a fifth of what a `Header` and its encoding take. The encoder writes all of it, so what is filled
    in is what it would have written. The places are found without a doubt: NUL is refused in every text, and inside a
    text JSON puts a backslash before each quote, so that `,"seq":0,` is nothing but the field.
    """
    raw = _encoder.encode(msgspec.structs.replace(header, body="\0", gprev="\0", prev="\0", seq=0, ver=0))
    raw = raw.replace(b"%", b"%%").replace(rb'"\u0000"', b'"%b"')
    return raw.replace(b',"seq":0,', b',"seq":%d,').replace(b',"ver":0,', b',"ver":%d,')


def encode_header(header: Header) -> bytes:
    """The canonical bytes of a header, all of it checked. Raises `NotCanonical` and `HeaderTooLarge`."""
    tag = header.type
    _check_run(tag, header.actor, header.run, header.snapshot, header.stage)
    _check_rest(tag, header)
    _check_place(tag, header.ledger, header.stream, header.writer, header.at)
    _check_numbers(tag, header.attempt, header.intent, header.seq, header.ver, header.v)
    _check_texts(tag, tag)
    for value in (header.gprev, header.prev, header.body):
        if value:
            _check_digest(tag, value)
    if header.op not in OPERATIONS:
        raise NotCanonical(tag, f"{header.op!r} is not an operation")
    raw = _encoder.encode(header)
    if len(raw) > HEADER_BYTES_MAX:
        raise HeaderTooLarge(tag, size_bytes=len(raw), limit_bytes=HEADER_BYTES_MAX)
    return raw


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
    decoder = body_decoders.get(header.type) or _body_decoder(header.type)
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
    return body_decoders.setdefault(tag, msgspec.json.Decoder(cls))


def _encode_body(tag: str, event: Event) -> bytes | None:
    try:
        raw = _encoder.encode(event)
    except (*_NOT_JSON, msgspec.MsgspecError) as error:
        raise NotCanonical(tag, f"its body is not JSON: {error}") from error
    # The header carries the tag; an event without fields has no body.
    rest = raw[_tag_prefix[tag] + 1 :]
    if not rest:
        return None
    if len(raw) > BODY_BYTES_MAX:
        raise BodyTooLarge(tag, size_bytes=len(raw), limit_bytes=BODY_BYTES_MAX)
    body = b"{" + rest
    try:
        read = (body_decoders.get(tag) or body_decoders.setdefault(tag, msgspec.json.Decoder(type(event)))).decode(body)
    except (*_NOT_JSON, msgspec.MsgspecError) as error:
        raise NotCanonical(tag, f"its body could not be read again: {error}") from error
    # The encoder writes null for them.
    if b"null" in body and read != event and not _is_finite(msgspec.to_builtins(event)):
        raise NotCanonical(tag, "JSON has no place for infinite numbers and for what is not a number")
    return body


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


# The records of a run say these again and again. `typed`, because 1 and True are equal.
@lru_cache(maxsize=4096, typed=True)
def _check_run(tag: str, actor: Actor, run: str, snapshot: str, stage: str) -> None:
    if type(actor) is not Actor:
        raise NotCanonical(tag, f"{actor!r} is not an actor")
    _check_texts(tag, run, stage, actor.kind, actor.id, actor.how)
    if snapshot != "":
        _check_digest(tag, snapshot)


def _check_rest(tag: str, said: Draft | Header) -> None:
    if said.outcome != "" and said.outcome not in OUTCOMES:
        raise NotCanonical(tag, f"{said.outcome!r} is not an outcome")
    if said.idem != "":
        _check_texts(tag, said.idem)
    for value in (said.req, said.res, said.state):
        if value != "":
            _check_digest(tag, value)
    if type(said.blobs) is not tuple:
        raise NotCanonical(tag, f"{said.blobs!r} is not a tuple of digests")
    for value in said.blobs:
        _check_digest(tag, value)


@lru_cache(maxsize=1024, typed=True)
def _check_place(tag: str, ledger: str, stream: str, writer: Writer, at: str) -> None:
    _check_texts(tag, ledger, stream, writer.replica)
    if type(at) is not str or not _AT.fullmatch(at):
        raise NotCanonical(tag, f"{str(at)[:40]!r} is not a time such as 2030-01-31T12:00:00.000Z")
    _check_numbers(tag, writer.epoch)


def _check_numbers(tag: str, *numbers: int) -> None:
    for number in numbers:
        if type(number) is not int or not 0 <= number <= INTEGER_MAX:
            raise NotCanonical(tag, f"{number!r} is not a whole number from 0 to 2^53 - 1")


def _check_texts(tag: str, *texts: Any) -> None:
    # One search in all of them: in most records there is nothing to be found.
    if set(map(type, texts)) != _TEXT or _CONTROL.search("".join(texts)):
        bad = next(text for text in texts if type(text) is not str or _CONTROL.search(text))
        raise NotCanonical(tag, f"{bad!r:.80} is not text without control characters and lone surrogates")


def _check_digest(tag: str, value: object) -> None:
    if type(value) is not str or not _DIGEST.fullmatch(value):
        raise NotCanonical(tag, f"{value!r:.80} is not a sha256 digest")
