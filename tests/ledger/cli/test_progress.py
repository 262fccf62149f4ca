from __future__ import annotations

import io

import pytest

from ledger.cli.progress import LONG_RECORDS, progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "records", "shown"),
    [(_Terminal(), LONG_RECORDS, True), (_Terminal(), LONG_RECORDS - 1, False), (io.StringIO(), LONG_RECORDS, False)],
)
def test_a_bar_is_shown_on_terminals_and_for_long_work(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, records: int, shown: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    with progress(records, label="verifying") as tell:
        tell(records // 2)
        tell(records * 2)
    assert ("verifying" in stream.getvalue()) is shown
    assert ("100%" in stream.getvalue()) is shown
