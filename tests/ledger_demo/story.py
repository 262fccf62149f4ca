"""A small plausible release, written through the public API: three stages, the second fails at verify.

Not the controller: nothing is rolled out. The same story every time, with a clock and chance of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ledger import events, instant
from ledger.envelope import Actor, Draft
from ledger.events import Event, Item, Pin
from ledger.log import Batch
from ledger.sqlite_log import SqliteLog

STREAM = "shop/checkout/5f0c2b1e-8d41-4c6b-9a57-0f4f7a1d2c3b"
NEIGHBOUR = "shop/search/0d9a7c52-6b1f-4a86-8f0e-3c1d2b4a5e6f"
STAGES = ("database", "backend", "frontend")
START = "2030-01-31T12:00:00.000Z"
_REGISTRY = "http://source-controller.flux-system.svc/ocirepository/shop"


class Story:
    """Writes one release after another to a ledger."""

    def __init__(self, path: Path) -> None:
        self._ms = instant.to_ms(START)
        self._drawn = 0
        self.log = SqliteLog(path, replica="stageset-controller-0", at=START, chance=self._chance)
        controller = Actor(kind="controller", id="stageset-controller-0", how="lease")
        self.log.open_epoch(actor=controller, at=self._now(), reason="start", software="stageset-controller 0.1.0")

    def close(self) -> None:
        self.log.close()

    def release(self, version: str, *, stream: str = STREAM, fails_in: str = "") -> None:
        """One run over all stages, or up to the one whose verify fails."""
        run = _Run(self, stream, version)
        pins = [run.pin(stage) for stage in STAGES]
        spec = {"interval": "10m", "stages": [{"name": stage, "path": f"./{stage}"} for stage in STAGES]}
        policy = {"verify_timeout_ms": 300_000}
        run.add(events.RunOpened(trigger="snapshot", generation=3, spec=spec, pins=pins, policy=policy))
        if all(run.stage(stage, ready=stage != fails_in) for stage in STAGES):
            run.add(events.RunSucceeded())

    def append(self, stream: str, drafts: Sequence[Draft]) -> int:
        """Record drafts and return the version of the last one."""
        before = self.log.version(stream)
        batch = Batch(stream=stream, expected=before, epoch=self.log.epoch, at=self._now(), drafts=drafts)
        return self.log.append(batch).stream.number

    def _now(self) -> str:
        self._ms += 1_250
        return instant.to_text(self._ms)

    def _chance(self, size_bytes: int) -> bytes:
        self._drawn += 1
        return hashlib.sha256(f"demo {self._drawn}".encode()).digest()[:size_bytes]


class _Run:
    def __init__(self, story: Story, stream: str, version: str) -> None:
        self._story = story
        self._stream = stream
        self._version = version
        self._snapshot = _digest(stream, version)
        self._id = f"{stream.split('/')[1]}-{story.log.version(stream) + 1}"

    def pin(self, stage: str) -> Pin:
        return Pin(
            stage=stage,
            source=f"OCIRepository/shop/{stage}",
            url=f"{_REGISTRY}/{stage}/{self._version}.tar.gz",
            revision=f"{self._version}@{_digest(stage, self._version)[:19]}",
            digest=_digest(stage, self._version),
        )

    def add(self, *happened: Event, stage: str = "") -> int:
        """Record decisions, or facts that answer no intent."""
        return self._story.append(self._stream, [self._draft(event, stage) for event in happened])

    def answer(self, intent: int, *happened: Event, stage: str, blobs: tuple[str, ...] = ()) -> int:
        """Record the answer to an intent, together with the decisions that it caused."""
        finished, *decisions = happened
        outcome = "failed" if getattr(finished, "reason", "") else "ok"
        draft = Draft(
            event=finished,
            run=self._id,
            snapshot=self._snapshot,
            stage=stage,
            outcome=outcome,
            intent=intent,
            blobs=blobs,
        )
        return self._story.append(self._stream, [draft, *(self._draft(event, stage) for event in decisions)])

    def _draft(self, event: Event, stage: str) -> Draft:
        return Draft(event=event, run=self._id, snapshot=self._snapshot, stage=stage)

    def stage(self, stage: str, *, ready: bool) -> bool:
        """Roll one stage out and say whether it became ready."""
        items = [Item(id=f"shop_{stage}_apps_Deployment", v="v1"), Item(id=f"shop_{stage}__Service", v="v1")]
        manifests = self._story.log.blobs.put(f"rendered {stage} {self._version}\n".encode() * 40)
        fetch = self.add(events.StageStarted(), events.FetchIntended(pin=self.pin(stage)), stage=stage)
        to_build = events.BuildIntended(artifact=_digest(stage, self._version), path=f"./{stage}")
        build = self.answer(fetch, events.FetchFinished(size_bytes=48_211), to_build, stage=stage)
        apply = self.answer(
            build,
            events.BuildFinished(manifests=manifests, objects=items),
            events.ApplyIntended(manifests=manifests, objects=len(items)),
            stage=stage,
            blobs=(manifests,),
        )
        configured = [Item(id=item.id, v=item.v, action="configured") for item in items]
        to_verify = events.VerifyIntended(deadline="2030-01-31T12:10:00.000Z")
        verify = self.answer(apply, events.ApplyFinished(objects=configured), to_verify, stage=stage)
        return self._verified(stage, verify, items) if ready else self._failed(stage, verify, items)

    def _verified(self, stage: str, intent: int, items: list[Item]) -> bool:
        current = [Item(id=item.id, v=item.v, action="current") for item in items]
        done = events.VerifyFinished(objects=current)
        self.answer(intent, done, events.StageSucceeded(revision=self._version), stage=stage)
        return True

    def _failed(self, stage: str, intent: int, items: list[Item]) -> bool:
        message = f"Deployment shop/{stage}: 0 of 3 replicas are ready"
        waiting = [Item(id=items[0].id, v="v1", action="progressing", message=message)]
        self.add(events.VerifyObserved(message=message, objects=waiting), stage=stage)
        evidence = {"pods": [{"name": f"{stage}-6f7c9d", "waiting": "CrashLoopBackOff", "exitCode": 1, "restarts": 5}]}
        self.answer(
            intent,
            events.VerifyFinished(reason="Timeout", message=message, objects=waiting, evidence=evidence),
            events.StageFailed(operation="verify", reason="Timeout", message=message, retryable=True),
            stage=stage,
        )
        self.add(
            events.RunFailed(reason="StageFailed", message=f"stage {stage} failed to verify: {message}"),
            events.RunRetryScheduled(due="2030-01-31T12:20:00.000Z", failures=1),
        )
        return False


def write(path: Path) -> None:
    """The whole story: a good release, a neighbour's, and one that fails in its second stage."""
    story = Story(path)
    try:
        story.release("1.4.0")
        story.release("7.0.2", stream=NEIGHBOUR)
        story.release("1.5.0", fails_in="backend")
    finally:
        story.close()


def _digest(*parts: str) -> str:
    return "sha256:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()
