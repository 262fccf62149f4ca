"""Workloads: statuses as the controllers write them."""

from __future__ import annotations

from reconciler.ports.cluster import Object, Ref, Scope
from tests.contract.bench import Bench, condition, deployment, deployment_ref, eventually, job


async def deployments_become_available(bench: Bench) -> None:
    await bench.cluster.create(deployment(bench, replicas=2))
    found = await eventually(
        bench,
        lambda: bench.cluster.get(deployment_ref(bench)),
        lambda obj: condition(obj, "Available") == "True" and (obj["status"].get("updatedReplicas") == 2),
    )
    found = await eventually(
        bench, lambda: bench.cluster.get(deployment_ref(bench)), lambda obj: obj["status"].get("availableReplicas") == 2
    )
    status = found["status"]
    assert status["observedGeneration"] == found["metadata"]["generation"] == 1
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert "unavailableReplicas" not in status
    progressing = next(item for item in status["conditions"] if item["type"] == "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("True", "NewReplicaSetAvailable")
    assert "has successfully progressed." in progressing["message"]
    sets = (await bench.cluster.list(Scope("apps/v1", "ReplicaSet", bench.namespace))).items
    assert [item["metadata"]["ownerReferences"][0]["uid"] for item in sets] == [found["metadata"]["uid"]]
    pods = (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "app=web"))).items
    assert [pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods] == ["ReplicaSet", "ReplicaSet"]
    assert all("pod-template-hash" in pod["metadata"]["labels"] for pod in pods)


async def new_templates_roll_out(bench: Bench) -> None:
    await bench.cluster.apply(deployment(bench), manager="one")
    ref = deployment_ref(bench)
    done = lambda obj: (  # noqa: E731 - a predicate, twice used
        obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
        and obj["status"].get("updatedReplicas")
        == obj["status"].get("availableReplicas")
        == obj["status"].get("replicas")
        == 1
    )
    await eventually(bench, lambda: bench.cluster.get(ref), done)
    changed = deployment(bench)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "example.test/web:2"
    made = await bench.cluster.apply(changed, manager="one")
    assert made["metadata"]["generation"] == 2
    await eventually(bench, lambda: bench.cluster.get(ref), done)
    sets = (await bench.cluster.list(Scope("apps/v1", "ReplicaSet", bench.namespace))).items
    assert sorted(item["spec"]["replicas"] for item in sets) == [0, 1]


async def deployments_may_never_be_ready(bench: Bench) -> None:
    obj = deployment(bench, progressDeadlineSeconds=1)
    obj["spec"]["template"]["metadata"]["annotations"] = bench.behaviour(outcome="never")
    await bench.cluster.create(obj)
    found = await eventually(
        bench, lambda: bench.cluster.get(deployment_ref(bench)), lambda obj: condition(obj, "Progressing") == "False"
    )
    progressing = next(item for item in found["status"]["conditions"] if item["type"] == "Progressing")
    assert progressing["reason"] == "ProgressDeadlineExceeded"
    assert "has timed out progressing." in progressing["message"]
    assert condition(found, "Available") == "False"
    assert found["status"]["unavailableReplicas"] == 1


async def _finished(bench: Bench) -> Object:
    return await eventually(
        bench,
        lambda: bench.cluster.get(Ref("batch/v1", "Job", bench.namespace, "once")),
        lambda obj: "True" in (condition(obj, "Complete"), condition(obj, "Failed")),
    )


async def jobs_complete(bench: Bench) -> None:
    await bench.cluster.create(job(bench))
    found = await _finished(bench)
    assert condition(found, "Complete") == condition(found, "SuccessCriteriaMet") == "True"
    assert found["status"]["succeeded"] == 1
    assert found["status"]["completionTime"]
    pods = (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "job-name=once"))).items
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"]


async def jobs_fail_with_their_exit_code(bench: Bench) -> None:
    await bench.cluster.create(job(bench, outcome="fail", exit_code=7))
    found = await _finished(bench)
    failed = next(item for item in found["status"]["conditions"] if item["type"] == "Failed")
    assert (failed["reason"], failed["message"]) == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    assert found["status"]["failed"] == 1
    pods = (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "job-name=once"))).items
    state = pods[0]["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (pods[0]["status"]["phase"], state["exitCode"]) == ("Failed", 7)


async def jobs_run_out_of_time(bench: Bench) -> None:
    await bench.cluster.create(job(bench, outcome="never", activeDeadlineSeconds=1))
    found = await _finished(bench)
    failed = next(item for item in found["status"]["conditions"] if item["type"] == "Failed")
    assert (failed["reason"], failed["message"]) == (
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    )


async def suspended_jobs_wait(bench: Bench) -> None:
    await bench.cluster.create(job(bench, suspend=True))
    ref = Ref("batch/v1", "Job", bench.namespace, "once")
    await eventually(bench, lambda: bench.cluster.get(ref), lambda obj: condition(obj, "Suspended") == "True")
    assert (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "job-name=once"))).items == []
    await bench.cluster.patch(ref, {"spec": {"suspend": False}}, type="merge")
    found = await _finished(bench)
    assert condition(found, "Complete") == "True"
    assert condition(found, "Suspended") == "False"


async def logs_are_tailed(bench: Bench) -> None:
    await bench.cluster.create(job(bench))
    await _finished(bench)
    pods = (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "job-name=once"))).items
    name = pods[0]["metadata"]["name"]
    whole = await bench.cluster.logs(bench.namespace, name)
    assert len(whole.splitlines()) > 1
    assert await bench.cluster.logs(bench.namespace, name, tail_lines=1) == whole.splitlines(keepends=True)[-1]


async def stateful_sets_number_their_pods(bench: Bench) -> None:
    obj = {**deployment(bench, replicas=2), "kind": "StatefulSet"}
    await bench.cluster.create(obj)
    ref = Ref("apps/v1", "StatefulSet", bench.namespace, "web")
    found = await eventually(
        bench, lambda: bench.cluster.get(ref), lambda obj: obj.get("status", {}).get("availableReplicas") == 2
    )
    status = found["status"]
    assert status["observedGeneration"] == 1
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (2, 2, 2)
    assert status["currentRevision"] == status["updateRevision"] != ""
    pods = (await bench.cluster.list(Scope("v1", "Pod", bench.namespace, "app=web"))).items
    assert [pod["metadata"]["name"] for pod in pods] == ["web-0", "web-1"]


async def daemon_sets_cover_the_nodes(bench: Bench) -> None:
    obj = {**deployment(bench), "kind": "DaemonSet"}
    await bench.cluster.create(obj)
    ref = Ref("apps/v1", "DaemonSet", bench.namespace, "web")
    found = await eventually(
        bench, lambda: bench.cluster.get(ref), lambda obj: obj.get("status", {}).get("numberAvailable", 0) >= 1
    )
    status = found["status"]
    assert status["observedGeneration"] == 1
    assert status["desiredNumberScheduled"] == status["currentNumberScheduled"] == status["numberReady"] == 1
    assert status["numberMisscheduled"] == 0
