from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger import events, upcast
from ledger.envelope import Header, Stored, decode_header, encode_header
from ledger.errors import UnknownEvent
from ledger.memory_log import MemoryLog
from ledger.upcast import UPCASTERS, decode, decode_event, raised
from tests.ledger.making import AT, LEDGER, append, bare, chance, draft


@pytest.fixture
def stored() -> Stored:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", draft("text"))
    return log.rows[-1]


def reversed_words(body: dict[str, Any]) -> dict[str, Any]:
    words = body.pop("words")
    return {**body, "message": words[::-1]}


def doubled(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "message": body["message"] * 2}


def versioned(stored: Stored, version: int) -> Header:
    return msgspec.structs.replace(decode_header(stored.header), v=version)


def test_upcasters_run_step_by_step(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcast, "VERSION", 4)
    steps = {("run.blocked", 1): reversed_words, ("run.blocked", 3): doubled, ("run.failed", 2): doubled}
    old = b'{"reason":"r","words":"abc","generation":1}'
    found = {v: msgspec.json.decode(raised(versioned(stored, v), old, upcasters=steps) or b"") for v in (1,)}
    assert found[1] == {"reason": "r", "generation": 1, "message": "cbacba"}
    middle = b'{"message":"x"}'
    assert raised(versioned(stored, 2), middle, upcasters=steps) == b'{"message":"xx"}'
    assert raised(versioned(stored, 3), middle, upcasters=steps) == b'{"message":"xx"}'
    assert raised(versioned(stored, 4), middle, upcasters=steps) == middle


def test_old_records_are_read_as_todays(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcast, "VERSION", 2)
    monkeypatch.setattr(upcast, "UPCASTERS", {("run.blocked", 1): reversed_words})
    old = stored._replace(body=b'{"reason":"r","words":"abc","generation":1}')
    assert decode(old).event == events.RunBlocked(reason="r", message="cba", generation=1)


def test_an_erased_body_stays_erased(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcast, "VERSION", 2)
    assert raised(versioned(stored, 1), None, upcasters={("run.blocked", 1): doubled}) is None
    assert decode(stored._replace(body=None, salt=None)).event is None


def test_an_event_that_had_no_body_may_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", bare())
    header = decode_header(log.rows[-1].header)
    monkeypatch.setattr(upcast, "VERSION", 2)
    steps = {("run.succeeded", 1): lambda body: {**body, "new": 1}}
    assert raised(header, None, upcasters=steps) == b'{"new":1}'
    assert raised(header, None, upcasters={}) == b"{}"


@pytest.mark.parametrize("version", [0, -1, 2, 99])
def test_other_versions_are_errors(stored: Stored, version: int) -> None:
    header = versioned(stored, version)
    with pytest.raises(UnknownEvent, match=f"^position 2: .*envelope version {version}: use a newer stagesetctl"):
        decode_event(header, stored.body)


def test_what_cannot_be_read_is_named(stored: Stored) -> None:
    with pytest.raises(UnknownEvent, match=r"^header: "):
        decode(stored._replace(header=b"{}"))
    header = msgspec.structs.replace(decode_header(stored.header), type="run.reconsidered")
    with pytest.raises(UnknownEvent, match=r"^position 2: run.reconsidered: .*use a newer stagesetctl"):
        decode(stored._replace(header=encode_header(header)))
    with pytest.raises(UnknownEvent, match=r"^position 2: run.blocked: .*missing required field"):
        decode(stored._replace(body=b"{}"))
    with pytest.raises(UnknownEvent, match=r"^position 2: run.blocked: "):
        decode(stored._replace(body=b"\xff"))


def test_todays_version_needs_no_upcasters() -> None:
    assert dict(UPCASTERS) == {}
