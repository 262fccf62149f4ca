"""VERIFY: hear of the objects of a stage until they are all ready or one has failed.

Not a wait that holds anything: subscriptions to shared watches and callbacks; the bound is a wake-up of the core, not
of this. Invariants: one terminal result at most; a state older than the one that was applied never counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec

from reconciler import errors
from reconciler.adapters.operations.settle import Sleep
from reconciler.adapters.watches import Key, Subscription, Watches
from reconciler.api.types.references import ObjectReference
from reconciler.compute.assess import Assessment, Memo, Targets, assess
from reconciler.compute.fields import cut, text, whole
from reconciler.ports.cluster import Cluster, Object, Ref, Scope

_API_VERSIONS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Ingress": "networking.k8s.io/v1",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the apply returned for an object: anything older in a watch's memory is not its present state."""

    uid: str
    resource_version: str = ""
    generation: int | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """How a verification hears of the world and tells of it."""

    #: Milliseconds since the epoch.
    clock_ms: Callable[[], int]
    #: Told once, when all objects are ready or one has failed.
    on_result: Callable[[Assessment], None]
    #: Told whenever the words of the assessment change.
    on_progress: Callable[[Assessment], None] = lambda _: None
    #: What the apply saw, by reference.
    seen: Mapping[Ref, Seen] = field(default_factory=dict)
    sleep: Sleep = asyncio.sleep


class Verification:
    """One running verification, from `start` to its result or `close`; all its callbacks come from the event loop."""

    def __init__(self, watches: Watches, targets: Targets, *, options: VerifyOptions) -> None:
        self._watches = watches
        self._targets = targets
        self._options = options
        self._objects: dict[Ref, Object | None] = {}
        self._unreadable: dict[Ref, str] = {}
        self._memo: Memo = {}
        self._subscriptions: list[Subscription] = []
        self._recheck: asyncio.Task[None] | None = None
        self._told = ""
        self._scheduled = False
        self.closed = False

    def start(self) -> None:
        """Subscribe: one scope for each kind and namespace, shared with all others that look there."""
        for scope, keys in _scopes(self._targets.refs).items():
            self._subscriptions.append(
                self._watches.subscribe(
                    scope,
                    keys=keys,
                    on_change=partial(self._changed, scope),
                    on_problem=partial(self._problem, scope, keys),
                )
            )
        self._schedule()

    def assessment(self) -> Assessment:
        """The state as it is known now: what a time-out reports."""
        return assess(
            self._objects,
            targets=self._targets,
            now_ms=self._options.clock_ms(),
            unreadable=self._unreadable,
            memo=self._memo,
        )

    def objects(self) -> Mapping[Ref, Object | None]:
        """The latest state of each object: what evidence starts from."""
        return dict(self._objects)

    def unreadable(self) -> Mapping[Ref, str]:
        """Why objects could not be read."""
        return dict(self._unreadable)

    def close(self) -> None:
        """Nothing is told after this."""
        self.closed = True
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions.clear()
        self._cancel_recheck()

    def _changed(self, scope: Scope, key: Key, obj: Object | None) -> None:
        ref = _ref(scope, key)
        if obj is not None and is_older(obj, self._options.seen.get(ref)):
            return
        self._unreadable.pop(ref, None)
        # Items of a list come without apiVersion and kind; the rules of readiness need both.
        self._objects[ref] = None if obj is None else {"apiVersion": ref.api_version, "kind": ref.kind, **obj}
        self._schedule()

    def _problem(self, scope: Scope, keys: Iterable[Key], problem: errors.ClusterError | None) -> None:
        for ref in (_ref(scope, key) for key in keys):
            if problem is None:
                self._unreadable.pop(ref, None)
            else:
                self._unreadable[ref] = cut(problem.message, 300)
        self._schedule()

    def _schedule(self) -> None:
        """A burst of changes is one assessment."""
        if not self._scheduled and not self.closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._scheduled = False
        if self.closed:
            return
        found = self.assessment()
        self._cancel_recheck()
        if found.done or found.failed:
            self.close()
            self._options.on_result(found)
            return
        if found.recheck_ms is not None:
            self._recheck = asyncio.get_running_loop().create_task(self._look_again(found.recheck_ms))
        if found.message != self._told:
            self._told = found.message
            self._options.on_progress(found)

    async def _look_again(self, after_ms: int) -> None:
        await self._options.sleep(after_ms / 1000)
        self._recheck = None
        self._schedule()

    def _cancel_recheck(self) -> None:
        task, self._recheck = self._recheck, None
        if task is not None:
            task.cancel()


def is_older(live: Object, seen: Seen | None) -> bool:
    """Whether `live` is from before the state that was `seen`.

    Resource versions of one kind are compared as numbers where both are (KEP-5504 makes that a promise of the API);
    else generations of the same object.
    """
    if seen is None:
        return False
    version = text(live, "metadata", "resourceVersion")
    if version.isdecimal() and seen.resource_version.isdecimal():
        return int(version) < int(seen.resource_version)
    generation = whole(live, "metadata", "generation")
    same = text(live, "metadata", "uid") == seen.uid
    return same and generation is not None and seen.generation is not None and generation < seen.generation


async def resolve_checks(cluster: Cluster, checks: Iterable[ObjectReference], *, namespace: str) -> tuple[Ref, ...]:
    """`readyChecks.checks` as references: of cluster-scoped kinds the namespace is ignored, else it is `namespace`
    where none is given; an unknown kind counts as namespaced. Without an apiVersion well-known kinds have theirs,
    others are core.
    """
    found: list[Ref] = []
    for check in checks:
        api_version = check.api_version or _API_VERSIONS.get(check.kind, "v1")
        try:
            namespaced = (await cluster.resource(api_version, check.kind)).namespaced
        except errors.ClusterError:
            namespaced = True
        found.append(Ref(api_version, check.kind, (check.namespace or namespace) if namespaced else "", check.name))
    return tuple(found)


def _scopes(refs: Iterable[Ref]) -> dict[Scope, frozenset[Key]]:
    wanted: dict[Scope, set[Key]] = {}
    for ref in refs:
        wanted.setdefault(Scope(ref.api_version, ref.kind, ref.namespace), set()).add(Key(ref.namespace, ref.name))
    return {scope: frozenset(keys) for scope, keys in wanted.items()}


def _ref(scope: Scope, key: Key) -> Ref:
    return Ref(scope.api_version, scope.kind, key.namespace, key.name)
