"""The ports that hands use, answered from what was recorded: the same question gets the same answer.

Nothing is made up: a question that has no recorded answer raises `NotRecorded`, and what follows from it is not
compared. Kinds of Kubernetes itself are known without asking.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, NoReturn

from ledger.events import Item
from reconciler import errors
from reconciler.adapters.clusters import Hand
from reconciler.adapters.clusters.kubeconfigs import MISSING, missing_again
from reconciler.adapters.memory.catalog import Catalog
from reconciler.adapters.watches import Watches
from reconciler.compute import fetching, inputs
from reconciler.compute import kubeconfig as kubeconfigs
from reconciler.compute.fields import text
from reconciler.compute.inputs import Inputs, Note
from reconciler.compute.inventory import ref_of_entry
from reconciler.compute.order import ref_words
from reconciler.compute.urlguard import Refusal
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cascade, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent
from reconciler.ports.requests import Call, CallError, Reply


class NotRecorded(Exception):
    """The recording does not hold the answer. Not a `ReconcilerError`: no hand may take it for an answer."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Recording:
    """All that one operation was told, by question."""

    def __init__(
        self,
        found: Iterable[Inputs],
        *,
        items: Iterable[Item] = (),
        scopes: Mapping[tuple[str, str], bool] | None = None,
        version: str = "",
    ) -> None:
        """`items` are objects as answers name them, `scopes` says of kinds whether they are namespaced, `version` is
        what the API server said of itself.
        """
        self.inputs = tuple(found)
        self._notes = {(note.verb, *note.about): note for one in self.inputs for note in one.notes}
        self._namespaced = {**_scopes(items), **(scopes or {})}
        if version:
            self._notes.setdefault(("version",), Note(verb="version", answer={"gitVersion": version}))

    @property
    def tool(self) -> str:
        """Identity of the kustomize that built; empty where it is not known."""
        return next((one.tool for one in self.inputs if one.tool), "")

    @property
    def is_odd(self) -> bool:
        """Whether a withheld value may have led elsewhere than its stand-in."""
        return any(inputs.is_odd(one) for one in self.inputs)

    @property
    def withholds(self) -> bool:
        """Whether values of Secrets were involved."""
        return any("withheld" in (note.answer or ()) for note in self._notes.values() if note.verb == "get")

    def find(self, verb: str, *about: str) -> Note | None:
        return self._notes.get((verb, *about))

    def answer(self, verb: str, *about: str) -> Any:
        """The recorded answer. Raises the recorded `ClusterError`, or `NotRecorded`."""
        note = self.find(verb, *about)
        if note is None:
            asked = " ".join(part for part in about if part)
            raise NotRecorded(f"what the cluster answers to {verb} {asked}".rstrip())
        if note.error:
            raise refusal(note)
        return note.answer

    def namespaced(self, api_version: str, kind: str) -> bool:
        if self.find("resource", api_version, kind) is None:
            known = self._namespaced.get((api_version, kind))
            if known is None:
                known = builtin(api_version, kind)
            if known is not None:
                return known
        return bool(self.answer("resource", api_version, kind))


def refusal(note: Note) -> ClusterError | OperationError:
    """A recorded refusal as it was raised."""
    leaf = getattr(errors, note.error, None)
    if isinstance(leaf, type) and issubclass(leaf, ClusterError):
        return leaf(note.message, status=note.facts.get("status"))
    return OperationError(note.message, reason=note.error, retryable=note.retryable, evidence=note.facts)


def _scopes(items: Iterable[Item]) -> dict[tuple[str, str], bool]:
    found: dict[tuple[str, str], bool] = {}
    for item in items:
        ref = ref_of_entry(item.id, version=item.v)
        if ref is not None:
            found[ref.api_version, ref.kind] = bool(ref.namespace)
    return found


_CATALOG: list[Catalog] = []


def builtin(api_version: str, kind: str) -> bool | None:
    """Whether a kind of Kubernetes itself is namespaced; None for any other."""
    if not _CATALOG:
        _CATALOG.append(Catalog())
    try:
        return _CATALOG[0].kind(api_version, kind).namespaced
    except ClusterError:
        return None


class RecordedClusters:
    """`Clusters` as operations use them."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._cluster = RecordedCluster(recording)
        self._watches: list[Watches] = []

    async def hand(self, namespace: str, service_account: str, kubeconfig: str = "", *, anew: bool = False) -> Hand:
        note = self._recording.find("hand", kubeconfig)
        if note is not None:
            _judge(note, kubeconfig, namespace=namespace)
        return self.local(namespace, service_account)

    def local(self, namespace: str, service_account: str) -> Hand:
        self._watches.append(Watches(self._cluster, jitter=lambda: 0.5))
        return Hand(self._cluster, self._watches[-1])

    async def close(self) -> None:
        for watches in self._watches:
            await watches.close()


def _judge(note: Note, reference: str, *, namespace: str) -> NoReturn:
    """Why a remote cluster could not be reached, judged again where the judgement is ours."""
    seen = text(note.facts, "kubeconfig")
    if seen:
        kubeconfigs.parse(seen, where=text(note.facts, "where"))
    if note.error == MISSING:
        missing_again(note.facts, reference, namespace=namespace)
    if note.error in (kubeconfigs.REASON, MISSING):
        raise NotRecorded(f"what is in the kubeconfig of Secret {reference}")
    raise refusal(note)


class RecordedCluster:
    """The Cluster port: reads, patches and refused deletions as they were answered.

    What was created and applied is not recorded in this form.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def version(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._recording.answer("version")
        return found

    async def resource(self, api_version: str, kind: str) -> Resource:
        namespaced = self._recording.namespaced(api_version, kind)
        return Resource(api_version, kind, kind.lower() + "s", namespaced, frozenset())

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        return inputs.answered(self._recording.answer("get", *ref))

    async def list(self, scope: Scope) -> ObjectList:
        about = (scope.api_version, scope.kind, scope.namespace, scope.label_selector, scope.field_selector)
        if self._recording.find("list", *about) is None and not scope.label_selector:
            # A watch that nobody recorded: what it would have told was asked for by name, too.
            raise errors.Unavailable("the recording has no watch of it")
        return ObjectList([inputs.answered(item) for item in self._recording.answer("list", *about)], "1")

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        nothing: tuple[WatchEvent, ...] = ()
        for event in nothing:
            yield event
        raise errors.Unavailable("the recording has no watch of it")

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        _write("create", obj)

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        _write("apply", obj)

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        if dry_run:
            raise NotRecorded(f"what the API server answers to a dry run of a patch of {ref_words(ref)}")
        return inputs.answered(self._recording.answer("patch", *ref, type, subresource))

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        _write("replace", obj)

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        self._recording.answer("delete", *ref)
        raise NotRecorded(f"what came of the deletion of {ref_words(ref)}")

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        raise NotRecorded("a token")

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        raise errors.Unavailable("the recording has no logs in this form")

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        raise NotRecorded("what an identity may do")

    async def close(self) -> None:
        """Nothing to release."""


def _write(verb: str, obj: Object) -> NoReturn:
    named = f"{text(obj, 'kind')} {text(obj, 'metadata', 'namespace')}/{text(obj, 'metadata', 'name')}"
    raise NotRecorded(f"what the API server answers to {verb} {named}")


class RecordedFetching:
    """Artifacts that were not fetched are judged again by what came back."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def fetch(self, url: str, digest: str) -> bytes:
        note = self._recording.find("fetch", digest)
        if note is None:
            raise NotRecorded(f"what {url.split('?', 1)[0]} answers")
        again = fetching.again(url, digest, note.facts, reason=note.error)
        if again is None:
            raise NotRecorded(f"what {url.split('?', 1)[0]} answered: it was recorded by a version that kept less")
        raise again


class RecordedCalling:
    """Requests are answered as they were; whether they may be sent is judged again."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    async def call(self, call: Call, *, within_s: float) -> Reply:
        note = self._recording.find("call", call.method)
        if note is None:
            raise NotRecorded(f"what {call.url.split('?', 1)[0]} answers to a {call.method}")
        if not note.error:
            return Reply(**note.answer)
        if "guard" in note.facts:
            try:
                fetching.judge(call.url, note.facts)
            except Refusal as refused:
                raise CallError(str(refused), reason="URLRefused", retryable=False, doubtful=note.doubtful) from None
            raise NotRecorded(f"what {call.url.split('?', 1)[0]} answers to a {call.method}")
        raise CallError(note.message, reason=note.error, retryable=note.retryable, doubtful=note.doubtful)
