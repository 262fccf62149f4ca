from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ledger.envelope import Actor
from ledger.sqlite_log import SqliteLog
from tests.ledger.command import run
from tests.ledger_demo.story import START


@pytest.mark.parametrize(("words", "seqs"), [((), list(range(81, 91))), (("-n", "2"), [89, 90]), (("-n", "0"), [])])
def test_the_last_events(ledger: Path, words: tuple[str, ...], seqs: list[int]) -> None:
    lines = run("ledger", "tail", "-o", "json", *words, ledger).stdout.splitlines()
    assert [msgspec.json.decode(line)["seq"] for line in lines] == seqs


def test_the_last_of_a_stage(ledger: Path) -> None:
    shown = run("ledger", "tail", "-n", "1", "--stage", "backend", ledger).stdout.splitlines()
    assert shown[-1].startswith("88 ")


def test_what_is_added_is_followed_until_an_interrupt(ledger: Path) -> None:
    words = [sys.executable, "-m", "replay", "ledger", "tail", "-f", "-n", "1", "-o", "json", str(ledger)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert msgspec.json.decode(process.stdout.readline())["seq"] == 90
            # A writer opens and appends beside the follower.
            log = SqliteLog(ledger, replica="r", at=START)
            for expected in (91, 92):
                log.open_epoch(actor=Actor(kind="controller"), at=START, reason="test")
                assert msgspec.json.decode(process.stdout.readline())["seq"] == expected
            log.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read().strip() == b""
        finally:
            process.kill()
