"""Writes a bundle: members as they are given, into ustar, into one zstd frame. The same members give the same bytes.

Not a judge of what goes in, and not a file: it gives pieces. Nothing in the archive tells when or by whom it was made.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator

from replay.bundle.compression import zstd
from replay.bundle.format import BLOCK_BYTES, WINDOW_LOG

#: Beyond it the hashes and salts, which do not compress, only take longer.
_LEVEL = 3


def pieces(members: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """The bytes of a bundle with these members: name, size in bytes, content in chunks."""
    module = zstd()
    parameters = {
        module.CompressionParameter.compression_level: _LEVEL,
        module.CompressionParameter.window_log: WINDOW_LOG,
        module.CompressionParameter.checksum_flag: 1,
    }
    compressor = module.ZstdCompressor(options=parameters)
    for chunk in _archive(members):
        if piece := compressor.compress(chunk):
            yield piece
    yield compressor.flush()


def _archive(members: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    for name, size_bytes, content in members:
        entry = tarfile.TarInfo(name)
        entry.size = size_bytes
        yield entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
        written = 0
        for chunk in content:
            written += len(chunk)
            yield chunk
        assert written == size_bytes, f"{name} has {written} bytes, not {size_bytes}"
        yield bytes(-size_bytes % BLOCK_BYTES)
    yield bytes(2 * BLOCK_BYTES)
