from __future__ import annotations

import os
from pathlib import Path

import pytest

from replay.errors import Escaped, Unreadable
from replay.isolation import parent
from replay.isolation.parent import ask, probes
from tests.replay import making

#: Processes, real ones.
pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    log = making.failures()
    path = tmp_path / "x.stagereplay"
    path.write_bytes(making.bundle(log, *making.failed(log)))
    return path


def test_the_child_gets_the_file_and_nothing_else(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    # Python itself sets LC_CTYPE where there is no locale (PEP 538).
    told = parent.BOOT.replace("; main(", "; import os; assert set(os.environ) <= {'LC_CTYPE'}, os.environ; main(")
    monkeypatch.setattr(parent, "BOOT", told)
    verdict = ask(bundle).verdict
    assert verdict is not None
    assert verdict.verdict == "REPRODUCED"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Unreadable):
            ask(path)
    with pytest.raises(Unreadable, match="not a plain file"):
        ask(tmp_path / "pipe")


def test_a_child_without_an_answer_has_broken_out(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("import os; os._exit(0)", "raise SystemExit('x')", "while True: pass"):
        monkeypatch.setattr(parent, "BOOT", code)
        monkeypatch.setattr(parent, "WITHIN_S", 1.0)
        with pytest.raises(Escaped):
            ask(bundle)


def test_probes_differ() -> None:
    found = list(probes(5))
    assert len({one.hash_seed for one in found}) == 5
    assert len({one.zone for one in found}) > 2
    assert len({one.locale for one in found}) == 5
    assert all(one.environment["PYTHONHASHSEED"].isdigit() for one in found)
