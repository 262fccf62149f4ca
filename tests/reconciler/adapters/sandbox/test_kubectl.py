"""The real kubectl against the HTTP face: get, describe, apply, delete, watch."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.sandbox import Running, serve
from reconciler.ports.cluster import Ref

#: Processes, real ones.
pytestmark = pytest.mark.slow

KUBECTL = Path(sys.executable).with_name("kubectl")
CRDS = Path(__file__).parents[4] / "deploy" / "crds"
PATIENCE_S = 60
START = 1_700_000_000.0


class Shell:
    """Kubectl, the cluster behind it, and the cluster's clock."""

    def __init__(self, running: Running, cluster: MemoryCluster, now: list[float]) -> None:
        self.cluster, self.now = cluster, now
        config = running.kubeconfig
        self._base = [str(KUBECTL), f"--kubeconfig={config}", f"--cache-dir={config.with_name('cache')}"]

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*self._base, *arguments, stdin=pipe, stdout=pipe, stderr=pipe)

    async def run(self, *arguments: str, manifest: Any = None) -> tuple[int, str, str]:
        process = await self.start(*arguments)
        stdin = json.dumps(manifest).encode() if manifest is not None else None
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate(stdin)
        return process.returncode or 0, out.decode(), err.decode()

    async def __call__(self, *arguments: str, manifest: Any = None) -> str:
        code, out, err = await self.run(*arguments, manifest=manifest)
        assert code == 0, f"kubectl {' '.join(arguments)}: {out}{err}"
        return out


@contextlib.asynccontextmanager
async def sandbox(folder: Path) -> AsyncIterator[Shell]:
    now = [START]
    cluster = MemoryCluster(lambda: now[0])
    async with await serve(cluster, kubeconfig_path=folder / "kubeconfig") as running:
        for path in sorted(CRDS.glob("stages*.yaml")):
            await cluster.apply(yaml.safe_load(path.read_text()), manager="test")
        await cluster.tick()
        yield Shell(running, cluster, now)
    assert not (folder / "kubeconfig").exists()


def run(folder: Path, case: Callable[[Shell], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with sandbox(folder) as shell:
            await case(shell)

    asyncio.run(inner())


STAGE_SET = {
    "apiVersion": "stages.metio.wtf/v1",
    "kind": "StageSet",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"interval": "10m", "stages": [{"name": "one", "sourceRef": {"name": "shop"}}]},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]},
        },
    },
}


def test_stage_sets(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        assert "stageset.stages.metio.wtf/shop created" in await kubectl("apply", "-f", "-", manifest=STAGE_SET)
        condition = {
            "type": "Ready", "status": "False", "reason": "StageFailed", "message": "stage one: verify failed",
            "lastTransitionTime": "2023-11-14T22:13:20Z",
        }  # fmt: skip
        ref = Ref("stages.metio.wtf/v1", "StageSet", "default", "shop")
        await kubectl.cluster.patch(ref, {"status": {"conditions": [condition]}}, type="merge", subresource="status")
        kubectl.now[0] += 300
        lines = (await kubectl("get", "stagesets")).splitlines()
        assert lines[0].split() == ["NAME", "READY", "STATUS", "AGE"]
        assert lines[1].split(maxsplit=2)[:2] == ["shop", "False"]
        assert "stage one: verify failed" in lines[1]
        assert lines[1].endswith("5m")
        told = await kubectl("describe", "stageset", "shop")
        assert "Reason:" in told
        assert "StageFailed" in told
        assert json.loads(await kubectl("get", "stageset/shop", "-o", "json"))["spec"]["interval"] == "10m"
        assert "unchanged" in await kubectl("apply", "-f", "-", manifest=STAGE_SET)
        code, _, err = await kubectl.run("apply", "-f", "-", manifest={**STAGE_SET, "spec": {"stagez": []}})
        assert code == 1
        assert 'unknown field "spec.stagez"' in err
        assert "deleted" in await kubectl("delete", "stageset", "shop")
        assert await kubectl("get", "stagesets") == ""

    run(tmp_path, case)


def test_apply_on_both_sides(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        assert "created" in await kubectl("apply", "-f", "-", manifest=DEPLOYMENT)
        changed = json.loads(json.dumps(DEPLOYMENT))
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
        assert "configured" in await kubectl("apply", "-f", "-", manifest=changed)
        assert "serverside-applied" in await kubectl("apply", "--server-side", "-f", "-", manifest=changed)
        changed["spec"]["replicas"] = 3
        code, _, err = await kubectl.run("apply", "--server-side", "--field-manager=x", "-f", "-", manifest=changed)
        assert code == 1
        assert "conflict" in err
        assert ".spec.replicas" in err
        code, out, _ = await kubectl.run("diff", "-f", "-", manifest=changed)
        assert code == 1
        assert "+  replicas: 3" in out
        found = json.loads(await kubectl("get", "deployment", "web", "-o", "json"))
        ports = found["spec"]["template"]["spec"]["containers"][0]["ports"]
        assert ports == [{"containerPort": 80, "protocol": "TCP"}]

    run(tmp_path, case)


def test_workloads_are_told(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        await kubectl("apply", "-f", "-", manifest=DEPLOYMENT)
        await kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")
        assert "successfully rolled out" in await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        table = await kubectl("get", "deployments,pods,namespaces")
        assert "2/2" in table
        assert table.count("Running") == 2
        assert "kube-system" in table
        assert "deployment.apps/web" in await kubectl("get", "all")
        told = await kubectl("describe", "deployment", "web")
        assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in told
        assert "<integer>" in await kubectl("explain", "deployment.spec.replicas")
        await kubectl("delete", "deployment", "web")
        assert await kubectl("get", "pods") == ""

    run(tmp_path, case)


def test_watching(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        await kubectl("apply", "-f", "-", manifest=STAGE_SET)
        process = await kubectl.start("get", "stagesets", "-w")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_S):
                assert (await process.stdout.readline()).split()[0] == b"NAME"
                assert (await process.stdout.readline()).split()[0] == b"shop"
                other = {**STAGE_SET, "metadata": {"name": "later", "namespace": "default"}}
                await kubectl.cluster.create(other)
                assert (await process.stdout.readline()).split()[0] == b"later"
        finally:
            process.terminate()
            await process.communicate()

    run(tmp_path, case)


def test_who_may_what(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        user = "system:serviceaccount:default:default"
        code, _, err = await kubectl.run("get", "pods", f"--as={user}")
        assert code == 1
        assert (
            f'pods is forbidden: User "{user}" cannot list resource "pods" in API group "" in the namespace "default"'
            in err
        )

    run(tmp_path, case)


def test_logs(tmp_path: Path) -> None:
    async def case(kubectl: Shell) -> None:
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "j",
                "namespace": "default",
                "annotations": {"sandbox.stages.metio.wtf/log": "one\ntwo\n"},
            },
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
        }
        await kubectl("apply", "-f", "-", manifest=job)
        await kubectl("wait", "--for=condition=Complete", "job/j", "--timeout=30s")
        assert await kubectl("logs", "job/j") == "one\ntwo\n"
        assert await kubectl("logs", "job/j", "--tail=1") == "two\n"

    run(tmp_path, case)
