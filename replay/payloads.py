"""Built manifests out of a bundle: the second reading of a file that was read and proved once.

Not a check of the bundle: that was the first reading. Each payload is held against its digest again, because a file can
change between two readings; what is larger than a cap is left where it is, and said so.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Collection
from typing import Any, BinaryIO, NamedTuple

import msgspec

from replay.bundle.compression import Inflated
from replay.bundle.format import BLOCK_BYTES, FIXED, LIMITS, Limits, Manifest
from replay.errors import Unreadable

#: Larger manifests are not shown, and no more than that of all together.
ONE_BYTES_MAX, ALL_BYTES_MAX = 8 * 1024 * 1024, 64 * 1024 * 1024

Object = dict[str, Any]


class Manifests(NamedTuple):
    """What a bundle has of the manifests that were asked for, by the digest of the set."""

    found: dict[str, list[Object]]
    #: why one of them is not shown, by digest
    withheld: dict[str, str]


NOTHING = Manifests({}, {})


def manifests(file: BinaryIO, manifest: Manifest, wanted: Collection[str], *, limits: Limits = LIMITS) -> Manifests:
    """The built manifests with these digests. Raises `Unreadable` where the file is not the one that was read."""
    kept, withheld = _kept(file, manifest, wanted, limits)
    absent = {one.digest: one.why for one in manifest.omitted if one.digest in wanted}
    found: dict[str, list[Object]] = {}
    for digest, data in kept.items():
        objects = _objects(data)
        if objects is None:
            withheld[digest] = "it is not the JSON list of objects that a build records"
        else:
            found[digest] = objects
    gone = {digest: "it is not in the bundle" for digest in wanted if digest not in found}
    return Manifests(found, {**gone, **absent, **withheld})


def _kept(
    file: BinaryIO, manifest: Manifest, wanted: Collection[str], limits: Limits
) -> tuple[dict[str, bytes], dict[str, str]]:
    names = {member.digest for member in manifest.members[len(FIXED) :]} & set(wanted)
    kept: dict[str, bytes] = {}
    withheld: dict[str, str] = {}
    if not names:
        return kept, withheld
    stream = Inflated(file, limits=limits)
    _skip(stream, _size(stream.read(BLOCK_BYTES)))
    left = ALL_BYTES_MAX
    for member in manifest.members:
        stream.read(BLOCK_BYTES)
        if member.digest not in names:
            _skip(stream, member.size_bytes)
        elif member.size_bytes > min(ONE_BYTES_MAX, left):
            withheld[member.digest] = f"it has {member.size_bytes} bytes, more than is shown"
            _skip(stream, member.size_bytes)
        else:
            left -= member.size_bytes
            kept[member.digest] = _read(stream, member.digest, member.size_bytes)
    return kept, withheld


def _size(block: bytes) -> int:
    try:
        return tarfile.TarInfo.frombuf(block, "ascii", "strict").size
    except (tarfile.HeaderError, ValueError) as error:
        raise _other() from error


def _read(stream: Inflated, digest: str, size_bytes: int) -> bytes:
    data = stream.read(size_bytes)
    stream.read(-size_bytes % BLOCK_BYTES)
    if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
        raise _other()
    return data


def _skip(stream: Inflated, size_bytes: int) -> None:
    for _ in stream.pieces(size_bytes + -size_bytes % BLOCK_BYTES):
        pass


def _other() -> Unreadable:
    return Unreadable("it changed while it was read: copy it, and ask for the copy")


def _objects(data: bytes) -> list[Object] | None:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(one, dict) for one in found) else None
