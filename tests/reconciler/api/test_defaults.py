from __future__ import annotations

from typing import Any

import pytest

from reconciler.api import decode, defaults
from reconciler.api.types import SourceRef, StageSetSpec
from tests.reconciler.api.objects import stage, stageset


def _spec(*, stage_fields: dict[str, Any] | None = None, **spec: Any) -> StageSetSpec:
    return decode.stageset(stageset(stages=[stage(**(stage_fields or {}))], **spec)).spec


@pytest.mark.parametrize(
    ("fields", "interval", "retry", "steady"),
    [
        ({}, 600_000, 600_000, 600_000),
        ({"interval": "1h"}, 3_600_000, 3_600_000, 3_600_000),
        ({"interval": "0s"}, 600_000, 600_000, 600_000),
        ({"interval": "-5m"}, 600_000, 600_000, 600_000),
        ({"retryInterval": "30s"}, 600_000, 30_000, 600_000),
        ({"retryInterval": "0s", "interval": "2m"}, 120_000, 120_000, 120_000),
        ({"driftDetectionInterval": "1m"}, 600_000, 600_000, 60_000),
        ({"driftDetectionInterval": "11m"}, 600_000, 600_000, 600_000),
        ({"driftDetectionInterval": "0s"}, 600_000, 600_000, 600_000),
    ],
)
def test_cadences(fields: dict[str, str], interval: int, retry: int, steady: int) -> None:
    spec = _spec(**fields)
    assert defaults.interval_ms(spec) == interval
    assert defaults.retry_interval_ms(spec) == retry
    assert defaults.steady_interval_ms(spec) == steady


def test_the_controllers_default_interval_is_used_where_none_is_given() -> None:
    assert defaults.interval_ms(_spec(), default_ms=1000) == 1000
    assert defaults.retry_interval_ms(_spec(), default_ms=1000) == 1000
    assert defaults.steady_interval_ms(_spec(), default_ms=1000) == 1000
    assert defaults.interval_ms(_spec(interval="2s"), default_ms=1000) == 2000


@pytest.mark.parametrize(
    ("spec_timeout", "stage_timeout", "checks_timeout", "found"),
    [
        ("", "", "", 900_000),
        ("1m", "", "", 60_000),
        ("1m", "2m", "", 120_000),
        ("1m", "2m", "3m", 180_000),
        ("1m", "0s", "-1s", 60_000),
    ],
)
def test_the_first_positive_timeout_bounds_the_verification(
    spec_timeout: str, stage_timeout: str, checks_timeout: str, found: int
) -> None:
    fields: dict[str, Any] = {"timeout": stage_timeout or None, "readyChecks": {"timeout": checks_timeout or None}}
    spec = _spec(stage_fields=fields, timeout=spec_timeout or None)
    assert defaults.verify_timeout_ms(spec, spec.stages[0]) == found


def test_a_stage_wins_over_the_spec() -> None:
    spec = _spec()
    assert (defaults.on_timeout(spec, spec.stages[0]), defaults.service_account(spec, spec.stages[0])) == ("Fail", "")
    spec = _spec(onTimeout="Hold", serviceAccountName="a")
    assert (defaults.on_timeout(spec, spec.stages[0]), defaults.service_account(spec, spec.stages[0])) == ("Hold", "a")
    spec = _spec(
        stage_fields={"onTimeout": "Fail", "serviceAccountName": "b"}, onTimeout="Hold", serviceAccountName="a"
    )
    assert (defaults.on_timeout(spec, spec.stages[0]), defaults.service_account(spec, spec.stages[0])) == ("Fail", "b")


def test_a_given_conflict_policy_wins_over_force() -> None:
    for fields, action in (
        ({}, "Fail"),
        ({"force": True}, "Recreate"),
        ({"force": True, "conflictPolicy": {}}, "Fail"),
        ({"conflictPolicy": {"default": "KeepExisting"}}, "KeepExisting"),
    ):
        assert defaults.conflict_action(_spec(stage_fields=fields).stages[0]) == action


@pytest.mark.parametrize(
    ("ref", "found", "is_producer"),
    [
        (SourceRef(name="a"), ("source.toolkit.fluxcd.io/v1", "ExternalArtifact", "shop", "a"), False),
        (SourceRef(name="a", kind="Bucket"), ("source.toolkit.fluxcd.io/v1", "Bucket", "shop", "a"), False),
        (
            SourceRef(name="a", kind="GitRepository", namespace="flux"),
            ("source.toolkit.fluxcd.io/v1", "GitRepository", "flux", "a"),
            False,
        ),
        (
            SourceRef(name="a", kind="GitRepository", api_version="example.com/v1"),
            ("example.com/v1", "GitRepository", "shop", "a"),
            True,
        ),
        (
            SourceRef(name="a", kind="Chart", api_version="example.com/v1"),
            ("example.com/v1", "Chart", "shop", "a"),
            True,
        ),
        (
            SourceRef(name="a", kind="OCIRepository", api_version="source.toolkit.fluxcd.io/v1beta2"),
            ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", "shop", "a"),
            False,
        ),
    ],
)
def test_source_references_are_filled_in(ref: SourceRef, found: tuple[str, ...], is_producer: bool) -> None:
    source = defaults.source(ref, namespace="shop")
    assert source == found
    assert source.is_producer is is_producer
