from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from replay.bundle.secrecy import Search, in_text, in_value
from tests.replay.bundle.archives import ENCODED, SECRET, VALUE


def test_tokens_may_go_and_plain_data_may_not() -> None:
    def record(value: str) -> bytes:
        return json.dumps([{"kind": "Secret", "apiVersion": "v1", "data": {"a": value}}]).encode()

    assert in_text(record("secret:Secret/ns/s.a#0123")).why == ""
    assert in_text(record(ENCODED)).why == "it has a Secret with plain data"
    assert VALUE in in_text(record(ENCODED)).values
    assert in_text(b"\xff").why


def test_values_in_a_spec() -> None:
    spec = {"stages": [{"patches": [{"patch": SECRET}]}]}
    assert VALUE in in_value(spec)
    assert in_value({"stages": [{"name": "kind: Secret"}]}) == frozenset()


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        f"x{ENCODED}",
        base64.b64encode(b"user:" + VALUE.encode()).decode(),
        quote(VALUE, safe=""),
        json.dumps(VALUE),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        f"{ENCODED[:8]}\n    {ENCODED[8:]}",
        json.dumps(f"{ENCODED[:8]}\r\n{ENCODED[8:]}"),
    ],
)
def test_the_search_knows_every_form(form: str) -> None:
    assert Search([VALUE]).finds(f"before {form} after")
    assert not Search([VALUE]).finds("before c4n4ry after")


def test_short_values_are_not_looked_for() -> None:
    assert not Search(["admin", "postgres"]).finds("admin postgres")
    assert not Search([]).finds("anything")


def test_a_value_beyond_ascii_is_found_in_bytes_that_were_read_one_by_one() -> None:
    assert Search(["pässwörd-lang"]).finds("pässwörd-lang".encode().decode("latin-1"))
