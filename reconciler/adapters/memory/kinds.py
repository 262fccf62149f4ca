"""The built-in kinds that MemoryCluster serves, as discovery tells them.

Not their schemas (`builtin.json`) nor their rules. A kind that is not in the table, and that no CRD defines, is not
served.
"""

from __future__ import annotations

from typing import NamedTuple

#: Verbs of an ordinary resource, in the order in which the API lists them.
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Kind(NamedTuple):
    """What discovery and the store need to know of one served kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    #: Name of the type in `builtin.json`; empty for kinds defined by a CRD.
    type_name: str = ""
    singular: str = ""

    @property
    def api_version(self) -> str:
        """`v1` for the core group, else `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`deployments.apps`, or the plural alone in the core group: how messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """`Deployment.apps`, or the kind alone in the core group: how validation messages name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def storage(self) -> tuple[str, str]:
        """Where objects of the kind are kept: all versions of a group share a place, and both faces of Events do."""
        return ("" if self.group == "events.k8s.io" else self.group, self.plural)

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


_STATUS = frozenset({"status"})
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


def _core(
    kind: str, plural: str, *, short: str = "", namespaced: bool = True, subs: frozenset[str] = frozenset()
) -> Kind:
    names = tuple(short.split())
    return Kind("", "v1", kind, plural, namespaced, names, subs, type_name=f"core.v1.{kind}", singular=kind.lower())


def _of(group_version: str, kind: str, *, plural: str, short: str = "", subs: frozenset[str] = frozenset()) -> Kind:
    group, version = group_version.split("/")
    stem = {"apps": "apps", "batch": "batch", _RBAC: "rbac", _ADMISSION: "admissionregistration"}.get(
        group, group.split(".")[0]
    )
    return Kind(
        group, version, kind, plural, True, tuple(short.split()), subs,
        type_name=f"{stem}.{version}.{kind}", singular=kind.lower(),
    )  # fmt: skip


def _global(kind: Kind) -> Kind:
    """Not in a namespace."""
    return kind._replace(namespaced=False)


def _all(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """`kubectl get all` asks for the category `all`."""
    members = {"Pod", "Service", "ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job",
               "CronJob", "HorizontalPodAutoscaler"}  # fmt: skip
    return tuple(kind._replace(categories=("all",)) if kind.kind in members else kind for kind in kinds)


BUILTIN: tuple[Kind, ...] = _all(
    (
        _core("Namespace", "namespaces", short="ns", namespaced=False, subs=frozenset({"status", "finalize"})),
        _core("Node", "nodes", short="no", namespaced=False, subs=_STATUS),
        _core("PersistentVolume", "persistentvolumes", short="pv", namespaced=False, subs=_STATUS),
        _core("ConfigMap", "configmaps", short="cm"),
        _core("Secret", "secrets"),
        _core("Service", "services", short="svc", subs=_STATUS),
        _core("ServiceAccount", "serviceaccounts", short="sa", subs=frozenset({"token"})),
        _core("Pod", "pods", short="po", subs=frozenset({"status", "log"})),
        _core("PersistentVolumeClaim", "persistentvolumeclaims", short="pvc", subs=_STATUS),
        _core("Event", "events", short="ev"),
        _core("Endpoints", "endpoints", short="ep"),
        _core("LimitRange", "limitranges", short="limits"),
        _core("ResourceQuota", "resourcequotas", short="quota", subs=_STATUS),
        _core("ReplicationController", "replicationcontrollers", short="rc", subs=_STATUS),
        _of("apps/v1", "Deployment", plural="deployments", short="deploy", subs=_STATUS),
        _of("apps/v1", "StatefulSet", plural="statefulsets", short="sts", subs=_STATUS),
        _of("apps/v1", "DaemonSet", plural="daemonsets", short="ds", subs=_STATUS),
        _of("apps/v1", "ReplicaSet", plural="replicasets", short="rs", subs=_STATUS),
        _of("batch/v1", "Job", plural="jobs", subs=_STATUS),
        _of("batch/v1", "CronJob", plural="cronjobs", short="cj", subs=_STATUS),
        _of(f"{_RBAC}/v1", "Role", plural="roles"),
        _of(f"{_RBAC}/v1", "RoleBinding", plural="rolebindings"),
        _global(_of(f"{_RBAC}/v1", "ClusterRole", plural="clusterroles")),
        _global(_of(f"{_RBAC}/v1", "ClusterRoleBinding", plural="clusterrolebindings")),
        _global(
            _of(
                "apiextensions.k8s.io/v1", "CustomResourceDefinition", plural="customresourcedefinitions",
                short="crd crds", subs=_STATUS,
            )
        ),
        _of("coordination.k8s.io/v1", "Lease", plural="leases"),
        _of("events.k8s.io/v1", "Event", plural="events", short="ev"),
        _of("networking.k8s.io/v1", "Ingress", plural="ingresses", short="ing", subs=_STATUS),
        _global(_of("networking.k8s.io/v1", "IngressClass", plural="ingressclasses")),
        _of("networking.k8s.io/v1", "NetworkPolicy", plural="networkpolicies", short="netpol"),
        _of("policy/v1", "PodDisruptionBudget", plural="poddisruptionbudgets", short="pdb", subs=_STATUS),
        _of("autoscaling/v2", "HorizontalPodAutoscaler", plural="horizontalpodautoscalers", short="hpa", subs=_STATUS),
        _global(_of("storage.k8s.io/v1", "StorageClass", plural="storageclasses", short="sc")),
        _global(_of("scheduling.k8s.io/v1", "PriorityClass", plural="priorityclasses", short="pc")),
        _global(_of(f"{_ADMISSION}/v1", "ValidatingWebhookConfiguration", plural="validatingwebhookconfigurations")),
        _global(_of(f"{_ADMISSION}/v1", "MutatingWebhookConfiguration", plural="mutatingwebhookconfigurations")),
    )
)  # fmt: skip
