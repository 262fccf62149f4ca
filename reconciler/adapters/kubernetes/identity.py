"""Who a request is made as: the headers of one identity, and where fresh credentials come from.

Not a connection. Invariant: a credential stands in a header only, never in a `repr`, an error or a log.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from kubernetes.aio.client import Configuration

from reconciler.errors import BadRequest, NoAccount, NotFound, Unauthorized, Unavailable
from reconciler.ports.cluster import Cluster

AUTHORIZATION = "Authorization"
#: RFC 9110 section 5.5, visible characters: anything else would be refused or split the header.
_VISIBLE = re.compile(r"[\x20-\x7e]+")


class TokenSource(Protocol):
    """Where a bearer token comes from, for as long as it is accepted."""

    async def token(self) -> str:
        """A token to use now, minted when there is none. Raises `ClusterError`."""

    def refused(self, token: str) -> None:
        """The server answered 401 to `token`: do not hand it out again."""


class Identity(Protocol):
    """Headers that make a request somebody's."""

    @property
    def name(self) -> str:
        """For sentences: `ServiceAccount shop/deployer`."""

    async def headers(self) -> dict[str, str]:
        """A fresh dict of headers, refreshed credentials included. Raises `ClusterError`."""

    @property
    def spent(self) -> bool:
        """Whether the credential was refused and there is no way to another one."""

    def refused(self, headers: dict[str, str]) -> None:
        """The server answered 401 to these headers: the next ones shall hold a new credential if there is one."""


class Configured:
    """The identity of a kubeconfig or of the Pod; refreshed by `kubernetes.aio` and, after a 401, by `reload`.

    `reload` writes fresh credentials into the same `Configuration` (token files, `exec` plugins of an operator's
    kubeconfig); None where there is nothing to read again.
    """

    def __init__(
        self, configuration: Configuration, *, name: str, reload: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.name = name
        self._configuration = configuration
        self._reload = reload
        self._stale = False

    async def headers(self) -> dict[str, str]:
        try:
            if self._stale and self._reload is not None:
                self._stale = False
                await self._reload()
            value = await self._configuration.get_api_key_with_prefix("BearerToken")
        except Exception as error:  # noqa: BLE001 - loaders and credential plugins raise what they like; texts may hold secrets
            raise Unavailable(
                f"The credential of {self.name} could not be read again ({type(error).__name__}); it is tried again."
            ) from None
        return {AUTHORIZATION: header_value(value.strip(), who=self.name)} if value else {}

    @property
    def spent(self) -> bool:
        return self._stale and self._reload is None

    def refused(self, headers: dict[str, str]) -> None:
        self._stale = True


class Bearer:
    """A token as the only credential; another one can always be asked for."""

    spent = False

    def __init__(self, source: TokenSource, *, name: str) -> None:
        self.name = name
        self._source = source

    async def headers(self) -> dict[str, str]:
        return {AUTHORIZATION: f"Bearer {header_value(await self._source.token(), who=self.name)}"}

    def refused(self, headers: dict[str, str]) -> None:
        self._source.refused(headers[AUTHORIZATION].removeprefix("Bearer "))


class Impersonating:
    """Another identity's credential with `Impersonate-User`: the server asks whether that identity may do so."""

    def __init__(self, base: Identity, *, user: str) -> None:
        self.name = f"{user} (impersonated by {base.name})"
        self._base = base
        self._user = header_value(user, who=base.name)

    async def headers(self) -> dict[str, str]:
        headers = await self._base.headers()
        headers["Impersonate-User"] = self._user
        return headers

    @property
    def spent(self) -> bool:
        return self._base.spent

    def refused(self, headers: dict[str, str]) -> None:
        self._base.refused(headers)


class ServiceAccountToken:
    """Tokens of one ServiceAccount by TokenRequest: kept until shortly before they expire, minted once for all waiters.

    `now` returns seconds since the epoch. `lifetime_s` is what is asked for; the server may shorten or lengthen it.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, name: str, *, now: Callable[[], float], lifetime_s: int = 3600
    ) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name
        self._now, self._lifetime_s = now, lifetime_s
        #: A token is renewed this long before it expires.
        self.renew_before_s = 300.0
        #: How long minting may take.
        self.mint_s = 30.0
        self._token, self._expires = "", 0.0
        self._minting = asyncio.Lock()

    async def token(self) -> str:
        """The kept token, or a new one. Raises the `ClusterError` of the TokenRequest, `NoAccount` for its 404."""
        if not self._fresh():
            async with self._minting:
                if not self._fresh():
                    await self._mint()
        return self._token

    def refused(self, token: str) -> None:
        if token == self._token:
            self._token = ""

    def _fresh(self) -> bool:
        return bool(self._token) and self._now() < self._expires - self.renew_before_s

    async def _mint(self) -> None:
        who = f"ServiceAccount {self._namespace}/{self._name}"
        try:
            async with asyncio.timeout(self.mint_s):
                token, expires = await self._cluster.token(self._namespace, self._name, expires_s=self._lifetime_s)
        except (NotFound, BadRequest) as error:
            # What cannot be a name is refused before anybody is asked: then there is no Status.
            if isinstance(error, BadRequest) and error.status:
                raise
            raise NoAccount(
                f"{who} does not exist: create it, or correct serviceAccountName", status=error.status
            ) from None
        except TimeoutError:
            raise Unavailable(f"No token for {who} within {self.mint_s:g} s; it is tried again.") from None
        try:
            # A server may grant less than asked for; a token is always used for at least one request.
            self._expires = datetime.fromisoformat(expires).timestamp()
        except ValueError:
            raise Unavailable(f"The token for {who} came with an expiry that is no RFC 3339 time.") from None
        self._token = token


def header_value(value: str, *, who: str) -> str:
    """`value` if it can stand in a header. Raises `Unauthorized` without repeating it."""
    if not _VISIBLE.fullmatch(value):
        raise Unauthorized(f"The credential of {who} is empty or holds characters that no header can carry.")
    return value


def masked(headers: dict[str, str]) -> list[str]:
    """What must not appear in an error about a request with these headers."""
    value = headers.get(AUTHORIZATION, "")
    return [value, value.partition(" ")[2]] if value else []
