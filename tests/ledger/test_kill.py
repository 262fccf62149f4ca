"""A writer that is killed at any moment loses nothing that it acknowledged, and leaves a whole ledger."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.chain import Chain
from ledger.envelope import digest
from ledger.log import Selection
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT

ROOT = Path(__file__).parents[2]
KILLS = 3_000 if os.environ.get("SOAK") else 210
#: how many of them kill the writer of a new ledger, perhaps before it is one
FRESH = KILLS // 10


def start(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.victim", str(path)], cwd=ROOT, stdout=subprocess.PIPE, bufsize=0
    )


def acknowledged_until_killed(process: subprocess.Popen[bytes], after: int) -> list[tuple[str, int, int, str]]:
    """Kill a writer once it told about `after` bytes of acknowledgements; return all of them."""
    assert process.stdout is not None
    told = b""
    with process, process.stdout as pipe:
        try:
            while len(told) < after and (piece := os.read(pipe.fileno(), max(1, min(100, after - len(told))))):
                told += piece
        finally:
            process.kill()
        while piece := os.read(pipe.fileno(), 65_536):
            told += piece
    assert process.returncode == -9
    # A line without its end was being written when the process died; what it says was acknowledged all the same.
    lines = [line.split() for line in told.decode().split("\n")]
    return [
        (words[0], int(words[1]), int(words[2]), words[3]) for words in lines if len(words) == 4 and len(words[3]) == 71
    ]


class Witness:
    """Follows the ledger from kill to kill and finds every acknowledged record in it."""

    def __init__(self) -> None:
        self.chain = Chain()

    def look(self, path: Path, told: list[tuple[str, int, int, str]]) -> None:
        marks: dict[tuple[str, int], str] = {}
        with closing(SqliteReader(path)) as reader:
            for stored in reader.read(Selection(after=self.chain.head.number)):
                header = self.chain.follow(stored)
                stream = "epoch" if header.type == "ledger.epoch.opened" else header.stream
                version = header.writer.epoch if stream == "epoch" else header.ver
                marks[stream, version] = digest(stored.header)
            assert reader.head() == self.chain.head
        for stream, version, _, mark in told:
            assert marks[stream, version] == mark


@pytest.mark.slow
def test_a_killed_writer_loses_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = random.randrange(2**32)
    request.node.add_report_section("call", "seed", f"seed {seed}")
    chance = random.Random(seed)
    path, witness, total = tmp_path / "l.db", Witness(), 0
    with closing(SqliteLog(path, replica="first", at=AT)):
        pass
    following = start(path)
    for turn in range(KILLS):
        # Most die at work, some while they open the file or wait for it, or after their first word.
        after = chance.choice((0, 1, 100, *[chance.randrange(8_000)] * 7))
        told = acknowledged_until_killed(following, after)
        total += len(told)
        following = start(path)
        witness.look(path, told)
        if turn % 50 == 0:
            with closing(SqliteReader(path, snapshot=True)) as reader:
                assert audit(reader).valid, (seed, turn)
    total += len(acknowledged_until_killed(following, 2_000))
    with closing(SqliteLog(path, replica="last", at=AT)) as log:
        report = audit(log)
    assert report.valid, (seed, report)
    assert report.records >= total > KILLS * 5
    assert report.blobs > KILLS / 10


@pytest.mark.slow
def test_a_writer_is_killed_at_its_first_steps(tmp_path: Path) -> None:
    for turn in range(FRESH):
        path = tmp_path / str(turn) / "l.db"
        path.parent.mkdir()
        process = start(path)
        # Wait until there is something of the ledger, so that creating it is what is interrupted.
        while process.poll() is None and len(list(path.parent.iterdir())) < 1 + turn % 4:
            os.sched_yield()
        told = acknowledged_until_killed(process, 0)
        with closing(SqliteLog(path, replica="next", at=AT)) as log:
            assert audit(log).valid
        if told:
            Witness().look(path, told)
