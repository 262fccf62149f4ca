from __future__ import annotations

import pytest

from tests.replay import making, many


def test_every_run_of_a_ledger_is_reproduced_in_one_child() -> None:
    log = making.failures()
    runs, facts, decisions = many.reproduced("failures", many.every_run(log))
    assert runs == len(list(making.runs(log)))
    assert facts > 100 < decisions
    answers = many.replayed([])
    assert answers.guards["no environment"]
    assert answers.verdicts == []


def test_what_differs_or_cannot_be_read_is_an_error() -> None:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    with pytest.raises(AssertionError, match="here: cut: "):
        many.reproduced("here", [("good", data), ("cut", data[:-5])])


def test_the_guards_are_up(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = (
        "import sys; sys.path.insert(0, sys.argv[1]); import tests.replay.many as m, replay.checking as c, socket; "
        "real = c.check; c.check = lambda f: (m.sys, _try(), real(f))[2]\n"
        "def _try():\n    try: socket.getaddrinfo('localhost', 1)\n    except RuntimeError: pass\n"
        "m.child()"
    )
    monkeypatch.setattr(many, "_BOOT", planted)
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    with pytest.raises(AssertionError, match="getaddrinfo"):
        many.reproduced("planted", [("one", data)])
