"""What an apply did, object by object and as a whole.

Not the doing. Invariant: an object that may have been written is never reported as untouched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from reconciler.adapters.operations.existing import Live
from reconciler.adapters.operations.failures import Failure, counted, evidence, summary
from reconciler.adapters.operations.manifests import Placed
from reconciler.compute.fields import dig, maps, text
from reconciler.compute.order import some
from reconciler.ports.cluster import Object, Ref

#: `kept`: cannot become as it is rendered, and stays as it is by policy. `skipped`: not tried, because something before
#: it failed.
Action = Literal["created", "configured", "unchanged", "kept", "failed", "skipped"]
_OWNED: frozenset[Action] = frozenset({"created", "configured", "unchanged", "kept"})
_KEPT_SHOWN = 5


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger recorded when an object was last applied."""

    digest: str
    uid: str
    resource_version: str = ""
    generation: int | None = None


class ObjectResult(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one object: the facts that ownership is folded from."""

    #: `namespace_name_group_kind`.
    id: str
    ref: Ref
    action: Action
    #: Digest of the desired object, as the caller gave it; empty where the live one is not like it and stays so.
    digest: str
    #: UID, resource version and generation of the live object; empty where it was not written or not seen.
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    #: Why it failed. Also set on an object that was written, but did not become usable for what comes after it.
    failure: Failure | None = None
    #: Whether a failed object may exist all the same: the request was sent and its answer was lost.
    maybe: bool = False
    #: UID of the live object that has to be deleted before this one can be applied, proved and allowed.
    obstacle: str = ""
    #: Why it was kept.
    why: str = ""

    @property
    def owned(self) -> bool:
        """Whether the stage owns the object after this."""
        return self.action in _OWNED

    def words(self) -> str:
        """What there is to say of it; mostly nothing."""
        return self.failure.words() if self.failure is not None else self.why


class ApplyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the operation, results in the order of the manifests."""

    ok: bool
    #: A sentence for people.
    message: str
    results: tuple[ObjectResult, ...]
    #: `Applied`, or the reason of the first failure.
    reason: str = "Applied"
    #: Whether the same set may succeed later without a change of it.
    retryable: bool = False

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(r.failure for r in self.results if r.failure is not None)

    @property
    def obstacles(self) -> tuple[ObjectResult, ...]:
        """What has to be deleted for the rest to be applied; empty where something else failed as well."""
        failed = tuple(r for r in self.results if r.failure is not None)
        return failed if all(r.obstacle for r in failed) else ()

    def evidence(self) -> dict[str, Any]:
        """JSON-compatible, bounded: the failures with the API's Status."""
        return evidence(self.failures)


def result_of(results: Sequence[ObjectResult]) -> ApplyResult:
    """The outcome that the results of all objects add up to."""
    failures = [r.failure for r in results if r.failure is not None]
    if failures:
        return ApplyResult(
            ok=False,
            message=summary(failures, what="object"),
            results=tuple(results),
            reason=failures[0].reason,
            retryable=all(failure.retryable for failure in failures),
        )
    counts = Counter(r.action for r in results)
    parts = ", ".join(f"{counts[a]} {a}" for a in ("created", "configured", "unchanged", "kept") if counts[a])
    whys = [r.why for r in results if r.why]
    told = "; " + some(whys, items_max=_KEPT_SHOWN) if whys else ""
    return ApplyResult(
        ok=True,
        message=f"{counted(len(results), what='object')} applied" + (f": {parts}" if parts else "") + told,
        results=tuple(results),
    )


def failed(placed: Placed, failure: Failure, *, maybe: bool = False) -> ObjectResult:
    return ObjectResult(
        id=placed.id, ref=placed.ref, action="failed", digest=placed.manifest.digest, failure=failure, maybe=maybe
    )


def skipped(placed: Placed) -> ObjectResult:
    return ObjectResult(id=placed.id, ref=placed.ref, action="skipped", digest=placed.manifest.digest)


def kept(placed: Placed, live: Live) -> ObjectResult:
    """The result of an object that needed no request."""
    return ObjectResult(
        id=placed.id,
        ref=placed.ref,
        action="unchanged",
        digest=placed.manifest.digest,
        uid=live.uid,
        resource_version=live.resource_version,
        generation=live.generation,
    )


def kept_as_is(placed: Placed, live: Live, *, why: str) -> ObjectResult:
    """The result of an object that stays as it is although it is rendered otherwise: it never counts as applied."""
    return msgspec.structs.replace(kept(placed, live), action="kept", digest="", why=why)


def in_the_way(placed: Placed, live: Live, *, failure: Failure) -> ObjectResult:
    """The result of an object that can be applied once the live one is gone."""
    return msgspec.structs.replace(failed(placed, failure), obstacle=live.uid)


def written(placed: Placed, after: Live, *, action: Action, failure: Failure | None = None) -> ObjectResult:
    return msgspec.structs.replace(kept(placed, after), action=action, failure=failure)


def action_of(after: Object, *, before: Live | Known | None, seen: bool, manager: str) -> Action:
    """Whether a write created, changed or left an object.

    `before` is what was known of it; None with `seen` is an object that did not exist, None without is one that nobody
    looked at. Then the managers tell: an object whose only one is ours was made by this write, since everything that
    it had before would be somebody else's.
    """
    uid, version = text(after, "metadata", "uid"), text(after, "metadata", "resourceVersion")
    if before is not None and before.uid == uid:
        return "unchanged" if before.resource_version == version else "configured"
    if before is not None or seen:
        return "created"
    managers = maps(after, "metadata", "managedFields")
    ours = len(managers) == 1 and text(managers[0], "manager") == manager and not dig(managers[0], "subresource")
    return "created" if ours else "configured"
