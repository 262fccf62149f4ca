"""Which kustomize is found, and how it is told apart."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from reconciler.adapters.kustomize import find_tool
from reconciler.errors import OperationError


def program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o700)


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that the interpreter seems to be in."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return tmp_path / "venv"


def test_the_installed_one() -> None:
    tool = asyncio.run(find_tool(""))
    assert tool.argv[1:] == ("kustomize", "--load-restrictor", "LoadRestrictionsNone")
    assert tool.identity.startswith("kustomize/v5.")


def test_binary_first(tmp_path: Path, interpreter: Path) -> None:
    program(tmp_path / "bin" / "kustomize", "v5.9.1")
    program(interpreter / "kubectl", '{"kustomizeVersion": "v5.8.1"}')
    tool = asyncio.run(find_tool(str(tmp_path / "bin")))
    assert tool == (
        (str(tmp_path / "bin" / "kustomize"), "build", "--load-restrictor", "LoadRestrictionsNone"),
        "kustomize/v5.9.1",
    )


def test_kubectl_beside_the_interpreter_then_on_the_path(tmp_path: Path, interpreter: Path) -> None:
    program(tmp_path / "bin" / "kubectl", '{"kustomizeVersion": "v5.7.0"}')
    assert asyncio.run(find_tool(str(tmp_path / "bin"))).identity == "kustomize/v5.7.0"
    program(interpreter / "kubectl", '{"kustomizeVersion": "v5.8.1"}')
    assert asyncio.run(find_tool(str(tmp_path / "bin"))).argv[0] == str(interpreter / "kubectl")


@pytest.mark.parametrize("says", ["", "{}", "no json", '{"kustomizeVersion": null}', '{"kustomizeVersion": "devel"}'])
def test_without_a_version(tmp_path: Path, interpreter: Path, says: str) -> None:
    program(interpreter / "kubectl", says)
    with pytest.raises(OperationError, match="kustomize") as caught:
        asyncio.run(find_tool(str(tmp_path)))
    assert caught.value.reason == "KustomizeMissing"


@pytest.mark.usefixtures("interpreter")
def test_missing(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="neither kustomize nor kubectl is installed"):
        asyncio.run(find_tool(str(tmp_path)))
