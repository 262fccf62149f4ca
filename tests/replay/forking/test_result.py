"""What machines read of a fork: nothing that they look for is left out."""

from __future__ import annotations

import msgspec

from replay.forking.result import Forked
from tests.replay.forking.forks import FIXED, forked


def test_every_field_of_a_fork_is_told_and_reads_back() -> None:
    for found in (forked("patch"), forked("patch", ("spec.stages[db].patches", FIXED))):
        told = msgspec.json.encode(found)
        assert set(msgspec.json.decode(told)) == set(Forked.__struct_fields__)
        assert msgspec.json.decode(told, type=Forked) == found
