"""`stagesetctl replay diff`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from ledger.cli.params import FORM
from ledger.render import Columns, instant, outcome, safe
from replay.cli.opening import Recording, recording
from replay.cli.words import EXIT_CODES, explained
from replay.comparing import Block, Comparison, Decided, First, Side, compare
from replay.errors import DIVERGED
from replay.payloads import Manifests
from replay.runs import Run, before

_LINES_MAX = 400


@click.command(epilog=EXIT_CODES)
@FORM
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", metavar="[B|RUN]", default="")
@click.pass_context
def diff(ctx: click.Context, a: Path, b: str, form: str) -> None:
    """Compare two runs: inputs, manifests, decisions, timings, outcome.

    Two bundles; or one bundle and the id of another run of its stream, which is compared with the bundle's own; with a
    bundle alone, its run with the run before it. Ends with 0 where they are the same and 1 where they differ, as diff
    does. Timings are shown and never count as a difference.

    \b
    Examples:
      stagesetctl replay diff good.stagereplay failed.stagereplay
      stagesetctl replay diff failed.stagereplay shop/checkout/1a2b3c4d-33
      stagesetctl replay diff -o json failed.stagereplay | jq .first
    """
    with explained():
        one, other = _sides(a, b)
    found = compare(one, other)
    click.echo(msgspec.json.encode(found) if form == "json" else "\n".join(_text(found)))
    if not found.same:
        ctx.exit(DIVERGED)


def _sides(a: Path, b: str) -> tuple[Side, Side]:
    with explained(a):
        found = recording(a)
    run = found.run
    if b and (Path(b).exists() or b.count("/") != 2):
        with explained(b):
            other = recording(Path(b))
        return _sharing(found.side(run), other.side(other.run))
    earlier = found.named(b) if b else _before(found, run)
    return found.side(earlier), found.side(run)


def _before(found: Recording, run: Run) -> Run:
    earlier = before(found.runs, run.id)
    if earlier is None:
        raise click.UsageError(f"{run.id} is the first run of its stream: name another bundle to compare it with")
    return earlier


def _sharing(a: Side, b: Side) -> tuple[Side, Side]:
    """What one of two bundles has, the other one need not have."""
    found = {**a.manifests.found, **b.manifests.found}
    withheld = {**a.manifests.withheld, **b.manifests.withheld}
    shared = Manifests(found, {digest: why for digest, why in withheld.items() if digest not in found})
    return a._replace(manifests=shared), b._replace(manifests=shared)


def _text(found: Comparison) -> Iterator[str]:
    for sign, run in (("A", found.a), ("B", found.b)):
        yield f"{sign}  {safe(run.id)}  {outcome(run.outcome)}  {instant(run.opened_at)}"
        yield from (f"   {safe(run.message)}" for _ in (1,) if run.message)
    yield from _inputs(found)
    yield from _manifests(found)
    yield from _decisions(found)
    yield from _timings(found)
    yield ""
    yield _verdict(found)


def _verdict(found: Comparison) -> str:
    if found.same:
        return f"{click.style('SAME', fg='green')}  the same inputs, manifests, decisions and outcome"
    names = {
        "inputs": found.inputs,
        "manifests": found.manifests,
        "decisions": found.first,
        "outcome": found.outcome,
    }
    return f"{click.style('DIFFERENT', fg='red')}  in {', '.join(name for name, value in names.items() if value)}"


def _inputs(found: Comparison) -> Iterator[str]:
    if found.inputs:
        yield from ("", click.style("INPUTS", bold=True))
    for one in found.inputs:
        yield f"{safe(one.name)}: {safe(one.a) or 'nothing'} → {safe(one.b) or 'nothing'}"


def _manifests(found: Comparison) -> Iterator[str]:
    if found.manifests:
        yield from ("", click.style("MANIFESTS", bold=True))
    for one in found.manifests:
        why = f" ({safe(one.why)})" if one.why else ""
        yield f"stage {safe(one.stage)}: {safe(one.object)} {one.what}{why}"
        yield from (_coloured(line) for line in one.diff[:_LINES_MAX])
        if len(one.diff) > _LINES_MAX:
            yield f"  … {len(one.diff) - _LINES_MAX} more lines; -o json has them all"


def _coloured(line: str) -> str:
    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return "  " + (click.style(safe(line), fg=colour) if colour else safe(line))


def _decisions(found: Comparison) -> Iterator[str]:
    yield from ("", click.style("DECISIONS", bold=True))
    if found.first is None:
        yield f"the same {found.a_decisions} on both sides"
        return
    where = f", in {safe(found.first.field)}" if found.first.field else ""
    yield f"{found.a_decisions} in A, {found.b_decisions} in B; the first difference{where}:"
    yield from _pair(found.first)
    if found.parting is not None:
        yield "they go different ways:"
        yield from _pair(found.parting)
    yield from _sequence(found.sequence)


def _pair(first: First) -> Iterator[str]:
    for sign, one in (("A", first.a), ("B", first.b)):
        yield from _decided(sign, one)


def _decided(sign: str, one: Decided | None) -> Iterator[str]:
    if one is None:
        yield f"  {sign}  nothing more"
        return
    at = f", stage {safe(one.stage)}" if one.stage else ""
    yield f"  {sign}  position {one.seq}: {safe(one.type)}{at}{': ' if one.told else ''}{safe(one.told)}"
    yield f"     after {safe(one.after)}"


def _sequence(blocks: tuple[Block, ...]) -> Iterator[str]:
    if not blocks:
        yield "too many to be shown one after the other"
        return
    yield "one after the other:"
    for block in blocks:
        if block.on == "both":
            yield f"     {len(block.decisions)} of the same kind on both sides"
            continue
        colour = "red" if block.on == "a" else "green"
        yield from (click.style(f"  {block.on.upper()}  {safe(one)}", fg=colour) for one in block.decisions)


def _timings(found: Comparison) -> Iterator[str]:
    if not found.timings:
        return
    columns = Columns(("STAGE", "OPERATION", "A", "B", "B - A"))
    rows = [
        (safe(one.stage), safe(one.what), _seconds(one.a_ms), _seconds(one.b_ms), _more(one.a_ms, one.b_ms))
        for one in found.timings
    ]
    yield from ("", click.style("TIMINGS (never count)", bold=True), columns.heading(rows), *columns.lines(rows))


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}s" if ms >= 0 else "-"


def _more(a_ms: int, b_ms: int) -> str:
    return f"{(b_ms - a_ms) / 1000:+.3f}s" if a_ms >= 0 and b_ms >= 0 else ""
