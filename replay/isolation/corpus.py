"""A corpus: every bundle of a folder, each in an isolated child of its own, several at a time.

Not a judge of which differences are welcome: a bundle is reproduced or it is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from replay.bundle.format import SUFFIX
from replay.errors import DIVERGED, REPRODUCED, ReplayError
from replay.isolation.child import Answer
from replay.isolation.parent import ask
from replay.replayer import Verdict


class Result(NamedTuple):
    """What became of one bundle."""

    path: Path
    #: by the table of exit codes
    code: int
    verdict: Verdict | None
    #: why there is no verdict
    problem: str
    #: how long its child took, in seconds
    took_s: float

    @property
    def word(self) -> str:
        """The verdict, or the kind of the problem."""
        if self.verdict is not None:
            return self.verdict.verdict
        names = {3: "UNREADABLE", 4: "INCOMPLETE", 5: "INCOMPATIBLE", 6: "ESCAPED"}
        return names.get(self.code, "FAILED")

    @property
    def told(self) -> str:
        """A sentence for people."""
        if self.verdict is None:
            return self.problem
        found = self.verdict.divergence
        if found is not None:
            return f"{found.kind}: {found.message}"
        return f"{self.verdict.facts} facts, {self.verdict.decisions} decisions"


def bundles(folder: Path) -> list[Path]:
    """Every bundle in a folder and those below it, by name."""
    return sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())


def jobs() -> int:
    """How many children are worth running at a time: as many as this process may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked(paths: Sequence[Path], *, jobs: int, clock: Callable[[], float]) -> Iterator[Result]:
    """The result of each bundle, as they come. `clock` gives seconds."""
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="bundle") as pool:
        # A thread does nothing but wait for its child.
        running = [pool.submit(_checked, path, clock) for path in paths]
        try:
            for done in as_completed(running):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def worst(results: Sequence[Result]) -> int:
    """The exit code of all: the highest."""
    return max((one.code for one in results), default=REPRODUCED)


def _checked(path: Path, clock: Callable[[], float]) -> Result:
    begun_s = clock()
    try:
        answer = ask(path)
    except ReplayError as error:
        return Result(path, error.exit_code, None, error.message, clock() - begun_s)
    return _told(path, answer, clock() - begun_s)


def _told(path: Path, answer: Answer, took_s: float) -> Result:
    if answer.problem is not None:
        return Result(path, answer.problem.exit_code, None, answer.problem.message, took_s)
    verdict = answer.verdict
    assert verdict is not None, "an answer has a verdict or a problem"
    return Result(path, DIVERGED if verdict.divergence is not None else REPRODUCED, verdict, "", took_s)
