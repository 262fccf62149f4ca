"""Reads a bundle that anybody may have made: every size, count, name and digest is checked before it is believed.

Nothing is executed and nothing unpacked to disk. Blobs are hashed as they pass and not kept; `blob` reads one of them
again. What is refused is refused with a sentence and, where it can be known, the member.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple

import msgspec

from ledger.envelope import Stored, digest
from replay.bundle import format as form
from replay.bundle.compression import Inflated
from replay.bundle.format import LIMITS, Environment, Limits, Manifest, Member
from replay.errors import Invalid, Unreadable


class Bundle(NamedTuple):
    """A bundle that is what its manifest says. The records are not proved: that is `replay.bundle.proof`."""

    manifest: Manifest
    environment: Environment
    redactions: str
    records: tuple[Stored, ...]
    #: the payloads that were asked for, by digest
    blobs: dict[str, bytes] = {}  # noqa: RUF012 (never changed)


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seq: int
    hash: str
    header: msgspec.Raw
    body: msgspec.Raw
    salt: str | None
    erased: bool


_lines = msgspec.json.Decoder(_Line)


def read(file: BinaryIO, *, limits: Limits = LIMITS, blobs_bytes_max: int = 0) -> Bundle:
    """The bundle in an open file, with payloads as long as they have no more bytes together. Raises `Unreadable`."""
    stream = Inflated(file, limits=limits)
    manifest = _manifest(stream, limits)
    kept: dict[str, bytes] = {}
    blobs: dict[str, bytes] = {}
    for member in manifest.members:
        _header(stream, member.name, member.size_bytes)
        pieces = _hashed(stream, member)
        if member.name in form.FIXED:
            kept[member.name] = b"".join(pieces)
        elif member.size_bytes <= blobs_bytes_max:
            blobs_bytes_max -= member.size_bytes
            blobs[member.digest] = b"".join(pieces)
        else:
            for _ in pieces:
                pass
        stream.read(-member.size_bytes % form.BLOCK_BYTES)
    if stream.read(2 * form.BLOCK_BYTES).strip(b"\0"):
        raise Unreadable("there is a member that its manifest does not name")
    stream.end()
    return Bundle(
        manifest,
        form.read_environment(kept[form.ENVIRONMENT]),
        _text(kept[form.REDACTIONS]),
        tuple(_records(kept.pop(form.EVENTS), manifest)),
        blobs,
    )


def _manifest(stream: Inflated, limits: Limits) -> Manifest:
    size_bytes = _header(stream, form.MANIFEST, None)
    if size_bytes > limits.manifest_bytes_max:
        raise Unreadable(f"its {form.MANIFEST} has more than {limits.manifest_bytes_max} bytes")
    data = stream.read(size_bytes)
    stream.read(-size_bytes % form.BLOCK_BYTES)
    return form.read_manifest(data, limits=limits)


def _header(stream: Inflated, name: str, size_bytes: int | None) -> int:
    """Take a member's header, which must be the one that stagesetctl writes, and return its size."""
    block = stream.read(form.BLOCK_BYTES)
    try:
        entry = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise Unreadable(f"{name} should be here, and is no tar header: {error}") from error
    found = f"{entry.name!r:.80}"
    if entry.name != name or (size_bytes is not None and entry.size != size_bytes):
        raise Unreadable(f"{name} should be here, and {found} with {entry.size} bytes is")
    plain = tarfile.TarInfo(name)
    plain.size = entry.size
    # Links, devices, owners, times: whatever is not what is written for a plain file.
    if entry.size < 0 or plain.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict") != block:
        raise Unreadable(f"{name} is not the plain file that stagesetctl writes")
    return entry.size


def _hashed(stream: Inflated, member: Member) -> Iterator[bytes]:
    mark = hashlib.sha256()
    for piece in stream.pieces(member.size_bytes):
        mark.update(piece)
        yield piece
    if "sha256:" + mark.hexdigest() != member.digest:
        raise Unreadable(f"{member.name} is not what the manifest names: its digest is another")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{form.REDACTIONS} is not UTF-8: {error}") from error


def _records(data: bytes, manifest: Manifest) -> Iterator[Stored]:
    if data.count(b"\n") != manifest.records or not data.endswith(b"\n"):
        raise Unreadable(f"{form.EVENTS} has not {manifest.records} lines")
    start = 0
    shortened = {one.seq for one in manifest.shortened}
    for number in range(1, manifest.records + 1):
        end = data.index(b"\n", start)
        try:
            yield _stored(_lines.decode(data[start:end]), shortened)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Unreadable(f"{form.EVENTS}, line {number}: {error}") from error
        start = end + 1


def _stored(line: _Line, shortened: Collection[int]) -> Stored:
    body = bytes(line.body)
    has_body = body != b"null"
    if (has_body and line.seq not in shortened) != (line.salt is not None):
        raise ValueError("a body and its salt belong together")
    header = bytes(line.header)
    if line.hash != digest(header):
        raise Invalid("its header has another hash than the one beside it", seq=line.seq)
    salt = bytes.fromhex(line.salt) if line.salt is not None else None
    return Stored(line.seq, header, body if has_body else None, salt)
