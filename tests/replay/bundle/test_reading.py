"""Bundles that anybody may have made: refused with a sentence. What it costs is measured in `test_hostile`."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from replay.bundle import format as form
from replay.bundle.compression import zstd
from replay.bundle.reading import read
from replay.errors import Invalid, ReplayError, Unreadable
from tests.replay import making, parts


@pytest.fixture(scope="module")
def good() -> bytes:
    log = making.failures()
    return making.bundle(log, *making.failed(log))


def refused(data: bytes) -> str:
    with pytest.raises(Unreadable) as found:
        read(io.BytesIO(data))
    return found.value.message


def archive(data: bytes, change: Callable[[tarfile.TarInfo], object] = lambda _: None, **settings: object) -> bytes:
    """The members packed by Python's own writer, after a change of each header."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=settings.get("format", tarfile.USTAR_FORMAT)) as made:  # type: ignore[call-overload]
        for name, content in parts.members(data).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            change(entry)
            made.addfile(entry, io.BytesIO(content))
    return zstd().compress(target.getvalue())  # type: ignore[no-any-return]


def test_a_bundle_comes_back(good: bytes) -> None:
    bundle = parts.parsed(good)
    assert len(bundle.records) == bundle.manifest.records
    assert bundle.redactions.startswith("# What is in this bundle")
    assert parts.packed(parts.members(good).items()) == good


def _link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: setattr(entry, "name", "../" + entry.name),
        lambda entry: setattr(entry, "name", "/" + entry.name),
        lambda entry: setattr(entry, "name", "./" + entry.name),
        lambda entry: setattr(entry, "type", tarfile.LNKTYPE),
        lambda entry: setattr(entry, "type", tarfile.FIFOTYPE),
        lambda entry: setattr(entry, "type", tarfile.GNUTYPE_SPARSE),
        lambda entry: setattr(entry, "mtime", 1),
        lambda entry: setattr(entry, "uname", "root"),
        _link,
    ],
)
def test_members_that_are_not_plain_files_are_refused(good: bytes, change: Callable[[tarfile.TarInfo], object]) -> None:
    assert "manifest.json" in refused(archive(good, change))


def test_extended_headers_are_refused(good: bytes) -> None:
    def long(entry: tarfile.TarInfo) -> None:
        entry.pax_headers = {"path": entry.name + "x"}

    assert "manifest.json should be here" in refused(archive(good, long, format=tarfile.PAX_FORMAT))


def test_members_more_than_named_twice_or_in_another_order_are_refused(good: bytes) -> None:
    contents = list(parts.members(good).items())
    assert "does not name" in refused(parts.packed([*contents, ("more", b"x")]))
    assert "should be here" in refused(parts.packed([contents[0], *contents]))
    assert "should be here" in refused(parts.packed([contents[0], contents[2], contents[1], *contents[3:]]))
    assert "manifest.json should be here" in refused(parts.packed(contents[1:]))
    assert "should be here" in refused(parts.packed(contents[:-1]))


def test_a_member_that_is_not_what_the_manifest_names_is_refused(good: bytes) -> None:
    for name, content in list(parts.members(good).items())[1:]:
        other = parts.members(good) | {name: bytes(len(content))}
        assert "its digest is another" in refused(parts.packed(other.items()))


def test_a_file_that_is_cut_anywhere_is_refused(good: bytes) -> None:
    for size in (*range(0, len(good), 97), *range(len(good) - 8, len(good))):
        assert refused(good[:size])


def test_whatever_byte_is_changed_it_is_refused(good: bytes) -> None:
    for place in range(0, len(good), 61):
        broken = bytearray(good)
        broken[place] ^= 0x40
        try:
            found = read(io.BytesIO(bytes(broken)))
        except ReplayError:
            continue
        # Some bits of a zstd frame only tell how much memory it would like.
        assert found == parts.parsed(good), place


def test_something_behind_the_end_is_refused(good: bytes) -> None:
    assert "after its end" in refused(good + b"x")
    assert "after its end" in refused(good + good)
    inflated = zstd().decompress(good)
    assert "after its end" in refused(zstd().compress(inflated + bytes(512)))


def test_text_that_is_no_utf8_is_refused(good: bytes) -> None:
    assert "REDACTIONS.md is not UTF-8" in refused(parts.vouched(parts.changed(good, redactions=b"\xff\xfe")))
    events = parts.members(good)[form.EVENTS]
    assert "events.jsonl, line 1:" in refused(parts.vouched(parts.changed(good, events=b"\xff" + events[1:])))


def test_events_that_are_no_lines_of_records_are_refused(good: bytes) -> None:
    events = parts.members(good)[form.EVENTS]
    for other in (events[:-1], events + b"\n", b"\n" * events.count(b"\n"), b"", events.replace(b'"erased"', b'"e"')):
        assert "events.jsonl" in refused(parts.vouched(parts.changed(good, events=other)))
    deep = events.replace(b'"body":{', b'"body":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b",", 1)
    assert "events.jsonl, line 1:" in refused(parts.vouched(parts.changed(good, events=deep)))
    salted = events.replace(b'"salt":"', b'"salt":null,"erased":false}', 1)
    alone = salted[: salted.index(b"false}") + 6] + events[events.index(b"\n") :]
    assert "belong together" in refused(parts.vouched(parts.changed(good, events=alone)))


def test_a_hash_that_is_not_the_headers_is_invalid_at_its_record(good: bytes) -> None:
    events = parts.members(good)[form.EVENTS]
    mark = parts.parsed(good).manifest.head.encode()
    other = parts.vouched(
        parts.changed(good, events=events.replace(b'"hash":"' + mark, b'"hash":"' + mark[:-4] + b"0000"))
    )
    with pytest.raises(Invalid) as found:
        read(io.BytesIO(other))
    assert found.value.seq == parts.parsed(good).manifest.last_seq


def test_sizes_beyond_the_caps_are_refused_before_they_are_read(good: bytes) -> None:
    limits = form.Limits()
    for other, says in (
        (replace(limits, file_bytes_max=100), "more than 100 bytes"),
        (replace(limits, inflated_bytes_max=4096), "more than"),
        (replace(limits, manifest_bytes_max=10), "manifest.json has more than 10"),
        (replace(limits, events_bytes_max=10), "more than is read"),
        (replace(limits, text_bytes_max=10), "more than is read"),
        (replace(limits, ratio_max=1, ratio_free_bytes=0), "it is a bomb"),
        (replace(limits, records_max=3), "records are not 1 to 3"),
    ):
        with pytest.raises(Unreadable, match=says):
            read(io.BytesIO(good), limits=other)
