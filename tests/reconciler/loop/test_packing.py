from __future__ import annotations

import zlib

import pytest

from reconciler.loop.packing import packed, unpacked
from reconciler.state import Owned, StageState, State
from reconciler.transitions import Phase


def test_what_was_packed_comes_back_equal_and_small() -> None:
    owned = {f"shop_web-{n}_apps_Deployment": Owned(id=f"shop_web-{n}_apps_Deployment", v="v1") for n in range(50)}
    state = State(
        stream="stageset/shop/web/1", version=7, phase=Phase.READY, stages={"web": StageState(name="web", owned=owned)}
    )
    assert unpacked(packed(state)) == state
    assert len(packed(state)) < 1_000


def test_anything_else_is_refused() -> None:
    with pytest.raises(zlib.error):
        unpacked(b"not packed")
