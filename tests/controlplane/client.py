"""A few lines of HTTPS to an API server, for tests that look at it from outside.

Not the controller's client: standard library only, one connection per request, nothing retried, nothing hidden.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 30.0
#: Server-side apply wants YAML; JSON is YAML.
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said: HTTP status and decoded JSON (text where it is not JSON)."""

    status: int
    body: Any

    def ok(self) -> Any:
        """The body; AssertionError with the server's words if the status is not 2xx."""
        assert 200 <= self.status < 300, f"{self.status}: {self.body}"
        return self.body


class Api:
    """One user's view of one API server. `authority` is the PEM of the certificates to trust."""

    def __init__(self, url: str, *, authority: bytes, token: str | None) -> None:
        self.url = url
        self._token = token
        self._authority = authority
        context = ssl.create_default_context(cadata=authority.decode())
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def acting_as(self, token: str | None) -> Api:
        """The same server seen by the bearer of another token (None: anonymous)."""
        return Api(self.url, authority=self._authority, token=token)

    def request(self, method: str, path: str, body: object = None, *, content: str = "application/json") -> Answer:
        """One request; HTTP errors are answers, not exceptions. Connection errors are raised (OSError)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content, "Accept": "application/json, */*", "User-Agent": "stageset-tests"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read())

    def get(self, path: str) -> Answer:
        """GET."""
        return self.request("GET", path)

    def post(self, path: str, body: object) -> Answer:
        """POST: create."""
        return self.request("POST", path, body)

    def merge(self, path: str, body: object) -> Answer:
        """PATCH with a JSON merge patch."""
        return self.request("PATCH", path, body, content=MERGE)

    def apply(self, path: str, body: object, *, manager: str = "stageset-tests") -> Answer:
        """PATCH with server-side apply, forced."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, content=APPLY)

    def delete(self, path: str) -> Answer:
        """DELETE, in the background."""
        return self.request("DELETE", path, {"propagationPolicy": "Background"})


def _answer(status: int, body: bytes) -> Answer:
    try:
        return Answer(status=status, body=json.loads(body))
    except ValueError:
        return Answer(status=status, body=body.decode(errors="replace"))
