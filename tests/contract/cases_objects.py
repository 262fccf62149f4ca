"""Objects one by one: create, read, replace, patch, list, and what is refused."""

from __future__ import annotations

from reconciler.errors import AlreadyExists, BadRequest, Conflict, Invalid, NoSuchKind, NotFound
from reconciler.ports.cluster import Ref, Scope
from tests.contract.bench import (
    Bench,
    config,
    config_ref,
    deployment,
    deployment_ref,
    eventually,
    job,
    refused,
    template,
)


async def create_stamps_identity(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    meta = made["metadata"]
    assert meta["uid"]
    assert meta["resourceVersion"]
    assert meta["creationTimestamp"].endswith("Z")
    assert "generation" not in meta
    assert made["data"] == {"a": "1"}
    assert await bench.cluster.get(config_ref(bench, "a")) == made


async def create_twice_is_refused(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a"))
    error = await refused(AlreadyExists, bench.cluster.create(config(bench, "a")))
    assert error.message == 'configmaps "a" already exists'


async def create_dry_run_writes_nothing(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"), dry_run=True)
    assert made["data"] == {"a": "1"}
    await refused(NotFound, bench.cluster.get(config_ref(bench, "a")))


async def generated_names_differ(bench: Bench) -> None:
    obj = config(bench, "")
    del obj["metadata"]["name"]
    obj["metadata"]["generateName"] = "run-"
    one, two = await bench.cluster.create(obj), await bench.cluster.create(obj)
    assert one["metadata"]["name"] != two["metadata"]["name"]
    assert len(one["metadata"]["name"]) == len("run-") + 5


async def absent_object_is_named(bench: Bench) -> None:
    error = await refused(NotFound, bench.cluster.get(deployment_ref(bench, "nope")))
    assert error.message == 'deployments.apps "nope" not found'
    assert error.status["reason"] == "NotFound"
    assert error.status["details"]["kind"] == "deployments"


async def unknown_kind(bench: Bench) -> None:
    await refused(NoSuchKind, bench.cluster.resource("nope.example/v1", "Nope"))
    await refused(NoSuchKind, bench.cluster.get(Ref("apps/v1", "Nope", bench.namespace, "x")))


async def discovery_tells_scope_and_subresources(bench: Bench) -> None:
    found = await bench.cluster.resource("apps/v1", "Deployment")
    assert (found.plural, found.namespaced) == ("deployments", True)
    assert "status" in found.subresources
    assert not (await bench.cluster.resource("v1", "Namespace")).namespaced


async def version_is_kubernetes(bench: Bench) -> None:
    found = await bench.cluster.version()
    assert found["gitVersion"].startswith("v1.")
    assert found["major"] == "1"


async def missing_namespace_is_named(bench: Bench) -> None:
    obj = config(bench, "a")
    obj["metadata"]["namespace"] = "nowhere"
    for attempt in (bench.cluster.create(obj), bench.cluster.apply(obj, manager="m")):
        error = await refused(NotFound, attempt)
        assert error.message == 'namespaces "nowhere" not found'


async def namespaced_object_needs_a_namespace(bench: Bench) -> None:
    obj = config(bench, "a")
    del obj["metadata"]["namespace"]
    await refused(BadRequest, bench.cluster.create(obj))


async def bad_names_and_labels_are_refused(bench: Bench) -> None:
    error = await refused(Invalid, bench.cluster.create(config(bench, "Bad_Name")))
    assert 'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of' in error.message
    assert error.causes[0]["field"] == "metadata.name"
    assert error.causes[0]["reason"] == "FieldValueInvalid"
    error = await refused(Invalid, bench.cluster.create(config(bench, "a", labels={"x": "not ok"})))
    assert 'metadata.labels: Invalid value: "not ok": a valid label must be an empty string' in error.message
    error = await refused(Invalid, bench.cluster.create(config(bench, "a", {"not/ok": "1"})))
    assert 'data[not/ok]: Invalid value: "not/ok": a valid config key' in error.message


async def replace_needs_the_current_version(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    changed = await bench.cluster.replace({**made, "data": {"a": "2"}})
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    error = await refused(Conflict, bench.cluster.replace({**made, "data": {"a": "3"}}))
    assert "the object has been modified; please apply your changes to the latest version" in error.message


async def replace_without_change_writes_nothing(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    again = await bench.cluster.replace(made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def replace_of_another_uid_is_refused(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    meta = {**made["metadata"], "uid": "00000000-0000-4000-8000-ffffffffffff"}
    del meta["resourceVersion"]
    error = await refused(Conflict, bench.cluster.replace({**made, "metadata": meta}))
    assert "Precondition failed: UID in precondition" in error.message


async def generation_follows_the_spec(bench: Bench) -> None:
    made = await bench.cluster.create(deployment(bench))
    assert made["metadata"]["generation"] == 1
    ref = deployment_ref(bench)
    labelled = await bench.cluster.patch(ref, {"metadata": {"labels": {"x": "y"}}}, type="merge")
    assert labelled["metadata"]["generation"] == 1
    scaled = await bench.cluster.patch(ref, {"spec": {"replicas": 2}}, type="merge")
    assert scaled["metadata"]["generation"] == 2


async def built_in_defaults_are_filled(bench: Bench) -> None:
    made = await bench.cluster.create(deployment(bench))
    spec = made["spec"]
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    pod = spec["template"]["spec"]
    assert (pod["restartPolicy"], pod["dnsPolicy"], pod["terminationGracePeriodSeconds"]) == (
        "Always",
        "ClusterFirst",
        30,
    )
    container = pod["containers"][0]
    assert (container["imagePullPolicy"], container["resources"]) == ("IfNotPresent", {})
    service = await bench.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": bench.namespace},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        }
    )
    assert service["spec"]["clusterIP"] == service["spec"]["clusterIPs"][0] != ""
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (service["spec"]["type"], service["spec"]["sessionAffinity"]) == ("ClusterIP", "None")


async def quantities_are_canonical(bench: Bench) -> None:
    obj = template(bench)
    limits = {"cpu": 1.5, "memory": "2048Mi"}
    obj["spec"]["containers"][0]["resources"] = {"limits": limits, "requests": {"cpu": "1000m", "memory": "1.5Gi"}}
    made = await bench.cluster.create(deployment(bench, template=obj))
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1500m", "memory": "2Gi"},
        "requests": {"cpu": "1", "memory": "1536Mi"},
    }
    assert made["status"] == {}
    obj["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "500m"}
    error = await refused(Invalid, bench.cluster.create(deployment(bench, "b", template=obj)))
    path = "spec.template.spec.containers[0].resources.requests"
    assert f'{path}: Invalid value: "1": must be less than or equal to cpu limit of 500m' in error.message


async def secret_string_data_is_encoded(bench: Bench) -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": bench.namespace},
        "stringData": {"a": "b"},
    }
    made = await bench.cluster.create(obj)
    assert made["data"] == {"a": "Yg=="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


async def job_gets_its_selector_and_labels(bench: Bench) -> None:
    made = await bench.cluster.create(job(bench))
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"]["matchLabels"] == {"batch.kubernetes.io/controller-uid": uid}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "once"
    assert (made["spec"]["completions"], made["spec"]["parallelism"], made["spec"]["completionMode"]) == (
        1,
        1,
        "NonIndexed",
    )


async def workloads_are_validated(bench: Bench) -> None:
    wrong = deployment(bench, selector={"matchLabels": {"app": "other"}})
    error = await refused(Invalid, bench.cluster.create(wrong))
    assert error.message.startswith(
        'Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"web"}'
    )
    assert "`selector` does not match template `labels`" in error.message
    empty = template(bench)
    empty["spec"] = {"containers": []}
    error = await refused(Invalid, bench.cluster.create(deployment(bench, template=empty)))
    assert "spec.template.spec.containers: Required value" in error.message
    nameless = template(bench)
    nameless["spec"] = {"containers": [{"name": "web"}]}
    error = await refused(Invalid, bench.cluster.create(deployment(bench, template=nameless)))
    assert "spec.template.spec.containers[0].image: Required value" in error.message
    always = job(bench)
    del always["spec"]["template"]["spec"]["restartPolicy"]
    error = await refused(Invalid, bench.cluster.create(always))
    assert "spec.template.spec.restartPolicy: Required value" in error.message


async def wrong_types_are_refused(bench: Bench) -> None:
    error = await refused(BadRequest, bench.cluster.create(deployment(bench, replicas="three")))
    assert 'Deployment in version "v1" cannot be handled as a Deployment' in error.message
    assert "cannot unmarshal string into Go struct field" in error.message


async def _immutable(bench: Bench, made: dict[str, object], patch: dict[str, object], field: str, words: str) -> None:
    meta = made["metadata"]
    assert isinstance(meta, dict)
    ref = Ref(str(made["apiVersion"]), str(made["kind"]), bench.namespace, meta["name"])
    error = await refused(Invalid, bench.cluster.patch(ref, patch, type="merge"))
    found = [cause for cause in error.causes if cause["field"] == field]
    assert found, error.causes
    assert words in found[0]["message"]
    assert words in error.message


async def immutable_selectors_and_templates(bench: Bench) -> None:
    made = await bench.cluster.create(deployment(bench))
    labels = {"app": "web", "more": "x"}
    change = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    await _immutable(bench, made, change, "spec.selector", "field is immutable")
    once = await bench.cluster.create(job(bench))
    change = {"spec": {"template": {"metadata": {"labels": {"more": "x"}}}}}
    await _immutable(bench, once, change, "spec.template", "field is immutable")
    await _immutable(bench, once, {"spec": {"completions": 3}}, "spec.completions", "field is immutable")


async def immutable_data_and_addresses(bench: Bench) -> None:
    sealed = await bench.cluster.create({**config(bench, "a"), "immutable": True})
    await _immutable(bench, sealed, {"data": {"a": "2"}}, "data", "field is immutable when `immutable` is set")
    secret = await bench.cluster.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": bench.namespace}, "type": "x/y"}
    )
    await _immutable(bench, secret, {"type": "x/z"}, "type", "field is immutable")
    service = await bench.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": bench.namespace},
            "spec": {"ports": [{"port": 80}]},
        }
    )
    change = {"spec": {"clusterIP": "10.96.200.200"}}
    await _immutable(bench, service, change, "spec.clusterIPs[0]", "may not change once set")


async def immutable_stateful_sets_claims_and_role_refs(bench: Bench) -> None:
    stateful = await bench.cluster.create({**deployment(bench), "kind": "StatefulSet"})
    change = {"spec": {"podManagementPolicy": "Parallel"}}
    await _immutable(bench, stateful, change, "spec.podManagementPolicy", "field is immutable")
    await _immutable(bench, stateful, {"spec": {"serviceName": "other"}}, "spec.serviceName", "field is immutable")
    claim = await bench.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "c", "namespace": bench.namespace},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "none",
            },
        }
    )
    change = {"spec": {"accessModes": ["ReadOnlyMany"]}}
    await _immutable(bench, claim, change, "spec", "spec is immutable after creation except resources.requests")
    binding = await bench.cluster.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "b", "namespace": bench.namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        }
    )
    await _immutable(bench, binding, {"roleRef": {"name": "other"}}, "roleRef", "")


async def merge_patch_sets_and_removes(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a", {"keep": "1", "drop": "2"}))
    ref = config_ref(bench, "a")
    made = await bench.cluster.patch(ref, {"data": {"drop": None, "new": "3"}}, type="merge")
    assert made["data"] == {"keep": "1", "new": "3"}
    before = made["metadata"]["resourceVersion"]
    same = await bench.cluster.patch(ref, {"data": {"new": "3"}}, type="merge")
    assert same["metadata"]["resourceVersion"] == before
    dry = await bench.cluster.patch(ref, {"data": {"new": "4"}}, type="merge", dry_run=True)
    assert dry["data"]["new"] == "4"
    assert (await bench.cluster.get(ref))["data"]["new"] == "3"


async def json_patch_tests_and_changes(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a", annotations={"x/y": "1"}))
    ref = config_ref(bench, "a")
    operations = [
        {"op": "test", "path": "/metadata/annotations/x~1y", "value": "1"},
        {"op": "replace", "path": "/metadata/annotations/x~1y", "value": "2"},
        {"op": "add", "path": "/data/z", "value": "2"},
        {"op": "remove", "path": "/data/a"},
    ]
    made = await bench.cluster.patch(ref, operations, type="json")
    assert (made["data"], made["metadata"]["annotations"]) == ({"z": "2"}, {"x/y": "2"})
    await refused(Invalid, bench.cluster.patch(ref, [{"op": "test", "path": "/data/z", "value": "no"}], type="json"))
    await refused(Invalid, bench.cluster.patch(ref, [{"op": "remove", "path": "/data/absent"}], type="json"))


async def json_patch_may_be_for_one_version_only(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a", finalizers=["example.test/one"]))
    ref = config_ref(bench, "a")
    version = made["metadata"]["resourceVersion"]
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "example.test/two"},
    ]
    dry = await bench.cluster.patch(ref, operations, type="json", dry_run=True)
    assert dry["metadata"]["finalizers"] == ["example.test/one", "example.test/two"]
    made = await bench.cluster.patch(ref, operations, type="json")
    assert made["metadata"]["resourceVersion"] != version
    await refused(Invalid, bench.cluster.patch(ref, operations, type="json"))
    assert (await bench.cluster.get(ref))["metadata"]["finalizers"] == ["example.test/one", "example.test/two"]
    await bench.cluster.patch(ref, {"metadata": {"finalizers": None}}, type="merge")


async def dry_run_of_a_patch_without_effect_gives_the_object_as_it_is(bench: Bench) -> None:
    await bench.cluster.apply(deployment(bench), manager="one")
    ref = deployment_ref(bench)
    image = {"name": "web", "image": "example.test/web:1"}
    operations = [{"op": "add", "path": "/spec/template/spec/containers/0/image", "value": image["image"]}]
    merge = {"spec": {"template": {"spec": {"containers": [image]}}, "paused": None}}

    async def same() -> bool:
        # Its status may change in between.
        live = await bench.cluster.get(ref)
        dry = [
            await bench.cluster.patch(ref, operations, type="json", dry_run=True),
            await bench.cluster.patch(ref, merge, type="strategic", dry_run=True),
        ]
        return dry == [live, live]

    assert await eventually(bench, same, bool)


async def strategic_patch_merges_lists_by_key(bench: Bench) -> None:
    await bench.cluster.create(deployment(bench))
    ref = deployment_ref(bench)
    side = {"name": "side", "image": "example.test/side:1"}
    patch = {
        "spec": {"template": {"spec": {"containers": [side, {"name": "web", "env": [{"name": "A", "value": "1"}]}]}}}
    }
    made = await bench.cluster.patch(ref, patch, type="strategic")
    found = {item["name"]: item for item in made["spec"]["template"]["spec"]["containers"]}
    assert found["side"]["image"] == "example.test/side:1"
    assert found["web"]["image"] == "example.test/web:1"
    assert found["web"]["env"] == [{"name": "A", "value": "1"}]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    made = await bench.cluster.patch(ref, patch, type="strategic")
    assert [item["name"] for item in made["spec"]["template"]["spec"]["containers"]] == ["web"]


async def patch_of_an_old_version_is_refused(bench: Bench) -> None:
    made = await bench.cluster.create(config(bench, "a"))
    ref = config_ref(bench, "a")
    await bench.cluster.patch(ref, {"data": {"a": "2"}}, type="merge")
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    await refused(Conflict, bench.cluster.patch(ref, stale, type="merge"))


async def lists_select_by_labels_and_fields(bench: Bench) -> None:
    for name, tier in (("a", "one"), ("b", "two"), ("c", "two")):
        await bench.cluster.create(config(bench, name, labels={"tier": tier}))

    async def names(labels: str = "", fields: str = "") -> list[str]:
        scope = Scope("v1", "ConfigMap", bench.namespace, labels, fields)
        items = (await bench.cluster.list(scope)).items
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"] != "kube-root-ca.crt"]

    assert await names() == ["a", "b", "c"]
    assert await names("tier=two") == ["b", "c"]
    assert await names("tier in (one,two),tier!=one") == ["b", "c"]
    assert await names("!tier") == []
    assert await names("tier notin (two)") == ["a"]
    assert await names("tier", "metadata.name=b") == ["b"]
    assert await names("tier", "metadata.name!=b") == ["a", "c"]
    error = await refused(BadRequest, bench.cluster.list(Scope("v1", "ConfigMap", bench.namespace, "", "data.a=1")))
    assert error.message == '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    error = await refused(BadRequest, bench.cluster.list(Scope("v1", "Pod", bench.namespace, "", "spec.hostname=1")))
    assert "field label not supported: spec.hostname" in error.message


async def metadata_only_lists(bench: Bench) -> None:
    await bench.cluster.create(config(bench, "a", labels={"x": "y"}))
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="x=y", metadata_only=True)
    found = await bench.cluster.list(scope)
    assert set(found.items[0]) == {"apiVersion", "kind", "metadata"}
    assert found.items[0]["kind"] == "ConfigMap"
    assert found.resource_version


async def events_are_found_by_their_object(bench: Bench) -> None:
    about = await bench.cluster.create(config(bench, "a"))
    uid = about["metadata"]["uid"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e", "namespace": bench.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "a",
            "namespace": bench.namespace,
            "uid": uid,
        },
        "reason": "Tested",
        "message": "hello",
        "type": "Normal",
    }
    await bench.cluster.create(event)
    found = await bench.cluster.list(Scope("v1", "Event", bench.namespace, field_selector=f"involvedObject.uid={uid}"))
    assert [item["reason"] for item in found.items] == ["Tested"]
    newer = await bench.cluster.get(Ref("events.k8s.io/v1", "Event", bench.namespace, "e"))
    assert (newer["note"], newer["regarding"]["uid"]) == ("hello", uid)
