"""Rules of actions (CONTRACT §1.2, rules 2 and 3): one verb, a name of its own, and a scope that fits its place.

Not their execution.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.api import duration
from reconciler.api.defaults import VERBS
from reconciler.api.problems import Problem
from reconciler.api.rules import common, sources
from reconciler.api.types import Action, StageActions

#: What stands before an `@` in the authority of a URL (RFC 3986 §3.2.1).
_USERINFO: Final = re.compile(r"[^:/?#]+://[^/?#]*@")


class Place(NamedTuple):
    """What an action may do depends on where it stands."""

    #: Where it stands, for messages; empty on pre and post actions, where a scope is allowed.
    no_scope_on: str = ""
    #: Whether the StageSet has a system version.
    has_version: bool = False


def of_stage(actions: StageActions, *, path: str, has_version: bool) -> Iterator[Problem]:
    """All actions of a stage; names differ across pre, post and onFailure."""
    scoped = Place(has_version=has_version)
    yield from of_list(actions.pre, path=f"{path}.pre", place=scoped)
    yield from of_list(actions.post, path=f"{path}.post", place=scoped)
    yield from of_list(actions.on_failure, path=f"{path}.onFailure", place=Place("onFailure actions"))
    lists = (("pre", actions.pre), ("post", actions.post), ("onFailure", actions.on_failure))
    named = ((f"{path}.{hook}[{i}].name", action.name) for hook, found in lists for i, action in enumerate(found))
    yield from common.unique(named, what="the names of a stage's actions")


def of_separate_list(actions: Sequence[Action], *, path: str, where: str) -> Iterator[Problem]:
    """Actions that stand for themselves (onRollback, one direction of a migration): own names, no scope."""
    yield from of_list(actions, path=path, place=Place(where))
    named = ((f"{path}[{index}].name", action.name) for index, action in enumerate(actions))
    yield from common.unique(named, what="the names of actions in one list")


def of_list(actions: Sequence[Action], *, path: str, place: Place) -> Iterator[Problem]:
    """Each action by itself."""
    for index, action in enumerate(actions):
        at = f"{path}[{index}]"
        yield from common.required(action.name, path=f"{at}.name")
        verbs = [verb for verb in VERBS if getattr(action, verb) is not None]
        yield from common.exactly_one(verbs, of="patch, http, wait, job, delete and apply", path=at)
        yield from _bound(action, path=at)
        yield from _request(action, path=f"{at}.http")
        yield from _scope(action, path=at, place=place)
        yield from _anchor(action, path=f"{at}.completionAnchor", place=place)
        for verb, part in (("job", action.job), ("apply", action.apply)):
            if part is not None:
                yield from sources.of_ref(part.source_ref, path=f"{at}.{verb}.sourceRef")


def _bound(action: Action, *, path: str) -> Iterator[Problem]:
    wait = action.wait
    if wait is None or not wait.duration or not action.timeout:
        return
    if 0 < duration.parse(action.timeout) < duration.parse(wait.duration):
        yield Problem(
            f"{path}.timeout",
            f"is {action.timeout}, less than the {wait.duration} of wait.duration: it could never end well; "
            "raise it, or remove it",
        )


def _request(action: Action, *, path: str) -> Iterator[Problem]:
    """What may be wrong with a request before it is made; hosts are judged when it is."""
    http = action.http
    if http is None:
        return
    if _USERINFO.match(http.url):
        # The spec is recorded, shown and exported: a password has no place in it (DESIGN I8).
        yield Problem(
            f"{path}.url",
            "holds a user name or password; put them into a Secret and name it in headersFrom, with the key "
            "Authorization",
        )
    for index, ref in enumerate(http.headers_from):
        yield from common.required(ref.key, path=f"{path}.headersFrom[{index}].key")


def _scope(action: Action, *, path: str, place: Place) -> Iterator[Problem]:
    if action.scope is not None and place.no_scope_on:
        yield Problem(f"{path}.scope", f"is not allowed on {place.no_scope_on}; remove it")
    elif action.scope == "Version" and not place.has_version:
        yield Problem(f"{path}.scope", "is Version, which needs spec.version; add spec.version or use another scope")


def _anchor(action: Action, *, path: str, place: Place) -> Iterator[Problem]:
    anchor = action.completion_anchor
    if anchor is None:
        return
    if place.no_scope_on:
        yield Problem(path, f"is not allowed on {place.no_scope_on}; remove it")
    elif action.scope != "Lifetime":
        yield Problem(path, "is only for actions with scope Lifetime; remove it or set scope: Lifetime")
    yield from common.required(anchor.api_version, path=f"{path}.apiVersion")
    yield from common.required(anchor.kind, path=f"{path}.kind")
    yield from common.required(anchor.name, path=f"{path}.name")
