"""What the replay's commands share: exit codes in their help, errors as one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from ledger.cli.lazy import Failure
from replay.errors import ReplayError

EXIT_CODES = """\b
Exit codes:
  0  reproduced, or done
  1  diverged, or different; or nothing was exported, because it would have
     carried a secret
  2  wrong usage
  3  a file cannot be read or written, or is not what was written
  4  incomplete: what is needed was erased or left out
  5  recorded by code that this version cannot follow
  6  the isolation was broken
"""


FILE = click.argument("file", type=click.Path(path_type=Path))


@contextmanager
def explained(about: Path | str = "") -> Iterator[None]:
    """Turn a `ReplayError` into its sentence and its exit code."""
    try:
        yield
    except ReplayError as error:
        end(error.message, code=error.exit_code, about=about)


def end(message: str, *, code: int, about: Path | str = "") -> NoReturn:
    """Print a sentence about a file on standard error, and end with an exit code."""
    Failure(f"{about}: {message}" if about and not message.startswith(str(about)) else message).show()
    raise click.exceptions.Exit(code)
