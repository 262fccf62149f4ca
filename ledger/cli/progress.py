"""A progress bar on standard error, where a terminal listens and the work is long. Silent everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

#: Records below which work is over before a bar could be read.
LONG_RECORDS = 20_000


@contextmanager
def progress(records: int, *, label: str) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told the position reached, out of `records`."""
    if records < LONG_RECORDS or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=records, label=label, file=sys.stderr) as bar:

        def tell(position: int) -> None:
            bar.update(max(0, min(position, records) - bar.pos))

        yield tell
        tell(records)
