"""Writes docs/reference/cli.md from the help of every command, so that the page cannot lie.

python -m tests.replay.cli_reference
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ledger.cli.lazy import LazyGroup
from replay.__main__ import root

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"
_HEAD = """\
# `stagesetctl`

Generated from the command's own help; `make docs` writes it again. `kubectl stageset …` is the same program.

Commands that read a ledger open it read-only, beside a running controller. Times are UTC. Colours and progress bars
appear on terminals only; `NO_COLOR` turns the colours off.

| exit code | meaning |
|---|---|
| 0 | done, nothing wrong found |
| 1 | something wrong was found: an audit that is not `VALID`, a record whose checks fail |
| 2 | wrong usage |
| 3 | a file cannot be read or written: not a ledger, damaged, locked, read-only, from a newer version, disk full |
| 130 | interrupted from the keyboard |
| 141 | the program that read the output went away |

Commands that talk to a cluster (`resolve`, `reconcile`, `baseline`, `reset-ledger`) end with 1 where something was not
done (no such StageSet, stage or action, or not taken up in time), and with 3 where the cluster cannot be reached or
refuses.

`replay` keeps 0, 2 and 3, and has more: 1 diverged (or not exported, because a secret would have left), 4 incomplete
(what is needed was erased or left out), 5 recorded by code that this version cannot follow, 6 the isolation was broken.
"""


def page() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *map(_section, _contexts(_context(root, "stagesetctl")))))


def _contexts(ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    if isinstance(ctx.command, LazyGroup):
        for name in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, name)
            assert command is not None
            yield from _contexts(_context(command, name, parent=ctx))


def _context(command: click.Command, name: str, *, parent: click.Context | None = None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": 100}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _section(ctx: click.Context) -> str:
    # The exit codes stand once, above.
    epilog, ctx.command.epilog = ctx.command.epilog, None
    try:
        return f"## {ctx.command_path}\n\n```text\n{ctx.get_help()}\n```\n"
    finally:
        ctx.command.epilog = epilog


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
