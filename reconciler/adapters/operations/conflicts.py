"""What becomes of an object whose apply was refused: a failure, kept as it is, or to be replaced.

Asks, and writes nothing: the live object is read, and objects are created in dry-runs. Invariants: nothing is kept or
named for replacement unless it is proved that a field cannot change; nothing is named for replacement that is not this
StageSet's, whose data would be lost without leave, or whose replacement would be refused.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from reconciler import errors
from reconciler.adapters.operations.existing import Live, Owner, foreign_words, live_of
from reconciler.adapters.operations.failures import Failure, Scrub, failure_of, rule_words, terminating
from reconciler.adapters.operations.manifests import Placed
from reconciler.adapters.operations.results import ObjectResult, failed, in_the_way, kept_as_is
from reconciler.api import names
from reconciler.compute import conflicts
from reconciler.compute.conflicts import Choice
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Cluster, Object

#: The policy's answer for an object.
Chooser = Callable[[Placed], Choice]
#: Errors that say nothing about the object.
_PASSING = (errors.Unavailable, errors.TooManyRequests, errors.Unauthorized)


class Judge:
    """Answers refusals of one apply."""

    def __init__(self, cluster: Cluster, *, owner: Owner, choose: Chooser, scrub: Scrub) -> None:
        self._cluster = cluster
        self._owner = owner
        self._choose = choose
        self._scrub = scrub

    async def judge(self, placed: Placed, error: errors.ClusterError) -> ObjectResult:
        """The result of an object whose apply was refused with `error`."""
        ref, choice = placed.ref, self._choose(placed)
        told = fields_told(placed, error)
        compared = conflicts.fields_to_compare(error.causes, ref=ref) if isinstance(error, errors.Invalid) else ()
        if not (told or compared) or (told and choice.action == "Fail"):
            return self._failed(placed, error)
        try:
            live = await self._cluster.get(ref)
            if compared and not await self._passes_as_new(placed, live):
                return self._failed(placed, error)
            failure = failure_of(error, ref=ref, scrub=self._scrub, immutable=told or compared)
            return await self._answered(placed, live, failure=failure)
        except _PASSING as passing:
            return failed(placed, failure_of(passing, ref=ref, scrub=self._scrub))
        except errors.ClusterError:
            # What cannot be looked at is not proved.
            return self._failed(placed, error)

    async def _passes_as_new(self, placed: Placed, live: Object) -> bool:
        """Whether it is the change that was refused, not what the object would have become."""
        made = conflicts.laid_over(live, placed.manifest.obj, manager=names.FIELD_MANAGER)
        return await self._refusal(made) is None

    async def _refused_as_new(self, placed: Placed, live: Object) -> str:
        """Why the object could not be created once the live one is gone; empty if it could."""
        wanted = placed.manifest.obj
        refusal = await self._refusal(conflicts.as_new(wanted, live, ref=placed.ref))
        if refusal is not None:
            return refusal.message
        for address in conflicts.addresses_wanted(wanted, live, ref=placed.ref):
            try:
                await self._cluster.get(address)
            except _PASSING:
                raise
            except errors.ClusterError:
                # It is free, or not for everybody to see.
                continue
            return f"the address {address.name} is another Service's"
        return ""

    async def _refusal(self, obj: Object) -> errors.ClusterError | None:
        """Why an object cannot be created; that its name is taken is found out after everything else."""
        try:
            await self._cluster.create(obj, dry_run=True)
        except errors.AlreadyExists:
            return None
        except _PASSING:
            raise
        except errors.ClusterError as error:
            return error
        return None

    async def _answered(self, placed: Placed, live: Object, *, failure: Failure) -> ObjectResult:
        ref, choice, seen = placed.ref, self._choose(placed), live_of(live)
        if seen.terminating:
            return failed(placed, terminating(ref, seen.finalizers))
        if other := self._owner.other(seen):
            return failed(placed, _hinted(failure, foreign_words(ref, owner=self._owner, other=other)))
        if choice.action == "Fail":
            return failed(placed, failure)
        if choice.action == "KeepExisting":
            return kept_as_is(placed, seen, why=_kept_words(placed, failure, choice))
        hindrance = self._hindrance(placed, seen, data=conflicts.data_held(ref, live))
        if hindrance:
            return failed(placed, _hinted(failure, hindrance))
        refusal = await self._refused_as_new(placed, live)
        if refusal:
            why = self._scrub(f"it is not replaced, because its replacement is refused too: {refusal}")
            return failed(placed, _hinted(failure, why))
        return in_the_way(placed, seen, failure=_hinted(failure, f"it is replaced, by {choice.source}"))

    def _hindrance(self, placed: Placed, live: Live, *, data: str) -> str:
        """Why the live object may not be deleted; empty if it may."""
        ref, choice = placed.ref, self._choose(placed)
        if not self._owner.owns(live):
            return (
                f"it is not replaced, because it is not labelled as an object of {self._owner.words()} "
                f"({names.LABEL_NAME}, {names.LABEL_NAMESPACE}): delete it yourself, or give it these labels"
            )
        if names.is_prune_disabled(live.labels, live.annotations):
            return f"it is not replaced, because it has {names.PRUNE}: disabled"
        if data and not choice.allow_data_loss:
            return (
                f"it is not replaced by {choice.source}, because {data} would be lost with it: restore the old value, "
                f"or allow it with a rule {rule_words(ref, 'action: Recreate, allowDataLoss: true')}"
            )
        return ""

    def _failed(self, placed: Placed, error: errors.ClusterError) -> ObjectResult:
        return refused(placed, error, scrub=self._scrub)


def fields_told(placed: Placed, error: errors.ClusterError) -> tuple[str, ...]:
    """The fields that the words of a refusal prove immutable."""
    if isinstance(error, errors.Forbidden):
        return conflicts.field_denied(error.message, ref=placed.ref)
    return conflicts.fields_told(error.causes, ref=placed.ref) if isinstance(error, errors.Invalid) else ()


def refused(placed: Placed, error: errors.ClusterError, *, scrub: Scrub) -> ObjectResult:
    """The result of an object whose refusal is just a failure."""
    failure = failure_of(error, ref=placed.ref, scrub=scrub, immutable=fields_told(placed, error))
    return failed(placed, failure, maybe=isinstance(error, errors.Unavailable))


def _hinted(failure: Failure, hint: str) -> Failure:
    return msgspec.structs.replace(failure, hint=hint)


def _kept_words(placed: Placed, failure: Failure, choice: Choice) -> str:
    fields = ", ".join(failure.immutable)
    return f"{ref_words(placed.ref)} is kept as it is, by {choice.source}: {fields} cannot change"
