"""Objects with a field that cannot change: each before, and with a change of that field."""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.errors import NoSuchKind
from reconciler.ports.cluster import Object, Ref, Resource
from tests.contract.bench import Bench, condition, deployment, eventually, gone, job, template


class Pair(NamedTuple):
    """One object, and what it cannot become."""

    before: Object
    after: Object

    @property
    def ref(self) -> Ref:
        meta = self.before["metadata"]
        return Ref(self.before["apiVersion"], self.before["kind"], meta.get("namespace", ""), meta["name"])


Maker = Callable[[Bench], Pair]


def _pair(before: Object, change: Callable[[Object], Any]) -> Pair:
    after = copy.deepcopy(before)
    change(after)
    return Pair(before, after)


def _object(bench: Bench, api_version: str, kind: str, *, name: str = "", **fields: Any) -> Object:
    meta = {"name": name or kind.lower(), "namespace": bench.namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **fields}


def _image(obj: Object) -> None:
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "example.test/web:2"


def job_template(bench: Bench) -> Pair:
    return _pair(job(bench), _image)


def deployment_selector(bench: Bench) -> Pair:
    def select(obj: Object) -> None:
        obj["spec"]["selector"]["matchLabels"] = {"app": "other"}
        obj["spec"]["template"]["metadata"]["labels"] = {"app": "other"}

    return _pair(deployment(bench), select)


def _service(bench: Bench, name: str = "", **spec: Any) -> Object:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return _object(bench, "v1", "Service", name=name, spec=spec)


def service_cluster_ip(bench: Bench) -> Pair:
    """From an address of its own to none."""
    return _pair(_service(bench), lambda obj: obj["spec"].update(clusterIP="None"))


def service_node_port(bench: Bench) -> Pair:
    """To another address; the node port that the live one holds is wanted by the new one too."""
    first, second, port = addresses(bench)
    spec = {"type": "NodePort", "clusterIP": first, "ports": [{"port": 80, "nodePort": port}]}
    return _pair(_service(bench, "outside", **spec), lambda obj: obj["spec"].update(clusterIP=second))


def addresses(bench: Bench) -> tuple[str, str, int]:
    """Two addresses and a node port that no other namespace uses."""
    number = zlib.crc32(bench.namespace.encode())
    at = f"10.96.{128 + number % 100}.{number // 100 % 120 * 2}"
    return at, at[:-1] + str(int(at[-1]) + 1), 30_000 + number % 2_500


def _stateful_set(bench: Bench, **spec: Any) -> Object:
    return _object(
        bench,
        "apps/v1",
        "StatefulSet",
        spec={
            "serviceName": "web",
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(bench),
            "volumeClaimTemplates": [_claim_spec()],
            **spec,
        },
    )


def _claim_spec() -> Object:
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": storage}


def stateful_set_fields(bench: Bench) -> Pair:
    return _pair(_stateful_set(bench), lambda obj: obj["spec"].update(serviceName="other"))


def stateful_set_with_claims(bench: Bench) -> Pair:
    """Its claims, and so their data, are deleted with it."""
    policy = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}}
    return _pair(_stateful_set(bench, **policy), lambda obj: obj["spec"].update(serviceName="other"))


def claim(bench: Bench) -> Pair:
    made = _object(bench, "v1", "PersistentVolumeClaim", spec=_claim_spec()["spec"] | {"storageClassName": "one"})
    return _pair(made, lambda obj: obj["spec"].update(storageClassName="two"))


def secret_immutable(bench: Bench) -> Pair:
    made = _object(bench, "v1", "Secret", type="Opaque", immutable=True, data={"key": "b25l"})
    return _pair(made, lambda obj: obj["data"].update(key="dHdv"))


def config_map_immutable(bench: Bench) -> Pair:
    made = _object(bench, "v1", "ConfigMap", immutable=True, data={"key": "one"})
    return _pair(made, lambda obj: obj["data"].update(key="two"))


def group(bench: Bench) -> str:
    return re.sub(r"[^a-z0-9]", "", bench.namespace) + ".example.test"


def gear(bench: Bench, **spec: Any) -> Object:
    return {
        "apiVersion": f"{group(bench)}/v1",
        "kind": "Gear",
        "metadata": {"name": "gear", "namespace": bench.namespace},
        "spec": {"teeth": 12, "size": 1, **spec},
    }


def transition_rule(bench: Bench) -> Pair:
    """`spec.teeth` has the rule `self == oldSelf`."""
    return _pair(gear(bench), lambda obj: obj["spec"].update(teeth=13))


def typo(bench: Bench) -> Pair:
    """A value that no object of the kind may have."""
    return _pair(deployment(bench), lambda obj: obj["spec"]["template"]["spec"].update(restartPolicy="Allways"))


def typo_beside_it(bench: Bench) -> Pair:
    """A field that cannot change, and a value that no object may have."""

    def change(obj: Object) -> None:
        obj["spec"]["serviceName"] = "other"
        obj["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Allways"

    return _pair(_stateful_set(bench), change)


def custom_typo(bench: Bench) -> Pair:
    """A custom resource that breaks a rule about itself, whose words sound like one about a change."""
    return _pair(gear(bench), lambda obj: obj["spec"].update(size=99))


MAKERS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        job_template, deployment_selector, service_cluster_ip, service_node_port, stateful_set_fields,
        stateful_set_with_claims, claim, secret_immutable, config_map_immutable, transition_rule, typo, typo_beside_it,
        custom_typo,
    )
}  # fmt: skip
CUSTOM = frozenset({"transition_rule", "custom_typo"})


def definition(bench: Bench) -> Object:
    """The kind Gear."""
    spec = {
        "type": "object",
        "properties": {
            "teeth": {
                "type": "integer",
                "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "teeth do not grow"}],
            },
            "size": {
                "type": "integer",
                "x-kubernetes-validations": [{"rule": "self < 10", "message": "field is immutable"}],
            },
            "colour": {"type": "string"},
            "paint": {"type": "string"},
        },
        "x-kubernetes-validations": [
            {"rule": "!(has(self.colour) && has(self.paint))", "message": "either colour or paint"}
        ],
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"kind": "Gear", "plural": "gears", "singular": "gear", "listKind": "GearList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gears.{group(bench)}"},
        "spec": {
            "group": group(bench),
            "scope": "Namespaced",
            "names": names,
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def definition_ref(bench: Bench) -> Ref:
    return Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"gears.{group(bench)}")


async def define(bench: Bench) -> None:
    """Install the kind Gear, and wait until it is served."""
    await bench.cluster.apply(definition(bench), manager="one")
    ref = definition_ref(bench)
    await eventually(bench, lambda: bench.cluster.get(ref), lambda obj: condition(obj, "Established") == "True")

    async def served() -> Resource | None:
        try:
            return await bench.cluster.resource(f"{group(bench)}/v1", "Gear")
        except NoSuchKind:
            return None

    await eventually(bench, served, lambda found: found is not None)


async def undefine(bench: Bench) -> None:
    await bench.cluster.delete(definition_ref(bench))
    await gone(bench, definition_ref(bench))
