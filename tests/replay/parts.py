"""Takes bundles apart and puts them together again: honestly, as a sloppy forger, and as a careful one."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.envelope import Header, Stored, body_digest, decode_header, digest, encode_header
from ledger.export.jsonl import line
from ledger.export.record import Exported
from replay.bundle import format as form
from replay.bundle.compression import zstd
from replay.bundle.format import Manifest, Member
from replay.bundle.reading import Bundle, read
from replay.bundle.writing import pieces


def members(data: bytes) -> dict[str, bytes]:
    """Content by name, in order."""
    with tarfile.open(fileobj=io.BytesIO(zstd().decompress(data))) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def packed(contents: Iterable[tuple[str, bytes]]) -> bytes:
    """A bundle with these members, whatever they are."""
    return b"".join(pieces((name, len(data), (data,)) for name, data in contents))


def changed(data: bytes, **contents: bytes) -> bytes:
    """A bundle with other contents of the members `manifest`, `environment`, `redactions`, `events`."""
    names = {"manifest": form.MANIFEST, "environment": form.ENVIRONMENT}
    names |= {"redactions": form.REDACTIONS, "events": form.EVENTS}
    return packed((members(data) | {names[name]: content for name, content in contents.items()}).items())


def vouched(data: bytes, **fields: Any) -> bytes:
    """The bundle with a manifest that vouches for its members as they are, with other fields where given."""
    found = members(data)
    manifest = msgspec.json.decode(found[form.MANIFEST], type=Manifest)
    made = tuple(Member(name=n, size_bytes=len(c), digest=digest(c)) for n, c in found.items() if n != form.MANIFEST)
    return changed(data, manifest=form.encode(replace(manifest, **{"members": made, **fields})))


def with_records(data: bytes, records: Sequence[Stored], **fields: Any) -> bytes:
    """A bundle of other records, whose manifest vouches for the members but not for the chain."""
    return vouched(changed(data, events=lines(records)), records=len(records), **fields)


def lines(records: Sequence[Stored]) -> bytes:
    return b"".join(line(Exported(one, _header(one), digest(one.header))) for one in records)


def _header(stored: Stored) -> Header:
    try:
        return decode_header(stored.header)
    except Exception:
        return decode_header(b'{"actor":{"kind":""},"at":"","ledger":"","op":"","seq":1,"stream":"","type":"","v":1,'
                             b'"ver":1,"writer":{"epoch":1,"replica":""}}')  # fmt: skip


def parsed(data: bytes) -> Bundle:
    return read(io.BytesIO(data))


def with_body(stored: Stored, event: Any) -> Stored:
    """A record that says something else, with a commitment to it."""
    raw = msgspec.to_builtins(event)
    raw.pop("type", None)
    body = msgspec.json.encode(raw) if raw else None
    header = decode_header(stored.header)
    mark = body_digest(stored.salt or b"s" * 16, body) if body is not None else ""
    made = _encode(replace(header, body=mark))
    return Stored(stored.seq, made, body, (stored.salt or b"s" * 16) if body is not None else None)


def with_header(stored: Stored, **fields: Any) -> Stored:
    return stored._replace(header=_encode(replace(decode_header(stored.header), **fields)))


def _encode(header: Header) -> bytes:
    try:
        return encode_header(header)
    except Exception:
        return msgspec.json.encode(header)


def rechained(records: Sequence[Stored], *, since: int) -> list[Stored]:
    """The records with a chain that holds again from a place on: the work of a careful forger."""
    made = list(records[: since + 1])
    for stored in records[since + 1 :]:
        made.append(with_header(stored, prev=digest(made[-1].header)))
    return made
