"""Proves the records of a bundle: the whole stream, from its first version to the head that the manifest names.

Not the replay: it knows hashes and positions, not decisions. Each record is confirmed by the one after it, the last one
by the head, so that an altered record is told from an altered neighbour. What is not proved is the body of a record
that the manifest calls shortened; its header is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ledger.chain import check_body
from ledger.envelope import VERSION, Header, Stored, decode_header, digest, is_canonical
from ledger.errors import Broken, UnknownEvent
from replay.bundle.format import Manifest
from replay.errors import Incompatible, Invalid


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    v: int


def prove(manifest: Manifest, records: Sequence[Stored]) -> list[Header]:
    """The headers of the records, once all of them are proved.

    Raises `Invalid` with the first position that is not what was written, `Incompatible` for an envelope that this
    version does not know.
    """
    headers = [_header(stored) for stored in records]
    problems = _forward(manifest, records, headers)
    problems += _backward(manifest, records, headers)
    if problems:
        version, why = min(problems)
        raise Invalid(why, seq=records[version - 1].seq if version <= len(records) else manifest.last_seq)
    return headers


def _header(stored: Stored) -> Header:
    try:
        return decode_header(stored.header)
    except UnknownEvent as error:
        try:
            version = msgspec.json.decode(stored.header, type=_Version).v
        except (msgspec.MsgspecError, UnicodeDecodeError):
            version = 0
        if version > VERSION:
            why = f"position {stored.seq} has envelope version {version}, this version reads up to {VERSION}"
            raise Incompatible(f"{why}: use a newer stagesetctl", seq=stored.seq) from error
        raise Invalid(f"its header cannot be read: {error.why}", seq=stored.seq) from error


def _forward(manifest: Manifest, records: Sequence[Stored], headers: Sequence[Header]) -> list[tuple[int, str]]:
    """The first record that cannot stand where it stands, whatever its neighbours say; by place in the stream."""
    seq = 0
    shortened = {one.seq for one in manifest.shortened}
    for version, (stored, header) in enumerate(zip(records, headers, strict=True), start=1):
        why = _misfit(manifest, stored, header) or _body_misfit(stored, header, is_shortened=stored.seq in shortened)
        if header.ver != version:
            why = f"version {header.ver} of the stream stands where version {version} should"
        elif header.seq <= seq:
            why = f"it follows position {seq}"
        if why:
            return [(version, why)]
        seq = header.seq
    return []


def _misfit(manifest: Manifest, stored: Stored, header: Header) -> str:
    if (header.stream, header.ledger) != (manifest.stream, manifest.ledger):
        return f"it belongs to stream {header.stream} of ledger {header.ledger}"
    if stored.seq != header.seq:
        return f"its header says position {header.seq}"
    if header.v == VERSION and not is_canonical(stored.header, header):
        return "its header is not canonical JSON"
    return ""


def _body_misfit(stored: Stored, header: Header, *, is_shortened: bool) -> str:
    """A body that lacks something has no salt, and cannot be held against its digest: only that there was one."""
    if is_shortened:
        is_one = stored.body is not None and stored.salt is None and header.body
        return "" if is_one else "the manifest calls it shortened, and it is not"
    try:
        check_body(stored, header)
    except Broken as broken:
        return broken.why
    return ""


def _backward(manifest: Manifest, records: Sequence[Stored], headers: Sequence[Header]) -> list[tuple[int, str]]:
    """The records that are not those which the head, or the record after them, names."""
    found = []
    last = len(records)
    while last and headers[last - 1].seq > manifest.last_seq:
        last -= 1
    if last < len(records):
        found.append((last + 1, f"the manifest ends before it, with position {manifest.last_seq}"))
    expected = manifest.head
    if not last or headers[last - 1].seq < manifest.last_seq:
        found.append((last + 1, f"it is missing: the manifest ends with position {manifest.last_seq}"))
        expected = ""
    for version in range(last, 0, -1):
        header = headers[version - 1]
        is_named = not expected or digest(records[version - 1].header) == expected
        if not is_named:
            found.append((version, "it is not the record that was written: what names it names another"))
        # What is not confirmed itself, or does not stand behind it, is no witness against the one before it.
        follows = version > 1 and headers[version - 2].ver == header.ver - 1
        expected = header.prev if is_named and follows else ""
    return found
