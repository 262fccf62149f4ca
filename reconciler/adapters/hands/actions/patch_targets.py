"""The objects that a patch action is to change: one by name, or all that a selector matches.

Invariant: they are told in the order of their names, and a target that matches nothing is a failure, never a success
without an effect.
"""

from __future__ import annotations

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_look import read, refusal
from reconciler.adapters.hands.actions.targets import item_of, located_kind
from reconciler.api.rules import common
from reconciler.api.types.actions import PatchTarget
from reconciler.api.types.references import LabelSelector, ObjectReference
from reconciler.compute.fields import text
from reconciler.compute.order import ref_words
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Ref, Scope

#: Objects that one action may patch: each is a request, and its result is recorded.
TARGETS_MAX = 1000
_FIELD = "patch.target"


async def planned(acting: Acting, target: PatchTarget) -> list[Item]:
    """What is to be patched, with UID and resource version, by name. Raises `OperationError`.

    With a selector the list may be empty: whether that is a failure depends on what was patched before.
    """
    if bool(target.name) == (target.selector is not None):
        raise _invalid(f"{_FIELD} needs either name or selector, and has {'both' if target.name else 'neither'}")
    reference = ObjectReference(
        kind=target.kind, name=target.name, api_version=target.api_version, namespace=target.namespace
    )
    if target.selector is not None:
        for problem in common.selector(target.selector, path=f"{_FIELD}.selector"):
            raise _invalid(f"{problem.path} {problem.message}".replace("every Pod", "every object"))
    ref = await located_kind(acting, reference, field=_FIELD)
    if target.selector is not None:
        return await _selected(acting, ref, kubectl_form(target.selector))
    live = await read(acting.hand.cluster, ref)
    if live is None:
        raise missing(ref)
    return [item_of(ref, live, action="planned")]


async def _selected(acting: Acting, ref: Ref, selector: str) -> list[Item]:
    scope = Scope(ref.api_version, ref.kind, ref.namespace, label_selector=selector, metadata_only=True)
    try:
        found = (await acting.hand.cluster.list(scope)).items
    except ClusterError as error:
        raise refusal(error, ref._replace(name=f"with {selector}")) from error
    if len(found) > TARGETS_MAX:
        raise _invalid(f"{_FIELD}.selector matches {len(found)} objects, and {TARGETS_MAX} are allowed: narrow it")
    lives = {text(live, "metadata", "name"): live for live in found}
    return [item_of(ref._replace(name=name), lives[name], action="planned") for name in sorted(lives)]


def missing(ref: Ref) -> OperationError:
    """The failure where the object to patch is not there."""
    message = f"{ref_words(ref)} does not exist: create it before this action, or correct {_FIELD}"
    return OperationError(message, reason="NotFound", retryable=True)


def matches_nothing(target: PatchTarget, *, namespace: str) -> OperationError:
    """The failure where a selector has nothing to patch."""
    assert target.selector is not None
    where = target.namespace or namespace
    message = (
        f"{_FIELD}.selector `{kubectl_form(target.selector)}` matches no {target.kind} in {where}: label the objects, "
        "or correct the selector"
    )
    return OperationError(message, reason="NotFound", retryable=True)


def kubectl_form(selector: LabelSelector) -> str:
    """A label selector in kubectl's string form."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for one in selector.match_expressions:
        values = ",".join(one.values)
        forms = {
            "In": f"{one.key} in ({values})",
            "NotIn": f"{one.key} notin ({values})",
            "Exists": one.key,
            "DoesNotExist": f"!{one.key}",
        }
        parts.append(forms[one.operator])
    return ",".join(parts)


def _invalid(message: str) -> OperationError:
    return OperationError(message, reason="InvalidAction", retryable=False)
