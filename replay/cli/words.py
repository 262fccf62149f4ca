"""What the replay's commands share: exit codes in their help, errors as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ledger.cli.lazy import Failure
from replay.errors import ReplayError

EXIT_CODES = """\b
Exit codes:
  0  reproduced, or done
  1  diverged; or nothing was exported, because it would have carried a secret
  2  wrong usage
  3  a file cannot be read or written, or is not what was written
  4  incomplete: what is needed was erased or left out
  5  recorded by code that this version cannot follow
  6  the isolation was broken
"""


class Told(Failure):
    """One sentence on standard error, and an exit code of its own."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


FILE = click.argument("file", type=click.Path(path_type=Path))


@contextmanager
def explained(about: Path | str = "") -> Iterator[None]:
    """Turn a `ReplayError` into its sentence and its exit code."""
    try:
        yield
    except ReplayError as error:
        raise failure(error.message, code=error.exit_code, about=about) from error


def failure(message: str, *, code: int, about: Path | str = "") -> Told:
    """A sentence on standard error, about a file, and an exit code."""
    return Told(f"{about}: {message}" if about and not message.startswith(str(about)) else message, code)
