from __future__ import annotations

import click

from replay.cli.group import group
from tests.replay.ledgers import command


def test_the_one_line_helps_are_the_commands_own() -> None:
    ctx = click.Context(group)
    for name, (_, text) in group.lazy.items():
        found = group.get_command(ctx, name)
        assert found is not None
        assert (found.help or "").split("\n")[0].removeprefix("\b").strip() == text


def test_every_help_names_the_exit_codes() -> None:
    for name in group.lazy:
        shown = command(name, "--help").stdout
        assert "6  the isolation was broken" in shown
