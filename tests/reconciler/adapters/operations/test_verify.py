from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.operations.verify import Seen, Verification, VerifyOptions, is_older, resolve_checks
from reconciler.adapters.watches import Key
from reconciler.api.types.references import ObjectReference
from reconciler.compute.assess import Assessment, Targets
from reconciler.ports.cluster import Object, Ref, Scope
from tests.reconciler.adapters.operations.scripted import Scripted

NOW_MS = 1_700_000_000_000
WEB = Ref("apps/v1", "Deployment", "shop", "web")
CONFIG = Ref("v1", "ConfigMap", "shop", "c")
POD = Ref("v1", "Pod", "shop", "p")


class Told:
    """Stands in for shared watches: tells what the test says, and remembers who listens."""

    def __init__(self) -> None:
        self.open: list[Listening] = []

    def subscribe(self, scope: Scope, **options: Any) -> Listening:
        self.open.append(Listening(self, scope, **options))
        return self.open[-1]

    def tell(self, ref: Ref, obj: Object | None) -> None:
        for one in [o for o in self.open if o.scope[:3] == ref[:3]]:
            one.on_change(Key(ref.namespace, ref.name), obj)

    def problem(self, ref: Ref, error: errors.ClusterError | None) -> None:
        for one in [o for o in self.open if o.scope[:3] == ref[:3]]:
            one.on_problem(error)


class Listening:
    def __init__(self, told: Told, scope: Scope, *, keys: Any, on_change: Any, on_problem: Any) -> None:
        self.scope, self.keys, self.on_change, self.on_problem = scope, keys, on_change, on_problem
        self._told = told

    def close(self) -> None:
        self._told.open.remove(self)


class World:
    """A verification under way, with all that it told."""

    def __init__(self, *wait: Ref, **options: Any) -> None:
        self.told, self.results, self.progress = Told(), list[Assessment](), list[str]()
        self.now_ms, self.assessed = NOW_MS, 0
        self.verification = Verification(
            self.told,  # type: ignore[arg-type]
            Targets(wait=wait),
            options=VerifyOptions(
                clock_ms=self.clock_ms,
                on_result=self.results.append,
                on_progress=lambda found: self.progress.append(found.message),
                **options,
            ),
        )
        self.verification.start()

    def clock_ms(self) -> int:
        self.assessed += 1
        return self.now_ms

    async def tell(self, ref: Ref, obj: Object | None) -> None:
        self.told.tell(ref, obj)
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 10))  # type: ignore[arg-type]


def deployment(available: int, *, version: str = "5", generation: int = 1, reason: str = "") -> Object:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": available, "readyReplicas": available}
    conditions = [
        {"type": "Progressing", "status": "True", "reason": reason or "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True"},
    ]
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": version,
            "generation": generation,
        },
        "spec": {"replicas": 2},
        "status": {**counts, "conditions": conditions, "observedGeneration": generation},
    }


def test_it_tells_progress_and_ends_when_all_is_ready() -> None:
    async def scenario() -> None:
        world = World(WEB, CONFIG)
        await world.tell(CONFIG, {"metadata": {"name": "c"}})
        await world.tell(WEB, deployment(1))
        assert world.results == []
        assert world.progress[-1] == "1 of 2 objects ready; not ready: Deployment shop/web: 1 of 2 replicas available"
        await world.tell(WEB, deployment(2))
        assert [(r.done, r.message) for r in world.results] == [(True, "2 of 2 objects ready")]
        assert world.told.open == []
        assert world.verification.closed

    play(scenario)


def test_a_burst_of_changes_is_assessed_once_and_equal_words_are_told_once() -> None:
    async def scenario() -> None:
        world = World(WEB)
        await settled()
        for version in range(10):
            world.told.tell(WEB, deployment(1, version=str(version)))
        await settled()
        assert world.assessed == 2
        await world.tell(WEB, deployment(1, version="11"))
        assert len(world.progress) == 2
        world.verification.close()

    play(scenario)


def test_one_subscription_serves_all_objects_of_a_kind_in_a_namespace() -> None:
    async def scenario() -> None:
        other = CONFIG._replace(name="d")
        world = World(CONFIG, other, WEB)
        assert [(o.scope.kind, len(o.keys)) for o in world.told.open] == [("ConfigMap", 2), ("Deployment", 1)]
        world.verification.close()
        assert world.told.open == []

    play(scenario)


def test_a_terminal_failure_ends_it_at_once() -> None:
    async def scenario() -> None:
        world = World(WEB, CONFIG)
        await world.tell(WEB, deployment(0, reason="ProgressDeadlineExceeded"))
        assert [u.reason for u in world.results[0].failed] == ["ProgressDeadlineExceeded"]
        assert not world.results[0].done

    play(scenario)


def test_a_state_from_before_the_apply_never_counts() -> None:
    async def scenario() -> None:
        world = World(WEB, seen={WEB: Seen(uid="u", resource_version="7", generation=2)})
        await world.tell(WEB, deployment(2, version="6", generation=1))
        assert world.results == []
        assert world.verification.assessment().pending[0].reason == "Unread"
        await world.tell(WEB, deployment(2, version="8", generation=2))
        assert world.results[0].done

    play(scenario)


def test_an_object_that_is_not_there_is_pending_until_it_is() -> None:
    async def scenario() -> None:
        world = World(CONFIG)
        await world.tell(CONFIG, None)
        assert world.progress[-1] == "0 of 1 objects ready; not ready: ConfigMap shop/c: not found"
        await world.tell(CONFIG, {"metadata": {"name": "c"}})
        assert world.results[0].done

    play(scenario)


def test_what_cannot_be_read_is_pending_with_the_reason_and_heals() -> None:
    async def scenario() -> None:
        world = World(CONFIG)
        world.told.problem(CONFIG, errors.Forbidden("configmaps is forbidden"))
        await settled()
        assert world.progress[-1].endswith("ConfigMap shop/c: cannot be read: configmaps is forbidden")
        world.told.problem(CONFIG, None)
        await settled()
        await world.tell(CONFIG, {"metadata": {"name": "c"}})
        assert world.results[0].done

    play(scenario)


def test_time_alone_can_end_it() -> None:
    async def scenario() -> None:
        woken = asyncio.Event()
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            await woken.wait()

        world = World(POD, sleep=sleep)
        unschedulable = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
        metadata = {"name": "p", "creationTimestamp": "2023-11-14T22:13:15Z"}
        await world.tell(POD, {"metadata": metadata, "status": {"phase": "Pending", "conditions": unschedulable}})
        assert slept == [10.0]
        world.now_ms += 10_000
        woken.set()
        await settled()
        assert world.results[0].failed[0].reason == "PodUnschedulable"

    play(scenario)


def test_nothing_is_told_after_close() -> None:
    async def scenario() -> None:
        world = World(CONFIG)
        world.told.tell(CONFIG, {"metadata": {"name": "c"}})
        world.verification.close()
        await settled()
        assert world.results == []
        assert world.progress == []

    play(scenario)


def test_nothing_to_wait_for_is_done() -> None:
    async def scenario() -> None:
        world = World()
        await settled()
        assert world.results[0].done

    play(scenario)


@pytest.mark.parametrize(
    ("version", "generation", "seen", "older"),
    [
        ("9", 1, Seen(uid="u", resource_version="10", generation=1), True),
        ("10", 1, Seen(uid="u", resource_version="10", generation=1), False),
        ("11", 1, Seen(uid="other", resource_version="10"), False),
        ("9", 1, Seen(uid="other", resource_version="10"), True),
        ("x9", 1, Seen(uid="u", resource_version="x10", generation=2), True),
        ("x9", 2, Seen(uid="u", resource_version="x10", generation=2), False),
        ("x9", 1, Seen(uid="other", resource_version="x10", generation=2), False),
        ("9", 1, None, False),
    ],
)
def test_what_is_older(version: str, generation: int, seen: Seen | None, older: bool) -> None:
    live = {"metadata": {"uid": "u", "resourceVersion": version, "generation": generation}}
    assert is_older(live, seen) is older


def test_checks_get_their_scope_from_the_cluster() -> None:
    checks = [
        ObjectReference(kind="Deployment", name="web"),
        ObjectReference(kind="Namespace", name="n", namespace="ignored"),
        ObjectReference(kind="Secret", name="s", namespace="elsewhere"),
        ObjectReference(kind="Widget", name="w", api_version="example.com/v1"),
    ]
    assert asyncio.run(resolve_checks(Scripted(), checks, namespace="team")) == (
        Ref("apps/v1", "Deployment", "team", "web"),
        Ref("v1", "Namespace", "", "n"),
        Ref("v1", "Secret", "elsewhere", "s"),
        Ref("example.com/v1", "Widget", "team", "w"),
    )
