"""Finding the binaries: where it looks, and what it says when they are not there."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.controlplane import binaries
from tests.controlplane.binaries import TOOLS, ControlPlaneMissingError, Tool


def fill(directory: Path, *, tools: tuple[Tool, ...] = TOOLS) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for tool in tools:
        (directory / tool.name).write_text("#!/bin/sh\n", encoding="ascii")
        (directory / tool.name).chmod(0o755)
    return directory


def fake_go(directory: Path, *, version: str = "go1.26.0") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "go").write_text(f"#!/bin/sh\necho {version}; echo linux; echo amd64\n", encoding="ascii")
    (directory / "go").chmod(0o755)
    return directory


@pytest.fixture(autouse=True)
def empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_the_assets_folder_is_taken_when_it_is_complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fill(tmp_path / "assets")))
    assert binaries.locate() == tmp_path / "assets"


def test_an_incomplete_assets_folder_is_an_error_not_half_a_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fill(tmp_path / "assets", tools=TOOLS[:2])))
    with pytest.raises(
        ControlPlaneMissingError,
        match=r"assets has no kube-controller-manager, kube-scheduler, kwok;.*make controlplane",
    ):
        binaries.locate()


def test_the_cache_is_keyed_by_go_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(fake_go(tmp_path / "bin")))
    first = binaries.cache_directory()
    fake_go(tmp_path / "bin", version="go1.27.0")
    second = binaries.cache_directory()
    assert first is not None
    assert second is not None
    assert first.name.endswith("-go1.26.0-linux-amd64")
    assert second.name.endswith("-go1.27.0-linux-amd64")
    assert first.parent == tmp_path / "cache" / "stageset-controlplane"


def test_an_unfinished_build_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(fake_go(tmp_path / "bin")))
    directory = binaries.cache_directory()
    assert directory is not None
    fill(directory, tools=TOOLS[:4])
    with pytest.raises(ControlPlaneMissingError, match=r"not built: \S+ has no kwok; run `make controlplane`"):
        binaries.locate()
    fill(directory)
    assert binaries.locate() == directory


def test_without_go_a_build_of_the_same_sums_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setenv("PATH", str(fake_go(tmp_path / "bin")))
    built = binaries.cache_directory()
    assert built is not None
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ControlPlaneMissingError, match=r"no Go on the PATH; run `make controlplane`"):
        binaries.locate()
    assert fill(built) == binaries.locate()


def test_kubernetes_and_its_staging_modules_are_of_one_release() -> None:
    versions = binaries.module_versions()
    kubernetes = versions["k8s.io/kubernetes"].removeprefix("v1.")
    replaced = [line.split() for line in (binaries.HERE / "go.mod").read_text().splitlines() if " => " in line]
    assert len(replaced) >= 28
    assert {each[-1] for each in replaced} == {f"v0.{kubernetes}"}
    assert f"gitVersion=v1.{kubernetes}" in binaries.linker_flags()
