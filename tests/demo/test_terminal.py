from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.demo.programs import Program
from tests.demo.terminal import DemoFailed, Terminal


def program(folder: Path, code: str) -> Program:
    """A little Python program with a log."""
    return Program("little", command=[sys.executable, "-c", code], directory=folder)


def test_a_wait_that_is_over_due_says_how_things_stand_and_shows_the_logs(tmp_path: Path) -> None:
    needed = program(tmp_path, "print('nothing happens', flush=True); import signal; signal.pause()")
    try:
        with pytest.raises(DemoFailed) as failure:
            Terminal().wait(
                "all is well", lambda: needed.said("(well)"), deadline_s=0.5, needs=[needed], now=lambda: "not yet"
            )
    finally:
        needed.end()
    message = str(failure.value)
    assert message.startswith("all is well: not so after 0 s\njust now: not yet\nthe end of ")
    assert message.endswith("little.log:\n    nothing happens")


def test_a_wait_ends_when_a_program_that_it_needs_does(tmp_path: Path) -> None:
    needed = program(tmp_path, "raise SystemExit('no room')")
    with pytest.raises(DemoFailed, match=r"(?s)all is well: little ended with 1.*no room"):
        Terminal().wait("all is well", lambda: None, deadline_s=60, needs=[needed])


def test_what_is_said_elsewhere_than_on_a_terminal_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.title("An act")
    terminal.good("so it is")
    assert terminal.wait("it comes", lambda: 7, deadline_s=1, needs=[]) == 7
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\r" not in said
    assert said.startswith("\n── An act ──")
    assert "✓ so it is\n· it comes (0.0 s)\n" in said
