"""Click groups that import a command when it is called, and the exit codes that every command keeps.

`--help` of a group imports none of its commands: their one-line helps stand beside their names, and a test compares
them with the commands' own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from ledger.errors import LedgerError

#: Something was found that should not be: an audit that is not VALID, a check that failed.
EXIT_FOUND = 1
#: A file cannot be read or written: absent, damaged, locked, read-only, too new, disk full.
EXIT_UNAVAILABLE = 3
#: Interrupted from the keyboard, and the reader of our output gone: as a shell counts SIGINT and SIGPIPE.
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141

EXIT_CODES = """\b
Exit codes:
  0  done, nothing wrong found
  1  something wrong was found (such as an audit that is not VALID)
  2  wrong usage
  3  a file cannot be read or written: not a ledger, damaged, locked,
     read-only, from a newer version, disk full
"""


class LazyGroup(click.Group):
    """A group whose commands are `name: ("module:attribute", "one-line help")`."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])


class Failure(click.ClickException):
    """One sentence on standard error."""

    exit_code = EXIT_UNAVAILABLE

    def format_message(self) -> str:
        # A path may hold anything; nothing of it may reach the terminal as a command.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in self.message)


class Root(LazyGroup):
    """The outermost group: turns what a command raises into the promised exit codes."""

    def main(self, *args: Any, **settings: Any) -> Any:
        # https://no-color.org: present and not empty.
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            settings.setdefault("color", False)
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character gets its escape, not a traceback.
            with suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        return super().main(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except LedgerError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            ctx.exit(EXIT_PIPE_CLOSED)
        except OSError as error:
            _discard_output()
            raise Failure(f"{error.filename or 'standard output'}: {error.strerror or error}") from error
        return result


def _discard_output() -> None:
    """Keep Python from writing the rest again when it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
