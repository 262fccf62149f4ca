"""What a job action creates: which kinds, under which names, with which marks.

Not the requests. Invariant: a name depends on the action's key, the manifest and its recorded form alone, so that a
repeated creation meets the first one instead of running beside it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.rendering import Made
from reconciler.api import names
from reconciler.compute.fields import group_of, mapping
from reconciler.compute.inventory import entry_id
from reconciler.compute.manifests import object_digest
from reconciler.compute.order import ref_words, stamped
from reconciler.errors import OperationError
from reconciler.ports.cluster import Object, Ref

#: On what a job action created: the key of the action.
ANNOTATION: Final = "stages.metio.wtf/action"
#: A Job's name becomes a label of its Pods, and a label's value has no more characters.
NAME_CHARS_MAX: Final = 63
_HASH_CHARS = 8
_SUFFIX_CHARS = 1 + _HASH_CHARS

#: Groups that every API server has: of their kinds a Job alone comes to an end.
_BUILT_IN = frozenset(
    {
        *("", "apps", "autoscaling", "batch", "extensions", "policy"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io"),
        *("authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io"),
        *("discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io"),
        *("networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io"),
        *("scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io"),
    }
)


class Slot(NamedTuple):
    """What stays the same of a created object when its recorded form, and with it the end of its name, changes."""

    namespace: str
    group: str
    kind: str
    base: str


class Task(NamedTuple):
    """One object to be created."""

    ref: Ref
    slot: Slot
    #: with real values, under its name and with its marks
    wire: Object
    #: digest of its recorded form
    digest: str


def tasks_of(acting: Acting, made: Sequence[Made]) -> list[Task]:
    """What is to be created for the objects of an artifact, in their order.

    Raises `OperationError`, not retryable: `NoObjects`, `NotAJob`, `AmbiguousName`.
    """
    if not made:
        part = acting.action.job
        raise OperationError(
            f"the artifact of the action holds no object at path {(part.path if part else '') or './'}: "
            "put a Job there, or correct job.path",
            reason="NoObjects",
            retryable=False,
        )
    for one in made:
        _check(one.ref)
    tasks = [_task(acting, one) for one in made]
    slots = Counter(task.slot for task in tasks)
    twins = [one for one, task in zip(made, tasks, strict=True) if slots[task.slot] > 1]
    if twins:
        raise OperationError(
            f"{ref_words(twins[0].ref)} and {ref_words(twins[1].ref)} have the same first "
            f"{NAME_CHARS_MAX - _SUFFIX_CHARS} characters, and names are cut there to make room for a hash: "
            "give one of them a shorter name",
            reason="AmbiguousName",
            retryable=False,
        )
    return tasks


def slot_of(item: Item) -> Slot | None:
    """The slot of a recorded object; None where its id is malformed."""
    found = names.parse_inventory_id(item.id)
    return None if found is None else Slot(found.namespace, found.group, found.kind, found.name[:-_SUFFIX_CHARS])


def derived_name(name: str, *, key: str, identity: str, digest: str) -> str:
    """`<name>-<8 hex>`, at most 63 characters; where it would be longer `name` is cut."""
    known = "\n".join((key, identity, digest)).encode()
    base = name[: NAME_CHARS_MAX - _SUFFIX_CHARS].rstrip("-.")
    return f"{base}-{hashlib.sha256(known).hexdigest()[:_HASH_CHARS]}"


def marks_of(acting: Acting) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of what the action creates: prune and teardown go by the first, a later look by both."""
    target = acting.target
    labels = names.stage_labels(namespace=target.namespace, name=target.name, stage=acting.stage)
    return labels, {ANNOTATION: acting.key}


def _check(ref: Ref) -> None:
    group = group_of(ref.api_version)
    if group not in _BUILT_IN or (group, ref.kind) == ("batch", "Job"):
        return
    raise OperationError(
        f"{ref_words(ref)} cannot be run by a job action: its kind never comes to an end, as a Job does and custom "
        "kinds with the conditions Complete and Failed; put it into the stage or into an apply action before this one",
        reason="NotAJob",
        retryable=False,
    )


def _task(acting: Acting, made: Made) -> Task:
    digest = object_digest(made.record)
    name = derived_name(made.ref.name, key=acting.key, identity=entry_id(made.ref), digest=digest)
    ref = made.ref._replace(name=name)
    slot = Slot(ref.namespace, group_of(ref.api_version), ref.kind, name[:-_SUFFIX_CHARS])
    labels, annotations = marks_of(acting)
    wire = stamped(made.wire, labels=labels)
    metadata = wire["metadata"] | {"name": name}
    metadata["annotations"] = {**mapping(metadata, "annotations"), **annotations}
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    return Task(ref, slot, _lasting({**wire, "metadata": metadata}), digest)


def _lasting(wire: Object) -> Object:
    """The object without `ttlSecondsAfterFinished`.

    A Job that the cluster removes before its end was recorded cannot be told from one that was deleted while it ran:
    the action would be held. What a job action created is deleted by its UID once the outcome is recorded.
    """
    if wire.get("kind") != "Job" or "ttlSecondsAfterFinished" not in mapping(wire, "spec"):
        return wire
    return {**wire, "spec": {key: value for key, value in wire["spec"].items() if key != "ttlSecondsAfterFinished"}}
