"""Requests of operators: annotations of a StageSet read into values, and values into the facts that record them.

Pure. Not the decision what follows. Invariant: a value is a request or a problem that says what to write instead, and
each value is taken up once: `token` tells one value from the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from ledger import events as e
from ledger.envelope import Actor, Draft
from reconciler.api import names
from reconciler.api.problems import Problem, quoted
from reconciler.state import State

#: Kinds of requests, as events and `.status.handledRequests` name them.
STAGE, RESOLVE, RESET = "reconcile-stage", "resolve", "reset-ledger"
#: By kind, the annotation.
ANNOTATIONS = {STAGE: names.RECONCILE_STAGE, RESOLVE: names.RESOLVE, RESET: names.RESET_LEDGER}

#: Whole values of annotations. The API server allows 256 KiB for all annotations of an object together.
VALUE_CHARS_MAX = 8192
NAME_CHARS_MAX = 253
REASON_CHARS_MAX = 4096

Answer = Literal["done", "not-done"]
#: Of an answer; those that are not required come last.
_KEYS = ("stage", "action", "as", "reason", "by", "token")
_REQUIRED = 4
_ANSWER_EXAMPLE = '{"stage":"database","action":"migrate","as":"done","reason":"seen in the schema","token":"1"}'


class StageAgain(NamedTuple):
    """The Revision actions of a stage are to be performed once more."""

    stage: str
    #: the whole value
    token: str
    kind: str = STAGE


class Resolution(NamedTuple):
    """Whether an action whose outcome is unknown took effect."""

    stage: str
    action: str
    answer: Answer
    reason: str
    #: who says so, in their own words; empty where they do not tell
    by: str
    #: a mark of the whole value, which is too long to be shown
    token: str
    kind: str = RESOLVE


class Reset(NamedTuple):
    """A completed Lifetime action is to count as not done."""

    stage: str
    action: str
    #: the whole value
    token: str
    kind: str = RESET


Request = StageAgain | Resolution | Reset


def parse(annotations: Mapping[str, str]) -> list[Request | Problem]:
    """Every request that the annotations hold, read or refused; answers come before what they may let go on."""
    readers = {RESOLVE: _resolution, RESET: _reset, STAGE: _stage_again}
    found: list[Request | Problem] = []
    for kind, read in readers.items():
        value = annotations.get(ANNOTATIONS[kind], "")
        if not value:
            continue
        path = f"metadata.annotations[{ANNOTATIONS[kind]}]"
        if len(value) > VALUE_CHARS_MAX:
            found.append(Problem(path, f"has {len(value)} characters, more than {VALUE_CHARS_MAX}; write less"))
        else:
            found.append(read(value, path))
    return found


def next_draft(state: State, annotations: Mapping[str, str]) -> Draft | None:
    """The first request that was not taken up yet, as it is to be recorded; None where there is none."""
    for request in parse(annotations):
        if not isinstance(request, Problem) and is_new(state, request):
            stage, event = fact_of(request)
            return Draft(event=event, actor=actor_of(request), stage=stage)
    return None


def is_new(state: State, request: Request) -> bool:
    """Whether a request has not been taken up yet."""
    if isinstance(request, StageAgain) and request.stage in state.reopened:
        # Once for each stage and token, whatever was asked of other stages in between.
        return state.reopened[request.stage].token != request.token.partition("@")[2]
    return state.handled.get(request.kind) != request.token


def fact_of(request: Request) -> tuple[str, e.Event]:
    """The event that records a request, and the stage for its header."""
    match request:
        case Resolution():
            event = e.OperatorResolved(
                action=request.action, answer=request.answer, reason=request.reason, token=request.token
            )
            return request.stage, event
        case _:
            return request.stage, e.OperatorRequested(request=request.kind, token=request.token)


def actor_of(request: Request) -> Actor:
    """Who asked, and how that is known: by what they wrote themselves."""
    by = request.by if isinstance(request, Resolution) else ""
    return Actor(kind="operator", id=by, how=f"annotation {ANNOTATIONS[request.kind]}")


def held(state: State) -> dict[str, tuple[str, ...]]:
    """By stage, the actions of the last run that may or may not have run: somebody has to answer for them."""
    found: dict[str, list[str]] = {}
    for stage in state.run.plans if state.run is not None else ():
        for action in stage.actions:
            act = state.acts.get(action.key)
            if act is not None and act.doubt and action.hook != "onFailure":
                found.setdefault(stage.name, []).append(action.name)
    return {stage: tuple(actions) for stage, actions in found.items()}


def mark(value: str) -> str:
    """A short mark of an annotation's value, as `.status.handledRequests` shows it of an answer."""
    return "sha256:" + hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()


def _stage_again(value: str, path: str) -> StageAgain | Problem:
    # CONTRACT §2.1: split at the first `@`, so that a token may hold one.
    stage, _, token = value.partition("@")
    if not names.is_stage_name(stage) or not _is_plain(token):
        return Problem(path, f"must be <stage>@<token>, such as database@1, not {quoted(value)}")
    return StageAgain(stage, value)


def _reset(value: str, path: str) -> Reset | Problem:
    # An action's name may hold anything, a token of ours does not hold an `@`.
    key, _, token = value.rpartition("@")
    stage, _, action = key.partition("/")
    if not names.is_stage_name(stage) or not _is_plain(action) or not _is_plain(token):
        return Problem(path, f"must be <stage>/<action>@<token>, such as database/migrate@1, not {quoted(value)}")
    return Reset(stage, action, value)


def _resolution(value: str, path: str) -> Resolution | Problem:
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return Problem(path, f"must be a JSON object such as {_ANSWER_EXAMPLE}; it cannot be read: {error}")
    problem = _wrong(found)
    if problem:
        return Problem(path, f"{problem}; write it as {_ANSWER_EXAMPLE}")
    return Resolution(
        stage=found["stage"],
        action=found["action"],
        answer=cast(Answer, found["as"]),
        reason=found["reason"],
        by=found.get("by", ""),
        token=mark(value),
    )


def _wrong(found: Any) -> str:
    """What is wrong with an answer, to go on after the annotation's name; empty where nothing is."""
    if not isinstance(found, dict):
        return "must be a JSON object"
    for key in found:
        if key not in _KEYS:
            return f"has the key {quoted(key)}, which means nothing here"
    for key in (*_KEYS[:_REQUIRED], *(key for key in _KEYS[_REQUIRED:] if key in found)):
        if not isinstance(found.get(key), str):
            return f"needs {quoted(key)} as text" if key not in found else f"{quoted(key)} must be text"
    if not names.is_stage_name(found["stage"]):
        return f'"stage" must name a stage, not {quoted(found["stage"])}'
    if not _is_plain(found["action"]):
        return f'"action" must name an action, not {quoted(found["action"])}'
    if found["as"] not in ("done", "not-done"):
        return f'"as" must be "done" or "not-done", not {quoted(found["as"])}'
    if not found["reason"].strip() or len(found["reason"]) > REASON_CHARS_MAX:
        return f'"reason" must say why, in at most {REASON_CHARS_MAX} characters'
    if found.get("by") and not _is_plain(found["by"]):
        return f'"by" must be a name in at most {NAME_CHARS_MAX} printable characters'
    return ""


def _is_plain(text: str) -> bool:
    """Whether a name or token can be shown, and stands in a header: printable, and not too long."""
    return 0 < len(text) <= NAME_CHARS_MAX and text.isprintable()
