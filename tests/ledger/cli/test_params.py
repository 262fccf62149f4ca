from __future__ import annotations

import click
import pytest

from ledger.chain import Head
from ledger.cli.params import Instant, KnownHead, Tag, selection
from ledger.events import BY_TAG

_NONE = {
    "since": None,
    "before": None,
    "stream": "",
    "stage": "",
    "run": "",
    "snapshot": "",
    "outcome": None,
    "types": (),
}


@pytest.mark.parametrize(
    ("word", "instant"),
    [
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00.000Z"),
        ("2030-01-31T13:00:00+01:00", "2030-01-31T12:00:00.000Z"),
        ("2030-01-31 12:00:00.5Z", "2030-01-31T12:00:00.500Z"),
    ],
)
def test_an_instant_is_written_as_the_envelope_writes_it(word: str, instant: str) -> None:
    assert Instant().convert(word, None, None) == instant


@pytest.mark.parametrize(
    "word", ["yesterday", "2030-01-31T12:00:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00"]
)
def test_what_is_no_instant_is_refused(word: str) -> None:
    with pytest.raises(click.BadParameter, match="is not an instant such as"):
        Instant().convert(word, None, None)


def test_a_head_is_taken_with_or_without_its_algorithm() -> None:
    mark = "ab" * 32
    assert KnownHead().convert(f"7:{mark}", None, None) == Head(7, "sha256:" + mark)
    assert KnownHead().convert(f"7:sha256:{mark.upper()}", None, None) == Head(7, "sha256:" + mark)


def test_a_star_means_every_tag_that_starts_so() -> None:
    assert Tag().convert("run.failed", None, None) == ("run.failed",)
    assert set(Tag().convert("verify.*", None, None)) == {tag for tag in BY_TAG if tag.startswith("verify.")}
    with pytest.raises(click.BadParameter, match=r"no event is called 'run\.lost'"):
        Tag().convert("run.lost", None, None)


def test_a_star_at_the_end_of_a_stream_is_a_prefix() -> None:
    exact = selection({**_NONE, "stream": "a/b"})
    assert (exact.stream, exact.stream_prefix) == ("a/b", "")
    prefix = selection({**_NONE, "stream": "a/*"})
    assert (prefix.stream, prefix.stream_prefix) == ("", "a/")
