from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

from replay.bundle.artifacts import looked
from tests.replay.bundle.archives import ENCODED, HIDDEN, SECRET, VALUE, artifact, files

OTHER = "kind: ConfigMap # a comment\ndata: {a: 0644}\n"


@pytest.mark.parametrize("how", HIDDEN)
def test_a_secret_that_is_spelled_out_has_stand_ins_and_nothing_else_is_touched(how: str) -> None:
    found = looked(artifact(**{"app/kustomization.yaml": HIDDEN[how], "app/other.yaml": OTHER}))
    assert found.why == ""
    assert found.files == ("app/kustomization.yaml",)
    assert VALUE in found.values
    assert found.derived is not None
    made = files(found.derived)
    assert made["app/other.yaml"].decode() == OTHER
    text = made["app/kustomization.yaml"].decode()
    assert VALUE not in text
    assert ENCODED not in text
    assert "withheld0001" in text or "d2l0aGhlbGQwMDAx" in text


def test_files_that_a_generator_takes() -> None:
    kustomization = "secretGenerator:\n- name: x\n  files: [keys/id=../keys/id.key]\n  envs: [vars.env]\n"
    held = {
        "app/kustomization.yaml": kustomization,
        "keys/id.key": f"{VALUE}\n{VALUE}",
        "app/vars.env": f"A={VALUE}2\n# B=c\n",
    }
    found = looked(artifact(**held, **{"vars.env": f"A={VALUE[::-1]}"}))
    assert found.generates
    assert found.files == ("keys/id.key", "app/vars.env")
    assert {f"{VALUE}\n{VALUE}", f"{VALUE}2"} <= found.values
    assert found.derived is not None
    made = files(found.derived)
    assert made["app/vars.env"] == b"A=withheld0002\n"
    assert made["keys/id.key"] == b"withheld0001"
    assert made["vars.env"].decode() == f"A={VALUE[::-1]}"


def test_a_patch_of_a_secret_in_a_file_of_its_own() -> None:
    kustomization = "patches:\n- {path: ./patch.yaml, target: {kind: Secret, name: s}}\n"
    patch = json.dumps([{"op": "add", "path": "/data/a", "value": ENCODED}])
    found = looked(artifact(**{"kustomization.yaml": kustomization, "patch.yaml": patch}))
    assert found.files == ("patch.yaml",)
    assert found.derived is not None
    assert files(found.derived)["patch.yaml"] == b'[{"op": "add", "path": "/data/a", "value": "d2l0aGhlbGQwMDAx"}]\n'


def test_other_files_go_as_they_are() -> None:
    held: dict[str, str | bytes] = {
        "config.yaml": "kind: ConfigMap\ndata: {password: no-secret-at-all}\n",
        "role.yaml": "kind: Role\nrules: [{resources: [secrets]}]\n",
        "reference.yaml": "kind: HelmRelease\nspec: {valuesFrom: [{kind: Secret, name: s}]}\n",
        "empty.yaml": "kind: Secret\nmetadata: {name: s}\n",
        "variable.yaml": "kind: Secret\nstringData: {a: '${token}'}\n",
        "kustomization.yaml": "patches: [{target: {kind: ConfigMap}, patch: 'data: {a: some-long-value}'}]\n",
        "logo.png": b"\x89PNG\xff\xfe",
        "README.md": "kubectl create secret",
    }
    found = looked(artifact(**held))
    assert (found.why, found.values, found.derived) == ("", frozenset(), None)
    assert "no-secret-at-all" in found.text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.yaml", "kind: Secret\nx: [", "is no YAML and speaks of a Secret"),
        ("notes.txt", "stringData: {a", "is no YAML and speaks of a Secret"),
        ("a.yaml", SECRET.encode("utf-16"), "is not UTF-8"),
        ("a.yaml", "kind: ConfigMap\ndata:\n  a: |\n    kind: Secret\n    x: [\n", "has a text that is no YAML"),
        ("a.yaml", "secretGenerator: {a: b}", "has a secretGenerator that is no list"),
        ("a.yaml", "patches: [{path: b.yaml, target: {name: x}}]", "is a patch that may be of a Secret, and no YAML"),
        ("b.txt", VALUE, "holds the value of a Secret"),
        ("b.txt", f"x{ENCODED}", "holds the value of a Secret"),
    ],
)
def test_in_doubt_it_is_left_out(name: str, content: str | bytes, says: str) -> None:
    found = looked(artifact(**{"s.yaml": SECRET, name: content, "b.yaml": "["}))
    assert says in found.why
    assert VALUE not in found.why
    assert (found.derived, found.text) == (None, "")
    assert VALUE in found.values


def test_what_is_no_archive_is_left_out() -> None:
    for data in (b"", b"no archive", artifact(a="x" * 10_000)[:-40]):
        assert looked(data).why.startswith("it could not be looked through for secrets")


def test_entries_keep_their_order_names_and_kinds() -> None:
    target, long = io.BytesIO(), "d/" * 60 + "s.yaml"
    with tarfile.open(fileobj=target, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        for name in ("dir", long):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mtime, entry.uname = (
                (tarfile.DIRTYPE if name == "dir" else tarfile.REGTYPE),
                12,
                "somebody",
            )
            entry.size = 0 if name == "dir" else len(SECRET)
            archive.addfile(entry, io.BytesIO(SECRET.encode()))
    found = looked(gzip.compress(target.getvalue()))
    assert found.derived is not None
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(found.derived))) as archive:
        told = [(one.name, one.type, one.linkname, one.mtime, one.uname) for one in archive]
    assert told == [("link", b"2", "/etc/passwd", 0, ""), ("dir", b"5", "", 0, ""), (long, b"0", "", 0, "")]
