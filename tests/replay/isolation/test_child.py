from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from replay.isolation.child import Answer
from tests.replay import making

ROOT = Path(__file__).parents[3]
CODE = """
import sys
sys.path.insert(0, {root!r})
from replay import checking
from replay.errors import Incomplete
from replay.isolation.child import main
def check(file, until):
    {planted}
    return checking.check(file, until=until)
main(0, namespace={namespace}, check=check)
"""


def answer(planted: str, *, namespace: bool = False) -> Answer:
    log = making.failures()
    text = CODE.format(root=str(ROOT), planted=planted, namespace=namespace)
    done = subprocess.run(
        [sys.executable, "-B", "-c", text],
        input=making.bundle(log, *making.failed(log)),
        capture_output=True,
        check=False,
        env={},
    )
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout, type=Answer)


@pytest.mark.parametrize("namespace", [True, False])
def test_it_answers_with_a_verdict_and_its_guards(namespace: bool) -> None:
    found = answer("pass", namespace=namespace)
    assert found.verdict is not None
    assert found.verdict.verdict == "REPRODUCED"
    assert {name for name, on in found.guards.items() if on} >= {"no environment", "no sockets, programs or files"}
    assert found.guards["network namespace"] <= namespace


@pytest.mark.parametrize("namespace", [True, False])
@pytest.mark.parametrize(
    "planted",
    [
        "__import__('socket').socket()",
        "__import__('socket').getaddrinfo('localhost', 1)",
        "__import__('subprocess').run(['true'])",
        "open('/tmp/stagereplay-planted', 'w')",
        "__import__('os').environ.get('HOME')",
        "exec('try: open(\\'/x\\', \\'w\\')\\nexcept Exception: pass')",
    ],
)
def test_a_breach_is_6_even_where_it_is_swallowed(planted: str, namespace: bool) -> None:
    found = answer(planted, namespace=namespace)
    assert found.verdict is None
    assert found.problem is not None
    assert (found.problem.kind, found.problem.exit_code) == ("Escaped", 6)
    assert "reached out of its isolation" in found.problem.message


def test_a_problem_comes_back_with_its_code_and_position() -> None:
    found = answer("raise Incomplete('gone', seq=7)")
    assert found.problem is not None
    assert (found.problem.message, found.problem.seq, found.problem.exit_code) == ("gone", 7, 4)
