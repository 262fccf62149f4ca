from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import events
from ledger.envelope import (
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    Actor,
    Draft,
    Head,
    Header,
    Record,
    Sealer,
    Stored,
    Writer,
    body_digest,
    decode_body,
    decode_header,
    digest,
    encode_header,
    is_canonical,
)
from ledger.errors import HeaderTooLarge, NotCanonical, UnknownEvent
from ledger.events import OPERATIONS, OUTCOMES
from tests.ledger.making import AT, SHA, draft


def seal(given: Draft, *, salt: bytes) -> Stored:
    sealer = Sealer(ledger="l" * 32, stream="a", writer=Writer(epoch=1, replica="r"), at=AT)
    return sealer.seal((given,), gprev=Head(1, SHA), prev=Head(), salts=(salt,))[0][0]


NUMBERS = st.integers(0, INTEGER_MAX)
#: what could be taken for a place in a header that is filled in
CONFUSING = st.sampled_from(["%", "%b%d%%", ',"seq":0,', '"ver":0,', "\\u0000", '"\\u0000"', '\\"', ',"', ",", '"'])
#: every character that has a place in a header
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f", min_codepoint=32), max_size=40)
DIGESTS = st.just("") | st.binary(max_size=4).map(digest)
HEADERS = st.builds(
    Header,
    actor=st.builds(Actor, kind=TEXTS, id=TEXTS, how=TEXTS),
    at=st.sampled_from([AT, "1999-12-31T23:59:59.999Z", "2030-02-28T00:00:00.000Z"]),
    attempt=NUMBERS,
    blobs=st.lists(st.binary(max_size=4).map(digest), max_size=3).map(tuple),
    body=DIGESTS,
    gprev=DIGESTS,
    idem=TEXTS,
    intent=NUMBERS,
    ledger=TEXTS,
    op=st.sampled_from(sorted(OPERATIONS)),
    outcome=st.sampled_from(["", *sorted(OUTCOMES)]),
    prev=DIGESTS,
    req=DIGESTS,
    res=DIGESTS,
    run=TEXTS,
    seq=NUMBERS,
    snapshot=DIGESTS,
    stage=TEXTS,
    state=DIGESTS,
    stream=TEXTS,
    type=TEXTS,
    v=st.just(1),
    ver=NUMBERS,
    writer=st.builds(Writer, epoch=NUMBERS, replica=TEXTS),
)


@given(
    st.lists(st.tuples(st.lists(TEXTS | CONFUSING, min_size=7, max_size=7), NUMBERS, st.integers(1, 4)), max_size=4),
    st.lists(TEXTS | CONFUSING, min_size=3, max_size=3),
    st.integers(0, 2),
)
def test_like_drafts_are_written_as_any_other(said: list[Any], place: list[str], before: int) -> None:
    drafts: list[Draft] = []
    for (run, stage, idem, kind, name, how, message), number, times in said:
        header: dict[str, Any] = {"actor": Actor(kind=kind, id=name, how=how), "attempt": number, "intent": number}
        drafts += [draft(message, run=run, stage=stage, idem=idem, snapshot=SHA, **header)] * times
        drafts += [Draft(event=events.RunSucceeded(), run=run)] * (times // 2)
    ledger, stream, replica = place
    sealer = Sealer(ledger=ledger, stream=stream, writer=Writer(epoch=before, replica=replica), at=AT)
    heads = Head(before, SHA if before else ""), Head(before, SHA if before else "")
    rows, mark = sealer.seal(drafts, gprev=heads[0], prev=heads[1], salts=[b"s" * 16] * len(drafts))
    assert mark == (digest(rows[-1].header) if rows else heads[0].hash)
    for number, (row, wanted) in enumerate(zip(rows, drafts, strict=True), start=before + 1):
        header = decode_header(row.header)
        assert is_canonical(row.header, header)
        assert (row.seq, header.seq, header.ver, header.gprev) == (number, number, number, header.prev)
        assert (header.actor, header.run, header.stage, header.idem) == (
            wanted.actor,
            wanted.run,
            wanted.stage,
            wanted.idem,
        )
        assert (header.attempt, header.intent, header.stream) == (wanted.attempt, wanted.intent, stream)
        assert header.body == ("" if row.body is None else body_digest(b"s" * 16, row.body))
        assert decode_body(header, row.body) == wanted.event


def test_like_drafts_are_checked_each(monkeypatch: pytest.MonkeyPatch) -> None:
    sealer = Sealer(ledger="l", stream="a", writer=Writer(epoch=0, replica="r"), at=AT)
    good = [draft(intent=1)] * 3
    for bad in (True, 1.0):
        with pytest.raises(NotCanonical, match="is not a whole number"):
            sealer.seal([*good, draft(intent=bad)], gprev=Head(1, SHA), prev=Head(1, SHA), salts=[b"s"] * 4)
    sealer.seal(good, gprev=Head(1, SHA), prev=Head(1, SHA), salts=[b"s"] * 3)
    monkeypatch.setattr("ledger.envelope.HEADER_BYTES_MAX", 100)
    with pytest.raises(HeaderTooLarge):
        sealer.seal(good[:1], gprev=Head(1, SHA), prev=Head(1, SHA), salts=[b"s"])


@given(HEADERS)
def test_headers_are_canonical(header: Header) -> None:
    raw = encode_header(header)
    # RFC 8785 for values without floats: sorted keys, no white space, only what must be is escaped.
    assert raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert decode_header(raw) == header
    assert encode_header(decode_header(raw)) == raw
    assert is_canonical(raw, header)


@given(HEADERS)
def test_nothing_is_written_that_says_nothing(header: Header) -> None:
    written = json.loads(encode_header(header))
    assert not [key for key, value in written.items() if value in ("", 0, [], None) and key not in REQUIRED]
    assert set(written) >= REQUIRED


REQUIRED = {field.name for field in msgspec.structs.fields(Header) if field.required}


@given(HEADERS, st.data())
def test_other_spellings_are_not_canonical(header: Header, data: st.DataObject) -> None:
    raw = encode_header(header)
    value = json.loads(raw)
    spellings = [
        json.dumps(value, sort_keys=True).encode(),
        json.dumps(dict(reversed(value.items())), separators=(",", ":"), ensure_ascii=False).encode(),
        raw + b"\n",
        raw.replace(b'"at":', b'"at": ', 1),
        raw.replace(b'"at":', b'"\\u0061t":', 1),
        raw[:-1] + b',"v":1}',
    ]
    spelling = data.draw(st.sampled_from(spellings))
    assert spelling != raw
    assert not is_canonical(spelling, decode_header(spelling))


@given(st.text(max_size=30))
def test_any_text_is_either_kept_or_refused(text: str) -> None:
    allowed = all(ord(c) >= 32 and ord(c) != 127 and not 0xD800 <= ord(c) < 0xE000 for c in text)
    try:
        row = seal(draft(run=text), salt=b"s" * 16)
    except NotCanonical:
        assert not allowed
    else:
        assert allowed
        assert decode_header(row.header).run == text


@pytest.mark.parametrize("text", ["\\", "\\n", "\\\\n", 'a"b', "\\u0000", "CORP\\tim", "/", "é\u2028\U0001f600\uffff"])
def test_backslashes_and_quotes_are_no_control_characters(text: str) -> None:
    assert decode_header(seal(draft(run=text), salt=b"s").header).run == text


@pytest.mark.parametrize("text", [*map(chr, range(32)), "\x7f", "\\\n", "\\\\\x00", '\\"\t', "a" * 9 + "\x1f"])
def test_control_characters_are_refused(text: str) -> None:
    with pytest.raises(
        NotCanonical, match=r"^run\.blocked cannot be recorded: .* is not text without control characters"
    ):
        seal(draft(run=text), salt=b"s")


def test_the_limits_are_exact() -> None:
    empty = len(seal(draft(run="r"), salt=b"s").header) - 1
    fitting = seal(draft(run="r" * (HEADER_BYTES_MAX - empty)), salt=b"s")
    assert len(fitting.header) == HEADER_BYTES_MAX
    with pytest.raises(HeaderTooLarge):
        seal(draft(run="r" * (HEADER_BYTES_MAX - empty + 1)), salt=b"s")
    assert seal(draft(attempt=INTEGER_MAX), salt=b"s")
    with pytest.raises(NotCanonical, match="is not a whole number from 0 to 2"):
        seal(draft(attempt=INTEGER_MAX + 1), salt=b"s")


def test_a_record_says_where_it_is() -> None:
    row = seal(draft("x", run="run-1"), salt=b"s" * 16)
    assert json.loads(row.header) == {
        "actor": {"kind": "controller"},
        "at": AT,
        "body": body_digest(b"s" * 16, row.body or b""),
        "gprev": SHA,
        "ledger": "l" * 32,
        "op": "run",
        "run": "run-1",
        "seq": 2,
        "stream": "a",
        "type": "run.blocked",
        "v": 1,
        "ver": 1,
        "writer": {"epoch": 1, "replica": "r"},
    }
    assert row.body == b'{"reason":"NotReady","message":"x","generation":1}'
    assert (row.seq, row.salt) == (2, b"s" * 16)


def test_an_event_without_fields_has_no_body() -> None:
    row = seal(Draft(event=events.RunSucceeded()), salt=b"s" * 16)
    assert (row.body, row.salt) == (None, None)
    header = decode_header(row.header)
    assert header.body == ""
    assert decode_body(header, None) == events.RunSucceeded()


def test_an_erased_body_is_no_event() -> None:
    header = decode_header(seal(draft(), salt=b"s").header)
    assert decode_body(header, None) is None
    assert Record(header, None).event is None


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=60))
def test_digests_are_commitments(salt: bytes, body: bytes) -> None:
    assert digest(body) == "sha256:" + hashlib.sha256(body).hexdigest()
    assert body_digest(salt, body) == "sha256:" + hashlib.sha256(b"body/1" + salt + body).hexdigest()
    assert body_digest(salt, body) != digest(body)


UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | UNICODE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(UNICODE, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(UNICODE, JSON, max_size=3))
def test_bodies_hold_any_json(value: dict[str, Any]) -> None:
    event = events.VerifyFinished(evidence=value)
    row = seal(Draft(event=event), salt=b"s")
    assert decode_body(decode_header(row.header), row.body) == event
    if row.body is not None:
        assert json.loads(row.body) == ({"evidence": value} if value else {})


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff", b'{"v":1}', b"x" * 99])
def test_what_is_no_header(raw: bytes) -> None:
    with pytest.raises(UnknownEvent, match=r"^header: "):
        decode_header(raw)


def test_unknown_header_fields_are_errors() -> None:
    raw = seal(draft(), salt=b"s").header
    with pytest.raises(UnknownEvent, match="unknown field `zone`"):
        decode_header(raw[:-1] + b',"zone":"x"}')
