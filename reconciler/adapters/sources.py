"""Sources: which artifact a reference stands for just now, from shared watches. A new revision wakes by watch.

Not the fetching. One watch for each kind of source and namespace that is watched, however many StageSets there are.
Errors about another namespace say the same whether or not something is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ledger.events import Pin
from reconciler.adapters.watches.registry import Watches
from reconciler.adapters.watches.store import Key
from reconciler.adapters.watches.subscription import Subscription
from reconciler.api import names, reasons
from reconciler.api.defaults import EXTERNAL_ARTIFACT, Source
from reconciler.compute.fields import condition, dig, text
from reconciler.compute.urlguard import bare
from reconciler.errors import NoSuchKind
from reconciler.ports.cluster import Object, Scope
from reconciler.ports.sources import Found, Unknown
from reconciler.triggers import Obstacle


class WatchedSources:
    """Resolves source references from watches.

    `on_change(namespace)` is called when a source of a namespace may stand for another artifact, with an empty
    namespace when that may be so anywhere.
    """

    def __init__(
        self,
        watches: Watches,
        *,
        on_change: Callable[[str], None],
        namespaces: tuple[str, ...] = ("",),
        cross_namespace: bool = True,
    ) -> None:
        self._watches = watches
        self._on_change = on_change
        self._namespaces = namespaces
        self._cross_namespace = cross_namespace
        self._subscriptions: dict[tuple[str, str], list[Subscription]] = {}
        self._first_looks: set[asyncio.Task[None]] = set()

    def resolve(self, source: Source, *, stage: str, action: str = "", own_namespace: str) -> Found:
        """The pin of a source, a problem, or `Unknown` before the first look."""
        if source.namespace != own_namespace and not self._cross_namespace:
            return Obstacle(
                reasons.RESOLVE_FAILED,
                f"stage {stage}: source {_words(source)} is in another namespace: "
                "the controller runs with --no-cross-namespace-refs",
            )
        found = self._found(source, stage=stage, action=action)
        if isinstance(found, Obstacle) and source.namespace != own_namespace:
            return _elsewhere(source, stage=stage, own_namespace=own_namespace)
        return found

    def address(self, pin: Pin) -> str:
        """The whole address of a pinned artifact, whose record lacks what may be a credential.

        As a source in the pin's namespace shows it now; the recorded one where none shows this artifact any more.
        """
        namespace = pin.source.split("/")[1]
        for subscription in (one for known in self._subscriptions.values() for one in known):
            for key, found in subscription.objects().items():
                url, digest = (text(found, "status", "artifact", field) for field in ("url", "digest"))
                if key.namespace == namespace and digest.strip().lower() == pin.digest and bare(url) == pin.url:
                    return url
        return pin.url

    def close(self) -> None:
        """End the subscriptions."""
        for look in self._first_looks:
            look.cancel()
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()
        self._subscriptions.clear()

    def _found(self, source: Source, *, stage: str, action: str) -> Found:
        found = self._produced(source, stage=stage) if source.is_producer else self._direct(source, stage=stage)
        if isinstance(found, Obstacle | Unknown):
            return found
        return _pin(source, found, stage=stage, action=action)

    def _direct(self, source: Source, *, stage: str) -> Object | Obstacle | Unknown:
        subscriptions = self._watching(source.api_version, source.kind)
        for subscription in subscriptions:
            found: Object | None = subscription.get(Key(source.namespace, source.name))
            if found is not None:
                return found
        return _absent(subscriptions, source, stage=stage)

    def _produced(self, source: Source, *, stage: str) -> Object | Obstacle | Unknown:
        """The one ExternalArtifact whose `spec.sourceRef` points back at the source; the version does not matter."""
        subscriptions = self._watching(names.SOURCE_API_VERSION, EXTERNAL_ARTIFACT)
        matches = [
            found
            for subscription in subscriptions
            for found in subscription.objects().values()
            if text(found, "metadata", "namespace") == source.namespace and _points_at(found, source)
        ]
        if len(matches) > 1:
            listed = ", ".join(sorted(text(match, "metadata", "name") for match in matches))
            return Obstacle(
                reasons.RESOLVE_FAILED,
                f"stage {stage}: source {_words(source)} is ambiguous: the ExternalArtifacts {listed} "
                "point back at it; name one of them in sourceRef",
            )
        return matches[0] if matches else _absent(subscriptions, source, stage=stage)

    def _watching(self, api_version: str, kind: str) -> list[Subscription]:
        known = self._subscriptions.get((api_version, kind))
        if known is None:
            known = [
                self._watches.subscribe(
                    Scope(api_version=api_version, kind=kind, namespace=namespace),
                    on_change=lambda key, _: self._on_change(key.namespace),
                    on_problem=lambda _: self._on_change(""),
                )
                for namespace in self._namespaces
            ]
            self._subscriptions[api_version, kind] = known
            for subscription in known:
                look = asyncio.ensure_future(self._first_look(subscription))
                self._first_looks.add(look)
                look.add_done_callback(self._first_looks.discard)
        return known

    async def _first_look(self, subscription: Subscription) -> None:
        """That there is nothing is told by no change, and yet somebody waits to hear it."""
        with suppress(RuntimeError):
            await subscription.snapshot()
            self._on_change("")


def project_source(found: Object) -> Object:
    """The few fields that a pin is made of."""
    artifact = dig(found, "status", "artifact") or {}
    ready = condition(found, "Ready") or {}
    metadata = {key: dig(found, "metadata", key) for key in ("name", "namespace", "resourceVersion", "uid")}
    kept: dict[str, Any] = {
        "apiVersion": found.get("apiVersion"),
        "kind": found.get("kind"),
        "metadata": metadata,
        "status": {
            "artifact": {key: artifact.get(key) for key in ("url", "digest", "revision")},
            "conditions": [{key: ready.get(key) for key in ("type", "status", "reason", "message")}] if ready else [],
        },
    }
    if found.get("kind") == EXTERNAL_ARTIFACT:
        kept["spec"] = {"sourceRef": dig(found, "spec", "sourceRef") or {}}
    return kept


def _pin(source: Source, found: Object, *, stage: str, action: str) -> Found:
    ready = condition(found, "Ready")
    if ready is None or ready.get("status") != "True":
        why = f"{text(ready, 'reason')}: {text(ready, 'message')}" if ready else "it has no Ready condition yet"
        return Obstacle(reasons.SOURCE_NOT_READY, f"stage {stage}: source {_words(source)} is not ready: {why}")
    url, digest = text(found, "status", "artifact", "url"), text(found, "status", "artifact", "digest")
    if not url or not digest:
        return Obstacle(
            reasons.ARTIFACT_NOT_FOUND, f"stage {stage}: source {_words(source)} is ready but has no artifact yet"
        )
    return Pin(
        stage=stage,
        action=action,
        source=f"{source.kind}/{source.namespace}/{source.name}",
        url=bare(url),
        revision=text(found, "status", "artifact", "revision"),
        digest=digest.strip().lower(),
    )


def _elsewhere(source: Source, *, stage: str, own_namespace: str) -> Obstacle:
    """Whatever is wrong there: it is looked up with the controller's rights, which no tenant may borrow to probe."""
    return Obstacle(
        reasons.RESOLVE_FAILED,
        f"stage {stage}: source {_words(source)} cannot be used from namespace {own_namespace}: it does not exist, is "
        "not ready or has no artifact; which of these is shown in its own namespace only",
    )


def _absent(subscriptions: list[Subscription], source: Source, *, stage: str) -> Obstacle | Unknown:
    for subscription in subscriptions:
        if isinstance(subscription.problem, NoSuchKind):
            return Obstacle(
                reasons.ARTIFACT_NOT_FOUND,
                f"stage {stage}: the cluster has no kind {source.kind} of {source.api_version}: "
                "install Flux's source-controller, or correct sourceRef",
            )
        if subscription.problem is not None:
            return Obstacle(reasons.RESOLVE_FAILED, f"stage {stage}: {_words(source)}: {subscription.problem.message}")
        if not subscription.synced:
            return Unknown()
    back = " and no ExternalArtifact points back at it" if source.is_producer else ""
    return Obstacle(
        reasons.ARTIFACT_NOT_FOUND,
        f"stage {stage}: source {_words(source)} does not exist{back}: create it, or correct sourceRef",
    )


def _points_at(found: Object, source: Source) -> bool:
    ref = dig(found, "spec", "sourceRef") or {}
    group = str(ref.get("apiVersion", "")).rpartition("/")[0]
    return (ref.get("kind"), ref.get("name"), group) == (source.kind, source.name, source.group)


def _words(source: Source) -> str:
    return f"{source.kind} {source.namespace}/{source.name}"
