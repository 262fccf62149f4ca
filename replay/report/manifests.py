"""The rendered manifests of a run, stage by stage, each object folded.

Shown is how an object differs from the run before, where the bundle has that; else the object as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from replay import rendering
from replay.comparing import ObjectChange, object_changes
from replay.payloads import Object
from replay.report import parts
from replay.report.html import Child, Markup, element
from replay.report.subject import Subject
from replay.runs import Run

#: Objects of one stage that are shown with their text.
_OBJECTS_MAX = 300


def manifests(subject: Subject) -> Markup | None:
    """All stages that were built."""
    if not subject.run.built:
        return None
    stages = [_stage(subject, stage, digest) for stage, digest in subject.run.built.items()]
    return parts.section(
        "manifests",
        "Manifests",
        element("p", "As they were built. Values of Secrets were never recorded: tokens stand in their places."),
        stages,
    )


def _stage(subject: Subject, stage: str, digest: str) -> list[Child]:
    children: list[Child] = [element("h3", f"Stage {stage}")]
    objects = subject.manifests.found.get(digest)
    if objects is None:
        why = subject.manifests.withheld.get(digest, "it is not in the bundle")
        return [*children, element("p", f"Not shown: {why}.", class_="dim")]
    earlier = _earlier(subject, stage)
    if earlier is None:
        return [*children, element("p", "Built for the first time in this recording.", class_="dim"), _plain(objects)]
    run, found = earlier
    if run.built[stage] == digest:
        same = f"The same as in run {run.id}, which {run.outcome}."
        return [*children, element("p", same, class_="dim"), _plain(objects)]
    if found is None:
        other = f"Not the same as in run {run.id}, which {run.outcome}; the bundle does not have those."
        return [*children, element("p", other, class_="dim"), _plain(objects)]
    return [*children, *_against(stage, run, found, objects)]


def _earlier(subject: Subject, stage: str) -> tuple[Run, list[Object] | None] | None:
    """The last run before that built the stage; rather one whose manifests are here, or that was asked for."""
    wanted = [subject.against] if subject.against is not None else []
    built = [run for run in (*wanted, *reversed(subject.runs[:-1])) if stage in run.built]
    for run in built:
        found = subject.manifests.found.get(run.built[stage])
        if found is not None:
            return run, found
    return (built[0], None) if built else None


def _against(stage: str, run: Run, before: list[Object], after: list[Object]) -> Iterator[Child]:
    changes = list(object_changes(stage, before, after))
    changed = {one.object for one in changes}
    same = [one for one in after if rendering.named(one) not in changed]
    yield element(
        "p", f"Against run {run.id}, which {run.outcome}: {parts.counted(len(changes), 'difference')}.", class_="dim"
    )
    yield from (_change(one, opened=len(changes) == 1) for one in changes[:_OBJECTS_MAX])
    yield parts.more(len(changes) - _OBJECTS_MAX, "objects")
    if same:
        yield _plain(same)


def _change(change: ObjectChange, *, opened: bool) -> Markup:
    text: Child = change.why
    if change.diff:
        text = parts.difference(change.diff, label=f"{change.object}, {change.what}")
    return parts.fold((change.object, " ", parts.code(change.what)), text, opened=opened)


def _plain(objects: list[Object]) -> list[Child]:
    found = rendering.by_identity(objects)
    folds: list[Child] = [
        parts.fold(rendering.named(one), parts.block(rendering.text(one), label=rendering.named(one)))
        for one in list(found.values())[:_OBJECTS_MAX]
    ]
    return [*folds, parts.more(len(found) - _OBJECTS_MAX, "objects")]
