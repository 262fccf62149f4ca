"""The API server's audit log as tests read it: who asked for what, and how often.

Reads the file, asks the server one question to know that everything before it has been written.
"""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.client import Api

DEADLINE_S = 30.0
_MARKS = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One answered request, the parts that tests ask about. `event` is the whole audit event."""

    #: as whom it was done: the impersonated one where there is one
    user: str
    agent: str
    verb: str
    path: str
    resource: str
    namespace: str
    name: str
    status: int
    event: dict[str, Any]


def _request(event: dict[str, Any]) -> Request:
    target = event.get("objectRef", {})
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    return Request(
        user=event.get("impersonatedUser", event["user"]).get("username", ""),
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        path=event["requestURI"],
        resource=target.get("resource", "") + subresource,
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        status=event.get("responseStatus", {}).get("code", 0),
        event=event,
    )


class AuditLog:
    """The audit log of one API server. A watch appears when it ends, every other request when it is answered."""

    def __init__(self, path: Path, *, api: Api) -> None:
        self._path = path
        self._api = api

    def mark(self) -> int:
        """A place in the log: everything answered until now is before it."""
        self._flush()
        return self._path.stat().st_size

    def since(self, mark: int = 0) -> list[Request]:
        """The requests answered since `mark`, except this class's own."""
        self._flush()
        with self._path.open("rb") as file:
            file.seek(mark)
            lines = file.read().splitlines()
        requests = [_request(json.loads(line)) for line in lines]
        return [request for request in requests if not request.path.startswith("/version?mark=")]

    def _flush(self) -> None:
        """An event is written a moment after its answer was sent; so ask something and wait for its event."""
        path = f"/version?mark={time.monotonic_ns()}-{next(_MARKS)}"
        start = self._path.stat().st_size
        self._api.get(path).ok()
        give_up_at = time.monotonic() + DEADLINE_S
        while path.encode() not in self._tail(start):
            assert time.monotonic() < give_up_at, f"the request {path} is not in {self._path} after {DEADLINE_S:.0f} s"
            time.sleep(0.005)

    def _tail(self, start: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read()
