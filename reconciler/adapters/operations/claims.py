"""Which StageSet is applying which objects at this moment, in this process.

Not ownership: that is on the live objects, and read. This is for the moment before it can be read there: two StageSets
that both find a name free. Invariant: an object has one claimant; whoever comes second is told who the first is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from reconciler.adapters.operations.existing import Owner


class Claims:
    """Held from the look at the cluster until what was written can be seen there."""

    def __init__(self) -> None:
        self._claimants: dict[tuple[str, str], Owner] = {}

    @contextmanager
    def held(self, ids: Iterable[str], *, cluster: str, owner: Owner) -> Iterator[Mapping[str, Owner]]:
        """Claim `ids` on a cluster (how it is reached) for `owner`. Gives the other claimants by id.

        Where there is one, nothing is claimed. Not for two applies of one owner at a time.
        """
        keys = [(cluster, key) for key in ids]
        others = {key[1]: holder for key in keys if (holder := self._claimants.get(key, owner)) != owner}
        mine = [] if others else [key for key in keys if key not in self._claimants]
        self._claimants.update(dict.fromkeys(mine, owner))
        try:
            yield others
        finally:
            for key in mine:
                del self._claimants[key]
