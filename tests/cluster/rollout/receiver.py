"""The other end of http actions: writes down what it got before it answers, and answers what a test says, when it says.

Not a double of the controller's client. What it has written down happened, whatever became of the sender.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from tests.cluster.rollout.waiting import DEADLINE_S


class Got(NamedTuple):
    """One request."""

    method: str
    path: str
    key: str
    body: str


class Receiver:
    """A context manager. `statuses` and `held` are by path."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        #: what is answered; 200 where nothing is said
        self.statuses: dict[str, int] = {}
        self._held: dict[str, tuple[threading.Event, threading.Event]] = {}
        self._cut = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                key = self.headers.get("Idempotency-Key", "")
                outer.got.append(Got(self.command, self.path, key, body))
                reached, opened = outer._held.pop(self.path, (None, None))
                if reached is not None and opened is not None:
                    reached.set()
                    opened.wait(DEADLINE_S)
                if outer._cut.is_set():
                    self.close_connection = True
                    return
                with suppress(ConnectionError):
                    self.send_response(outer.statuses.get(self.path, 200))
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            do_GET = do_PUT = do_POST

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def at(self, path: str) -> list[Got]:
        """What arrived at a path."""
        return [one for one in self.got if one.path == path]

    def hold(self, path: str) -> HeldAnswer:
        """The answer to the next request at a path waits."""
        events = (threading.Event(), threading.Event())
        self._held[path] = events
        return HeldAnswer(path, *events)

    def cut(self) -> None:
        """From now on nobody gets an answer."""
        self._cut.set()

    def mend(self) -> None:
        self._cut.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HeldAnswer(NamedTuple):
    """A request that is written down and not answered yet."""

    path: str
    reached: threading.Event
    opened: threading.Event

    def until_reached(self, show: Callable[[], str] = str) -> None:
        assert self.reached.wait(DEADLINE_S), f"no request at {self.path} within {DEADLINE_S:g} s\n{show()}"

    def open(self) -> None:
        self.opened.set()
