"""WAIT: for a time, or until an expression is true of an object.

Holds nothing and polls nothing: a timer, or a shared watch that says when to look. Invariant: only a state that was
read after the action began counts, never what a watch still had in memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.targets import item_of, located
from reconciler.adapters.hands.actions.timing import left_s
from reconciler.adapters.operations.failures import told
from reconciler.adapters.watches import Key
from reconciler.api import duration
from reconciler.api.types.actions import WaitAction
from reconciler.api.types.references import ObjectReference
from reconciler.compute.cel import compiles, evaluate
from reconciler.compute.fields import cut, text
from reconciler.compute.order import ref_words
from reconciler.compute.project import projected
from reconciler.errors import ClusterError, NoSuchKind, NotFound, OperationError
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.ports.hands import Answer

#: A time is waited for in pieces, so that a clock that was set is noticed.
_PIECE_S = 60.0
#: Pauses between looks that the server refused or did not answer.
_PAUSE_S, _PAUSE_S_MAX = 1.0, 30.0


async def perform(acting: Acting) -> Answer:
    """Wait; a duration wins over an expression, and without both there is nothing to wait for."""
    part = acting.action.wait
    assert part is not None, "a wait action has a wait"
    if part.duration and duration.parse(part.duration) > 0:
        await _until_deadline(acting)
        return acting.done(message=f"waited {part.duration}")
    if not part.expr:
        return acting.done(message="there was nothing to wait for")
    try:
        return await _until_true(acting, part)
    except OperationError as error:
        return acting.failed(error)


async def _until_deadline(acting: Acting) -> None:
    assert acting.deadline_ms, "the end of a wait is its deadline"
    while (left_ms := acting.deadline_ms - acting.tools.clock.now_ms()) > 0:  # noqa: ASYNC110 - time is all there is
        await asyncio.sleep(min(left_ms / 1000, _PIECE_S))


async def _until_true(acting: Acting, part: WaitAction) -> Answer:
    if part.target is None:
        message = "wait.expr needs wait.target, the object that it looks at: add it"
        raise OperationError(message, reason="InvalidAction", retryable=False)
    wrong = compiles(part.expr)
    if wrong is not None:
        raise OperationError(f"wait.expr: {wrong}", reason="InvalidAction", retryable=False)
    looking = _Looking(acting, part.target, part.expr)
    try:
        async with asyncio.timeout(left_s(acting)):
            item = await looking.until_true()
    except TimeoutError:
        raise looking.late() from None
    return acting.done(message=f"{looking.words()} is true", objects=[item])


class _Looking:
    """Looks at one object whenever a watch says that it changed; remembers why it was not enough."""

    def __init__(self, acting: Acting, target: ObjectReference, expr: str) -> None:
        self._acting, self._target, self._expr = acting, target, expr
        self._ref: Ref | None = None
        self._live: Object | None = None
        self._why = "the cluster has not answered yet"
        #: of the last look that failed
        self._evidence: dict[str, Any] = {}
        #: to be slept before the next look where no change can be heard of
        self._pause_s = 0.0

    async def until_true(self) -> Item:
        """The object of which the expression is true."""
        ref = await self._locate()
        changed = asyncio.Event()
        subscription = self._acting.hand.watches.subscribe(
            Scope(ref.api_version, ref.kind, ref.namespace),
            keys=[Key(ref.namespace, ref.name)],
            on_change=lambda key, obj: changed.set(),
        )
        try:
            while True:
                changed.clear()
                if await self._look(ref):
                    assert self._live is not None
                    return item_of(ref, self._live, action="current")
                await self._rest(changed)
        finally:
            subscription.close()

    def words(self) -> str:
        """The object and the expression."""
        expression = cut(" ".join(self._expr.split()), 120)
        who = ref_words(self._ref) if self._ref is not None else f"{self._target.kind} {self._target.name}"
        return f"{who}: `{expression}`"

    def late(self) -> OperationError:
        """The deadline came first."""
        live = {"live": projected(self._live)} if self._live is not None else self._evidence
        evidence = {"expression": self._expr} | live
        message = f"timed out: {self.words()} did not become true: {self._why}"
        return OperationError(message, reason="WaitTimeout", retryable=True, evidence=evidence)

    async def _locate(self) -> Ref:
        """The object's place; a kind that is not installed yet is as an object that does not exist yet."""
        while self._ref is None:
            try:
                self._ref = await located(self._acting, self._target, field="wait.target")
            except OperationError as error:
                if not error.retryable:
                    raise
                self._why = error.message
                await self._rest(asyncio.Event(), retry=True)
        self._pause_s = 0.0
        return self._ref

    async def _look(self, ref: Ref) -> bool:
        try:
            live = await self._acting.hand.cluster.get(ref)
        except (NotFound, NoSuchKind):
            self._live, self._evidence = None, {}
            self._why, self._pause_s = "the object does not exist", 0.0
            return False
        except ClusterError as error:
            words, self._evidence = told(error)
            self._why = f"the object cannot be read: {cut(words, 600)}"
            self._slower()
            return False
        self._live, self._pause_s = {"apiVersion": ref.api_version, "kind": ref.kind, **live}, 0.0
        verdict = evaluate(self._expr, self._live)
        at = f"at resourceVersion {text(live, 'metadata', 'resourceVersion')}"
        self._why = f"{verdict.error} ({at})" if verdict.error else f"it was false {at}"
        return verdict.true

    def _slower(self) -> None:
        self._pause_s = min(max(self._pause_s * 2, _PAUSE_S), _PAUSE_S_MAX)

    async def _rest(self, changed: asyncio.Event, *, retry: bool = False) -> None:
        """Until something changed; where the last look failed, at most for a pause."""
        if retry:
            self._slower()
        try:
            async with asyncio.timeout(self._pause_s or None):
                await changed.wait()
        except TimeoutError:
            return
