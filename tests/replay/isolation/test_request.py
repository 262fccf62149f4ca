"""What a child is asked goes through a file and back, whole; anything else is no request."""

from __future__ import annotations

import io

import msgspec
import pytest

from replay.forking.changes import Changes, Given
from replay.isolation.request import Request, read, write


def test_a_request_comes_through_whole() -> None:
    given = Given(seq=13, outcome="ok", body={"message": "1 of 1"})
    changes = Changes(
        sets=(("spec.timeout", "30m"),), patches=({"a": None},), artifacts={"": b"\x00\xff"}, answers=(given,)
    )
    asked = Request(argv=("kustomize",), tool="kustomize/v5", folder="/x", until=7, changes=changes)
    file = io.BytesIO()
    write(asked, file)
    assert read(file) == asked


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode({"until": 1}), msgspec.msgpack.encode([1])])
def test_anything_else_is_none(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(io.BytesIO(data))
