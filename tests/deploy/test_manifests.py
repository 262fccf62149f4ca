"""The manifests without a cluster: they render, name flags and ports that exist, and grant what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import wiring
from reconciler.__main__ import main
from reconciler.adapters import lease
from tests.deploy.dockerfile import ROOT

KUBECTL = Path(sys.executable).with_name("kubectl")


def _rendered(folder: str) -> dict[tuple[str, str], dict[str, Any]]:
    done = subprocess.run(
        [str(KUBECTL), "kustomize", str(ROOT / "deploy" / folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    return _rendered("manifests")


def _container(manifests: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    (container,) = manifests["Deployment", "stageset-controller"]["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_everything_that_an_installation_needs_is_there(manifests):
    assert {kind for kind, _ in manifests} == {
        "Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role",
        "RoleBinding",
        "PersistentVolumeClaim", "Deployment", "Service", "NetworkPolicy",
    }  # fmt: skip
    crds = {path.name for path in (ROOT / "deploy/crds").glob("stages.*.yaml")}
    assert len([kind for kind, _ in manifests if kind == "CustomResourceDefinition"]) == len(crds)
    outside = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}
    for (kind, name), one in manifests.items():
        assert (one["metadata"].get("namespace") == "stageset-system") != (kind in outside), (kind, name)


def test_the_flags_are_flags_of_the_controller(manifests):
    context = main.make_context("stageset-controller", list(_container(manifests)["args"]))
    assert context.params["metrics_bind_address"] == ":8080"
    assert context.params["health_probe_bind_address"] == ":8081"
    assert context.params["ledger"] == "/var/lib/stageset/ledger.db"
    assert context.params["leader_elect"] is True


def test_the_lease_is_the_only_thing_that_the_role_grants(manifests):
    """The namespace is the Pod's own; creating cannot be narrowed to a name."""
    assert "leader_election_namespace" not in str(_container(manifests)["args"])
    rules = manifests["Role", "stageset-controller"]["rules"]
    granted = {
        (*rule["apiGroups"], *rule["resources"], *rule.get("resourceNames", ["*"])): rule["verbs"] for rule in rules
    }
    assert granted == {
        ("coordination.k8s.io", "leases", "*"): ["create"],
        ("coordination.k8s.io", "leases", lease.NAME): ["get", "update"],
    }
    assert manifests["RoleBinding", "stageset-controller"]["roleRef"]["kind"] == "Role"


def test_the_pod_may_take_as_long_to_end_as_it_needs(manifests):
    spec = manifests["Deployment", "stageset-controller"]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= wiring.GRACE_S + 20


def test_ports_are_named_once_and_used_by_name(manifests):
    container = _container(manifests)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": 8080, "probes": 8081}
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "probes"}
    (served,) = manifests["Service", "stageset-controller-metrics"]["spec"]["ports"]
    assert served["targetPort"] in ports
    allowed = manifests["NetworkPolicy", "stageset-controller"]["spec"]["ingress"][0]["ports"]
    assert {port["port"] for port in allowed} == set(ports)


def test_selectors_find_the_pod(manifests):
    labels = manifests["Deployment", "stageset-controller"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        manifests["Deployment", "stageset-controller"]["spec"]["selector"]["matchLabels"],
        manifests["Service", "stageset-controller-metrics"]["spec"]["selector"],
        manifests["NetworkPolicy", "stageset-controller"]["spec"]["podSelector"]["matchLabels"],
        _rendered("manifests/flux-access")["NetworkPolicy", "allow-stageset-controller"]["spec"]["ingress"][0]["from"][
            0
        ]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_one_writer_and_a_hardened_pod(manifests):
    spec = manifests["Deployment", "stageset-controller"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert spec["template"]["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert _container(manifests)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for volume in spec["template"]["spec"]["volumes"]:
        assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), volume


def test_the_default_grants_no_workload_and_single_tenant_everything(manifests):
    rules = manifests["ClusterRole", "stageset-controller"]["rules"]
    groups = {group for rule in rules for group in rule["apiGroups"]}
    assert groups == {"stages.metio.wtf", "source.toolkit.fluxcd.io", "events.k8s.io", ""}
    core = [resource for rule in rules if "" in rule["apiGroups"] for resource in rule["resources"]]
    assert core == ["serviceaccounts/token"]
    assert "*" not in str(rules)
    single = _rendered("manifests/single-tenant")
    added = single.keys() - manifests.keys()
    assert added == {("ClusterRoleBinding", "stageset-controller-cluster-admin")}
    assert single[added.pop()]["roleRef"]["name"] == "cluster-admin"
