"""Rules of gates (CONTRACT §1.2, rules 9, 10 and 13): budgets, promotion and windows.

Not their evaluation. Of a schedule and a time zone only the form is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.api import duration, instant
from reconciler.api.problems import Problem, quoted
from reconciler.api.rules import common
from reconciler.api.types import Analysis, ErrorBudget, EventCheck, FastTrack, Promotion, RestartCheck, Window

_CRON_FIELD = re.compile(r"[0-9A-Za-z*?/,-]+")
_CRON_DESCRIPTOR = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)")
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def error_budget(budget: ErrorBudget, *, path: str) -> Iterator[Problem]:
    """A usable source, and thresholds that do not cross."""
    yield from common.metric_source(budget.source, path=f"{path}.source")
    yield from common.number(budget.freeze_threshold, path=f"{path}.freezeThreshold")
    if budget.resume_threshold:
        yield from common.number(budget.resume_threshold, path=f"{path}.resumeThreshold")
        freeze, resume = common.as_number(budget.freeze_threshold), common.as_number(budget.resume_threshold)
        if freeze is not None and resume is not None and resume < freeze:
            yield Problem(
                f"{path}.resumeThreshold",
                f"is {budget.resume_threshold}, below freezeThreshold {budget.freeze_threshold}; raise it or remove it",
            )


def promotion(gate: Promotion, *, path: str) -> Iterator[Problem]:
    """Every part of a promotion gate."""
    if gate.fast_track:
        yield from _fast_track(gate.fast_track, soak=gate.soak, path=f"{path}.fastTrack")
    if gate.analysis:
        yield from _analysis(gate.analysis, path=f"{path}.analysis")
    if gate.restart_gate:
        yield from _pod_checks(gate.restart_gate.checks, path=f"{path}.restartGate.checks")
    if gate.event_gate:
        yield from _pod_checks(gate.event_gate.checks, path=f"{path}.eventGate.checks")
        for index, check in enumerate(gate.event_gate.checks):
            for number, reason in enumerate(check.reasons):
                yield from common.required(reason, path=f"{path}.eventGate.checks[{index}].reasons[{number}]")


def windows(found: Sequence[Window]) -> Iterator[Problem]:
    """Each window is either recurring or fixed."""
    for index, window in enumerate(found):
        path = f"spec.updateWindows[{index}]"
        recurring, fixed = bool(window.schedule or window.duration), bool(window.from_ or window.to)
        if recurring == fixed:
            what = "both" if recurring else "neither"
            yield Problem(
                path, f"must set either schedule and duration, or from and to, but sets {what}; keep one pair"
            )
        elif recurring:
            yield from _recurring(window, path=path)
        else:
            yield from _fixed(window, path=path)


def _fast_track(track: FastTrack, *, soak: str, path: str) -> Iterator[Problem]:
    if not soak or duration.parse(soak) <= 0:
        yield Problem(path, "shortens a soak, but there is none; set soak to a positive duration or remove fastTrack")
    yield from common.metric_source(track.source, path=f"{path}.source")
    yield from common.number(track.max, path=f"{path}.max")


def _analysis(analysis: Analysis, *, path: str) -> Iterator[Problem]:
    named = ((f"{path}.checks[{index}].name", check.name) for index, check in enumerate(analysis.checks))
    yield from common.unique(named, what="the names of checks")
    for index, check in enumerate(analysis.checks):
        at = f"{path}.checks[{index}]"
        yield from common.required(check.name, path=f"{at}.name")
        yield from common.metric_source(check.source, path=f"{at}.source")
        if not check.threshold.min and not check.threshold.max:
            yield Problem(f"{at}.threshold", "must set min, max or both; add one")
        for name, text in (("min", check.threshold.min), ("max", check.threshold.max)):
            if text:
                yield from common.number(text, path=f"{at}.threshold.{name}")


def _pod_checks(checks: Sequence[RestartCheck | EventCheck], *, path: str) -> Iterator[Problem]:
    if not checks:
        yield Problem(path, "must have at least 1 item; add one")
    yield from common.unique(
        ((f"{path}[{i}].name", check.name) for i, check in enumerate(checks)), what="names of checks"
    )
    for index, check in enumerate(checks):
        yield from common.required(check.name, path=f"{path}[{index}].name")
        yield from common.selector(check.selector, path=f"{path}[{index}].selector")


def _recurring(window: Window, *, path: str) -> Iterator[Problem]:
    if not window.schedule:
        yield Problem(f"{path}.schedule", "is required beside duration; add it")
    elif not _is_cron(window.schedule):
        text = quoted(window.schedule)
        yield Problem(f"{path}.schedule", f'must be a cron expression of five fields such as "0 8 * * 1-5", not {text}')
    if not window.duration:
        yield Problem(f"{path}.duration", "is required beside schedule; add it")
    elif duration.parse(window.duration) <= 0:
        yield Problem(f"{path}.duration", f"must be positive, not {window.duration}")
    if window.time_zone and not _TIME_ZONE.fullmatch(window.time_zone):
        text = quoted(window.time_zone)
        yield Problem(f"{path}.timeZone", f"must be an IANA time zone such as Europe/Berlin, not {text}")


def _fixed(window: Window, *, path: str) -> Iterator[Problem]:
    for name, text, other in (("from", window.from_, "to"), ("to", window.to, "from")):
        if not text:
            yield Problem(f"{path}.{name}", f"is required beside {other}; add it")
    if window.from_ and window.to and instant.parse(window.to) <= instant.parse(window.from_):
        yield Problem(f"{path}.to", f"must be later than from ({window.from_}), not {window.to}")
    if window.time_zone:
        yield Problem(
            f"{path}.timeZone", "is only for windows with a schedule; from and to carry their zone: remove it"
        )


def _is_cron(text: str) -> bool:
    zone, _, rest = text.partition(" ") if text.startswith(("CRON_TZ=", "TZ=")) else ("", "", text)
    if zone and not _TIME_ZONE.fullmatch(zone.partition("=")[2]):
        return False
    fields = rest.split()
    is_fields = len(fields) == 5 and all(_CRON_FIELD.fullmatch(field) for field in fields)
    return is_fields or _CRON_DESCRIPTOR.fullmatch(rest.strip()) is not None
