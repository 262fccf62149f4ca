"""Where a redirect may lead, and what goes with it."""

from __future__ import annotations

import pytest
from yarl import URL

from reconciler.adapters.requests.call import Hop, next_hop, place
from reconciler.compute.urlguard import Refusal


def hop(url: str) -> Hop:
    return Hop("POST", URL(url), (("X-A", "1"), ("content-type", "text/x")), b"body")


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("https://a.test/x", "https://a.test/y"),
        ("http://a.test/x", "http://a.test:80/y"),
        ("http://a.test/x", "https://a.test/y"),
        ("http://a.test:8080/x", "http://A.test:8080/y"),
    ],
)
def test_secrets_may_go_on(here: str, there: str) -> None:
    assert next_hop(hop(here), 307, url=URL(there), confined=True).body == b"body"


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ("https://a.test/", "https://b.test/", "a.test redirects to the other host b.test"),
        ("https://a.test/", "https://x.a.test/", "the other host x.a.test"),
        ("https://a.test/", "https://a.test:8443/", "the other host a.test:8443"),
        ("http://a.test:8080/", "https://a.test/", "the other host a.test"),
        ("http://a.test/", "https://a.test:8443/", "the other host a.test:8443"),
        ("https://a.test/", "http://a.test/", "from https to http"),
        ("https://a.test/", "http://b.test/", "from https to http"),
    ],
)
@pytest.mark.parametrize("status", [302, 307])
def test_secrets_may_not(here: str, there: str, words: str, status: int) -> None:
    with pytest.raises(Refusal, match=words):
        next_hop(hop(here), status, url=URL(there), confined=True)
    assert next_hop(hop(here), 307, url=URL(there), confined=False).body == b"body"


def test_userinfo_of_a_redirect_is_nobodys() -> None:
    following = next_hop(hop("http://a.test/"), 307, url=URL("http://u:p@a.test/"), confined=True)
    assert (str(following.url), following.number) == ("http://a.test/", 1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://a.test/x", "a.test"),
        ("http://a.test:80/x", "a.test"),
        ("https://a.test:80/x", "a.test:80"),
        ("http://[::1]:8080/", "[::1]:8080"),
    ],
)
def test_place(url: str, words: str) -> None:
    assert place(URL(url)) == words
