from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import programs
from tests.demo.programs import Program
from tests.demo.terminal import Terminal


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Program]:
    program = programs.hook_server(tmp_path, hold=tmp_path / "hold")
    yield program
    program.end()


def post(hooks: Program) -> http.client.HTTPConnection:
    """A request that was sent, and whose answer nobody has read."""
    port = said(hooks, r"port (\d+)")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    connection.request("POST", "/migrated", body="the schema is new", headers={"Idempotency-Key": "abc"})
    return connection


def said(hooks: Program, pattern: str) -> str:
    return Terminal().wait(pattern, lambda: hooks.said(pattern), deadline_s=20, needs=[hooks])


def test_a_request_is_logged_and_answered(hooks: Program) -> None:
    connection = post(hooks)
    assert connection.getresponse().status == 204
    connection.close()
    assert hooks.said(r"(1 POST /migrated Idempotency-Key abc)\n")


def test_while_it_holds_a_request_ends_when_its_caller_goes(hooks: Program, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    connection = post(hooks)
    said(hooks, r"(1 POST /migrated Idempotency-Key abc)\n")
    assert hooks.said("(has gone)") is None
    connection.close()
    said(hooks, r"(1 the caller has gone without an answer)\n")
