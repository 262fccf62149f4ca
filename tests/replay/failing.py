"""The failures of docs/runbooks/stagefailed.md that can be made without a cluster: a ledger for each, always the same.

Three stages go well with v1; then the second one's v2, or the way to the cluster, is broken. MemoryCluster stands for
the cluster; what an artifact server and kustomize say is said in the words of the real ones, because bundles of these
runs are kept.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ledger.events import StageFailed
from ledger.log import Selection
from ledger.memory_log import MemoryLog
from ledger.upcast import decode
from reconciler.adapters.artifacts.fetch import FetchLimits
from reconciler.adapters.hands import Tools
from reconciler.adapters.kustomize.process import BuildLimits
from reconciler.adapters.kustomize.process import failed as kustomize_failed
from reconciler.adapters.kustomize.tool import Tool
from reconciler.adapters.memory.policy import PREFIX
from reconciler.adapters.requests import Call, CallError, Reply
from reconciler.compute import fetching
from reconciler.compute.kustomization import BuildTree
from reconciler.compute.urlguard import Guard, Refusal
from reconciler.errors import ClusterError, NoAccount, OperationError
from reconciler.ports.cluster import Ref
from tests.simulation.acting import job
from tests.simulation.http_server import HOST, SimCaller
from tests.simulation.life import finish
from tests.simulation.manifests import NAMESPACE
from tests.simulation.ports import ArtifactServer, Line, Renderer, SimCluster
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset

STAGES = ("database", "backend", "frontend")
BACKEND, ACCOUNT, NAME = "backend", "deployer", "release"
#: A failure is there by then, in virtual seconds.
WITHIN_S = 900.0
_RBAC = "rbac.authorization.k8s.io/v1"
_ARTIFACT_BYTES_MAX = FetchLimits().body_bytes_max
Object = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One failure."""

    #: of its section in the runbook; for an action its hook and its reason there
    anchor: str
    #: what `stage.failed` says
    operation: str
    reason: str
    #: shows v2 of the second stage, broken
    break_: Callable[[Scene], None]
    #: done before v1
    prepare: Callable[[Scene], None] = lambda _: None
    #: fields of the second stage, and of the spec
    stage: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    #: whether it needs the real kustomize
    builds: bool = False


def played(case: Case, *, kustomize: Tool | None = None) -> MemoryLog:
    """The ledger of a case. `kustomize` is needed where the case says so. AssertionError where it fails otherwise."""

    async def main(loop: VirtualLoop) -> MemoryLog:
        world = _World(loop, seed=f"failing/{case.anchor}", runner=_Kustomize(kustomize) if kustomize else Renderer())
        await world.begin()
        scene = Scene(world)
        for name in STAGES:
            scene.publish("v1", {"config.yaml": scene.config(name, "v1")}, source=name)
        case.prepare(scene)
        stages = [{"name": name, "sourceRef": {"name": name}, **_of(case, name)} for name in STAGES]
        spec = {"interval": "60s", "retryInterval": "10s", "timeout": "20s", "serviceAccountName": ACCOUNT}
        world.do(world.memory.create(stageset(NAME, stages, **{**spec, **case.spec})))
        await world.until("v1", lambda: world.ready(NAME)[0] == "True", within_s=WITHIN_S)
        case.break_(scene)
        for name in ("database", "frontend"):
            scene.publish("v2", {"config.yaml": scene.config(name, "v2")}, source=name)
        await world.until("it fails", lambda: bool(failures(world.log)), within_s=WITHIN_S)
        await finish(world)
        return world.log

    log: MemoryLog = run(main)
    found = failures(log)[0]
    assert (found.operation, found.reason) == (case.operation, case.reason), f"{case.anchor}: {found}"
    return log


def failures(log: MemoryLog) -> list[StageFailed]:
    """Why stages failed, in order."""
    found = [decode(one).event for one in log.read(Selection(types=("stage.failed",)))]
    return [event for event in found if isinstance(event, StageFailed)]


def kustomize() -> Tool:
    """The kustomize beside this interpreter."""
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    assert found, "kubectl is not in the virtual environment: install tests/requirements.lock"
    return Tool((found, "kustomize", "--load-restrictor", "LoadRestrictionsNone"), "kustomize/simulated")


def _of(case: Case, name: str) -> Mapping[str, Any]:
    return case.stage if name == BACKEND else {}


# ── the world, in the words of the real one ──────────────────────────────────────────────────────────────────────


class _World(World):
    #: what the API server of a kubeconfig says from now on
    refusal: ClusterError | None = None

    def _tools(self, line: Line, rng: Any) -> Tools:
        tools = super()._tools(line, rng)
        act_as = tools.clusters._act_as
        tools.clusters._act_as = lambda namespace, name: self._account(act_as(namespace, name), namespace, name)
        tools.clusters._reach = lambda target, *, where, user: self._remote(line, user)
        caller = _Caller(self.http, line=line, monitor=self.monitor)
        return tools._replace(fetcher=_Fetcher(self.server, line=line), caller=caller)

    def _remote(self, line: Line, user: str) -> Any:
        """The cluster of a kubeconfig is the same one, reached another way."""
        found = self.memory.as_user(user, manager="stageset-controller")
        cluster: Any = SimCluster(found, line=line, monitor=self.monitor)
        version = cluster.version

        async def asked() -> Any:
            if self.refusal is not None:
                raise self.refusal
            return await version()

        cluster.version = asked
        return cluster

    def _account(self, cluster: Any, namespace: str, name: str) -> Any:
        """A cluster gives no token for a ServiceAccount that it does not have."""
        version = cluster.version

        async def checked() -> Any:
            if self.peek(Ref("v1", "ServiceAccount", namespace, name)) is None:
                who = f"ServiceAccount {namespace}/{name}"
                raise NoAccount(f"{who} does not exist: create it, or correct serviceAccountName")
            return await version()

        cluster.version = checked
        return cluster


class _Fetcher:
    """What `adapters.artifacts` says of the artifacts of an `ArtifactServer`."""

    def __init__(self, server: ArtifactServer, *, line: Line) -> None:
        self._server, self._line = server, line

    async def fetch(self, url: str, digest: str) -> bytes:
        await self._line.live()
        await self._line.delay()
        guard = Guard(flag="--allowed-artifact-hosts")
        try:
            guard.check_url(url)
        except Refusal as refusal:
            raise fetching.refused(url, refusal, guard=guard) from None
        if self._server.down or self._server.refusals[url]:
            raise fetching.unreachable(url, cause=f"no connection to artifacts.{NAMESPACE}:80 (connection refused)")
        body = self._server.bodies.get(url)
        if body is None:
            raise fetching.bad_status(url, status=404, phrase="Not Found")
        if len(body) > _ARTIFACT_BYTES_MAX:
            raise fetching.oversized(url, len(body), cap=_ARTIFACT_BYTES_MAX)
        fetching.check(url, digest, found=hashlib.sha256(body).hexdigest(), size_bytes=len(body))
        return body

    async def close(self) -> None:
        pass


class _Caller(SimCaller):
    async def call(self, call: Call, *, within_s: float) -> Reply:
        guard = Guard(flag="--allowed-action-hosts")
        try:
            guard.check_url(call.url)
        except Refusal as refusal:
            facts = fetching.judged(refusal, guard)
            raise CallError(
                str(refusal), reason="URLRefused", retryable=False, doubtful=False, evidence=facts
            ) from None
        return await super().call(call, within_s=within_s)


class _Kustomize:
    """The real one, waited for on the spot: a simulation has no processes."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    async def run(self, tree: BuildTree) -> str:
        output = self._run(tree)
        if isinstance(output, OperationError):
            raise output
        return output

    def _run(self, tree: BuildTree) -> str | OperationError:
        with TemporaryDirectory() as private:
            root = Path(private, "tree")
            for name, content in tree.files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            command = [*self._tool.argv, str(root / tree.directory)]
            done = subprocess.run(command, capture_output=True, env={"HOME": private}, cwd=private, check=False)
            if done.returncode:
                return kustomize_failed(done.stderr, private, tree=tree, limits=BuildLimits())
            return done.stdout.decode()


# ── what cases do ────────────────────────────────────────────────────────────────────────────────────────────────


class Scene:
    """The hands of tenant and administrator."""

    def __init__(self, world: _World) -> None:
        self.world = world
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}}
        self.put(account)
        self.allow(ACCOUNT)

    def publish(self, revision: str, files: Mapping[str, Any], *, source: str = BACKEND) -> None:
        self.publish_bytes(revision, archive(files), source=source)

    def publish_bytes(self, revision: str, body: bytes, *, source: str = BACKEND) -> None:
        self.world._publish(source, revision, body)

    def good(self, revision: str = "v2", **files: Any) -> None:
        """A revision with its ConfigMap and more files; `__` in a name stands for a dot."""
        found = {name.replace("__", "."): content for name, content in files.items()}
        self.publish(revision, {"config.yaml": self.config(BACKEND, revision), **found})

    def point(self, *, url: str, body: bytes = b"") -> None:
        """A source that shows an address where the server has, or has not, something."""
        digest = hashlib.sha256(body).hexdigest()
        artifact = {"url": url, "digest": f"sha256:{digest}", "revision": "v2", "path": "x"}
        self.world.show_source(BACKEND, artifact={**artifact, "lastUpdateTime": "2030-01-01T00:00:00Z"})

    def url(self, revision: str = "v2") -> str:
        return f"http://artifacts.{NAMESPACE}/{BACKEND}/{revision}.tar.gz"

    @staticmethod
    def config(name: str, revision: str, **data: str) -> Object:
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"revision": revision, **data}}

    @staticmethod
    def deployment(*, outcome: str = "ready", app: str = "web", pods: str = "") -> Object:
        labels = {"app": app}
        notes = {f"{PREFIX}outcome": outcome, f"{PREFIX}ready-after": "1s", f"{PREFIX}pods": "true"}
        spec = {"containers": [{"name": "main", "image": "web:1"}]}
        template = {"metadata": {"labels": {"app": pods or app}}, "spec": spec}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE, "annotations": notes},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        }

    def put(self, obj: Object) -> None:
        self.world.do(self.world.memory.apply(obj, manager="somebody"))

    def remove(self, kind: str, name: str, *, group: str = "v1", namespace: str = NAMESPACE) -> None:
        self.world.do(self.world.memory.delete(Ref(group, kind, namespace, name)))

    def allow(self, account: str, rules: list[Object] | None = None) -> None:
        """Bind an account to a role of its own; without rules it may do everything."""
        everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        role = {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": {"name": account}}
        self.put({**role, "rules": rules or everything})
        subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account}
        binding = {"apiVersion": _RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": account}}
        self.put({**binding, "subjects": [subject], "roleRef": reference})

    def forbid(self, resource: str, *verbs: str) -> None:
        """The account may do everything but these verbs on a resource."""
        every = ["get", "list", "watch", "create", "patch", "update", "delete"]
        others = ["configmaps", "secrets", "services", "pods", "events", "deployments", "replicasets", "jobs"]
        left = [verb for verb in every if verb not in verbs]
        groups = ["", "apps", "batch", "events.k8s.io"]
        rest = [name for name in others if name != resource]
        self.allow(
            ACCOUNT,
            [
                {"apiGroups": groups, "resources": rest, "verbs": every},
                {"apiGroups": groups, "resources": [resource], "verbs": left},
            ],
        )


def archive(files: Mapping[str, Any]) -> bytes:
    """The same bytes for the same files; objects become JSON, which is YAML."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def linked() -> bytes:
    """An artifact with a symbolic link in it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        link = tarfile.TarInfo("config.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return gzip.compress(raw.getvalue(), mtime=0)


def failing_job() -> Object:
    return job("migrate", outcome="fail", after_s=1.0)


__all__ = ["ACCOUNT", "BACKEND", "HOST", "NAME", "STAGES", "Case", "Scene", "failures", "kustomize", "played"]
