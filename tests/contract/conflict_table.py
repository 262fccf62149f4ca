"""The conflict table of docs/how-to/conflicts.md as cases: an object, a policy, and what must become of it.

The page is the expectation; a case plays what the controller does with an object, on any cluster.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.replace import Obstacle, ReplaceOptions, replace_set
from reconciler.adapters.operations.results import ApplyResult, Known
from reconciler.api import names
from reconciler.api.types.stage import Stage
from reconciler.compute.conflicts import choice_of
from reconciler.compute.order import stamped
from reconciler.errors import NotFound
from reconciler.ports.cluster import Object
from tests.contract.bench import Bench, gone
from tests.contract.colliding import MAKERS, Pair

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "conflicts.md"
#: How the page calls the objects.
TITLES = {
    "a Job's template": "job_template",
    "a Deployment's selector": "deployment_selector",
    "a Service's clusterIP": "service_cluster_ip",
    "a Service's clusterIP, with a nodePort": "service_node_port",
    "a StatefulSet's fields": "stateful_set_fields",
    "a StatefulSet that deletes its claims": "stateful_set_with_claims",
    "a PersistentVolumeClaim's spec": "claim",
    "a Secret with `immutable: true`": "secret_immutable",
    "a ConfigMap with `immutable: true`": "config_map_immutable",
    "a custom resource with `self == oldSelf`": "transition_rule",
    "a typo": "typo",
    "a typo beside an immutable field": "typo_beside_it",
    "a custom resource that breaks its schema": "custom_typo",
}
TYPOS = frozenset({"typo", "typo_beside_it", "custom_typo"})
OWNER = Owner(namespace="team", name="app")
_LABELS = names.stage_labels(namespace="team", name="app", stage="s")
_ROW = re.compile(r"^\|(.+)\|$")


class Policy(NamedTuple):
    """A policy of the page: fields of the stage, and whether the object has the annotation."""

    fields: dict[str, Any]
    annotated: bool = False

    @property
    def stage(self) -> Stage:
        return msgspec.convert({"name": "s", "sourceRef": {"name": "s"}, **self.fields}, Stage)


class Cell(NamedTuple):
    """One cell of the table."""

    kind: str
    policy: str
    expected: str


def _rows() -> list[list[str]]:
    section = PAGE.read_text(encoding="utf-8").partition("## The table")[2]
    found = [match[1] for line in section.splitlines() if (match := _ROW.match(line))]
    return [[cell.strip() for cell in row.split("|")] for row in found if "---" not in row]


def policies() -> dict[str, Policy]:
    """The policies by their number."""
    found = {}
    for number, words in (row for row in _rows() if len(row) == 2 and row[0]):
        code = re.search(r"`(.+)`", words)
        fields = yaml.safe_load("{" + code[1] + "}") if code else {}
        found[number] = Policy(fields, words.startswith("annotation"))
    return found


def cells() -> list[Cell]:
    """The table, cell by cell."""
    head, *rows = [row for row in _rows() if len(row) > 2]
    return [
        Cell(TITLES[title], number, expected)
        for title, *line in rows
        for number, expected in zip(head[1:], line, strict=True)
    ]


class Outcome(NamedTuple):
    """What became of the stage, and of the live object."""

    stage: str
    #: same, new or gone
    uid: str
    #: whether the change is on the live object
    changed: bool
    #: reason of the failure
    reason: str = ""


#: What the words of the table mean.
MEANING = {"fails": ("fails", "same", False), "kept": ("goes on", "same", False), "anew": ("goes on", "new", True)}


async def play(bench: Bench, kind: str, policy: Policy) -> Outcome:
    """Apply an object, then its change, and whatever the policy makes of that. Leaves nothing."""
    pair = MAKERS[kind](bench)
    stage = StageOf(bench, policy)
    first = await stage.apply(pair.before)
    assert first.ok, first.message
    before = await bench.cluster.get(pair.ref)
    result = await stage.apply(pair.after, before=first)
    if result.obstacles:
        await stage.replace(result)
        result = await stage.apply(pair.after)
    outcome = _outcome(result, pair, before=before, after=await _live(bench, pair))
    await bench.cluster.delete(pair.ref)
    await gone(bench, pair.ref)
    return outcome


class StageOf:
    """Applies and replaces as a stage with this policy does."""

    def __init__(self, bench: Bench, policy: Policy) -> None:
        self._bench = bench
        self._policy = policy

    async def apply(self, obj: Object, *, before: ApplyResult | None = None) -> ApplyResult:
        stage = self._policy.stage
        made = stamped(copy.deepcopy(obj), labels=_LABELS)
        if self._policy.annotated:
            made["metadata"]["annotations"] = {names.FORCE: "yes"}
        options = ApplyOptions(
            owner=OWNER,
            known={r.id: Known(digest=r.digest, uid=r.uid) for r in before.results} if before else {},
            choose=lambda placed: choice_of(stage, placed.manifest.obj, ref=placed.ref),
        )
        return await apply_set(self._bench.cluster, [Manifest(obj=made, digest=repr(obj))], options=options)

    async def replace(self, result: ApplyResult) -> None:
        obstacles = [Obstacle(id=r.id, ref=r.ref, uid=r.obstacle) for r in result.obstacles]
        options = ReplaceOptions(owner=OWNER, left_ms=lambda: 60_000, sleep=self._sleep)
        done = await replace_set(self._bench.cluster, obstacles, options=options)
        assert not done.failures, done.message

    async def _sleep(self, seconds: float) -> None:
        assert await self._bench.step(), "it never went"


async def _live(bench: Bench, pair: Pair) -> Object | None:
    try:
        return await bench.cluster.get(pair.ref)
    except NotFound:
        return None


def _outcome(result: ApplyResult, pair: Pair, *, before: Object, after: Object | None) -> Outcome:
    stage = "goes on" if result.ok else "fails"
    reason = "" if result.ok else result.reason
    if after is None:
        return Outcome(stage, "gone", False, reason)
    same = after["metadata"]["uid"] == before["metadata"]["uid"]
    return Outcome(stage, "same" if same else "new", _has_changed(pair, after), reason)


def _has_changed(pair: Pair, live: Object) -> bool:
    """Whether what differs between the two is on the live object as it was wanted."""
    return all(
        _found(wanted, live.get(part), old=pair.before.get(part))
        for part, wanted in pair.after.items()
        if part != "metadata" and wanted != pair.before.get(part)
    )


def _found(wanted: Any, live: Any, *, old: Any) -> bool:
    if wanted == old:
        return True
    if isinstance(wanted, dict) and isinstance(live, dict) and isinstance(old, dict):
        return all(_found(value, live.get(key), old=old.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return all(_found(*three[:2], old=three[2]) for three in zip(wanted, live, old, strict=True))
    return bool(wanted == live)
