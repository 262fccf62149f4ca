"""The machine's clock, in milliseconds since 1970; and the one that nobody sets."""

from __future__ import annotations

import subprocess
import sys

FROZEN = """
from freezegun import freeze_time
from reconciler.adapters.clock import SystemClock
with freeze_time("2030-01-01T00:00:00.500Z") as frozen:
    print(SystemClock().now_ms())
    frozen.tick(2.25)
    print(SystemClock().now_ms())
"""


def test_milliseconds_since_1970():
    """In a process of its own: a frozen time would reach whatever else looks at the clock in this one."""
    done = subprocess.run([sys.executable, "-c", FROZEN], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1893456000500", "1893456002750"]


def test_what_has_passed_does_not_ask_the_wall_clock():
    """A frozen wall clock does not stop it."""
    code = FROZEN.replace("import SystemClock", "import elapsed_s").replace("SystemClock().now_ms()", "elapsed_s()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert 0 < after - before < 2
