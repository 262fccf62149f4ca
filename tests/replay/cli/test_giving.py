"""What a user gives to a fork, and the sentences of what cannot be taken."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import click
import pytest

from replay.cli import giving
from replay.forking.changes import Given


def test_values_are_yaml() -> None:
    words = ("spec.timeout=30m", "spec.prune=false", "spec.stages[db].patches=[{patch: a=b}]", "spec.empty=")
    assert giving.fields(words) == (
        ("spec.timeout", "30m"),
        ("spec.prune", False),
        ("spec.stages[db].patches", [{"patch": "a=b"}]),
        ("spec.empty", ""),
    )


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("spec.timeout", "'spec.timeout' is not PATH=VALUE, such as spec.timeout=30m"),
        ("=30m", "'=30m' is not PATH=VALUE"),
        ("spec.a=b: c: d", "the value of spec.a, line 1, column "),
        ("spec.a=a: 1\n---\nb: 2\n", "the value of spec.a has 2 documents: give one"),
    ],
)
def test_a_field_that_is_none(word: str, says: str) -> None:
    with pytest.raises(click.BadParameter) as found:
        giving.fields((word,))
    assert says in found.value.message
    assert found.value.param_hint == "--set"


def test_a_patch_is_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("spec: {timeout: 30m}\n")
    (tmp_path / "list.yaml").write_text("- {op: remove, path: /spec}\n")
    assert giving.patches([tmp_path / "good.yaml"]) == ({"spec": {"timeout": "30m"}},)
    with pytest.raises(click.BadParameter, match=r"list\.yaml is no mapping of fields \(a merge patch\)"):
        giving.patches([tmp_path / "list.yaml"])


def test_the_same_folder_is_the_same_archive(tmp_path: Path) -> None:
    """Whatever the order and the times of its files; hidden files and links stay out."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, names in ((first, ("a.yaml", "sub/b.yaml")), (second, ("sub/b.yaml", "a.yaml"))):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        (folder / ".git").mkdir()
        (folder / ".git" / "config").write_text(str(folder))
        (folder / "link.yaml").symlink_to("/etc/passwd")
    packed = giving.archive(first, "--artifact")
    assert packed == giving.archive(second, "--artifact")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as tar:
        assert tar.getnames() == ["a.yaml", "sub/b.yaml"]


def test_a_file_is_taken_as_the_archive_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "two.tar.gz").write_bytes(b"as it is")
    (tmp_path / "own").mkdir()
    found = giving.artifacts(tmp_path / "own", [f"two={tmp_path / 'two.tar.gz'}"])
    assert set(found) == {"", "two"}
    assert found["two"] == b"as it is"


def test_a_folder_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving, "_BYTES_MAX", 20_000)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x" * 8_000)
    with pytest.raises(click.BadParameter, match="has more than 20000 bytes"):
        giving.archive(tmp_path, "--artifact")


@pytest.mark.parametrize("word", ["two", "=folder", "two="])
def test_a_source_names_stage_and_folder(word: str) -> None:
    with pytest.raises(click.BadParameter, match="is not STAGE=DIR"):
        giving.artifacts(None, [word])


def test_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "answer.yaml"
    path.write_text("outcome: failed\ntype: verify.finished\nmessage: refused\n")
    assert giving.answers([f"12={path}"]) == (Given(seq=12, outcome="failed", body={"message": "refused"}),)
    path.write_text("message: yes, it is\n")
    assert giving.answers([f"3={path}"])[0].outcome == "ok"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("outcome: fine", "outcome is fine, not one of failed, indeterminate, ok, "),
        ("[]", "is no mapping with outcome and the answer's fields"),
        ("a: [", "line "),
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "answer.yaml"
    path.write_text(text)
    with pytest.raises(click.BadParameter) as found:
        giving.answers([f"12={path}"])
    assert says in found.value.message
    assert str(path) in found.value.message
