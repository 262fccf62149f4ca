"""The shipped roles against what the API server's audit log says: no verb unused, none missing."""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.flux import KINDS
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.installed import ACCOUNT, NAME, NAMESPACE
from tests.cluster.rollout.shop import NAME as STAGESET
from tests.cluster.rollout.shop import STAGES, Shop
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.kubectl import Kubectl

#: What every authenticated identity may do in a cluster as it comes: discovery.
FREE = ("/version", "/api", "/apis", "/openapi")


def _granted(kubectl: Kubectl) -> set[tuple[str, str, str]]:
    rules = kubectl.get("clusterrole", NAME)["rules"] + kubectl.get("role", NAME)["rules"]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _everything(shop: Shop, controller: Controller) -> None:
    """All that makes it ask something as itself."""
    for kind, _, _ in KINDS:
        for name in STAGES:
            shop.publish(name, "v1", {"config.yaml": shop.config(name, "v1")}, kind=kind)
    stages: list[dict[str, Any]] = [
        {"name": f"{kind.lower()}", "sourceRef": {"kind": kind, "name": "database"}} for kind, _, _ in KINDS
    ]
    # What is done once and for all is shown in a StageLedger.
    stages[0]["actions"] = {"pre": [{"name": "seed", "scope": "Lifetime", "wait": {"duration": "1ms"}}]}
    # Each is rolled out alone: they render the same ConfigMap.
    shop.release(stages=stages[:1])
    shop.until_ready(revision="v1")
    for one in stages[1:]:
        shop.merge({"spec": {"stages": [one]}})
        shop.until_ready()
    shop.publish("database", "v2", {"more.yaml": shop.config("more", "v2")}, kind=KINDS[-1][0])
    shop.until_ready(revision="v2")
    # An inventory whose content changes is replaced, one that somebody deleted is made again.
    shop.kubectl("delete", "stageinventories", "--all")
    eventually(lambda: shop.kubectl.get("stageinventories")["items"], what="written again", show=shop.story)
    shop.kubectl("delete", "stageset", STAGESET, "--timeout=30s")


def test_the_role_has_what_is_used_and_nothing_else(installed, server, tmp_path):
    kubectl = Kubectl(kubeconfig=installed.kubeconfig, namespace=NAMESPACE)
    kubectl("delete", "leases", "--all")
    mark = installed.audit.mark()
    with (
        Controller(installed, tmp_path, artifact_hosts=(server.host,)) as controller,
        Shop(installed, controller, server, words="rbac") as shop,
    ):
        _everything(shop, controller)
        # Watches are in the audit log when they have ended.
        assert controller.end() == 0
    mine = [one for one in installed.audit.since(mark) if one.user == ACCOUNT]
    # Namespaces that other tests left behind while they end take nothing new, from nobody.
    here = (f"/namespaces/{shop.namespace}/", f"/namespaces/{NAMESPACE}/")
    refused = {
        (one.verb, one.path, one.status)
        for one in mine
        if one.status in {401, 403} and (any(part in one.path for part in here) or "/namespaces/" not in one.path)
    }
    assert refused == set()
    used = {
        (one.event["objectRef"].get("apiGroup", ""), one.resource, one.verb)
        for one in mine
        if one.resource and not one.path.startswith("/apis/?")
    }
    asked = {one.path for one in mine if not one.resource}
    assert {path for path in asked if not path.startswith(FREE)} == set()
    granted = _granted(kubectl)
    assert used - granted == set(), "used without being granted: refused on a cluster that is stricter"
    assert granted - used == set(), "granted and never used"


def test_the_shipped_role_reaches_no_workload_and_no_secret(installed):
    kubectl = Kubectl(kubeconfig=installed.kubeconfig, namespace="default")
    for verb, resource in (("get", "secrets"), ("list", "configmaps"), ("create", "deployments"), ("delete", "pods")):
        done = kubectl.run("auth", "can-i", verb, resource, f"--as={ACCOUNT}", "--all-namespaces")
        assert done.stdout.strip() == "no", (verb, resource)


def test_the_shipped_pod_is_admitted_under_the_restricted_standard(installed):
    """`pod-security.kubernetes.io/enforce: restricted` is on the namespace: the ReplicaSet could make its Pod."""
    kubectl = Kubectl(kubeconfig=installed.kubeconfig, namespace=NAMESPACE)
    enforced = kubectl.get("namespace", NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == "restricted"
    eventually(lambda: kubectl.get("pods", "-l", f"app={NAME}")["items"], what="the Pod exists")
