"""Blobs: content by digest, zstd-compressed, bounded in both directions. Shared by every store of blobs.

Not a store itself. A digest is taken over the content, never over its compressed form, so that it means the same in
every ledger, and the digest of an artifact is the one that Flux advertises.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from ledger.envelope import Packed
from ledger.errors import BlobDamaged, BlobMissing, BlobTooLarge

#: Content of one blob, at most; readers may set it lower.
BLOB_BYTES_MAX = 128 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_LEVEL = 3


def _zstd() -> Any:
    # Imported when a blob is touched: command lines that touch none start without it.
    if sys.version_info >= (3, 14):
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    else:
        from backports import zstd
    return zstd


@cache
def _compressor() -> Any:
    # Making one takes ten times as long as compressing a few kilobytes. It locks itself, each call is a whole frame.
    return _zstd().ZstdCompressor(level=_LEVEL)


def pack_at_once(content: bytes, *, digest: str) -> Packed:
    """Compress content that is at hand and small."""
    compressor = _compressor()
    data = compressor.compress(content, compressor.FLUSH_FRAME)
    return Packed(digest, len(content), "sha256:" + hashlib.sha256(data).hexdigest(), data)


class Packer:
    """Compresses content as it comes, counting and hashing on the way."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._compressor = _zstd().ZstdCompressor(level=_LEVEL)
        self._content = hashlib.sha256()
        self._packed = hashlib.sha256()
        #: size of the content so far
        self.size_bytes = 0

    def pack(self, chunks: bytes | Iterable[bytes]) -> Iterator[bytes]:
        """Compressed pieces of the content. Raises `BlobTooLarge`."""
        for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._limit_bytes:
                raise BlobTooLarge(limit_bytes=self._limit_bytes)
            self._content.update(chunk)
            yield self._count(self._compressor.compress(chunk))
        yield self._count(self._compressor.flush())

    def _count(self, piece: bytes) -> bytes:
        self._packed.update(piece)
        return piece

    @property
    def digest(self) -> str:
        """Digest of the content, once `pack` is exhausted."""
        return "sha256:" + self._content.hexdigest()

    def packed(self, data: bytes | None) -> Packed:
        """What is known of the content, once `pack` is exhausted."""
        return Packed(self.digest, self.size_bytes, "sha256:" + self._packed.hexdigest(), data)


def unpack(digest: str, pieces: Iterable[bytes], *, limit_bytes: int, packed_digest: str = "") -> Iterator[bytes]:
    """Content of compressed pieces, proved against its digest at the end.

    Never inflates more than one chunk ahead of the limit. Raises `BlobDamaged` and `BlobTooLarge`.
    """
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor()
    content, packed, size_bytes = hashlib.sha256(), hashlib.sha256(), 0
    for piece in pieces:
        packed.update(piece)
        data = piece
        while data or not (decompressor.eof or decompressor.needs_input):
            if decompressor.eof:
                raise BlobDamaged(digest, "there is something after its end")
            try:
                chunk = decompressor.decompress(data, max_length=_CHUNK_BYTES)
            except zstd.ZstdError as error:
                raise BlobDamaged(digest, "it cannot be decompressed") from error
            data = b""
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                raise BlobTooLarge(limit_bytes=limit_bytes)
            content.update(chunk)
            if chunk:
                yield chunk
            if decompressor.eof and decompressor.unused_data:
                raise BlobDamaged(digest, "there is something after its end")
    if not decompressor.eof:
        raise BlobDamaged(digest, "its end is missing")
    if "sha256:" + content.hexdigest() != digest:
        raise BlobDamaged(digest, "its content has another digest")
    if packed_digest and "sha256:" + packed.hexdigest() != packed_digest:
        raise BlobDamaged(digest, "its stored form was altered")


class MemoryBlobs:
    """Blobs in memory, compressed as everywhere."""

    def __init__(self) -> None:
        #: packed form and its digest, by the digest of the content
        self.packed: dict[str, tuple[bytes, str]] = {}

    def pack(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = BLOB_BYTES_MAX) -> Packed:
        packer = Packer(limit_bytes=limit_bytes)
        data = b"".join(packer.pack(chunks))
        return packer.packed(data)

    def put(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = BLOB_BYTES_MAX) -> str:
        packed = self.pack(chunks, limit_bytes=limit_bytes)
        self.keep(packed)
        return packed.digest

    def keep(self, packed: Packed) -> None:
        """Store what was packed."""
        if packed.data is not None:
            self.packed.setdefault(packed.digest, (packed.data, packed.packed_digest))

    def read(self, digest: str, *, limit_bytes: int = BLOB_BYTES_MAX) -> Iterator[bytes]:
        if digest not in self.packed:
            raise BlobMissing(digest)
        packed, packed_digest = self.packed[digest]
        yield from unpack(digest, (packed,), limit_bytes=limit_bytes, packed_digest=packed_digest)

    def get(self, digest: str, *, limit_bytes: int = BLOB_BYTES_MAX) -> bytes:
        return b"".join(self.read(digest, limit_bytes=limit_bytes))

    def has(self, digest: str) -> bool:
        return digest in self.packed

    def digests(self) -> Iterator[str]:
        return iter(sorted(self.packed))
