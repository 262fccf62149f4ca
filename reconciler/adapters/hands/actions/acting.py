"""What every verb is given: the action, its identity, what is known of earlier tries, and how to record on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from ledger.events import ActionFinished, Hook, Item, Pin
from reconciler.adapters.clusters import Hand
from reconciler.adapters.hands.tools import Tools
from reconciler.adapters.operations.failures import told
from reconciler.api.types import Action, StageSetSpec
from reconciler.errors import ClusterError, Forbidden, OperationError
from reconciler.ports.hands import Answer, Target

#: Records what was seen or is about to be touched. When it returns, the record is durable; it may take as long as the
#: ledger cannot be written, and is cancelled with the effect.
Report = Callable[[Sequence[Item], str], Awaitable[None]]


class Acting(NamedTuple):
    """One action to be performed, or to be looked for."""

    tools: Tools
    target: Target
    spec: StageSetSpec
    stage: str
    hook: Hook
    action: Action
    #: idempotency key: 64 hex digits, the same for every try of the same scope
    key: str
    #: pin of the artifact of a job or apply action
    pin: Pin | None
    #: true only where this very intent has just become durable and nothing was done for it yet; false after a crash
    #: or a hand-over: it may have been performed, so look first
    first: bool
    #: what was recorded for this key so far and not yet settled, by earlier tries too, in order of recording; the
    #: newest entry of an id counts
    seen: tuple[Item, ...]
    #: objects of the same action in an older scope (another stage digest) whose end was never seen
    earlier: tuple[Item, ...]
    #: end of all attempts, milliseconds since 1970; 0: none
    deadline_ms: int
    #: the stage's identity on the target cluster; for http on the controller's own, where its Secrets are
    hand: Hand
    report: Report

    def done(self, *, message: str = "", objects: Sequence[Item] = (), blobs: tuple[str, ...] = ()) -> Answer:
        """It took effect, and this is known."""
        return Answer(self._event(message=message, objects=list(objects)), "ok", blobs)

    def failed(
        self, error: OperationError | ClusterError, *, objects: Sequence[Item] = (), blobs: tuple[str, ...] = ()
    ) -> Answer:
        """It is known to have failed; another attempt may follow where the error is retryable."""
        if isinstance(error, OperationError):
            reason, retryable, message, evidence = error.reason, error.retryable, error.message, error.evidence
            # What could not be rendered is referred to, so that it is kept as long as the answer.
            blobs = blobs or ((evidence["artifact"],) if "artifact" in evidence else ())
        else:
            reason, retryable = type(error).__name__, True
            message, evidence = told(error)
        event = self._event(
            reason=reason, message=message, retryable=retryable, evidence=evidence, objects=list(objects)
        )
        return Answer(event, "refused" if isinstance(error, Forbidden) else "failed", blobs)

    def unknown(self, message: str, *, evidence: dict[str, Any] | None = None, objects: Sequence[Item] = ()) -> Answer:
        """It may or may not have taken effect. `message` says what was looked at, in one sentence."""
        event = self._event(
            reason="Indeterminate", message=message, retryable=False, evidence=evidence or {}, objects=list(objects)
        )
        return Answer(event, "indeterminate")

    def newest(self) -> dict[str, Item]:
        """The newest recorded entry of each object, by id."""
        return {item.id: item for item in self.seen}

    def _event(self, **fields: Any) -> ActionFinished:
        return ActionFinished(hook=self.hook, action=self.action.name, **fields)
