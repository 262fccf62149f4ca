"""The machine's clock, in milliseconds since 1970."""

from __future__ import annotations

from freezegun import freeze_time

from reconciler.adapters.clock import SystemClock


def test_milliseconds_since_1970():
    with freeze_time("2030-01-01T00:00:00.500Z"):
        assert SystemClock().now_ms() == 1_893_456_000_500
