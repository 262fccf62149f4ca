"""What a contract case works with: a cluster as its administrator, a namespace of its own, and ways to wait.

Each implementation of the Cluster port gives a `Bench`; cases know nothing else of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import pytest

from reconciler.errors import ClusterError, NotFound
from reconciler.ports.cluster import Cluster, Object, Ref

T = TypeVar("T")


class Bench(Protocol):
    """One implementation under test."""

    cluster: Cluster
    namespace: str

    async def step(self) -> bool:
        """Lets some of the cluster's time pass; False when waiting longer is of no use."""

    async def account(self, name: str) -> Cluster:
        """The cluster as the ServiceAccount `name` of the namespace, which exists."""

    def behaviour(self, *, outcome: str = "ready", exit_code: int = 1) -> dict[str, str]:
        """Annotations for a Pod template: `ready`, `fail` or `never`."""


async def eventually(bench: Bench, ask: Callable[[], Awaitable[T]], until: Callable[[T], bool]) -> T:
    """Asks again until the answer is as wanted; the last answer is in the failure."""
    while True:
        answer = await ask()
        if until(answer):
            return answer
        if not await bench.step():
            raise AssertionError(f"it never became so; the last answer: {answer}")


async def gone(bench: Bench, ref: Ref) -> None:
    """Until the object is not there."""

    async def ask() -> bool:
        try:
            await bench.cluster.get(ref)
        except NotFound:
            return True
        return False

    await eventually(bench, ask, bool)


async def refused(kind: type[ClusterError], attempt: Awaitable[Any]) -> ClusterError:
    """The error that an attempt must fail with."""
    with pytest.raises(ClusterError) as caught:
        await attempt
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__} instead of {kind.__name__}: {error.message}"
    return error


def config(bench: Bench, name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": bench.namespace, **metadata},
        "data": data if data is not None else {"a": "1"},
    }


def config_ref(bench: Bench, name: str) -> Ref:
    return Ref("v1", "ConfigMap", bench.namespace, name)


def template(bench: Bench, *, outcome: str = "ready", exit_code: int = 1, **spec: Any) -> Object:
    """A Pod template whose Pods behave as told."""
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": bench.behaviour(outcome=outcome, exit_code=exit_code)},
        "spec": {"containers": [{"name": "web", "image": "example.test/web:1"}], **spec},
    }


def deployment(bench: Bench, name: str = "web", **spec: Any) -> Object:
    """A Deployment of one container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": bench.namespace},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template(bench), **spec},
    }


def deployment_ref(bench: Bench, name: str = "web") -> Ref:
    return Ref("apps/v1", "Deployment", bench.namespace, name)


def job(bench: Bench, name: str = "once", *, outcome: str = "ready", exit_code: int = 1, **spec: Any) -> Object:
    """A Job of one Pod."""
    pod = template(bench, outcome=outcome, exit_code=exit_code, restartPolicy="Never")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": bench.namespace},
        "spec": {"backoffLimit": 0, "template": pod, **spec},
    }


def condition(obj: Object, type_: str) -> str:
    """The status of a condition; empty when there is none."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return next((item["status"] for item in found if item["type"] == type_), "")
