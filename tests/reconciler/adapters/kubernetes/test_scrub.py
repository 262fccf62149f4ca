"""Known secrets are masked in every spelling; nothing else is touched."""

from __future__ import annotations

import json

import pytest

from reconciler.adapters.kubernetes.scrub import MASK, scrub, secrets_of_body


def test_nothing_known_means_nothing_changed() -> None:
    value = {"message": "as it was", "details": [1, None, True]}
    assert scrub(value, []) is value
    assert scrub(value, ["", "  "]) is value


def test_keys_values_and_nested_ones_are_masked() -> None:
    assert scrub({"hunter2": ["x hunter2 y", {"a": "hunter2"}], "n": 1}, ["hunter2"]) == {
        MASK: [f"x {MASK} y", {"a": MASK}],
        "n": 1,
    }


def test_a_short_secret_is_masked_where_it_stands_alone_and_a_long_one_everywhere() -> None:
    assert scrub("a b abc (ab)", ["ab"]) == f"a b abc ({MASK})"
    assert scrub("xhunter2x", ["hunter2"]) == f"x{MASK}x"


def test_no_tail_of_a_long_secret_survives_a_short_one_inside_it() -> None:
    assert scrub("password-and-more", ["password", "password-and-more"]) == MASK


def test_patterns_in_a_secret_are_no_patterns() -> None:
    assert scrub("a.*b and axxb", ["a.*b+c?("]) == "a.*b and axxb"


@pytest.mark.parametrize("body", [b"", b"not json", b'"text"', b"[1, 2]", b"[" * 50_000, b'{"data": null}'])
def test_a_body_without_values_has_no_secrets(body: bytes) -> None:
    assert secrets_of_body(body) == []


def test_all_leaves_of_a_secret_are_found() -> None:
    body = {"kind": "Secret", "data": {"a": {"b": ["deep-value", 12345, True, None]}}, "stringData": {"c": "other"}}
    found = secrets_of_body(json.dumps(body).encode())
    assert {"deep-value", "12345", "other"} <= set(found)
    assert "True" not in found
    assert "Secret" not in found
