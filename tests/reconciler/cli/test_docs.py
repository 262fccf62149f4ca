"""The command lines of the pages for operators are command lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from replay.__main__ import root

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("how-to/actions.md", "runbooks/ledgerbehind.md")
LINES = [
    line
    for page in PAGES
    for line in re.findall(r"^ *\$ .*?(stagesetctl .*)$", (DOCS / page).read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_that_is_shown_is_understood(line: str) -> None:
    _, *words = shlex.split(line)
    command: click.Command = root
    context = click.Context(root, info_name="stagesetctl", **root.context_settings)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command = found
    command.make_context(command.name, words, parent=context)


def test_every_command_for_operators_is_shown() -> None:
    shown = {shlex.split(line)[1] for line in LINES}
    assert {"resolve", "reconcile", "baseline", "reset-ledger", "ledger"} == shown


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        there = ((DOCS / page).parent / path if path else DOCS / page).resolve()
        assert there.is_file(), target
        headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
        assert not anchor or anchor in {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
