"""A gzip-compressed tar stream, read forward: entries with their names, and exactly as many bytes as are asked for.

Not a judge of entries: it knows the format and the caps of the stream, not which files are wanted. Invariant: no
more than a chunk beyond a cap is ever inflated.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from reconciler.compute.sizes import human_bytes
from reconciler.errors import OperationError

_MIB = 1024 * 1024
_BLOCK = 512
_CHUNK = 64 * 1024
#: Types without content, whatever size their header states (as Go's `archive/tar` reads them).
_HEADER_ONLY = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
    tarfile.DIRTYPE,
)
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveLimits:
    """Caps on what comes out of an archive."""

    #: The whole tar stream, headers and skipped entries included.
    inflated_bytes_max: int = 512 * _MIB
    entry_bytes_max: int = 16 * _MIB
    #: Sum over the extracted files.
    extracted_bytes_max: int = 64 * _MIB
    #: Headers in the stream, skipped entries included.
    entries_max: int = 100_000
    #: Gzip members: each costs a decompressor of its own.
    members_max: int = 10_000
    #: One extended header (long names, pax records).
    extension_bytes_max: int = _MIB


class Inflated:
    """A gzip stream (one or more members, RFC 1952) read forward, counted against the cap."""

    def __init__(self, data: bytes, *, limits: ArchiveLimits) -> None:
        self._max = limits.inflated_bytes_max
        self._members_max = limits.members_max
        self._count = 0
        self._chunks = self._inflate(data)
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; raises when the stream ends before."""
        taken = self._take(size)
        if len(taken) < size:
            raise invalid("the tar stream ends in the middle of an entry: the archive is truncated")
        return taken

    def block(self) -> bytes:
        """The next header block, or nothing at the end of the stream."""
        taken = self._take(_BLOCK)
        if taken and len(taken) < _BLOCK:
            raise invalid("the tar stream ends in the middle of a header: the archive is truncated")
        return taken

    def skip(self, size: int) -> None:
        while size > 0:
            size -= len(self.read(min(size, _CHUNK)))

    def drain(self) -> None:
        """To the end, so that the checksum of every gzip member is verified and the cap holds for what follows the
        tar.
        """
        self._buffer.clear()
        for _ in self._chunks:
            pass

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        rest = memoryview(data)
        for _ in range(self._members_max):
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            left = yield from self._member(member, rest)
            rest = rest[len(rest) - left :]
            # Some writers pad the file with zeros after the last member.
            if not left or (rest[0] == 0 and not bytes(rest).strip(b"\0")):
                return
        raise too_large(f"it has more than {self._members_max} gzip members")

    def _member(self, member: zlib._Decompress, data: memoryview) -> Generator[bytes, None, int]:
        """Yields what one member inflates to; returns how many bytes of input follow it."""
        at = 0
        pending: bytes = b""
        while not member.eof:
            if not pending:
                pending = bytes(data[at : at + _CHUNK])
                at += len(pending)
            chunk = self._decompress(member, pending)
            pending = member.unconsumed_tail
            if chunk:
                yield chunk
            elif at >= len(data) and not pending and not member.eof:
                raise invalid("the gzip stream ends too early: the archive is truncated")
        return len(member.unused_data) + len(data) - at

    def _decompress(self, member: zlib._Decompress, pending: bytes) -> bytes:
        try:
            chunk = member.decompress(pending, _CHUNK)
        except zlib.error:
            raise invalid(
                "it is not a gzip file, or a damaged one: artifacts are gzip-compressed tar archives"
            ) from None
        self._count += len(chunk)
        if self._count > self._max:
            raise too_large(f"it inflates to more than {human_bytes(self._max)}")
        return chunk


def entries(stream: Inflated, limits: ArchiveLimits) -> Iterator[tarfile.TarInfo]:
    """Entries with the names that extended headers give them. The caller consumes each entry's content."""
    count = 0
    extended: dict[str, str] = {}
    while block := stream.block():
        if not block.strip(b"\0"):
            return
        entry = _header(block)
        count += 1
        if count > limits.entries_max:
            raise too_large(f"it has more than {limits.entries_max} entries")
        if entry.type in _EXTENSIONS:
            _extend(extended, entry, _extension(stream, entry, limits))
            continue
        yield _apply(entry, extended)
        extended = {}


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        # An artifact's names are ASCII in the end; latin-1 never fails to decode, so that others can be named.
        entry = tarfile.TarInfo.frombuf(block, "latin-1", "strict")
    except (tarfile.HeaderError, ValueError):
        raise invalid("a tar header is damaged: artifacts are gzip-compressed tar archives") from None
    if entry.size < 0:
        raise invalid(f"the size of {shown(entry.name)} is negative")
    return entry


def _extension(stream: Inflated, entry: tarfile.TarInfo, limits: ArchiveLimits) -> bytes:
    if entry.size > limits.extension_bytes_max:
        raise too_large(f"an extended header of it is larger than {human_bytes(limits.extension_bytes_max)}")
    return stream.read(padded(entry.size))[: entry.size]


def _extend(extended: dict[str, str], entry: tarfile.TarInfo, content: bytes) -> None:
    if entry.type == tarfile.GNUTYPE_LONGNAME:
        extended["path"] = content.rstrip(b"\0").decode("utf-8", "replace")
    elif entry.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
        extended.update(_pax(content))


def _pax(content: bytes) -> dict[str, str]:
    """Records `<length> <key>=<value>\\n` (POSIX pax)."""
    records: dict[str, str] = {}
    at = 0
    while at < len(content):
        length_text, _, _ = content[at : at + 20].partition(b" ")
        length = int(length_text) if length_text.isdigit() else 0
        record = content[at + len(length_text) + 1 : at + length]
        key, found, value = record.partition(b"=")
        if not found or not record.endswith(b"\n") or at + length > len(content):
            raise invalid("a pax header is damaged")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "replace")
        at += length
    return records


def _apply(entry: tarfile.TarInfo, extended: dict[str, str]) -> tarfile.TarInfo:
    entry.name = extended.get("path", entry.name)
    size = extended.get("size")
    if size is not None:
        if not size.isascii() or not size.isdigit():
            raise invalid(f"the pax header of {shown(entry.name)} has a size that is no number")
        entry.size = int(size[:20])
    if any(key.startswith("GNU.sparse.") for key in extended):
        entry.type = tarfile.GNUTYPE_SPARSE
    if entry.type == tarfile.AREGTYPE and entry.name.endswith("/"):
        entry.type = tarfile.DIRTYPE
    if entry.type in _HEADER_ONLY:
        entry.size = 0
    return entry


def padded(size: int) -> int:
    """A size rounded up to tar's blocks."""
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK


def shown(name: str) -> str:
    """An entry's name for a message: printable ASCII, at most 200 characters."""
    shown = name.encode("ascii", "backslashreplace").decode().replace("\0", "\\0")
    return repr(shown if len(shown) <= 200 else shown[:199] + "…")


def invalid(problem: str) -> OperationError:
    """The archive is damaged or of another format."""
    return OperationError(f"the artifact is no valid archive: {problem}", reason="ArchiveInvalid", retryable=False)


def too_large(problem: str) -> OperationError:
    """A cap is exceeded."""
    message = f"the artifact's archive is too large: {problem}; exclude what the cluster does not need at the source"
    return OperationError(message, reason="ArchiveTooLarge", retryable=False)
