"""What the demo says: titles, commands, waiting. Colours and movement on a terminal only; plain lines elsewhere.

Not the demo's steps. Invariant: a wait ends by its deadline, or earlier when a program that it needs has ended.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import click

from tests.controlplane.process import ComponentFailedError
from tests.demo.programs import Program

T = TypeVar("T")
WIDTH_MAX = 100
PAUSE_S = 0.2
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class DemoFailed(Exception):
    """The demo did not go as it should; the message says where, and shows the ends of the logs."""


def is_lively() -> bool:
    """Whether lines may be drawn over: on a terminal that is not a dumb one."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def has_colours() -> bool:
    """Colours on a terminal only, and not with NO_COLOR (no-color.org)."""
    return is_lively() and not os.environ.get("NO_COLOR")


class Terminal:
    """Where the story is told."""

    def __init__(self) -> None:
        self._lively, self._colours = is_lively(), has_colours()
        columns = shutil.get_terminal_size().columns if self._lively else WIDTH_MAX
        self._width = min(columns, WIDTH_MAX)
        self._begun = time.monotonic()
        #: whether the last line is empty
        self._gap = False

    def title(self, text: str) -> None:
        """A new act."""
        line = f"── {text} " + "─" * max(0, self._width - len(text) - 4)
        self.gap()
        self._echo(click.style(line, fg="cyan", bold=True))

    def gap(self) -> None:
        """An empty line, where there is none yet."""
        if not self._gap:
            self._echo("")
            self._gap = True

    def say(self, text: str) -> None:
        """A paragraph."""
        self._echo(textwrap.fill(text, self._width))

    def good(self, text: str) -> None:
        """Something that was to be shown, and is so."""
        self._echo(click.style("✓ ", fg="green", bold=True) + text)

    def command(self, text: str) -> None:
        """A command, as one would type it."""
        self._echo(click.style(f"$ {text}", bold=True))

    def output(self, text: str) -> None:
        """What a command printed."""
        self._echo(text.rstrip("\n"))
        self.gap()

    def wait(
        self,
        what: str,
        ask: Callable[[], T | None],
        *,
        deadline_s: float,
        needs: Iterable[Program],
        now: Callable[[], str] = lambda: "",
    ) -> T:
        """Ask until there is an answer. `now` says how things stand meanwhile. Raises `DemoFailed`."""
        begun = time.monotonic()
        needs = list(needs)
        try:
            while (found := ask()) is None:
                for program in needs:
                    program.check()
                passed_s = time.monotonic() - begun
                if passed_s > deadline_s:
                    raise DemoFailed(_overdue(f"{what}: not so after {deadline_s:.0f} s", now(), needs))
                self._tick(f"{what} … {now()}".rstrip(), passed_s)
                time.sleep(PAUSE_S)
        except ComponentFailedError as error:
            raise DemoFailed(f"{what}: {error}") from None
        finally:
            self._wipe()
        self._echo(click.style(f"· {what} ({time.monotonic() - begun:.1f} s)", dim=True))
        return found

    @property
    def passed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._begun

    def _tick(self, text: str, passed_s: float) -> None:
        if self._lively:
            frame = _SPINNER[int(passed_s / PAUSE_S) % len(_SPINNER)]
            line = f"{frame} {passed_s:4.0f} s  {text}"[: self._width - 1]
            self._echo("\r\x1b[K" + click.style(line, dim=True), end=False)

    def _wipe(self) -> None:
        if self._lively:
            self._echo("\r\x1b[K", end=False)

    def _echo(self, text: str, *, end: bool = True) -> None:
        self._gap = False
        if not self._colours:
            # Movement without colour is still movement: only the styles go.
            kept = text.startswith("\r\x1b[K")
            text = ("\r\x1b[K" if kept else "") + click.unstyle(text.removeprefix("\r\x1b[K"))
        try:
            sys.stdout.write(text + ("\n" if end else ""))
        except UnicodeEncodeError:
            sys.stdout.write(text.encode("ascii", "replace").decode() + ("\n" if end else ""))
        sys.stdout.flush()


def _overdue(what: str, state: str, needs: Iterable[Program]) -> str:
    logs = [f"the end of {program.log}:\n{program.tail()}" for program in needs]
    return "\n".join([what, *([f"just now: {state}"] if state else []), *logs])
