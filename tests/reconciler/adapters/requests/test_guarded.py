"""A URL is read in one way only, and errors have words of their own."""

from __future__ import annotations

import pytest
from yarl import URL

from reconciler.adapters.requests.guarded import cause, checked, joined
from reconciler.compute.urlguard import Guard, Refusal

GUARD = Guard.of((), flag="--f")


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://a.test/x?q=%41%2f+ü#f", "/x?q=%41%2f+%C3%BC"),
        ("https://A.test.:8443/%7Ex/../y", "/%7Ex/../y"),
        ("http://a.test", "/"),
    ],
)
def test_what_is_sent_is_what_was_written(url: str, sent: str) -> None:
    assert checked(GUARD, url).raw_path_qs == sent


@pytest.mark.parametrize(
    "url", ["http://a.test:port/", "http://127.0.0.1/", "http://ä.test/", "http://a.test\\@b.test/"]
)
def test_what_is_refused(url: str) -> None:
    with pytest.raises(Refusal):
        checked(GUARD, url)


def test_joined() -> None:
    base = URL("http://a.test/x/y")
    assert joined(base, "z") == "http://a.test/x/z"
    assert joined(base, "//b.test/") == "http://b.test/"
    assert joined(base, "\udcff").isprintable()
    with pytest.raises(Refusal, match=r"http://a\.test/x/y redirects to something that is not a URL"):
        joined(base, "http://[bad")


def test_cause_of_what_nobody_thought_of() -> None:
    assert cause(ValueError("http://u:secret@a.test/")) == "the server does not speak HTTP as it should"
