"""The control plane does what the cluster tests rely on: real controllers, RBAC, tokens, Pods that behave as told."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

Manifest = dict[str, Any]


def pod_template(*, annotations: dict[str, str] | None = None, restart_policy: str = "Always") -> Manifest:
    return {
        "metadata": {"labels": {"app": "demo"}, "annotations": annotations or {}},
        "spec": {"restartPolicy": restart_policy, "containers": [{"name": "main", "image": "example.invalid/app:1"}]},
    }


def pod(name: str, *, annotations: dict[str, str] | None = None, restart_policy: str = "Always") -> Manifest:
    template = pod_template(annotations=annotations, restart_policy=restart_policy)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"] | {"name": name},
        "spec": template["spec"],
    }


def workload(kind: str, *, annotations: dict[str, str] | None = None, replicas: int | None = 2) -> Manifest:
    spec: Manifest = {"selector": {"matchLabels": {"app": "demo"}}, "template": pod_template(annotations=annotations)}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "demo"}, "spec": spec}


def job(
    *, annotations: dict[str, str] | None = None, restart_policy: str = "Never", backoff_limit: int = 0
) -> Manifest:
    template = pod_template(annotations=annotations, restart_policy=restart_policy)
    spec = {"backoffLimit": backoff_limit, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "demo"}, "spec": spec}


def conditions(resource: Manifest) -> dict[str, Manifest]:
    return {each["type"]: each for each in resource["status"]["conditions"]}


def container(resource: Manifest) -> Manifest:
    status: Manifest = resource["status"]["containerStatuses"][0]
    return status


def test_the_server_says_its_real_version(control_plane: ControlPlane) -> None:
    version = control_plane.api.get("/version").ok()
    assert re.fullmatch(r"v1\.\d+\.\d+", version["gitVersion"])
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")


def test_a_deployment_becomes_available(kubectl: Kubectl) -> None:
    kubectl.apply(workload("Deployment"))
    kubectl("rollout", "status", "deployment/demo", "--timeout=30s")
    [replica_set] = kubectl.get("replicasets")["items"]
    assert replica_set["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    pods = kubectl.get("pods")["items"]
    assert [each["status"]["phase"] for each in pods] == ["Running", "Running"]
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in pods} == {replica_set["metadata"]["uid"]}


@pytest.mark.parametrize(("kind", "replicas"), [("StatefulSet", 2), ("DaemonSet", None)])
def test_other_workloads_roll_out(kubectl: Kubectl, kind: str, replicas: int | None) -> None:
    kubectl.apply(workload(kind, replicas=replicas))
    kubectl("rollout", "status", f"{kind}/demo", "--timeout=30s")


def test_a_deleted_deployment_takes_its_pods_with_it(kubectl: Kubectl) -> None:
    kubectl.apply(workload("Deployment"))
    kubectl("rollout", "status", "deployment/demo", "--timeout=30s")
    kubectl("delete", "deployment/demo")
    kubectl.wait("delete", "pods", "--selector=app=demo")
    assert kubectl.get("replicasets,pods")["items"] == []


def test_a_job_completes(kubectl: Kubectl) -> None:
    kubectl.apply(job())
    kubectl.wait("condition=Complete", "job/demo")
    [done] = kubectl.get("pods")["items"]
    assert done["status"]["phase"] == "Succeeded"
    assert container(done)["state"]["terminated"]["exitCode"] == 0


def test_a_failing_job_leaves_exit_code_and_log(kubectl: Kubectl) -> None:
    kubectl.apply(job(annotations={"kwok.test/behaviour": "fail", "kwok.test/exit-code": "3"}))
    kubectl.wait("condition=Failed", "job/demo")
    assert conditions(kubectl.get("job/demo"))["Failed"]["reason"] == "BackoffLimitExceeded"
    [failed] = kubectl.get("pods")["items"]
    assert failed["status"]["phase"] == "Failed"
    assert container(failed)["state"]["terminated"]["exitCode"] == 3
    assert kubectl("logs", failed["metadata"]["name"], "--tail=1") == 'error: relation "orders" does not exist\n'


def test_a_job_whose_pods_restart_in_place_fails_too(kubectl: Kubectl) -> None:
    kubectl.apply(job(annotations={"kwok.test/behaviour": "fail"}, restart_policy="OnFailure", backoff_limit=6))
    kubectl.wait("condition=Failed", "job/demo")


def test_a_job_told_never_to_be_ready_runs_until_it_is_healed(kubectl: Kubectl) -> None:
    kubectl.apply(job(annotations={"kwok.test/behaviour": "never-ready"}))
    kubectl.wait("jsonpath={.status.phase}=Running", "pods", "--selector=app=demo")
    assert kubectl.get("job/demo")["status"]["active"] == 1
    kubectl("annotate", "pods", "--selector=app=demo", "kwok.test/behaviour-")
    kubectl.wait("condition=Complete", "job/demo")


def test_a_slow_pod_is_ready_after_the_time_it_asks_for(kubectl: Kubectl) -> None:
    kubectl.apply(pod("slow", annotations={"kwok.test/after": "3s"}))
    kubectl.wait("jsonpath={.status.phase}=Running", "pod/slow")
    assert conditions(kubectl.get("pod/slow"))["Ready"]["status"] == "False"
    kubectl.wait("condition=Ready", "pod/slow")
    ready = kubectl.get("pod/slow")
    started, became_ready = ready["status"]["startTime"], conditions(ready)["Ready"]["lastTransitionTime"]
    # Both are cut to whole seconds.
    assert 2 <= (datetime.fromisoformat(became_ready) - datetime.fromisoformat(started)).total_seconds() <= 10


def test_a_pod_that_is_never_ready_can_be_healed(kubectl: Kubectl) -> None:
    kubectl.apply(pod("sick", annotations={"kwok.test/behaviour": "never-ready"}))
    kubectl.wait("jsonpath={.status.phase}=Running", "pod/sick")
    assert conditions(kubectl.get("pod/sick"))["Ready"]["status"] == "False"
    kubectl("annotate", "pod/sick", "kwok.test/behaviour-")
    kubectl.wait("condition=Ready", "pod/sick")


def test_a_ready_pod_can_be_made_unready(kubectl: Kubectl) -> None:
    kubectl.apply(pod("well"))
    kubectl.wait("condition=Ready", "pod/well")
    kubectl("annotate", "pod/well", "kwok.test/behaviour=never-ready")
    kubectl.wait("condition=Ready=false", "pod/well")


def test_a_crashing_pod_backs_off_and_can_be_healed(kubectl: Kubectl) -> None:
    kubectl.apply(pod("crash", annotations={"kwok.test/behaviour": "fail"}))
    kubectl.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff", "pod/crash")
    crashed = kubectl.get("pod/crash")
    assert crashed["status"]["phase"] == "Running"
    assert container(crashed)["lastState"]["terminated"]["exitCode"] == 1
    kubectl("annotate", "pod/crash", "kwok.test/behaviour-")
    kubectl.wait("condition=Ready", "pod/crash")


def test_a_failing_pod_that_is_not_restarted_has_failed(kubectl: Kubectl) -> None:
    kubectl.apply(pod("once", annotations={"kwok.test/behaviour": "fail"}, restart_policy="Never"))
    kubectl.wait("jsonpath={.status.phase}=Failed", "pod/once")
    assert container(kubectl.get("pod/once"))["state"]["terminated"]["exitCode"] == 1


def test_a_pod_whose_image_cannot_be_pulled_waits_and_can_be_healed(kubectl: Kubectl) -> None:
    kubectl.apply(pod("pull", annotations={"kwok.test/behaviour": "image-pull"}))
    kubectl.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", "pod/pull")
    assert kubectl.get("pod/pull")["status"]["phase"] == "Pending"
    kubectl("annotate", "pod/pull", "kwok.test/behaviour-")
    kubectl.wait("condition=Ready", "pod/pull")


def test_a_failing_pod_has_a_warning_event(kubectl: Kubectl) -> None:
    kubectl.apply(pod("crash", annotations={"kwok.test/behaviour": "fail"}))
    kubectl.wait("create", "events", "--field-selector=involvedObject.name=crash,reason=BackOff,type=Warning")


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("create", "serviceaccount", "deployer")
    kubectl("create", "role", "deployer", "--verb=get,create", "--resource=configmaps")
    kubectl("create", "rolebinding", "deployer", "--role=deployer", f"--serviceaccount={namespace}:deployer")
    api = control_plane.api.acting_as(control_plane.token(namespace=namespace, service_account="deployer"))
    here = f"/api/v1/namespaces/{namespace}"
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    assert api.post(f"{here}/configmaps", config_map).status == 201
    assert api.get(f"{here}/configmaps/mine").status == 200
    assert api.delete(f"{here}/configmaps/mine").status == 403
    assert api.get("/api/v1/namespaces/default/configmaps/mine").status == 403
    refused = api.get(f"{here}/secrets")
    assert refused.status == 403
    assert f'"system:serviceaccount:{namespace}:deployer" cannot list resource "secrets"' in refused.body["message"]


def test_nobody_gets_in_without_a_token(control_plane: ControlPlane) -> None:
    assert control_plane.api.acting_as(None).get("/api/v1/namespaces").status == 403
    assert control_plane.api.acting_as("wrong").get("/api/v1/namespaces").status == 401


def test_namespaces_do_not_see_each_other(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    control_plane.create_namespace(f"{namespace}-b")
    other = Kubectl(kubeconfig=control_plane.kubeconfig, namespace=f"{namespace}-b")
    kubectl("create", "configmap", "same-name", "--from-literal=where=a")
    other("create", "configmap", "same-name", "--from-literal=where=b")
    assert kubectl.get("configmap/same-name")["data"] == {"where": "a"}
    kubectl("delete", "configmap/same-name")
    assert other.get("configmap/same-name")["data"] == {"where": "b"}
    other("delete", "namespace", other.namespace, "--wait=false")


def test_a_deleted_namespace_loses_its_content(control_plane: ControlPlane, kubectl: Kubectl, namespace: str) -> None:
    control_plane.create_namespace(f"{namespace}-b")
    other = Kubectl(kubeconfig=control_plane.kubeconfig, namespace=f"{namespace}-b")
    other.apply(workload("Deployment"))
    other("rollout", "status", "deployment/demo", "--timeout=30s")
    kubectl("delete", "namespace", other.namespace, "--timeout=60s")
    assert control_plane.api.get(f"/api/v1/namespaces/{other.namespace}").status == 404


def test_a_custom_resource_is_served(kubectl: Kubectl) -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    names = {"kind": "Widget", "plural": "widgets", "singular": "widget"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    kubectl.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.controlplane.test"},
            "spec": {"group": "controlplane.test", "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
    try:
        kubectl.wait("condition=Established", "crd/widgets.controlplane.test")
        widget = {"apiVersion": "controlplane.test/v1", "kind": "Widget", "metadata": {"name": "w"}}
        kubectl.apply(widget | {"spec": {"size": 3}})
        assert kubectl.get("widgets.controlplane.test/w")["spec"] == {"size": 3}
        wrong = kubectl.run("create", "-f", "-", stdin='{"apiVersion":"controlplane.test/v1","kind":"Widget"}')
        assert wrong.returncode != 0
    finally:
        kubectl("delete", "crd/widgets.controlplane.test")


def test_the_audit_log_has_every_request(control_plane: ControlPlane, namespace: str) -> None:
    api = control_plane.api.acting_as(control_plane.token(namespace=namespace, service_account="default"))
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    api.get(f"{path}/before")
    mark = control_plane.audit.mark()
    for name in ("one", "two", "three"):
        api.get(f"{path}/{name}")
    mine = [
        each
        for each in control_plane.audit.since(mark)
        if each.namespace == namespace and each.user.endswith(":default")
    ]
    assert [(each.verb, each.resource, each.name, each.status) for each in mine] == [
        ("get", "configmaps", "one", 403),
        ("get", "configmaps", "two", 403),
        ("get", "configmaps", "three", 403),
    ]
    assert {each.agent for each in mine} == {"stageset-tests"}


def test_a_second_control_plane_is_another_cluster(
    control_plane: ControlPlane, remote_control_plane: ControlPlane, namespace: str
) -> None:
    assert remote_control_plane.url != control_plane.url
    assert remote_control_plane.api.get(f"/api/v1/namespaces/{namespace}").status == 404
    token = control_plane.token(namespace=namespace, service_account="default")
    remote = remote_control_plane.api.acting_as(token)
    assert remote.get("/api/v1/namespaces").status == 401
