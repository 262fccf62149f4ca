from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ledger.cli.lazy import LazyGroup, Root
from ledger.errors import DiskFull, Locked, NewerFormat
from replay.__main__ import root

_COMMANDS: dict[str, click.Command] = {}


def _groups(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str, click.Command]]:
    assert isinstance(group, LazyGroup)
    ctx = click.Context(group)
    for name, (_, text) in group.lazy.items():
        command = group.get_command(ctx, name)
        assert command is not None
        yield (*path, name), text, command
        if isinstance(command, LazyGroup):
            yield from _groups(command, (*path, name))


@pytest.mark.parametrize(("path", "text", "command"), list(_groups(root)), ids=lambda value: str(value)[:40])
def test_the_help_beside_a_name_is_the_commands_own(path: tuple[str, ...], text: str, command: click.Command) -> None:
    assert command.name == path[-1]
    assert command.get_short_help_str(limit=200) == text


def _raising(error: BaseException) -> Result:
    def fail() -> None:
        raise error

    # `lazy` imports by name: the command stands in this module.
    _COMMANDS["fail"] = click.command("fail")(fail)
    sys.modules["lazy_test_commands"] = type(sys)("lazy_test_commands")
    sys.modules["lazy_test_commands"].fail = _COMMANDS["fail"]  # type: ignore[attr-defined]
    try:
        group = Root("tool", lazy={"fail": ("lazy_test_commands:fail", "Fail.")})
        return CliRunner().invoke(group, ["fail"])
    finally:
        del sys.modules["lazy_test_commands"]


@pytest.mark.parametrize(
    "error",
    [
        DiskFull("l.db"),
        Locked("l.db", holder="process 7"),
        NewerFormat("l.db", found=9, supported=1),
        OSError(errno.EIO, "Input/output error", "l.db"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_sentence_and_code_3(error: Exception) -> None:
    result = _raising(error)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Error: l.db: ")
    assert len(result.stderr.splitlines()) == 1


def test_an_interrupt_is_not_a_finding() -> None:
    assert _raising(KeyboardInterrupt()).exit_code == 130


def test_a_bug_is_not_hidden() -> None:
    assert isinstance(_raising(ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_message_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in _raising(DiskFull("\x1b]0;owned\x07")).stderr


def test_wrong_usage_is_code_2() -> None:
    for words in (["nosuch"], ["audit", "verify"], ["audit", "verify", "--nosuch"], ["ledger", "tail", "-n", "x", "l"]):
        assert CliRunner().invoke(root, words).exit_code == 2


def _spawn(*words: str, **settings: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "replay", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings
    )


def test_a_reader_that_goes_away_ends_the_output_quietly(ledger: Path) -> None:
    with _spawn("audit", "export", str(ledger)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a Linux device")
@pytest.mark.parametrize("words", [("audit", "export"), ("audit", "verify"), ("ledger", "show")])
def test_output_that_cannot_be_written_is_code_3(ledger: Path, words: tuple[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "replay", *words, ledger], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert done.stderr.startswith(b"Error: standard output: ")
    assert len(done.stderr.splitlines()) == 1


def test_colours_only_on_terminals_and_never_with_no_color(ledger: Path) -> None:
    def on_terminal(environment: dict[str, str]) -> bytes:
        master, slave = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "replay", "audit", "verify", ledger], stdout=slave, stderr=slave, env=environment
        ) as process:
            process.wait()
            os.close(slave)
            output = os.read(master, 10_000)
            os.close(master)
        return output

    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM"}}
    assert b"\x1b[32mVALID" in on_terminal({**environment, "TERM": "xterm"})
    assert b"\x1b[" not in on_terminal({**environment, "TERM": "xterm", "NO_COLOR": "1"})
    assert b"\x1b[32m" in on_terminal({**environment, "TERM": "xterm", "NO_COLOR": ""})
    assert b"\x1b[" not in on_terminal({**environment, "TERM": "dumb"})
    done = subprocess.run([sys.executable, "-m", "replay", "audit", "verify", ledger], capture_output=True, check=True)
    assert b"\x1b[" not in done.stdout
