from __future__ import annotations

from reconciler.compute.kstatus.readiness import MESSAGE_CHARS_MAX, current, failed, in_progress


def test_messages_of_other_peoples_controllers_are_bounded() -> None:
    long = "m" * 5000
    for made in (current(long), failed("Reason", long), in_progress("Reason", long, recheck_ms=5)):
        assert len(made.message) == MESSAGE_CHARS_MAX
    assert in_progress("Reason", "m", recheck_ms=5).recheck_ms == 5
