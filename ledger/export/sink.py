"""Where an export goes: standard output, or a file that appears under its name only when it is complete.

A new file is readable by its owner only: exports hold what bodies hold. An existing one is replaced in one step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from ledger.errors import Unavailable


def to_file(path: Path, lines: Iterable[bytes]) -> None:
    """Write all lines, then let the file appear. Raises `Unavailable`, and what `lines` raises."""
    target = Path(os.path.realpath(path))
    with _explained(path):
        if target.exists() and not target.is_file():
            # A pipe or a device has no final name to protect.
            with target.open("wb") as stream:
                stream.writelines(lines)
            return
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False) as part:
            try:
                part.writelines(lines)
                part.flush()
                os.fsync(part.fileno())
                os.replace(part.name, target)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
        _sync_folder(target.parent)


def to_stdout(lines: Iterable[bytes]) -> None:
    """Write all lines to standard output. Raises `BrokenPipeError` when its reader went away."""
    with _explained(Path("standard output")):
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
