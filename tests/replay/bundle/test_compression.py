from __future__ import annotations

import io

import pytest

from replay.bundle.compression import Inflated, zstd
from replay.bundle.format import LIMITS, WINDOW_LOG
from replay.errors import Unreadable


def inflated(data: bytes) -> Inflated:
    return Inflated(io.BytesIO(data), limits=LIMITS)


def test_exactly_what_is_asked_for_comes_out() -> None:
    content = bytes(range(256)) * 2_000
    stream = inflated(zstd().compress(content))
    assert stream.read(3) == content[:3]
    assert b"".join(stream.pieces(300_000)) == content[3:300_003]
    assert stream.read(len(content) - 300_003) == content[300_003:]
    assert stream.read(0) == b""
    stream.end()


def test_asking_beyond_the_end_and_stopping_before_it_are_told() -> None:
    data = zstd().compress(b"abc")
    with pytest.raises(Unreadable, match="ends too early"):
        inflated(data).read(4)
    stream = inflated(data)
    stream.read(2)
    with pytest.raises(Unreadable, match="after its end"):
        stream.end()


def test_a_frame_that_wants_more_memory_than_the_format_has_is_refused() -> None:
    module = zstd()
    options = {
        module.CompressionParameter.window_log: WINDOW_LOG + 3,
        module.CompressionParameter.compression_level: 1,
        module.CompressionParameter.content_size_flag: 0,
    }
    compressor = module.ZstdCompressor(options=options)
    data = compressor.compress(bytes(64)) + compressor.flush()
    with pytest.raises(Unreadable, match="it is no bundle, or is damaged"):
        inflated(data).read(64)


def test_other_files_are_refused() -> None:
    for data in (b"", b"hello, this is no bundle", b"\x1f\x8b\x08" + bytes(100), b"SQLite format 3\0" * 50):
        with pytest.raises(Unreadable):
            inflated(data).read(1)
