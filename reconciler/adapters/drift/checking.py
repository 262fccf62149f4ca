"""Is a suspicious object as it is rendered? Asked of the API server: what would an apply change?

Nothing is written: every apply is a dry-run. Invariant: a finding has the names of fields and managers, never values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.events import Item
from reconciler import errors
from reconciler.adapters.drift.kept import Kept
from reconciler.adapters.hands import build
from reconciler.adapters.hands.tools import Tools, Wire
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.pool import each
from reconciler.api import names
from reconciler.compute.differences import differences, is_rendered
from reconciler.compute.drift import CHANGED, GONE, Rules, words
from reconciler.compute.fieldmanagers import other_manager
from reconciler.compute.fields import text
from reconciler.compute.inventory import entry_id
from reconciler.errors import OperationError
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.state import Owned

#: Objects of one stage that are asked about at once.
REQUESTS_MAX = 4
#: Answers that say the same the next time.
_REFUSED = (errors.Invalid, errors.BadRequest, errors.Unsupported)


class _Leaving(Exception):
    """The object is being deleted."""


class Suspect(NamedTuple):
    """An object that may have drifted."""

    ref: Ref
    owned: Owned
    #: as it was seen; None: not there, or not labelled as ours
    seen: Kept | None


class Finding(NamedTuple):
    """What became of one that has."""

    item: Item
    #: who did it, as far as it is known
    manager: str


class Checked(NamedTuple):
    """What was found out."""

    findings: list[Finding]
    #: ids of those that are as they should be
    clean: list[str]
    #: ids of those of which it cannot be told while they are as they are, and why
    untold: dict[str, str]
    #: ids of those of which it may not be asked, and why; rights come back, and nobody tells
    denied: dict[str, str]


async def check(
    tools: Tools, job: build.Job, suspects: Sequence[Suspect], *, cluster: Cluster, rules: Rules
) -> Checked:
    """Check the suspects of a stage.

    Raises `OperationError` where the stage cannot be built, and `ClusterError` where the cluster must be asked again.
    """
    answer, wire = await build.perform(tools, job)
    if wire is None:
        event = answer.event
        raise OperationError(event.message, reason=event.reason, retryable=event.retryable)
    objects = {entry_id(ref): manifest for ref, manifest in zip(wire.refs, wire.objects, strict=True)}
    checked = Checked([], [], {}, {})

    async def one(suspect: Suspect) -> None:
        key = suspect.owned.id
        if key not in objects:
            checked.untold[key] = "it is not rendered any more"
            return
        try:
            found = await _checked(cluster, suspect, objects[key], rules=rules, wire=wire)
        except _Leaving:
            checked.untold[key] = "it is being deleted"
        except errors.Forbidden as error:
            checked.denied[key] = wire.scrub(error.message)
        except _REFUSED as error:
            checked.untold[key] = wire.scrub(error.message)
        else:
            checked.clean.append(key) if found is None else checked.findings.append(found)

    await each(suspects, one, limit=REQUESTS_MAX)
    return checked


async def _checked(
    cluster: Cluster, suspect: Suspect, manifest: Manifest, *, rules: Rules, wire: Wire
) -> Finding | None:
    owned = suspect.owned
    try:
        live = await cluster.get(suspect.ref)
    except (errors.NotFound, errors.NoSuchKind):
        return _finding(owned, GONE, "was deleted")
    if text(live, "metadata", "deletionTimestamp"):
        # That it is gone is told when it is.
        raise _Leaving
    wanted = await cluster.apply(manifest.obj, manager=names.FIELD_MANAGER, dry_run=True)
    found = [path for path in differences(live, wanted) if is_rendered(path, manifest.obj)]
    paths = rules.counted(suspect.ref, found)
    if not paths and text(live, "metadata", "uid") == owned.uid:
        return None
    manager = wire.scrub(_manager(live, paths, wanted))
    if text(live, "metadata", "uid") != owned.uid:
        return _finding(owned, CHANGED, "was deleted and made anew" + (f", by {manager}" if manager else ""), manager)
    return _finding(owned, CHANGED, wire.scrub(words(paths, manager=manager)), manager)


def _manager(live: Object, paths: Sequence[tuple[str | int, ...]], wanted: Object) -> str:
    return other_manager(live, paths, wanted=wanted, own=names.FIELD_MANAGER)


def _finding(owned: Owned, action: str, message: str, manager: str = "") -> Finding:
    return Finding(Item(id=owned.id, v=owned.v, action=action, message=message), manager)
