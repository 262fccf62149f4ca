"""The limits of a run travel in its event."""

from __future__ import annotations

import pytest

from reconciler.policy import read_policy
from tests.reconciler.making import policy_for, spec


@pytest.mark.parametrize(
    ("fields", "interval_ms", "retry_ms"),
    [
        ({}, 600_000, 60_000),
        ({"interval": "2m", "retryInterval": "20s"}, 120_000, 20_000),
        ({"interval": "0s", "retryInterval": "0s"}, 600_000, 600_000),
        ({"interval": "3m", "retryInterval": "0s"}, 180_000, 180_000),
    ],
)
def test_intervals_come_from_the_spec_or_its_defaults(fields, interval_ms, retry_ms):
    found = read_policy(policy_for(spec("db", **fields)))
    assert (found.interval_ms, found.retry_interval_ms) == (interval_ms, retry_ms)


def test_what_was_recorded_is_read_and_what_is_newer_is_ignored():
    recorded = {"interval_ms": 1, "retry_interval_ms": 2, "of_a_later_version": True}
    assert read_policy(recorded).retry_interval_ms == 2
