from __future__ import annotations

import base64

import pytest

from reconciler.compute import inputs
from reconciler.compute.inputs import Inputs, Note, answered, decode, encode, is_odd, kind_of, shown, stand_in


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


KINDS = {
    "empty": b"",
    "text": b"hunter2-hunter",
    "int": b"8080",
    "float": b"1.5",
    "bool": b"true",
    "line": b"token\n",
    "odd": b"a: b",
    "binary": b"\xff\xfe",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stand_in_is_of_the_same_kind_and_says_nothing_else(kind: str) -> None:
    value = b64(KINDS[kind])
    assert kind_of(value) == kind
    made = stand_in(kind, 3)
    assert kind_of(made) == ("text" if kind == "odd" else kind)
    assert made != value or kind in ("empty", "bool")
    if kind in ("text", "int", "float", "line", "binary"):
        assert stand_in(kind, 4) != made


@pytest.mark.parametrize("value", [b"a #b", b"'a'", b"[a]", b"a:", b"&a", b"a\nb", b" a", b"{a: b}", b"- a"])
def test_what_may_change_the_shape_of_a_manifest_is_odd(value: bytes) -> None:
    assert kind_of(b64(value)) == "odd"


def test_what_is_no_base64_stays_so() -> None:
    assert kind_of("***") == "not-base64"
    assert kind_of(stand_in("not-base64", 0)) == "not-base64"


def test_of_objects_only_what_was_looked_at_is_shown() -> None:
    meta = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"x": "y"}}
    vars_ = {"metadata": meta, "data": {"tier": "gold", "other": "x"}}
    assert shown(vars_, kind="ConfigMap", used="${tier}")["data"] == {"tier": "gold", "other": ""}
    secret = {"metadata": meta, "data": {"pw": b64(b"hunter2")}}
    found = shown(secret, kind="Secret", words="data.pw metadata")
    assert found == {"metadata": {k: meta[k] for k in meta if k != "labels"}, "withheld": {"pw": "text"}}
    assert answered(found)["data"] == {"pw": stand_in("text", 0)}
    custom = {"metadata": meta, "spec": {"env": [{"value": "s"}], "size": 3}, "status": {"lag": 5, "note": "n"}}
    found = shown(custom, kind="Database", words="status.lag < 5 && spec.env.size() > 0 && spec.size == 3")
    assert found["status"] == {"lag": 5}
    assert found["spec"] == {"size": 3}


def test_inputs_come_back_and_nothing_else_is_taken_for_them() -> None:
    made = Inputs(inputs=1, tool="kustomize/v1", notes=(Note(verb="get", about=("v1", "ConfigMap", "shop", "a")),))
    data = encode(made)
    assert data is not None
    assert decode(data) == made
    assert decode(b'[{"inputs":1}]') is None
    assert decode(b'{"inputs":1,"more":2}') is None
    assert decode(b"\x1f\x8b") is None
    assert encode(Inputs(inputs=1, notes=(Note(verb="get"),) * (inputs.NOTES_MAX + 1))) is None


def test_an_odd_value_is_told() -> None:
    def told(kind: str) -> bool:
        return is_odd(Inputs(inputs=1, notes=(Note(verb="get", answer={"withheld": {"a": kind}}),)))

    assert [kind for kind in inputs.KINDS if told(kind)] == ["bool", "odd"]
