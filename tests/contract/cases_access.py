"""Identities: RBAC, tokens, access reviews, escalation."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Forbidden
from reconciler.ports.cluster import Object, Ref, Scope
from tests.contract.bench import Bench, config, config_ref, deployment, deployment_ref, eventually, refused

RBAC = "rbac.authorization.k8s.io"


def _role(bench: Bench, name: str, *rules: Object) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": bench.namespace},
        "rules": list(rules),
    }


def _binding(bench: Bench, role: str, account: str) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{account}", "namespace": bench.namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": bench.namespace}],
    }


def _rule(group: str, resource: str, *verbs: str, **more: Any) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **more}


async def _grant(bench: Bench, account: str, *rules: Object) -> None:
    """Grants, and waits until the authorizer knows: it reads roles from a cache."""
    await bench.cluster.create(_role(bench, "granted", *rules))
    await bench.cluster.create(_binding(bench, "granted", account))
    view = await bench.account(account)
    kind = {
        "configmaps": ("v1", "ConfigMap"),
        "deployments": ("apps/v1", "Deployment"),
        "roles": (f"{RBAC}/v1", "Role"),
    }
    version, name = kind[rules[0]["resources"][0]]
    ref = Ref(version, name, bench.namespace, (rules[0].get("resourceNames") or [""])[0])
    await eventually(bench, lambda: view.allowed(rules[0]["verbs"][0], ref), bool)


async def nobody_may_without_a_grant(bench: Bench) -> None:
    view = await bench.account("weak")
    user = f"system:serviceaccount:{bench.namespace}:weak"
    error = await refused(Forbidden, view.get(config_ref(bench, "a")))
    assert error.message == (
        f'configmaps "a" is forbidden: User "{user}" cannot get resource "configmaps" in API group "" in the namespace '
        f'"{bench.namespace}"'
    )
    error = await refused(Forbidden, view.apply(deployment(bench), manager="m"))
    assert error.message == (
        f'deployments.apps "web" is forbidden: User "{user}" cannot patch resource "deployments" in API group "apps" '
        f'in the namespace "{bench.namespace}"'
    )
    error = await refused(Forbidden, view.list(Scope("v1", "Node")))
    assert (
        error.message
        == f'nodes is forbidden: User "{user}" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    assert error.status["reason"] == "Forbidden"


async def grants_open_what_they_say(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a"))
    view = await bench.account("reader")
    await _grant(bench, "reader", _rule("", "configmaps", "get", "list"))
    assert (await view.get(config_ref(bench, "a")))["data"] == {"a": "1"}
    await view.list(Scope("v1", "ConfigMap", bench.namespace))
    error = await refused(Forbidden, view.delete(config_ref(bench, "a")))
    assert 'cannot delete resource "configmaps"' in error.message
    await refused(Forbidden, view.list(Scope("v1", "ConfigMap")))
    await refused(Forbidden, view.create(config(bench, "b")))


async def grants_may_name_objects(bench: Bench) -> None:
    for name in ("a", "b"):
        await bench.cluster.create(config(bench, name))
    view = await bench.account("narrow")
    await _grant(bench, "narrow", _rule("", "configmaps", "get", resourceNames=["a"]))
    await view.get(config_ref(bench, "a"))
    await refused(Forbidden, view.get(config_ref(bench, "b")))


async def applying_needs_patch_and_create(bench: Bench) -> None:
    view = await bench.account("patcher")
    await _grant(bench, "patcher", _rule("", "configmaps", "patch"))
    error = await refused(Forbidden, view.apply(config(bench, "a"), manager="m"))
    assert 'cannot create resource "configmaps"' in error.message
    await bench.cluster.create(config(bench, "a"))
    made = await view.apply(config(bench, "a", {"a": "1"}), manager="m")
    assert made["data"] == {"a": "1"}


async def reviews_answer_without_trying(bench: Bench) -> None:
    view = await bench.account("asker")
    assert await bench.cluster.allowed("delete", deployment_ref(bench))
    assert not await view.allowed("delete", deployment_ref(bench))
    await _grant(bench, "asker", _rule("apps", "deployments", "delete"))
    assert await view.allowed("delete", deployment_ref(bench))
    assert not await view.allowed("get", deployment_ref(bench))
    assert not await view.allowed("delete", deployment_ref(bench), subresource="status")


async def nobody_grants_more_than_they_have(bench: Bench) -> None:
    view = await bench.account("climber")
    await _grant(bench, "climber", _rule(RBAC, "roles", "get", "create", "patch", "update"))
    error = await refused(Forbidden, view.create(_role(bench, "more", _rule("", "secrets", "get"))))
    assert "is attempting to grant RBAC permissions not currently held" in error.message
    await view.create(_role(bench, "same", _rule(RBAC, "roles", "get")))


async def tokens_are_issued_to_accounts(bench: Bench) -> None:
    await bench.account("someone")
    token, expires = await bench.cluster.token(bench.namespace, "someone", expires_s=3600)
    assert len(token) > 10
    assert expires.endswith("Z")
    view = await bench.account("someone")
    await refused(Forbidden, view.token(bench.namespace, "someone", expires_s=3600))
