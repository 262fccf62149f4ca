from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
import pytest

from ledger.envelope import decode_header
from ledger.log import Selection
from ledger.sqlite_browser import Browser
from replay.cli.choosing import choose


def test_by_id_and_by_position(original: Path) -> None:
    with closing(Browser(original)) as browser:
        headers = [decode_header(one.header) for one in browser.read(Selection(types=("run.opened",)))]
        for header in headers:
            assert choose(browser, header.run, namespace="x", until=0) == (header.stream, header.run, 0)
            assert choose(browser, header.run, namespace="x", until=header.seq).until == header.seq
        with pytest.raises(click.BadParameter, match="has no record at position"):
            choose(browser, headers[0].run, namespace="x", until=headers[-1].seq)
