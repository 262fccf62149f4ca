"""The top of a report, for whoever was woken up: why it failed, what that means, where things stand, what happened."""

from __future__ import annotations

from collections.abc import Iterator

from ledger import instant
from ledger.render import instant as clock
from reconciler.api.reasons import RUNBOOKS
from replay.report import parts
from replay.report.html import Child, Markup, element
from replay.report.subject import ROWS_MAX, Subject, lasting, stages
from replay.story import Failed, Moment, Story

_BEGUN = {
    "snapshot": "A source showed a new revision",
    "spec": "The spec changed",
    "retry": "The same snapshot was tried again",
    "request": "Somebody asked for it",
    "drift": "Objects had been changed by another hand",
    "interval": "It was time to look again",
    "restored": "A cause was mended",
    "deletion": "The StageSet was deleted",
}
_TELLING = {
    "stage.succeeded": "Stage {stage} is done.",
    "stage.removed": "Stage {stage} is gone.",
    "stage.transferred": "Objects moved to stage {stage}.",
    "action.held": "Action {action} of stage {stage} is held: {told}",
    "action.skipped": "Action {action} of stage {stage} was not performed again.",
    "action.retry.scheduled": "Action {action} of stage {stage} is tried again.",
    "action.revoked": "Action {action} of stage {stage} counts as not done: {told}",
    "action.adopted": "Action {action} of stage {stage} was taken over as done.",
    "drift.observed": "Objects of stage {stage} were changed by another hand: {told}",
    "operator.resolved": "Somebody answered for action {action}: {told}",
    "operator.requested": "Somebody asked for something: {told}",
    "operator.suspended": "It was suspended.",
    "operator.resumed": "It goes on.",
    "run.superseded": "It ended because something newer came: {told}",
    "replace": "Objects of stage {stage} were to be deleted and made again.",
}


def title(story: Story) -> str:
    """The one line of the browser's tab."""
    return f"{_name(story)}: {story.message or story.outcome}"


def heading(subject: Subject) -> Markup:
    """The sentence, and what it means."""
    story = subject.story
    kind = {"failed": "failure", "succeeded": "success"}.get(story.outcome, "unclear")
    return element(
        "header",
        element("p", "StageSet ", element("strong", _name(story)), ", run ", parts.code(story.run), class_="dim"),
        element(
            "div",
            element("h1", _sentence(subject)),
            _meaning(story, story.failed) if story.failed is not None else None,
            class_=kind,
        ),
    )


def _sentence(subject: Subject) -> str:
    story = subject.story
    if story.message:
        return story.message
    taken = lasting(subject.total_ms)
    if story.outcome == "succeeded":
        return f"Every stage is ready. It took {taken}."
    return {
        "superseded": f"The run ended after {taken} because something newer came.",
        "failed": f"The run failed after {taken}.",
    }.get(story.outcome, f"The run was not over after {taken}, where this recording ends.")


def _meaning(story: Story, failed: Failed) -> Iterator[Markup]:
    kind = "It may pass by itself." if failed.retryable else "The same inputs fail again: something has to change."
    again = (
        f"The next try was planned for {clock(story.retry_at)} UTC." if story.retry_at else "No next try is planned."
    )
    yield element("p", "Reason ", element("strong", failed.reason), f". {kind} {again}")
    yield element("p", element("a", "What the runbook says", href=f"{RUNBOOKS}stagefailed/#{anchor(failed)}"), ".")


def anchor(failed: Failed) -> str:
    """Of the section of the runbook: operation and reason, of an action its reason alone."""
    words = () if failed.operation.endswith("-action") else failed.operation.split()
    found = "-".join((*words, failed.reason)).lower()
    return "".join(c for c in found if c.isascii() and (c.isalnum() or c == "-"))


def _name(story: Story) -> str:
    return "/".join(story.stream.removeprefix("stageset/").split("/")[:2])


def standing(subject: Subject) -> Markup:
    """Where each stage stands."""
    found = stages(subject)
    rows = [(one.name, (parts.word(one.stands), _kept(one.stands)), one.revision) for one in found[:ROWS_MAX]]
    return parts.section(
        "stages",
        "Where the stages stand",
        parts.table(("Stage", "State", "Revision of this run"), rows, label="Stages"),
        parts.more(len(found) - ROWS_MAX, "stages"),
    )


def _kept(stands: str) -> str:
    return ", keeps what it had" if stands == "not reached" else ""


def happened(subject: Subject) -> Markup:
    """The run in sentences."""
    story = subject.story
    items = [(story.opened_at, f"{_BEGUN.get(story.trigger, story.trigger)}: the run began.")]
    items += [
        (one.at, _told(one, story)) for one in story.moments if one.what in _TELLING or one.what == "stage.failed"
    ]
    if story.outcome in ("succeeded", "failed"):
        items.append((story.last_at, f"The run {story.outcome}."))
    if story.retry_at:
        items.append((story.retry_at, "The next try was planned for then."))
    rows: list[Child] = [element("li", _time(at, story.opened_at), element("span", text)) for at, text in items]
    return parts.section(
        "happened",
        "What happened",
        element("ol", rows[:ROWS_MAX], class_="story"),
        parts.more(len(rows) - ROWS_MAX, "events"),
        element("p", f"Times are UTC, of {clock(story.opened_at)[:10]} where no date stands.", class_="dim"),
    )


def _told(moment: Moment, story: Story) -> str:
    failed = story.failed
    if moment.what == "stage.failed":
        return f"Stage {moment.stage} failed at {failed.operation}: {failed.message}" if failed is not None else ""
    found = _TELLING[moment.what].format(stage=moment.stage, action=moment.action, told=moment.told)
    return f"{found} It took {lasting(moment.took_ms)}." if moment.took_ms >= 0 else found


def _time(at: str, begun: str) -> Markup:
    day, _, time = clock(at).partition(" ")
    return element("time", time if day == begun[:10] else f"{day} {time}", datetime=_plain(at), class_="num")


def _plain(at: str) -> str | None:
    try:
        return instant.to_text(instant.to_ms(at))
    except (ValueError, OverflowError):
        return None
