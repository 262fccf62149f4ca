from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.replay.ledgers import command


def test_a_corpus_that_is_reproduced_is_0(bundle: Path, tmp_path: Path) -> None:
    done = command("test", "-j", "2", "--junit", tmp_path / "j.xml", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "failed.stagereplay" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 bundle: 1 reproduced"
    assert done.stderr == ""
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "0")


def test_the_worst_of_all_is_the_exit_code(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.stagereplay").write_bytes(bundle.read_bytes()[:-1])
    done = command("test", tmp_path)
    assert done.exit_code == 3
    assert done.stdout.splitlines()[-1] == "2 bundles: 1 reproduced, 1 unreadable"


def test_a_folder_without_bundles_does_not_pass(tmp_path: Path) -> None:
    done = command("test", tmp_path)
    assert done.exit_code == 2
    assert "has no bundle" in done.stderr
    assert command("test", tmp_path / "none").exit_code == 2


def test_a_terminal_sees_how_far_it_is(bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from replay.cli import corpus

    class Terminal:
        def isatty(self) -> bool:
            return True

    said: list[str] = []
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(corpus.click, "echo", lambda text, **_: said.append(text))
    assert list(corpus._shown(iter([corpus.Result(tmp_path / "x", 0, None, "", 0.0)]), 7))
    assert said[0].endswith("1/7  x")
