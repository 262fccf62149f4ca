from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from replay.bundle import format as form
from replay.bundle.format import Derived, Manifest, Member, Sealed, Shortened
from replay.errors import Unreadable

DIGEST = "sha256:" + "a" * 64
FIXED = tuple(Member(name=name, size_bytes=1, digest=DIGEST) for name in form.FIXED)
MANIFEST = Manifest(
    format=form.FORMAT, ledger="l", stream="s", run="r", first_seq=1, last_seq=2, records=2, head=DIGEST, members=FIXED
)
BLOB = Member(name=form.blob_name(DIGEST), size_bytes=5, digest=DIGEST)
DERIVED = Derived(seq=1, digest="sha256:" + "c" * 64, member=DIGEST, files=("a.yaml",))
SHORTENED = Shortened(seq=1, fields=("/evidence/log",))
SEALED = Sealed(recipients=("age1x",), artifacts=(DERIVED.digest,))
SECRETS = Member(name=form.SECRETS, size_bytes=1, digest=DIGEST)


def test_a_manifest_comes_back() -> None:
    whole = replace(MANIFEST, members=(*FIXED, BLOB))
    assert form.read_manifest(form.encode(whole)) == whole
    whole = replace(whole, members=(*FIXED, SECRETS, BLOB), derived=(DERIVED,), shortened=(SHORTENED,), sealed=SEALED)
    assert form.read_manifest(form.encode(whole)) == whole
    assert whole.stand_in(DERIVED.digest) == DERIVED
    assert whole.stand_in(DIGEST) is None


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        (replace(MANIFEST, format=2), "bundle format 2, this version reads format 1"),
        (replace(MANIFEST, members=FIXED[:2]), "each once"),
        (replace(MANIFEST, members=(*FIXED, BLOB, BLOB)), "each once"),
        (replace(MANIFEST, members=(*FIXED, FIXED[0])), "no member of a bundle"),
        (replace(MANIFEST, members=(*FIXED, replace(BLOB, name="../../etc/passwd"))), "no member of a bundle"),
        (replace(MANIFEST, members=(*FIXED, replace(BLOB, digest="sha256:" + "b" * 64))), "not named by its digest"),
        (replace(MANIFEST, members=(*FIXED, replace(BLOB, size_bytes=-1))), "more than is read"),
        (replace(MANIFEST, members=(*FIXED, replace(BLOB, size_bytes=2**50))), "more than is read"),
        (replace(MANIFEST, members=(replace(FIXED[0], size_bytes=2**30), *FIXED[1:])), "more than is read"),
        (replace(MANIFEST, records=0), "records are not 1 to"),
        (replace(MANIFEST, sealed=SEALED), "each once"),
        (replace(MANIFEST, members=(*FIXED, SECRETS)), "no member of a bundle"),
        (replace(MANIFEST, derived=(DERIVED,)), "what stands for an artifact is no member"),
        (replace(MANIFEST, members=(*FIXED, BLOB), derived=(replace(DERIVED, digest=DIGEST),)), "or the artifact is"),
        (replace(MANIFEST, shortened=(SHORTENED, SHORTENED)), "the shortened records are not in order"),
        (replace(MANIFEST, records=2**40), "records are not 1 to"),
    ],
)
def test_what_this_version_would_not_write_is_refused(manifest: Manifest, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        form.read_manifest(form.encode(manifest))


def test_too_many_members_are_refused() -> None:
    blobs = sorted(
        (Member(name=form.blob_name(d), size_bytes=1, digest=d) for d in (f"sha256:{n:064x}" for n in range(20))),
        key=lambda one: one.name,
    )
    manifest = form.encode(replace(MANIFEST, members=(*FIXED, *blobs)))
    with pytest.raises(Unreadable, match="more than 10"):
        form.read_manifest(manifest, limits=form.Limits(members_max=10))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format":1}',
        form.encode(MANIFEST)[:-1],
        form.encode(MANIFEST).replace(b'{"', b'{ "', 1),
        form.encode(MANIFEST).replace(b'"format":1', b'"format":9,"format":1'),
        msgspec.json.encode({**msgspec.to_builtins(MANIFEST), "more": 1}, order="deterministic") + b"\n",
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"manifest\.json"):
        form.read_manifest(data)


def test_an_environment_that_is_none_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"environment\.json"):
        form.read_environment(b'{"version": 5}')
