from __future__ import annotations

import base64
from typing import Any

import pytest

from reconciler.compute.yamldoc import documents
from replay.bundle.spelled import Spelled, dumped
from tests.replay.bundle.archives import ENCODED, VALUE


def replaced(value: Any) -> Any:
    return Spelled().replaced(value)


def secret(**data: Any) -> dict[str, Any]:
    return {"kind": "Secret", "stringData": data}


@pytest.mark.parametrize(
    ("value", "stand_in"),
    [
        ("swordfish", "withheld0001"),
        ("5432", "70001"),
        (5432, 70001),
        ("true", "true"),
        ("", ""),
        (None, None),
        ("${token}", "${token}"),
        ("postgres://${user}:swordfish@db", "withheld0001${user}"),
        ("one\n", "withheld0001\n"),
        ("one\ntwo\n", "withheld0001"),
    ],
)
def test_a_stand_in_is_of_the_same_kind_and_keeps_variables(value: Any, stand_in: Any) -> None:
    assert replaced(secret(a=value)) == secret(a=stand_in)


def test_equal_values_have_equal_stand_ins_and_others_have_others() -> None:
    made = replaced([secret(a="one", b="two"), secret(c="one")])
    assert made == [secret(a="withheld0001", b="withheld0002"), secret(c="withheld0001")]


def test_data_stays_base64() -> None:
    look = Spelled()
    made = look.replaced({"kind": "Secret", "data": {"a": ENCODED, "b": base64.b64encode(b"\xff").decode()}})
    assert base64.b64decode(made["data"]["a"]) == b"withheld0001"
    assert base64.b64decode(made["data"]["b"])[0] == 0xFF
    assert {VALUE, ENCODED} <= look.values


def test_tokens_stay_where_they_are_expected_and_only_there() -> None:
    token = {"kind": "Secret", "data": {"a": "secret:Secret/ns/s.a#0123"}}
    assert Spelled(tokens=True).replaced(token) == token
    assert Spelled().replaced(token) != token


def test_literals_keep_their_names() -> None:
    made = replaced({"secretGenerator": [{"name": "x", "literals": ['a="b c"', "d"]}, "odd"]})
    assert made == {"secretGenerator": [{"name": "x", "literals": ["a=withheld0001", "d"]}, "odd"]}


def test_what_is_written_is_read_the_same() -> None:
    values = [{"a": "0644", "b": "yes", "c": "2030-01-01", "d": 1.5, "e": None, "f": "ü\n"}, [1], None]
    assert [one.value for one in documents(dumped(values))] == values
