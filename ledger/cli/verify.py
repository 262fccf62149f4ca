"""`stagesetctl audit verify`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click
import msgspec

from ledger.audit import Report, audit
from ledger.chain import Head
from ledger.cli.lazy import EXIT_CODES, EXIT_FOUND
from ledger.cli.params import FORM, LEDGER, KnownHead
from ledger.cli.progress import progress
from ledger.render import outcome, safe
from ledger.sqlite_log import SqliteReader


@click.command(epilog=EXIT_CODES)
@FORM
@click.option(
    "--expect-head",
    type=KnownHead(),
    metavar="SEQ:HASH",
    help="A head noted earlier: proves that nothing was cut off since.",
)
@LEDGER
@click.pass_context
def verify(ctx: click.Context, ledger: Path, form: str, expect_head: Head | None) -> None:
    """Recompute both hash chains, every body and every blob.

    Prints one line: VALID, or the first bad position and its class (ALTERED, MISSING, REORDERED, GAP, TRUNCATED,
    UNREADABLE). Sees the ledger as it is at the start, beside a running controller.

    \b
    Examples:
      stagesetctl audit verify ledger.db
      stagesetctl audit verify -o json ledger.db | jq .verdict
      stagesetctl audit verify --expect-head 1234:sha256:… ledger.db
    """
    with (
        closing(SqliteReader(ledger, snapshot=True)) as reader,
        progress(reader.head().number, label="verifying") as tell,
    ):
        report = audit(reader, expect=expect_head, progress=tell)
    click.echo(_json(report) if form == "json" else _text(report))
    if not report.valid:
        ctx.exit(EXIT_FOUND)


def _json(report: Report) -> bytes:
    return msgspec.json.encode({"valid": report.valid, **msgspec.structs.asdict(report)})


def _text(report: Report) -> str:
    if not report.valid:
        where = f" at position {report.seq}" if report.seq else ""
        return click.style(report.verdict, fg="red") + f"{where}: {safe(report.message)}"
    counts = [_count(report.records, "record"), _count(report.streams, "stream"), _count(report.blobs, "blob")]
    if report.erased:
        counts.append(f"{_count(report.erased, 'body', 'bodies')} erased on order")
    return f"{outcome(report.verdict)}  {', '.join(counts)}, head {report.head}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
