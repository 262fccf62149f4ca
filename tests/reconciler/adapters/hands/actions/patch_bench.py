"""Patch actions for tests: patches that may be repeated and patches that may not, and objects to patch."""

from __future__ import annotations

import json
from typing import Any

from reconciler.adapters.hands.actions import patch
from tests.reconciler.adapters.hands.actions.verb_bench import Bench
from tests.reconciler.adapters.hands.rollout import config_map

MERGE = "data:\n  done: 'yes'\n"
#: sets a field
SET = [{"op": "add", "path": "/data/done", "value": "yes"}]
#: twice is not once
APPEND = [{"op": "add", "path": "/metadata/finalizers/-", "value": "example.test/mark"}]
#: may be refused the second time
STEP = [
    {"op": "test", "path": "/data/state", "value": "one"},
    {"op": "replace", "path": "/data/state", "value": "two"},
]


def of(bench: Bench, text: Any = MERGE, **target: Any) -> Bench:
    bench.verb = patch.perform
    part: dict[str, Any] = {"target": {"kind": "ConfigMap", **(target or {"name": "a"})}}
    if isinstance(text, list):
        part |= {"type": "json6902", "patch": json.dumps(text)}
    else:
        part["patch"] = text
    bench.action = {"patch": part}
    return bench


def made(name: str, **data: str) -> dict[str, Any]:
    obj = config_map(name, **(data or {"state": "one"}))
    obj["metadata"] |= {"labels": {"tier": "db"}, "finalizers": ["example.test/hold"]}
    return obj


async def create(bench: Bench, *names: str) -> None:
    for name in names or ("a",):
        await bench.cluster.create(made(name))


async def marks(bench: Bench, name: str = "a") -> int:
    """How many times APPEND took effect."""
    return (await bench.get(name))["metadata"]["finalizers"].count("example.test/mark")


def labelled(**labels: str) -> dict[str, Any]:
    return {"selector": {"matchLabels": labels or {"tier": "db"}}}
