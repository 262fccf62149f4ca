"""The archive's stream: entries in order, exactly the bytes asked for, and never much beyond a cap."""

from __future__ import annotations

import gzip
import io
import tarfile
from functools import partial

import pytest

from reconciler.compute.tarstream import ArchiveLimits, Inflated, entries, padded, shown
from reconciler.errors import OperationError

#: The same bytes each time: they name the tests.
compress = partial(gzip.compress, mtime=0)

LIMITS = ArchiveLimits()


def tar(files: dict[str, bytes], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def stream(data: bytes, **limits: int) -> Inflated:
    return Inflated(data, limits=ArchiveLimits(**limits))


def read(data: bytes, **limits: int) -> dict[str, bytes]:
    source, found = stream(data, **limits), {}
    for entry in entries(source, ArchiveLimits(**limits)):
        found[entry.name] = source.read(padded(entry.size))[: entry.size]
    source.drain()
    return found


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_entries_have_their_content_and_their_long_names(form):
    files = {"a.yaml": b"a: 1\n", "d/" + "n" * 180 + ".yaml": b"x" * 700, "empty": b""}
    assert read(compress(tar(files, form=form))) == files


def test_several_gzip_members_and_padding_are_one_stream():
    whole = tar({"a": b"1" * 600})
    parts = compress(whole[:512]) + compress(whole[512:]) + b"\0" * 100
    assert read(parts) == {"a": b"1" * 600}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not gzip", "not a gzip file"),
        (compress(tar({"a": b"1" * 600}))[:-20], "ends too early|truncated"),
        (compress(tar({"a": b"1" * 600})[:700]), "middle of an entry"),
        (compress(tar({"a": b"1"})[:300]), "middle of a header"),
        (compress(b"\x01" * 512), "a tar header is damaged"),
    ],
)
def test_what_is_damaged_is_named(data, words):
    with pytest.raises(OperationError, match=words) as caught:
        read(data)
    assert (caught.value.reason, caught.value.retryable) == ("ArchiveInvalid", False)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"inflated_bytes_max": 2_000}, "inflates to more than"),
        ({"entries_max": 1}, "more than 1 entries"),
        ({"members_max": 1}, "more than 1 gzip members"),
        ({"extension_bytes_max": 10}, "an extended header of it is larger"),
    ],
)
def test_caps(limits, words):
    files = {"a": b"1" * 600, "d/" + "n" * 180: b"2" * 600}
    whole = tar(files)
    data = compress(whole[:512]) + compress(whole[512:])
    with pytest.raises(OperationError, match=words) as caught:
        read(data, **limits)
    assert caught.value.reason == "ArchiveTooLarge"


def test_a_bomb_is_not_inflated_much_beyond_its_cap():
    source = stream(compress(b"\0" * 50_000_000), inflated_bytes_max=100_000)
    with pytest.raises(OperationError, match="inflates to more than"):
        source.drain()
    assert source._count <= 100_000 + 64 * 1024


def test_a_checksum_is_verified_to_the_end():
    data = bytearray(compress(tar({"a": b"1"})))
    data[-5] ^= 1
    with pytest.raises(OperationError):
        read(bytes(data))


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 512), (512, 512), (513, 1024)])
def test_padding(size, blocks):
    assert padded(size) == blocks


def test_names_are_shown_in_ascii_and_short():
    assert shown("a\x00ü") == r"'a\\0\\xfc'"
    assert len(shown("n" * 500)) < 220
