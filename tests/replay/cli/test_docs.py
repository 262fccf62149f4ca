"""The commands of docs/how-to/replay.md do what the page says, on a real ledger."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.replay import parts
from tests.replay.ledgers import command

PAGE = (Path(__file__).parents[3] / "docs/how-to/replay.md").read_text()
COMMANDS = re.findall(r"^\$ stagesetctl replay (.*)$", PAGE, re.MULTILINE)


def test_every_command_of_the_page_works(
    original: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ledger.db").write_bytes(original.read_bytes())
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "failed.stagereplay").write_bytes(bundle.read_bytes())
    run = parts.parsed(bundle.read_bytes()).manifest.run
    assert len(COMMANDS) >= 4
    # Forks have recordings of their own: test_docs_computing.
    for words in (one for one in COMMANDS if not one.startswith("fork ")):
        named = words.replace("shop/checkout/1a2b3c4d-33", run).replace("checkout", "rel")
        done = command(*shlex.split(named))
        # Two runs differ, and that is no failure.
        assert done.exit_code == 0 or (words.startswith("diff ") and done.exit_code == 1), (words, done.stderr)


def test_the_command_that_copies_out_of_a_cluster_is_one_that_there_is(original: Path) -> None:
    found = re.search(r"exec deploy/stageset-controller -- stagesetctl replay (.*) > failed\.stagereplay", PAGE)
    assert found is not None
    words = found[1].replace("/var/lib/stageset/ledger.db", str(original)).replace("checkout", "rel")
    done = command(*shlex.split(words))
    assert done.exit_code == 0
    assert parts.parsed(done.stdout_bytes).manifest.stream.startswith("stageset/shop/rel/")


def test_the_members_of_the_page_are_those_of_a_bundle(bundle: Path) -> None:
    section = PAGE[PAGE.index("## What is in the file") :].partition("\n## ")[0]
    table = re.findall(r"^\| `([^`]+)` \| ", section, re.MULTILINE)
    names = [re.sub(r"sha256-.*", "sha256-…", name) for name in parts.members(bundle.read_bytes())]
    assert list(dict.fromkeys(names)) == table
