"""The child: puts its guards up, checks the bundle on its standard input, and answers on its standard output.

Everything it needs is imported before the guards are up. It gets no path, no environment and no other input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from replay import checking
from replay.bundle.compression import zstd
from replay.bundle.environment import code_digest
from replay.errors import Escaped, ReplayError
from replay.forking.result import Forked
from replay.isolation.guards import Guards
from replay.recompute.result import Recomputed
from replay.replayer import Verdict

Check = Callable[[BinaryIO, int], Verdict]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A `ReplayError` on its way out."""

    kind: str
    message: str
    seq: int
    exit_code: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: a verdict or a problem, and which guards were on."""

    guards: dict[str, bool]
    verdict: Verdict | None = None
    problem: Problem | None = None
    #: where answers were computed again
    recomputed: Recomputed | None = None
    #: where something was asked to be different
    forked: Forked | None = None


def main(until: int, *, namespace: bool = True, check: Check | None = None) -> None:
    """Check the bundle on standard input and print an `Answer` as JSON."""
    # Both read files: the library's, and the sources.
    zstd()
    code_digest()
    guards = Guards()
    guards.install(namespace=namespace)
    answer = _answer(guards, check or _check, until)
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    sys.stdout.buffer.flush()


def _check(file: BinaryIO, until: int) -> Verdict:
    return checking.check(file, until=until)


def _answer(guards: Guards, check: Check, until: int) -> Answer:
    verdict, problem = None, None
    try:
        verdict = check(sys.stdin.buffer, until)
    except ReplayError as error:
        problem = problem_of(error)
    except Exception as error:
        if not guards.breaches:
            raise
        problem = problem_of(Escaped(str(error)))
    if guards.breaches:
        verdict, problem = None, problem_of(Escaped(f"the replay reached out of its isolation: {guards.breaches[0]}"))
    return Answer(guards=guards.on, verdict=verdict, problem=problem)


def problem_of(error: ReplayError) -> Problem:
    """A `ReplayError` as a value."""
    return Problem(kind=type(error).__name__, message=error.message, seq=error.seq, exit_code=error.exit_code)
