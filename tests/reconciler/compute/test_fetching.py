"""Refusals of fetches, made once more from their own evidence."""

from __future__ import annotations

import hashlib

import pytest

from reconciler.compute import fetching
from reconciler.compute.urlguard import Guard, Refusal
from reconciler.errors import OperationError

URL, DIGEST = "http://source.test/a.tar.gz?token=secret", "sha256:" + "1" * 64
GUARD = Guard.of(("10.0.0.1",), flag="--allowed-artifact-hosts")


def refusal(url: str = "http://127.0.0.1/a", *, address: str = "") -> OperationError:
    try:
        target = GUARD.check_url(url)
        from ipaddress import ip_address

        GUARD.check_address(target.host, target.port, ip_address(address))
    except Refusal as refused:
        return fetching.refused(url, refused, guard=GUARD)
    raise AssertionError("it is not refused")


def mismatch() -> OperationError:
    with pytest.raises(OperationError) as refused:
        fetching.check(URL, DIGEST, found=hashlib.sha256(b"x").hexdigest(), size_bytes=1)
    return refused.value


MADE = {
    "mismatch": (URL, mismatch()),
    "literal address": ("http://127.0.0.1/a", refusal()),
    "a name that leads there": ("http://evil.test/a", refusal("http://evil.test/a", address="169.254.169.254")),
    "bad status": (URL, fetching.bad_status(URL, status=404, phrase="Not Found")),
    "redirects": (URL, fetching.redirects(URL, redirects_max=10)),
    "too large": (URL, fetching.oversized(URL, 70_000_000, cap=64_000_000)),
    "too large, unsaid": (URL, fetching.oversized(URL, None, cap=64_000_000)),
    "unreachable": (URL, fetching.unreachable(URL, cause="the name source.test does not resolve")),
    "slow": (URL, fetching.slow(URL, limit_s=300.0)),
}


@pytest.mark.parametrize("name", MADE)
def test_it_is_made_again_word_for_word(name: str) -> None:
    url, error = MADE[name]
    again = fetching.again(url, DIGEST, error.evidence, reason=error.reason)
    assert again is not None
    assert (again.message, again.reason, again.retryable) == (error.message, error.reason, error.retryable)
    assert "secret" not in str(error.evidence)


def test_a_digest_that_is_none_is_refused_again() -> None:
    again = fetching.again(URL, "md5:1", {"url": "http://source.test/a.tar.gz"}, reason="DigestInvalid")
    assert again is not None
    assert "'md5:1' of http://source.test/a.tar.gz is not sha256" in again.message
    # Another refusal came before anybody looked at the digest.
    found = fetching.again(URL, "md5:1", fetching.slow(URL, limit_s=3.0).evidence, reason="Timeout")
    assert found is not None
    assert found.reason == "Timeout"


def test_a_hop_behind_a_redirect_is_named_as_it_was() -> None:
    error = fetching.bad_status("http://elsewhere.test/b", status=500, phrase="")
    again = fetching.again(URL, DIGEST, error.evidence, reason=error.reason)
    assert again is not None
    assert again.message == error.message


def test_what_holds_nothing_is_not_made_up() -> None:
    for reason in ("BadStatus", "Unreachable", "TooLarge", "Timeout", "DigestMismatch", "URLRefused"):
        assert fetching.again(URL, DIGEST, {"url": "http://source.test/a.tar.gz"}, reason=reason) is None


def test_a_host_that_is_allowed_by_now_is_let_through() -> None:
    facts = refusal().evidence
    with pytest.raises(Refusal):
        fetching.judge("http://127.0.0.1/a", facts)
    fetching.judge("http://127.0.0.1/a", {"guard": {**facts["guard"], "allowed": ["127.0.0.1"]}})
    # What a name led to says nothing about another one.
    other = refusal("http://evil.test/a", address="169.254.169.254").evidence
    fetching.judge("http://good.test/a", other)
