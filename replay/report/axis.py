"""Stages and operations on a time axis: a row each, with its name, its bar, how long it took and how it ended.

The bars are drawings that stretch with the page; what they show is also said in words, for whoever does not see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replay.report import parts
from replay.report.html import Markup, element
from replay.report.subject import ROWS_MAX, Stage, Subject, lasting, stages
from replay.story import Moment

_WIDTH, _HEIGHT = 1_000, 10
#: What is shorter is drawn as wide as this.
_LEAST = 6
#: What has no duration and is worth a mark, with the word beside it.
_MARKS = {
    "action.held": "held",
    "action.retry.scheduled": "tried again later",
    "action.skipped": "skipped",
    "action.revoked": "counts no more",
    "stage.failed": "failed",
    "stage.succeeded": "done",
    "stage.transferred": "objects moved",
    "timer.fired": "time came",
    "drift.observed": "drift",
}


def axis(subject: Subject) -> Markup:
    """The axis of the run."""
    total_ms = max(subject.total_ms, 1)
    rows = [row for stage in stages(subject) for row in _stage(stage, total_ms)]
    return parts.section(
        "axis",
        "Time",
        element("p", f"{lasting(subject.total_ms)} from the first record of the run to the last."),
        element("ol", _scale(total_ms), rows[:ROWS_MAX], class_="axis"),
        parts.more(len(rows) - ROWS_MAX, "rows"),
    )


def _scale(total_ms: int) -> Markup:
    ticks = (element("span", lasting(total_ms * quarter // 4)) for quarter in range(5))
    track = element("div", element("div", ticks, class_="ticks"), class_="track")
    return element("li", _name(""), track, _took(""), element("span"), class_="scale", aria_hidden="true")


def _stage(stage: Stage, total_ms: int) -> Iterator[Markup]:
    moments = stage.moments
    if not moments:
        yield _row("stage", (stage.name, "", ""), Markup(""), parts.word(stage.stands))
        return
    first, last = moments[0].after_ms, max(one.after_ms + max(one.took_ms, 0) for one in moments)
    bar = _bar("span", (first, last - first), total_ms)
    yield _row("stage", (stage.name, lasting(last - first), stage.revision), bar, parts.word(stage.stands))
    for moment in moments:
        if moment.took_ms >= 0 or moment.outcome == "unanswered":
            yield _operation(moment, total_ms)
        elif moment.what in _MARKS and not moment.what.startswith("stage."):
            mark = _bar("mark", (moment.after_ms, 0), total_ms)
            name = moment.action or moment.what
            yield _row("", (name, f"at {lasting(moment.after_ms)}", ""), mark, parts.word(_MARKS[moment.what]))


def _operation(moment: Moment, total_ms: int) -> Markup:
    took_ms = moment.took_ms if moment.took_ms >= 0 else total_ms - moment.after_ms
    took = lasting(moment.took_ms) if moment.took_ms >= 0 else ""
    bar = _bar(moment.outcome, (moment.after_ms, took_ms), total_ms)
    return _row("", (f"{moment.what} {moment.action}".rstrip(), took, ""), bar, parts.word(moment.outcome))


def _row(kind: str, told: Sequence[str], bar: Markup, ending: Markup) -> Markup:
    name, took, beside = told
    shown = (name, element("span", f" {beside}", class_="dim")) if beside else name
    label = element("span", shown, class_="name")
    return element("li", label, element("div", bar, class_="track"), _took(took), ending, class_=kind or None)


def _name(text: str) -> Markup:
    return element("span", text, class_="name")


def _took(text: str) -> Markup:
    return element("span", text, class_="took num")


def _bar(kind: str, span: tuple[int, int], total_ms: int) -> Markup:
    after_ms, took_ms = span
    width = max(took_ms * _WIDTH // total_ms, _LEAST)
    start = min(after_ms * _WIDTH // total_ms, _WIDTH - width)
    rect = element("rect", x=max(start, 0), y=0, width=min(width, _WIDTH), height=_HEIGHT)
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    shape = kind if kind in ("failed", "refused", "unanswered", "indeterminate", "mark", "span") else ""
    return element(
        "svg", rect, class_=f"bar {shape}".rstrip(), viewbox=box, preserveaspectratio="none", aria_hidden="true"
    )
