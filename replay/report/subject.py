"""What a report tells of: one run, with what the bundle has around it. Values, and the questions all sections ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.envelope import Record
from ledger.events import RunOpened
from replay.bundle.reading import Bundle
from replay.payloads import Manifests
from replay.replayer import Verdict
from replay.runs import Run
from replay.story import Moment, Story

#: Rows of a table or an axis; what is more is only counted.
ROWS_MAX = 1_000


class Subject(NamedTuple):
    """One run, and what is around it."""

    bundle: Bundle
    story: Story
    #: all records of the stream
    records: Sequence[Record]
    #: all runs of the stream up to this one, which is the last
    runs: Sequence[Run]
    manifests: Manifests
    #: what the replay of the bundle found; None: there was none, and `problem` says why
    verdict: Verdict | None = None
    problem: str = ""
    #: a run of another bundle that the manifests are to be held against
    against: Run | None = None

    @property
    def run(self) -> Run:
        return self.runs[-1]

    @property
    def mine(self) -> list[Record]:
        """The records of the run."""
        return [one for one in self.records if one.header.run == self.run.id]

    @property
    def opened(self) -> RunOpened | None:
        return next((one.event for one in self.mine if isinstance(one.event, RunOpened)), None)

    @property
    def total_ms(self) -> int:
        """How long the run took, or has taken by its last record."""
        return max((one.after_ms + max(one.took_ms, 0) for one in self.story.moments), default=0)


class Stage(NamedTuple):
    """A stage as the run left it."""

    name: str
    #: what its source showed
    revision: str
    #: done, failed, not reached, under way
    stands: str
    moments: Sequence[Moment]


def stages(subject: Subject) -> list[Stage]:
    """The stages of the run in their order, also those that were not reached."""
    story = subject.story
    revisions = {pin.stage: pin.revision for pin in story.pins if not pin.action}
    listed = _listed(subject.opened)
    names = dict.fromkeys((*listed, *revisions, *(one.stage for one in story.moments if one.stage)))
    return [
        Stage(name, revisions.get(name, ""), _stands(found), found)
        for name in names
        for found in ([one for one in story.moments if one.stage == name],)
    ]


def _listed(opened: RunOpened | None) -> list[str]:
    found = opened.spec.get("stages") if opened is not None else None
    entries = found if isinstance(found, list) else []
    names = [one.get("name") for one in entries if isinstance(one, dict)]
    return [name for name in names if isinstance(name, str)]


def _stands(moments: Sequence[Moment]) -> str:
    ended = {"stage.failed": "failed", "stage.succeeded": "done", "stage.removed": "removed"}
    found = [ended[one.what] for one in moments if one.what in ended]
    return found[-1] if found else ("under way" if moments else "not reached")


def lasting(ms: int) -> str:
    """A duration as people say it."""
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, rest = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
