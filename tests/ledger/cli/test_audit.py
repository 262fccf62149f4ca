from __future__ import annotations

from tests.ledger.command import run


def test_the_group_lists_its_commands() -> None:
    shown = run("audit", "--help").stdout
    assert "verify" in shown
    assert "export" in shown
