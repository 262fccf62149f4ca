"""Blobs of a SQLite ledger: small ones in the file, large ones in the folder `<ledger>.blobs` beside it.

Not reference-counted: a blob that no record names is harmless. A large blob is on disk under its final name before
its row is committed, so a row never promises what is not there. What this process stored itself and has not seen
damaged since is not stored twice.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain as concat
from pathlib import Path

from ledger.blobs import BLOB_BYTES_MAX, Packer, pack_at_once, unpack
from ledger.envelope import Packed
from ledger.envelope import digest as digest_of
from ledger.errors import BlobDamaged, BlobMissing, BlobTooLarge, Unavailable
from ledger.sqlite_file import SqliteFile, explained

#: Compressed blobs up to this size live in the file.
INLINE_BYTES_MAX = 64 * 1024
_CHUNK_BYTES = 64 * 1024
#: So many digests of small blobs are remembered as stored.
_KEPT_MAX = 4096


_INSERT = (
    "INSERT INTO blob (digest, size, packed_digest, data) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (digest) DO UPDATE SET packed_digest = excluded.packed_digest, data = excluded.data"
)


class SqliteBlobs:
    """The blobs of one ledger file."""

    def __init__(self, file: SqliteFile, *, inline_bytes_max: int = INLINE_BYTES_MAX) -> None:
        self._file = file
        self._inline_bytes_max = inline_bytes_max
        #: small ones that are in the file for certain, oldest first
        self._kept: dict[str, None] = {}
        #: where the large ones are
        self.folder = file.path.with_name(file.path.name + ".blobs")

    def put(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = BLOB_BYTES_MAX) -> str:
        packed = self.pack(chunks, limit_bytes=limit_bytes)
        if fresh := self.fresh((packed,)):
            with self._file.transaction() as connection:
                self.insert(connection, fresh)
            self.settle(fresh)
        return packed.digest

    def pack(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = BLOB_BYTES_MAX) -> Packed:
        if isinstance(chunks, bytes) and len(chunks) <= self._inline_bytes_max:
            if len(chunks) > limit_bytes:
                raise BlobTooLarge(limit_bytes=limit_bytes)
            digest = digest_of(chunks)
            if digest in self._kept:
                return Packed(digest, len(chunks), "", None)
            return pack_at_once(chunks, digest=digest)
        packer = Packer(limit_bytes=limit_bytes)
        held = bytearray()
        pieces = packer.pack(chunks)
        for piece in pieces:
            held += piece
            if len(held) > self._inline_bytes_max:
                self._put_beside(packer, bytes(held), pieces)
                return packer.packed(None)
        return packer.packed(bytes(held))

    def fresh(self, blobs: Sequence[Packed]) -> list[Packed]:
        """Those that have to be stored, each once."""
        return list({blob.digest: blob for blob in blobs if blob.packed_digest}.values())

    def insert(self, connection: sqlite3.Connection, blobs: Sequence[Packed]) -> None:
        """Add packed blobs to the transaction that the caller has open."""
        connection.executemany(_INSERT, blobs)

    def settle(self, blobs: Sequence[Packed]) -> None:
        """The blobs are durable: they need not be stored again."""
        self._kept.update((blob.digest, None) for blob in blobs if blob.data is not None)
        while len(self._kept) > _KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def _put_beside(self, packer: Packer, start: bytes, pieces: Iterator[bytes]) -> None:
        # Imported where a large blob is written: it would cost every command line a tenth of its start.
        from tempfile import NamedTemporaryFile

        with explained(self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            spool = NamedTemporaryFile(dir=self.folder, prefix="tmp-", delete=False)  # noqa: SIM115 (closed below)
        try:
            # Only writing is explained: what the source of the content raises is the caller's.
            for piece in concat((start,), pieces):
                with explained(self.folder):
                    spool.write(piece)
            with explained(self.folder):
                spool.flush()
                os.fsync(spool.fileno())
                self._place(Path(spool.name), self._path(packer.digest))
        except BaseException:
            Path(spool.name).unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):
                spool.close()

    def _place(self, spool: Path, target: Path) -> None:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(spool, target)
        for folder in (target.parent, self.folder, self.folder.parent):
            _sync_folder(folder)

    def read(self, digest: str, *, limit_bytes: int = BLOB_BYTES_MAX) -> Iterator[bytes]:
        try:
            yield from self._read(digest, limit_bytes=limit_bytes)
        except (BlobMissing, BlobDamaged):
            # Storing it again shall mend it.
            self._kept.pop(digest, None)
            raise

    def _read(self, digest: str, *, limit_bytes: int) -> Iterator[bytes]:
        row = self._file.one("SELECT packed_digest, data FROM blob WHERE digest = ?", (digest,))
        if row is None:
            raise BlobMissing(digest)
        packed_digest, data = row
        pieces = (data,) if data is not None else self._pieces(digest)
        yield from unpack(digest, pieces, limit_bytes=limit_bytes, packed_digest=packed_digest)

    def get(self, digest: str, *, limit_bytes: int = BLOB_BYTES_MAX) -> bytes:
        return b"".join(self.read(digest, limit_bytes=limit_bytes))

    def has(self, digest: str) -> bool:
        if digest in self._kept:
            return True
        row = self._file.one("SELECT data IS NOT NULL FROM blob WHERE digest = ?", (digest,))
        return row is not None and (bool(row[0]) or self._path(digest).is_file())

    def digests(self) -> Iterator[str]:
        with self._file.reader() as connection:
            for (digest,) in connection.execute("SELECT digest FROM blob ORDER BY digest"):
                yield digest

    def _pieces(self, digest: str) -> Iterator[bytes]:
        path = self._path(digest)
        try:
            with explained(path), path.open("rb") as file:
                while piece := file.read(_CHUNK_BYTES):
                    yield piece
        except Unavailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise BlobMissing(digest) from error
            raise

    def _path(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self.folder / name[:2] / f"{name}.zst"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
