"""HTTP: send one request, at most once unless its user says that it may be repeated.

Not a client. Invariant: where a request may have been sent and no complete answer came, the outcome is indeterminate
for every method but GET and HEAD, unless `http.idempotent` is true (DESIGN §6).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple

from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.http_request import KEY_HEADER, call_of
from reconciler.api.types import HttpAction
from reconciler.compute.urlguard import Refusal, display, split_url
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.hands import Answer
from reconciler.ports.requests import Call, CallError, Reply

#: Safe methods (RFC 9110 §9.2.1) of those that an action can have.
SAFE: Final = ("GET", "HEAD")
#: A server between answered for one that may have got the request (RFC 9110 §15.6.3, §15.6.5).
UNKNOWN_BEHIND: Final = (502, 504)
#: Client errors that say "later" (RFC 9110 §15.5.9, RFC 6585 §4).
LATER: Final = (408, 429)


async def perform(acting: Acting) -> Answer:
    """Send the request, or say why it must not be sent again."""
    http = acting.action.http
    assert http is not None, "an http action has http"
    attempt = _Attempt(acting, http, http.method or "POST", _place(http.url))
    if not acting.first and not attempt.repeatable:
        return attempt.unknown(
            f"{attempt.what} may or may not have been sent before the controller stopped; nothing can be looked at "
            f"from here: ask {attempt.host} whether it arrived"
        )
    try:
        return await attempt.performed()
    except (OperationError, ClusterError) as error:
        return acting.failed(error)


class _Attempt(NamedTuple):
    """One firing."""

    acting: Acting
    http: HttpAction
    method: str
    host: str

    @property
    def repeatable(self) -> bool:
        """Whether sending it again does no harm."""
        return self.method in SAFE or self.http.idempotent

    @property
    def what(self) -> str:
        return f"a {self.method} to {self.host}"

    async def performed(self) -> Answer:
        """Read what is to be sent, send it, judge the answer."""
        call = await call_of(self.acting)
        within_s = self._left_s()
        if within_s <= 0:
            message = f"the time for {self.what} was over before it was sent: raise the action's timeout"
            return self._failed(message, "Timeout", retryable=True)
        try:
            reply = await self.acting.tools.caller.call(call, within_s=within_s)
        except CallError as error:
            return self._broken(error)
        return self._judged(reply, call)

    def unknown(self, message: str, **evidence: Any) -> Answer:
        """Held for an operator, who is told what to look for at the other side."""
        hint = "" if self.http.headers_from else f" ({KEY_HEADER} {self.acting.key})"
        return self.acting.unknown(message + hint, evidence=self._evidence(**evidence))

    def _broken(self, error: CallError) -> Answer:
        """No complete answer."""
        if error.doubtful and not self.repeatable:
            redirected = error.reason in ("URLRefused", "TooManyRedirects")
            how = "its answer is a redirect that was not followed" if redirected else "no complete answer came"
            return self.unknown(
                f"{self.what} was sent, and {how}: {error.message}; whether it took effect is not known: ask "
                f"{self.host} whether it arrived",
                cause=error.reason,
            )
        how = "got no complete answer" if error.doubtful else "was not sent"
        return self._failed(f"{self.what} {how}: {error.message}", error.reason, retryable=error.retryable)

    def _judged(self, reply: Reply, call: Call) -> Answer:
        """A complete answer."""
        expected = call.final or range(200, 300)
        answered = _words(reply.status) + ("" if reply.host == self.host else f" by {reply.host}")
        if reply.status in expected:
            return self.acting.done(message=f"{self.what} was answered with {answered}")
        evidence = {"status": reply.status, "contentType": reply.content_type, "excerpt": reply.excerpt}
        wanted = ", ".join(map(str, sorted(call.final))) or "a 2xx status"
        if reply.status in UNKNOWN_BEHIND and not self.repeatable:
            return self.unknown(
                f"{self.what} was answered with {answered}, by a server that may have passed it on; whether it took "
                f"effect is not known: ask {self.host} whether it arrived",
                **evidence,
            )
        message = f"{self.what} was answered with {answered}, and {wanted} was expected: see what {reply.host} says"
        retryable = not 400 <= reply.status < 500 or reply.status in LATER
        return self._failed(message, "BadStatus", retryable=retryable, **evidence)

    def _failed(self, message: str, reason: str, *, retryable: bool, **evidence: Any) -> Answer:
        return self.acting.failed(
            OperationError(message, reason=reason, retryable=retryable, evidence=self._evidence(**evidence))
        )

    def _evidence(self, **more: Any) -> dict[str, Any]:
        known = {"method": self.method, "url": display(self.http.url), **more}
        return {name: value for name, value in known.items() if value not in ("", None)}

    def _left_s(self) -> float:
        """Seconds until the action's deadline; the caller has a limit of its own."""
        deadline_ms = self.acting.deadline_ms
        return (deadline_ms - self.acting.tools.clock.now_ms()) / 1000 if deadline_ms else float("inf")


def _place(url: str) -> str:
    """The host of a URL, with its port where one is written, for messages."""
    try:
        parts = split_url(url)
    except Refusal:
        return display(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    usual = {"http": 80, "https": 443}[parts.scheme]
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def _words(status: int) -> str:
    """The status with its registered phrase; the server's own words are the server's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
