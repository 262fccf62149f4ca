"""Notes what an operation asks the world, so that its failure can be judged again without the world.

Not a cache and not a filter: every answer passes as it is. Invariants: only the newest answer to a question is kept;
nothing of a Secret's value, and nothing of what is written to a cluster. What is created or applied may be made of such
values, so its answers, which may repeat them, are not noted at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import msgspec

from ledger.errors import LedgerError
from reconciler.adapters.clusters import Clusters, Hand
from reconciler.adapters.hands.tools import Tools
from reconciler.adapters.kustomize import Builder
from reconciler.compute import inputs
from reconciler.compute.cel import evaluate
from reconciler.compute.inputs import Inputs, Note
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cascade, Cluster, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent
from reconciler.ports.hands import Answer
from reconciler.ports.requests import Call, CallError, Calling, Fetching, Reply

_GOOD = frozenset({"ok", "skipped"})


class Notebook:
    """The notes of one operation. `words` is the expression that it judges objects by, if any."""

    def __init__(self, tools: Tools, *, words: str = "") -> None:
        self._notes: dict[tuple[str, ...], Note] = {}
        self._words = words
        self._tool = tools.tool
        #: objects of which more than the name is noted, by question
        self._live: dict[tuple[str, ...], Object] = {}
        #: what kustomize built: ConfigMaps are noted as far as it uses them
        self.text = ""
        # As far as operations use them.
        clusters = cast("Clusters", NotedClusters(tools.clusters, self))
        self.tools = tools._replace(
            clusters=clusters,
            builder=cast("Builder", NotedBuilder(tools.builder, self)),
            fetcher=NotedFetching(tools.fetcher, self),
            caller=NotedCalling(tools.caller, self),
        )

    @property
    def has_variables(self) -> bool:
        """Whether ConfigMaps or Secrets were read."""
        return any(note.verb == "get" and note.about[1] in ("ConfigMap", "Secret") for note in self._notes.values())

    async def kept(self, answer: Answer, *, always: bool = False) -> Answer:
        """The answer, with what it was made from beside it where it is not a good one."""
        data = inputs.encode(self.inputs()) if self._notes and (always or answer.outcome not in _GOOD) else None
        if data is None:
            return answer
        try:
            return answer._replace(blobs=(*answer.blobs, await self.tools.journal.put_blob(data)))
        except LedgerError:
            # The answer matters more; whether it can be recorded is seen when it is.
            return answer

    def inputs(self) -> Inputs:
        """All notes, as they may be recorded."""
        notes = {key: self._finished(key, note) for key, note in self._notes.items()}
        return Inputs(inputs=1, tool=self._tool, notes=tuple(note for _, note in sorted(notes.items()) if note))

    def _finished(self, key: tuple[str, ...], note: Note) -> Note | None:
        """A note with what may be recorded of an object; None where that would be judged otherwise."""
        live = self._live.get(key)
        if live is None:
            return note
        head = {"apiVersion": note.about[0], "kind": note.about[1]}
        form = inputs.shown(live, kind=note.about[1], used=self.text, words=self._words)
        if self._words and evaluate(self._words, {**live, **head}) != evaluate(self._words, {**form, **head}):
            return None
        return msgspec.structs.replace(note, answer=form)

    def note(self, verb: str, about: tuple[str, ...], answer: Any = None, **fields: Any) -> None:
        self._notes[verb, *about] = Note(verb=verb, about=about, answer=answer, **fields)

    def refused(self, verb: str, about: tuple[str, ...], error: ClusterError) -> None:
        facts = {"status": error.status} if error.status else {}
        self.note(verb, about, error=type(error).__name__, message=error.message, facts=facts)

    def failed(self, verb: str, about: tuple[str, ...], error: OperationError) -> None:
        doubtful = isinstance(error, CallError) and error.doubtful
        self.note(
            verb,
            about,
            error=error.reason,
            message=error.message,
            retryable=error.retryable,
            doubtful=doubtful,
            facts=error.evidence,
        )

    def saw(self, ref: Ref, obj: Object) -> None:
        self.note("get", ref, inputs.shown(obj, kind=ref.kind))
        if ref.kind == "ConfigMap" or (self._words and ref.kind != "Secret"):
            self._live["get", *ref] = obj


class NotedClusters:
    """`Clusters` as operations use them."""

    def __init__(self, inner: Clusters, book: Notebook) -> None:
        self._inner, self._book = inner, book

    async def hand(self, namespace: str, service_account: str, kubeconfig: str = "", *, anew: bool = False) -> Hand:
        try:
            found = await self._inner.hand(namespace, service_account, kubeconfig, anew=anew)
        except OperationError as error:
            self._book.failed("hand", (kubeconfig,), error)
            raise
        except ClusterError as error:
            self._book.refused("hand", (kubeconfig,), error)
            raise
        return found._replace(cluster=NotedCluster(found.cluster, self._book))

    def local(self, namespace: str, service_account: str) -> Hand:
        found = self._inner.local(namespace, service_account)
        return found._replace(cluster=NotedCluster(found.cluster, self._book))


class NotedCluster:
    """The Cluster port: reads, patches and refused deletions are noted; what is created or applied is not."""

    def __init__(self, inner: Cluster, book: Notebook) -> None:
        self._inner, self._book = inner, book

    async def version(self) -> Mapping[str, str]:
        try:
            found = await self._inner.version()
        except ClusterError as error:
            self._book.refused("version", (), error)
            raise
        self._book.note("version", (), dict(found))
        return found

    async def resource(self, api_version: str, kind: str) -> Resource:
        try:
            found = await self._inner.resource(api_version, kind)
        except ClusterError as error:
            self._book.refused("resource", (api_version, kind), error)
            raise
        self._book.note("resource", (api_version, kind), found.namespaced)
        return found

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        try:
            found = await self._inner.get(ref, subresource=subresource)
        except ClusterError as error:
            self._book.refused("get", ref, error)
            raise
        self._book.saw(ref, found)
        return found

    async def list(self, scope: Scope) -> ObjectList:
        about = (scope.api_version, scope.kind, scope.namespace, scope.label_selector, scope.field_selector)
        try:
            found = await self._inner.list(scope)
        except ClusterError as error:
            self._book.refused("list", about, error)
            raise
        if len(found.items) <= inputs.NOTES_MAX:
            self._book.note("list", about, [inputs.shown(item, kind=scope.kind) for item in found.items])
        return found

    def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        return self._inner.watch(scope, resource_version=resource_version)

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        return await self._inner.create(obj, dry_run=dry_run)

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        return await self._inner.apply(obj, manager=manager, force=force, dry_run=dry_run)

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        write = self._inner.patch(ref, patch, type=type, manager=manager, subresource=subresource, dry_run=dry_run)
        if dry_run:
            return await write
        about = (*ref, type, subresource)
        try:
            found = await write
        except ClusterError as error:
            self._book.refused("patch", about, error)
            raise
        self._book.note("patch", about, inputs.named(found))
        return found

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        return await self._inner.replace(obj, subresource=subresource)

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        try:
            await self._inner.delete(ref, uid=uid, resource_version=resource_version, cascade=cascade)
        except ClusterError as error:
            self._book.refused("delete", ref, error)
            raise

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        return await self._inner.token(namespace, service_account, expires_s=expires_s)

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        return await self._inner.logs(namespace, pod, container=container, tail_lines=tail_lines)

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        return await self._inner.allowed(verb, ref, subresource=subresource)

    async def close(self) -> None:
        await self._inner.close()


class NotedBuilder:
    """Builds; what was built is remembered as long as the operation."""

    def __init__(self, inner: Builder, book: Notebook) -> None:
        self._inner, self._book = inner, book
        self.threads = inner.threads

    async def build(self, tree: BuildTree) -> str:
        self._book.text = await self._inner.build(tree)
        return self._book.text


class NotedFetching:
    """Artifacts; what failed is noted."""

    def __init__(self, inner: Fetching, book: Notebook) -> None:
        self._inner, self._book = inner, book

    async def fetch(self, url: str, digest: str) -> bytes:
        try:
            return await self._inner.fetch(url, digest)
        except OperationError as error:
            self._book.failed("fetch", (digest,), error)
            raise


class NotedCalling:
    """Requests; what answered, or why nothing did, is noted. All of it was freed of secret values before."""

    def __init__(self, inner: Calling, book: Notebook) -> None:
        self._inner, self._book = inner, book

    async def call(self, call: Call, *, within_s: float) -> Reply:
        try:
            reply = await self._inner.call(call, within_s=within_s)
        except CallError as error:
            self._book.failed("call", (call.method,), error)
            raise
        self._book.note("call", (call.method,), reply._asdict())
        return reply
