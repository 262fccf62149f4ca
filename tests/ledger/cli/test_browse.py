from __future__ import annotations

from tests.ledger.command import run


def test_the_group_lists_its_commands() -> None:
    shown = run("ledger", "--help").stdout
    assert all(f"\n  {name} " in shown for name in ("ls", "show", "tail"))
