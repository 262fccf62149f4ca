"""The Fetching and Calling ports: artifacts by digest, and the requests of http actions, as values.

No client: implementations that reach the network are in `adapters/artifacts` and `adapters/requests`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from reconciler.errors import OperationError


class Call(NamedTuple):
    """A request as it is to be sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    #: the headers or the body hold secrets
    confined: bool = False
    #: takes secret values out of what the other side says
    scrub: Callable[[str], str] = str
    #: statuses that are the answer even if they are redirects
    final: frozenset[int] = frozenset()


class Reply(NamedTuple):
    """A complete answer."""

    #: host that answered, with the port where it is not the usual one
    host: str
    status: int
    content_type: str
    #: beginning of the body without secret values; empty where it is not plain text
    excerpt: str


class CallError(OperationError):
    """No complete answer. `doubtful`: a request that may have had an effect was sent, or may have been."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        retryable: bool,
        doubtful: bool,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, retryable=retryable, evidence=evidence)
        self.doubtful = doubtful


class Fetching(Protocol):
    """Artifacts."""

    async def fetch(self, url: str, digest: str) -> bytes:
        """The body behind the URL, if it has the digest. Raises `OperationError`."""


class Calling(Protocol):
    """Requests of http actions."""

    async def call(self, call: Call, *, within_s: float) -> Reply:
        """The complete answer at the end of the redirects, within this time. Raises `CallError`."""
