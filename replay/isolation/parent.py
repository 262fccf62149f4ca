"""The parent: starts a child for a bundle, with nothing but the open file, and takes its answer.

Not the guards: those are the child's. A child that does not answer has broken its isolation or was ended from outside.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.errors import Escaped, Unreadable
from replay.isolation.child import Answer

#: What a child runs, with the folder of the packages and its options behind it.
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from replay.isolation.child import main; main(int(sys.argv[2]))"
#: A replay that takes longer is ended.
WITHIN_S = 600.0
_ROOT = Path(__file__).parents[2]
_ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati")
_LOCALES = ("C", "C.UTF-8", "tr_TR.UTF-8", "de_DE.UTF-8", "ar_EG.UTF-8")


class Circumstances(NamedTuple):
    """What must not make a difference."""

    hash_seed: int
    zone: str
    locale: str

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": str(self.hash_seed), "TZ": self.zone, "LC_ALL": self.locale, "LANG": self.locale}


def probes(count: int) -> Iterator[Circumstances]:
    """So many different circumstances."""
    for number in range(1, count + 1):
        yield Circumstances(number * 7919, _ZONES[number % len(_ZONES)], _LOCALES[number % len(_LOCALES)])


def ask(path: Path, *, until: int = 0, environment: Mapping[str, str] | None = None) -> Answer:
    """Have a bundle checked in a child. Raises `Unreadable` where it cannot be opened, `Escaped` without an answer."""
    check_file(path)
    try:
        with path.open("rb") as file:
            done = _run(file.fileno(), until, environment or {})
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    except subprocess.TimeoutExpired as error:
        raise Escaped(f"{path}: the replay did not end within {WITHIN_S:g} s and was ended") from error
    return answer_of(path, done)


def check_file(path: Path) -> None:
    """Raise `Unreadable` for what is no plain file: opening a pipe would wait for whoever writes into it."""
    if not path.is_file():
        raise Unreadable(f"{path}: there is no such file" if not path.exists() else f"{path}: it is not a plain file")


def answer_of(path: Path, done: subprocess.CompletedProcess[bytes]) -> Answer:
    """What a child printed. Raises `Escaped` where that is no answer."""
    try:
        return msgspec.json.decode(done.stdout, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Escaped(f"{path}: the replay ended with code {done.returncode} and without an answer: {last}") from error


def _run(file: int, until: int, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    # -P and -s: nothing is imported from the working directory or the user's own packages; -B: no bytecode is written.
    command = [sys.executable, "-P", "-s", "-B", "-c", BOOT, str(_ROOT), str(until)]
    return subprocess.run(  # noqa: S603 (this very interpreter)
        command, stdin=file, capture_output=True, env=dict(environment), cwd="/", timeout=WITHIN_S, check=False
    )
