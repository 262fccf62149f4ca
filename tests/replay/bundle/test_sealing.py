"""The whole way is in `test_export.py` and `tests/replay/cli/test_export.py`."""

from __future__ import annotations

import sys

import pyrage
import pytest

from replay.bundle import sealing
from replay.errors import Unreadable


def test_an_identity_is_no_recipient_and_is_not_repeated() -> None:
    identity = str(pyrage.x25519.Identity.generate())
    with pytest.raises(sealing.NoRecipient, match="an identity, which is for the reader alone") as found:
        sealing.recipient(identity)
    assert identity not in str(found.value)
    with pytest.raises(sealing.NoRecipient, match="this is none"):
        sealing.recipient("age1xyz")


def test_too_much_is_not_taken_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BYTES_MAX", 10)
    reader = str(pyrage.x25519.Identity.generate().to_public())
    with pytest.raises(Unreadable, match="more than 10 bytes"):
        sealing.sealed({"sha256:00": bytes(11)}, [reader])


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(sealing.NoRecipient, match=r"install stageset-controller\[age\]"):
        sealing.recipient("age1xyz")
