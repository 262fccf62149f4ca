"""Stages with actions in few words, and a stream that tells what was performed."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ledger import events as e
from tests.reconciler.making import Stream, opened, sha, spec, stage


def http(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "http": {"url": "http://hook.test/"}, **fields}


def job(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "job": {"sourceRef": {"name": name}}, **fields}


def wait(name: str, duration: str = "30m", **fields: Any) -> dict[str, Any]:
    return {"name": name, "wait": {"duration": duration}, **fields}


def with_actions(name: str, *, pre: Any = (), post: Any = (), on_failure: Any = (), **fields: Any) -> dict[str, Any]:
    return stage(name, actions={"pre": list(pre), "post": list(post), "onFailure": list(on_failure)}, **fields)


class Acted(Stream):
    """Remembers each action that became an intent, as `hook/name` with its attempt."""

    def start(self, *stages: Any, trigger: e.Trigger = "snapshot", **fields: Any) -> None:
        """Open a run of these stages; pins of job actions are made up."""
        given = fields.pop("given", None) or spec(*stages)
        event = opened(given=given, trigger=trigger, **fields)
        more = [
            e.Pin(
                stage=one["name"], action=action["name"], source="ExternalArtifact/shop/x", digest=sha(action["name"])
            )
            for one in given["stages"]
            if isinstance(one, dict)
            for hook in ("pre", "post", "onFailure")
            for action in one.get("actions", {}).get(hook, ())
            if "job" in action or "apply" in action
        ]
        self.fact(replace(event, pins=[*event.pins, *more]))

    @property
    def performed(self) -> list[str]:
        return [
            f"{one.event.hook}/{one.event.action}#{one.attempt}"
            for one in self.entries
            if isinstance(one.event, e.ActionIntended)
        ]

    def at(self, action: str) -> Acted:
        """Answer well until this action is pending."""
        for _ in range(200):
            pending = self.state.pending
            assert pending is not None, f"{action} was never pending: {self.state.phase}"
            if isinstance(pending.event, e.ActionIntended) and pending.event.action == action:
                return self
            self.answer()
        raise AssertionError(f"{action} was never pending")

    def doubt(self, message: str = "nothing can be looked at") -> None:
        intent = self.intent
        event = e.ActionFinished(hook=intent.hook, action=intent.action, reason="Indeterminate", message=message)
        self.answer(event, outcome="indeterminate")

    def see(self, *objects: e.Item) -> None:
        """What the action touches or made is recorded."""
        pending = self.state.pending
        assert pending is not None
        event = e.ActionObserved(action=self.intent.action, objects=list(objects))
        self.fact(event, stage=pending.stage, intent=pending.intent, idem=pending.key)

    @property
    def intent(self) -> e.ActionIntended:
        assert self.state.pending is not None
        assert isinstance(self.state.pending.event, e.ActionIntended)
        return self.state.pending.event

    def events(self, kind: type) -> list[Any]:
        return [one.event for one in self.entries if isinstance(one.event, kind)]


def job_item(name: str, action: str = "created", uid: str = "uid-job") -> e.Item:
    return e.Item(id=f"shop_{name}_batch_Job", v="v1", uid=uid, action=action)
