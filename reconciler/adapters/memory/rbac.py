"""Role-based access control: may this identity do this, by the roles and bindings in the store.

Not authentication. Source of the rules: `plugin/pkg/auth/authorizer/rbac` and `pkg/apis/rbac/v1/evaluation_helpers.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler import errors
from reconciler.adapters.memory import selectors, status
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.request import Identity
from reconciler.adapters.memory.store import Location
from reconciler.adapters.memory.world import World

Rule = Mapping[str, Any]
GROUP = "rbac.authorization.k8s.io"


class Attributes(NamedTuple):
    """What is asked for: a verb on a resource."""

    verb: str
    group: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> str:
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def of(kind: Kind, verb: str, *, namespace: str = "", name: str = "", subresource: str = "") -> Attributes:
    return Attributes(verb, kind.group, kind.plural, namespace if kind.namespaced else "", name, subresource)


def allowed(world: World, identity: Identity, *, asked: Attributes) -> bool:
    """Whether any rule that is bound to the identity allows it."""
    if identity.unrestricted:
        return True
    return any(_covers(rule, asked) for rule in rules_for(world, identity, namespace=asked.namespace))


def rules_for(world: World, identity: Identity, *, namespace: str) -> Iterator[Rule]:
    """Every rule that is bound to the identity, cluster-wide and in the namespace."""
    for _, entry in world.store.list((GROUP, "clusterrolebindings")):
        yield from _bound(world, identity, binding=entry.obj, namespace="")
    if namespace:
        for _, entry in world.store.list((GROUP, "rolebindings"), namespace):
            yield from _bound(world, identity, binding=entry.obj, namespace=namespace)


def _bound(world: World, identity: Identity, *, binding: Mapping[str, Any], namespace: str) -> Iterator[Rule]:
    if any(_is_subject(subject, identity, namespace=namespace) for subject in binding.get("subjects") or ()):
        yield from rules_of(world, binding["roleRef"], namespace=namespace)


def _is_subject(subject: Mapping[str, Any], identity: Identity, *, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject.get("name") == identity.user)
        case "Group":
            return subject.get("name") in identity.groups
        case "ServiceAccount":
            space = subject.get("namespace") or namespace
            return identity.user == f"system:serviceaccount:{space}:{subject.get('name')}"
    return False


def rules_of(world: World, reference: Mapping[str, Any], *, namespace: str) -> list[Rule]:
    """The rules of a Role or ClusterRole, aggregated ones included; a missing role has none."""
    if reference.get("kind") == "Role":
        entry = world.store.get(Location((GROUP, "roles"), namespace, reference["name"]))
        return list((entry.obj.get("rules") or []) if entry else [])
    entry = world.store.get(Location((GROUP, "clusterroles"), "", reference["name"]))
    if entry is None:
        return []
    rules = list(entry.obj.get("rules") or ())
    for selector in (entry.obj.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        matches = selectors.of_selector(selector)
        for _, other in world.store.list((GROUP, "clusterroles")):
            if other is not entry and matches(other.obj):
                rules.extend(other.obj.get("rules") or ())
    return rules


def _covers(rule: Rule, asked: Attributes) -> bool:
    verbs, groups = rule.get("verbs") or (), rule.get("apiGroups") or ()
    if not ("*" in verbs or asked.verb in verbs) or not ("*" in groups or asked.group in groups):
        return False
    resources = rule.get("resources") or ()
    if not (
        "*" in resources or asked.resource in resources or (asked.subresource and f"*/{asked.subresource}" in resources)
    ):
        return False
    names = rule.get("resourceNames") or ()
    return not names or asked.name in names


def refuse(asked: Attributes, identity: Identity) -> errors.ClusterError:
    """The API's sentence for a denied request."""
    group = f'API group "{asked.group}"'
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    resource = f"{asked.plural}.{asked.group}" if asked.group else asked.plural
    named = f'{resource} "{asked.name}"' if asked.name else resource
    what = f'cannot {asked.verb} resource "{asked.resource}" in {group}{where}'
    message = f'{named} is forbidden: User "{identity.user}" {what}'
    details = {"name": asked.name, "group": asked.group, "kind": asked.plural}
    return status.make(errors.Forbidden, message, details={k: v for k, v in details.items() if v})


def check_escalation(world: World, identity: Identity, *, obj: Mapping[str, Any], kind: Kind) -> None:
    """Nobody grants more than they have, without the verbs `escalate` or `bind`. Raises `Forbidden`."""
    if identity.unrestricted or kind.group != GROUP:
        return
    namespace = obj["metadata"].get("namespace", "")
    name = obj["metadata"].get("name", "")
    if kind.kind in ("Role", "ClusterRole"):
        granted: list[Rule] = list(obj.get("rules") or ())
        exempt = of(kind, "escalate", namespace=namespace, name=name)
    else:
        reference = obj["roleRef"]
        granted = rules_of(world, reference, namespace=namespace)
        plural = "roles" if reference["kind"] == "Role" else "clusterroles"
        exempt = Attributes("bind", GROUP, plural, namespace, reference["name"])
    held = list(rules_for(world, identity, namespace=namespace))
    missing = [one for rule in granted for one in _single(rule) if not any(_covers(have, one) for have in held)]
    if missing and not allowed(world, identity, asked=exempt):
        groups = " ".join(f'"{group}"' for group in sorted(identity.groups))
        lines = "\n".join(
            f'{{APIGroups:["{a.group}"], Resources:["{a.resource}"], Verbs:["{a.verb}"]}}' for a in missing
        )
        message = (
            f'{kind.resource} "{name}" is forbidden: user "{identity.user}" (groups=[{groups}]) is attempting to grant '
            f"RBAC permissions not currently held:\n{lines}"
        )
        raise status.make(errors.Forbidden, message, details={"name": name, "group": kind.group, "kind": kind.plural})


def _single(rule: Rule) -> Iterator[Attributes]:
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            plural, _, subresource = resource.partition("/")
            for verb in rule.get("verbs") or ():
                for name in rule.get("resourceNames") or ("",):
                    yield Attributes(verb, group, plural, "", name, subresource)
