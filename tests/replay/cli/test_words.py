from __future__ import annotations

import click
import pytest

from replay.cli.words import explained
from replay.errors import Escaped, Incompatible, Incomplete, Invalid, ReplayError, Unreadable, Withheld


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unreadable("x"), 3),
        (Invalid("x", seq=1), 3),
        (Incomplete("x"), 4),
        (Incompatible("x"), 5),
        (Escaped("x"), 6),
        (Withheld("x"), 1),
    ],
)
def test_every_error_has_its_code_and_is_one_line(
    error: ReplayError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as found, explained("file"):
        raise error
    assert found.value.exit_code == code
    assert capsys.readouterr().err == f"Error: file: {error.message}\n"
