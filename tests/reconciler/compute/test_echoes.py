"""What was sent is taken out of what came back, whole, in part, cut, and however it is spelled."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.echoes import SECRETS_CHARS_MAX, excerpt, scrubber

TOKEN = 'tr0ub4dor&3 <correct "horse'


def in_json(value: str) -> str:
    return json.dumps({"echo": value})


def b64(value: str) -> str:
    return base64.b64encode(b"ab" + value.encode()).decode()


@pytest.mark.parametrize("spelled", [str, in_json, b64, quote, quote_plus, html.escape, str.lower])
def test_a_value_in_its_spellings(spelled) -> None:
    found = scrubber([TOKEN.encode()])("before " + spelled(TOKEN) + " after")
    assert "[redacted]" in found
    for part in ("tr0ub4dor", "correct", "horse", b64(TOKEN)[4:16]):
        assert part not in found


@pytest.mark.parametrize(
    ("secret", "quoted"),
    [
        ("Bearer abcd1234", "abcd1234"),
        ("Basic " + base64.b64encode(b"anna:pass1234").decode(), "pass1234"),
        ("Basic " + base64.b64encode(b"anna:pass1234").decode(), "anna:pass1234"),
        ("session=abcd1234; theme=dark", "abcd1234"),
        ('{"user": {"tokens": ["abcd1234"]}}', "abcd1234"),
        ('{"pin": 90210777}', "90210777"),
        ("user=anna&password=pass%201234", "pass 1234"),
        ("-----BEGIN\nMIIEvQIBADANBg\n-----END", "MIIEvQIBADANBg"),
    ],
)
def test_a_part_that_is_quoted_alone(secret: str, quoted: str) -> None:
    assert scrubber([secret.encode()])(f"no such {quoted}!") == "no such [redacted]!"


def test_short_values_have_spellings_too() -> None:
    scrub = scrubber([b"Hunt&r2"])
    assert scrub("hunt&r2.test <b>Hunt&amp;r2</b>") == "[redacted].test <b>[redacted]</b>"


def test_a_quotation_that_was_cut() -> None:
    secret = "abcdefghijklmnopqrstuvwxyz0123456789"
    scrub = scrubber([secret.encode()])
    assert scrub("bad value 'abcdefghijklmnopqrst…'") == "bad value '[redacted]…'"
    assert scrub("bad value 'ABCDEFGHIJKLMNOPQRST…'") == "bad value '[redacted]…'"
    assert scrub("nothing of it here: abcdefghijk") == "nothing of it here: abcdefghijk"
    assert "cdefghij" not in scrub("it is " + base64.b64encode(secret.encode()).decode()[:24])


def test_ordinary_words_stay() -> None:
    scrub = scrubber([b"Bearer abcd1234", b'{"text": "release 1.2.3 of shop", "silent": true}'])
    text = 'Bearer realm="x", error="invalid text": true'
    assert scrub(text) == text
    assert scrubber([])(text) == text
    assert scrubber([b""])(text) == text


@pytest.mark.parametrize("secret", [b"\xff\xfe\x00binary", b"x" * (SECRETS_CHARS_MAX + 1)])
def test_what_cannot_be_looked_for_leaves_nothing(secret: bytes) -> None:
    scrub = scrubber([b"other", secret])
    assert scrub("anything") == "[redacted]"
    assert scrub("") == ""


@given(st.text(min_size=4, max_size=60), st.text(max_size=60), st.text(max_size=60), st.integers(0, 80))
def test_no_value_is_left(secret: str, before: str, after: str, bytes_max: int) -> None:
    stripped = secret.strip()
    scrub = scrubber([secret.encode()])
    if len(stripped) >= 4 and stripped not in before + after and stripped not in "[redacted]":
        assert stripped not in scrub(f"{before} {secret} {after}").replace("[redacted]", "")
    found = excerpt(f"{before}{secret}{after}".encode(), scrub=scrub, bytes_max=bytes_max)
    assert len(found.encode()) <= bytes_max


def test_excerpt_is_cut_after_it_was_scrubbed() -> None:
    scrub = scrubber([b"abcdefghijklmnop"])
    assert excerpt(b"12345 abcdefghijklmnop", scrub=scrub, bytes_max=10) == "12345 [red"
    assert excerpt("äöü".encode(), scrub=str, bytes_max=3) == "ä"
    assert excerpt("äöü".encode()[:-1], scrub=str, bytes_max=9) == "äö"


@pytest.mark.parametrize("raw", [b"\xff\xfe", "text".encode("utf-16"), b"a\x00b", "\x85".encode(), b"\x1b[31m"])
def test_what_is_not_text_has_no_excerpt(raw: bytes) -> None:
    assert excerpt(raw, scrub=str, bytes_max=100) == ""


def test_deep_json_is_no_reason_to_fail() -> None:
    assert scrubber([b"[" * 50_000])("fine") == "fine"
