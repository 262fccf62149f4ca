"""`stagesetctl ledger show`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger import render
from ledger.cli.lazy import EXIT_CODES, EXIT_FOUND
from ledger.cli.listing import Listing
from ledger.cli.params import FORM, LEDGER, filters, selection
from ledger.envelope import Header
from ledger.export.jsonl import line
from ledger.export.record import Exported
from ledger.inspection import Inspection, inspect
from ledger.log import Selection
from ledger.sqlite_browser import Browser


@click.command(epilog=EXIT_CODES)
@FORM
@filters
@LEDGER
@click.argument("seq", type=click.IntRange(min=1), required=False)
@click.pass_context
def show(ctx: click.Context, /, ledger: Path, form: str, seq: int | None, **options: Any) -> None:
    """Show events, or one record in full.

    With SEQ: header, hashes, body, and whether its neighbours confirm it. With -o json, one object a line, as `audit
    export` writes it; with SEQ it also has checks.

    \b
    Examples:
      stagesetctl ledger show --outcome failed ledger.db
      stagesetctl ledger show --stream 'team-a/*' --type 'stage.*' ledger.db
      stagesetctl ledger show ledger.db 17
    """
    chosen = selection(options)
    if seq is not None and chosen != Selection():
        raise click.UsageError("SEQ shows one record: leave the filters out")
    with closing(Browser(ledger, snapshot=True)) as browser:
        if seq is None:
            Listing(form, chosen=chosen).show(browser.read(chosen))
            return
        found = inspect(browser, seq)
        if found is None:
            raise click.BadParameter(f"the ledger ends at position {browser.head().number}", param_hint="SEQ")
    click.echo(_json(found) if form == "json" else _text(found))
    if not found.ok:
        ctx.exit(EXIT_FOUND)


def _json(found: Inspection) -> bytes:
    record = msgspec.json.decode(line(Exported(found.stored, found.header, found.mark)), type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**record, "checks": [check._asdict() for check in found.checks]})


def _text(found: Inspection) -> str:
    fields = [*_header_lines(found.header), ("hash", found.mark)]
    width = max(len(name) for name, _ in fields)
    parts = [f"{click.style(name.ljust(width), bold=True)}  {render.safe(value)}" for name, value in fields]
    parts.append("")
    for check in found.checks:
        word = click.style("verified", fg="green") if check.ok else click.style("WRONG   ", fg="red", bold=True)
        parts.append(f"{word}  {check.name}: {render.safe(check.what)}")
    if found.stored.body is not None:
        parts += ["", *_pretty(found.stored.body)]
    return "\n".join(parts)


def _header_lines(header: Header) -> list[tuple[str, str]]:
    first = ("seq", "at", "type", "stream", "ver", "run", "snapshot", "stage", "op", "attempt", "outcome")
    known = msgspec.structs.asdict(header)
    known["actor"] = " ".join(filter(None, (header.actor.kind, header.actor.id, header.actor.how)))
    known["writer"] = f"{header.writer.replica}, epoch {header.writer.epoch}"
    known["blobs"] = " ".join(header.blobs)
    names = [*first, *(name for name in known if name not in first)]
    return [(name, str(known[name])) for name in names if known[name]]


def _pretty(body: bytes) -> list[str]:
    try:
        text = msgspec.json.format(body, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Not JSON any more: the check above says so, and it is shown as it is.
        text = body.decode(errors="backslashreplace")
    return [render.safe(part) for part in text.split("\n")]
