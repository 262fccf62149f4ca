"""Holds what was recorded against what was computed now, where values of Secrets are tokens on both sides.

A token's keyed hash can only be made with a key that stays in the installation, so it is not compared: two tokens in
one place are held to be the same value, and that this was assumed is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from replay.divergence import Difference, shown

_TOKEN = "secret:"  # noqa: S105 (what tokens begin with)
#: What stands in texts for values that were taken out.
_MASKED = re.compile(r"\[redacted\]|\[withheld\]|\*\*\*")


class Held(NamedTuple):
    """What came of it."""

    first: Difference | None
    #: tokens and masks were taken for equal
    assumed: bool


def hold(recorded: Any, computed: Any, path: str) -> Held:
    """The first difference of two JSON values."""
    assumed = _Assumed()
    return Held(_first(recorded, computed, path, assumed), assumed.any)


class _Assumed:
    any = False


def _first(recorded: Any, computed: Any, path: str, assumed: _Assumed) -> Difference | None:
    if isinstance(recorded, Mapping) and isinstance(computed, Mapping):
        for key in sorted(recorded.keys() | computed.keys()):
            found = _first(recorded.get(key), computed.get(key), f"{path}/{key}", assumed)
            if found is not None:
                return found
        return None
    if _are_lists(recorded, computed) and len(recorded) == len(computed):
        for at, pair in enumerate(zip(recorded, computed, strict=True)):
            found = _first(*pair, f"{path}/{at}", assumed)
            if found is not None:
                return found
        return None
    if type(recorded) is type(computed) and recorded == computed:
        return None
    if isinstance(recorded, str) and isinstance(computed, str) and _alike(recorded, computed):
        assumed.any = True
        return None
    return Difference(field=path, recorded=shown(_plain(recorded)), decided=shown(_plain(computed)))


def _are_lists(one: Any, other: Any) -> bool:
    return all(isinstance(value, Sequence) and not isinstance(value, str) for value in (one, other))


def _alike(recorded: str, computed: str) -> bool:
    if recorded.startswith(_TOKEN) and computed.startswith(_TOKEN):
        return True
    if not _MASKED.search(recorded):
        return False
    pattern = ".*".join(re.escape(part) for part in _MASKED.split(recorded))
    return re.fullmatch(pattern, computed, re.DOTALL) is not None


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
