from __future__ import annotations

from tests.replay.cli_reference import PAGE, page


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == page(), "docs/reference/cli.md is not what the commands say: run 'make docs'"
