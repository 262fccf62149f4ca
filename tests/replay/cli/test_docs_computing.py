"""What docs/how-to/replay.md shows of recomputing and forking is what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.replay.forking import forks
from tests.replay.ledgers import command
from tests.replay.rollouts import config

#: Processes, real ones.
pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[3] / "docs/how-to/replay.md").read_text()
BLOCKS = re.findall(r"^\$ stagesetctl replay ((?:fork|run --recompute) .*)\n((?:.+\n)*?)```", PAGE, re.MULTILINE)
#: The recording of each of them, in their order, and how it ends.
STORIES = (("never", 0), ("patch", 4), ("never", 4), ("host", 0))


@pytest.mark.parametrize("number", range(len(STORIES)))
def test_a_command_prints_what_the_page_shows(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, code = STORIES[number]
    words, shown = BLOCKS[number]
    (tmp_path / "failed.stagereplay").write_bytes(forks.data(name))
    stage = {"name": "db", "sourceRef": {"name": "db"}, "patches": forks.FIXED}
    (tmp_path / "fixed.yaml").write_text(yaml.safe_dump({"spec": {"stages": [stage]}}))
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "web.yaml").write_text(yaml.safe_dump(config()))
    done = command(*shlex.split(words))
    assert done.exit_code == code, done.stderr
    printed = done.stdout.splitlines()
    # Which kustomize, and whether the kernel has namespaces, is a matter of the machine.
    for line in (one for one in shown.splitlines() if not one.startswith(("computed again with", "guards on"))):
        assert line in printed, done.stdout


def test_every_one_of_them_is_run() -> None:
    assert len(BLOCKS) == len(STORIES)
