"""PATCH: each target once, one by one in the order of their names, with what is to be touched recorded before.

Invariants: an object that is on record as patched is not patched again; a patch that would do more the second time is
sent for one resource version only, so that two of them cannot both take effect; where it is not known whether it took
effect, it is not sent again.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from ledger.events import Item
from reconciler import digests, errors
from reconciler.adapters.hands.actions import patch_targets
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_look import read, refusal
from reconciler.adapters.hands.actions.patch_text import Patch, parse
from reconciler.adapters.hands.actions.targets import item_of
from reconciler.adapters.hands.actions.timing import check_time
from reconciler.adapters.operations.failures import counted
from reconciler.api.types.actions import PatchTarget
from reconciler.compute.fields import text, whole
from reconciler.compute.inventory import ref_of_entry
from reconciler.compute.order import ref_words
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Object, PatchType, Ref
from reconciler.ports.hands import Answer

#: Times that a patch for one resource version is prepared anew, because the object changed meanwhile.
RENEWALS_MAX = 5


class Doubt(Exception):
    """Whether an object was patched is not known."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


async def perform(acting: Acting) -> Answer:
    """Patch all targets, or those that are left."""
    part = acting.action.patch
    assert part is not None, "a patch action has a patch"
    try:
        work = _Patching(acting, parse(part))
        await work.choose()
    except OperationError as error:
        return acting.failed(error)
    return await work.patch_all()


class _Patching:
    """One try: what is recorded of each object, and how the patch is sent."""

    def __init__(self, acting: Acting, patch: Patch) -> None:
        self._acting, self._patch = acting, patch
        self._cluster = acting.hand.cluster
        #: of the patch: with another one in its place the record of an object says nothing
        self._digest = digests.of(patch)
        self._items: dict[str, Item] = dict(acting.newest())
        #: ids of what may have been patched already without a record of it
        self._doubtful: set[str] = set()
        self._todo: list[Item] = []
        #: of a merge: strategic until the server says that the kind knows only the other one
        self._type: PatchType = "strategic" if patch.type == "merge" else "json"

    async def choose(self) -> None:
        """What is to be patched: in a later look at the same try what was planned, else what the target says now."""
        left = {item.id: item for item in self._by_name("planned") if item.digest == self._digest}
        if left and not self._acting.first:
            self._todo = list(left.values())
            # What is not repeatable is concluded one by one: only the first of them may have been sent.
            self._doubtful = set(left) if self._patch.repeatable else {self._todo[0].id}
            return
        target = self._target()
        found = await patch_targets.planned(self._acting, target)
        if not found and not self._by_name("patched"):
            raise patch_targets.matches_nothing(target, namespace=self._acting.target.namespace)
        self._doubtful = {item.id for item in found if item.id in left}
        await self._plan([item for item in found if item.id not in left and not self._is_patched(item)])
        self._todo = [known for item in found if (known := self._items[item.id]).action == "planned"]

    async def patch_all(self) -> Answer:
        """One by one; the first that fails, or is in doubt, ends it."""
        acting = self._acting
        for at, item in enumerate(self._todo):
            try:
                await self._one(item)
                if at + 1 < len(self._todo) and not self._patch.repeatable:
                    await acting.report([self._items[item.id]], "")
            except Doubt as doubt:
                return acting.unknown(doubt.words, objects=self._concluded())
            except OperationError as error:
                return acting.failed(error, objects=self._concluded())
        patched = self._by_name("patched")
        one = ref_words(_ref(patched[0])) if len(patched) == 1 else counted(len(patched), what="object")
        return acting.done(message=f"{one} patched", objects=patched)

    def _target(self) -> PatchTarget:
        part = self._acting.action.patch
        assert part is not None, "a patch action has a patch"
        return part.target

    async def _one(self, item: Item) -> None:
        ref = _ref(item)
        if item.id in self._doubtful and await self._look(ref, item) == "done":
            return
        check_time(self._acting, f"{ref_words(ref)} was patched")
        for _ in range(RENEWALS_MAX):
            if await self._send(ref, self._items[item.id]):
                return
        message = f"{ref_words(ref)} changes faster than it can be patched: it is tried again"
        raise self._failed(item, OperationError(message, reason="Conflict", retryable=True))

    async def _send(self, ref: Ref, item: Item) -> bool:
        """Patch one object; false where it changed since it was planned, and is planned anew."""
        try:
            after = await self._request(ref, item)
        except errors.Unavailable as error:
            # The request may still arrive: the object stays planned, and a later try looks first.
            self._doubtful.add(item.id)
            if await self._look(ref, item) == "done":
                return True
            raise refusal(error, ref) from error
        except errors.Invalid as error:
            if item.id in self._doubtful:
                # An earlier request that arrives only now is a reason for a refusal too.
                if await self._look(ref, item) == "done":
                    return True
            elif not self._patch.repeatable and await self._renewed(ref, item):
                return False
            raise self._failed(item, refusal(error, ref)) from error
        except errors.NotFound:
            raise self._failed(item, patch_targets.missing(ref)) from None
        except ClusterError as error:
            raise self._failed(item, refusal(error, ref)) from error
        self._patched(ref, after)
        return True

    async def _renewed(self, ref: Ref, item: Item) -> bool:
        """Plan an object anew that changed since it was planned; nothing was done to it."""
        live = await read(self._cluster, ref)
        if live is None or text(live, "metadata", "resourceVersion") == item.rv:
            return False
        await self._plan([item_of(ref, live, action="planned")])
        return True

    async def _look(self, ref: Ref, item: Item) -> Literal["done", "not done"]:
        """What became of a patch that may have been sent. Raises `Doubt` and `OperationError`."""
        live = await self._read(ref)
        uid, version = text(live, "metadata", "uid"), text(live, "metadata", "resourceVersion")
        if uid != item.uid:
            if self._patch.repeatable:
                return "not done"
            now = f"has UID {uid} now" if uid else "is gone"
            raise Doubt(f"{ref_words(ref)} was about to be patched (UID {item.uid}) and {now}")
        if version == item.rv:
            return "not done"
        seen = f"{ref_words(ref)} had resourceVersion {item.rv} before the patch and has {version} now"
        try:
            dry = await self._request(ref, item, dry_run=True)
        except ClusterError as error:
            if self._patch.repeatable:
                return "not done"
            raise Doubt(f"{seen}, and a dry run of the patch was refused: {error.message}") from error
        if dry == live:
            self._patched(ref, live)
            return "done"
        if self._patch.repeatable:
            return "not done"
        raise Doubt(f"{seen}; the patch would change it, which may be the second time")

    async def _read(self, ref: Ref) -> Object:
        try:
            return await read(self._cluster, ref) or {}
        except OperationError as error:
            if self._patch.repeatable:
                raise
            raise Doubt(f"{ref_words(ref)} may have been patched and cannot be read: {error.message}") from error

    async def _request(self, ref: Ref, item: Item, *, dry_run: bool = False) -> Object:
        value: Any = self._patch.value
        if not self._patch.repeatable and not dry_run:
            value = [{"op": "test", "path": "/metadata/resourceVersion", "value": item.rv}, *value]
        try:
            return await self._cluster.patch(ref, value, type=self._type, dry_run=dry_run)
        except errors.BadRequest as error:
            if self._type != "strategic" or not _is_unknown_format(error):
                raise
            # Custom resources have no strategic merge; the server says so before it does anything.
            self._type = "merge"
            return await self._cluster.patch(ref, value, type=self._type, dry_run=dry_run)

    async def _plan(self, items: list[Item]) -> None:
        planned = [replace(item, digest=self._digest) for item in items]
        self._items |= {item.id: item for item in planned}
        if planned:
            await self._acting.report(planned, "")

    def _is_patched(self, item: Item) -> bool:
        known = self._items.get(item.id)
        return known is not None and (known.action, known.uid, known.digest) == ("patched", item.uid, self._digest)

    def _by_name(self, action: str) -> list[Item]:
        return sorted(
            (item for item in self._items.values() if item.action == action), key=lambda item: _ref(item).name
        )

    def _concluded(self) -> list[Item]:
        """All objects for the answer: what is planned still and was never sent was not touched."""
        for item in self._by_name("planned"):
            if item.id not in self._doubtful:
                self._items[item.id] = replace(item, action="skipped")
        return list(self._items.values())

    def _patched(self, ref: Ref, obj: Object) -> None:
        item = item_of(ref, obj, action="patched")
        self._items[item.id] = replace(item, digest=self._digest)

    def _failed(self, item: Item, error: OperationError) -> OperationError:
        """It is known that nothing was done to the object."""
        self._doubtful.discard(item.id)
        self._items[item.id] = replace(self._items[item.id], action="failed", message=error.message)
        return error


def _ref(item: Item) -> Ref:
    ref = ref_of_entry(item.id, version=item.v)
    assert ref is not None, "recorded from a reference"
    return ref


def _is_unknown_format(error: ClusterError) -> bool:
    return whole(error.status, "code") == 415
