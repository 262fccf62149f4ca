"""What a hostile bundle costs: the command ends with 3 within 2 seconds and 256 MiB, whatever is in the file."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from ledger.envelope import Draft, Head, Sealer, Stored, Writer, digest
from ledger.events import RunBlocked
from replay.bundle import format as form
from replay.bundle.compression import zstd
from replay.bundle.export import export
from tests.replay import parts
from tests.replay.bundle.test_export import WANTED, planted

WITHIN_S, WITHIN_KIB = 2.0, 256 * 1024
_MEASURE = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], {**os.environ})
_, status, used = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


def _compressed(chunks: Iterator[bytes]) -> bytes:
    compressor = zstd().ZstdCompressor(level=1)
    return b"".join([*(compressor.compress(chunk) for chunk in chunks), compressor.flush()])


def _tar(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _bomb() -> bytes:
    """A GiB of nothing that says it is the manifest."""
    return _compressed(iter([_tar(form.MANIFEST, 2**30), *[bytes(2**24)] * 64]))


def _bomb_in_the_manifest() -> bytes:
    spaces = form.Limits().manifest_bytes_max
    return _compressed(iter([_tar(form.MANIFEST, spaces), b" " * spaces]))


def _bomb_of_events(good: bytes) -> bytes:
    """A member of the greatest size that is taken, all of it empty lines."""
    size = form.LIMITS.events_bytes_max
    return parts.vouched(parts.changed(good, events=b"\n" * size), records=form.LIMITS.records_max)


def _bomb_of_a_blob(good: bytes) -> bytes:
    contents = dict(list(parts.members(good).items())[:4])
    bomb = bytes(300 * 2**20)
    contents[form.blob_name(digest(bomb))] = bomb
    return parts.vouched(parts.packed(contents.items()))


def _a_million_members(_: bytes) -> bytes:
    block = b"".join(_tar(f"m{number:03}", 0) for number in range(1000))
    return _compressed(block for _ in range(1000))


def _a_million_names(good: bytes) -> bytes:
    """A manifest that names a million members."""
    member = {"digest": "sha256:" + "0" * 64, "name": "blobs/sha256-" + "0" * 64, "size_bytes": 1}
    manifest = msgspec.json.decode(parts.members(good)[form.MANIFEST])
    return parts.changed(good, manifest=msgspec.json.encode({**manifest, "members": [member] * 1_000_000}))


def _a_million_frames(good: bytes) -> bytes:
    return zstd().compress(b"") * 1_000_000 + good  # type: ignore[no-any-return]


def _many_tiny_lines(good: bytes) -> bytes:
    line = b'{"seq":1,"hash":"","header":{},"body":null,"salt":null,"erased":false}\n'
    count = form.LIMITS.records_max
    return parts.vouched(parts.changed(good, events=line * count), records=count)


def _many_real_lines(good: bytes) -> bytes:
    """As many records as are taken, each with a hash that fits: only the last one shows that it is no chain."""
    bundle = parts.parsed(good)
    count = min(form.LIMITS.records_max, form.LIMITS.events_bytes_max // 1200)
    return parts.with_records(good, [bundle.records[number % len(bundle.records)] for number in range(count)])


def _long_chain(good: bytes) -> bytes:
    """As many different records as are taken, in a chain that holds up to its first one, which has another ledger."""
    return parts.with_records(good, _chain(form.LIMITS.records_max, message_bytes=40))


def _large_bodies(good: bytes) -> bytes:
    """As many bytes of records as are taken, none of which compress well."""
    return parts.with_records(good, _chain(40, message_bytes=1_000_000))


def _chain(count: int, *, message_bytes: int) -> list[Stored]:
    rng = Random(1)
    stream = "stageset/shop/rel/6f6ddedf-0000-4000-8000-000000000016"
    writer = Writer(epoch=1, replica="r")
    sealer = Sealer(ledger="another", stream=stream, writer=writer, at="2030-01-01T00:00:00.000Z")
    drafts = [
        Draft(event=RunBlocked(reason="x", message=rng.randbytes(message_bytes // 2).hex(), generation=1))
        for _ in range(count)
    ]
    return sealer.seal(drafts, gprev=Head(), prev=Head(), salts=[rng.randbytes(16) for _ in drafts])[0]


def _deep(good: bytes) -> bytes:
    events = parts.members(good)[form.EVENTS]
    depth = 4_000_000
    deep = events.replace(b'"body":{', b'"body":{"x":' + b"[" * depth + b"]" * depth + b",", 1)
    return parts.vouched(parts.changed(good, events=deep))


def _deep_manifest(good: bytes) -> bytes:
    return parts.changed(good, manifest=b'{"format":1,"x":' + b'{"x":' * 500_000)


def _pax(_: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("manifest.json")
        entry.pax_headers = {"comment": "x" * 10_000_000}
        archive.addfile(entry)
    return zstd().compress(target.getvalue())  # type: ignore[no-any-return]


def _noise(_: bytes) -> bytes:
    return b"\x28\xb5\x2f\xfd" + Random(1).randbytes(50_000_000)


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "bomb": lambda _: _bomb(),
    "bomb in the manifest": lambda _: _bomb_in_the_manifest(),
    "bomb of events": _bomb_of_events,
    "bomb of a blob": _bomb_of_a_blob,
    "a million members": _a_million_members,
    "a million names": _a_million_names,
    "a million frames": _a_million_frames,
    "many tiny lines": _many_tiny_lines,
    "many real lines": _many_real_lines,
    "long chain": _long_chain,
    "large bodies": _large_bodies,
    "deep": _deep,
    "deep manifest": _deep_manifest,
    "pax": _pax,
    "noise": _noise,
}


@pytest.fixture(scope="module")
def good() -> bytes:
    """A bundle that is taken, and small."""
    return b"".join(export(planted(files={"c.yaml": "kind: ConfigMap\n"}), WANTED))


#: What takes long to make.
_LARGE = {"bomb of events", "bomb of a blob", "many real lines", "long chain", "large bodies"}
_CASES = [
    pytest.param(name, command, marks=[pytest.mark.slow] if name in _LARGE or command == "run" else [])
    for name in HOSTILE
    for command in ("inspect", "run")
]


@pytest.mark.parametrize(("name", "command"), _CASES)
def test_it_is_refused_soon_and_in_little_memory(tmp_path: Path, good: bytes, name: str, command: str) -> None:
    path = tmp_path / "hostile.stagereplay"
    path.write_bytes(HOSTILE[name](good))
    # A process begins with the memory of the one that made it: a small one stands between.
    words = [sys.executable, "-m", "replay", "replay", command, str(path)]
    done = subprocess.run([sys.executable, "-c", _MEASURE, *words], capture_output=True, text=True, check=True)
    code, peak_kib, cpu_s = done.stdout.split()
    told = done.stderr
    assert code == "3", told
    assert told.startswith(f"Error: {path}: "), told
    assert len(told.splitlines()) == 1, told
    assert int(peak_kib) < WITHIN_KIB, f"{peak_kib} KiB"
    assert float(cpu_s) < WITHIN_S, f"{cpu_s} s of CPU"
