"""The part of kubectl's JSONPath that printer columns use: fields, escaped dots, indexes, `[*]` and equality filters.

Pure. What it cannot read gives nothing, as an absent field does.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

_TOKEN = re.compile(
    r"\.(?P<field>(?:\\.|[^.\[\\])+)"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<all>\*)\]"
    r"|\['(?P<quoted>[^']+)'\]"
    r"|\[\?\(@\.(?P<key>[\w.-]+)\s*==\s*[\"'](?P<value>[^\"']*)[\"']\)\]"
)


@cache
def _tokens(path: str) -> tuple[re.Match[str], ...]:
    return tuple(_TOKEN.finditer(path if path.startswith((".", "[")) else f".{path}"))


def find(obj: Any, path: str) -> list[Any]:
    """Every value at the path."""
    found = [obj]
    for token in _tokens(path):
        found = [value for item in found for value in _step(item, token)]
    return found


def _step(item: Any, token: re.Match[str]) -> list[Any]:
    name = token["field"] or token["quoted"]
    if name is not None:
        name = re.sub(r"\\(.)", r"\1", name)
        if isinstance(item, dict):
            return list(item.values()) if name == "*" else ([item[name]] if name in item else [])
        return []
    if not isinstance(item, list):
        return []
    if token["all"]:
        return item
    if token["index"]:
        number = int(token["index"])
        return [item[number]] if -len(item) <= number < len(item) else []
    return [one for one in item if find(one, token["key"]) == [token["value"]]]
