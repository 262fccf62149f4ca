"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ledger import instant
from ledger.chain import Head
from ledger.events import BY_TAG, OUTCOMES
from ledger.log import Selection

F = TypeVar("F", bound=Callable[..., Any])

LEDGER = click.argument("ledger", type=click.Path(path_type=Path))
FORM = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="text for people, json for machines.",
)


class Instant(click.ParamType[str]):
    """An RFC 3339 instant, as the envelope writes it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            ms = instant.to_ms(value)
            if ms < 0:
                raise ValueError("it is before 1970")
            return instant.to_text(ms)
        except (ValueError, OverflowError) as error:
            self.fail(f"{value!r} is not an instant such as 2030-01-31T12:00:00Z: {error}", param, ctx)


class KnownHead(click.ParamType[Head]):
    """`SEQ:HASH`: a position and the hash that the record there had."""

    name = "seq:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        seq, _, mark = str(value).partition(":")
        hexadecimal = mark.removeprefix("sha256:").lower()
        if not (seq.isascii() and seq.isdigit() and 0 < int(seq[:20]) < 2**53):
            self.fail(f"{value!r} does not start with a position: write it as 1234:sha256:…", param, ctx)
        if len(hexadecimal) != 64 or not set(hexadecimal) <= set("0123456789abcdef"):
            self.fail(f"{value!r} does not end with a sha256 hash of 64 hexadecimal digits", param, ctx)
        return Head(int(seq), "sha256:" + hexadecimal)


class Tag(click.ParamType[tuple[str, ...]]):
    """A permanent tag of an event, or the start of several with a `*`. Gives a tuple of tags."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        start = value.removesuffix("*")
        found = tuple(tag for tag in BY_TAG if (tag.startswith(start) if start != value else tag == value))
        if not found:
            self.fail(f"no event is called {value!r}; there are {', '.join(sorted(BY_TAG))}", param, ctx)
        return found


_FILTERS = (
    click.option("--since", type=Instant(), help="At this time or later, RFC 3339: 2030-01-31T12:00:00Z."),
    click.option("--until", "--before", "before", type=Instant(), help="Earlier than this time."),
    click.option("--stream", default="", metavar="NAME", help="This stream; a * at the end matches any ending."),
    click.option("--stage", default="", metavar="NAME", help="This stage."),
    click.option("--run", default="", metavar="ID", help="This run."),
    click.option("--snapshot", default="", metavar="DIGEST", help="This snapshot."),
    click.option("--outcome", type=click.Choice(sorted(OUTCOMES)), help="This outcome."),
    click.option("--type", "types", type=Tag(), multiple=True, help="This event, or several: 'verify.*'. Repeatable."),
)


def filters(function: F) -> F:
    """Add the options that `selection` reads."""
    for option in reversed(_FILTERS):
        function = option(function)
    return function


def selection(options: dict[str, Any]) -> Selection:
    """The records that the options of `filters` ask for."""
    stream: str = options["stream"]
    prefix = stream.endswith("*")
    return Selection(
        since=options["since"] or "",
        before=options["before"] or "",
        stream="" if prefix else stream,
        stream_prefix=stream[:-1] if prefix else "",
        stage=options["stage"],
        run=options["run"],
        snapshot=options["snapshot"],
        outcome=options["outcome"] or "",
        types=tuple(tag for tags in options["types"] for tag in tags),
    )
