"""Archives: what is taken, left out and refused, and that no cap is passed while inflating."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.archive import ArchiveLimits, extract
from reconciler.errors import OperationError

#: The same bytes each time: they name the tests.
compress = partial(gzip.compress, mtime=0)

SMALL = ArchiveLimits(inflated_bytes_max=1 << 20, entry_bytes_max=4096, extracted_bytes_max=8192, entries_max=50)


def tar(*entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return out.getvalue()


def packed(*entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    return compress(tar(*entries, form=form))


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "a"
    return info


def refusal(data: bytes, limits: ArchiveLimits | None = None) -> OperationError:
    with pytest.raises(OperationError) as caught:
        extract(data, limits=limits)
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_files_are_taken_by_cleaned_name(form: int) -> None:
    data = packed(("./a.yaml", b"1"), ("d//e/../b.yaml", b"2" * 600), ("empty", b""), form=form)
    assert extract(data) == {"a.yaml": b"1", "d/b.yaml": b"2" * 600, "empty": b""}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names(form: int) -> None:
    name = "/".join(["directory"] * 30) + "/a.yaml"
    assert extract(packed((name, b"x"), form=form)) == {name: b"x"}


def test_directories_and_dotfiles_are_left_out() -> None:
    directory = special("odd dir", tarfile.DIRTYPE)
    directory.size = 4096  # some writers state the size that the directory has on their disk
    data = packed(
        directory, (".git/odd name", b"x"), ("a/.env", b"x"), special(".link", tarfile.SYMTYPE), ("a/b", b"y")
    )
    assert extract(data) == {"a/b": b"y"}


def test_multi_member_gzip_and_zero_padding() -> None:
    raw = tar(("a", b"x" * 3000), ("b", b"y"))
    data = compress(raw[:700]) + compress(raw[700:]) + b"\0" * 100
    assert extract(data) == {"a": b"x" * 3000, "b": b"y"}


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "named pipe"),
        (tarfile.GNUTYPE_SPARSE, "sparse"),
        (b"Z", "unknown type"),
    ],
)
def test_other_types_are_refused_by_name(kind: bytes, word: str) -> None:
    error = refusal(packed(("a", b""), special("x/evil", kind)))
    assert error.reason == "ArchiveEntryRefused"
    assert "'x/evil'" in error.message
    assert word in error.message


@pytest.mark.parametrize("name", ["/etc/passwd", "a\\b", "../x", "a/../../x", "a b", "ü.yaml", "a:b", "a\nb"])
def test_odd_names_are_refused_by_name(name: str) -> None:
    error = refusal(packed((name, b"x")))
    assert error.reason == "ArchiveEntryRefused"
    assert "entry '" in error.message
    assert "\n" not in error.message


def test_duplicates() -> None:
    error = refusal(packed(("a/b", b"1"), ("./a//b", b"2")))
    assert error.reason == "ArchiveDuplicateEntry"
    assert "a/b" in error.message


def test_file_that_is_a_directory_too() -> None:
    assert "cannot be a directory too" in refusal(packed(("a", b"1"), ("a/b", b"2"))).message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "truncated"),
        (b"no gzip at all", "not a gzip file"),
        (compress(b"no tar" * 200), "tar header is damaged"),
        (packed(("a", b"x" * 2000))[:-20], "truncated"),
        (compress(tar(("a", b"x" * 2000))[:1000]), "middle of an entry"),
        (compress(tar(("a", b"x"))[:100]), "middle of a header"),
        (packed(("a", b"x")) + b"garbage", "not a gzip file"),
        (packed(("a", b"x"))[:-8] + b"\0" * 8, "damaged"),
    ],
)
def test_damaged(data: bytes, said: str) -> None:
    error = refusal(data)
    assert error.reason == "ArchiveInvalid"
    assert said in error.message


def test_caps_name_entry_and_sizes() -> None:
    error = refusal(packed(("big.yaml", b"x" * 4097)), SMALL)
    assert error.reason == "ArchiveTooLarge"
    assert "big.yaml has 4 KiB" in error.message
    assert "reached at c" in refusal(packed(*[(name, b"x" * 4000) for name in "abc"]), SMALL).message
    assert "50 entries" in refusal(packed(*[(f"f{n}", b"") for n in range(51)]), SMALL).message
    assert extract(packed(("a", b"x" * 4096), ("b", b"x" * 4096)), limits=SMALL)


def test_bombs_never_inflate() -> None:
    bombs = [
        packed((".skipped", b"\0" * (8 << 20))),
        compress(tar(("a", b"x")) + b"\0" * (8 << 20)),
        compress(compress(b"")) * 20_000,
    ]
    tracemalloc.start()
    for bomb in bombs[:2]:
        assert "inflates to more than 1 MiB" in refusal(bomb, SMALL).message
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


def test_many_gzip_members_are_refused() -> None:
    limits = ArchiveLimits(members_max=100)
    assert "100 gzip members" in refusal(compress(b"\1" * 512)[:0] + compress(b"") * 101, limits).message


def test_lying_sizes() -> None:
    header = tarfile.TarInfo("a")
    header.size = 1 << 33
    assert "8192 MiB" in refusal(compress(header.tobuf(tarfile.GNU_FORMAT))).message
    long_name = tarfile.TarInfo("x")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    assert "extended header" in refusal(compress(long_name.tobuf())).message
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, 512
    for record in (b"99 size=5\n", b"x", b"10 size=x\n", b"11 size=-1\n"):
        data = compress(pax.tobuf() + record.ljust(512, b"\n") + tar(("a", b"")))
        assert refusal(data).reason == "ArchiveInvalid"


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=2000))
def test_mutations_end_in_files_or_an_error(noise: bytes, at: int) -> None:
    raw = tar(("a", b"x" * 700), ("b/c", b"y"))
    mutated = raw[:at] + noise + raw[at + len(noise) :]
    reasons = []
    for data in (compress(mutated, 1), zlib.compress(mutated), noise):
        try:
            extract(data, limits=SMALL)
        except OperationError as error:
            reasons.append(error.reason)
    assert all(reason.startswith("Archive") for reason in reasons)
