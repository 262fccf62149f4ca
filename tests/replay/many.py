"""Many bundles in one isolated child: every guard is up before the first byte is read, as for one.

For tests that replay hundreds of runs: starting a child costs a hundred times as much as a replay.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ledger.log import Reader, Selection
from ledger.upcast import decode
from replay.bundle.export import Wanted, export
from replay.errors import ReplayError
from replay.replayer import Verdict

_ROOT = Path(__file__).parents[2]
_LENGTH = struct.Struct(">Q")
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from tests.replay.many import child; child()"
WITHIN_S = 300.0


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a child found."""

    guards: dict[str, bool]
    breaches: list[str]
    #: a verdict for each bundle, or the sentence why there is none
    verdicts: list[Verdict | str]


def every_run(reader: Reader) -> Iterable[tuple[str, bytes]]:
    """The bundle of each run that was opened, by its id; one that is under way as far as it has come."""
    for stored in list(reader.read(Selection(types=("run.opened",)))):
        header = decode(stored).header
        yield header.run, b"".join(export(reader, Wanted(header.stream, header.run)))


def replayed(bundles: Iterable[bytes]) -> Answers:
    """Replay bundles in one child. AssertionError where it gave no answer."""
    data = b"".join(_LENGTH.pack(len(one)) + one for one in bundles)
    command = [sys.executable, "-P", "-s", "-B", "-c", _BOOT, str(_ROOT)]
    done = subprocess.run(command, input=data, capture_output=True, env={}, cwd="/", timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return msgspec.json.decode(done.stdout, type=Answers)


def child() -> None:
    """Put the guards up, check each bundle on standard input, answer on standard output."""
    import io

    from replay import checking
    from replay.bundle.compression import zstd
    from replay.bundle.environment import code_digest
    from replay.isolation.guards import Guards

    zstd()
    code_digest()
    guards = Guards()
    guards.install()
    verdicts: list[Any] = []
    while size := sys.stdin.buffer.read(_LENGTH.size):
        data = sys.stdin.buffer.read(_LENGTH.unpack(size)[0])
        try:
            verdicts.append(checking.check(io.BytesIO(data)))
        except ReplayError as error:
            verdicts.append(error.message)
    sys.stdout.buffer.write(msgspec.json.encode(Answers(guards=guards.on, breaches=guards.breaches, verdicts=verdicts)))


def reproduced(name: str, runs: Iterable[tuple[str, bytes]]) -> tuple[int, int, int]:
    """Replay runs in a child: how many runs, facts and decisions that were. AssertionError where one differs."""
    listed = list(runs)
    answers = replayed(data for _, data in listed)
    assert not answers.breaches, f"{name}: {answers.breaches}"
    assert len(answers.verdicts) == len(listed)
    facts = decisions = 0
    for (run, _), verdict in zip(listed, answers.verdicts, strict=True):
        assert isinstance(verdict, Verdict), f"{name}: {run}: {verdict}"
        assert verdict.verdict == "REPRODUCED", f"{name}: {run}: {verdict.divergence}"
        facts, decisions = facts + verdict.facts, decisions + verdict.decisions
    return len(listed), facts, decisions
