from __future__ import annotations

from pathlib import Path

import msgspec

from tests.ledger.command import hostile, run
from tests.ledger_demo.story import NEIGHBOUR, STREAM


def test_streams_and_how_their_last_run_ended(ledger: Path) -> None:
    lines = run("ledger", "ls", ledger).stdout.splitlines()
    assert lines[0].split("  ")[0] == "STREAM"
    assert [line.split()[0] for line in lines[1:]] == ["ledger", STREAM, NEIGHBOUR]
    assert lines[2].split() == [STREAM, "56", "run.retry.scheduled", "2030-01-31", "12:01:00.000", "failed"]
    assert lines[3].endswith("succeeded")


def test_the_same_for_machines(ledger: Path) -> None:
    streams = [msgspec.json.decode(line) for line in run("ledger", "ls", "-o", "json", ledger).stdout.splitlines()]
    assert streams[1] == {
        "stream": STREAM,
        "version": 56,
        "last_seq": 90,
        "last_type": "run.retry.scheduled",
        "last_at": "2030-01-31T12:01:00.000Z",
        "last_run": "checkout-33",
        "last_run_end": "failed",
    }
    assert streams[0]["last_run_end"] == ""


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    assert "\x1b" not in run("ledger", "ls", hostile(tmp_path)).stdout
