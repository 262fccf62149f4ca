"""The redactor finds known values in every usual encoding."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.redaction import MASK, Redactor

SECRET = 'p@ss "w"<örd>/+?\\x'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(SECRET, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e"),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_encodings(text: str) -> None:
    redactor = Redactor([SECRET])
    scrubbed = redactor.scrub(f"error: {text} is wrong")
    assert MASK in scrubbed
    assert scrubbed.startswith("error: ")
    assert "ss" not in scrubbed.replace("is wrong", "")
    assert redactor.finds(text)


@given(st.binary(max_size=5), st.text(st.characters(codec="ascii"), min_size=4, max_size=20), st.binary(max_size=5))
def test_base64_at_every_alignment(before: bytes, secret: str, after: bytes) -> None:
    if len(secret.strip()) < 4:
        return
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert Redactor([secret]).finds(encoded)


def test_short_values_are_not_looked_for() -> None:
    assert Redactor(["abc", "", "  x ", "\n"]).scrub("abc x abc") == "abc x abc"
    assert Redactor([]).scrub("text") == "text"
    assert not Redactor([]).finds("text")


def test_lines_of_a_long_value() -> None:
    key = "-----BEGIN KEY-----\nMIIBVAIBADANBg\nxyz\n-----END KEY-----\n"
    assert Redactor([key]).scrub("at MIIBVAIBADANBg, xyz") == f"at {MASK}, xyz"


def test_longest_form_first() -> None:
    assert Redactor(["hunter", "hunter2-long"]).scrub("hunter2-long hunter") == f"{MASK} {MASK}"


def test_surrounding_whitespace_is_not_part_of_the_value() -> None:
    assert Redactor(["hunter22\n"]).scrub("x hunter22 y") == f"x {MASK} y"
