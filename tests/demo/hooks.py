"""The demo's hook server: a line for each POST, on loopback. `python -m tests.demo.hooks <file>`.

While the file is there it answers nobody, and a request ends when its caller does. Invariant: a request is logged
before it is answered.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hooks(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1."""

    daemon_threads = True

    def __init__(self, hold: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.hold = hold
        self.numbers = itertools.count(1)


class _Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        number = next(self.server.numbers)
        print(f"{number} POST {self.path} Idempotency-Key {self.headers.get('Idempotency-Key')}", flush=True)
        if self.server.hold.exists():
            with contextlib.suppress(OSError):
                self.connection.recv(1)
            print(f"{number} the caller has gone without an answer", flush=True)
            self.close_connection = True
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The line above is all that is logged."""


if __name__ == "__main__":
    hooks = Hooks(Path(sys.argv[1]))
    print(f"hooks on port {hooks.server_port}", flush=True)
    hooks.serve_forever()
