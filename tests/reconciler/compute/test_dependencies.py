"""Dependencies: whom a spec names, circles by their shortest way, and what is told."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.compute.dependencies import (
    Edges,
    Rules,
    circular,
    cycle,
    elsewhere,
    is_ready,
    missing,
    needs,
    not_ready,
)
from reconciler.state import State
from tests.reconciler.making import Stream, opened, spec


def keys(text: str) -> tuple[tuple[str, str], ...]:
    """`a b` in the namespace shop; `ops/a` elsewhere."""
    return tuple(tuple(one.split("/")) if "/" in one else ("shop", one) for one in text.split())


def edges(**needed: str) -> Edges:
    return {("shop", name): keys(text) for name, text in needed.items()}


def named(raw: Any) -> tuple[tuple[str, str], ...]:
    return needs(json.dumps(raw, separators=(",", ":")).encode(), namespace="shop")


# ── whom a spec names ────────────────────────────────────────────────────────────────────────────────────────────


def test_dependencies_come_in_their_order_each_once() -> None:
    depends_on = [{"name": "b"}, {"name": "a", "namespace": "ops"}, {"name": "b", "namespace": "shop"}]
    assert named({**spec("db"), "dependsOn": depends_on}) == (("shop", "b"), ("ops", "a"))


@pytest.mark.parametrize(
    "raw", [spec("db"), {"dependsOn": []}, {"dependsOn": "a"}, {"dependsOn": [{"namespace": "a"}]}, {"dependsOn": None}]
)
def test_what_names_nobody_or_cannot_be_read_has_none(raw: Any) -> None:
    assert named(raw) == ()


# ── who may be named ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "needed", "words"),
    [
        (Rules(), "ops/base", ""),
        (Rules(("shop", "ops")), "ops/base", ""),
        (Rules(("shop",)), "base", ""),
        (Rules(cross_namespace=False), "base", ""),
        (Rules(("shop",)), "ops/base", "add it to --watch-namespaces"),
        (Rules(cross_namespace=False), "ops/base", "--no-cross-namespace-refs"),
        (Rules(("shop",), cross_namespace=False), "ops/base", "--no-cross-namespace-refs"),
    ],
)
def test_other_namespaces_are_refused_where_they_may_not_or_cannot_be_seen(
    rules: Rules, needed: str, words: str
) -> None:
    (key,) = keys(needed)
    refusal = rules.refusal(("shop", "app"), key)
    assert (refusal is not None) == bool(words)
    if refusal is not None:
        assert refusal.reason == "DependencyNotReady"
        assert f"StageSet {needed} " in refusal.message
        assert words in refusal.message


# ── circles ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("graph", "start", "path"),
    [
        (edges(a="b", b="c"), "a", ""),
        (edges(a="a"), "a", "a a"),
        (edges(a="b", b="a"), "a", "a b a"),
        (edges(a="b", b="a"), "b", "b a b"),
        (edges(a="b", b="c", c="b"), "a", ""),
        (edges(a="b c", b="d", d="a", c="a"), "a", "a c a"),
        (edges(a="b c", b="a", c="a"), "a", "a b a"),
        ({("shop", "a"): (("ops", "a"),), ("ops", "a"): (("shop", "a"),)}, "a", "a ops/a a"),
        ({}, "a", ""),
    ],
)
def test_a_circle_is_the_shortest_way_back(graph: Edges, start: str, path: str) -> None:
    assert cycle(graph, ("shop", start)) == keys(path)


@given(st.dictionaries(st.integers(0, 7), st.lists(st.integers(0, 7), max_size=4, unique=True)))
def test_a_circle_is_found_wherever_there_is_one(drawn: dict[int, list[int]]) -> None:
    graph = {("n", str(here)): tuple(("n", str(there)) for there in found) for here, found in drawn.items()}

    def reachable(here: tuple[str, str]) -> set[tuple[str, str]]:
        found, todo = set(), [here]
        while todo:
            for there in graph.get(todo.pop(), ()):
                if there not in found:
                    found.add(there)
                    todo.append(there)
        return found

    for start in graph:
        path = cycle(graph, start)
        assert bool(path) == (start in reachable(start))
        assert all(there in graph[here] for here, there in pairwise(path))
        assert path == () or path[0] == path[-1] == start
        assert len(set(path[1:])) == len(path[1:])


def test_a_long_chain_is_no_matter_of_depth() -> None:
    long = {("n", str(number)): (("n", str(number + 1)),) for number in range(20_000)}
    assert cycle(long, ("n", "0")) == ()
    long["n", "20000"] = (("n", "0"),)
    assert len(cycle(long, ("n", "0"))) == 20_002


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_obstacles_say_what_to_do_and_never_how_the_other_one_is() -> None:
    assert circular(keys("a ops/b a")) == (
        "Stalled",
        "dependsOn leads back to where it began: shop/a -> ops/b -> shop/a: take one of the steps out",
    )
    assert missing(("ops", "base")) == (
        "DependencyNotReady",
        "dependsOn: StageSet ops/base does not exist: create it, or correct the dependency",
    )
    assert elsewhere(("ops", "base")).message.startswith(
        "dependsOn: StageSet ops/base is not there, or not ready with "
    )
    assert not_ready(("ops", "base")).message.startswith("dependsOn: StageSet ops/base is not ready with its newest ")


def test_only_what_is_ready_for_its_spec_may_be_built_upon() -> None:
    stream = Stream()
    stream.fact(opened("db"))
    assert not is_ready(stream.state, generation=1)
    state = stream.rest().state
    assert is_ready(state, generation=1)
    assert not is_ready(state, generation=2)
    assert not is_ready(replace(state, suspended=True), generation=1)
    assert not is_ready(State(stream=state.stream), generation=0)
