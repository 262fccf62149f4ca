"""Building: only what is missing, whole or not at all, a sentence when it cannot be done. With a stand-in for Go."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.controlplane.binaries import TOOLS, ControlPlaneMissingError
from tests.controlplane.build import build

#: Answers `go env`; for `go build … -o FILE PACKAGE` writes FILE, then fails if the package is the one in $BROKEN.
GO = """#!/bin/sh
if [ "$1" = env ]; then echo go1.26.0 linux amd64; exit; fi
while [ "$1" != -o ]; do shift; done
echo half > "$2"
if [ "$3" = "$BROKEN" ]; then echo "no such module" >&2; exit 1; fi
chmod +x "$2"
"""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "go").write_text(GO, encoding="ascii")
    (tmp_path / "bin" / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BROKEN", raising=False)
    return tmp_path / "cache"


def test_a_build_makes_every_binary_and_says_so(cache: Path) -> None:
    lines: list[str] = []
    directory = build(say=lines.append)
    assert cache in directory.parents
    assert sorted(path.name for path in directory.iterdir()) == sorted([".lock", *(tool.name for tool in TOOLS)])
    assert [line.split()[:2] for line in lines if line.startswith("building")] == [["building", t.name] for t in TOOLS]


def test_a_second_build_has_nothing_to_do(cache: Path) -> None:
    build(say=lambda _: None)
    lines: list[str] = []
    build(say=lines.append)
    assert lines == []


def test_a_failed_build_leaves_no_half_a_binary_and_the_next_resumes(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", TOOLS[2].package)
    with pytest.raises(ControlPlaneMissingError, match=r"kube-controller-manager: `go build .*GOPROXY"):
        build(say=lambda _: None)
    [directory] = (cache / "stageset-controlplane").iterdir()
    assert sorted(path.name for path in directory.iterdir()) == [".lock", "etcd", "kube-apiserver"]
    monkeypatch.delenv("BROKEN")
    lines: list[str] = []
    build(say=lines.append)
    assert [line.split()[1] for line in lines if line.startswith("building")] == [tool.name for tool in TOOLS[2:]]


def test_without_go_it_says_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        ControlPlaneMissingError, match=r"no `go` on the PATH: install Go 1\.26 or newer, or point KUBEB"
    ):
        build(say=lambda _: None)
