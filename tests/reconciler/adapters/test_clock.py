"""The machine's clock, in milliseconds since 1970."""

from __future__ import annotations

from types import SimpleNamespace

from reconciler.adapters import clock as module


def test_milliseconds_since_1970(monkeypatch):
    monkeypatch.setattr(module, "time", SimpleNamespace(time_ns=lambda: 1_893_456_000_250_999_999))
    assert module.SystemClock().now_ms() == 1_893_456_000_250
