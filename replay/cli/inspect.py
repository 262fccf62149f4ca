"""`stagesetctl replay inspect`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from ledger.cli.params import FORM
from ledger.render import Columns, instant, outcome, safe
from replay.bundle.format import Manifest
from replay.bundle.reading import Bundle
from replay.checking import opened
from replay.cli.words import EXIT_CODES, FILE, explained
from replay.errors import Unreadable
from replay.story import Moment, Story, story

_NAMES = ("SEQ", "AT (UTC)", "AFTER", "STAGE", "WHAT", "TOOK", "OUTCOME", "TOLD")


@click.command(epilog=EXIT_CODES)
@FORM
@FILE
def inspect(file: Path, form: str) -> None:
    """Tell what failed in a bundle and why, and what took how long.

    Proves the bundle first: digests of all parts, and the chain of all records. Also shows the evidence that was kept
    when it failed, and what the bundle does not have.

    \b
    Examples:
      stagesetctl replay inspect failed.stagereplay
      stagesetctl replay inspect -o json failed.stagereplay | jq '.moments[] | select(.took_ms > 1000)'
    """
    with explained(file):
        bundle = _opened(file)
        told = story(bundle.records, run=bundle.manifest.run)
    click.echo(_json(bundle, told) if form == "json" else "\n".join(_text(bundle, told)))


def _opened(path: Path) -> Bundle:
    try:
        if not path.is_file():
            raise Unreadable(f"{path}: there is no such file, or it is not a plain one")
        with path.open("rb") as file:
            return opened(file).bundle
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error


def _json(bundle: Bundle, told: Story) -> bytes:
    manifest = bundle.manifest
    return msgspec.json.encode(
        {
            "valid": True,
            **msgspec.structs.asdict(told),
            "ledger": manifest.ledger,
            "records": manifest.records,
            "head": manifest.head,
            "environment": bundle.environment,
            "omitted": manifest.omitted,
            "derived": manifest.derived,
            "shortened": manifest.shortened,
            "sealed": manifest.sealed,
        }
    )


def _text(bundle: Bundle, told: Story) -> Iterator[str]:
    manifest, environment = bundle.manifest, bundle.environment
    yield f"{click.style(safe(told.run), bold=True)}  {outcome(told.outcome)}"
    yield from _why(told)
    yield f"opened {instant(told.opened_at)} by {safe(told.trigger)}, generation {told.generation}"
    for pin in told.pins:
        name = f"{pin.stage}/{pin.action}" if pin.action else pin.stage
        yield f"stage {safe(name)}: {safe(pin.source)} {safe(pin.revision)}"
    yield ""
    yield from _timeline(told.moments)
    for one in told.evidence:
        yield from ("", click.style(f"EVIDENCE of position {one.seq}, stage {safe(one.stage)}", bold=True))
        yield from (safe(line) for line in msgspec.json.format(msgspec.json.encode(one.evidence)).decode().split("\n"))
    yield ""
    yield f"{outcome('VALID')}  {manifest.records} records of {safe(manifest.stream)}, head {safe(manifest.head)}"
    software = sorted({one.software for one in environment.recorded_by if one.software})
    yield f"recorded by {safe(', '.join(software)) or 'unnamed software'}; exported by {safe(environment.version)}"
    yield from _left_out(manifest)
    if manifest.elsewhere:
        yield f"{manifest.elsewhere} payloads that only other runs of the stream name are not here"


def _left_out(manifest: Manifest) -> Iterator[str]:
    is_whole = not (manifest.omitted or manifest.derived or manifest.shortened)
    yield from (("nothing of the run was left out",) if is_whole else ("", click.style("LEFT OUT", bold=True)))
    for gone in manifest.omitted:
        yield f"position {gone.seq}: {safe(gone.what)} {safe(gone.digest)}: {safe(gone.why)}"
    for one in manifest.derived:
        names = safe(", ".join(one.files))
        yield f"position {one.seq}: artifact {safe(one.digest)}: values of Secrets; stand-ins are in {names}"
    for shorter in manifest.shortened:
        yield f"position {shorter.seq}: {safe(', '.join(shorter.fields))}: the body is not proved without it"
    if manifest.sealed is not None:
        readers = safe(", ".join(manifest.sealed.recipients))
        yield f"{len(manifest.sealed.artifacts)} artifacts are here as they were, encrypted for {readers}"


def _why(told: Story) -> Iterator[str]:
    if told.message:
        yield click.style(safe(told.message), fg="red")
    if told.failed is not None:
        again = f"next try {instant(told.retry_at)}" if told.retry_at else "no next try was planned"
        kind = "may pass by itself" if told.failed.retryable else "fails again on the same input"
        yield f"reason {safe(told.failed.reason)}: {kind}; {again}"


def _timeline(moments: tuple[Moment, ...]) -> list[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    columns = Columns(_NAMES, width=width)
    rows = [
        (
            str(one.seq),
            instant(one.at),
            _seconds(one.after_ms),
            safe(one.stage),
            safe(one.what),
            _seconds(one.took_ms) if one.took_ms >= 0 else "",
            outcome(one.outcome),
            safe(one.told),
        )
        for one in moments
    ]
    return [columns.heading(rows), *columns.lines(rows)]


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}s"
