from __future__ import annotations

import pytest

from replay.bundle.compression import zstd
from replay.bundle.writing import pieces
from tests.replay import parts


def test_the_same_members_give_the_same_bytes_and_come_back() -> None:
    contents = [("manifest.json", b"{}"), ("blobs/x", bytes(range(256)) * 100), ("empty", b"")]
    assert parts.packed(contents) == parts.packed(contents)
    assert list(parts.members(parts.packed(contents)).items()) == contents


def test_the_chunks_do_not_matter() -> None:
    whole = b"".join(pieces([("a", 6, [b"abcdef"])]))
    assert zstd().decompress(b"".join(pieces([("a", 6, [b"ab", b"", b"cdef"])]))) == zstd().decompress(whole)


def test_a_content_of_another_size_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="a has 3 bytes, not 4"):
        list(pieces([("a", 4, [b"abc"])]))
