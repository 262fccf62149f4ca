from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs import MemoryBlobs, Packer, _zstd, pack_at_once, unpack
from ledger.errors import BlobDamaged, BlobMissing, BlobTooLarge
from tests.ledger.making import SHA

MIB = 1024 * 1024


def packed(data: bytes) -> tuple[str, bytes, str]:
    packer = Packer(limit_bytes=len(data))
    form = b"".join(packer.pack(data))
    return packer.digest, form, packer.packed(form).packed_digest


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_what_is_at_hand_is_packed_at_once(contents: list[bytes]) -> None:
    for data in contents:
        name = "sha256:" + hashlib.sha256(data).hexdigest()
        packed = pack_at_once(data, digest=name)
        assert (packed.digest, packed.size_bytes) == (name, len(data))
        assert packed.data is not None
        assert packed.packed_digest == "sha256:" + hashlib.sha256(packed.data).hexdigest()
        found = unpack(name, (packed.data,), limit_bytes=len(data), packed_digest=packed.packed_digest)
        assert b"".join(found) == data


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 50))
def test_content_comes_back(chunks: list[bytes], piece_bytes: int) -> None:
    data = b"".join(chunks)
    packer = Packer(limit_bytes=len(data))
    form = b"".join(packer.pack(iter(chunks)))
    assert packer.size_bytes == len(data)
    assert packer.digest == "sha256:" + hashlib.sha256(data).hexdigest()
    mark = "sha256:" + hashlib.sha256(form).hexdigest()
    assert packer.packed(form) == (packer.digest, len(data), mark, form)
    pieces = [form[start : start + piece_bytes] for start in range(0, len(form), piece_bytes)]
    found = unpack(packer.digest, pieces, limit_bytes=len(data), packed_digest=mark)
    assert b"".join(found) == data


def test_zeros_do_not_fill_the_memory() -> None:
    """A kilobyte that would become gigabytes is given up at the limit, in small steps."""
    packer = Packer(limit_bytes=64 * MIB)
    form = b"".join(packer.pack(bytes(MIB) for _ in range(64)))
    assert len(form) < 64 * 1024
    sizes: list[int] = []
    with pytest.raises(BlobTooLarge, match="a blob may have 1048576 bytes at most"):
        sizes.extend(map(len, unpack(packer.digest, (form,), limit_bytes=MIB)))
    assert sum(sizes) <= MIB
    assert max(sizes) <= 64 * 1024


def test_packing_stops_at_the_limit() -> None:
    taken = []

    def chunks() -> object:
        for number in range(100):
            taken.append(number)
            yield b"x" * 10

    with pytest.raises(BlobTooLarge):
        list(Packer(limit_bytes=25).pack(chunks()))  # type: ignore[arg-type]
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("data", [b"", b"short", bytes(range(256)) * 40])
def test_every_bit_counts(data: bytes) -> None:
    name, form, mark = packed(data)
    step = 1 if len(form) < 100 else 7
    for bit in range(0, len(form) * 8, step):
        changed = bytearray(form)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BlobDamaged, match=name):
            list(unpack(name, (bytes(changed),), limit_bytes=MIB, packed_digest=mark))


def test_what_can_be_wrong() -> None:
    name, form, mark = packed(b"content" * 100)
    wrong = {
        "its end is missing": form[:-1],
        "there is something after its end": form + b"x",
        "it cannot be decompressed": b"no zstd at all",
        "its content has another digest": packed(b"other")[1],
    }
    for why, changed in wrong.items():
        for pieces in ((changed,), [bytes([byte]) for byte in changed]):
            with pytest.raises(BlobDamaged, match=why) as caught:
                list(unpack(name, pieces, limit_bytes=MIB, packed_digest=mark))
            assert (caught.value.digest, caught.value.why) == (name, why)
    with pytest.raises(BlobDamaged, match="its end is missing"):
        list(unpack(name, (), limit_bytes=MIB))
    # The same content in another compressed form is not what was stored.
    zstd = _zstd()
    other = zstd.compress(b"content" * 100, level=19)
    assert other != form
    with pytest.raises(BlobDamaged, match="its stored form was altered"):
        list(unpack(name, (other,), limit_bytes=MIB, packed_digest=mark))
    assert b"".join(unpack(name, (other,), limit_bytes=MIB)) == b"content" * 100


def test_memory_blobs() -> None:
    blobs = MemoryBlobs()
    names = [blobs.put(bytes([number]) * number) for number in range(9)]
    assert all(a < b for a, b in pairwise(blobs.digests()))
    assert set(blobs.digests()) == set(names)
    assert [len(blobs.get(name)) for name in names] == list(range(9))
    with pytest.raises(BlobMissing, match=f"^blob {SHA} is missing$"):
        blobs.get(SHA)
