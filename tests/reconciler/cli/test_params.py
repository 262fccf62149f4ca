from __future__ import annotations

import click
import pytest

from reconciler.cli.params import Duration, Refused


def test_a_duration_is_in_seconds() -> None:
    assert Duration().convert("1m30s", None, None) == 90.0
    assert Duration().convert(0.5, None, None) == 0.5
    with pytest.raises(click.BadParameter, match="must be a Go duration"):
        Duration().convert("soon", None, None)


def test_a_refusal_ends_with_1_and_cannot_write_to_the_terminal() -> None:
    refused = Refused("no stage \x1b[31m")
    assert refused.exit_code == 1
    assert refused.format_message() == "no stage \\x1b[31m"
