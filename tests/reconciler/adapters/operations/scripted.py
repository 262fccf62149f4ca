"""A scripted Cluster: a dict of objects, a log of requests, and faults on demand.

For what a faithful cluster cannot be told to do: answers that are lost, throttling, an object that changes hands
between two requests.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from reconciler import errors
from reconciler.ports.cluster import Cascade, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent

CLUSTER_SCOPED = {"Namespace", "CustomResourceDefinition", "ClusterRole", "StorageClass"}
KINDS = {("v1", k) for k in ("Namespace", "ConfigMap", "Secret", "Service", "Pod", "ServiceAccount", "Event")} | {
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("stages.metio.wtf/v1", "StageInventory"),
}

#: `(verb, reference or scope)` before or after the request is carried out: an error to raise, or None.
Fault = Callable[[str, Any], Exception | None]


class Scripted:
    """Faults are asked before each request (`before`) and after it was carried out (`after`: a lost answer)."""

    def __init__(self, *objects: Object) -> None:
        self.kinds = set(KINDS)
        self.objects: dict[Ref, Object] = {}
        self.requests: list[tuple[str, str]] = []
        self.before: Fault = lambda verb, what: None
        self.after: Fault = lambda verb, what: None
        self._numbers = itertools.count(1)
        for obj in objects:
            self.put(obj)

    def count(self, *verbs: str) -> int:
        return sum(1 for verb, _ in self.requests if verb in verbs)

    def put(self, obj: Object, *, manager: str = "kubectl") -> Object:
        """Store as is, with a UID, a resource version and one manager."""
        stored = copy.deepcopy(obj)
        number = next(self._numbers)
        stored.setdefault("metadata", {}).setdefault("uid", f"uid-{number}")
        stored["metadata"]["resourceVersion"] = str(number)
        stored["metadata"].setdefault("managedFields", [{"manager": manager, "operation": "Apply"}])
        self.objects[self._ref(stored)] = stored
        return stored

    @staticmethod
    def _ref(obj: Object) -> Ref:
        metadata = obj["metadata"]
        namespace = "" if obj["kind"] in CLUSTER_SCOPED else metadata.get("namespace", "")
        return Ref(obj["apiVersion"], obj["kind"], namespace, metadata["name"])

    def _asked(self, verb: str, what: Any) -> None:
        name = f"{what.kind} {what.namespace}/{getattr(what, 'name', '*')}"
        self.requests.append((verb, name))
        error = self.before(verb, what)
        if error is not None:
            raise error
        if (what.api_version, what.kind) not in self.kinds:
            raise errors.NoSuchKind(f"{what.api_version} {what.kind} is not served")

    def _answered(self, verb: str, what: Any) -> None:
        error = self.after(verb, what)
        if error is not None:
            raise error

    async def version(self) -> Mapping[str, str]:
        return {"gitVersion": "v0"}

    async def resource(self, api_version: str, kind: str) -> Resource:
        if (api_version, kind) not in self.kinds:
            raise errors.NoSuchKind(f'no matches for kind "{kind}" in version "{api_version}"')
        return Resource(api_version, kind, kind.lower() + "s", kind not in CLUSTER_SCOPED)

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        self._asked("get", ref)
        if ref not in self.objects:
            raise errors.NotFound(f"{ref.kind} {ref.name} not found")
        self._answered("get", ref)
        return copy.deepcopy(self.objects[ref])

    async def list(self, scope: Scope) -> ObjectList:
        self._asked("list", scope)
        items = [
            {k: v for k, v in copy.deepcopy(obj).items() if k not in ("apiVersion", "kind")}
            for ref, obj in self.objects.items()
            if ref[:2] == scope[:2] and scope.namespace in ("", ref.namespace) and _selected(obj, scope.label_selector)
        ]
        return ObjectList(items, "0")

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        raise NotImplementedError
        yield

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        ref = self._ref(obj)
        self._asked("create", ref)
        if ref in self.objects:
            raise errors.AlreadyExists(f"{ref.kind} {ref.name} already exists")
        stored = self.put(obj)
        self._answered("create", ref)
        return copy.deepcopy(stored)

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        ref = self._ref(obj)
        self._asked("apply", ref)
        live = self.objects.get(ref)
        if live is None:
            # As in Kubernetes, what has no spec counts no generations.
            counted = {"generation": 1} if "spec" in obj else {}
            live = self.put({**obj, "metadata": {**obj["metadata"], **counted}}, manager=manager)
        else:
            merged = _merged(live, obj)
            if not any(m["manager"] == manager for m in merged["metadata"]["managedFields"]):
                merged["metadata"]["managedFields"] += [{"manager": manager, "operation": "Apply"}]
            if merged != live:
                if merged.get("spec") != live.get("spec"):
                    merged["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
                live = self.put(merged)
        self._answered("apply", ref)
        return copy.deepcopy(live)

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        raise NotImplementedError

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        ref = self._ref(obj)
        self._asked("replace", ref)
        if obj["metadata"].get("resourceVersion") != self.objects[ref]["metadata"]["resourceVersion"]:
            raise errors.Conflict(f"{ref.kind} {ref.name} was modified")
        stored = self.put({**obj, "metadata": {**obj["metadata"], "uid": self.objects[ref]["metadata"]["uid"]}})
        return copy.deepcopy(stored)

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        self._asked("delete", ref)
        if ref not in self.objects:
            raise errors.NotFound(f"{ref.kind} {ref.name} not found")
        if uid and self.objects[ref]["metadata"]["uid"] != uid:
            raise errors.Conflict("the UID in the precondition does not match")
        del self.objects[ref]
        self._answered("delete", ref)

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        raise NotImplementedError

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        raise NotImplementedError

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        return True

    async def close(self) -> None: ...


def _selected(obj: Object, selector: str) -> bool:
    labels = obj["metadata"].get("labels", {})
    pairs = (part.partition("=") for part in selector.split(",") if part)
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in pairs)


def _merged(live: Any, desired: Any) -> Any:
    if isinstance(live, dict) and isinstance(desired, dict):
        return live | {key: _merged(live.get(key), value) for key, value in desired.items()}
    return copy.deepcopy(desired)


class Pauses:
    """A `sleep` that takes no time and remembers, and lets a test do something meanwhile."""

    def __init__(self, meanwhile: Callable[[int], None] = lambda n: None) -> None:
        self.seconds: list[float] = []
        self._meanwhile = meanwhile

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._meanwhile(len(self.seconds))
