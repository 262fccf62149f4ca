"""What is to be different in a fork, and the fact that opens the run with it.

Not what follows from it. Invariant: a spec that the controller would refuse is refused here, with its words.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.envelope import digest
from ledger.events import Pin, RunOpened
from reconciler.api import decode, names
from reconciler.api.problems import summary
from reconciler.api.support import unsupported
from reconciler.api.types import StageSet
from reconciler.api.validate import validate
from reconciler.compute.cel import compiles
from reconciler.policy import Policy, policy_of
from replay.divergence import shown
from replay.errors import Unusable

_STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)((?:\[[^\[\]]+\])*)")
_INDEX = re.compile(r"\[([^\[\]]+)\]")
#: Lists of hosts, by what they are called here: settings of the controller that answers depend on.
HOSTS = {"allowedActionHosts": "--allowed-action-hosts"}


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that somebody gives in the place of the world."""

    #: position of the intent, or of its recorded answer
    seq: int
    #: ok, failed, refused, indeterminate
    outcome: str
    body: dict[str, Any]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be different."""

    #: path and value, in order
    sets: tuple[tuple[str, Any], ...] = ()
    #: JSON merge patches (RFC 7396) of the StageSet
    patches: tuple[dict[str, Any], ...] = ()
    #: archives by stage; an empty name is the stage that failed
    artifacts: dict[str, bytes] = {}
    answers: tuple[Given, ...] = ()
    #: what the recording cannot answer is answered by a simulated cluster
    simulate: bool = False


class Opening(NamedTuple):
    """A run that is opened with changes."""

    event: RunOpened
    #: `path: before → after`, for people
    told: tuple[str, ...]
    #: artifacts by digest
    blobs: dict[str, bytes]
    #: lists of hosts that were given, by flag
    hosts: dict[str, tuple[str, ...]]


def opening(opened: RunOpened, changes: Changes, *, namespace: str, failed: str) -> Opening:
    """The fact that opens a run, changed. `failed` is the stage that failed. Raises `Unusable`."""
    document: Any = {"spec": msgspec.json.decode(msgspec.json.encode(opened.spec)), "policy": dict(opened.policy)}
    told: list[str] = []
    hosts: dict[str, tuple[str, ...]] = {}
    for patch in changes.patches:
        document["spec"] = _patched(document["spec"], patch)
        told.append("spec was patched")
    for path, value in changes.sets:
        known = path.removeprefix("policy.")
        if known in HOSTS and known != path:
            hosts[HOSTS[known]] = tuple(str(value).replace(",", " ").split())
            told.append(f"{HOSTS[known]}: {value}")
        else:
            told.append(_set(document, path, value))
    spec, policy = _checked(document["spec"], namespace), document["policy"]
    if document["spec"] != opened.spec and policy == opened.policy:
        policy = _policy(spec, opened.policy)
    pins, blobs = _pinned(opened, changes, failed=failed, told=told)
    event = replace(opened, spec=document["spec"], policy=policy, pins=pins)
    return Opening(event, tuple(told), blobs, hosts)


def _patched(spec: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The spec after a merge patch of the StageSet, or of its spec alone."""
    inner = patch.get("spec") if set(patch) <= {"apiVersion", "kind", "metadata", "spec"} and "spec" in patch else patch
    if not isinstance(inner, dict):
        raise Unusable("the patch is no mapping of fields of the StageSet's spec (a merge patch, RFC 7396)")
    merged: dict[str, Any] = _merged(spec, inner)
    return merged


def _merged(value: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, inner in patch.items():
        if inner is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), inner)
    return result


def _set(document: Any, path: str, value: Any) -> str:
    """Set one field; what it was, and is, in words."""
    steps = list(_steps(path))
    if steps[0] not in ("spec", "policy") or len(steps) < 2:
        raise Unusable(f"--set {path}: a path begins with spec. or policy., such as spec.stages[0].timeout")
    place = document
    for step, following in pairwise(steps):
        key = _key(place, step, path)
        if isinstance(place, dict) and key not in place:
            place[key] = [] if isinstance(following, int) else {}
        place = place[key]
    key = _key(place, steps[-1], path)
    before = place.get(key) if isinstance(place, dict) else place[key]
    place[key] = value
    return f"{path}: {shown(before)} → {shown(value)}"


def _steps(path: str) -> list[str | int]:
    """`spec.stages[backend].timeout` is spec, stages, backend, timeout."""
    found: list[str | int] = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise Unusable(f"--set {path}: {part!r} is no field, such as timeout or stages[0] or stages[backend]")
        found.append(match[1])
        found += [int(one) if one.isdecimal() else one for one in _INDEX.findall(match[2])]
    return found


def _key(place: Any, step: str | int, path: str) -> Any:
    """The key of a mapping, or the place in a list: by number, or by the name of the item."""
    if isinstance(place, dict) and isinstance(step, str):
        return step
    if isinstance(place, list):
        for at, item in enumerate(place):
            if at == step or (isinstance(item, dict) and item.get("name") == step):
                return at
        raise Unusable(f"--set {path}: there is no item {step}: it has {len(place)}, counted from 0")
    raise Unusable(f"--set {path}: {step} is not inside a {'mapping' if isinstance(step, str) else 'list'}")


def _checked(spec: dict[str, Any], namespace: str) -> StageSet:
    raw = {
        "apiVersion": names.API_VERSION,
        "kind": "StageSet",
        "metadata": {"namespace": namespace, "name": "fork"},
        "spec": spec,
    }
    problems = validate(raw, compile_cel=lambda text: compiles(text) or "")
    if not problems:
        stageset = decode.stageset(raw)
        problems = unsupported(stageset.spec)
        if not problems:
            return stageset
    raise Unusable(f"the controller would refuse this spec: {summary(problems)}")


def _policy(stageset: StageSet, recorded: dict[str, Any]) -> dict[str, Any]:
    """The policy of a run with a changed spec; what follows from the controller's own settings stays."""
    known = msgspec.convert(recorded, Policy)
    return {
        **recorded,
        **policy_of(stageset.spec, default_interval_ms=known.interval_ms, teardown_ms=known.teardown_ms),
    }


def _pinned(opened: RunOpened, changes: Changes, *, failed: str, told: list[str]) -> tuple[list[Pin], dict[str, bytes]]:
    pins, blobs = list(opened.pins), {}
    for given, body in changes.artifacts.items():
        stage = given or failed
        at = next((at for at, pin in enumerate(pins) if pin.stage == stage and not pin.action), None)
        if at is None:
            known = ", ".join(sorted({pin.stage for pin in pins}))
            raise Unusable(f"there is no stage {stage or '(none failed)'} to give an artifact to: there is {known}")
        name = digest(body)
        blobs[name] = body
        told.append(f"artifact of stage {stage}: {pins[at].revision} → a folder ({name[7:19]})")
        pins[at] = replace(pins[at], revision=f"fork@{name}", digest=name)
    return pins, blobs
