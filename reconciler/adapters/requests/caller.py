"""Sends one call over guarded connections, follows its redirects, and knows whether anything was sent.

Not a retry loop and not a judge of statuses. Invariant: each request is written to the wire at most once, on a
connection of its own, and each hop is judged before it is connected to.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp

from reconciler.adapters.requests import guarded
from reconciler.adapters.requests.call import CallLimits, Hop, changes_method, next_hop
from reconciler.adapters.requests.resolving import ForbiddenAddress
from reconciler.compute.echoes import excerpt
from reconciler.compute.fetching import judged
from reconciler.compute.fields import cut
from reconciler.compute.urlguard import Guard, Refusal
from reconciler.ports.requests import Call, CallError, Reply

MESSAGE_CHARS_MAX = 1_000


@dataclass(slots=True)
class _Trail:
    """How far a call got."""

    call: Call
    #: host of the present hop, as it may be shown
    place: str = ""
    #: the present request was sent, or may have been
    sent: bool = False
    #: a request before it was answered as servers answer what they have done
    acted: bool = False

    def shown(self, text: str, hop: Hop) -> str:
        """A text about a hop: where a redirect led to was said by the other side, and may hold what it was sent."""
        return self.call.scrub(text) if hop.number else text

    def failed(self, message: str, *, reason: str, retryable: bool = True, **facts: Any) -> CallError:
        doubtful = self.sent or self.acted
        shown = cut(message, MESSAGE_CHARS_MAX)
        return CallError(shown, reason=reason, retryable=retryable, doubtful=doubtful, evidence=facts)


class Caller:
    """Sends calls. Must be closed by whoever made it (`async with` does)."""

    def __init__(
        self,
        guard: Guard,
        *,
        limits: CallLimits | None = None,
        resolver: guarded.Resolver = aiohttp.ThreadedResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`resolver` makes the resolver to check, once the loop runs; `tls` replaces the system's trust anchors."""
        self._guard, self._limits = guard, limits or CallLimits()
        self._resolver, self._tls = resolver, tls
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the session; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, call: Call, *, within_s: float) -> Reply:
        """The complete answer at the end of the redirects, whatever its status, within this time and our own limit.

        Raises `CallError`: `URLRefused` (not retryable), `Unreachable`, `Timeout`, `TooManyRedirects`.
        """
        trail = _Trail(call)
        limit_s = min(within_s, self._limits.total_s)
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow(trail)
        except TimeoutError:
            message = f"{trail.place} was not done within {limit_s:.3g} s: the server or the network is too slow"
            raise trail.failed(message, reason="Timeout") from None

    async def _follow(self, trail: _Trail) -> Reply:
        call = trail.call
        try:
            hop = Hop(call.method, guarded.checked(self._guard, call.url), call.headers, call.body)
        except Refusal as refusal:
            facts = judged(refusal, self._guard)
            raise trail.failed(str(refusal), reason="URLRefused", retryable=False, **facts) from None
        trail.place = hop.place
        while True:
            reply, location = await self._exchange(hop, trail)
            if not location:
                return reply
            hop = self._next(hop, reply.status, location=location, trail=trail)

    def _next(self, hop: Hop, status: int, *, location: str, trail: _Trail) -> Hop:
        """The hop that a redirect asks for."""
        # A redirect that keeps the method says "not here": nothing was done. One that turns it into a GET is how
        # servers answer what they have just done.
        trail.acted = trail.acted or changes_method(hop.method, status)
        trail.sent = False
        if hop.number == self._limits.redirects_max:
            message = f"{trail.place} redirects more than {self._limits.redirects_max} times: check the URL"
            raise trail.failed(message, reason="TooManyRedirects")
        try:
            url = guarded.checked(self._guard, guarded.joined(hop.url, location))
            following = next_hop(hop, status, url=url, confined=trail.call.confined)
        except Refusal as refusal:
            # What it says of where the redirect leads is the other side's words.
            raise trail.failed(trail.call.scrub(str(refusal)), reason="URLRefused", retryable=False) from None
        trail.place = trail.call.scrub(following.place)
        return following

    async def _exchange(self, hop: Hop, trail: _Trail) -> tuple[Reply, str]:
        """One request and its answer, or where it redirects to."""
        try:
            async with self._open().request(
                hop.method,
                hop.url,
                headers=hop.headers,
                data=hop.body or None,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                ssl=self._tls or True,
                trace_request_ctx=trail,
            ) as response:
                location = response.headers.get("Location", "")
                if location and response.status in guarded.REDIRECTS - trail.call.final:
                    return Reply(trail.place, response.status, "", ""), location
                return await self._reply(response, trail), ""
        except ForbiddenAddress as forbidden:
            # Where a redirect led to was said by the other side: only the first address is told of.
            facts = {} if hop.number else judged(forbidden.refusal, self._guard)
            shown = trail.shown(str(forbidden), hop)
            raise trail.failed(shown, reason="URLRefused", retryable=False, **facts) from None
        except (aiohttp.ClientError, OSError) as error:
            if guarded.is_limit(error):
                raise
            message = f"{trail.shown(guarded.cause(error), hop)}: check {trail.place} and the network between"
            raise trail.failed(message, reason="Unreachable") from None

    async def _reply(self, response: aiohttp.ClientResponse, trail: _Trail) -> Reply:
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) >= self._limits.answer_bytes_max:
                break
        kind, scrub = response.headers.get("Content-Type", ""), trail.call.scrub
        encoded = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        return Reply(
            trail.place,
            response.status,
            excerpt(kind.encode("utf-8", "replace"), scrub=scrub, bytes_max=100),
            # What a server compressed would have to be unpacked before secrets can be looked for in it.
            "" if encoded else excerpt(bytes(raw), scrub=scrub, bytes_max=self._limits.excerpt_bytes_max),
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = guarded.session(
                self._guard,
                self._resolver,
                connect_s=self._limits.connect_s,
                # A used connection may be dead already: nobody could tell whether a request on it was read.
                force_close=True,
                middlewares=(guarded.once,),
                trace_configs=[guarded.marking(_mark)],
            )
        return self._session


def _mark(trail: _Trail) -> None:
    trail.sent = True
