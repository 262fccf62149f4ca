"""`stagesetctl ledger tail`."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.lazy import EXIT_CODES
from ledger.cli.listing import Listing
from ledger.cli.params import FORM, LEDGER, filters, selection
from ledger.log import Selection
from ledger.sqlite_browser import Browser

#: How long a follower sleeps between two looks, in seconds.
LOOK_EVERY_S = 0.2


@click.command(epilog=EXIT_CODES)
@FORM
@click.option("-n", "--lines", type=click.IntRange(min=0), default=10, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until ctrl-C.")
@filters
@LEDGER
def tail(ledger: Path, form: str, lines: int, follow: bool, **options: Any) -> None:
    """Show the last events, and new ones as they come.

    \b
    Examples:
      stagesetctl ledger tail ledger.db
      stagesetctl ledger tail -f --stream 'team-a/*' ledger.db
      stagesetctl ledger tail -n 1 -o json ledger.db | jq .header.type
    """
    chosen = selection(options)
    listing = Listing(form, chosen=chosen)
    with closing(Browser(ledger)) as browser:
        seen = browser.head().number
        if lines:
            listing.show(browser.last(lines, _between(chosen, until=seen)))
        if follow:
            try:
                _follow(browser, listing, chosen, seen=seen)
            except KeyboardInterrupt:
                click.echo(err=True)


def _follow(browser: Browser, listing: Listing, chosen: Selection, *, seen: int) -> None:
    for _ in browser.changes(lambda: time.sleep(LOOK_EVERY_S)):
        end = browser.head().number
        if end > seen:
            listing.show(browser.read(_between(chosen, after=seen, until=end)))
            seen = end


def _between(chosen: Selection, *, after: int = 0, until: int = 0) -> Selection:
    return msgspec.structs.replace(chosen, after=after, until=until)
