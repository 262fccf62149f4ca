# ruff: noqa: E501 - a sentence is compared whole
from __future__ import annotations

from typing import Any

import pytest

from tests.reconciler.api.objects import sentences, stageset, with_stage

_SOURCE = {"webhook": {"url": "https://a", "jsonPath": "{.a}"}}
_PROMETHEUS = {"prometheus": {"address": "http://p", "query": "q"}}
_PODS = {"matchLabels": {"app": "shop"}}
_AT = "spec.stages[0].promotion"


def _budget(**fields: Any) -> dict[str, Any]:
    return stageset(errorBudget={"source": _SOURCE, "freezeThreshold": "0.1", **fields})


def _promotion(**fields: Any) -> dict[str, Any]:
    return with_stage(promotion=fields)


def _check(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "source": _SOURCE, "threshold": {"max": "1"}, **fields}


def _pods(gate: str, *checks: dict[str, Any]) -> dict[str, Any]:
    return _promotion(**{gate: {"checks": list(checks)}})


def _window(**fields: Any) -> dict[str, Any]:
    return stageset(updateWindows=[{"type": "Allow", **fields}])


_BUDGETS = [
    (
        _budget(source={}),
        "spec.errorBudget.source must set exactly one of prometheus and webhook, but sets none; add one",
    ),
    (
        _budget(source={**_SOURCE, **_PROMETHEUS}),
        "spec.errorBudget.source must set exactly one of prometheus and webhook, but sets prometheus and webhook; keep one",
    ),
    (
        _budget(source={"prometheus": {"address": "", "query": "q"}}),
        "spec.errorBudget.source.prometheus.address must not be empty",
    ),
    (
        _budget(source={"prometheus": {"address": "a", "query": ""}}),
        "spec.errorBudget.source.prometheus.query must not be empty",
    ),
    (
        _budget(source={"webhook": {"url": "", "jsonPath": "a"}}),
        "spec.errorBudget.source.webhook.url must not be empty",
    ),
    (
        _budget(source={"webhook": {"url": "a", "jsonPath": "", "secretRef": {"name": "a"}}}),
        "spec.errorBudget.source.webhook.jsonPath must not be empty",
    ),
    (
        _budget(source={"webhook": {"url": "a", "jsonPath": "a", "secretRef": {"name": ""}}}),
        "spec.errorBudget.source.webhook.secretRef.name must not be empty",
    ),
    (
        _budget(freezeThreshold="low"),
        'spec.errorBudget.freezeThreshold must be a decimal number in quotes such as "0.95", not "low"',
    ),
    (
        _budget(resumeThreshold="NaN"),
        'spec.errorBudget.resumeThreshold must be a decimal number in quotes such as "0.95", not "NaN"',
    ),
    (
        _budget(freezeThreshold="0.5", resumeThreshold="0.25"),
        "spec.errorBudget.resumeThreshold is 0.25, below freezeThreshold 0.5; raise it or remove it",
    ),
    (_budget(onSourceError="Ignore"), 'spec.errorBudget.onSourceError must be Allow or Hold, not "Ignore"'),
]
_PROMOTIONS = [
    (
        _promotion(fastTrack={"source": _SOURCE, "max": "1"}),
        f"{_AT}.fastTrack shortens a soak, but there is none; set soak to a positive duration or remove fastTrack",
    ),
    (
        _promotion(soak="0s", fastTrack={"source": _SOURCE, "max": "1"}),
        f"{_AT}.fastTrack shortens a soak, but there is none; set soak to a positive duration or remove fastTrack",
    ),
    (
        _promotion(soak="1m", fastTrack={"source": _SOURCE, "max": "few"}),
        f'{_AT}.fastTrack.max must be a decimal number in quotes such as "0.95", not "few"',
    ),
    (_promotion(analysis={"checks": []}), f"{_AT}.analysis.checks must have at least 1 item; add one"),
    (
        _promotion(analysis={"checks": [_check(), _check()]}),
        f'{_AT}.analysis.checks[1].name is "a", as is {_AT}.analysis.checks[0].name; the names of checks must differ: '
        "rename one",
    ),
    (
        _promotion(analysis={"checks": [_check(source={"webhook": {"url": "", "jsonPath": "a"}})]}),
        f"{_AT}.analysis.checks[0].source.webhook.url must not be empty",
    ),
    (_promotion(analysis={"checks": [_check(name="")]}), f"{_AT}.analysis.checks[0].name must not be empty"),
    (
        _promotion(analysis={"checks": [_check(threshold={})]}),
        f"{_AT}.analysis.checks[0].threshold must set min, max or both; add one",
    ),
    (
        _promotion(analysis={"checks": [_check(threshold={"min": "1e999"})]}),
        f'{_AT}.analysis.checks[0].threshold.min must be a decimal number in quotes such as "0.95", not "1e999"',
    ),
    (
        _promotion(analysis={"checks": [_check()], "onFailure": "Stop"}),
        f'{_AT}.analysis.onFailure must be Hold or Rollback, not "Stop"',
    ),
    (_pods("restartGate"), f"{_AT}.restartGate.checks must have at least 1 item; add one"),
    (_pods("eventGate"), f"{_AT}.eventGate.checks must have at least 1 item; add one"),
    (
        _pods("restartGate", {"name": "a", "selector": _PODS}, {"name": "a", "selector": _PODS}),
        f'{_AT}.restartGate.checks[1].name is "a", as is {_AT}.restartGate.checks[0].name; names of checks must differ: '
        "rename one",
    ),
    (_pods("restartGate", {"name": "", "selector": _PODS}), f"{_AT}.restartGate.checks[0].name must not be empty"),
    (
        _pods("restartGate", {"name": "a", "selector": {}}),
        f"{_AT}.restartGate.checks[0].selector must not be empty, because it would select every Pod; add matchLabels or "
        "matchExpressions",
    ),
    (
        _pods("restartGate", {"name": "a", "selector": {"matchExpressions": [{"key": "k", "operator": "In"}]}}),
        f"{_AT}.restartGate.checks[0].selector.matchExpressions[0].values must not be empty for operator In",
    ),
    (
        _pods(
            "restartGate",
            {"name": "a", "selector": {"matchExpressions": [{"key": "k", "operator": "Exists", "values": ["v"]}]}},
        ),
        f"{_AT}.restartGate.checks[0].selector.matchExpressions[0].values must be empty for operator Exists",
    ),
    (
        _pods("eventGate", {"name": "a", "selector": _PODS, "reasons": []}),
        f"{_AT}.eventGate.checks[0].reasons must have at least 1 item; add one",
    ),
    (
        _pods("eventGate", {"name": "a", "selector": _PODS, "reasons": ["BackOff", ""]}),
        f"{_AT}.eventGate.checks[0].reasons[1] must not be empty",
    ),
]
_NINE = {"schedule": "0 9 * * *", "duration": "8h"}
_WINDOWS = [
    (
        _window(),
        "spec.updateWindows[0] must set either schedule and duration, or from and to, but sets neither; keep one pair",
    ),
    (
        _window(**_NINE, to="2006-01-02T15:04:05Z"),
        "spec.updateWindows[0] must set either schedule and duration, or from and to, but sets both; keep one pair",
    ),
    (_window(schedule="@daily"), "spec.updateWindows[0].duration is required beside schedule; add it"),
    (_window(duration="1h"), "spec.updateWindows[0].schedule is required beside duration; add it"),
    (_window(schedule="@daily", duration="0s"), "spec.updateWindows[0].duration must be positive, not 0s"),
    (
        _window(schedule="at nine", duration="1h"),
        'spec.updateWindows[0].schedule must be a cron expression of five fields such as "0 8 * * 1-5", not "at nine"',
    ),
    (
        _window(**_NINE, timeZone="my zone"),
        'spec.updateWindows[0].timeZone must be an IANA time zone such as Europe/Berlin, not "my zone"',
    ),
    (_window(**{"from": "2006-01-02T15:04:05Z"}), "spec.updateWindows[0].to is required beside from; add it"),
    (_window(to="2006-01-02T15:04:05Z"), "spec.updateWindows[0].from is required beside to; add it"),
    (
        _window(**{"from": "2006-01-02T15:04:05Z", "to": "2006-01-02T16:04:05+01:00"}),
        "spec.updateWindows[0].to must be later than from (2006-01-02T15:04:05Z), not 2006-01-02T16:04:05+01:00",
    ),
    (
        _window(**{"from": "2006-01-02T15:04:05Z", "to": "2007-01-02T15:04:05Z", "timeZone": "UTC"}),
        "spec.updateWindows[0].timeZone is only for windows with a schedule; from and to carry their zone: remove it",
    ),
]


@pytest.mark.parametrize(("raw", "sentence"), [*_BUDGETS, *_PROMOTIONS, *_WINDOWS])
def test_rules_of_gates(raw: dict[str, Any], sentence: str) -> None:
    assert sentences(raw) == [sentence]


@pytest.mark.parametrize(
    "raw",
    [
        _budget(),
        _budget(source=_PROMETHEUS, resumeThreshold="0.1", onSourceError="Allow"),
        _budget(freezeThreshold="-1.5e3", resumeThreshold=".5"),
        _promotion(),
        _promotion(soak="1ms", fastTrack={"source": _PROMETHEUS, "max": "1"}),
        _promotion(analysis={"checks": [_check(), _check(name="b", threshold={"min": "0", "max": "1"})]}),
        _pods("restartGate", {"name": "a", "selector": _PODS}, {"name": "b", "selector": _PODS}),
        _pods("eventGate", {"name": "a", "selector": _PODS, "reasons": ["BackOff"]}),
        _window(**_NINE),
        _window(**_NINE, timeZone="America/Argentina/Buenos_Aires"),
        _window(schedule="CRON_TZ=Europe/Berlin 0 8 * * MON-FRI", duration="1h"),
        _window(schedule="@every 1h", duration="1m"),
        _window(schedule="*/5 0-12,18 1 JAN ?", duration="1m"),
        _window(**{"from": "2006-01-02T15:04:05Z", "to": "2006-01-02T15:04:06Z"}),
    ],
)
def test_what_the_rules_of_gates_allow(raw: dict[str, Any]) -> None:
    assert sentences(raw) == []


@pytest.mark.parametrize("schedule", ["* * * *", "* * * * * *", "CRON_TZ=a!b * * * * *", "@never", "@every", "TZ=UTC"])
def test_what_is_no_schedule(schedule: str) -> None:
    (line,) = sentences(_window(schedule=schedule, duration="1h"))
    assert line.startswith("spec.updateWindows[0].schedule must be a cron expression")
