from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.replay import making, parts
from tests.replay.hostile import hostile
from tests.replay.ledgers import command


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bundle of each run of the ledger in which every operation fails once."""
    folder = tmp_path_factory.mktemp("runs")
    log = making.failures()
    paths = []
    for number, (stream, run) in enumerate(making.runs(log)):
        paths.append(folder / f"{number}.stagereplay")
        paths[-1].write_bytes(making.bundle(log, stream, run))
    return paths


def test_the_same_is_0(runs: list[Path]) -> None:
    done = command("diff", runs[0], runs[0])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "SAME  the same inputs, manifests, decisions and outcome"
    assert "TIMINGS (never count)" in done.stdout


def test_two_bundles_that_differ_are_1(runs: list[Path]) -> None:
    done = command("diff", runs[3], runs[4])
    assert done.exit_code == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "DIFFERENT  in inputs, manifests, decisions, outcome"
    for part in (
        "pin two: ",
        "stage two: Deployment shop/web changed",
        "  -      fixed: f2",
        "they go different ways:",
    ):
        assert part in done.stdout
    assert "\x1b" not in done.stdout
    told = msgspec.json.decode(command("diff", "-o", "json", runs[3], runs[4]).stdout)
    assert told["same"] is False
    assert told["manifests"][0]["diff"][0].startswith("@@")
    assert told["parting"]["a"]["type"] == "stage.failed"


def test_runs_of_one_bundle(runs: list[Path]) -> None:
    first = parts.parsed(runs[0].read_bytes()).manifest.run
    last = parts.parsed(runs[4].read_bytes()).manifest.run
    done = command("diff", runs[4], first)
    assert done.exit_code == 1, done.stderr
    assert [line.split("  ")[1] for line in done.stdout.splitlines() if line[:3] in ("A  ", "B  ")] == [first, last]
    before = command("diff", runs[4])
    assert before.exit_code == 1
    assert f"A  {parts.parsed(runs[3].read_bytes()).manifest.run}  failed" in before.stdout
    assert "its text is not shown: it is not in the bundle" in before.stdout


def test_wrong_usage_is_2(runs: list[Path]) -> None:
    unknown = command("diff", runs[0], "a/b/c-1")
    assert unknown.exit_code == 2
    assert "no run of the bundle is called a/b/c-1; its last ones are shop/rel/" in unknown.stderr
    assert "is the first run of its stream" in command("diff", runs[0]).stderr
    assert command("diff").exit_code == 2


def test_what_cannot_be_read_is_3(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(runs[0].read_bytes()[:-1])
    for words in ((tmp_path / "cut", runs[0]), (runs[0], tmp_path / "cut"), (runs[0], tmp_path / "none")):
        done = command("diff", *words)
        assert done.exit_code == 3, done.output
        assert len(done.stderr.splitlines()) == 1


def test_a_hostile_bundle_writes_nothing_to_the_terminal(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "hostile").write_bytes(hostile(runs[4].read_bytes()))
    for words in ((runs[3], tmp_path / "hostile"), (tmp_path / "hostile",)):
        done = command("diff", *words)
        assert done.exit_code == 1, done.stderr
        assert all(c.isprintable() or c == "\n" for c in done.stdout)
    assert "\x1b" not in command("diff", "-o", "json", tmp_path / "hostile").stdout
