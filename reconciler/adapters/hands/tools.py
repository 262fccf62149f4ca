"""What the operations share: clients, artifacts, builds, the ledger's blobs, and their way to answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from ledger.events import Finished, Pin
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.kustomize import Builder
from reconciler.adapters.operations.failures import told
from reconciler.adapters.operations.manifests import Manifest
from reconciler.api.types import Stage, StageSetSpec
from reconciler.errors import ClusterError, Forbidden, OperationError
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Ref
from reconciler.ports.hands import Answer
from reconciler.ports.journal import Journal
from reconciler.ports.requests import Calling, Fetching

F = TypeVar("F", bound=Finished)


def _recorded(pin: Pin) -> str:
    return pin.url


class Tools(NamedTuple):
    """Shared by all operations."""

    clusters: Clusters
    fetcher: Fetching
    #: sends the requests of http actions
    caller: Calling
    builder: Builder
    #: identity of the kustomize that builds
    tool: str
    journal: Journal
    clock: Clock
    #: key of this installation for tokens of secret values; never recorded
    key: bytes
    #: the whole address of a pinned artifact, of which the record lacks what may be a credential
    address: Callable[[Pin], str] = _recorded


class Wire(NamedTuple):
    """The rendered objects of a stage with their real values. Kept in memory while the run is at work, nowhere else."""

    #: digest of the recorded form
    manifests: str
    objects: tuple[Manifest, ...]
    refs: tuple[Ref, ...]
    #: takes secret values out of texts
    scrub: Callable[[str], str]
    #: `Kind/name@resourceVersion` of what the variables came from
    variables: tuple[str, ...]
    #: tells whether a text holds a secret value that is nowhere in what is rendered for the record
    leaks: Callable[[str], bool] | None = None


class Rendering(Protocol):
    """Gives the wire form of a stage, building it again where it is not in memory any more."""

    async def __call__(self, stage: str) -> Wire: ...


def ok(event: Finished, *, blobs: tuple[str, ...] = ()) -> Answer:
    """A good outcome."""
    return Answer(event, "ok", blobs)


def failed(kind: type[F], error: OperationError | ClusterError, **fields: Any) -> Answer:
    """A failure as a value: reason, sentence, whether trying again can help, and what was seen."""
    if isinstance(error, OperationError):
        reason, retryable, message, evidence = error.reason, error.retryable, error.message, error.evidence
    else:
        reason, retryable = type(error).__name__, True
        message, evidence = told(error)
    return Answer(
        kind(reason=reason, message=message, retryable=retryable, evidence=evidence, **fields),
        "refused" if isinstance(error, Forbidden) else "failed",
    )


def stage_of(spec: StageSetSpec, name: str) -> Stage:
    """A stage of a spec by name."""
    return next(stage for stage in spec.stages if stage.name == name)
