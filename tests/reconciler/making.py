"""Facts and entries in few words, and a stream that is stepped: what the tests of the core are written with."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ledger import events as e
from ledger.envelope import Draft
from reconciler.api.types import StageSetSpec
from reconciler.effects import Entry, entry_of_draft
from reconciler.evolve import fold
from reconciler.policy import policy_of
from reconciler.state import State
from reconciler.step import step

STREAM = "stageset/shop/rel/0a1b2c3d"
START_MS = 1_900_000_000_000


def sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def spec(*names: str, **fields: Any) -> dict[str, Any]:
    """A spec with these stages; a stage may be given as a dict."""
    stages = [name if isinstance(name, dict) else {"name": name, "sourceRef": {"name": name}} for name in names]
    return {"retryInterval": "1m", "interval": "10m", **fields, "stages": stages}


def stage(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "sourceRef": {"name": name}, **fields}


def pins(*names: str, revision: str = "v1") -> list[e.Pin]:
    return [
        e.Pin(
            stage=name,
            source=f"ExternalArtifact/shop/{name}",
            url=f"http://source.test/{name}",
            revision=revision,
            digest=sha(f"{name}{revision}"),
        )
        for name in names
    ]


def opened(
    *names: str, revision: str = "v1", generation: int = 1, trigger: e.Trigger = "snapshot", **fields: Any
) -> e.RunOpened:
    """A run of these stages; `given` is the whole spec where it matters."""
    given = fields.pop("given", None) or spec(*names)
    plain = [name["name"] if isinstance(name, dict) else name for name in given["stages"]]
    return e.RunOpened(
        trigger=trigger,
        generation=generation,
        spec=given,
        pins=[] if trigger == "deletion" else pins(*plain, revision=revision),
        policy=policy_for(given),
        **fields,
    )


def policy_for(given: dict[str, Any]) -> dict[str, Any]:
    return policy_of(msgspec.convert(given, StageSetSpec), default_interval_ms=600_000, teardown_ms=3_600_000)


def ids(*names: str) -> list[str]:
    return [f"shop_{name}__ConfigMap" for name in names]


def items(*names: str, **fields: Any) -> list[e.Item]:
    return [e.Item(id=key, v="v1", **fields) for key in ids(*names)]


def uid_of(key: str) -> str:
    return f"uid-{key.split('_')[1]}"


class Stream:
    """A StageSet's stream under the pure step: facts in, recorded entries and the state out."""

    def __init__(self, **renders: tuple[str, ...]) -> None:
        self.state = State(stream=STREAM)
        self.entries: list[Entry] = []
        self.now_ms = START_MS
        #: names of the ConfigMaps that a stage renders; one of its own name where it is not told
        self.renders = dict(renders)

    def fact(self, event: e.Event, **fields: Any) -> tuple[Draft, ...]:
        """Step one fact; returns what was decided."""
        number = self.state.version + 1
        run = f"run-{number}" if isinstance(event, e.RunOpened) else (self.state.run.id if self.state.run else "")
        found = Entry(event, self.now_ms, number, **{"run": run, **fields})
        result = step(self.state, found)
        self.entries.append(found)
        for at, draft in enumerate(result.decisions):
            self.entries.append(entry_of_draft(draft, at_ms=self.now_ms, ver=number + 1 + at))
        self.state = result.state
        return result.decisions

    def answer(self, event: e.Finished | None = None, *, outcome: str = "ok") -> tuple[Draft, ...]:
        """Answer what is pending: as well as can be, or with this event."""
        pending = self.state.pending
        assert pending is not None, f"nothing is pending in {self.state.phase}"
        event = event or self.good(pending.event, pending.stage)
        return self.fact(event, stage=pending.stage, outcome=outcome, intent=pending.intent, idem=pending.key)

    def fail(self, *, retryable: bool = True, **fields: Any) -> tuple[Draft, ...]:
        """Answer what is pending with a failure."""
        assert self.state.pending is not None
        finished = e.BY_TAG[f"{self.state.pending.operation}.finished"]
        about = self.state.pending.event
        if isinstance(about, e.ActionIntended):
            fields = {"hook": about.hook, "action": about.action, **fields}
        event: Any = finished(reason="Broken", message="it broke", retryable=retryable, **fields)
        return self.answer(event, outcome="failed")

    def until(self, operation: str, stage: str = "") -> Stream:
        """Answer well until this operation is pending."""
        for _ in range(500):
            pending = self.state.pending
            if pending is not None and pending.operation == operation and stage in {"", pending.stage}:
                return self
            self.answer()
        raise AssertionError(f"{operation} of {stage or 'any stage'} was never pending")

    def rest(self) -> Stream:
        """Answer well until the run is over."""
        for _ in range(500):
            if self.state.pending is None:
                return self
            self.answer()
        raise AssertionError("it does not come to rest")

    def good(self, intent: e.Event, stage: str) -> e.Finished:
        """The answer of a world in which everything works."""
        names = self.renders.get(stage, (stage,))
        match intent:
            case e.BuildIntended(artifact=artifact):
                manifests = sha(f"{artifact}{names}")
                return e.BuildFinished(manifests=manifests, objects=items(*names, digest=sha(artifact)))
            case e.ApplyIntended():
                found = [
                    e.Item(id=key, v="v1", uid=uid_of(key), rv="7", digest=sha(stage), action="created")
                    for key in ids(*names)
                ]
                return e.ApplyFinished(objects=found)
            case e.PruneIntended(objects=objects):
                return e.PruneFinished(objects=[e.Item(id=one.id, v=one.v, action="deleted") for one in objects])
            case e.ReplaceIntended(objects=objects):
                return e.ReplaceFinished(objects=[e.Item(id=one.id, v=one.v, action="deleted") for one in objects])
            case e.ActionIntended(hook=hook, action=action):
                return e.ActionFinished(hook=hook, action=action)
            case _:
                finished: Any = e.BY_TAG[e.tag_of(intent).replace("intended", "finished")]
                return finished()

    @property
    def tags(self) -> list[str]:
        """Tags of all entries, with the stage where there is one."""
        return [f"{e.tag_of(one.event)} {one.stage}".strip() for one in self.entries]

    def owned(self, stage: str) -> dict[str, str]:
        """UIDs of what a stage owns, by name."""
        return {key.split("_")[1]: one.uid for key, one in self.state.stages[stage].owned.items()}

    def refold(self) -> State:
        return fold(STREAM, self.entries)


def tags(decisions: tuple[Draft, ...]) -> list[str]:
    return [e.tag_of(draft.event) for draft in decisions]
