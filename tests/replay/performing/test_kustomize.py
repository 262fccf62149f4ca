from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from reconciler.adapters.kustomize import BuildLimits
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import OperationError
from replay.performing import kustomize
from replay.performing.kustomize import Runner, Workshop
from replay.performing.recorded import NotRecorded

TREE = BuildTree(files={"a/kustomization.yaml": b"resources: [none.yaml]\n"}, directory="a", digest="sha256:1")


@pytest.fixture
def nothing() -> Iterator[int]:
    number = os.open(os.devnull, os.O_RDONLY)
    yield number
    os.close(number)


def said(script: str, folder: Path, nothing: int) -> str:
    """What comes of a program in the place of kustomize."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    work = folder / "work"
    work.mkdir()
    shop = Workshop((str(program), "build"), "kustomize/v0", str(work), nullcontext, nothing)
    return asyncio.run(Runner(shop).run(TREE))


def test_it_gets_the_tree_and_no_environment(tmp_path: Path, nothing: int) -> None:
    text = said('/usr/bin/env; echo "$1 $2"; /bin/cat "$2/kustomization.yaml"; /bin/cat', tmp_path, nothing)
    assert "resources: [none.yaml]" in text
    assert f"build {tmp_path}/work/" in text
    assert "PYTEST" not in text


def test_its_words_are_those_of_the_controllers_builds(tmp_path: Path, nothing: int) -> None:
    with pytest.raises(OperationError) as failed:
        said('echo "Error: $2/none.yaml is not there" >&2; exit 1', tmp_path, nothing)
    assert failed.value.message == 'kustomize cannot build path "a": a/none.yaml is not there'


def test_too_much_is_not_taken(tmp_path: Path, nothing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kustomize, "BuildLimits", lambda: BuildLimits(output_bytes_max=10, error_bytes_max=5))
    with pytest.raises(OperationError, match="rendered more than 10"):
        said("echo 01234567890", tmp_path, nothing)


def test_without_a_program_nothing_is_made_up(tmp_path: Path, nothing: int) -> None:
    with pytest.raises(NotRecorded, match="there is no kustomize here"):
        asyncio.run(Runner(None).run(TREE))
    shop = Workshop(("/none",), "kustomize/v0", str(tmp_path), nullcontext, nothing)
    with pytest.raises(NotRecorded, match="/none cannot be run"):
        asyncio.run(Runner(shop).run(TREE))
